"""What is one crack is one event, with made-up cracks and motions."""

from __future__ import annotations

from datetime import datetime, timezone
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from numpy.typing import NDArray

from edge_runtime import tracker as tracker_module
from edge_runtime.crack_event import MOST_COVERED
from edge_runtime.registration import Motion
from edge_runtime.tracker import MOST_EVENTS, MOST_MISSED, Tracked, Tracker
from fissura.messages import CrackGeometry, Detection, FrameStamp, ModelStamp
from fissura.polygon import Polygon
from tests.edge_runtime.events import Book

SIZE = (120, 160)
MODEL = ModelStamp(name="m", bundle_id="0" * 64, mode="fused", engine="e", threshold=0.5)


def moved(x: float = 0.0, y: float = 0.0) -> Motion:
    return Motion(np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]]), trust=0.9, overlap=0.9)


STILL = moved()


def crack(
    x: float, y: float, length: float = 40.0, *, upright: bool = False, confidence: float = 0.8, sequence: int = 0
) -> Detection:
    """A straight crack of 3 pixels' width from a place to the right, or downwards; cut at the frame's edge."""
    right, bottom = (x + 2, y + length) if upright else (x + length, y + 2)
    corners = np.clip([(x, y), (right, y), (right, bottom), (x, bottom)], 0, (SIZE[1] - 1, SIZE[0] - 1))
    left, top, right, bottom = *corners[0], *corners[2]
    seen = datetime(2026, 1, 1, tzinfo=timezone.utc)
    return Detection(
        serial="s",
        event_id=uuid4(),
        mission_id="m",
        frame=FrameStamp(
            source="c",
            sequence=sequence,
            captured_utc=seen,
            captured_monotonic_ns=1,
            width_px=SIZE[1],
            height_px=SIZE[0],
        ),
        crack=CrackGeometry(
            length_px=max(right - left, bottom - top),
            mean_width_px=3,
            max_width_px=3,
            area_px=3 * max(right - left, bottom - top),
            bbox_px=(left, top, right - left, bottom - top),
            polygon_px=tuple(map(tuple, corners.tolist())),
        ),
        confidence=confidence,
        model=MODEL,
    )


def phases(tracked: Tracked) -> list[str]:
    return [message.phase for message in tracked.told]


def test_a_crack_that_moves_with_the_picture_is_told_once_and_ends_with_its_best_sighting() -> None:
    tracker, lengths = Tracker(), [30, 34, 36, 33]
    first = tracker.update([crack(40, 90, 30, sequence=0)], None, SIZE)
    assert phases(first) == ["new"] and first.seen == first.told
    for sequence, length in enumerate(lengths[1:], 1):
        found = tracker.update([crack(40, 90 - 10 * sequence, length, sequence=sequence)], moved(0, -10), SIZE)
        assert found.told == []
        assert [(d.event_id, d.phase, d.seen_frames) for d in found.seen] == [
            (first.seen[0].event_id, "update", sequence + 1)
        ]
    (end,) = tracker.finish()
    assert (end.event_id, end.phase, end.seen_frames) == (first.seen[0].event_id, "end", 4)
    assert (end.crack.length_px, end.frame.sequence) == (36, 2)
    assert end.uuid not in {d.uuid for d in (*first.seen, *found.seen)}
    assert end.sent_utc is not None and end.part_of is None
    assert tracker.finish() == [] and tracker.cracks == 1


def test_of_equally_long_sightings_the_most_confident_is_the_best() -> None:
    tracker = Tracker()
    for sequence, confidence in enumerate((0.6, 0.9, 0.7)):
        tracker.update([crack(40, 40, confidence=confidence, sequence=sequence)], STILL, SIZE)
    assert tracker.finish()[0].frame.sequence == 1


def test_a_longer_sighting_is_told_when_it_has_grown_by_a_quarter_of_the_longest_that_was_told() -> None:
    tracker = Tracker()
    lengths = (40, 49, 50, 62, 63, 40, 75)
    told = [phases(tracker.update([crack(20, 40, length)], STILL, SIZE)) for length in lengths]
    assert told == [["new"], [], ["update"], [], ["update"], [], []]


def test_a_crack_longer_than_the_picture_is_told_piece_by_piece() -> None:
    """The camera follows it by 30 pixels a frame, the picture's shorter side has 120."""
    tracker = Tracker()
    told = [phases(tracker.update([crack(-10, 50, 300)], moved(-30, 0), SIZE)) for _ in range(10)]
    assert [frame for frame, words in enumerate(told) if words] == [0, 4, 8]
    assert told[4] == told[8] == ["update"]


