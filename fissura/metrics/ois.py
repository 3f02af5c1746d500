"""OIS: each image at its own best threshold; counts pooled over images.

Reference: paper 000, section IV (Evaluation). Its Table I gives F1 as the harmonic mean of precision and recall, as
only pooled counts do.
"""

from __future__ import annotations

from typing import ClassVar

from fissura.metrics.ods import Ods, pooled_at_own_best
from fissura.metrics.protocol import some


class Ois(Ods):
    """Each image at its own best threshold; see `Ods` for the options."""

    summary = "each image at its own best threshold; counts pooled"
    at_threshold: ClassVar[tuple[str, ...]] = ()

    def scores(self) -> dict[str, float]:
        some(len(self.images))
        return dict(zip(("f1", "precision", "recall"), pooled_at_own_best(self.images), strict=True))

    def curve(self) -> None:
        """None: each image has a threshold of its own."""
