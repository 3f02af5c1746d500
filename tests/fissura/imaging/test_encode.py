from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fissura.bundle import GraphInput
from fissura.errors import ImageError, ModelShapeError
from fissura.imaging.encode import Padding, crop, encode, padding_for

Layout = Literal["NHWC", "NCHW"]


def frame_of(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), np.uint8)


@settings(deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    multiple=st.integers(1, 33),
    min_size=st.integers(1, 70),
    layout=st.sampled_from(["NHWC", "NCHW"]),
    given_buffer=st.booleans(),
)
def test_the_frame_comes_back_and_the_sizes_fit(
    height: int, width: int, multiple: int, min_size: int, layout: Layout, given_buffer: bool
) -> None:
    frame = frame_of(height, width)
    spec = GraphInput(layout=layout, multiple=multiple, min_size=min_size)
    out = None
    if given_buffer:
        sides = padding_for(height, width, spec)
        size = (sides.padded_height, sides.padded_width)
        out = np.zeros((1, *size, 3) if layout == "NHWC" else (1, 3, *size), np.uint8)
    batch, padding = encode(frame, spec, out)
    image = batch[0] if layout == "NHWC" else batch[0].transpose(1, 2, 0)
    assert given_buffer == (batch is out)
    for padded, side in zip(image.shape[:2], (height, width), strict=True):
        assert padded % multiple == 0
        assert side <= padded < max(side, min_size) + multiple
    assert image.shape[:2] == (padding.padded_height, padding.padded_width)
    np.testing.assert_array_equal(crop(image, padding), frame)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_reflects_like_numpy_where_there_is_enough_to_reflect(layout: Layout) -> None:
    frame = frame_of(20, 30)
    batch, padding = encode(frame, GraphInput(layout=layout, multiple=16))
    image = batch[0] if layout == "NHWC" else batch[0].transpose(1, 2, 0)
    assert padding == Padding(20, 30, 12, 2)
    np.testing.assert_array_equal(image, np.pad(frame, ((0, 12), (0, 2), (0, 0)), mode="reflect"))


def test_repeats_the_edge_where_the_frame_is_too_small_to_reflect() -> None:
    frame = frame_of(3, 30)
    batch, _ = encode(frame, GraphInput(multiple=8))
    expected = np.pad(np.pad(frame, ((0, 5), (0, 0), (0, 0)), mode="edge"), ((0, 0), (0, 2), (0, 0)), mode="reflect")
    np.testing.assert_array_equal(batch[0], expected)


def test_a_frame_that_fits_is_not_copied() -> None:
    frame = frame_of(32, 64)
    batch, padding = encode(frame, GraphInput(multiple=32))
    assert np.shares_memory(batch, frame)
    assert batch.shape == (1, 32, 64, 3)
    assert padding == Padding(32, 64, 0, 0)


def test_a_mirrored_view_is_taken_as_it_looks() -> None:
    frame = frame_of(32, 64)[:, ::-1]
    batch, _ = encode(frame, GraphInput(multiple=32))
    assert batch.flags.c_contiguous
    np.testing.assert_array_equal(batch[0], frame)


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((0, 8, 3), np.uint8),
    ],
    ids=["grey", "with alpha", "float", "empty"],
)
def test_refuses_what_is_no_rgb_frame(frame: NDArray[np.uint8]) -> None:
    with pytest.raises(ImageError):
        encode(frame, GraphInput())


def test_refuses_a_frame_that_is_too_large_once_padded() -> None:
    spec = GraphInput(multiple=32, max_size=100)
    encode(frame_of(96, 64), spec)
    with pytest.raises(ImageError, match="97x40 pixels, 128x64 after padding"):
        encode(frame_of(40, 97), spec)


@pytest.mark.parametrize(
    "out",
    [np.zeros((1, 32, 32, 3), np.uint8), np.zeros((1, 3, 16, 32), np.uint8), np.zeros((1, 16, 32, 3), np.int8)],
    ids=["size", "layout", "type"],
)
def test_refuses_a_buffer_of_another_shape(out: NDArray[np.uint8]) -> None:
    with pytest.raises(ModelShapeError):
        encode(frame_of(10, 20), GraphInput(multiple=16), out)


@pytest.mark.parametrize("channels", [(), (3,)])
def test_crop_is_a_view_at_the_outputs_scale(channels: tuple[int, ...]) -> None:
    padding = Padding(height=10, width=20, bottom=6, right=12)
    output = np.arange(64 * 128 * max(sum(channels), 1), dtype=np.float32).reshape(64, 128, *channels)
    cut = crop(output, padding, scale=4)
    assert cut.shape == (40, 80, *channels)
    assert np.shares_memory(cut, output)
    with pytest.raises(ModelShapeError):
        crop(output, padding, scale=2)
