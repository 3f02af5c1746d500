"""The shipped configuration of mosquitto, by what it delivers."""

from __future__ import annotations

import subprocess
from pathlib import Path

from deploy.fleet.authority.authority import Authority
from deploy.fleet.authority.handout import Fleet, write_handout
from fissura.topics import TOPICS, announcement_topic
from tests.deploy.mosquitto.guarded_broker import SECRET, SHIPPED, Client, GuardedBroker, delivered
from tests.mosquitto import wait_until

OF_DEVICE = [topic for topic in TOPICS.values() if topic.sender == "device"]
OF_OPERATOR = [topic for topic in TOPICS.values() if topic.sender == "operator"]
TIMED_OUT = 27  # exit code of mosquitto_sub
MARKER = "fissura/v1/truck-01/status"


def test_a_device_says_all_that_is_its_own_and_nothing_of_anothers(guarded: GuardedBroker) -> None:
    guarded.issue("truck-01")
    guarded.issue("operator")
    with Client(guarded, "operator") as operator, Client(guarded, "truck-01") as device:
        assert operator.start("fissura/v1/#") and device.start()
        for topic in OF_DEVICE:
            assert delivered(operator, device, topic.of("truck-01"), MARKER), topic.suffix
            assert not delivered(operator, device, topic.of("truck-02"), MARKER), topic.suffix
        for topic in OF_OPERATOR:  # not even to itself
            assert not delivered(operator, device, topic.of("truck-01"), MARKER), topic.suffix
        for other in (
            announcement_topic("stable"),
            "fissura/v1/truck-01/answer/any",
            "fissura/v1/truck-01/x",
            "elsewhere",
        ):
            assert not delivered(operator, device, other, MARKER), other


def test_a_device_hears_its_own_commands_and_nobody_elses(guarded: GuardedBroker) -> None:
    for name in ("truck-01", "truck-02", "operator"):
        guarded.issue(name)
    with Client(guarded, "operator") as operator, Client(guarded, "truck-01") as device:
        wanted = [topic.of(serial) for topic in OF_OPERATOR for serial in ("truck-01", "truck-02")]
        assert device.start("fissura/v1/#", "#", *wanted, announcement_topic("stable")) and operator.start()
        for topic in OF_OPERATOR:
            assert delivered(device, operator, topic.of("truck-01"), announcement_topic("stable")), topic.suffix
            assert not delivered(device, operator, topic.of("truck-02"), announcement_topic("stable")), topic.suffix
        with Client(guarded, "truck-02") as neighbour:
            assert neighbour.start()
            neighbour.publish("fissura/v1/truck-02/detection", b"where it is")
            neighbour.publish("fissura/v1/truck-02/update/state", b"kept", retain=True)
            assert delivered(device, operator, announcement_topic("beta"), announcement_topic("stable"))
        assert not [topic for topic, _ in device.got if "truck-02" in topic]


def test_a_client_id_gives_no_rights(guarded: GuardedBroker) -> None:
    for name in ("truck-01", "truck-02", "operator"):
        guarded.issue(name)
    with Client(guarded, "operator") as operator, Client(guarded, "truck-01", client_id="truck-02-run") as impostor:
        assert operator.start("fissura/v1/#") and impostor.start("fissura/v1/truck-02/command")
        assert not delivered(operator, impostor, "fissura/v1/truck-02/status", MARKER)
        with Client(guarded, "truck-01", client_id="operator") as usurper:
            assert usurper.start()
            usurper.publish("fissura/v1/truck-02/command", b"pause")
            assert delivered(operator, usurper, MARKER, MARKER)
        assert not impostor.got


def test_the_console_reads_and_does_nothing(guarded: GuardedBroker) -> None:
    for name in ("truck-01", "console", "operator"):
        guarded.issue(name)
    with (
        Client(guarded, "operator") as operator,
        Client(guarded, "console") as console,
        Client(guarded, "truck-01") as device,
    ):
        assert operator.start("fissura/v1/#") and console.start("fissura/v1/#") and device.start()
        assert delivered(console, device, "fissura/v1/truck-01/detection", MARKER)
        for topic in (*(topic.of("truck-01") for topic in TOPICS.values()), announcement_topic("stable")):
            console.publish(topic, b"from the console")
        assert delivered(operator, console, "elsewhere", "fissura/v1/console/status") is False
        assert b"from the console" not in [payload for _, payload in operator.got]


def test_nobody_comes_in_without_a_certificate_of_the_fleet(guarded: GuardedBroker, tmp_path: Path) -> None:
    assert not Client(guarded, None, client_id="nobody").start(within_s=0.5)
    other = Authority(tmp_path / "other")
    foreign = other.issue("truck-01", "device", 30, SECRET)
    write_handout(tmp_path / "foreign", "truck-01", "device", foreign, Fleet(other.certificate, tmp_path / "root.json"))
    with Client(guarded, "truck-01", tls=tmp_path / "foreign") as stranger:
        assert not stranger.start(within_s=0.5)
    with Client(guarded, "localhost") as server:  # the broker's own certificate opens nothing
        assert not server.start(within_s=0.5)
    guarded.issue("truck-01")
    with Client(guarded, "truck-01") as device:
        assert device.start()


