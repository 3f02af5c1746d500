"""`fissura demo` at a broker that others use too: what is not its own does not count, what is missing is said."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import paho.mqtt.publish
import pytest

from edge_runtime.demo import cli
from edge_runtime.demo.subscriber import Subscriber
from edge_runtime.local_broker import LocalBroker
from fissura.cli import main
from fissura.imaging.images import write_rgb
from fissura.topics import DETECTION
from tests import mosquitto
from tests.edge_runtime.conftest import pavement
from tests.edge_runtime.demo.test_report import detection


@pytest.fixture
def large_images(tmp_path: Path) -> Path:
    """Images that still show their cracks at half their size."""
    folder = tmp_path / "pictures"
    for seed in range(2):
        write_rgb(folder / f"{seed}.png", pavement(seed, width=192, height=144).repeat(2, axis=0).repeat(2, axis=1))
    return folder


def demo(bundle: Path, images: Path, out: Path, broker: LocalBroker, *more: str) -> int:
    words = ["--bundle", str(bundle), "--images", str(images), "--out", str(out)]
    return main(["demo", *words, "--broker", f"127.0.0.1:{broker.port}", *more])


def test_every_demo_is_a_device_of_its_own(
    bundle: Path, large_images: Path, tmp_path: Path, broker: LocalBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    listener = mosquitto.Subscriber(broker.port)
    for number in range(2):
        assert demo(bundle, large_images, tmp_path / f"out-{number}", broker, "--mission", f"m{number}") == 0
        printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("[")]
        assert len(printed) >= 2 and all(line.startswith(f"[m{number}] ") for line in printed)

    def serials() -> set[str]:
        return {message["serial"] for message in listener.of("detection")}

    assert mosquitto.wait_until(lambda: len(serials()) == 2)
    assert all(re.fullmatch("demo-[0-9a-f]{8}", serial) for serial in serials())
    listener.close()


def test_messages_of_another_mission_do_not_count(broker: LocalBroker) -> None:
    theirs = detection("a.png").model_copy(update={"mission_id": "theirs", "uuid": uuid4()})
    ours = detection("b.png")
    with Subscriber("127.0.0.1", broker.port, "demo", "m1", quiet=True) as subscriber:
        for message in (theirs, ours):
            paho.mqtt.publish.single(
                DETECTION.of("demo"), message.to_json(), qos=1, hostname="127.0.0.1", port=broker.port
            )
        assert mosquitto.wait_until(lambda: str(ours.uuid) in subscriber.received)
        assert list(subscriber.received.values()) == [ours]


def test_what_does_not_arrive_is_a_failure(
    bundle: Path,
    large_images: Path,
    tmp_path: Path,
    make_broker: Callable[..., LocalBroker],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cli, "ARRIVAL_TIMEOUT_S", 0.2)
    (tmp_path / "acl").write_text("topic write fissura/#\n")
    deaf = make_broker("allow_anonymous true", f"acl_file {tmp_path / 'acl'}")
    assert demo(bundle, large_images, tmp_path / "out", deaf) == 1
    said = re.search(r"error: (\d+) of (\d+) messages did not arrive", capsys.readouterr().err)
    assert said is not None and said[1] == said[2] and int(said[1]) >= 2
    assert (tmp_path / "out" / "report.html").is_file()


def test_a_mission_that_is_no_text(
    bundle: Path, tmp_path: Path, broker: LocalBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo(bundle, tmp_path, tmp_path / "out", broker, "--mission", "m\udcff") == 2
    assert "is no text" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
