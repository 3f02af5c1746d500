"""A bundle, loaded: what finds cracks in frames, and what every message says about it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge_runtime.inference import Inference
from fissura.bundle import Bundle
from fissura.errors import UsageError
from fissura.imaging.hysteresis import low_for
from fissura.messages import ModelStamp


@dataclass(frozen=True)
class Model:
    """What looks at a frame. Another threshold or bundle is another model; each frame keeps the one it began with.

    Attributes:
        inference: finds the crack probability.
        stamp: of every detection; its threshold decides what is crack.
        low_threshold: of hysteresis; the bundle's, moved along with the threshold; None: the threshold alone decides.
    """

    inference: Inference
    stamp: ModelStamp
    low_threshold: float | None

    def at(self, threshold: float | None) -> Model:
        """The same with another threshold; None: the bundle's.

        Raises:
            UsageError: it is not between 0 and 1.
        """
        if threshold is not None and not 0 < threshold < 1:
            raise UsageError(f"threshold {threshold:g}", expected="a number between 0 and 1, or none for the bundle's")
        wanted = self.inference.threshold if threshold is None else threshold
        stamp = self.stamp.model_copy(update={"threshold": wanted})
        return replace(self, stamp=stamp, low_threshold=_low_for(self.inference, wanted))


def model_of(bundle: Bundle, inference: Inference, threshold: float | None = None) -> Model:
    """Put a bundle and what runs it together; the bundle's threshold unless one is given."""
    stamp = ModelStamp(
        name=bundle.manifest.name,
        bundle_id=bundle.id,
        mode=inference.mode,
        engine=inference.engine,
        threshold=inference.threshold,
    )
    return Model(inference, stamp, inference.low_threshold).at(threshold)


def _low_for(inference: Inference, threshold: float) -> float | None:
    low = inference.low_threshold
    return None if low is None else low_for(inference.threshold, low, threshold)
