"""Processor time of a frame's messages, from the cracks to the broker's PUBACK, against a bare paho loop.

Frames with eight cracks of 60-point outlines go into the MQTT sink at a camera's pace: messages are made, spooled on
disk, sent and acknowledged by a mosquitto of our own. The yardstick, in turn with it in the same process, publishes
the same payloads with paho alone: nothing is checked, spooled or metered. Only our own process is counted.

    python benchmarks/mqtt/run.py [--rounds 5] > benchmarks/results/mqtt.json
"""

from __future__ import annotations

import argparse
import cProfile
import io
import json
import platform
import pstats
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
from paho.mqtt import __version__ as paho_version
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge_runtime.detections import detections_of
from edge_runtime.frame import Frame
from edge_runtime.local_broker import LocalBroker
from edge_runtime.sinks import open_sink
from edge_runtime.sinks.sink import Deadline, Sink, SinkContext
from fissura.imaging.decode import Crack
from fissura.messages import CrackGeometry, Detection, ModelStamp

CRACKS = 8
POINTS = 60
IMAGE = np.zeros((320, 480, 3), np.uint8)
TOPIC = "fissura/v1/bench/detection"
MODEL = ModelStamp(name="bench", bundle_id="0" * 64, mode="fused", engine="onnxruntime CPU fp32", threshold=0.4)


def found_cracks() -> list[Crack]:
    """Eight cracks as `find_cracks` gives them: coordinates in quarters of a pixel, sizes as they come."""
    rng = np.random.default_rng(0)
    cracks = []
    for _ in range(CRACKS):
        x, y = (float(v) for v in rng.integers(0, 400, 2))
        outline = np.round(rng.uniform(0, 80, (POINTS, 2)) * 4) / 4 + (x, y)
        length, width = (float(v) for v in rng.uniform((40, 1), (300, 12)))
        cracks.append(
            Crack(
                CrackGeometry(
                    length_px=length,
                    mean_width_px=width,
                    max_width_px=1.7 * width,
                    area_px=length * width,
                    length_mm=1.5 * length,
                    mean_width_mm=1.5 * width,
                    max_width_mm=2.55 * width,
                    bbox_px=(x, y, 80.0, 80.0),
                    polygon_px=tuple((float(px), float(py)) for px, py in outline),
                ),
                0.87,
            )
        )
    return cracks


def make_frame(sequence: int) -> Frame:
    """A frame captured now; only its size matters."""
    return Frame(IMAGE, time.monotonic_ns(), datetime.now(timezone.utc), "ntp", sequence, "front")


def make_detections(frame: Frame, cracks: Sequence[Crack]) -> list[Detection]:
    """As the pipeline does."""
    return detections_of(frame, cracks, MODEL, "bench", "bench")


class Ours:
    """The sink of `fissura run`."""

    def __init__(self, port: int, folder: Path, cracks: Sequence[Crack]) -> None:
        self._cracks = cracks
        self._sink: Sink = open_sink(
            f"mqtt://127.0.0.1:{port}?spool={folder}/spool.sqlite", SinkContext("bench", "bench", MODEL)
        )
        self._nothing = np.zeros((1, 1), np.float32)

    def frame(self, sequence: int) -> None:
        frame = make_frame(sequence)
        self._sink.put(frame, make_detections(frame, self._cracks), self._nothing)

    def finish(self) -> None:
        deadline = Deadline(60)
        deadline.start()
        self._sink.flush(deadline)

    def close(self) -> dict[str, int]:
        self._sink.close()
        return self._sink.totals()


class Bare:
    """Paho alone, with payloads made beforehand."""

    def __init__(self, port: int, cracks: Sequence[Crack]) -> None:
        self._payloads = [detection.to_json() for detection in make_detections(make_frame(0), cracks)]
        self._published = self._acknowledged = 0
        self._connected = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "bare", protocol=MQTTProtocolVersion.MQTTv5)
        self._client.max_inflight_messages_set(0)
        self._client.on_connect = lambda *_: self._connected.set()
        self._client.on_publish = self._on_publish
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        if not self._connected.wait(10):
            raise SystemExit("the bare loop cannot connect")

    def frame(self, sequence: int) -> None:
        for payload in self._payloads:
            self._client.publish(TOPIC, payload, qos=1)
        self._published += len(self._payloads)

    def finish(self) -> None:
        deadline = time.monotonic() + 60
        while self._acknowledged < self._published and time.monotonic() < deadline:
            time.sleep(0.01)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_publish(self, *_: Any) -> None:
        self._acknowledged += 1


def cpu_ms(side: Ours | Bare, frames: int, fps: float) -> float:
    """Processor time a frame of all our threads, milliseconds, until the last acknowledgement."""
    due, began_s = time.monotonic(), time.process_time()
    for sequence in range(frames):
        side.frame(sequence)
        due += 1 / fps
        time.sleep(max(0.0, due - time.monotonic()))
    side.finish()
    return (time.process_time() - began_s) / frames * 1e3


def profile(ours: Ours, frames: int, fps: float) -> str:
    """Where the caller's thread spends it."""
    profiler = cProfile.Profile(time.thread_time)
    profiler.runcall(cpu_ms, ours, frames, fps)
    text = io.StringIO()
    pstats.Stats(profiler, stream=text).sort_stats("tottime").print_stats(25)
    return text.getvalue()


def main() -> None:
    """Print the comparison as JSON."""
    parser = argparse.ArgumentParser(description="Time the messages of a frame with eight cracks.")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved pairs (default: 5)")
    parser.add_argument("--frames", type=int, default=100, help="of each half of a pair (default: 100)")
    parser.add_argument("--fps", type=float, default=20.0, help="(default: 20)")
    parser.add_argument("--profile", action="store_true", help="also print a profile of the caller's thread")
    arguments = parser.parse_args()
    cracks = found_cracks()
    pairs: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with LocalBroker(folder) as broker:
            ours, bare = Ours(broker.port, folder, cracks), Bare(broker.port, cracks)
            for side in (ours, bare):
                cpu_ms(side, 20, arguments.fps)
            for _ in range(arguments.rounds):
                mine, theirs = (cpu_ms(side, arguments.frames, arguments.fps) for side in (ours, bare))
                pairs.append((mine, theirs))
            if arguments.profile:
                print(profile(ours, arguments.frames, arguments.fps), file=sys.stderr)
            totals = ours.close()
            bare.close()
    ratios = [mine / theirs for mine, theirs in pairs]
    result = {
        "frame": {"cracks": CRACKS, "points": POINTS, "fps": arguments.fps},
        "rounds": arguments.rounds,
        "frames_a_round": arguments.frames,
        "cpu_ms_a_frame": round(statistics.median(mine for mine, _ in pairs), 3),
        "bare_paho_cpu_ms_a_frame": round(statistics.median(theirs for _, theirs in pairs), 3),
        "ratio_median": round(statistics.median(ratios), 2),
        "ratio_min": round(min(ratios), 2),
        "ratio_max": round(max(ratios), 2),
        "spooled": totals["spooled"],
        "acknowledged_detections": totals["published"],
        "versions": {"python": platform.python_version(), "paho": paho_version},
        "machine": platform.machine(),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
