"""`fissura run` as a process, a real mosquitto and a real subscriber: what is found arrives, whatever breaks."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from edge_runtime.local_broker import LocalBroker, find_mosquitto
from edge_runtime.spool import Spool
from fissura.dataset import DATA_VARIABLE, data_folder
from fissura.messages import Detection, Status, Telemetry
from tests.mosquitto import Subscriber, start_run, wait_until

MakeBroker = Callable[..., LocalBroker]

KEPT_ON_DISK = ("allow_anonymous true", "persistence true", "autosave_on_changes true", "autosave_interval 1")


def _words(bundle: Path, images: Path, tmp_path: Path, port: int, query: str = "", *more: str) -> list[str]:
    words = ["--bundle", str(bundle), "--source", f"folder:{images}{query}", "--serial", "truck-07", "--json"]
    words += ["--mission", "m1", "--spool", str(tmp_path / "spool.sqlite"), "--sink", f"mqtt://127.0.0.1:{port}"]
    return [*words, "--sink", f"jsonl:{tmp_path / 'found.jsonl'}", "--threads", "1", *more]


def _finish(process: subprocess.Popen[str], timeout_s: float = 60) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=timeout_s)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def _found(tmp_path: Path) -> set[str]:
    """Uuids of all that was found, as the other output noted them; a line that is half written is left out."""
    path = tmp_path / "found.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return {json.loads(line)["uuid"] for line in lines if line.endswith("\n")}


def _left(tmp_path: Path) -> set[str]:
    spool = Spool(tmp_path / "spool.sqlite")
    rows = spool.take(100_000)
    spool.close()
    return {row.message.uuid for row in rows if row.message.topic.endswith("/detection")}


def test_everything_found_arrives_once_with_birth_and_goodbye(
    bundle: Path, images: Path, tmp_path: Path, broker: LocalBroker
) -> None:
    subscriber = Subscriber(broker.port)
    code, out, err = _finish(start_run(*_words(bundle, images, tmp_path, broker.port, "", "--gsd", "1.5")))
    assert code == 0, err
    summary = json.loads(out)
    assert summary["frames"] == 5
    assert summary["published"] == summary["detections"] == summary["spooled"] == 10
    assert summary["left_in_spool"] == 0
    assert "10 detections" in err
    assert wait_until(lambda: len(subscriber.of("status")) == 2)
    detections = [Detection.model_validate(message) for message in subscriber.of("detection")]
    assert {str(d.uuid) for d in detections} == _found(tmp_path)
    assert len(detections) == 10
    assert {d.frame.sequence for d in detections} == set(range(5))
    assert all(d.mission_id == "m1" and d.phase == "new" and d.serial == "truck-07" for d in detections)
    assert all(d.crack.length_mm == pytest.approx(1.5 * d.crack.length_px) for d in detections)
    online, offline = (Status.model_validate(message) for message in subscriber.of("status"))
    assert (online.state, offline.state, offline.reason) == ("online", "offline", "stopped")
    heartbeat = Telemetry.model_validate(subscriber.of("telemetry")[-1])
    assert heartbeat.frames == 5 and heartbeat.detections == 10
    assert {"encode", "fused", "decode", "spool"} <= heartbeat.stage_ms.keys()
    topics = {topic for topic, _ in subscriber.messages}
    assert topics == {f"fissura/v1/truck-07/{kind}" for kind in ("detection", "status", "telemetry")}
    uuids = [message["uuid"] for _, message in subscriber.messages]
    assert [properties.get("uuid") for properties in subscriber.user_properties] == uuids
    subscriber.close()


def test_version_3_1_1(bundle: Path, images: Path, tmp_path: Path, broker: LocalBroker) -> None:
    subscriber = Subscriber(broker.port)
    code, _, err = _finish(start_run(*_words(bundle, images, tmp_path, broker.port, "", "--mqtt-version", "3.1.1")))
    assert code == 0, err
    assert wait_until(lambda: len(subscriber.of("status")) == 2)
    assert subscriber.uuids() == _found(tmp_path) != set()
    subscriber.close()


def test_broker_killed_and_restarted_in_mid_run(
    bundle: Path, images: Path, tmp_path: Path, make_broker: MakeBroker
) -> None:
    broker = make_broker(*KEPT_ON_DISK, f"persistence_location {tmp_path}/")
    subscriber = Subscriber(broker.port)
    words = _words(bundle, images, tmp_path, broker.port, "?fps=25&loop=true", "--max-frames", "100")
    process = start_run(*words, "--flush-timeout", "30")
    assert wait_until(lambda: len(subscriber.uuids()) >= 20)
    broker.kill()
    time.sleep(0.5)
    assert process.poll() is None
    before = len(subscriber.uuids())
    broker.start()
    code, out, err = _finish(process)
    assert code == 0, err
    summary = json.loads(out)
    assert summary["connects"] == 2 and summary["left_in_spool"] == 0
    assert wait_until(lambda: subscriber.uuids() == _found(tmp_path))
    assert len(_found(tmp_path)) == 200 > before
    births = {status["uuid"] for status in subscriber.of("status") if status["state"] == "online"}
    assert len(births) == 2  # one on every connect; the broker may deliver a retained one twice
    subscriber.close()


def test_broker_appears_only_after_the_start(
    bundle: Path, images: Path, tmp_path: Path, make_broker: MakeBroker
) -> None:
    broker = make_broker(started=False)
    process = start_run(*_words(bundle, images, tmp_path, broker.port, "", "--flush-timeout", "30"))
    assert wait_until(lambda: len(_found(tmp_path)) == 10)
    broker.start()
    code, out, err = _finish(process)
    assert code == 0, err
    assert err.count("cannot be reached") == 1  # said once, not with every try
    summary = json.loads(out)
    assert summary["published"] == summary["spooled"] == 10 and summary["left_in_spool"] == 0


def test_no_broker_at_all_keeps_the_messages_for_the_next_run(
    bundle: Path, images: Path, tmp_path: Path, make_broker: MakeBroker
) -> None:
    broker = make_broker(started=False)
    words = _words(bundle, images, tmp_path, broker.port, "", "--flush-timeout", "0.2")
    code, out, err = _finish(start_run(*words))
    assert code == 0, err
    assert json.loads(out)["left_in_spool"] >= 10
    assert _left(tmp_path) == _found(tmp_path)
    broker.start()
    subscriber = Subscriber(broker.port)
    code, _, err = _finish(start_run(*words[:-2], "--max-frames", "1"))
    assert code == 0, err
    assert wait_until(lambda: subscriber.uuids() == _found(tmp_path))
    assert len(subscriber.uuids()) == 12
    subscriber.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_mid_run_loses_nothing(
    bundle: Path, images: Path, tmp_path: Path, broker: LocalBroker, number: signal.Signals
) -> None:
    subscriber = Subscriber(broker.port)
    process = start_run(*_words(bundle, images, tmp_path, broker.port, "?fps=50&loop=true"))
    assert wait_until(lambda: len(subscriber.uuids()) >= 10)
    process.send_signal(number)
    code, out, err = _finish(process)
    assert code == 0, err
    assert json.loads(out)["left_in_spool"] == 0
    assert wait_until(lambda: subscriber.uuids() == _found(tmp_path))
    assert wait_until(lambda: subscriber.of("status")[-1]["reason"] == "stopped")
    subscriber.close()


def test_a_signal_while_waiting_for_a_broker_ends_the_run(
    bundle: Path, images: Path, tmp_path: Path, make_broker: MakeBroker
) -> None:
    broker = make_broker(started=False)
    process = start_run(*_words(bundle, images, tmp_path, broker.port, "?fps=50&loop=true", "--flush-timeout", "60"))
    assert wait_until(lambda: len(_found(tmp_path)) >= 10)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert process.poll() is None  # it flushes, for a minute
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    code, _, err = _finish(process)
    assert time.monotonic() - began < 30
    assert code == 0, err
    assert _left(tmp_path) == _found(tmp_path)


def test_publisher_killed_in_mid_burst_sends_everything_after_a_restart(
    bundle: Path, images: Path, tmp_path: Path, broker: LocalBroker
) -> None:
    subscriber = Subscriber(broker.port)
    process = start_run(*_words(bundle, images, tmp_path, broker.port, "?fps=50&loop=true"))
    assert wait_until(lambda: len(subscriber.uuids()) >= 30)
    process.kill()
    process.communicate()
    assert wait_until(lambda: subscriber.of("status")[-1]["reason"] == "connection lost")
    received, noted = subscriber.uuids(), _found(tmp_path)
    code, _, err = _finish(start_run(*_words(bundle, images, tmp_path, broker.port, "", "--max-frames", "1")))
    assert code == 0, err
    assert wait_until(lambda: subscriber.uuids() >= _found(tmp_path) | noted | received)
    assert _left(tmp_path) == set()
    # The MQTT output comes first: at the kill it may be one frame ahead of the other one, never behind.
    assert len(subscriber.uuids() - _found(tmp_path)) <= 2
    subscriber.close()


def test_wrong_password_ends_with_code_2_and_keeps_the_messages(
    bundle: Path, images: Path, tmp_path: Path, make_broker: MakeBroker
) -> None:
    broker = make_broker("allow_anonymous false", f"password_file {_passwords(tmp_path)}")
    words = _words(bundle, images, tmp_path, broker.port, "?fps=20&loop=true")
    words[words.index(f"mqtt://127.0.0.1:{broker.port}")] = f"mqtt://truck@127.0.0.1:{broker.port}"
    began = time.monotonic()
    code, out, err = _finish(start_run(*words, env={"FISSURA_MQTT_PASSWORD": "guessed"}))
    assert time.monotonic() - began < 30  # the source never ends: the refusal did it
    assert code == 2
    assert out == ""
    assert "Not authorized" in err and "FISSURA_MQTT_PASSWORD" in err and "guessed" not in err
    assert _left(tmp_path) == _found(tmp_path)
    (tmp_path / "secret").write_text("right\n")
    subscriber = Subscriber(broker.port, username="truck", password="right")
    code, _, err = _finish(start_run(*words, "--password-file", str(tmp_path / "secret"), "--max-frames", "1"))
    assert code == 0, err
    assert wait_until(lambda: subscriber.uuids() == _found(tmp_path))
    subscriber.close()


def test_a_topic_that_is_denied_is_reported_and_the_rest_still_flows(
    bundle: Path, images: Path, tmp_path: Path, make_broker: MakeBroker
) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite fissura/v1/+/status\ntopic readwrite fissura/v1/+/telemetry\ntopic read #\n")
    broker = make_broker("allow_anonymous true", f"acl_file {acl}")
    subscriber = Subscriber(broker.port)
    code, out, err = _finish(start_run(*_words(bundle, images, tmp_path, broker.port, "", "--flush-timeout", "3")))
    assert code == 0, err
    summary = json.loads(out)
    assert summary["published"] == 0 and summary["refused"] >= 2
    assert "Not authorized" in err and "fissura/v1/truck-07/detection" in err
    assert _left(tmp_path) == _found(tmp_path)  # refused, not lost
    assert wait_until(lambda: subscriber.of("status")[-1]["reason"] == "stopped")
    assert subscriber.of("telemetry")
    subscriber.close()


def test_a_second_device_of_the_same_serial_is_reported(
    bundle: Path, images: Path, tmp_path: Path, broker: LocalBroker
) -> None:
    subscriber = Subscriber(broker.port)
    process = start_run(*_words(bundle, images, tmp_path, broker.port, "?fps=5&loop=true"))

    def births() -> int:
        return [status["state"] for status in subscriber.of("status")].count("online")

    for count in range(1, 4):
        assert wait_until(partial(lambda least: births() >= least, count))
        Subscriber(broker.port, client_id="truck-07-run").close()
    process.send_signal(signal.SIGTERM)
    code, _, err = _finish(process)
    assert code == 0
    assert "do two devices share the serial 'truck-07'" in err
    subscriber.close()


def test_camera_frames_of_a_real_data_set(bundle: Path, tmp_path: Path, broker: LocalBroker) -> None:
    data = data_folder()
    if data is None or not (data / "cfd" / "images").is_dir():
        pytest.skip(f"the data set cfd is not there: set {DATA_VARIABLE}")
    subscriber = Subscriber(broker.port)
    words = _words(bundle, data / "cfd" / "images", tmp_path, broker.port, "?downsample=2", "--max-frames", "20")
    code, out, err = _finish(start_run(*words))
    assert code == 0, err
    assert json.loads(out)["frames"] == 20
    assert wait_until(lambda: subscriber.uuids() == _found(tmp_path) != set())
    subscriber.close()


def _passwords(tmp_path: Path) -> Path:
    path = tmp_path / "passwords"
    program = find_mosquitto()
    assert program is not None
    tool = Path(program).with_name("mosquitto_passwd")
    for place in (tool, Path("/usr/bin/mosquitto_passwd")):
        if place.exists():
            subprocess.run([place, "-b", "-c", path, "truck", "right"], check=True, capture_output=True)
            return path
    pytest.skip("mosquitto_passwd is not installed")
