"""A bundle's modes as the benchmark runs them. All that it needs of the runtime is used here."""

from __future__ import annotations

import time
from dataclasses import dataclass

import cv2

from edge_runtime.budget import FrameBudget
from edge_runtime.inference import Mode, TileOptions, open_inference
from edge_runtime.stages import StageTimes
from edge_runtime.tiles import TileCounts
from fissura.bundle import Bundle
from fissura.imaging.decode import MIN_LENGTH_PX
from fissura.imaging.images import Mask, RgbImage
from fissura.imaging.measure import long_components


@dataclass(frozen=True)
class Variant:
    """A mode and its settings.

    Attributes:
        mode: of the runtime.
        proposal_threshold: of the cheap pass; None: the bundle's.
        halo: context of a tile, camera pixels; None: the mode's own.
        budget_ms: of a frame; None: none.
    """

    mode: Mode
    proposal_threshold: float | None = None
    halo: int | None = None
    budget_ms: float | None = None

    @property
    def label(self) -> str:
        """For tables."""
        parts: list[str] = [self.mode]
        if self.proposal_threshold is not None:
            parts.append(f"threshold {self.proposal_threshold:g}")
        if self.halo is not None:
            parts.append(f"halo {self.halo}")
        if self.budget_ms is not None:
            parts.append(f"budget {self.budget_ms:.0f} ms")
        return ", ".join(parts)


@dataclass(frozen=True)
class Outcome:
    """What became of a frame.

    Attributes:
        crack: (H * scale, W * scale) bool: what the runtime would report.
        ms: wall time from the frame to the probability map.
        tiles: of the cascade; None in other modes.
    """

    crack: Mask
    ms: float
    tiles: TileCounts | None


class Runner:
    """A variant, loaded.

    Args:
        bundle: the model.
        variant: how it runs.
        engine: kind of engine.
        threads: of the engine.
        tile_px: side of a tile in mode `cascade`, camera pixels.
        batch: tiles at once.
        decision: threshold of what is reported (`fissura run --threshold`); None: the bundle's. `lr-only` has its own,
            moved alike.
    """

    def __init__(
        self,
        bundle: Bundle,
        variant: Variant,
        engine: str,
        threads: int,
        tile_px: int,
        batch: int,
        decision: float | None = None,
    ) -> None:
        self.variant = variant
        self._budget = None if variant.budget_ms is None else FrameBudget(variant.budget_ms)
        core = tile_px if variant.mode == "cascade" else None
        options = TileOptions(core, variant.halo, batch, variant.proposal_threshold, self._budget)
        self._inference = open_inference(bundle, variant.mode, engine, {"threads": threads}, options)
        self._scale = bundle.manifest.scale
        self._threshold = self._inference.threshold
        if decision is not None:
            whole = bundle.graph("tile").threshold
            assert whole is not None
            self._threshold = 1 - (1 - decision) * (1 - self._threshold) / (1 - whole)

    def run(self, image: RgbImage) -> Outcome:
        """Find the cracks of a camera frame, (H, W, 3) uint8 RGB."""
        began = time.perf_counter()
        if self._budget is not None:
            self._budget.start()
        probability = self._inference.run(image, StageTimes())
        if self._budget is not None:
            self._budget.finish(self._budget.clock())
        ms = (time.perf_counter() - began) * 1e3
        if (missing := self._scale // self._inference.scale) > 1:  # `lr-only` ends at the camera's resolution
            probability = cv2.resize(probability, None, fx=missing, fy=missing, interpolation=cv2.INTER_LINEAR)
        crack = long_components(probability >= self._threshold, MIN_LENGTH_PX * self._scale)
        return Outcome(crack, ms, self._inference.tiles)

    def close(self) -> None:
        """Let go of the engines."""
        self._inference.close()
