"""Max pooling that remembers where the maxima were, and its inverse, in operators that engines on vehicles have.

torch's own pair gives the same result, but becomes an ONNX `MaxPool` with indices, which TensorRT refuses, and a
`ScatterND` over all pixels. This pair is comparisons, which take twice torch's time in training and three quarters
of it in ONNX Runtime.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def max_pool_with_positions(x: Tensor) -> tuple[Tensor, Tensor]:
    """2x2 max pooling, and which of the four pixels the maximum is: of equal ones the first in reading order.

    Equal ones are the rule: after a ReLU whole windows are zero.

    Args:
        x: (N, C, 2h, 2w).

    Returns:
        (N, C, h, w) maxima; (N, C, 4, h, w) bool, true at the maximum's place (top left, top right, bottom left,
        bottom right). The places pass no gradient on.
    """
    with torch.no_grad():
        # `:-1:2` instead of `::2`: of 2h rows, the exporter sees that either part has h.
        upper, lower = x[..., :-1:2, :], x[..., 1::2, :]
        upper_left, upper_right = upper[..., :-1:2], upper[..., 1::2]
        lower_left, lower_right = lower[..., :-1:2], lower[..., 1::2]
        in_upper = torch.maximum(upper_left, upper_right) >= torch.maximum(lower_left, lower_right)
        left_of_upper, left_of_lower = upper_left >= upper_right, lower_left >= lower_right
        places = (
            in_upper & left_of_upper,
            in_upper & ~left_of_upper,
            ~in_upper & left_of_lower,
            ~in_upper & ~left_of_lower,
        )
    return F.max_pool2d(x, 2), torch.stack(places, dim=2)


def max_unpool(x: Tensor, positions: Tensor) -> Tensor:
    """Put each value where its window's maximum was, zero elsewhere: what `nn.MaxUnpool2d(2)` gives.

    Args:
        x: (N, C, h, w).
        positions: (N, C, 4, h, w) bool, of `max_pool_with_positions`.

    Returns:
        (N, C, 2h, 2w).
    """
    placed = x.unsqueeze(2).masked_fill(~positions, 0)
    return F.pixel_shuffle(placed.flatten(1, 2), 2)
