"""A new model, opened as the run would open it, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_runtime.budget import FrameBudget
from edge_runtime.engine_thread import EngineThread
from edge_runtime.model import Model
from edge_runtime.run.config import RunConfig
from edge_runtime.run.loading import ModelLoader
from edge_runtime.stages import StageTimes
from fissura.imaging.images import RgbImage


class OpenModel:
    """Runs frames one at a time, on the thread that the engine belongs to.

    Attributes:
        model: what was opened.
    """

    def __init__(self, model: Model, thread: EngineThread, budget: FrameBudget) -> None:
        self.model = model
        self._thread = thread
        self._budget = budget
        self._times = StageTimes()

    def run(self, image: RgbImage) -> NDArray[np.float32]:
        """The probability of a frame.

        Raises:
            ImageError, EngineError: see `Inference.run`.
        """
        return self._thread.call(lambda: self._run(image))

    def _run(self, image: RgbImage) -> NDArray[np.float32]:
        self._budget.start()
        return self.model.inference.run(image, self._times)


@contextmanager
def open_model(config: RunConfig) -> Iterator[OpenModel]:
    """Open what a configuration names; closed at the end.

    Raises:
        BundleError, EngineError, ConfigError, UsageError, MissingDependencyError: see `ModelLoader.open`.
    """
    cv2.setNumThreads(1)
    with EngineThread() as thread:
        budget = FrameBudget(config.budget_ms)
        model = ModelLoader(thread, budget).open(config)
        try:
            yield OpenModel(model, thread, budget)
        finally:
            thread.call(model.inference.close)
