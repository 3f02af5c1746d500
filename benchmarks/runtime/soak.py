"""`fissura run` at full speed for an hour, watched from outside: memory, threads, files, speed, message store.

    python benchmarks/runtime/soak.py BUNDLE [--images DIR] [--minutes 60]

runs the command as a process of its own on the images of a folder again and again, with a mosquitto that takes its
messages, somebody who reads its health page with each sample, and an operator who sends a command every few seconds.
Every 5 s it reads from /proc what the process has. Judged is what comes after the warm-up (a sixth of the time):
memory that grows by less than 1 MB an hour (the slope of a straight line through the samples), no more threads and no
more open files at the end than at the beginning.

Writes `soak.json` and `soak.png` to `benchmarks/results/runtime`; ends with 1 where it grows.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from soak_chart import draw

from edge_runtime.local_broker import LocalBroker, free_port
from edge_runtime.probe import package_version, processor
from fissura.errors import EXIT_CODE, FissuraError, SourceError
from fissura.files import write_text
from fissura.topics import COMMAND

OUT = Path(__file__).parents[1] / "results" / "runtime"
IMAGES = Path("examples/images")
SERIAL = "soak"
PERIOD_S = 5.0
WARM_UP = 1 / 6
SLOPE_BAR_MB_H = 1.0
COMMANDS: tuple[dict[str, Any], ...] = (
    {"name": "state"},
    {"name": "threshold", "value": 0.6},
    {"name": "snapshot"},
    {"name": "threshold", "value": None},
)
START_S, END_S = 60.0, 60.0


@dataclass(frozen=True)
class Sample:
    """What the process has at a moment.

    Attributes:
        seconds: since the first sample.
        rss_mb: resident memory, 10^6 bytes.
        threads, files: that it has open.
        frames, spool_rows: as its metrics say.
        store_mb: of the message store's files, the write-ahead log among them.
        cpu_s: of the processor, since the start.
    """

    seconds: float
    rss_mb: float
    threads: int
    files: int
    frames: int
    spool_rows: int
    store_mb: float
    cpu_s: float


def main() -> int:
    """Run, write, judge; returns the exit code."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # or what it has started would run on
    try:
        samples, summary = _soak(arguments)
    except (FissuraError, OSError) as error:
        print(f"soak: error: {error}", file=sys.stderr)
        return EXIT_CODE
    result = {
        "made_utc": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": " ".join(["python", "benchmarks/runtime/soak.py", *sys.argv[1:]]),
        "processor": processor(),
        "load_average": list(os.getloadavg()),
        "minutes": arguments.minutes,
        **judge(samples),
        "versions": {name: package_version(name) for name in ("fissura", "numpy", "onnxruntime", "paho-mqtt")},
        "summary": summary,
        "samples": [asdict(sample) for sample in samples],
    }
    write_text(arguments.out / "soak.json", json.dumps(result, indent=1) + "\n")
    draw(arguments.out / "soak.png", result)
    print(json.dumps({name: value for name, value in result.items() if name != "samples"}, indent=1))
    return 0 if result["kept"] else 1


