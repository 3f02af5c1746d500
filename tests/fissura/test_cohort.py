from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from fissura.cohort import group, in_wave, splay_s

SERIALS = st.text("abcdefghij0123456789-", min_size=1, max_size=20)
RELEASES = st.integers(1, 2**31 - 1)


@given(SERIALS, RELEASES, st.integers(0, 100), st.integers(0, 100))
def test_who_belongs_to_a_wave_belongs_to_every_larger_one(serial: str, release: int, one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert in_wave(serial, release, large) or not in_wave(serial, release, small)
    assert in_wave(serial, release, 100)
    assert not in_wave(serial, release, 0)


def test_groups_are_even_and_every_release_draws_anew() -> None:
    serials = [f"device-{number:05d}" for number in range(10_000)]
    sizes = Counter(group(serial, 7) for serial in serials)
    assert len(sizes) == 100
    assert 60 < min(sizes.values()) <= max(sizes.values()) < 140  # 100 +- 4 standard deviations
    first = {serial for serial in serials if in_wave(serial, 7, 1)}
    assert len(first & {serial for serial in serials if in_wave(serial, 8, 1)}) < 10


def test_a_group_never_changes() -> None:
    """The operator's and the device's fissura may be of different versions."""
    assert [group(serial, 12) for serial in ("truck-07", "truck-08", "drone-1")] == [43, 78, 63]


@given(SERIALS, RELEASES, st.floats(0, 86_400))
def test_the_splay_lies_within_its_window(serial: str, release: int, window_s: float) -> None:
    assert 0 <= splay_s(serial, release, window_s) <= window_s


def test_the_splay_is_even() -> None:
    tenths = Counter(int(splay_s(f"device-{number}", 3, 10.0)) for number in range(10_000))
    assert set(tenths) == set(range(10))
    assert 850 < min(tenths.values()) <= max(tenths.values()) < 1150
