from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from fissura.polygon import Polygon

ADAPTER = TypeAdapter(Polygon)
PAIRS = st.lists(st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 2), max_size=20).map(tuple)


@given(PAIRS)
def test_is_the_sequence_of_its_pairs(pairs: tuple[tuple[float, float], ...]) -> None:
    polygon = Polygon(pairs)
    assert tuple(polygon) == pairs and len(polygon) == len(pairs)
    assert [polygon[number] for number in range(len(pairs))] == list(pairs)
    assert tuple(polygon[1:]) == pairs[1:]
    assert polygon == pairs and polygon == Polygon(pairs) and hash(polygon) == hash(Polygon(pairs))
    assert polygon != (*pairs, (0.0, 0.0))


@given(PAIRS)
def test_comes_back_from_json(pairs: tuple[tuple[float, float], ...]) -> None:
    assert ADAPTER.validate_json(ADAPTER.dump_json(Polygon(pairs))) == pairs


def test_whole_numbers_stay_whole_and_equal_others() -> None:
    polygon = Polygon(np.array([[1, 2], [3, 4]], np.int32))
    assert polygon.points.dtype == np.int32
    assert polygon == Polygon([[1.0, 2.0], [3.0, 4.0]]) == ((1, 2), (3, 4))
    assert hash(polygon) == hash(Polygon([[1.0, 2.0], [3.0, 4.0]]))


def test_an_array_is_taken_without_a_copy_and_cannot_be_written_through_the_polygon() -> None:
    points = np.zeros((3, 2), np.int32)
    polygon = Polygon(points)
    assert np.shares_memory(polygon.points, points) and points.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        polygon.points[0] = 1


def test_several_of_one_array() -> None:
    points = np.arange(12, dtype=np.int32).reshape(6, 2)
    parts = Polygon.parts(points, [3, 3, 5])
    assert parts == [Polygon(points[:3]), Polygon(), Polygon(points[3:5])]
    assert not any(part.points.flags.writeable for part in parts)
    assert np.shares_memory(parts[0].points, points)
    assert Polygon.parts(points, []) == []
    with pytest.raises(ValueError, match="finite"):
        Polygon.parts([[math.nan, 1.0]], [1])


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([1.0, 2.0], r"shape \(2,\)"),
        ([[1.0, 2.0, 3.0]], r"shape \(1, 3\)"),
        ([[math.nan, 1.0]], "finite"),
        ([[math.inf, 1.0]], "finite"),
    ],
)
def test_what_is_no_polygon_is_refused(points: list[object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Polygon(points)


@pytest.mark.parametrize("text", ["[[1,2,3]]", "[1]", '[["a",1]]', "[[NaN,1]]", "{}", "null"])
def test_what_is_no_polygon_in_json_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_json(text)
