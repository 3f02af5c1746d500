from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from fissura.errors import ImageError
from fissura.imaging.images import read_gray, read_mask, read_rgb, write_rgb

PIXELS = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))


@given(PIXELS, st.sampled_from([".png", ".bmp", ".tiff"]))
@settings(max_examples=40)
def test_lossless_formats_give_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, image: NDArray[np.uint8], suffix: str
) -> None:
    path = tmp_path_factory.mktemp("images") / f"a{suffix}"
    write_rgb(path, image)
    np.testing.assert_array_equal(read_rgb(path), image)


def test_channels_are_red_green_blue(tmp_path: Path) -> None:
    Image.new("RGB", (4, 2), (250, 10, 60)).save(tmp_path / "a.png")
    assert read_rgb(tmp_path / "a.png")[0, 0].tolist() == [250, 10, 60]
    assert read_rgb(tmp_path / "a.png").shape == (2, 4, 3)


def test_exif_orientation_is_ignored_as_masks_lie_on_the_stored_pixels(tmp_path: Path) -> None:
    picture = Image.new("RGB", (16, 8), (200, 0, 0))
    exif = picture.getexif()
    exif[0x0112] = 6  # a camera held upright
    picture.save(tmp_path / "a.jpg", exif=exif)
    assert read_rgb(tmp_path / "a.jpg").shape == (8, 16, 3)
    assert read_gray(tmp_path / "a.jpg").shape == (8, 16)


def test_a_mask_is_crack_above_127(tmp_path: Path) -> None:
    write_rgb(tmp_path / "m.png", np.array([[0, 127, 128, 255]], np.uint8))
    assert read_mask(tmp_path / "m.png").tolist() == [[False, False, True, True]]


def test_names_outside_ascii_are_read(tmp_path: Path) -> None:
    write_rgb(tmp_path / "Straße ä 1.png", np.zeros((2, 2, 3), np.uint8))
    assert read_rgb(tmp_path / "Straße ä 1.png").shape == (2, 2, 3)


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.png is damaged"):
        read_rgb(tmp_path / "a.png")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.png", tmp_path):
        with pytest.raises(ImageError, match="cannot be read"):
            read_rgb(path)


@pytest.mark.parametrize("name", ["a.xyz", "a", "a.txt"])
def test_an_unknown_format_is_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImageError, match="has no image format"):
        write_rgb(tmp_path / name, np.zeros((2, 2, 3), np.uint8))
    assert not any(tmp_path.iterdir())
