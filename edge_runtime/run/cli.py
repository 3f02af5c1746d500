"""`fissura run`: camera frames in, crack detections out."""

from __future__ import annotations

import argparse
import json
import logging
import re
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

import cv2

from edge_runtime.arguments import check_mission
from edge_runtime.budget import FrameBudget
from edge_runtime.camera import Camera, check_names
from edge_runtime.counters import Counters
from edge_runtime.engine_thread import EngineThread
from edge_runtime.fusion import FusionConfig
from edge_runtime.health.monitor import Health
from edge_runtime.health.outbox import Outbox
from edge_runtime.lost_threads import ending_with_its_threads
from edge_runtime.masks import read_region
from edge_runtime.pipeline import Pipeline, run_to_end
from edge_runtime.position import open_position
from edge_runtime.reader import keep_all
from edge_runtime.registration import RegistrationConfig
from edge_runtime.run.arguments import add_options, read_config
from edge_runtime.run.config import RunConfig, SourceConfig
from edge_runtime.run.live import LiveControl, Reloader
from edge_runtime.run.loading import ModelLoader
from edge_runtime.signals import handling_signals, ignoring_hang_ups
from edge_runtime.sinks import open_sink
from edge_runtime.sinks.sink import Deadline, Sink, SinkContext
from edge_runtime.sources import open_source
from edge_runtime.stages import StageTimes
from edge_runtime.summary import as_text, summarise
from edge_runtime.task import Task
from fissura.errors import FissuraError
from fissura.topics import check_serial

if TYPE_CHECKING:
    from edge_runtime.run.updating import Updating

logger = logging.getLogger(__name__)

SWITCH_INTERVAL_S = 0.0005  # the engine's thread must not wait 5 ms for its turn, as Python's default has it