def test_what_was_told_as_the_longest_stays_so_when_a_shorter_piece_is_told() -> None:
    tracker = Tracker()
    tracker.update([crack(20, 50, 130)], None, SIZE)
    tracker.update([crack(20, 50, 130)], moved(-60), SIZE)
    shorter = tracker.update([crack(20, 50, 60)], moved(-60), SIZE)
    assert phases(shorter) == ["update"]  # the picture has moved on
    assert tracker.update([crack(20, 50, 100)], STILL, SIZE).told == []


def test_a_crack_that_is_seen_as_it_was_leaves_nothing_behind() -> None:
    """What is remembered of an event does not grow with the frames."""
    tracker = Tracker()
    for _ in range(10):
        tracker.update([crack(20, 50, 100)], STILL, SIZE)
    assert [len(event.patches) for event in tracker._events] == [1]
    for number in range(100):
        tracker.update([crack(20 + number % 7 * 10, 50, 10 + number % 11 * 5)], STILL, SIZE)
    assert sum(len(event.patches) for event in tracker._events) <= MOST_MISSED


def test_a_camera_that_shakes_tells_nothing_new() -> None:
    tracker = Tracker()
    tracker.update([crack(60, 50)], None, SIZE)
    for number in range(40):
        way = 10 if number % 2 else -10
        assert tracker.update([crack(70 if number % 2 else 60, 50)], moved(way), SIZE).told == []


def test_an_event_ends_when_it_has_moved_out_of_view() -> None:
    tracker = Tracker()
    tracker.update([crack(60, 30)], None, SIZE)
    assert tracker.update([], moved(0, -25), SIZE).told == []
    ended = tracker.update([], moved(0, -25), SIZE)
    assert phases(ended) == ["end"] and ended.seen == []
    assert tracker.finish() == []


def test_a_crack_that_blinks_stays_one_event_until_it_is_missed_for_too_long() -> None:
    tracker = Tracker()
    (first,) = tracker.update([crack(60, 100)], None, SIZE).seen
    for _ in range(MOST_MISSED - 1):
        assert tracker.update([], moved(0, -3), SIZE).told == []
    again = tracker.update([crack(60, 100 - 3 * MOST_MISSED)], moved(0, -3), SIZE)
    assert again.told == [] and (again.seen[0].event_id, again.seen[0].seen_frames) == (first.event_id, 2)
    told = [phases(tracker.update([], STILL, SIZE)) for _ in range(MOST_MISSED)]
    assert told == [[]] * (MOST_MISSED - 1) + [["end"]]
    assert phases(tracker.update([crack(60, 85)], STILL, SIZE)) == ["new"]


def test_where_the_motion_is_not_known_everything_ends_and_begins() -> None:
    tracker = Tracker()
    before = tracker.update([crack(20, 20), crack(20, 80)], None, SIZE)
    after = tracker.update([crack(20, 20)], None, SIZE)
    assert phases(after) == ["new", "end", "end"]
    assert [d.event_id for d in after.told[1:]] == [d.event_id for d in before.seen]
    assert after.seen[0].event_id not in {d.event_id for d in before.seen}


def test_cracks_side_by_side_stay_apart() -> None:
    """Ten pixels from each other, and each is missed now and then."""
    tracker = Tracker()
    ids = [d.event_id for d in tracker.update([crack(40, 40 + 10 * n, 60) for n in range(4)], None, SIZE).seen]
    for missed in (0, 1, 2, 3, 1):
        sightings = [crack(40, 40 + 10 * n, 60) for n in range(4) if n != missed]
        found = tracker.update(sightings, STILL, SIZE)
        assert found.told == [] and [d.event_id for d in found.seen] == [i for n, i in enumerate(ids) if n != missed]


def test_a_crack_that_comes_apart_is_one_event_and_its_longest_piece_is_the_sighting() -> None:
    tracker = Tracker()
    (whole,) = tracker.update([crack(20, 50, 100)], None, SIZE).seen
    for _ in range(3):
        found = tracker.update([crack(20, 50, 55), crack(85, 50, 35)], STILL, SIZE)
        assert found.told == [] and {(d.event_id, d.phase) for d in found.seen} == {(whole.event_id, "update")}
    assert [d.seen_frames for d in found.seen] == [4, 4]
    grown = tracker.update([crack(20, 50, 126), crack(85, 70, 35)], STILL, SIZE)
    assert [(d.event_id == whole.event_id, d.phase) for d in grown.told] == [(True, "update"), (False, "new")]


