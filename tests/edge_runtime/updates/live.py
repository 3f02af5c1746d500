"""A pipeline that runs while models are compared beside it and exchanged in it."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import ClassVar

import numpy as np

from edge_runtime.budget import FrameBudget
from edge_runtime.camera import Camera
from edge_runtime.counters import Counters
from edge_runtime.engine_thread import EngineThread
from edge_runtime.frame import EndOfStream, Frame, Timeout
from edge_runtime.pipeline import Pipeline, run_to_end
from edge_runtime.run.config import RunConfig
from edge_runtime.run.loading import ModelLoader
from edge_runtime.sinks.sink import Deadline
from edge_runtime.sources.source import Source
from edge_runtime.stages import StageTimes
from edge_runtime.task import Task
from edge_runtime.updates.trial.trial import Running
from fissura.config import Config, parse_config
from tests.edge_runtime.conftest import HEIGHT, WIDTH, pavement
from tests.edge_runtime.test_pipeline import Collect, frame

GLARE_EVERY = 7


class Road(Source):
    """Fifty frames a second, for ever: cracks, none, and sometimes the sun in the camera."""

    config_class: ClassVar[type[Config]] = Config
    live: ClassVar[bool] = False
    name = "front"

    def __init__(self, *, glare: bool = False) -> None:
        free = np.full((HEIGHT, WIDTH, 3), 150, np.uint8)
        self._images = [pavement(0), free, pavement(1), pavement(2)]
        self._glare = glare
        self._sequence = 0

    def read(self) -> Frame | Timeout | EndOfStream:
        time.sleep(0.02)
        number = self._sequence
        self._sequence += 1
        image = self._images[number % len(self._images)]
        if self._glare and number % GLARE_EVERY == GLARE_EVERY - 1:
            image = np.full_like(image, 255)
        return frame(number, image)

    def close(self) -> None:
        pass


class LiveRun:
    """Runs from its making to `end`."""

    def __init__(self, bundle: Path, source: Source | None = None) -> None:
        settings = {"bundle": bundle, "source": "synth:", "sink": "jsonl:x", "threads": 1}
        self.config = parse_config(RunConfig, settings, origin="test")
        self.sink, self.counters, self._thread = Collect(), Counters(["front"]), EngineThread()
        self._loader = ModelLoader(self._thread, FrameBudget(None))
        camera = Camera(source or Road(), "every_frame")
        model = self._loader.open(self.config)
        self.pipeline = Pipeline(
            [camera], model, self._thread, [self.sink], Task("s1", "m1"), self.counters, StageTimes()
        )
        self._running = threading.Thread(target=run_to_end, args=(self.pipeline, [self.sink], Deadline(1)))
        self._running.start()

    def running(self) -> Running:
        return Running(self.config, self.pipeline.latest.size())

    def use(self, bundle: Path) -> None:
        """Exchange the model, as a switch does."""
        self.config = self.config.model_copy(update={"bundle": bundle})
        self.pipeline.use(self._loader.open_beside(self.config, self.pipeline.latest.size()))

    def whole(self) -> bool:
        """No frame was lost, and all came in order."""
        sequences = [frame.sequence for frame in self.sink.frames]
        return sequences == list(range(len(sequences))) and self.counters.snapshot().drops == {}

    def end(self) -> None:
        self.pipeline.stop()
        self._running.join(30)
        self._thread.call(self.pipeline.model.inference.close)
        self._thread.close()
