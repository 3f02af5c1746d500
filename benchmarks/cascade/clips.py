"""Clips of camera frames, made of real pictures, in which a stated share of the tiles holds cracks.

    FISSURA_DATA=... python benchmarks/cascade/clips.py OUT

makes `OUT/cracks-05` to `OUT/cracks-40`: 5, 10, 20 and 40 % of the tiles of every frame hold cracks, as near as whole
tiles allow. Every frame is a mosaic of its own (`mosaic.py`) of pictures of one data set's test list; the sets take
turns. A clip holds

    frames/0000.png    the camera frame: the mosaic, `--scale` times smaller
    truth/0000.png     its cracks at the mosaic's size: 255 crack, 0 none
    clip.json          how it was made; for each frame the share of tiles with cracks, and the crops with their places

The licences of the pictures forbid to pass the clips on. The same command and the same data give the same clips.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
from crops import Crop, crack_tiles
from mosaic import Mosaic, make_mosaic
from pictures import Picture, load_pictures

from fissura.errors import EXIT_CODE, FissuraError
from fissura.files import replacing_folder, write_text
from fissura.imaging.images import Mask, RgbImage, read_mask, read_rgb, write_rgb
from fissura.imaging.resample import FrameKernel, frame_of
from fissura.progress import progress
from fissura.table import format_table

SETS = ("deepcrack256", "crack500_256", "cfd")
PLAIN_SET = "non_crack"
SHARES = (0.05, 0.1, 0.2, 0.4)


@dataclass(frozen=True)
class ClipConfig:
    """How the frames of a clip are made.

    Attributes:
        width_px, height_px: of the camera frame.
        scale: mosaic pixels per camera pixel along each axis.
        tile_px: side of a tile, camera pixels.
        kernel: from mosaic to frame; see `fissura.imaging.resample.downsample`.
        seed: decides everything else.
    """

    width_px: int = 480
    height_px: int = 320
    scale: int = 4
    tile_px: int = 32
    kernel: FrameKernel = "area"
    seed: int = 0

    @property
    def tiles(self) -> int:
        """In a frame; those at the right and at the bottom may be smaller than the rest."""
        return -(-self.width_px // self.tile_px) * -(-self.height_px // self.tile_px)


@dataclass(frozen=True)
class ClipFrame:
    """A frame of a clip, read back.

    Attributes:
        name: of its files.
        image: (H, W, 3) uint8 RGB, the camera frame.
        truth: (H * scale, W * scale) bool.
        share: of the tiles that hold cracks.
    """

    name: str
    image: RgbImage
    truth: Mask
    share: float


def make_frame(
    config: ClipConfig, share: float, index: int, pictures: Sequence[Picture], plain: Sequence[Picture]
) -> Mosaic:
    """The mosaic of one frame; the same for the same arguments.

    Args:
        config: of the clip.
        share: of the tiles that are to hold cracks.
        index: of the frame in its clip.
        pictures: of one data set.
        plain: without cracks.

    Raises:
        DatasetError: see `make_mosaic`.
    """
    rng = np.random.default_rng([config.seed, round(1000 * share), index])
    size = (config.height_px * config.scale, config.width_px * config.scale)
    tiles = round(share * config.tiles)
    return make_mosaic(rng, pictures, plain, size, config.tile_px * config.scale, tiles)


def write_clip(
    folder: Path,
    config: ClipConfig,
    share: float,
    frames: int,
    sets: Sequence[tuple[Sequence[Picture], str]],
    plain: Sequence[Picture],
) -> list[float]:
    """Make a clip and write it in one step.

    Args:
        folder: is made, or replaced.
        config: of the frames.
        share: of the tiles that are to hold cracks.
        frames: how many.
        sets: pictures of each data set and the fingerprint of its list; they take turns.
        plain: pictures without cracks.

    Returns:
        The share of tiles that do hold cracks, by frame.
    """
    records: list[dict[str, Any]] = []
    with replacing_folder(folder) as aside:
        for part in ("frames", "truth"):
            (aside / part).mkdir()
        for index in progress(range(frames), folder.name, frames):
            mosaic = make_frame(config, share, index, sets[index % len(sets)][0], plain)
            frame, truth = frame_of(mosaic.image, mosaic.truth, config.scale, config.kernel)
            name = f"{index:04d}.png"
            write_rgb(aside / "frames" / name, frame)
            write_rgb(aside / "truth" / name, truth.astype(np.uint8) * 255)
            cracked = crack_tiles(truth, config.tile_px * config.scale)
            records.append(
                {
                    "name": name,
                    "crack_tiles": int(cracked.sum()),
                    "share": round(float(cracked.mean()), 4),
                    "crops": [_crop_record(crop) for crop in mosaic.crops],
                }
            )
        facts = {
            **asdict(config),
            "tiles": config.tiles,
            "target_share": share,
            "mean_share": round(float(np.mean([record["share"] for record in records])), 4),
            "lists": [fingerprint for _, fingerprint in sets],
            "versions": {"numpy": np.__version__, "opencv": cv2.__version__},
            "frames": records,
        }
        write_text(aside / "clip.json", json.dumps(facts, indent=1) + "\n")
    return [record["share"] for record in records]


def read_clip(folder: Path) -> tuple[dict[str, Any], list[ClipFrame]]:
    """What `write_clip` wrote: `clip.json` and the frames.

    Raises:
        OSError, ImageError: it cannot be read.
    """
    facts = json.loads((folder / "clip.json").read_text(encoding="utf-8"))
    frames = [
        ClipFrame(name, read_rgb(folder / "frames" / name), read_mask(folder / "truth" / name), record["share"])
        for record in facts["frames"]
        for name in [record["name"]]
    ]
    return facts, frames


def _crop_record(crop: Crop) -> dict[str, Any]:
    rows, columns = crop.place
    box = [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start]
    return {"source": crop.picture.source, "xywh_px": box, "crack_px": int(crop.crack().sum())}


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{2,5})x(\d{2,5})", text)
    if not found:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected WIDTHxHEIGHT such as 480x320")
    return int(found[1]), int(found[2])


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 0.5:  # cracks so dense that more tiles hold some cannot be placed apart from each other
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a share from 0 to 0.5")
    return share


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number from 1 on")
    return int(text)


def run(arguments: argparse.Namespace) -> None:
    """Make the clips."""
    width, height = arguments.size
    config = ClipConfig(width, height, arguments.scale, arguments.tile, arguments.kernel, arguments.seed)
    sets = []
    for name in arguments.data:
        pictures, dataset = load_pictures(name)
        sets.append((pictures, f"{dataset.name}/{dataset.split} {dataset.fingerprint()}"))
    plain = load_pictures(PLAIN_SET)[0]
    rows = []
    for share in arguments.shares:
        folder = arguments.out / f"cracks-{round(100 * share):02d}"
        realised = write_clip(folder, config, share, arguments.frames, sets, plain)
        rows.append((folder.name, f"{share:.1%}", *(f"{f(realised):.1%}" for f in (np.mean, min, max))))
    print(format_table(("clip", "target", "mean", "least", "most"), rows, right=(1, 2, 3, 4)))


def main() -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of the clips")
    parser.add_argument("--shares", type=_share, nargs="+", default=SHARES, help="of tiles (default: 0.05 0.1 0.2 0.4)")
    parser.add_argument("--frames", type=_positive, default=12, help="in each clip (default: %(default)s)")
    parser.add_argument("--size", type=_size, default=(480, 320), metavar="WxH", help="of a frame (default: 480x320)")
    parser.add_argument("--scale", type=_positive, default=4, help="mosaic pixels per frame pixel (default: 4)")
    parser.add_argument("--tile", type=_positive, default=32, help="side of a tile, frame pixels (default: 32)")
    parser.add_argument("--kernel", choices=get_args(FrameKernel), default="area", help="(default: area)")
    parser.add_argument("--data", nargs="+", default=SETS, help=f"data sets (default: {' '.join(SETS)})")
    parser.add_argument("--seed", type=int, default=0)
    try:
        run(parser.parse_args())
    except (FissuraError, OSError) as error:
        print(f"clips: error: {error}", file=sys.stderr)
        return EXIT_CODE
    return 0


if __name__ == "__main__":
    sys.exit(main())
