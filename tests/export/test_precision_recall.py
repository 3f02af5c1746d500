from __future__ import annotations

from pathlib import Path

import numpy as np

from export.precision_recall import draw_precision_recall
from fissura.imaging.images import read_rgb
from fissura.metrics.protocol import Curve


def test_each_curve_is_drawn(tmp_path: Path) -> None:
    threshold = np.linspace(0.01, 0.99, 99)
    good = Curve(threshold, np.sqrt(threshold), 1 - threshold**2)
    empty = Curve(threshold, np.zeros(99), np.zeros(99))
    pictures = []
    for number, curves in enumerate(({"good": good}, {"good": good, "nothing found": empty}, {"empty": empty})):
        path = tmp_path / f"{number}.png"
        draw_precision_recall(path, curves, "a model on a set")
        pictures.append(read_rgb(path))
    assert len({picture.tobytes() for picture in pictures}) == 3
    blue = (pictures[0] == (31, 119, 180)).all(axis=2).sum()
    assert blue > 300
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["0.png", "1.png", "2.png"]