def judge(samples: list[Sample]) -> dict[str, Any]:
    """What grew after the warm-up.

    Returns:
        `rss_slope_mb_h` with its standard error, threads and open files at the beginning and at the end of what is
        judged (the highest of a tenth of the samples each), frames a second, and whether every bar is kept.
    """
    warm_up_s = samples[-1].seconds * WARM_UP
    judged = [sample for sample in samples if sample.seconds >= warm_up_s]
    hours = np.array([sample.seconds for sample in judged]) / 3600
    memory = np.array([sample.rss_mb for sample in judged])
    (slope, _), covariance = np.polyfit(hours, memory, 1, cov=True)
    tenth = max(1, len(judged) // 10)
    first, last = judged[:tenth], judged[-tenth:]
    threads, files = (
        [max(getattr(sample, name) for sample in part) for part in (first, last)] for name in ("threads", "files")
    )
    stored = [statistics.median(sample.store_mb for sample in part) for part in (first, last)]
    rates = [
        (after.frames - before.frames) / (after.seconds - before.seconds)
        for before, after in itertools.pairwise(judged)
    ]
    return {
        "warm_up_s": round(warm_up_s, 1),
        "rss_slope_mb_h": round(float(slope), 3),
        "rss_slope_error_mb_h": round(float(covariance[0, 0] ** 0.5), 3),
        "rss_mb": [round(float(np.median(memory[:tenth])), 2), round(float(np.median(memory[-tenth:])), 2)],
        "threads": threads,
        "files": files,
        "store_mb": [round(value, 3) for value in stored],
        "frames_a_second": round(statistics.median(rates), 2),
        "kept": bool(slope < SLOPE_BAR_MB_H and threads[1] <= threads[0] and files[1] <= files[0]),
    }


def _soak(arguments: argparse.Namespace) -> tuple[list[Sample], dict[str, Any]]:
    """The samples, and the summary of the run."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fissura-soak-")))
        broker = stack.enter_context(LocalBroker(folder))
        health, spool = free_port(), folder / "spool" / "spool.sqlite"
        command = [sys.executable, "-m", "fissura", "run", "--bundle", str(arguments.bundle), "--serial", SERIAL]
        command += ["--source", f"folder:{arguments.images}?loop=true", "--policy", "every_frame", "--json"]
        command += ["--sink", f"mqtt://127.0.0.1:{broker.port}?spool={spool}", "--health-port", str(health)]
        command += ["--threads", str(arguments.threads)]
        log = stack.enter_context((folder / "log").open("w+", encoding="utf-8"))
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        stack.callback(process.kill)
        operator = _operator(broker.port)
        stack.callback(operator.loop_stop)
        try:
            samples = _watch(process, health, spool, operator, arguments.minutes * 60)
            process.send_signal(signal.SIGTERM)
            said, _ = process.communicate(timeout=END_S)
        except (OSError, subprocess.TimeoutExpired, SourceError) as error:
            log.seek(0)
            raise SourceError(f"the run failed: {error}; its last words:\n{log.read()[-2000:]}") from error
    if process.returncode:
        raise SourceError(f"the run ended with code {process.returncode}")
    return samples, json.loads(said)


def _watch(
    process: subprocess.Popen[str], health: int, spool: Path, operator: paho.Client, seconds: float
) -> list[Sample]:
    deadline = time.monotonic() + START_S
    while not (frames := _metrics(health).get("fissura_frames_total", 0)) and time.monotonic() < deadline:
        if process.poll() is not None:
            raise SourceError(f"it ended with code {process.returncode}")
        time.sleep(0.2)
    if not frames:
        raise SourceError(f"no frame in {START_S:g} s")
    samples, began_s = list[Sample](), time.monotonic()
    commands = itertools.cycle(COMMANDS)
    while (passed_s := time.monotonic() - began_s) < seconds:
        if process.poll() is not None:
            raise SourceError(f"it ended with code {process.returncode} after {passed_s:.0f} s")
        samples.append(_sample(process.pid, passed_s, _metrics(health), spool))
        operator.publish(COMMAND.of(SERIAL), json.dumps(next(commands)), qos=1)
        time.sleep(max(0.0, len(samples) * PERIOD_S - (time.monotonic() - began_s)))
    return samples


def _sample(pid: int, passed_s: float, metrics: dict[str, float], spool: Path) -> Sample:
    folder = Path("/proc") / str(pid)
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line)
    ticks = (folder / "stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return Sample(
        seconds=round(passed_s, 2),
        rss_mb=int(status["VmRSS"].split()[0]) * 1024 / 1e6,
        threads=int(status["Threads"]),
        files=sum(1 for _ in (folder / "fd").iterdir()),
        frames=int(metrics["fissura_frames_total"]),
        spool_rows=int(metrics["fissura_spool_rows"]),
        store_mb=sum(path.stat().st_size for path in spool.parent.iterdir()) / 1e6,
        cpu_s=sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"),
    )


def _metrics(port: int) -> dict[str, float]:
    """The run's metrics, those of one name together; none before it answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            page = answer.read().decode()
    except OSError:
        return {}
    found: dict[str, float] = {}
    for name, value in re.findall(r"^(\w+)(?:\{.*\})? (\S+)", page, re.MULTILINE):
        found[name] = found.get(name, 0.0) + float(value)
    return found


def _operator(port: int) -> paho.Client:
    client = paho.Client(CallbackAPIVersion.VERSION2, "operator", protocol=MQTTProtocolVersion.MQTTv5)
    client.connect("127.0.0.1", port)
    client.loop_start()
    return client


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("bundle", type=Path, help="the model")
    add("--images", type=Path, default=IMAGES, metavar="DIR", help="(default: %(default)s)")
    add("--minutes", type=float, default=60.0, help="(default: 60)")
    add("--threads", type=int, default=1, help="of the engine (default: 1)")
    add("--out", type=Path, default=OUT, metavar="DIR", help="(default: benchmarks/results/runtime)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
