"""`fissura run`: camera frames in, crack detections out."""

from __future__ import annotations

import argparse
import json
import logging
import re
import socket
import sys
from contextlib import ExitStack
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, get_args

from edge_runtime.arguments import at_least, between, check_mission, engine_option
from edge_runtime.budget import FrameBudget
from edge_runtime.counters import Counters
from edge_runtime.engines import ENGINES
from edge_runtime.engines.engine import MOST_THREADS
from edge_runtime.fusion import MOST_FRAMES, FusionConfig
from edge_runtime.inference import Inference, Mode, TileOptions, open_inference
from edge_runtime.masks import read_region
from edge_runtime.pipeline import Pipeline, Task, run_to_end
from edge_runtime.registration import Method, RegistrationConfig
from edge_runtime.signals import stopping_on_signals
from edge_runtime.sinks import open_sink
from edge_runtime.sinks.sink import Deadline, Sink, SinkContext
from edge_runtime.slot import Policy
from edge_runtime.sources import open_source
from edge_runtime.stages import StageTimes
from edge_runtime.summary import as_text, summarise
from fissura.bundle import Bundle, VariantName, load_bundle
from fissura.errors import FissuraError
from fissura.imaging.decode import MIN_LENGTH_PX
from fissura.messages import ModelStamp
from fissura.topics import check_serial

logger = logging.getLogger(__name__)

