from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fissura.errors import ConfigError
from fissura.topics import DETECTION, STATUS, TOPICS, check_serial, client_id


def test_topics_hang_below_version_and_serial() -> None:
    assert {name: topic.of("truck-07") for name, topic in TOPICS.items()} == {
        "detection": "fissura/v1/truck-07/detection",
        "status": "fissura/v1/truck-07/status",
        "telemetry": "fissura/v1/truck-07/telemetry",
        "command": "fissura/v1/truck-07/command",
        "answer": "fissura/v1/truck-07/answer",
        "snapshot": "fissura/v1/truck-07/snapshot",
    }


def test_only_the_status_is_retained_and_nothing_is_fire_and_forget() -> None:
    assert [topic for topic in TOPICS.values() if topic.retain] == [STATUS]
    assert [topic.suffix for topic in TOPICS.values() if topic.sender == "operator"] == ["command"]
    assert {topic.qos for topic in TOPICS.values()} == {1}


def test_the_two_connections_of_a_device_have_different_client_ids() -> None:
    assert client_id("truck-07") == "truck-07-run"
    assert client_id("truck-07", "agent") == "truck-07-agent"


@pytest.mark.parametrize("serial", ["", "a/b", "a+b", "#", "a b", "ä", "x" * 49, "a\n", "a\x00"])
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