def test_pieces_that_blink_in_turn_are_one_event() -> None:
    tracker = Tracker()
    tracker.update([crack(20, 50, 100)], None, SIZE)
    left, right = crack(20, 50, 40), crack(80, 50, 40)
    for pieces in ([left], [right], [left, right], [left], [right]):
        assert tracker.update(pieces, STILL, SIZE).told == []
    assert len(tracker.finish()) == 1


def test_a_crack_that_joins_two_events_goes_on_as_the_older_one_and_the_younger_ends_as_a_part_of_it() -> None:
    tracker = Tracker()
    (older,) = tracker.update([crack(20, 50, 30, sequence=0)], None, SIZE).seen
    younger = tracker.update([crack(90, 50, 60, sequence=1), crack(20, 50, 30, sequence=1)], STILL, SIZE).told[0]
    told = [tracker.update([crack(20, 50, 130, sequence=2 + n)], STILL, SIZE) for n in range(MOST_COVERED)]
    assert all(found.seen[0].event_id == older.event_id for found in told)
    assert [phases(found) for found in told] == [["update"], ["end"]]
    end = told[-1].told[0]
    assert (end.event_id, end.part_of, end.seen_frames) == (younger.event_id, older.event_id, 1)
    assert end.crack.length_px == 60 and end.frame.sequence == 1
    (end,) = tracker.finish()
    assert (end.event_id, end.crack.length_px, end.seen_frames) == (older.event_id, 130, 2 + MOST_COVERED)
    assert end.part_of is None and tracker.cracks == 1


def test_cracks_that_a_frame_joins_now_and_then_stay_two_events() -> None:
    tracker, book = Tracker(), Book()

    def apart(length: float) -> list[Detection]:
        return [crack(10, 50, length), crack(80, 52, length)]

    first = tracker.update(apart(50), None, SIZE)
    book.take(first.told)
    joined = [crack(10, 50, 130)]
    for sightings in (apart(50), joined, apart(52), joined, apart(53), apart(51), joined, apart(49)):
        found = tracker.update(sightings, STILL, SIZE)
        book.take(found.told)
        assert [d.event_id for d in found.seen] == [d.event_id for d in first.seen][: len(sightings)]
    book.take(tracker.finish())
    assert book.cracks == tracker.cracks == 2
    assert book.ended[first.seen[1].event_id].crack.length_px == 53


def test_an_event_that_is_covered_when_the_run_ends_or_the_view_changes_is_a_part() -> None:
    for last in ("finish", "cut"):
        tracker = Tracker()
        tracker.update([crack(10, 50, 50), crack(80, 52, 50)], None, SIZE)
        tracker.update([crack(10, 50, 130)], STILL, SIZE)
        ended = tracker.finish() if last == "finish" else tracker.update([], None, SIZE).told
        assert [d.part_of for d in ended] == [None, ended[0].event_id] and tracker.cracks == 1


def test_the_oldest_events_end_where_there_are_too_many() -> None:
    tracker = Tracker(most_events=3)
    first = tracker.update([crack(20, 20), crack(20, 60)], None, SIZE)
    more = tracker.update([crack(20, 60), crack(100, 20), crack(100, 60)], STILL, SIZE)
    assert phases(more) == ["new", "new", "end"] and more.told[2].event_id == first.seen[0].event_id
    assert len(tracker.finish()) == 3
    many = tracker.update([crack(10, 10 * n, 100) for n in range(6)], None, SIZE)
    assert phases(many) == ["new"] * 6 + ["end"] * 3 and len(tracker.finish()) == 3
    assert MOST_EVENTS >= 100


def test_perspective_moves_the_outline_as_it_moves_the_picture() -> None:
    transform = np.array([[1.1, 0.02, -6.0], [0.0, 1.15, -20.0], [0.0, 0.001, 1.0]])
    tracker = Tracker()
    (before,) = tracker.update([crack(40, 90, 60)], None, SIZE).seen
    ends = transform @ np.array([[40, 91, 1], [100, 91, 1]]).T
    (left, right), (top, _) = (ends[:2] / ends[2]).tolist()
    after = tracker.update([crack(left, top - 1, right - left)], Motion(transform, 0.9, 0.9), SIZE)
    assert after.seen[0].event_id == before.event_id


