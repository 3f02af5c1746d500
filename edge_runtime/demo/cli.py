"""`fissura demo`: sample images -> super-resolution -> segmentation -> MQTT -> a report. The whole way, once."""

from __future__ import annotations

import argparse
import logging
import secrets
import sys
import tempfile
import time
import webbrowser
from contextlib import ExitStack, nullcontext
from datetime import datetime, timezone
from pathlib import Path

from edge_runtime.arguments import at_least, check_mission
from edge_runtime.camera import Camera
from edge_runtime.counters import Counters, Counts
from edge_runtime.demo.broker import embedded_broker
from edge_runtime.demo.report import FrameEntry, write_report
from edge_runtime.demo.subscriber import Subscriber
from edge_runtime.engine_thread import EngineThread
from edge_runtime.inference import Inference, open_inference
from edge_runtime.model import model_of
from edge_runtime.mqtt.endpoint import parse_broker
from edge_runtime.pipeline import Pipeline, run_to_end
from edge_runtime.sinks import open_sink
from edge_runtime.sinks.sink import Deadline, Sink, SinkContext
from edge_runtime.sources import open_source
from edge_runtime.stages import StageTimes
from edge_runtime.task import Task
from fissura import __version__
from fissura.bundle import Bundle, load_bundle
from fissura.errors import UsageError
from fissura.files import replacing_folder
from fissura.messages import Detection

REPORT = "report.html"
FLUSH_TIMEOUT_S = 20.0
ARRIVAL_TIMEOUT_S = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `fissura demo`."""
    parser.add_argument("--bundle", type=Path, default=Path("examples/bundles/tiny"), metavar="DIR", help="the model")
    parser.add_argument("--images", type=Path, default=Path("examples/images"), metavar="DIR", help="what is looked at")
    parser.add_argument("--out", type=Path, default=Path("demo-out"), metavar="DIR", help="folder of the report")
    parser.add_argument("--broker", metavar="HOST:PORT", help="your MQTT broker (default: one inside this process)")
    parser.add_argument("--mission", metavar="ID", help="mission id in every message (default: the start time)")
    parser.add_argument("--gsd", type=at_least(1e-6), metavar="MM_PER_PX", help="ground sampling distance, if known")
    parser.add_argument("--open", action="store_true", help="show the report in a browser")


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; prints each detection as the subscriber receives it."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    started = time.monotonic()
    _check_out(arguments.out)
    bundle = load_bundle(arguments.bundle)
    mission = check_mission(arguments.mission or datetime.now(timezone.utc).strftime("demo-%Y%m%dT%H%M%SZ"))
    serial = f"demo-{secrets.token_hex(4)}"  # a second demo at the same broker is another device
    times = StageTimes()
    with ExitStack() as stack:
        thread = stack.enter_context(EngineThread())
        inference = thread.call(lambda: open_inference(bundle, None, "onnxruntime", {}))
        stack.callback(lambda: thread.call(inference.close))
        source = open_source(f"folder:{_image_folder(arguments.images)}?downsample={bundle.manifest.scale}")
        stack.callback(source.close)
        broker = nullcontext(parse_broker(arguments.broker)) if arguments.broker else embedded_broker()
        host, port = stack.enter_context(broker)
        folder = stack.enter_context(replacing_folder(arguments.out))
        subscriber = stack.enter_context(Subscriber(host, port, serial, mission))
        print(f"mission {mission}: {_way(bundle, inference)}, MQTT {host}:{port}", flush=True)
        camera = Camera(source, "every_frame", gsd_mm_per_px=arguments.gsd)
        counts = _stream(bundle, inference, thread, camera, (host, port), folder, times, subscriber)
        received = list(subscriber.received.values())
        facts = {
            "mission": mission,
            "model": f"{bundle.manifest.name} ({bundle.id[:12]})",
            "way": _way(bundle, inference),
            "engine": f"{inference.engine}, threshold {inference.threshold:.2f}",
            "broker": f"{host}:{port}" + ("" if arguments.broker else " (amqtt, inside the demo)"),
            "fissura": __version__,
        }
        if counts.drops:
            facts["left out"] = ", ".join(f"{number} {cause}" for cause, number in counts.drops.items())
        write_report(folder / REPORT, frames=_entries(folder, received), stages_ms=times.all(), facts=facts)
    report = arguments.out / REPORT
    print(f"{len(received)} cracks, {time.monotonic() - started:.1f} s; the report: {report}")
    if arguments.open:
        webbrowser.open(report.resolve().as_uri())
    if len(received) < counts.detections:
        lacking = counts.detections - len(received)
        print(f"error: {lacking} of {counts.detections} messages did not arrive", file=sys.stderr)
        return 1
    return 0


def _stream(
    bundle: Bundle,
    inference: Inference,
    thread: EngineThread,
    camera: Camera,
    broker: tuple[str, int],
    folder: Path,
    times: StageTimes,
    subscriber: Subscriber,
) -> Counts:
    """Stream the images as a camera would and wait until every message has come back; returns what was counted."""
    serial, mission = subscriber.serial, subscriber.mission_id
    counters, sinks = Counters([camera.name]), list[Sink]()
    with tempfile.TemporaryDirectory(prefix="fissura-demo-") as spool_folder:
        model = model_of(bundle, inference)
        pipeline = Pipeline([camera], model, thread, sinks, Task(serial, mission), counters, times)
        context = SinkContext(serial, mission, model.stamp, counters, times, pipeline.fail)
        spool = {"spool": Path(spool_folder) / "spool.sqlite", "version": "3.1.1"}
        host, port = broker
        place = f"[{host}]" if ":" in host else host  # IPv6
        sinks.append(open_sink(f"mqtt://{place}:{port}", context, {"mqtt": spool}))
        sinks.append(open_sink(f"overlay:{folder / 'frames'}?format=jpg", context))
        run_to_end(pipeline, sinks, Deadline(FLUSH_TIMEOUT_S))
    counts = counters.snapshot()
    deadline = time.monotonic() + ARRIVAL_TIMEOUT_S
    while len(subscriber.received) < counts.detections and time.monotonic() < deadline:
        time.sleep(0.02)
    return counts


def _check_out(out: Path) -> None:
    """The folder is replaced as a whole: it must be a report's, or new."""
    if out.exists() and not (out.is_dir() and ((out / REPORT).is_file() or not any(out.iterdir()))):
        raise UsageError(
            f"--out {out} exists and is no report of the demo", expected="a new folder", fix="choose another --out"
        )


def _entries(folder: Path, received: list[Detection]) -> list[FrameEntry]:
    """One entry an overlay, with the detections of its frame."""
    return [
        FrameEntry(
            name=overlay.stem,
            overlay=overlay.relative_to(folder).as_posix(),
            detections=[d for d in received if d.frame.name and Path(d.frame.name).stem == overlay.stem],
        )
        for overlay in sorted((folder / "frames").iterdir())
    ]


def _way(bundle: Bundle, inference: Inference) -> str:
    """What happens to a frame, in words."""
    if inference.mode == "segmentation":
        return "camera frame -> segmentation"
    return f"camera frame -> x{bundle.manifest.scale} super-resolution -> segmentation"


def _image_folder(given: Path) -> Path:
    """The images of a data set folder, or the folder itself."""
    return given / "images" if (given / "images").is_dir() else given
