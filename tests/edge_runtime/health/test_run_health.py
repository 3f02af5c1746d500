"""`fissura run` as a process, with a real broker, a service manager's socket and a real HTTP client."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge_runtime.local_broker import LocalBroker
from tests.mosquitto import Subscriber, start_run, wait_until

QUICK = ("--threads", "1", "--flush-timeout", "0.5")


class Run:
    """The process, and what it tells."""

    def __init__(self, name: str, *words: str | Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.told: list[str] = []
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind(f"\0{name}")
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        environment = {"NOTIFY_SOCKET": f"@{name}", "WATCHDOG_USEC": "2000000"}
        self.process = start_run(*words, "--health-port", str(self.port), *QUICK, env=environment)

    def _listen(self) -> None:
        for message in iter(lambda: self._manager.recv(4096), b""):
            self.told.append(message.decode().split("\n")[0])

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:  # not yet
            return 0, "{}"

    def becomes(self, status: int, word: str) -> dict[str, Any]:
        """The document, once it says so."""
        document: dict[str, Any] = {}

        def says() -> bool:
            nonlocal document
            code, text = self.get("/healthz")
            document = json.loads(text)
            return (code, document.get("status")) == (status, word)

        assert wait_until(says, 60), document
        return document

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        families = text_string_to_metric_families(self.get("/metrics")[1])
        return sum(one.value for family in families for one in family.samples if one.name == name)

    def end(self) -> tuple[int, str]:
        """Exit code and log, after a signal to end."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        log = self.process.communicate(timeout=60)[1]
        return self.process.returncode, log

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        self._manager.shutdown(socket.SHUT_RDWR)  # ends the listening thread
        self._listener.join(20)
        self._manager.close()


MakeRun = Callable[..., Run]


@pytest.fixture
def make_run() -> Iterator[MakeRun]:
    with ExitStack() as stack:

        def make(*words: str | Path) -> Run:
            run = Run(f"fissura-run-{os.getpid()}", *words)
            stack.callback(run.close)
            return run

        yield make


def test_from_the_start_to_the_end_without_and_with_a_broker(
    bundle: Path, images: Path, tmp_path: Path, broker: LocalBroker, make_run: MakeRun
) -> None:
    subscriber = Subscriber(broker.port)
    sink, spool = f"mqtt://127.0.0.1:{broker.port}", tmp_path / "spool.sqlite"
    source = f"folder:{images}?fps=4&loop=true"
    run = make_run("--bundle", bundle, "--source", source, "--sink", sink, "--spool", spool, "--serial", "truck-07")
    run.becomes(200, "ok")
    assert wait_until(lambda: run.metric("fissura_mqtt_connected") == 1)
    assert wait_until(lambda: run.metric("fissura_frames_total") >= 3)
    assert wait_until(lambda: len(subscriber.of("telemetry")) > 0)
    telemetry = subscriber.of("telemetry")[0]
    assert telemetry["rss_mb"] > 10 and telemetry["paused"] is False and len(telemetry["sources"]) == 1
    broker.kill()
    assert run.becomes(200, "degraded")["degraded"] == ["the broker is out of reach"]
    assert run.metric("fissura_mqtt_connected") == 0
    assert wait_until(lambda: run.metric("fissura_spool_rows") > 0)
    code, log = run.end()
    assert code == 0, log
    subscriber.close()
    assert wait_until(lambda: "STOPPING=1" in run.told)
    assert run.told[0] == "READY=1" and run.told.count("WATCHDOG=1") >= 2
    assert any(line.startswith("STATUS=ok; ") for line in run.told)


@pytest.mark.slow
def test_a_camera_that_is_silent_is_red_and_the_watchdog_goes_on(
    bundle: Path, images: Path, tmp_path: Path, make_run: MakeRun
) -> None:
    source, sink = f"folder:{images}?fps=0.01", f"jsonl:{tmp_path / 'found.jsonl'}"
    run = make_run("--bundle", bundle, "--source", source, "--sink", sink, "--frame-limit", "2")
    document = run.becomes(503, "failing")
    assert "no frame from camera" in document["problems"][0] and document["processing"]
    fed = run.told.count("WATCHDOG=1")
    assert wait_until(lambda: run.told.count("WATCHDOG=1") >= fed + 2)
    assert run.end()[0] == 0


def test_sighup_is_told_as_a_reload(bundle: Path, images: Path, tmp_path: Path, make_run: MakeRun) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(
        f"bundle: {bundle}\nsource: folder:{images}?fps=4&loop=true\nsink: jsonl:{tmp_path / 'f.jsonl'}\n"
    )
    run = make_run("--config", config)
    run.becomes(200, "ok")
    assert wait_until(lambda: "READY=1" in run.told)  # that of the start, which may come after the first answer
    for text in (config.read_text() + "threshold: 0.7\n", "no: such key\n"):  # one that fails is over, too
        before = len(run.told)
        config.write_text(text)
        run.process.send_signal(signal.SIGHUP)
        assert wait_until(lambda before=before: "READY=1" in run.told[before:])  # type: ignore[misc]
        assert run.told[before:].index("RELOADING=1") < run.told[before:].index("READY=1")
    assert run.get("/healthz")[0] == 200
    assert run.end()[0] == 0


def test_a_port_in_use_ends_the_start(bundle: Path, images: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = ["--bundle", bundle, "--source", f"folder:{images}", "--sink", f"jsonl:{tmp_path / 'f.jsonl'}"]
        process = start_run(*words, "--health-port", str(port))
        _, log = process.communicate(timeout=60)
    assert process.returncode == 2
    assert f"127.0.0.1:{port} cannot be listened on" in log and "--health-port" in log
    assert "Traceback" not in log
