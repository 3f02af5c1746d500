"""The sender in this process, against a real mosquitto."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest

from edge_runtime.local_broker import LocalBroker
from edge_runtime.mqtt.connection import Connection
from edge_runtime.mqtt.endpoint import Endpoint, MqttConfig, Version, read_endpoint
from edge_runtime.mqtt.sender import Sender, Voice
from edge_runtime.spool import Spool, SpoolLimits, SpoolStats
from edge_runtime.spool_row import Message
from fissura.errors import BrokerError
from fissura.messages import Status, Telemetry
from fissura.topics import TELEMETRY
from tests.mosquitto import Subscriber, wait_until

MakeBroker = Callable[..., LocalBroker]
TOPIC = "fissura/v1/s1/detection"


def _status(state: str, reason: str | None = None) -> Status:
    return Status.model_validate({"serial": "s1", "state": state, "reason": reason})


def _telemetry(stats: SpoolStats) -> Telemetry:
    return Telemetry(
        serial="s1",
        sent_utc=datetime.now(timezone.utc),
        mission_id="m",
        uptime_s=0,
        frames=0,
        frames_per_second=0,
        drops={},
        detections=0,
        spool_rows=stats.rows,
        spool_bytes=stats.bytes,
        stage_ms={},
    )


class Bench:
    """A spool and a sender with their ends."""

    def __init__(self, folder: Path, endpoint: Endpoint, **limits: int) -> None:
        self.spool = Spool(folder / "spool.sqlite", SpoolLimits(**limits))
        self.refusals: list[BrokerError] = []
        self.sender = Sender(endpoint, self.spool, Voice("s1", _status, _telemetry), self.refusals.append)

    def put(self, *payloads: bytes) -> set[str]:
        """Spool messages; gives their uuids."""
        messages = [Message(str(uuid4()), TOPIC, payload) for payload in payloads]
        self.spool.put(messages)
        self.sender.wake()
        return {message.uuid for message in messages}

    def close(self) -> None:
        self.sender.close(_status("offline", "stopped"))
        self.spool.close()


def _endpoint(port: int, version: str = "5") -> Endpoint:
    return Endpoint("127.0.0.1", port, cast(Version, version), keepalive_s=5)


def _json(size: int) -> bytes:
    return b'{"uuid": "' + b"x" * size + b'"}'


@pytest.mark.parametrize("version", ["5", "3.1.1"])
@pytest.mark.parametrize("setting", ["max_packet_size 2000", "message_size_limit 2000"])
def test_a_message_that_the_broker_cannot_take_is_a_dead_letter_and_the_others_arrive(
    tmp_path: Path, make_broker: MakeBroker, version: str, setting: str, caplog: pytest.LogCaptureFixture
) -> None:
    broker = make_broker("allow_anonymous true", setting)
    subscriber = Subscriber(broker.port)
    bench = Bench(tmp_path, _endpoint(broker.port, version), max_attempts=2)
    bench.put(*[_json(n) for n in range(3)], _json(5000), *[_json(100 + n) for n in range(30)])
    bench.sender.start()
    assert wait_until(lambda: bench.spool.empty(), 30)
    expected = {"x" * n for n in (*range(3), *range(100, 130))}
    assert wait_until(lambda: subscriber.uuids() == expected)
    silently_dropped = setting.startswith("message_size_limit") and version == "3.1.1"
    if not silently_dropped:  # MQTT 3.1.1 has no way to refuse a message: mosquitto says that it has it
        assert bench.spool.stats().dead_letters == 1
        assert "dead letter" in caplog.text
    bench.close()
    subscriber.close()


def test_what_is_delivered_is_deleted_though_nothing_else_happens(tmp_path: Path, broker: LocalBroker) -> None:
    bench = Bench(tmp_path, _endpoint(broker.port))
    bench.sender.start()
    assert wait_until(lambda: bench.sender.outgoing.acknowledged >= 1)
    assert wait_until(bench.spool.empty, 5)
    bench.close()


def test_what_is_on_its_way_is_metered(tmp_path: Path, make_broker: MakeBroker) -> None:
    broker = make_broker()
    bench = Bench(tmp_path, _endpoint(broker.port))
    bench.sender.start()
    assert wait_until(lambda: bench.sender.connects == 1)
    broker.signal(signal.SIGSTOP)  # a broker that hangs: nothing is acknowledged
    bench.put(*[_json(n) for n in range(200)])
    # Mosquitto announces 20; one place is kept for the status.
    assert wait_until(lambda: bench.sender.outgoing.in_flight == 19)
    assert not wait_until(lambda: bench.sender.outgoing.in_flight != 19, 0.5)
    broker.signal(signal.SIGCONT)
    assert wait_until(lambda: bench.spool.empty())
    bench.close()


@pytest.mark.slow
def test_a_broker_that_hangs_is_noticed_and_everything_is_sent_when_it_goes_on(
    tmp_path: Path, broker: LocalBroker, caplog: pytest.LogCaptureFixture
) -> None:
    subscriber = Subscriber(broker.port)
    bench = Bench(tmp_path, _endpoint(broker.port))  # keep-alive 5 s, the least
    bench.sender.start()
    assert wait_until(lambda: bench.sender.connects == 1)
    broker.signal(signal.SIGSTOP)
    bench.put(*[_json(n) for n in range(50)])
    assert wait_until(lambda: "ended: connection lost" in caplog.text)
    broker.signal(signal.SIGCONT)
    assert wait_until(lambda: bench.spool.empty())
    assert wait_until(lambda: subscriber.uuids() == {"x" * n for n in range(50)})
    bench.close()
    subscriber.close()


def test_a_broker_that_hangs_does_not_keep_us_from_ending(tmp_path: Path, broker: LocalBroker) -> None:
    subscriber = Subscriber(broker.port)
    bench = Bench(tmp_path, _endpoint(broker.port))
    bench.sender.start()
    assert wait_until(lambda: bench.sender.connects == 1)
    broker.signal(signal.SIGSTOP)
    bench.put(*[_json(n) for n in range(50)])
    began = time.monotonic()
    bench.sender.close(_status("offline", "stopped"))
    assert not bench.sender.alive
    assert time.monotonic() - began < 20
    broker.signal(signal.SIGCONT)
    bench.spool.close()
    again = Bench(tmp_path, _endpoint(broker.port))
    again.sender.start()
    assert wait_until(lambda: again.spool.empty())
    assert wait_until(lambda: subscriber.uuids() == {"x" * n for n in range(50)})
    again.close()
    subscriber.close()


def test_an_exception_while_reading_is_reported_and_mended(
    tmp_path: Path, broker: LocalBroker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failures = iter([RuntimeError("an event fails")])
    answer = Connection._acknowledge

    def fail_once(self: Connection, *words: object) -> None:
        for failure in failures:
            raise failure
        answer(self, *words)  # type: ignore[arg-type]

    monkeypatch.setattr(Connection, "_acknowledge", fail_once)
    bench = Bench(tmp_path, _endpoint(broker.port))
    bench.put(*[_json(n) for n in range(5)])
    bench.sender.start()
    assert wait_until(lambda: bench.spool.empty())
    assert "an event fails" in caplog.text
    assert bench.sender.connects == 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("paho")]
    bench.close()


def test_the_broker_is_told_goodbye_so_that_no_will_is_published(tmp_path: Path, broker: LocalBroker) -> None:
    subscriber = Subscriber(broker.port)
    bench = Bench(tmp_path, _endpoint(broker.port))
    bench.sender.start()
    assert wait_until(lambda: bench.sender.connects == 1)
    bench.close()
    assert wait_until(lambda: len(subscriber.of("status")) == 2)
    late = Subscriber(broker.port, client_id="late")
    assert wait_until(lambda: bool(late.of("status")))
    assert [s["reason"] for s in late.of("status")] == ["stopped"]  # the retained one
    assert [s["state"] for s in subscriber.of("status")] == ["online", "offline"]
    late.close()
    subscriber.close()


def test_heartbeats_come_once_a_second_at_most(tmp_path: Path, broker: LocalBroker) -> None:
    subscriber = Subscriber(broker.port)
    bench = Bench(tmp_path, _endpoint(broker.port))
    bench.sender.start()

    def busy() -> bool:  # every message wakes the sender
        bench.put(_json(1))
        return len(subscriber.of("telemetry")) >= 3

    assert wait_until(busy)
    bench.close()
    times = [Telemetry.model_validate(beat).sent_utc for beat in subscriber.of("telemetry")]
    assert TELEMETRY.max_rate_hz is not None
    assert min((b - a).total_seconds() for a, b in pairwise(times) if a and b) > 0.5 / TELEMETRY.max_rate_hz
    subscriber.close()


def test_heartbeats_come_where_no_message_takes_them_along(tmp_path: Path, broker: LocalBroker) -> None:
    subscriber = Subscriber(broker.port)
    bench = Bench(tmp_path, _endpoint(broker.port))
    bench.sender.start()
    assert wait_until(lambda: len(subscriber.of("telemetry")) >= 3)
    bench.close()
    subscriber.close()


def test_what_a_silent_broker_does_not_acknowledge_goes_to_the_disk(
    tmp_path: Path, broker: LocalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits: list[str] = []
    real = os.fdatasync

    def fdatasync(descriptor: int) -> None:
        real(descriptor)
        visits.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    # The end of the connection would bring it to the disk as well.
    bench = Bench(tmp_path, replace(_endpoint(broker.port), keepalive_s=300))
    bench.sender.start()
    assert wait_until(lambda: bench.sender.connected and bench.spool.empty())
    broker.signal(signal.SIGSTOP)
    before = len(visits)
    bench.put(_json(1))
    assert wait_until(lambda: bench.spool.path.name + "-wal" in visits[before:])
    broker.signal(signal.SIGCONT)
    bench.close()


class Greeter:
    """A listener that welcomes every client and then hangs up."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.greeted = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                with client:
                    client.recv(4096)
                    client.sendall(bytes([0x20, 3, 0, 0, 0]))  # CONNACK of MQTT 5: welcome, no properties
                    self.greeted += 1


