from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.broker_probe import ask_broker
from edge_runtime.local_broker import free_port
from fissura.cli import main

CHECKOUT = Path(__file__).parents[2]
MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed: apt-get install mosquitto")


def start_mosquitto(folder: Path, settings: str) -> tuple[subprocess.Popen[bytes], int]:
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\n{settings}\n")
    assert MOSQUITTO is not None
    process = subprocess.Popen([MOSQUITTO, "-c", str(config)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            break
        except OSError:
            time.sleep(0.05)
    return process, port


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    """Port of a mosquitto that lets everybody in."""
    process, port = start_mosquitto(tmp_path, "allow_anonymous true")
    yield port
    process.terminate()
    process.wait(10)


@needs_mosquitto
def test_a_broker_that_lets_us_in_is_ok(broker: int) -> None:
    answer = ask_broker("127.0.0.1", broker)
    assert answer.accepted
    assert answer.text == "answers MQTT 5"


@needs_mosquitto
def test_a_broker_that_wants_credentials_is_told_from_a_dead_one(tmp_path: Path) -> None:
    process, port = start_mosquitto(tmp_path, "allow_anonymous false")
    try:
        answer = ask_broker("127.0.0.1", port)
    finally:
        process.terminate()
        process.wait(10)
    assert (answer.answered, answer.accepted) == (True, False)
    assert "Not authorized" in answer.text


def test_something_that_listens_and_says_nothing_is_no_broker() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        started = time.monotonic()
        answer = ask_broker("127.0.0.1", server.getsockname()[1], timeout_s=0.3)
    assert not answer.answered
    assert "no MQTT 3.1.1 answer" in answer.text
    assert time.monotonic() - started < 5


def test_nothing_there_is_said_so() -> None:
    assert "does not answer" in ask_broker("127.0.0.1", free_port()).text
    assert "does not answer" in ask_broker("no-such-host.invalid", 1883).text


@needs_mosquitto
def test_doctor_is_content_with_a_broker_that_answers(broker: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json", "--broker", f"127.0.0.1:{broker}"]) == 0
    report = json.loads(capsys.readouterr().out)
    rows = {row["name"]: row for row in report["findings"]}
    assert report["ready"]
    assert rows["Python"]["found"].startswith(f"{sys.version_info[0]}.{sys.version_info[1]}.")
    assert rows[f"broker 127.0.0.1:{broker}"]["state"] == "ok"
    assert "CPU" in rows["ONNX Runtime"]["found"]
    assert all(row["fix"] for row in report["findings"] if row["state"] == "missing")


def test_doctor_ends_with_1_when_the_named_broker_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    assert main(["doctor", "--broker", f"127.0.0.1:{port}"]) == 1
    text = capsys.readouterr().out
    assert f"-> start one: mosquitto -p {port}" in text
    assert f"cannot work yet: broker 127.0.0.1:{port}" in text


@pytest.mark.parametrize("address", ["localhost:", ":1883", "localhost:70000", "localhost:mqtt", "a..b:1883"])
def test_an_address_that_is_none_is_refused(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--broker", address]) == 2
    assert "HOST:PORT" in capsys.readouterr().err


def test_a_missing_engine_is_reported_with_its_command(tmp_path: Path) -> None:
    # A package of that name that fails on import, as one with a missing system library does.
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('libcudart.so.12: cannot open shared object file')")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "fissura", "doctor", "--json"],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    row = next(row for row in json.loads(done.stdout)["findings"] if row["name"] == "ONNX Runtime")
    assert row["state"] == "missing"
    assert "libcudart.so.12" in row["found"]
    assert row["fix"] == "pip install 'fissura[edge]'"


def test_doctor_loads_neither_torch_nor_an_engine_into_its_own_process() -> None:
    code = (
        "import sys\nfrom fissura.cli import main\nmain(['doctor'])\n"
        "loaded = {'torch', 'lightning', 'tensorrt', 'openvino', 'onnxruntime'} & set(sys.modules)\n"
        "sys.exit(f'loaded {loaded}' if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
