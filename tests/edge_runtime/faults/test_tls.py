"""Certificates: right ones, of a stranger, expired; and a password that nobody else gets to see."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from edge_runtime.clock import wall_clock_quality
from edge_runtime.local_broker import LocalBroker, find_mosquitto, free_port
from tests.edge_runtime.faults.runs import Run, finish
from tests.mosquitto import Subscriber, wait_until

MakeBroker = Callable[..., LocalBroker]
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
SECRET = "hunter2-of-the-broker"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an authority and a stranger; the authority's of a broker and a device, each also expired."""
    folder = tmp_path_factory.mktemp("certificates")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("ca", "stranger"):
        _openssl(folder, "req", "-x509", *KEY, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}")
    for name, days in (("broker", "2"), ("broker-expired", "-1"), ("truck", "2"), ("truck-expired", "-1")):
        _openssl(folder, "req", *KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", days, "-extfile", "names")
        _openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signed)
    return folder


def _openssl(folder: Path, *words: str) -> None:
    try:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")


def _broker(make_broker: MakeBroker, certificates: Path, name: str = "broker") -> tuple[LocalBroker, int]:
    """A broker for our subscriber in the clear, and the port where it takes devices with a certificate."""
    port = free_port()
    broker = make_broker(
        "allow_anonymous true",
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        f"cafile {certificates}/ca.pem",
        f"certfile {certificates}/{name}.pem",
        f"keyfile {certificates}/{name}.key",
        "require_certificate true",
    )
    return broker, port


def _words(certificates: Path, *, authority: str = "ca", own: str = "truck") -> list[str]:
    return [
        "--ca",
        f"{certificates}/{authority}.pem",
        "--cert",
        f"{certificates}/{own}.pem",
        "--key",
        f"{certificates}/{own}.key",
    ]


def test_with_the_right_certificates_everything_arrives(
    bundle: Path, images: Path, tmp_path: Path, make_broker: MakeBroker, certificates: Path
) -> None:
    broker, port = _broker(make_broker, certificates)
    subscriber = Subscriber(broker.port)
    run = Run(bundle, tmp_path, f"mqtts://127.0.0.1:{port}")
    code, summary, log = finish(run.start(f"folder:{images}", *_words(certificates), "--flush-timeout", "30"))
    assert code == 0, log
    assert summary["left_in_spool"] == 0
    assert wait_until(lambda: subscriber.uuids() == run.found() != set())
    subscriber.close()


def test_a_broker_of_an_unknown_authority_ends_the_run_and_keeps_the_messages(
    bundle: Path, images: Path, tmp_path: Path, make_broker: MakeBroker, certificates: Path
) -> None:
    _, port = _broker(make_broker, certificates)
    run = Run(bundle, tmp_path, f"mqtts://127.0.0.1:{port}")
    words = _words(certificates, authority="stranger")
    code, _, log = finish(run.start(f"folder:{images}?fps=20&loop=true", *words))
    assert code == 2
    assert "cannot be trusted" in log and "--ca" in log
    assert run.left() == run.found()


@pytest.mark.parametrize(("broker_has", "device_has"), [("broker-expired", "truck"), ("broker", "truck-expired")])
def test_an_expired_certificate_loses_nothing(
    bundle: Path,
    images: Path,
    tmp_path: Path,
    make_broker: MakeBroker,
    certificates: Path,
    broker_has: str,
    device_has: str,
) -> None:
    _, port = _broker(make_broker, certificates, broker_has)
    run = Run(bundle, tmp_path, f"mqtts://127.0.0.1:{port}")
    words = [*_words(certificates, own=device_has), "--flush-timeout", "3"]  # time enough for one try
    code, _, log = finish(run.start(f"folder:{images}?fps=8", *words))
    if broker_has == "broker-expired":
        # To a vehicle whose clock has not been set it may only look expired: it goes on and tries again.
        assert "certificate has expired" in log
        assert code == (0 if wall_clock_quality() == "unsynchronised" else 2)
    else:  # the broker hangs up, and does not say why
        assert code == 0 and ("trying again for ever" in log)
    assert run.left() == run.found() != set()


def test_the_password_is_neither_in_the_log_nor_in_the_list_of_processes(
    bundle: Path, images: Path, tmp_path: Path, make_broker: MakeBroker
) -> None:
    broker = make_broker("allow_anonymous false", f"password_file {_passwords(tmp_path)}")
    subscriber = Subscriber(broker.port, username="truck", password=SECRET)
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    for given in ("file", "variable"):
        run = Run(bundle, tmp_path, f"mqtt://truck@127.0.0.1:{broker.port}")
        words = ["--verbose", *(["--password-file", str(secret)] if given == "file" else [])]
        env = {"FISSURA_MQTT_PASSWORD": SECRET} if given == "variable" else None
        before = len(subscriber.uuids())
        process = run.start(f"folder:{images}?fps=20&loop=true", *words, env=env)
        assert wait_until(lambda before=before: len(subscriber.uuids()) > before)  # type: ignore[misc]
        commands = _command_lines()
        assert any(b"truck@127.0.0.1" in command for command in commands)
        assert not any(SECRET.encode() in command for command in commands)
        process.send_signal(signal.SIGTERM)
        code, _, log = finish(process)
        assert code == 0
        assert SECRET not in log
    assert not [path for path in tmp_path.rglob("*.sqlite*") if SECRET.encode() in path.read_bytes()]
    subscriber.close()


def _command_lines() -> list[bytes]:
    """Of all processes, as `ps` shows them."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended since
            lines.append(path.read_bytes())
    return lines


def _passwords(folder: Path) -> Path:
    program = find_mosquitto()
    assert program is not None
    for tool in (Path(program).with_name("mosquitto_passwd"), Path("/usr/bin/mosquitto_passwd")):
        if tool.exists():
            path = folder / "passwords"
            subprocess.run([tool, "-b", "-c", path, "truck", SECRET], check=True, capture_output=True)
            return path
    pytest.skip("mosquitto_passwd is not installed")
