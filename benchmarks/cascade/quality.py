"""How much of one crack map another one has, within 2 pixels.

Two views. By pixels, as the scores of segmentation do it: a wide crack counts more. By length: the pixels of the
skeleton, so that a hairline counts as much as a wide crack. Counts add up over frames; shares are taken at the end.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np

from fissura.imaging.images import Mask
from fissura.metrics.matching import grown
from fissura.metrics.thinned import thinned

TOLERANCE_PX = 2.0


@dataclass(frozen=True)
class Share:
    """Pixels that are met, of all that should be.

    Attributes:
        met: pixels near a pixel of the other map.
        all: pixels.
    """

    met: int = 0
    all: int = 0

    def __add__(self, other: Share) -> Share:
        return Share(self.met + other.met, self.all + other.all)

    @property
    def value(self) -> float:
        """In [0, 1]; 0 of nothing, as in `fissura.metrics`."""
        return self.met / max(1, self.all)


@dataclass(frozen=True)
class Agreement:
    """A map against a reference.

    Attributes:
        recall: pixels of the reference that the map has.
        precision: pixels of the map that the reference has.
        recall_by_length: the reference's skeleton, in the map.
        precision_by_length: the map's skeleton, in the reference.
    """

    recall: Share = Share()
    precision: Share = Share()
    recall_by_length: Share = Share()
    precision_by_length: Share = Share()

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(
            self.recall + other.recall,
            self.precision + other.precision,
            self.recall_by_length + other.recall_by_length,
            self.precision_by_length + other.precision_by_length,
        )

    @property
    def f1(self) -> float:
        """Harmonic mean of recall and precision, by pixels."""
        recall, precision = self.recall.value, self.precision.value
        return 2 * recall * precision / max(recall + precision, 1e-12)

    def figures(self) -> dict[str, float]:
        """The shares, rounded, by name."""
        named = zip(self.__dataclass_fields__, (Share(*pair) for pair in astuple(self)), strict=True)
        return {name: round(share.value, 4) for name, share in named} | {"f1": round(self.f1, 4)}


class CrackMap:
    """A binary map and what comparing it takes.

    Args:
        mask: (H, W) bool.
    """

    def __init__(self, mask: Mask) -> None:
        self.mask = mask
        self.lines = thinned(mask)
        self.near = grown(mask, TOLERANCE_PX)


def agreement(found: CrackMap, reference: CrackMap) -> Agreement:
    """How a map agrees with a reference of the same size."""
    return Agreement(
        recall=_share(reference.mask, found.near),
        precision=_share(found.mask, reference.near),
        recall_by_length=_share(reference.lines, found.near),
        precision_by_length=_share(found.lines, reference.near),
    )


def _share(pixels: Mask, near: Mask) -> Share:
    return Share(int(np.count_nonzero(pixels & near)), int(np.count_nonzero(pixels)))
