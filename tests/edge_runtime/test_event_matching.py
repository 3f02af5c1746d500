"""Who belongs to whom, by where they lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.crack_outline import Outline
from edge_runtime.event_matching import match, spacing_px
from fissura.polygon import Polygon
from tests.edge_runtime.test_tracker import SIZE, crack

MESH = Polygon(((40, 20), (110, 20), (110, 90), (40, 90)))


def line(x: float, y: float, length: float = 60.0, width: float = 3.0, *, upright: bool = False) -> Outline:
    outline = Outline.of(crack(x, y, length, upright=upright).crack, spacing_px(SIZE))
    return Outline(outline.points, width)


@pytest.mark.parametrize(
    ("aside", "width", "owner"), [(0, 1, 0), (5, 1, 0), (9, 1, None), (9, 10, 0), (18, 10, None), (30, 10, None)]
)
def test_a_crack_may_lie_aside_by_the_margin_or_by_its_width(aside: float, width: float, owner: int | None) -> None:
    assert match([[line(40, 50, width=1)]], [line(40, 50 + aside, width=width)], SIZE).owner == [owner]


def test_a_crack_that_crosses_another_is_not_it() -> None:
    assert match([[line(40, 50)]], [line(70, 20, upright=True)], SIZE).owner == [None]


def test_cracks_within_each_others_margin_are_told_apart() -> None:
    both = [line(40, 50), line(40, 53)]
    for cracks, owner in ((both, [0, 1]), (both[::-1], [1, 0])):
        matched = match([[outline] for outline in both], cracks, SIZE)
        assert matched.owner == owner and matched.joined_to == [0, 1]


def test_a_crack_within_a_network_is_told_from_it() -> None:
    """An outline runs around all of a network, whose meshes hold other cracks."""
    network = Outline.of(crack(40, 20).crack.model_copy(update={"polygon_px": MESH}), spacing_px(SIZE))
    for order in ([network, line(60, 50, 20)], [line(60, 50, 20), network]):
        matched = match([[outline] for outline in order], order, SIZE)
        assert matched.owner == [0, 1] and matched.joined_to == [0, 1]


def test_each_follows_its_best_match_and_a_touched_neighbour_is_left_alone() -> None:
    """The second crack lies in the margin of both events, yet the first event has a crack of its own."""
    matched = match([[line(40, 50)], [line(40, 57)]], [line(40, 50), line(40, 56)], SIZE)
    assert matched.owner == [0, 1] and matched.joined_to == [0, 1]


def test_events_join_the_oldest_through_others() -> None:
    """The first crack lies on events 0 and 2, the second on 1 and 2."""
    events = [[line(10, 50, 30)], [line(100, 50, 30)], [line(42, 50, 56)]]
    matched = match(events, [line(10, 50, 120)], SIZE)
    assert matched.owner == [0] and matched.joined_to == [0, 0, 0]


def test_a_piece_finds_its_event_and_says_how_much_of_it_is_seen_again() -> None:
    matched = match([[line(20, 50, 120)]], [line(20, 50, 12), line(60, 50, 60)], SIZE)
    assert matched.owner == [0, 0]
    assert matched.seen_again[0].tolist() == pytest.approx([0.13, 0.54], abs=0.06)


@pytest.mark.parametrize(("events", "cracks"), [(0, 0), (0, 2), (2, 0)])
def test_nothing_matches_nothing(events: int, cracks: int) -> None:
    matched = match([[line(20, 50)]] * events, [line(20, 50)] * cracks, SIZE)
    assert matched.owner == [None] * cracks and matched.joined_to == list(range(events))
    assert matched.seen_again.shape == (events, cracks)


lines = st.lists(st.builds(line, st.integers(0, 140), st.integers(0, 110), st.integers(10, 100)), max_size=6)


@settings(max_examples=50, deadline=None)
@given(before=lines, now=lines)
def test_whatever_lies_where_joining_ends_at_events_that_stand(before: list[Outline], now: list[Outline]) -> None:
    matched = match([[outline] for outline in before], now, SIZE)
    for number, root in enumerate(matched.joined_to):
        assert root <= number and matched.joined_to[root] == root
    assert all(owner is None or matched.joined_to[owner] == owner for owner in matched.owner)
    assert matched.seen_again.shape == (len(before), len(now)) if before and now else True
    assert np.all((matched.seen_again >= 0) & (matched.seen_again.sum(axis=1, keepdims=True) <= 1 + 1e-9))
    again = match([[outline] for outline in before], now, SIZE)
    assert (again.owner, again.joined_to) == (matched.owner, matched.joined_to)