def test_a_broker_that_hangs_up_right_after_its_welcome_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_at_once = Connection.open

    def open_slowly(self: Connection) -> None:  # so that the sender sees the welcome and the end together
        open_at_once(self)
        time.sleep(0.2)

    monkeypatch.setattr(Connection, "open", open_slowly)
    greeter = Greeter()
    bench = Bench(tmp_path, _endpoint(greeter.port))
    bench.spool.put([Message("u", TOPIC, _json(1))])
    bench.sender.start()
    assert wait_until(lambda: greeter.greeted >= 3, 10)
    bench.close()
    greeter.close()
    spool = Spool(tmp_path / "spool.sqlite")
    assert [row.attempts for row in spool.take(9, skip_topics=["fissura/v1/s1/telemetry"])] == [0]  # never sent
    spool.close()


def _refuse_heartbeats(path: Path, refuse: bool) -> None:
    """Let SQLite fail, as on a full disk, for telemetry only."""
    with closing(sqlite3.connect(path, timeout=10)) as database:
        if refuse:
            database.execute(
                "CREATE TRIGGER full BEFORE INSERT ON outbox WHEN NEW.priority = 0"
                " BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
            )
        else:
            database.execute("DROP TRIGGER full")


def test_a_heartbeat_that_cannot_be_stored_while_offline_does_not_end_the_sender(
    tmp_path: Path, make_broker: MakeBroker, caplog: pytest.LogCaptureFixture
) -> None:
    broker = make_broker(started=False)
    bench = Bench(tmp_path, _endpoint(broker.port))
    _refuse_heartbeats(bench.spool.path, True)
    bench.sender.start()
    assert wait_until(lambda: "a heartbeat is lost" in caplog.text or not bench.sender.alive)
    bench.put(_json(1))
    broker.start()
    assert wait_until(bench.spool.empty)
    assert bench.sender.alive
    bench.close()