EPILOG = """
sources:  folder:DIR[?downsample=N&fps=F&loop=true]   file:VIDEO[?realtime=true]
          synth:[?seed=N&count=N&width=W&height=H&gsd=MM&fly=PX]   v4l2:/dev/video0[?width=W&height=H&fps=F]
sinks:    mqtt://[USER@]HOST[:PORT]   mqtts://...   jsonl:PATH   overlay:DIR   overlay:VIDEO.mp4
password: in the variable FISSURA_MQTT_PASSWORD, or --password-file
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    add = parser.add_argument
    add("--bundle", type=Path, required=True, metavar="DIR", help="the model, made by `fissura export`")
    add("--source", required=True, metavar="URI", help="where the frames come from")
    add("--sink", action="append", required=True, metavar="URI", help="where detections go to; may be repeated")
    add("--mission", metavar="ID", help="mission id in every message (default: the start time)")
    add("--serial", metavar="S", help="device serial in topics and messages (default: the host name)")
    add(
        "--mode",
        choices=get_args(Mode),
        help="full: all of the frame at full scale (default); cascade: a cheap pass, then the tiles worth it; lr-only: "
        "the cheap pass; or a graph by name",
    )
    add("--budget-ms", type=at_least(1), metavar="MS", help="time of a frame, in mode cascade")
    add("--tile", type=at_least(8, int), metavar="PX", help="side of a tile (default: 64 in cascade, none in full)")
    add("--halo", type=at_least(0, int), metavar="PX", help="context of a tile (default: 16 in cascade, exact in full)")
    add("--tile-batch", type=at_least(1, int), default=4, metavar="N", help="tiles at once (default: %(default)s)")
    add("--proposal-threshold", type=between(0, 1), metavar="P", help="of the cheap pass (default: the bundle's)")
    fuse = "frames that the memory of successive frames lasts (default: each frame stands alone)"
    add("--fuse", type=at_least(2, int, most=MOST_FRAMES), metavar="K", help=fuse)
    add("--fuse-by", choices=get_args(Method), default="ecc", help="how frames are registered (default: %(default)s)")
    add("--policy", choices=get_args(Policy), help="(default: latest for cameras, every_frame for files)")
    add(
        "--threshold",
        type=between(0, 1),
        metavar="T",
        help="crack probability (default: the bundle's; a low one moves along)",
    )
    add("--gsd", type=at_least(1e-6), metavar="MM_PER_PX", help="ground sampling distance of the camera frame")
    add("--min-length", type=at_least(1), default=MIN_LENGTH_PX, metavar="PX", help="(default: %(default)s)")
    add("--roi", type=Path, metavar="MASK", help="image of the frame's size: look where it is white")
    add("--ignore", type=Path, metavar="MASK", help="image of the frame's size: do not look where it is white")
    add("--engine", choices=tuple(ENGINES), default="onnxruntime", help="(default: %(default)s)")
    add(
        "--precision",
        choices=("fp32", *get_args(VariantName)),
        default="fp32",
        help="of the graphs that the bundle has in it; the others stay fp32 (default: %(default)s)",
    )
    threads = at_least(0, int, most=MOST_THREADS)
    add("--threads", type=threads, default=0, metavar="N", help="threads of the engine (default: all cores)")
    option = "of the engine, such as size=[1280,720] or cache=/var/cache/plans; may be repeated"
    add("--engine-option", action="append", type=engine_option, default=[], metavar="NAME=VALUE", help=option)
    add("--max-frames", type=at_least(1, int), metavar="N", help="end after so many frames")
    add("--flush-timeout", type=at_least(0), default=10.0, metavar="S", help="seconds for unsent messages at the end")
    add("--spool", type=Path, metavar="PATH", help="message store (default: in the user's state folder)")
    add("--mqtt-version", choices=("5", "3.1.1"), help="(default: 5)")
    add("--ca", type=Path, metavar="PEM", help="authority of the broker's certificate, for mqtts://")
    add("--cert", type=Path, metavar="PEM", help="our certificate, for mqtts://")
    add("--key", type=Path, metavar="PEM", help="private key of --cert")
    add("--password-file", type=Path, metavar="PATH", help="file with the broker password on its first line")
    add("--json", action="store_true", help="print the summary as JSON to standard output")
    add("--verbose", action="store_true", help="log details")


def run(arguments: argparse.Namespace) -> int:
    """Run until the source ends or a signal comes; returns the exit code."""
    logging.basicConfig(
        level=logging.DEBUG if arguments.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    serial = check_serial(arguments.serial) if arguments.serial else _host_serial()
    mission = check_mission(arguments.mission or datetime.now(timezone.utc).strftime("mission-%Y%m%dT%H%M%SZ"))
    region = read_region(arguments.roi, arguments.ignore)
    bundle = load_bundle(arguments.bundle)
    counters, times, sinks = Counters(), StageTimes(), list[Sink]()
    with ExitStack() as stack:
        budget = None if arguments.budget_ms is None else FrameBudget(arguments.budget_ms)
        tiles = TileOptions(arguments.tile, arguments.halo, arguments.tile_batch, arguments.proposal_threshold, budget)
        precision = None if arguments.precision == "fp32" else arguments.precision
        options: dict[str, object] = {"threads": arguments.threads, **dict(arguments.engine_option)}
        inference = open_inference(bundle, arguments.mode, arguments.engine, options, tiles, precision)
        stack.callback(inference.close)
        source = open_source(arguments.source)
        task = Task(
            serial=serial,
            mission_id=mission,
            model=model_stamp(bundle, inference, arguments.threshold),
            region=region,
            gsd_mm_per_px=arguments.gsd,
            min_length_px=arguments.min_length,
            fusion=_fusion(arguments),
        )
        policy: Policy = arguments.policy or ("latest" if source.live else "every_frame")
        pipeline = Pipeline(source, inference, sinks, task, policy, counters, times, budget)
        stack.callback(lambda: source.close() if pipeline.source_is_free else None)
        context = SinkContext(serial, mission, bundle.id, counters, times, pipeline.fail, inference.engine)
        for uri in arguments.sink:
            sinks.append(open_sink(uri, context, _sink_defaults(arguments)))
            # Closing twice does nothing: this is for what goes wrong before the end of the run.
            stack.callback(partial(sinks[-1].close, FissuraError("ended unexpectedly")))
        deadline = Deadline(arguments.flush_timeout)
        logger.info(
            "mission %s: %s -> bundle %s, mode %s, %d output pixels a camera pixel along each axis, policy %s",
            mission,
            arguments.source,
            bundle.manifest.name,
            inference.mode,
            inference.scale,
            policy,
        )
        try:
            with stopping_on_signals(pipeline.stop, deadline.cancel):
                run_to_end(pipeline, sinks, deadline, arguments.max_frames)
        finally:
            summary = summarise(counters, times, sinks)
            print(as_text(summary), file=sys.stderr)
    if arguments.json:
        print(json.dumps(summary))
    return 0


def model_stamp(bundle: Bundle, inference: Inference, threshold: float | None = None) -> ModelStamp:
    """What every detection says about the model; the bundle's threshold unless one is given."""
    return ModelStamp(
        name=bundle.manifest.name,
        bundle_id=bundle.id,
        mode=inference.mode,
        engine=inference.engine,
        threshold=inference.threshold if threshold is None else threshold,
    )


def _fusion(arguments: argparse.Namespace) -> FusionConfig | None:
    if arguments.fuse is None:
        return None
    return FusionConfig(frames=arguments.fuse, registration=RegistrationConfig(method=arguments.fuse_by))


def _sink_defaults(arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    given = {
        "spool": arguments.spool,
        "version": arguments.mqtt_version,
        "ca": arguments.ca,
        "cert": arguments.cert,
        "key": arguments.key,
        "password_file": arguments.password_file,
    }
    options = {name: value for name, value in given.items() if value is not None}
    return {"mqtt": options, "mqtts": options}


def _host_serial() -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:48] or "device"
