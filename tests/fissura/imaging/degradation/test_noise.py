from __future__ import annotations

import numpy as np
import pytest

from fissura.imaging.degradation.linear_light import to_linear
from fissura.imaging.degradation.noise import NoiseConfig, noise


@pytest.mark.parametrize("value", [60, 128, 200])
@pytest.mark.parametrize(("white", "read"), [(2000.0, 0.0), (500.0, 10.0)])
def test_variance_grows_with_the_light(value: int, white: float, read: float) -> None:
    """Variance x / white + (read / white)^2 of linear light x (Foi et al. 2008)."""
    image = np.full((200, 200, 3), value, np.uint8)
    config = NoiseConfig(white_electrons=white, read_electrons=read)
    light = to_linear(noise(image, config, np.random.default_rng(2))).astype(float)
    level = float(to_linear(image)[0, 0, 0])
    assert light.mean() == pytest.approx(level, abs=0.003)
    assert light.var() == pytest.approx(level / white + (read / white) ** 2, rel=0.04)


def test_channels_and_pixels_are_independent() -> None:
    image = np.full((300, 300, 3), 128, np.uint8)
    found = noise(image, NoiseConfig(white_electrons=300), np.random.default_rng(2)).astype(float) - 128
    channels = np.corrcoef(found.reshape(-1, 3).T)
    assert np.abs(channels - np.eye(3)).max() < 0.02
    assert abs(np.corrcoef(found[:, 1:].ravel(), found[:, :-1].ravel())[0, 1]) < 0.02
