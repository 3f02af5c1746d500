"""A model that answers frames, for the shadow: one at a time, in a process of its own."""

from __future__ import annotations

import time
from typing import BinaryIO

import numpy as np

from edge_runtime.run.config import RunConfig
from edge_runtime.updates.trial.external_data import check_bundle
from edge_runtime.updates.trial.messages import Answer, FrameShape, MapShape, Opened, say
from edge_runtime.updates.trial.opening import open_model
from fissura.bundle import load_bundle


def serve(config: RunConfig, frames: BinaryIO, answers: BinaryIO) -> None:
    """Open the model and answer frames until their stream ends.

    Args:
        config: names the model.
        frames: lines of `FrameShape`, each followed by the frame.
        answers: where an `Answer` goes for each, followed by the map.

    Raises:
        FissuraError: the model cannot be opened, or not run.
    """
    check_bundle(load_bundle(config.bundle))
    with open_model(config) as opened:
        model = opened.model
        reading = Opened(
            threshold=model.stamp.threshold,
            low_threshold=model.low_threshold,
            temperature=model.inference.temperature,
        )
        say(answers, Answer(opened=reading))
        while line := frames.readline():
            shape = FrameShape.model_validate_json(line).shape
            image = np.frombuffer(frames.read(shape[0] * shape[1] * shape[2]), np.uint8).reshape(shape)
            began_ns = time.perf_counter_ns()
            found = np.ascontiguousarray(opened.run(image), np.float32)
            milliseconds = (time.perf_counter_ns() - began_ns) / 1e6
            height, width = found.shape
            say(answers, Answer(map=MapShape(shape=(height, width), milliseconds=milliseconds)))
            answers.write(found.data)
            answers.flush()
