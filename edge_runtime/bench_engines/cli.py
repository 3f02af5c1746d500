"""`fissura bench engines`: which engine and precision to run a bundle with on this device."""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edge_runtime.arguments import at_least, frame_size
from edge_runtime.bench_engines.candidate import kinds_of, whole_mode
from edge_runtime.bench_engines.comparison import Comparison, Row, Settings, compare
from edge_runtime.bench_engines.plot import check_plotting, draw_rows
from edge_runtime.engine_options import HELP, option_of_kind, options_by_kind
from edge_runtime.engines import ENGINES
from edge_runtime.engines.engine import MOST_THREADS
from edge_runtime.inference import WHOLE
from edge_runtime.probe import processor
from fissura.bundle import Bundle, load_bundle
from fissura.dataset import Dataset, find_dataset, load_dataset
from fissura.files import write_text
from fissura.synth import SynthConfig, render
from fissura.table import format_table

SCENES = 4
PLOT, FIGURES = "engines.png", "engines.json"
HEADER = ("engine", "precision", "convolutions", "p50 ms", "p90", "p99", "speed", "memory MB", "file MB")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = "Speed, memory and accuracy of every engine and precision of a bundle on this device."
    add = parser.add_argument
    add("bundle", type=Path, metavar="BUNDLE", help="the model, made by `fissura export`")
    add("--data", metavar="DATA", help="images and masks for the accuracy: a folder, or a name below FISSURA_DATA")
    add("--split", default="test", help="list of the data set (default: %(default)s)")
    add("--limit", type=at_least(1, int), metavar="N", help="use only the first N images")
    drop = "of the ODS F1 against fp32, percent points, which passes (default: %(default)s)"
    add("--max-drop", type=at_least(0), default=0.5, metavar="D", help=drop)
    add("--engines", nargs="+", choices=tuple(ENGINES), metavar="KIND", help=f"of {', '.join(ENGINES)} (default: all)")
    add("--mode", choices=tuple(WHOLE), help="graphs that run (default: fused if the bundle has it)")
    add("--size", type=frame_size, default=(480, 320), metavar="WxH", help="camera frame, pixels (default: 480x320)")
    threads = at_least(0, int, most=MOST_THREADS)
    add("--threads", type=threads, default=1, metavar="N", help="of an engine; 0: all cores (default: 1)")
    option = f"{HELP}; onnxruntime's are the reference's too"
    add("--engine-option", action="append", type=option_of_kind, default=[], metavar="KIND.NAME=VALUE", help=option)
    add("--rounds", type=at_least(1, int), default=100, metavar="N", help="how often each runs (default: %(default)s)")
    add("--json", action="store_true", help="print the figures as JSON")
    add("--out", type=Path, metavar="DIR", help=f"write {FIGURES} and {PLOT}, speed against accuracy")


def run(arguments: argparse.Namespace) -> int:
    """Compare and print; returns the exit code."""
    if arguments.out is not None:
        check_plotting()
    bundle = load_bundle(arguments.bundle)
    dataset = None
    if arguments.data is not None:
        dataset = load_dataset(find_dataset(arguments.data), arguments.split)
        dataset = replace(dataset, samples=dataset.samples[: arguments.limit])
    settings = Settings(
        whole_mode(bundle, arguments.mode),
        arguments.engines,
        arguments.size,
        arguments.threads,
        arguments.rounds,
        arguments.max_drop,
        options_by_kind(arguments.engine_option, kinds_of(arguments.engines)),
    )
    width, height = settings.size
    frames = [render(SynthConfig(width=width, height=height), 0, index).image for index in range(SCENES)]
    comparison = compare(bundle, settings, frames, dataset)
    figures = json.dumps(_figures(bundle, settings, comparison, dataset), indent=2)
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        write_text(arguments.out / FIGURES, figures + "\n")
        draw_rows(arguments.out / PLOT, comparison.rows, settings.max_drop, _title(bundle, settings))
    print(figures if arguments.json else _as_text(bundle, settings, comparison, dataset))
    return 0


def _figures(bundle: Bundle, settings: Settings, comparison: Comparison, dataset: Dataset | None) -> dict[str, Any]:
    return {
        "bundle": bundle.manifest.name,
        "bundle_id": bundle.id,
        "mode": settings.mode,
        "frame_px": list(settings.size),
        "threads": settings.threads,
        "rounds": settings.rounds,
        "max_drop": settings.max_drop,
        "engine_options": settings.options,
        "data": None if dataset is None else _data(dataset),
        "processor": processor(),
        "versions": {"fissura": version("fissura"), "python": platform.python_version(), "numpy": version("numpy")},
        "rows": [row.to_json() for row in comparison.rows],
        "not_available": comparison.not_available,
    }


def _data(dataset: Dataset) -> dict[str, Any]:
    return {
        "dataset": dataset.name,
        "split": dataset.split,
        "images": len(dataset.samples),
        "fingerprint": dataset.fingerprint(),
    }


def _as_text(bundle: Bundle, settings: Settings, comparison: Comparison, dataset: Dataset | None) -> str:
    """The figures for a person."""
    accuracy = ("max diff", "mean diff") if dataset is None else ("F1", "drop")
    header = (*HEADER, *accuracy, "gate")
    rows = [_cells(row, scored=dataset is not None) for row in comparison.rows]
    lines = [_title(bundle, settings), "", format_table(header, rows, right=range(3, len(header) - 1)), ""]
    lines += [f"{row.candidate.label}: {row.reason}" for row in comparison.rows if row.reason]
    lines += [f"{kind} is not available: {reason}" for kind, reason in comparison.not_available.items()]
    lines.append(_how(settings, dataset))
    return "\n".join(lines)


def _cells(row: Row, *, scored: bool) -> tuple[str, ...]:
    counts = (
        None
        if row.convolutions is None
        else ", ".join(f"{n} {name}" for name, n in sorted(row.convolutions.items(), reverse=True))
    )
    losses = (
        (_number(row.f1, 2), _number(row.drop, 2)) if scored else (_number(row.max_abs, 4), _number(row.mean_abs, 5))
    )
    times = [_number(row.ms.get(name), 2) for name in ("p50", "p90", "p99")]
    gate = {True: "passes", False: "FAILS", None: "-"}[row.passed]
    return (
        row.name or row.candidate.kind,
        row.candidate.precision,
        counts or "-",
        *times,
        _number(row.speed, 2),
        _number(row.memory_mb, 0),
        _number(row.file_mb, 2),
        *losses,
        "failed" if row.reason else gate,
    )


def _how(settings: Settings, dataset: Dataset | None) -> str:
    timed = (
        f"{settings.rounds} rounds, all engines in turn; speed: of ONNX Runtime fp32, median of the rounds; "
        "memory: peak of a process of its own, Python included, device memory not"
    )
    if dataset is None:
        return f"{timed}; differences: from the golden frames, the gate being the bundle's tolerance (--data for F1)"
    images = f"{len(dataset.samples)} images of {dataset.name}/{dataset.split}"
    return f"{timed}; F1: ODS within 2 px on {images}; gate: a drop of at most {settings.max_drop:g} points"


def _title(bundle: Bundle, settings: Settings) -> str:
    width, height = settings.size
    threads = f"{settings.threads or 'all'} thread(s)"
    return f"{bundle.manifest.name}, {settings.mode}, camera frame {width}x{height}, {threads}, {processor()}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{round(value, digits) + 0.0:.{digits}f}"  # no minus before a zero
