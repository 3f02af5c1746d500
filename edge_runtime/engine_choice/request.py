"""What is asked: which graphs, how large a frame, how many threads; and what a trial is told and answers."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from edge_runtime.bench_engines.candidate import whole_mode
from edge_runtime.engine_choice.candidate import Candidate
from edge_runtime.inference import PARTS, WHOLE, Mode, TileOptions
from fissura.bundle import Bundle, Role, VariantName


class Request(BaseModel):
    """What an engine is chosen for.

    Attributes:
        bundle: its folder.
        mode: None is `full`.
        precision: of the graphs that the bundle has in it; None: all are fp32.
        size: width and height of the camera frame, pixels.
        threads: of one inference; 0: all cores.
        core, halo, batch, proposal_threshold: see `TileOptions`.
    """

    model_config = ConfigDict(frozen=True)

    bundle: Path
    mode: Mode | None
    precision: VariantName | None
    size: tuple[int, int]
    threads: int
    core: int | None
    halo: int | None
    batch: int
    proposal_threshold: float | None

    @property
    def tiles(self) -> TileOptions:
        """How frames are cut. A budget is left out: with one, every engine is as fast as it allows."""
        return TileOptions(self.core, self.halo, self.batch, self.proposal_threshold)


class Task(BaseModel):
    """The line of JSON that a trial is told."""

    candidate: Candidate
    request: Request


class Answer(BaseModel):
    """A line of JSON that a trial says.

    Attributes:
        name: engine and device, as the engine states it.
        milliseconds: of the frames of one turn.
        problem: why this engine is out; empty: it is not.
    """

    name: str = ""
    milliseconds: list[float] = []
    problem: str = ""


def roles_of(bundle: Bundle, mode: Mode | None) -> list[Role]:
    """The graphs that a mode may run, a very large frame included.

    Raises:
        BundleError: the bundle lacks a graph of it.
    """
    if mode in PARTS:
        return list(PARTS[mode])
    whole = whole_mode(bundle, None if mode == "full" else mode)
    cuts = mode in (None, "full") and "tile" in bundle.manifest.graphs
    return [*WHOLE[whole], *(["tile"] if cuts else [])]  # type: ignore[list-item]
