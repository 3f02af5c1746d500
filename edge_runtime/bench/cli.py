"""`fissura bench`: the command line."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import cv2

from edge_runtime.arguments import at_least, engine_option, frame_size
from edge_runtime.bench import compare, text
from edge_runtime.bench.cold_start import measure_cold_start
from edge_runtime.bench.conditions import DeviceState, conditions
from edge_runtime.bench.figures import figures_of
from edge_runtime.bench.frames import frames_from, synthetic_frames
from edge_runtime.bench.page import render_page
from edge_runtime.bench.rig import Setting, open_rig
from edge_runtime.bench.rounds import SCENARIOS, Rounds, measure_rounds
from edge_runtime.engines import ENGINES
from edge_runtime.engines.engine import MOST_THREADS
from edge_runtime.inference import WHOLE
from edge_runtime.run.cli import SWITCH_INTERVAL_S
from fissura.bundle import VariantName, load_bundle
from fissura.errors import UsageError
from fissura.files import write_text
from fissura.imaging.images import RgbImage

SIZE = (320, 240)
DESCRIPTION = """Latency and throughput of a bundle on this device, against its bare engine in the same process.
Whole frames only: modes cascade and lr-only, and tiles, have no bare engine to compare with."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = DESCRIPTION
    add = parser.add_argument
    add("bundle", type=Path, nargs="?", metavar="BUNDLE", help="the model, made by `fissura export`")
    scenario = "throughput: frames as fast as they are taken; singlestream: one after the other (default: both)"
    add("--scenario", choices=(*SCENARIOS, "both"), default="both", help=scenario)
    add("--frames", type=at_least(1, int), default=140, metavar="N", help="of each scenario (default: %(default)s)")
    pairs = "rounds, in which engine and pipeline take turns (default: %(default)s)"
    add("--pairs", type=at_least(1, int), default=7, metavar="N", help=pairs)
    add("--size", type=frame_size, metavar="WxH", help=f"camera frame, pixels (default: {SIZE[0]}x{SIZE[1]})")
    add("--frames-from", type=Path, metavar="DIR", help="images of one size as frames (default: synthetic pavement)")
    add("--mode", choices=tuple(WHOLE), help="graphs that run on the whole frame (default: fused if there is one)")
    add("--engine", choices=tuple(ENGINES), default="onnxruntime", help="(default: %(default)s)")
    precision = "of the graphs that the bundle has in it (default: %(default)s)"
    add("--precision", choices=("fp32", *get_args(VariantName)), default="fp32", help=precision)
    threads = at_least(0, int, most=MOST_THREADS)
    add("--threads", type=threads, default=1, metavar="N", help="of the engine; 0: all cores (default: 1)")
    option = "of the engine, such as cuda_graph=false; may be repeated"
    add("--engine-option", action="append", type=engine_option, default=[], metavar="NAME=VALUE", help=option)
    add("--no-cold-start", action="store_true", help="leave out the start of a process of its own")
    add("--json", action="store_true", help="print the figures as JSON")
    add("--markdown", type=Path, metavar="FILE", help="write them as Markdown too")
    add("--html", type=Path, metavar="FILE", help="write them as a page with plots too")
    compared = "measure nothing: compare two results that --json printed"
    add("--compare", nargs=2, type=Path, metavar=("A", "B"), help=compared)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; returns the exit code."""
    if arguments.compare is not None:
        if arguments.bundle is not None:
            raise UsageError("a bundle and --compare", expected="one of them: --compare measures nothing")
        compared = compare.compare(*map(compare.read_result, arguments.compare))
        print(json.dumps(compared, indent=2) if arguments.json else compare.as_text(compared))
        return 0
    if arguments.bundle is None:
        raise UsageError("no bundle", expected="fissura bench BUNDLE, or fissura bench --compare A B")
    figures, measured = _measure(arguments)
    if arguments.markdown is not None:
        write_text(arguments.markdown, text.as_markdown(figures))
    if arguments.html is not None:
        write_text(arguments.html, render_page(figures, measured))
    print(json.dumps(figures, indent=2) if arguments.json else text.as_text(figures))
    return 0


def _measure(arguments: argparse.Namespace) -> tuple[dict[str, Any], Rounds]:
    # As `fissura run` has it; and what is not the engine's work takes one core, whatever the engine takes.
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    cv2.setNumThreads(1)
    bundle = load_bundle(arguments.bundle)
    frames = max(1, arguments.frames // arguments.pairs)
    scenes, origin = _scenes(arguments, frames)
    setting = Setting(
        arguments.mode,
        arguments.engine,
        {"threads": arguments.threads, **dict(arguments.engine_option)},
        None if arguments.precision == "fp32" else arguments.precision,
    )
    scenarios = SCENARIOS if arguments.scenario == "both" else (arguments.scenario,)
    cold = None if arguments.no_cold_start else measure_cold_start(arguments.bundle, setting, scenes[0])
    with open_rig(bundle, setting) as rig:
        state = DeviceState()
        measured = measure_rounds(rig, scenes, scenarios, frames=frames, rounds=arguments.pairs)
        figures = {
            **figures_of(measured),
            "cold_start": cold,
            **state.figures(),
            **conditions(bundle, rig, setting, scenes, origin),
            "flags": _flags(arguments),
        }
    return figures, measured


def _scenes(arguments: argparse.Namespace, most: int) -> tuple[Sequence[RgbImage], str]:
    """The frames, and where they are from."""
    if arguments.frames_from is None:
        return synthetic_frames(arguments.size or SIZE), "synthetic"
    if arguments.size is not None:
        raise UsageError("--size and --frames-from", expected="one of them: images have the size that they have")
    scenes = frames_from(arguments.frames_from, most)
    folder = arguments.frames_from.resolve()
    return scenes, f"{len(scenes)} images of {folder.parent.name}/{folder.name}"


def _flags(arguments: argparse.Namespace) -> list[str]:
    """What was asked for and changes the figures, as one would type it."""
    told = ("scenario", "frames", "pairs", "mode", "engine", "precision", "threads")
    flags = [f"--{name}={getattr(arguments, name)}" for name in told if getattr(arguments, name) is not None]
    if arguments.size is not None:
        flags.append("--size={}x{}".format(*arguments.size))
    return flags + [f"--engine-option={name}={value}" for name, value in arguments.engine_option]