def test_a_heartbeat_that_cannot_be_stored_leaves_the_connection_alone(
    tmp_path: Path, broker: LocalBroker, caplog: pytest.LogCaptureFixture
) -> None:
    subscriber = Subscriber(broker.port)
    bench = Bench(tmp_path, _endpoint(broker.port))
    bench.sender.start()
    assert wait_until(lambda: bool(subscriber.of("telemetry")))
    _refuse_heartbeats(bench.spool.path, True)
    assert wait_until(lambda: "disk is full" in caplog.text)
    bench.put(_json(1))
    assert wait_until(lambda: subscriber.uuids() == {"x"})
    _refuse_heartbeats(bench.spool.path, False)
    before = len(subscriber.of("telemetry"))
    assert wait_until(lambda: len(subscriber.of("telemetry")) > before)
    assert bench.sender.connects == 1
    bench.close()
    subscriber.close()


def test_a_failure_that_comes_with_every_try_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tries: list[str] = []

    def fail(state: str, reason: str | None) -> Status:
        tries.append(state)
        raise RuntimeError("no words")

    spool = Spool(tmp_path / "spool.sqlite")
    sender = Sender(_endpoint(1), spool, Voice("s1", fail, _telemetry), lambda error: None)
    sender.start()
    assert wait_until(lambda: len(tries) == 3)
    sender.close(_status("offline", "stopped"))
    spool.close()
    assert caplog.text.count("RuntimeError: no words") == 1
    assert "in fail" in caplog.text  # with the traceback


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_broker_that_allows_nobody_is_a_refusal(tmp_path: Path, make_broker: MakeBroker, version: str) -> None:
    broker = make_broker("allow_anonymous false")
    bench = Bench(tmp_path, _endpoint(broker.port, version))
    bench.sender.start()
    assert wait_until(lambda: bool(bench.refusals))
    assert wait_until(lambda: not bench.sender.alive)
    assert "Not authorized" in bench.refusals[0].found
    bench.close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("ca", "stranger"):
        _openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", "-days", "2")  # fmt: skip
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for name in ("broker", "s1"):
        _openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")  # fmt: skip
        _openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                 "-CAcreateserial", "-out", f"{name}.pem", "-days", "2", "-extfile", "names")  # fmt: skip
    return folder


