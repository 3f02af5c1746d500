"""`fissura doctor`: what this machine can do, what is missing, and the command that mends it."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from edge_runtime.broker_probe import ask_broker
from edge_runtime.probe import ask_python, cameras, device_tree_model, gpus, memory_gib, package_version, processor
from fissura.table import format_table

State = Literal["ok", "missing", "optional"]
SYMBOLS: dict[State, str] = {"ok": "ok", "missing": "MISSING", "optional": "optional"}
DEFAULT_BROKER = ("localhost", 1883)
OLDEST_PYTHON = (3, 10)
LEAST_MEMORY_GIB = 1.0
LEAST_DISK_GIB = 1.0


@dataclass(frozen=True)
class Finding:
    """One row.

    Attributes:
        area: what the row belongs to.
        name: what was looked for.
        state: ``ok``, ``missing`` (`fissura run` cannot work without it) or ``optional`` (it can).
        found: what was found.
        fix: the command, or the step, that brings it; empty for ``ok``.
    """

    area: str
    name: str
    state: State
    found: str
    fix: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = "What this machine can do. Exit code 0: `fissura run` can work here, 1: something is missing."
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--broker",
        metavar="HOST:PORT",
        help="the broker that this device is to use; must answer (default: look at {}:{})".format(*DEFAULT_BROKER),
    )


def run(arguments: argparse.Namespace) -> int:
    """Look at everything and print what was found."""
    host, port = DEFAULT_BROKER
    if arguments.broker is not None:
        from edge_runtime.mqtt.endpoint import parse_broker  # loads pydantic, which the doctor must do without

        host, port = parse_broker(arguments.broker)
    findings = list(examine(host, port, broker_required=arguments.broker is not None))
    missing = [finding for finding in findings if finding.state == "missing"]
    if arguments.json:
        print(json.dumps({"ready": not missing, "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        print(_as_text(findings, missing))
    return 1 if missing else 0


def examine(host: str, port: int, *, broker_required: bool = False) -> Iterator[Finding]:
    """Look at the machine, the engines, the broker, what serves metrics, the cameras and the rest.

    Args:
        host: of the MQTT broker.
        port: of the MQTT broker.
        broker_required: whether a broker that does not answer counts as missing.
    """
    yield from _machine()
    yield from _libraries()
    yield from _engines()
    yield from _messaging(host, port, broker_required)
    yield _optional("health", "/metrics", package_version("prometheus-client"), "pip install 'fissura[edge]'")
    yield from _inputs()
    yield from _training()


def _machine() -> Iterator[Finding]:
    python = platform.python_version()
    if sys.version_info[:2] >= OLDEST_PYTHON:
        yield Finding("machine", "Python", "ok", f"{python} ({sys.executable})")
    else:
        yield Finding("machine", "Python", "missing", python, "install Python 3.10 or newer")
    yield Finding("machine", "system", "ok", device_tree_model() or platform.platform())
    yield Finding("machine", "CPU", "ok", processor())
    memory = memory_gib()
    if memory is not None:
        total, available = memory
        enough = available >= LEAST_MEMORY_GIB
        yield Finding(
            "machine",
            "memory",
            "ok" if enough else "optional",
            f"{total:.1f} GiB, {available:.1f} GiB free",
            "" if enough else f"end other programs: less than {LEAST_MEMORY_GIB:g} GiB is free",
        )
    free_gib = shutil.disk_usage(Path.cwd()).free / 2**30
    enough = free_gib >= LEAST_DISK_GIB
    yield Finding(
        "machine",
        "disk",
        "ok" if enough else "optional",
        f"{free_gib:.1f} GiB free here",
        "" if enough else "make room: the message store lives on disk",
    )


def _libraries() -> Iterator[Finding]:
    versions, problem = ask_python(
        "import json, cv2, numpy, skimage, scipy, pydantic, yaml;"
        "modules = {'opencv': cv2, 'numpy': numpy, 'scikit-image': skimage};"
        "print(json.dumps({name: module.__version__ for name, module in modules.items()}))"
    )
    if versions is None:
        yield Finding("libraries", "image processing", "missing", problem, "pip install --force-reinstall fissura")
    else:
        text = ", ".join(f"{name} {number}" for name, number in versions.items())
        yield Finding("libraries", "image processing", "ok", text)


def _engines() -> Iterator[Finding]:
    found, problem = ask_python(
        "import json, onnxruntime as ort; print(json.dumps([ort.__version__, ort.get_available_providers()]))"
    )
    if found is None:
        yield Finding("engines", "ONNX Runtime", "missing", problem, "pip install 'fissura[edge]'")
    else:
        providers = [name.removesuffix("ExecutionProvider") for name in found[1]]
        yield Finding("engines", "ONNX Runtime", "ok", f"{found[0]}, providers: {', '.join(providers)}")
    cards = gpus()
    yield _optional("engines", "GPU", ", ".join(cards), "", "none found (nvidia-smi gives no answer)")
    fix = "pip install 'fissura[tensorrt]'" if cards else "needs an NVIDIA GPU, then: pip install 'fissura[tensorrt]'"
    yield _optional("engines", "TensorRT", package_version("tensorrt", "tensorrt"), fix)
    yield _optional("engines", "OpenVINO", package_version("openvino", "openvino"), "pip install openvino")


def _messaging(host: str, port: int, required: bool) -> Iterator[Finding]:
    absent: State = "missing" if required else "optional"
    paho = package_version("paho-mqtt")
    if paho is None:
        yield Finding("messages", "paho-mqtt", "missing", "not installed", "pip install 'fissura[edge]'")
    else:
        yield Finding("messages", "paho-mqtt", "ok", paho)
    yield _optional("messages", "mosquitto", _mosquitto(), f"{_as_root()}apt-get install mosquitto")
    name = f"broker {host}:{port}"
    if paho is None:
        yield Finding("messages", name, absent, "not asked: paho-mqtt is missing", "pip install 'fissura[edge]'")
        return
    answer = ask_broker(host, port)
    if answer.accepted:
        yield Finding("messages", name, "ok", answer.text)
    elif answer.answered:
        fix = f"fissura run --sink mqtt://USER@{host}:{port} --password-file FILE"
        yield Finding("messages", name, "optional", answer.text, fix)
    else:
        fix = f"start one: mosquitto -p {port}" if host in ("localhost", "127.0.0.1") else "check address and firewall"
        yield Finding("messages", name, absent, answer.text, fix)


def _inputs() -> Iterator[Finding]:
    yield _optional("inputs", "cameras", ", ".join(cameras()), "connect one; folders and videos work without", "none")
    fix = f"for csi: and decoders in hardware: {_as_root()}apt-get install gstreamer1.0-tools"
    yield _optional("inputs", "GStreamer", shutil.which("gst-launch-1.0"), fix)
    try:
        from fissura.dataset import DATA_VARIABLE, data_folder
    except ImportError:
        return  # OpenCV does not load; the row of the libraries says so
    folder = data_folder()
    sets = sorted(path.name for path in folder.iterdir() if (path / "images").is_dir()) if folder else []
    fix = f"export {DATA_VARIABLE}=/path/to/data (a folder of data sets)"
    yield _optional("inputs", "data sets", f"{folder}: {', '.join(sets)}" if sets else "", fix, "none")


def _training() -> Iterator[Finding]:
    fix = "in a checkout: pip install -e '.[train,export]'"
    for label, distribution in (("PyTorch", "torch"), ("Lightning", "lightning"), ("ONNX exporter", "onnxscript")):
        yield _optional("training", label, package_version(distribution), fix)


def _optional(area: str, name: str, found: str | None, fix: str, otherwise: str = "not installed") -> Finding:
    return Finding(area, name, "ok", found) if found else Finding(area, name, "optional", otherwise, fix)


def _mosquitto() -> str | None:
    # Debian puts it in /usr/sbin, which is not on the path of every user.
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def _as_root() -> str:
    return "" if os.geteuid() == 0 else "sudo "


def _as_text(findings: list[Finding], missing: list[Finding]) -> str:
    rows, area = [], ""
    for finding in findings:
        heading = finding.area if finding.area != area else ""
        rows.append((heading, SYMBOLS[finding.state], finding.name, finding.found))
        area = finding.area
        if finding.fix:
            rows.append(("", "", "", f"-> {finding.fix}"))
    verdict = (
        f"`fissura run` cannot work yet: {', '.join(finding.name for finding in missing)}"
        if missing
        else "`fissura run` can work here"
    )
    return f"{format_table(('', 'state', 'what', 'found'), rows)}\n\n{verdict}"
