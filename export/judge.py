"""A graph at lower precision against its fp32 original, on real images with masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from export.onnx import ExportedGraph
from export.vehicle import running
from fissura.dataset import Dataset, read_sample
from fissura.errors import DatasetError
from fissura.imaging.images import Mask, RgbImage
from fissura.imaging.resample import FrameKernel, downsample_mask, frame_of
from fissura.metrics.aiu import Aiu
from fissura.metrics.counts import count_image
from fissura.metrics.ods import Ods
from fissura.metrics.super_resolution import SuperResolution
from fissura.progress import progress

Metric = Literal["ods_f1", "psnr_db"]


@dataclass(frozen=True)
class Verdict:
    """Scores of a graph, and what it loses against fp32.

    Attributes:
        score: ODS F1 in percent, or PSNR in dB.
        drop: fp32's score minus this one.
        aiu_drop: the same of the AIU, in percent points; None of an image.
        mean_abs: mean difference of the outputs.
    """

    score: float
    drop: float
    aiu_drop: float | None
    mean_abs: float


class Judge(Protocol):
    """Scores candidates against one fp32 graph.

    Attributes:
        metric: what `score` is.
        tolerance_px: of an ODS F1, pixels of the graph's output; 0 of a PSNR.
        images: how many it looks at.
    """

    metric: Metric
    tolerance_px: float
    images: int

    def verdict(self, candidate: ExportedGraph) -> Verdict:
        """Run a candidate over all images."""

    def difference(self, candidate: ExportedGraph, images: int) -> float:
        """Mean difference of the outputs of the first few images."""


Frames = Callable[[], Iterator[tuple[RgbImage, Mask]]]


class CrackJudge:
    """By the ODS F1 and the AIU of the crack probability.

    Args:
        original: the fp32 graph.
        dataset: the validation list.
        tolerance_px: of the F1, at the images' resolution.
        kernel: how frames are made of images.
        shrink: frames are made of the images by this factor; differs from the graph's scale for a `proposal`, whose
            map has the frame's resolution.

    Raises:
        DatasetError: the original finds no crack at any threshold.
    """

    metric: Metric = "ods_f1"

    def __init__(
        self, original: ExportedGraph, dataset: Dataset, tolerance_px: float, kernel: FrameKernel, shrink: int
    ) -> None:
        self.images = len(dataset.samples)
        self._frames = lambda: _frames(dataset, shrink, shrink // original.output.scale, kernel)
        self.tolerance_px = tolerance_px * original.output.scale / shrink
        self._maps: list[NDArray[np.float16]] = []
        self._f1, self._aiu = self._scores(original, self._remember)
        if self._f1 == 0:
            raise DatasetError(
                f"graph {original.role} finds no crack pixel in {self.images} images of {dataset.name}",
                expected="validation images with cracks, and a trained network",
                fix="give another --validation-data",
            )

    def verdict(self, candidate: ExportedGraph) -> Verdict:
        differences: list[float] = []

        def compare(index: int, probability: NDArray[np.float32]) -> None:
            differences.append(float(np.abs(probability - self._maps[index]).mean()))

        f1, aiu = self._scores(candidate, compare)
        return Verdict(100 * f1, 100 * (self._f1 - f1), 100 * (self._aiu - aiu), float(np.mean(differences)))

    def difference(self, candidate: ExportedGraph, images: int) -> float:
        return _difference(candidate, self._frames, self._maps[:images])

    def _scores(self, graph: ExportedGraph, look: Callable[[int, NDArray[np.float32]], None]) -> tuple[float, float]:
        ods, aiu = Ods(self.tolerance_px), Aiu()
        with running(graph) as run:
            frames = progress(self._frames(), f"{graph.file}: scoring", self.images)
            for index, (frame, truth) in enumerate(frames):
                probability = run(frame)
                look(index, probability)
                ods.add(probability, truth)
                aiu.add_counts(count_image(probability, truth, 0))
        return ods.result().f1, aiu.scores()["aiu"]

    def _remember(self, index: int, probability: NDArray[np.float32]) -> None:
        self._maps.append(probability.astype(np.float16))


class ImageJudge:
    """By the PSNR of the enlarged image; arguments as for `CrackJudge`."""

    metric: Metric = "psnr_db"
    tolerance_px = 0.0

    def __init__(self, original: ExportedGraph, dataset: Dataset, kernel: FrameKernel) -> None:
        self.images = len(dataset.samples)
        self._dataset, self._kernel, self._scale = dataset, kernel, original.output.scale
        self._frames = lambda: _frames(dataset, self._scale, 1, kernel)
        self._enlarged: list[NDArray[np.float16]] = []
        self._psnr, _ = self._score(original, remember=True)

    def verdict(self, candidate: ExportedGraph) -> Verdict:
        psnr, difference = self._score(candidate, remember=False)
        return Verdict(psnr, self._psnr - psnr, None, difference)

    def difference(self, candidate: ExportedGraph, images: int) -> float:
        return _difference(candidate, self._frames, self._enlarged[:images])

    def _score(self, graph: ExportedGraph, *, remember: bool) -> tuple[float, float]:
        scores, differences = SuperResolution(), [0.0]
        with running(graph) as run:
            for index, sample in enumerate(progress(self._dataset.samples, f"{graph.file}: scoring", self.images)):
                image, mask = read_sample(sample)
                frame, _ = frame_of(image, mask, self._scale, self._kernel)
                enlarged = run(frame)
                scores.add(enlarged, image[: enlarged.shape[0], : enlarged.shape[1]])
                if remember:
                    self._enlarged.append(enlarged.astype(np.float16))
                else:
                    differences.append(float(np.abs(enlarged - self._enlarged[index]).mean()))
        return scores.scores()["psnr_db"], float(np.sum(differences)) / self.images


def _frames(dataset: Dataset, shrink: int, shrink_truth: int, kernel: FrameKernel) -> Iterator[tuple[RgbImage, Mask]]:
    for sample in dataset.samples:
        frame, truth = frame_of(*read_sample(sample), shrink, kernel)
        yield frame, truth if shrink_truth == 1 else downsample_mask(truth, shrink_truth)


def _difference(candidate: ExportedGraph, frames: Frames, originals: list[NDArray[np.float16]]) -> float:
    with running(candidate) as run:
        found = [
            float(np.abs(run(frame) - original).mean())
            for (frame, _), original in zip(frames(), originals, strict=False)
        ]
    return float(np.mean(found))