def test_a_picture_turned_on_its_head_has_no_event_in_view() -> None:
    tracker = Tracker()
    tracker.update([crack(40, 90)], None, SIZE)
    behind = np.array([[1.0, 0, -100], [0, 1, -120], [0, -0.1, 1]])  # a horizon at the tenth row; signs would cancel
    assert phases(tracker.update([], Motion(behind, 0.9, 0.9), SIZE)) == ["end"]


@pytest.mark.parametrize("corners", [(), ((5.0, 5.0),), ((5.0, 5.0), (5.0, 5.0), (5.0, 5.0))])
def test_an_outline_without_an_extent_begins_and_ends(corners: tuple[tuple[float, float], ...]) -> None:
    """A detection that went without its outline, and a point; a crack beside it goes on."""
    point = crack(5, 5).crack.model_copy(update={"polygon_px": Polygon(corners)})
    tracker, book = Tracker(), Book()
    for _ in range(3):
        sightings = [crack(60, 60), crack(5, 5).model_copy(update={"crack": point})]
        book.take(tracker.update(sightings, STILL, SIZE).told)
    book.take(tracker.finish())
    ended = sorted(message.seen_frames or 0 for message in book.ended.values())
    assert ended == ([1, 1, 1, 3] if not corners else [3, 3])


def test_large_frames_are_matched_at_their_own_scale() -> None:
    """At 1920x1440 the map's pixel is six of the frame's: registration may be off by some, cracks apart stay apart."""
    size = (1440, 1920)

    def large(x: float, y: float) -> Detection:
        small = crack(0, 0)
        points = np.array([(x, y), (x + 400, y), (x + 400, y + 6), (x, y + 6)])
        geometry = small.crack.model_copy(update={"polygon_px": Polygon(points), "length_px": 400.0})
        return small.model_copy(update={"crack": geometry})

    tracker = Tracker()
    ids = [d.event_id for d in tracker.update([large(300, 300), large(300, 360)], None, size).seen]
    found = tracker.update([large(305, 204), large(305, 264)], moved(0, -100), size)
    assert found.told == [] and [d.event_id for d in found.seen] == ids


boxes = st.lists(
    st.tuples(st.integers(-10, 150), st.integers(0, 117), st.integers(10, 80), st.booleans()), max_size=6
).map(lambda found: [crack(x, y, length, upright=upright) for x, y, length, upright in found])
shifts = st.builds(moved, st.floats(-60, 60), st.floats(-60, 60))


@st.composite
def bends(draw: st.DrawFn) -> Motion:
    """Whatever registration may come to."""
    transform: NDArray[np.float64] = np.eye(3) + np.array(
        draw(st.lists(st.floats(-0.4, 0.4), min_size=9, max_size=9))
    ).reshape(3, 3)
    transform[2] = draw(st.floats(-0.02, 0.02)), draw(st.floats(-0.02, 0.02)), 1
    return Motion(transform, 0.9, 0.9)


class Frames(RuleBasedStateMachine):
    """Any sequence of frames: every event is told once as new, and ends once; every sighting belongs to an open one."""

    most_events = 5

    @initialize()
    def begin(self) -> None:
        self.tracker, self.book = Tracker(self.most_events), Book()

    @rule(sightings=boxes, motion=st.none() | shifts | bends() | st.just(STILL))
    def look(self, sightings: list[Detection], motion: Motion | None) -> None:
        before = set(self.book.open)
        found = self.tracker.update(sightings, motion, SIZE)
        self.book.take(found.told)
        began = {message.event_id for message in found.told if message.phase == "new"}
        assert [d.uuid for d in found.seen] == [d.uuid for d in sightings]
        assert [d.crack for d in found.seen] == [d.crack for d in sightings]
        assert {d.event_id for d in found.seen} <= before | began
        assert {d.uuid for d in found.told if d.phase != "end"} <= {d.uuid for d in found.seen}
        assert len(self.book.open) <= self.most_events
        assert all(d.phase in ("new", "update") for d in found.seen)

    @rule(sightings=boxes, motion=st.none() | shifts)
    def fail(self, sightings: list[Detection], motion: Motion | None) -> None:
        """A frame that fails, at the beginning or at the end of the work, leaves the events as they were."""
        for name in ("match", "_ends"):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(tracker_module, name, _broken)
                with pytest.raises(MemoryError):
                    self.tracker.update(sightings, motion, SIZE)

    def teardown(self) -> None:
        self.book.take(self.tracker.finish())
        assert self.book.open == set()
        assert self.book.cracks == self.tracker.cracks


def _broken(*given: object) -> None:
    raise MemoryError


TestFrames = Frames.TestCase
TestFrames.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
