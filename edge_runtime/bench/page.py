"""The figures of `fissura bench` as one HTML page that needs nothing but itself."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from edge_runtime.bench import charts
from edge_runtime.bench.figures import ACKNOWLEDGED, ENGINE, FRAME
from edge_runtime.bench.rounds import Rounds
from edge_runtime.bench.text import HEADER, NAMES, condition_rows, headlines, latency_rows, notes


def render_page(figures: dict[str, Any], measured: Rounds) -> str:
    """The page.

    Args:
        figures: the JSON document.
        measured: for what the document has only percentiles of.
    """
    template = files("edge_runtime.bench").joinpath("page.html.jinja").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    latencies = {"bare engine": measured.engine.latencies_ms[ENGINE]}
    for name, part in measured.pipelines.items():
        latencies[f"{NAMES[name]}: frame"] = part.latencies_ms.get(FRAME, [])
    shown = measured.pipelines.get("singlestream")
    if shown is not None:
        latencies["SingleStream: capture to ack"] = shown.latencies_ms.get(ACKNOWLEDGED, [])
    return environment.from_string(template).render(
        figures=figures,
        headlines=list(headlines(figures)),
        tiles=_tiles(figures),
        shares=charts.shares_chart({name: values for name, values in latencies.items() if values}),
        etas=charts.etas_chart({NAMES[name]: measured.etas(name) for name in measured.pipelines}),
        stages=charts.stage_bars(figures["stage_ms"]),
        stages_of=NAMES[figures["latencies_of"]],
        header=HEADER,
        rows=list(latency_rows(figures)),
        notes=list(notes(figures)),
        conditions=list(condition_rows(figures)),
        chart=charts,
    )


def _tiles(figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The figures that are looked for first: value, unit, name."""
    tiles = [
        (f"{figures['eta']:.3f}", "", "eta: pipeline by bare engine"),
        (f"{figures['end_to_end_fps']:.1f}", "frames/s", "end to end"),
        (f"{figures['host_cpu_ms']:.1f}", "ms", "processor a frame, beside the engine"),
    ]
    p90 = figures["frame_ms"].get("p90")
    if p90 is not None:
        tiles.append((f"{p90:.1f}", "ms", f"p90 of a frame, {NAMES[figures['latencies_of']]}"))
    return tiles
