from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fissura.errors import ConfigError
from fissura.topics import DETECTION, TOPICS, announcement_topic, check_serial, client_id


def test_topics_hang_below_version_and_serial() -> None:
    assert {name: topic.of("truck-07") for name, topic in TOPICS.items()} == {
        "detection": "fissura/v1/truck-07/detection",
        "status": "fissura/v1/truck-07/status",
        "telemetry": "fissura/v1/truck-07/telemetry",
        "command": "fissura/v1/truck-07/command",
        "answer": "fissura/v1/truck-07/answer",
        "snapshot": "fissura/v1/truck-07/snapshot",
        "update/state": "fissura/v1/truck-07/update/state",
        "update/event": "fissura/v1/truck-07/update/event",
        "update/online": "fissura/v1/truck-07/update/online",
        "update/command": "fissura/v1/truck-07/update/command",
        "update/ack": "fissura/v1/truck-07/update/ack",
    }


def test_what_a_device_is_now_is_retained_and_nothing_is_fire_and_forget() -> None:
    assert [name for name, topic in TOPICS.items() if topic.retain] == ["status", "update/state", "update/online"]
    operators = [name for name, topic in TOPICS.items() if topic.sender == "operator"]
    assert operators == ["command", "update/command", "update/ack"]
    assert {topic.qos for topic in TOPICS.values()} == {1}


def test_no_device_stands_where_the_topics_for_all_of_them_do() -> None:
    assert announcement_topic("stable") == "fissura/v1/fleet/announce/stable"
    with pytest.raises(ConfigError, match="for all devices"):
        DETECTION.of("fleet")


def test_the_two_connections_of_a_device_have_different_client_ids() -> None:
    assert client_id("truck-07") == "truck-07-run"
    assert client_id("truck-07", "agent") == "truck-07-agent"


@pytest.mark.parametrize("serial", ["", ".", "..", ".a", "-a", "a/b", "a+b", "#", "a b", "ä", "x" * 49, "a\n", "a\x00"])
def test_serials_that_would_change_the_topic_are_refused(serial: str) -> None:
    for use in (DETECTION.of, client_id, check_serial):
        with pytest.raises(ConfigError, match="cannot stand in a topic"):
            use(serial)


@given(st.text(max_size=60))
def test_an_accepted_serial_is_one_level_of_the_topic(serial: str) -> None:
    try:
        topic = DETECTION.of(serial)
    except ConfigError:
        return
    levels = topic.split("/")
    assert levels == ["fissura", "v1", serial, "detection"]
    assert not set("+#\x00") & set(topic)
    assert topic.isascii()
