"""Small pavements with one known crack each."""

from __future__ import annotations

import numpy as np
import pytest

from fissura.imaging.images import Mask, RgbImage
from tests.train.baselines.pavement import pavement


@pytest.fixture(scope="session")
def pavements() -> list[tuple[RgbImage, Mask]]:
    """Eight images of 96x128 pixels with masks."""
    return [pavement(np.random.default_rng(seed)) for seed in range(8)]