class TestTls:
    @pytest.fixture(autouse=True)
    def as_strict_as_python_3_13(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It asks an authority for its key usage, which that of these tests does not state."""
        real = ssl.create_default_context

        def strict(cafile: str | None) -> ssl.SSLContext:
            context = real(cafile=cafile)
            context.verify_flags |= ssl.VERIFY_X509_STRICT
            return context

        monkeypatch.setattr(ssl, "create_default_context", strict)

    @pytest.fixture
    def tls_broker(self, make_broker: MakeBroker, certificates: Path) -> LocalBroker:
        return make_broker(
            "allow_anonymous true",
            f"cafile {certificates}/ca.pem",
            f"certfile {certificates}/broker.pem",
            f"keyfile {certificates}/broker.key",
            "require_certificate true",
            "use_identity_as_username true",
        )

    def test_with_a_client_certificate(self, tmp_path: Path, tls_broker: LocalBroker, certificates: Path) -> None:
        config = MqttConfig(
            ca=certificates / "ca.pem", cert=certificates / "s1.pem", key=certificates / "s1.key", keepalive_s=5
        )
        bench = Bench(tmp_path, read_endpoint(f"mqtts://127.0.0.1:{tls_broker.port}", config))
        bench.put(*[_json(n) for n in range(100)])
        bench.sender.start()
        assert wait_until(lambda: bench.spool.empty())
        assert bench.sender.outgoing.acknowledged >= 100
        bench.close()

    def test_a_broker_that_cannot_be_trusted_is_a_refusal(
        self, tmp_path: Path, tls_broker: LocalBroker, certificates: Path
    ) -> None:
        config = MqttConfig(ca=certificates / "stranger.pem")
        bench = Bench(tmp_path, read_endpoint(f"mqtts://127.0.0.1:{tls_broker.port}", config))
        bench.sender.start()
        assert wait_until(lambda: bool(bench.refusals))
        assert "cannot be trusted" in bench.refusals[0].found and "--ca" in bench.refusals[0].fix
        bench.close()

    def test_without_a_client_certificate_it_says_so_and_goes_on_trying(
        self, tmp_path: Path, tls_broker: LocalBroker, certificates: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench = Bench(
            tmp_path, read_endpoint(f"mqtts://127.0.0.1:{tls_broker.port}", MqttConfig(ca=certificates / "ca.pem"))
        )
        with caplog.at_level(logging.WARNING):
            bench.sender.start()
            assert wait_until(lambda: "trying again for ever" in caplog.text)
        assert bench.sender.alive and not bench.refusals
        bench.close()


def _openssl(folder: Path, *words: str) -> None:
    try:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")


def test_tls_context_checks_the_host_name() -> None:
    endpoint = read_endpoint("mqtts://broker.example", MqttConfig())
    assert endpoint.tls is not None
    assert endpoint.tls.check_hostname and endpoint.tls.verify_mode is ssl.CERT_REQUIRED
    assert endpoint.port == 8883
