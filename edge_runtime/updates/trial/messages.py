"""What a trial process is told on its standard input, and what it answers: a line of JSON each."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field


class Task(BaseModel):
    """What is to be done.

    Attributes:
        kind: `trial` builds, tests and ends; `shadow` opens the model and answers frames until its input ends.
        config: of the run (`RunConfig`), with the new bundle in the place of the old.
        running: bundle of the model that runs, whose golden frames are shown to the new one too; None: they are not.
        size: width and height of the stream's frames, pixels; None: not known.
        frames: of which the latency is taken.
        niceness: of the process.
        processor_s: seconds of all cores together that it may use; None: any.
        address_space_bytes: that it may reserve; None: any.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["trial", "shadow"]
    config: dict[str, Any]
    running: Path | None = None
    size: tuple[int, int] | None = None
    frames: int = 1
    niceness: int = 0
    processor_s: int | None = None
    address_space_bytes: int | None = None


class Opened(BaseModel):
    """How to read the maps of a model that shadows; see `Reading`."""

    threshold: float
    low_threshold: float | None
    temperature: float


class FrameShape(BaseModel):
    """Goes before the bytes of a frame (H, W, 3) uint8."""

    shape: tuple[int, int, int]


class MapShape(BaseModel):
    """Goes before the bytes of a probability map (H, W) float32."""

    shape: tuple[int, int]
    milliseconds: float


class Answer(BaseModel):
    """A line of JSON from the process; one of its fields is set.

    Attributes:
        figures: of a trial that has ended well.
        opened: the model is ready to shadow.
        map: its bytes follow.
        problem: why the model does not do, a short word first.
    """

    figures: dict[str, float] = Field(default_factory=dict)
    opened: Opened | None = None
    map: MapShape | None = None
    problem: str = ""
    expected: str = ""


def say(answers: BinaryIO, answer: Answer) -> None:
    """Write one line."""
    answers.write(answer.model_dump_json().encode() + b"\n")
    answers.flush()
