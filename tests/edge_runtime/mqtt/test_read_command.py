from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.mqtt.read_command import LONGEST_WORDS, read_command
from fissura.messages import Threshold

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=12,
)
NAMES = st.sampled_from(["pause", "threshold", "budget", "snapshot", "reload", "state", "fly"])
FIELDS = st.sampled_from(["value", "milliseconds", "source", "uuid", "correlation", "schema_version", "x"])


@given(st.one_of(st.binary(max_size=300), JSON.map(lambda value: json.dumps(value).encode())))
def test_any_bytes_are_a_command_or_an_error_in_a_few_words(payload: bytes) -> None:
    reading = read_command(payload)
    assert (reading.command is None) != (reading.error is None)
    if reading.error is not None:
        assert 0 < len(reading.error.found) <= LONGEST_WORDS + 3


@given(NAMES, st.dictionaries(FIELDS, JSON, max_size=4), st.integers(0, 40))
def test_what_is_nearly_a_command_never_raises(name: str, fields: dict[str, Any], cut: int) -> None:
    payload = json.dumps({"name": name, **fields}).encode()
    for part in (payload, payload[: len(payload) - cut]):
        reading = read_command(part)
        if reading.command is not None:
            assert reading.command.name == name
            assert "x" not in fields  # an unknown field is refused


@pytest.mark.parametrize(
    "payload",
    [b"[" * 60_000, b'{"a":' * 10_000, b'{"name": "budget", "milliseconds": ' + b"9" * 60_000 + b"}", b"\xff" * 100],
    ids=["deep list", "deep object", "huge number", "no UTF-8"],
)
def test_payloads_made_to_hurt(payload: bytes) -> None:
    assert read_command(payload).error is not None


def test_the_correlation_is_read_even_where_the_rest_is_wrong() -> None:
    reading = read_command(b'{"name": "threshold", "valeu": 0.3, "correlation": "c-1"}')
    assert reading.command is None
    assert (reading.name, reading.correlation) == ("threshold", "c-1")
    assert reading.error is not None and "value" in reading.error.found


def test_a_command() -> None:
    reading = read_command(b'{"name": "threshold", "value": 0.3, "correlation": "c-1"}')
    assert isinstance(reading.command, Threshold)
    assert reading.command.value == 0.3


@pytest.mark.parametrize(
    ("name", "fix"), [("treshold", "did you mean 'threshold'?"), ("snapshoot", "did you mean 'snapshot'?"), ("fly", "")]
)
def test_a_misspelt_command_is_told_from_those_that_there_are(name: str, fix: str) -> None:
    reading = read_command(json.dumps({"name": name, "value": 0.3}).encode())
    assert reading.error is not None
    assert reading.error.found == f"there is no command {name!r}"
    assert reading.error.expected == "pause, resume, threshold, budget, snapshot, reload, state"
    assert reading.error.fix == fix
    assert reading.name == name
