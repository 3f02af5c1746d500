from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge_runtime.mqtt.picture import fit_jpeg
from fissura.errors import SinkError


def _jpeg(width: int, height: int) -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)  # the hardest to compress
    return bytes(cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())


def test_a_picture_that_fits_is_left_alone() -> None:
    jpeg = _jpeg(64, 48)
    picture = fit_jpeg(jpeg, len(jpeg))
    assert (picture.jpeg, picture.width_px, picture.height_px) == (jpeg, 64, 48)


@pytest.mark.parametrize("most_bytes", [100_000, 20_000, 4096])
def test_a_larger_one_is_compressed_and_scaled_down_until_it_fits(most_bytes: int) -> None:
    picture = fit_jpeg(_jpeg(640, 480), most_bytes)
    assert most_bytes / 4 < len(picture.jpeg) <= most_bytes
    decoded = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None and decoded.shape == (picture.height_px, picture.width_px, 3)
    assert picture.width_px / picture.height_px == pytest.approx(640 / 480, rel=0.05)


def test_what_cannot_be_made_to_fit_is_an_error() -> None:
    with pytest.raises(SinkError, match="does not fit"):
        fit_jpeg(_jpeg(640, 480), 100)
    with pytest.raises(SinkError, match="no picture"):
        fit_jpeg(b"GIF89a", 100)
