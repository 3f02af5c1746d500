"""Decision thresholds: the one probability that gives the best F1 over a whole list of images (ODS)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from fissura.bundle import MANIFEST_NAME, Bundle, Calibration, Manifest, Role, VariantName
from fissura.dataset import Dataset, read_sample
from fissura.errors import DatasetError, ManifestError
from fissura.files import replacing_folder
from fissura.imaging.decode import MIN_LENGTH_PX
from fissura.imaging.images import Mask, RgbImage
from fissura.imaging.resample import FrameKernel, frame_of
from fissura.metrics.ods import Ods, OdsScores
from fissura.progress import progress
from fissura.schema_version import CURRENT

Run = Callable[[RgbImage], NDArray[np.float32]]


@dataclass(frozen=True)
class Threshold:
    """A threshold and how it came about.

    Attributes:
        value: pixels at and above it are crack.
        record: what the manifest says of it.
        low: of hysteresis; None: `value` alone decides.
        temperature: of the confidences; None: none was fitted, and a bundle keeps its own.
    """

    value: float
    record: Calibration
    low: float | None = None
    temperature: float | None = None


@dataclass(frozen=True)
class GraphOnList:
    """A probability graph in an engine, and the list of images that it is calibrated on.

    A graph that enlarges gets low-resolution frames (`fissura.imaging.resample.frame_of`) and is judged at the images'
    own resolution.

    Attributes:
        run: a frame (H, W, 3) uint8 RGB in, (H*scale, W*scale) float32 out.
        scale: of the graph.
        name: for the progress counter.
        dataset: images and masks.
        tolerance_px: see `fissura.metrics.ods`.
        kernel: how the model's frames are made of images.
    """

    run: Run
    scale: int
    name: str
    dataset: Dataset
    tolerance_px: float
    kernel: FrameKernel = "area"

    @property
    def min_length_px(self) -> float:
        """Length of the shortest crack that is reported, in pixels of the map."""
        return MIN_LENGTH_PX * self.scale

    def maps(self, purpose: str) -> Iterator[tuple[NDArray[np.float32], Mask]]:
        """Run the graph over the list: the probability of each image, and its mask.

        Raises:
            EngineError: the graph fails.
            ImageError: an image or a mask cannot be read.
        """
        frames = frames_of(self.dataset, self.scale, self.kernel)
        for frame, truth in progress(frames, f"{self.name}: {purpose}", len(self.dataset.samples)):
            yield self.run(frame), truth


def choose_threshold(
    probability: Run,
    scale: int,
    role: str,
    dataset: Dataset,
    tolerance_px: float,
    kernel: FrameKernel = "area",
) -> Threshold:
    """Run a probability graph over a list of images and take the threshold with the best F1.

    Args:
        probability, scale, dataset, tolerance_px, kernel: see `GraphOnList`.
        role: name of the graph, for the progress counter.

    Raises:
        DatasetError: no threshold finds any crack, so that none is better than another.
        ImageError: an image or a mask cannot be read.
    """
    graph = GraphOnList(probability, scale, role, dataset, tolerance_px, kernel)
    scores = Ods(tolerance_px)
    for found, truth in graph.maps("choosing the threshold"):
        scores.add(found, truth)
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


def frames_of(dataset: Dataset, scale: int, kernel: FrameKernel = "area") -> Iterator[tuple[RgbImage, Mask]]:
    """Frames and the masks to score them against, one image at a time; see `frame_of`.

    Raises:
        ImageError: an image or a mask cannot be read.
    """
    for sample in dataset.samples:
        yield frame_of(*read_sample(sample), scale, kernel)


def write_copy(
    bundle: Bundle,
    thresholds: Mapping[Role, Threshold],
    out: Path,
    variants: Mapping[tuple[Role, VariantName], Threshold] | None = None,
) -> None:
    """Write a new bundle with other thresholds: the files that the manifest lists. A kill leaves no half of it.

    Args:
        bundle: stays as it is.
        thresholds: by graph.
        out: folder of the new bundle.
        variants: thresholds of graphs at lower precision. What else the manifest says of them, the accuracy gate
            above all, is copied, but for what was true at the old thresholds alone (see `_forget`).

    Raises:
        ManifestError: thresholds that do not go together.
    """
    text = _manifest_with(bundle, thresholds, variants or {})
    with replacing_folder(out) as aside:
        for name in bundle.manifest.files:
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle.path / name, aside / name)
        (aside / MANIFEST_NAME).write_text(text, encoding="utf-8")


def _manifest_with(
    bundle: Bundle, thresholds: Mapping[Role, Threshold], variants: Mapping[tuple[Role, VariantName], Threshold]
) -> str:
    # The document as stored, not the parsed manifest: keys of a newer minor version must survive.
    document: dict[str, Any] = json.loads((bundle.path / MANIFEST_NAME).read_text(encoding="utf-8"))
    for role, threshold in thresholds.items():
        graph = document["graphs"][role]
        graph["threshold"], graph["low_threshold"] = threshold.value, threshold.low
        if threshold.temperature is not None:
            graph["temperature"] = threshold.temperature
        document.setdefault("calibration", {})[role] = threshold.record.model_dump(mode="json")
    for (role, name), threshold in variants.items():
        variant = document["graphs"][role]["variants"][name]
        variant["threshold"] = threshold.value
        variant["calibration"] = threshold.record.model_dump(mode="json")
    document["schema_version"] = _newer(document.get("schema_version", CURRENT), CURRENT)
    try:
        after = Manifest.model_validate(document)
    except ValidationError as error:
        raise ManifestError(f"{bundle.path}: the new manifest is not valid: {error}") from error
    _forget(document, bundle.manifest, after, variants)
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def _forget(
    document: dict[str, Any],
    before: Manifest,
    after: Manifest,
    chosen: Collection[tuple[Role, VariantName]],
) -> None:
    """Set to null what no longer holds of graphs whose thresholds are other ones.

    That is how far their crack masks agree with PyTorch's. A variant also follows a new low threshold of its graph;
    where its own was not chosen anew along with it, nobody knows what the pair reaches.
    """
    for role, graph in after.graphs.items():
        for variant in (None, *graph.variants):
            old, new = before.graphs[role].at(variant), graph.at(variant)
            if (old.threshold, old.low_threshold) == (new.threshold, new.low_threshold):
                continue
            if variant is None:
                parity = document.get("parity", {}).get(role)
            else:
                entry = document["graphs"][role]["variants"][variant]
                parity = entry["parity"]
                if (role, variant) not in chosen:
                    entry["calibration"] = None
            if parity is not None:
                parity["mask_iou"] = None


def _newer(one: str, other: str) -> str:
    return max(one, other, key=lambda version: tuple(map(int, version.split("."))))
