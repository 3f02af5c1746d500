from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.fleet.simulation import packets

MESSAGES = st.lists(
    st.tuples(
        st.text("abc/ä", min_size=1, max_size=40), st.binary(max_size=400), st.integers(1, 65_535), st.booleans()
    ),
    max_size=8,
)


@given(MESSAGES, st.lists(st.integers(1, 200), min_size=1))
def test_packets_survive_any_cutting(messages: list[tuple[str, bytes, int, bool]], cuts: list[int]) -> None:
    data = b"".join(packets.publish(topic, payload, mid, retain=kept) for topic, payload, mid, kept in messages)
    buffer, found, at = bytearray(), [], 0
    for number in range(len(data)):
        if at >= len(data):
            break
        piece = data[at : at + cuts[number % len(cuts)]]
        at += len(piece)
        buffer += piece
        found += [packets.read_publish(packet) for packet in packets.take(buffer)]
    assert found == [packets.Publish(topic, payload, mid, kept) for topic, payload, mid, kept in messages]
    assert not buffer


def test_lengths_have_seven_bits_a_byte() -> None:
    assert packets.publish("t", b"x" * 122, 1)[1:2] == b"\x7f"
    assert packets.publish("t", b"x" * 123, 1)[1:3] == b"\x80\x01"


def test_a_length_that_has_no_end_is_refused() -> None:
    with pytest.raises(ValueError, match="four bytes"):
        list(packets.take(bytearray(b"\x30\xff\xff\xff\xff\x01")))


def test_a_packet_of_any_size_is_not_waited_for() -> None:
    with pytest.raises(ValueError, match="bytes"):
        list(packets.take(bytearray(b"\x30\xff\xff\xff\x7f")))
