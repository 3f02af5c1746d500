"""The demo's report: one HTML page with overlays, a table of cracks and the latency of each stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from jinja2 import Environment, StrictUndefined

from fissura.files import write_text
from fissura.messages import Detection


@dataclass(frozen=True)
class FrameEntry:
    """One frame of the report.

    Attributes:
        name: the frame's name.
        overlay: path of its annotated image, relative to the report.
        detections: what the subscriber received for it, longest crack first.
    """

    name: str
    overlay: str
    detections: Sequence[Detection]


@dataclass(frozen=True)
class StageRow:
    """Latency of one stage over all frames, milliseconds; `share` is the median's part of the slowest one's, in %."""

    name: str
    p50_ms: float
    p90_ms: float
    max_ms: float
    share: float


def stage_rows(stages_ms: Mapping[str, Sequence[float]]) -> list[StageRow]:
    """Percentiles of each stage, in the order given."""
    medians = {name: float(np.median(values)) for name, values in stages_ms.items() if len(values)}
    slowest = max(medians.values(), default=1.0) or 1.0
    return [
        StageRow(
            name,
            p50_ms=medians[name],
            p90_ms=float(np.percentile(stages_ms[name], 90)),
            max_ms=float(np.max(stages_ms[name])),
            share=100 * medians[name] / slowest,
        )
        for name in medians
    ]


def count(things: Sequence[object], name: str) -> str:
    """How many there are, in words: "1 frame", "2 frames"."""
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


def write_report(
    path: Path, *, frames: Sequence[FrameEntry], stages_ms: Mapping[str, Sequence[float]], facts: Mapping[str, str]
) -> None:
    """Write the page in one step.

    Args:
        path: of the HTML file; overlays are named relative to its folder.
        frames: in order of capture.
        stages_ms: latency of each stage, one value a frame, milliseconds.
        facts: what was run, by label: mission, model, broker, ...
    """
    template = files("edge_runtime.demo").joinpath("report.html.jinja").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    cracks = [(frame, number, crack) for frame in frames for number, crack in enumerate(frame.detections, start=1)]
    page = environment.from_string(template).render(
        frames=frames,
        cracks=cracks,
        in_mm=any(detection.crack.length_mm is not None for _, _, detection in cracks),
        stages=stage_rows(stages_ms),
        facts=facts,
        count=count,
    )
    write_text(path, page)