def test_a_plain_connection_gets_no_answer(guarded: GuardedBroker) -> None:
    words = ["mosquitto_pub", "-p", str(guarded.port), "-t", "fissura/v1/truck-01/status", "-m", "x"]
    assert subprocess.run(words, capture_output=True, timeout=20, check=False).returncode != 0
    lines = [line.split()[0] for line in (SHIPPED / "mosquitto.conf").read_text().splitlines() if line.strip()]
    assert lines.count("listener") == 1


def test_a_revoked_device_is_out_after_a_reload(guarded: GuardedBroker) -> None:
    for name in ("truck-01", "truck-02"):
        guarded.issue(name)
    with Client(guarded, "truck-01") as device:
        assert device.start()
    guarded.authority.revoke("truck-01", SECRET)
    guarded.reload()
    with Client(guarded, "truck-01") as device:
        assert not device.start(within_s=0.5)
    with Client(guarded, "truck-02") as other:
        assert other.start(), "the list locked out somebody else"
    guarded.issue("truck-01")
    with Client(guarded, "truck-01") as replaced:
        assert replaced.start(), "a new certificate of the same name"


def test_a_giant_message_reaches_nobody_and_harms_nobody(guarded: GuardedBroker) -> None:
    for name in ("truck-01", "truck-02", "operator"):
        guarded.issue(name)
    with (
        Client(guarded, "operator") as operator,
        Client(guarded, "truck-01") as giant,
        Client(guarded, "truck-02") as other,
    ):
        assert operator.start("fissura/v1/#") and giant.start() and other.start()
        giant.publish("fissura/v1/truck-01/snapshot", bytes(200_000))
        assert wait_until(lambda: bool(operator.payloads("fissura/v1/truck-01/snapshot"))), "what a device may send"
        giant.publish("fissura/v1/truck-01/snapshot", bytes(10_000_000), qos=0)
        assert wait_until(lambda: giant.drops > 0), "it should be hung up on"
        assert delivered(operator, other, "fissura/v1/truck-02/detection", "fissura/v1/truck-02/status")
        assert len(operator.payloads("fissura/v1/truck-01/snapshot")) == 1 and operator.drops == other.drops == 0


def test_a_flood_loses_nothing_of_others(guarded: GuardedBroker) -> None:
    for name in ("truck-01", "truck-02", "operator"):
        guarded.issue(name)
    with (
        Client(guarded, "operator") as operator,
        Client(guarded, "truck-01") as flooding,
        Client(guarded, "truck-02") as other,
    ):
        assert operator.start("fissura/v1/#") and flooding.start() and other.start()
        for number in range(5000):  # of topics that it may and may not write
            flooding.publish(f"fissura/v1/truck-0{number % 2 + 1}/telemetry", b"flood", qos=0)
        for number in range(200):
            other.publish("fissura/v1/truck-02/detection", str(number))
        assert wait_until(lambda: len(operator.payloads("fissura/v1/truck-02/detection")) == 200)
        assert not operator.payloads("fissura/v1/truck-02/telemetry")
        assert operator.drops == other.drops == 0


def resume(broker: GuardedBroker, name: str, *words: str) -> str:
    """Go on with the session of the client id `operator`, with anybody's certificate; what was delivered then."""
    done = subprocess.run(
        [
            *("mosquitto_sub", "-h", "127.0.0.1", "-p", str(broker.port), "-V", "5", "-i", "operator", "-c", "-q", "1"),
            *("-x", "3600", "-t", "fissura/v1/#", "--cafile", str(broker.authority.certificate)),
            *("--cert", str(broker.folder / name / "client.pem"), "--key", str(broker.folder / name / "client.key")),
            *words,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, TIMED_OUT), done.stderr
    return done.stdout


def test_an_operator_that_is_away_finds_every_status(guarded: GuardedBroker) -> None:
    """With mosquitto's default of 1000 queued messages, half of these are gone."""
    for name in ("truck-01", "operator"):
        guarded.issue(name)
    resume(guarded, "operator", "-E")  # subscribes and leaves
    with Client(guarded, "truck-01") as device:
        assert device.start()
        for number in range(2500):
            device.publish("fissura/v1/truck-01/update/event", str(number))
        assert wait_until(lambda: device.unacknowledged() == 0, 60), "the broker did not take them all"
    assert sorted(map(int, resume(guarded, "operator", "-C", "2500", "-W", "30").split())) == list(range(2500))


def test_who_takes_a_session_over_gets_nothing_that_waited_in_it(guarded: GuardedBroker) -> None:
    for name in ("truck-01", "truck-02", "operator"):
        guarded.issue(name)
    resume(guarded, "operator", "-E")
    with Client(guarded, "truck-01") as device:
        assert device.start()
        device.publish("fissura/v1/truck-01/detection", "where it is")
        assert wait_until(lambda: device.unacknowledged() == 0)
    assert resume(guarded, "truck-02", "-W", "2") == ""


def test_old_tls_is_refused(guarded: GuardedBroker) -> None:
    guarded.issue("truck-01")
    words = [
        *("openssl", "s_client", "-connect", f"127.0.0.1:{guarded.port}", "-tls1_1"),
        *("-cert", str(guarded.folder / "truck-01" / "client.pem")),
        *("-key", str(guarded.folder / "truck-01" / "client.key")),
    ]
    done = subprocess.run(words, input="", capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode != 0 and "Cipher is (NONE)" in done.stdout + done.stderr
