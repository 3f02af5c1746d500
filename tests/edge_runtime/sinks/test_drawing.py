from __future__ import annotations

from uuid import UUID

import numpy as np
import pytest

from edge_runtime.sinks.drawing import COLOURS, TINT, Mark, annotate
from fissura.messages import Detection
from tests.edge_runtime.sinks.test_sinks import make_detection, make_frame


def _tracked(x: float, event: str) -> Detection:
    return make_detection(make_frame(), x=x).model_copy(update={"event_id": UUID(event), "seen_frames": 3})


ONE = _tracked(10, "3f2a0000-0000-4000-8000-000000000001")
OTHER = _tracked(60, "b04c0000-0000-4000-8000-000000000003")


def test_a_tracked_crack_keeps_its_name_and_colour_wherever_it_stands_in_the_frame() -> None:
    first, second = ([Mark.of(*numbered) for numbered in enumerate(frame)] for frame in ([ONE, OTHER], [OTHER, ONE]))
    assert first == second[::-1]
    assert first[0].name == "#3f2a" and first[1].name == "#b04c"
    assert first[0].colour != first[1].colour


def test_without_tracking_cracks_are_counted_and_neighbours_differ() -> None:
    found = [make_detection(make_frame()) for _ in range(7)]
    marks = [Mark.of(*numbered) for numbered in enumerate(found)]
    assert [mark.name for mark in marks] == [f"#{number}" for number in range(1, 8)]
    assert [mark.colour for mark in marks[:5]] == list(COLOURS)
    assert marks[5].colour == COLOURS[0]


def test_outline_tint_and_label_have_the_cracks_colour() -> None:
    frame = make_frame()
    probability = np.ones(frame.image.shape[:2], np.float32)
    for crack in (ONE, OTHER):
        colour = np.array(Mark.of(0, crack).colour)
        drawn, untinted = annotate(frame, [crack], probability), annotate(frame, [crack], None)
        enlargement = drawn.shape[1] // frame.image.shape[1]
        left, top, width, height = np.array(crack.crack.bbox_px) * enlargement
        middle = round(top + height / 2), round(left + width / 2)
        assert drawn[middle] == pytest.approx(untinted[middle] + TINT * (colour - untinted[middle]), abs=1)
        rows, columns = np.nonzero((untinted == colour).all(axis=-1))
        assert np.any(rows < top - enlargement), "the label's edge"
        assert np.any(rows > top + height / 2), "the outline"
        assert columns.min() > left - enlargement and columns.max() < left + width + 2 * enlargement
