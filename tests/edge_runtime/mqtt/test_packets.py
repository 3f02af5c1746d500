from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.mqtt.packets import Puback, PubackFilter, encode_publish

MIDS = st.integers(1, 65535)
PUBACKS = st.one_of(
    MIDS.map(lambda mid: (b"\x40\x02" + mid.to_bytes(2, "big"), Puback(mid, 0))),
    st.tuples(MIDS, st.integers(0, 255)).map(
        lambda pair: (b"\x40\x03" + pair[0].to_bytes(2, "big") + bytes([pair[1]]), Puback(*pair))
    ),
    st.tuples(MIDS, st.integers(0, 255), st.binary(max_size=200)).map(  # with properties that nobody reads
        lambda parts: (
            b"\x40" + _length(3 + len(parts[2])) + parts[0].to_bytes(2, "big") + bytes([parts[1]]) + parts[2],
            Puback(parts[0], parts[1]),
        )
    ),
)
OTHERS = st.tuples(st.sampled_from([0x20, 0x30, 0x32, 0x90, 0xD0, 0xE0]), st.binary(max_size=300)).map(
    lambda pair: (bytes([pair[0]]) + _length(len(pair[1])) + pair[1], None)
)


def _length(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value % 128 | 0x80, value // 128])


@given(st.lists(st.one_of(PUBACKS, OTHERS), max_size=12), st.lists(st.integers(1, 40), max_size=60))
def test_pubacks_are_taken_out_of_a_stream_that_arrives_in_any_pieces(
    packets: list[tuple[bytes, Puback | None]], cuts: list[int]
) -> None:
    stream = b"".join(data for data, _ in packets)
    splitter, others, found = PubackFilter(), b"", list[Puback]()
    for size in [*cuts, len(stream)]:
        passed, pubacks = splitter.feed(stream[:size])
        stream = stream[size:]
        others += passed
        found += pubacks
    assert others == b"".join(data for data, puback in packets if puback is None)
    assert found == [puback for _, puback in packets if puback is not None]


@given(st.lists(st.binary(max_size=64), max_size=20))
def test_whatever_a_broker_sends_nothing_is_made_up(pieces: list[bytes]) -> None:
    splitter, passed, taken = PubackFilter(), 0, 0
    for piece in pieces:
        others, pubacks = splitter.feed(piece)
        passed, taken = passed + len(others), taken + len(pubacks)
    assert passed + 4 * taken <= sum(map(len, pieces))


def test_a_publish_is_what_the_standard_says() -> None:
    packet = encode_publish("a/b", b"xyz", 7, retain=True, user_property=("k", "v"), correlation=b"\1", is_v5=True)
    properties = b"\x26\0\1k\0\1v" + b"\x09\0\1\1"
    assert packet == b"\x33" + bytes([19 + 3]) + b"\0\3a/b" + b"\0\7" + bytes([len(properties)]) + properties + b"xyz"
    assert encode_publish("a", b"", 258, retain=False, is_v5=False) == b"\x32\5\0\1a\1\2"


@pytest.mark.parametrize("topic", ["", "a/+", "#", "a\0", "x" * 65536])
def test_topics_that_cannot_be_published_on_are_refused(topic: str) -> None:
    with pytest.raises(ValueError):
        encode_publish(topic, b"", 1, retain=False, is_v5=True)
