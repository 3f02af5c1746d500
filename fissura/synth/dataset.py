"""Writes a set of frames as an image/mask folder (see `fissura.dataset`), with the truth beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from fissura.dataset import draw_split
from fissura.errors import UsageError
from fissura.files import replacing_folder
from fissura.imaging.images import write_rgb
from fissura.synth.config import SynthConfig
from fissura.synth.crack import SynthCrack
from fissura.synth.render import SynthFrame, render

TRUTH_FILE = "truth.jsonl"


def write_dataset(folder: Path, count: int, config: SynthConfig, seed: int) -> None:
    """Render frames 0 to count - 1 into a folder, which takes the place of an empty one or of such a set; of no other.

    ::

        images/ID.png   masks/ID.png   train.txt   test.txt   truth.jsonl   (one JSON object a line and frame)

    A fifth of the frames, drawn with the seed, is the test split; a single frame is for training.

    Raises:
        UsageError: count is below 1, the seed is negative, or `folder` is a file or holds something else.
    """
    if count < 1:
        raise UsageError(f"{count} frames", expected="1 or more")
    if folder.exists() and not _may_be_replaced(folder):
        raise UsageError(
            f"{folder} is no synthetic data set" + (f": it holds no {TRUTH_FILE}" if folder.is_dir() else ""),
            expected="a new folder, or one that was made here before",
            fix="name another folder: what stands there is not replaced",
        )
    digits = max(4, len(str(count - 1)))
    names = [f"{index:0{digits}d}" for index in range(count)]
    with replacing_folder(folder) as aside:
        (aside / "images").mkdir()
        (aside / "masks").mkdir()
        with (aside / TRUTH_FILE).open("w", encoding="utf-8") as stream:
            for index, name in enumerate(names):
                frame = render(config, seed, index)
                write_rgb(aside / "images" / f"{name}.png", frame.image)
                write_rgb(aside / "masks" / f"{name}.png", frame.mask.astype(np.uint8) * 255)
                stream.write(json.dumps(_truth(name, frame, config)) + "\n")
        train, test = draw_split(names, seed)
        _write_list(aside / "train.txt", train)
        _write_list(aside / "test.txt", test)


def _may_be_replaced(folder: Path) -> bool:
    return folder.is_dir() and ((folder / TRUTH_FILE).is_file() or not any(folder.iterdir()))


def _write_list(path: Path, names: Iterable[str]) -> None:
    path.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def _truth(name: str, frame: SynthFrame, config: SynthConfig) -> dict[str, object]:
    return {
        "id": name,
        "gsd_mm_per_px": config.gsd_mm_per_px,
        "cracks": [_crack(crack) for crack in frame.cracks],
    }


def _crack(crack: SynthCrack) -> dict[str, object]:
    return {
        "length_mm": round(crack.length_mm, 3),
        "mean_width_mm": round(crack.mean_width_mm, 4),
        "max_width_mm": round(crack.max_width_mm, 4),
        "polyline_px": crack.polyline.round(3).tolist(),
        "widths_mm": crack.widths_mm.round(4).tolist(),
    }
