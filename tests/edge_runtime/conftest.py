from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_runtime.local_broker import LocalBroker, find_mosquitto
from fissura.bundle import MANIFEST_NAME
from fissura.imaging.images import RgbImage, write_rgb
from tests.bundles import make_bundle

WIDTH, HEIGHT = 96, 72


def pavement(seed: int = 0, *, width: int = WIDTH, height: int = HEIGHT) -> RgbImage:
    """Grey noise with two dark cracks of about 3 pixels, far apart."""
    random = np.random.default_rng(seed)
    image = np.clip(random.normal(150, 4, (height, width, 3)), 0, 255).astype(np.uint8)
    for x in (width // 4, 3 * width // 4):
        sway = random.integers(-4, 5, 5)
        points = np.stack([x + sway, np.linspace(8, height - 9, 5)], axis=1).astype(np.int32)
        cv2.polylines(image, [points], False, (40, 40, 40), 3)
    return image


def calibrated(folder: Path, *, low_threshold: float, temperature: float) -> Path:
    """Give the graphs of a bundle that decide on whole frames hysteresis and a temperature."""
    path = folder / MANIFEST_NAME
    document = json.loads(path.read_text())
    for role in ("fused", "tile"):
        if role in document["graphs"]:
            document["graphs"][role].update(low_threshold=low_threshold, temperature=temperature)
    path.write_text(json.dumps(document))
    return folder


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with all three graphs."""
    return make_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of five images with two cracks each."""
    folder = tmp_path_factory.mktemp("images")
    for seed in range(5):
        write_rgb(folder / f"{seed:02d}.png", pavement(seed))
    return folder


@pytest.fixture
def make_broker(tmp_path: Path) -> Iterator[Callable[..., LocalBroker]]:
    """Starts real brokers, with the given lines of `mosquitto.conf`; they are gone after the test."""
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed: sudo apt-get install mosquitto")
    with ExitStack() as stack:
        count = 0

        def make(*settings: str, started: bool = True) -> LocalBroker:
            nonlocal count
            count += 1
            folder = tmp_path / f"mosquitto-{count}"
            folder.mkdir()
            broker = LocalBroker(folder, settings or ("allow_anonymous true",))
            stack.callback(broker.kill)
            if started:
                broker.start()
            return broker

        yield make


@pytest.fixture
def broker(make_broker: Callable[..., LocalBroker]) -> LocalBroker:
    """A real broker that anyone may use."""
    return make_broker()
