"""Decision thresholds: the one probability that gives the best F1 over a whole list of images (ODS)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from calibration.session import GraphSession
from fissura.bundle import MANIFEST_NAME, Bundle, Calibration, Manifest, Role
from fissura.dataset import Dataset, read_sample
from fissura.errors import DatasetError, ManifestError
from fissura.files import replacing_folder
from fissura.imaging.images import Mask, RgbImage
from fissura.imaging.resample import FrameKernel, frame_of
from fissura.metrics.ods import Ods, OdsScores
from fissura.progress import progress


@dataclass(frozen=True)
class Threshold:
    """A threshold and how it came about."""

    value: float
    record: Calibration


def choose_threshold(
    probability: Callable[[RgbImage], NDArray[np.float32]],
    scale: int,
    role: Role,
    dataset: Dataset,
    tolerance_px: float,
    kernel: FrameKernel = "area",
) -> Threshold:
    """Run a probability graph over a list of images and take the threshold with the best F1.

    A graph that enlarges gets low-resolution frames (`fissura.imaging.resample.frame_of`) and is scored at the
    images' own resolution.

    Args:
        probability: the graph in an engine: a frame (H, W, 3) uint8 RGB in, (H*scale, W*scale) float32 out.
        scale: of the graph.
        role: of the graph, for the progress counter.
        dataset: images and masks.
        tolerance_px: see `fissura.metrics.ods`.
        kernel: how the model's frames are made of images.

    Raises:
        DatasetError: no threshold finds any crack, so that none is better than another.
        ImageError: an image or a mask cannot be read.
    """
    scores = Ods(tolerance_px)
    frames = frames_of(dataset, scale, kernel)
    for frame, truth in progress(frames, f"{role}: choosing the threshold", len(dataset.samples)):
        scores.add(probability(frame), truth)
    best = scores.result()
    if best.f1 == 0:
        raise DatasetError(
            f"graph {role} finds no crack pixel in {best.images} images of {dataset.name}, whatever the threshold",
            expected="images with cracks, and a trained network",
            fix=f"check the masks with `fissura data check {dataset.root}`, or calibrate on another list",
        )
    return Threshold(best.threshold, record_of(best, dataset, tolerance_px))


def record_of(best: OdsScores, dataset: Dataset, tolerance_px: float) -> Calibration:
    """What the manifest says of a threshold."""
    return Calibration(
        dataset=dataset.name,
        split=dataset.split,
        fingerprint=dataset.fingerprint(),
        images=best.images,
        tolerance_px=tolerance_px,
        f1=best.f1,
        precision=best.precision,
        recall=best.recall,
    )


def calibrate(bundle: Bundle, dataset: Dataset, tolerance_px: float) -> dict[Role, Threshold]:
    """Choose the threshold of the graphs of a bundle that segment images and frames; see `choose_threshold`.

    A `tile` graph gives what the whole frame's graph gives, and takes over its threshold. The thresholds of a
    `proposal` belong to the export, where its checkpoint is at hand.
    """
    kernel = bundle.manifest.lineage.recipe.get("data", {}).get("frame_kernel", "area")
    chosen: dict[Role, Threshold] = {
        role: choose_threshold(GraphSession(bundle, role).run, graph.output.scale, role, dataset, tolerance_px, kernel)
        for role, graph in bundle.manifest.graphs.items()
        if role in ("segmentation", "fused")
    }
    if "tile" in bundle.manifest.graphs:
        chosen["tile"] = chosen["fused" if "fused" in chosen else "segmentation"]
    return chosen


def frames_of(dataset: Dataset, scale: int, kernel: FrameKernel = "area") -> Iterator[tuple[RgbImage, Mask]]:
    """Frames and the masks to score them against, one image at a time; see `frame_of`.

    Raises:
        ImageError: an image or a mask cannot be read.
    """
    for sample in dataset.samples:
        yield frame_of(*read_sample(sample), scale, kernel)


def write_copy(bundle: Bundle, thresholds: dict[Role, Threshold], out: Path) -> None:
    """Write a new bundle with other thresholds: the files that the manifest lists. A kill leaves no half of it."""
    text = _manifest_with(bundle, thresholds)
    with replacing_folder(out) as aside:
        for name in bundle.manifest.files:
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle.path / name, aside / name)
        (aside / MANIFEST_NAME).write_text(text, encoding="utf-8")


def _manifest_with(bundle: Bundle, thresholds: dict[Role, Threshold]) -> str:
    # The document as stored, not the parsed manifest: keys of a newer minor version must survive.
    document: dict[str, Any] = json.loads((bundle.path / MANIFEST_NAME).read_text(encoding="utf-8"))
    for role, threshold in thresholds.items():
        document["graphs"][role]["threshold"] = threshold.value
        document.setdefault("calibration", {})[role] = threshold.record.model_dump(mode="json")
    try:
        Manifest.model_validate(document)
    except ValidationError as error:
        raise ManifestError(f"{bundle.path}: the new manifest is not valid: {error}") from error
    return json.dumps(document, indent=2, sort_keys=True) + "\n"
