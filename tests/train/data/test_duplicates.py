from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.train.data.conftest import pavement
from train.data.duplicates import SAME_PICTURE, describe, similar_pairs

Gray = NDArray[np.uint8]


def gray(seed: int, height: int = 240, width: int = 320) -> Gray:
    return np.ascontiguousarray(pavement(seed, height, width)[..., 0])


def similarity(first: Gray, second: Gray) -> float:
    ((_, _, value),) = similar_pairs([describe(first)], [describe(second)], limit=-1)
    return value


CHANGES: dict[str, Callable[[Gray], Gray]] = {
    "jpeg": lambda image: cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 20])[1], 0),
    "half": lambda image: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "squashed": lambda image: cv2.resize(image, (256, 256), interpolation=cv2.INTER_AREA),
    "darker": lambda image: image // 2,
    "gamma": lambda image: (255 * (image / 255.0) ** 1.8).astype(np.uint8),
    "blurred": lambda image: cv2.GaussianBlur(image, (0, 0), 1.5),
    "trimmed": lambda image: image[1:-1, 1:-1],
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("seed", range(4))
def test_a_changed_copy_is_the_same_picture(change: str, seed: int) -> None:
    image = gray(seed)
    assert similarity(image, np.ascontiguousarray(CHANGES[change](image))) >= SAME_PICTURE


@given(st.integers(0, 3), st.booleans(), st.integers(0, 50))
@settings(max_examples=30, deadline=None)
def test_turns_and_mirrorings_are_the_same_picture(turns: int, mirrored: bool, seed: int) -> None:
    image = gray(seed, 128, 96)
    view = np.rot90(image[:, ::-1] if mirrored else image, turns)
    assert similarity(image, np.ascontiguousarray(view)) > 0.99


def test_other_pavement_is_another_picture() -> None:
    descriptors = [describe(gray(seed)) for seed in range(60)]
    assert [(one, other) for one, other, _ in similar_pairs(descriptors, descriptors) if one != other] == []


def test_a_flat_picture_resembles_nothing_not_even_itself() -> None:
    flat = np.full((50, 70), 128, np.uint8)
    assert similarity(flat, flat) == 0


def test_no_pictures_no_pairs() -> None:
    assert list(similar_pairs([], [describe(gray(0))])) == []
