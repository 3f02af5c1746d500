"""Bilinear enlargement by a whole factor: the fixed interpolation by which side outputs return to the image's size."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def enlarge(x: Tensor, factor: int) -> Tensor:
    """Enlarge maps, taking pixel centres as they lie (`align_corners=False`).

    What comes out then does not depend on the image's size, so that tiles give what the whole image gives. Inside
    the image it equals the transposed convolution with a bilinear kernel of the older papers; at the border that one
    fades to zero.

    Args:
        x: (N, C, h, w).
        factor: 1 or an even number.

    Returns:
        (N, C, factor*h, factor*w).
    """
    if factor == 1:
        return x
    return F.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)


def enlarging_reach(factor: int) -> int:
    """How far, in enlarged pixels, the farthest pixel lies that belongs to one of the two cells interpolated between.

    Args:
        factor: 1 or an even number.
    """
    return 0 if factor == 1 else factor + factor // 2 - 1