EPILOG = """
sources:  folder:DIR[?downsample=N&fps=F&loop=true]   file:VIDEO[?realtime=true&loop=true]
          synth:[?seed=N&count=N&width=W&height=H&gsd=MM&fly=PX]   v4l2:/dev/video0[?width=W&height=H&fps=F]
          rtsp://HOST/PATH   http://HOST/PATH   csi:[?sensor_id=N&width=W&height=H&fps=F]
sinks:    mqtt://[USER@]HOST[:PORT][?discovery=homeassistant]   mqtts://...
          jsonl:PATH   overlay:DIR   overlay:VIDEO.mp4
password: in the variable FISSURA_MQTT_PASSWORD, or --password-file
signals:  SIGHUP reads --config again: thresholds, budget and bundle change without a lost frame
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    add_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run until the sources end or a signal comes; returns the exit code."""
    config = read_config(arguments)
    logging.basicConfig(
        level=logging.DEBUG if config.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    cv2.setNumThreads(1)  # what it does here is small; its threads would only disturb the engine's
    with ignoring_hang_ups():
        summary = _run(config, lambda: read_config(arguments))
    if config.json_summary:
        print(json.dumps(summary))
    return 0


def _run(config: RunConfig, reread: Callable[[], RunConfig]) -> dict[str, Any]:
    """All of a run; returns its summary."""
    serial = check_serial(config.serial) if config.serial else _host_serial()
    mission = check_mission(config.mission or datetime.now(timezone.utc).strftime("mission-%Y%m%dT%H%M%SZ"))
    hung: list[Camera] = []
    with ExitStack() as stack:
        cameras = []
        for source in config.source:
            cameras.append(_open_camera(config, source))
            stack.callback(_close_unless_hung, cameras[-1], hung)
        check_names(cameras)
        thread = stack.enter_context(EngineThread())
        budget = FrameBudget(config.budget_ms)
        loader = ModelLoader(thread, budget)
        updating = None if config.updates is None else _open_updating(config, serial)
        if updating is None:
            model = loader.open(config)
        else:
            config, model = updating.active.open(config, loader.open)
        sinks, times, counters = list[Sink](), StageTimes(), Counters(camera.name for camera in cameras)
        position = None if config.position is None else stack.enter_context(closing(open_position(config.position)))
        fusion = None if config.fuse is None else FusionConfig(frames=config.fuse)
        registration = RegistrationConfig(method=config.fuse_by)
        task = Task(serial, mission, config.min_length, fusion, config.track, registration, position)
        outboxes = list[Outbox]()
        health = Health(config.health, counters, times, lambda: control.state(), outboxes)
        stack.callback(health.close)
        governor = health.governor
        leave_out = keep_all if governor is None else governor.leave_out
        pipeline = Pipeline(cameras, model, thread, sinks, task, counters, times, budget, leave_out)
        stack.callback(_close_engine, pipeline, thread)
        stack.callback(lambda: hung.extend(pipeline.hung))
        stack.enter_context(ending_with_its_threads(pipeline.fail))
        context = SinkContext(serial, mission, model.stamp, counters, times, pipeline.fail)
        if updating is not None:
            reread = updating.active.adapting(reread)
        control = context.control = LiveControl(pipeline, loader, config, reread, budget, context.model_changed)
        reloader = Reloader(partial(_reload, control, health))
        stack.callback(reloader.close)
        deadline = Deadline(config.flush_timeout)
        stack.enter_context(handling_signals(pipeline.stop, partial(_hurry, pipeline, deadline), reloader.ask))
        for uri in config.sink:
            sinks.append(open_sink(uri, context, _sink_defaults(config)))
            # Closing twice does nothing: this is for what goes wrong before the end of the run.
            stack.callback(partial(sinks[-1].close, FissuraError("ended unexpectedly")))
        outboxes += [sink.outbox for sink in sinks if sink.outbox is not None]
        _log_start(config, pipeline, cameras, mission)
        try:
            health.start()
            if updating is not None:
                updating.start(pipeline, counters, control, health)
                stack.callback(updating.close)  # before what it changes
            run_to_end(pipeline, sinks, deadline, config.max_frames, ending=health.stopping)
        finally:
            summary = summarise(counters, times, sinks)
            print(as_text(summary), file=sys.stderr)
    return summary


def _open_updating(config: RunConfig, serial: str) -> Updating:
    from edge_runtime.run.updating import Updating  # with TUF and cryptography, which no other run needs

    assert config.updates is not None
    return Updating(config.updates, config, serial)


def _open_camera(config: RunConfig, source: SourceConfig) -> Camera:
    own = source.roi is not None or source.ignore is not None
    region = read_region(source.roi, source.ignore) if own else read_region(config.roi, config.ignore)
    opened = open_source(source.uri)
    policy = source.policy or config.policy or ("latest" if opened.live else "every_frame")
    return Camera(opened, policy, source.name, region, config.gsd if source.gsd is None else source.gsd)


def _close_engine(pipeline: Pipeline, thread: EngineThread) -> None:
    if not pipeline.engine_hangs:
        thread.call(pipeline.model.inference.close)


def _hurry(pipeline: Pipeline, deadline: Deadline) -> None:
    """The second signal."""
    deadline.cancel()
    pipeline.hurry()


def _reload(control: LiveControl, health: Health) -> None:
    with health.reloading():
        control.reload()


def _close_unless_hung(camera: Camera, hung: list[Camera]) -> None:
    """A source that hangs in a read would crash."""
    if camera not in hung:
        camera.source.close()


def _log_start(config: RunConfig, pipeline: Pipeline, cameras: Sequence[Camera], mission: str) -> None:
    model = pipeline.model
    logger.info(
        "mission %s: %s -> bundle %s, mode %s, %d output pixels a camera pixel along each axis, %s",
        mission,
        ", ".join(f"{camera.name} ({camera.policy})" for camera in cameras),
        model.stamp.name,
        model.stamp.mode,
        model.inference.scale,
        model.stamp.engine,
    )


def _sink_defaults(config: RunConfig) -> dict[str, dict[str, Any]]:
    given = {
        "spool": config.spool,
        "version": config.mqtt_version,
        "ca": config.ca,
        "cert": config.cert,
        "key": config.key,
        "password_file": config.password_file,
    }
    options = {name: value for name, value in given.items() if value is not None}
    return {"mqtt": options, "mqtts": options}


def _host_serial() -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname()).lstrip("._-")[:48] or "device"
