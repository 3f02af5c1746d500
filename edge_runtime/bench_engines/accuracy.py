"""What lower precision costs: ODS F1 on a data set, or without one the distance from the bundle's golden frames."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from edge_runtime.bench_engines.candidate import Candidate, variant_of
from edge_runtime.golden import FILE, compare_golden, golden_of
from edge_runtime.inference import WHOLE, Mode
from edge_runtime.stages import StageTimes
from edge_runtime.stored_graph import as_run
from edge_runtime.whole_frame import WholeFrame
from fissura.bundle import Bundle
from fissura.dataset import Dataset, read_sample
from fissura.errors import DataError, EngineError
from fissura.imaging.images import read_gray
from fissura.imaging.resample import frame_of
from fissura.metrics.ods import Ods
from fissura.progress import progress

TOLERANCE_PX = 2.0


@dataclass(frozen=True)
class Distance:
    """How far a row is from what was exported in fp32.

    Attributes:
        max_abs, mean_abs: difference of the probabilities, of the mode's worst graph.
        passed: whether every graph is within its tolerance; None for a precision that the manifest has none for.
    """

    max_abs: float
    mean_abs: float
    passed: bool | None


def golden_distance(bundle: Bundle, mode: Mode, candidate: Candidate, whole: WholeFrame) -> Distance:
    """Compare a row with the golden frames.

    Raises:
        BundleError: there are none.
        EngineError, ModelShapeError: the engine cannot run one.
    """
    golden = golden_of(bundle)
    results = [
        compare_golden(bundle, golden, role, variant_of(bundle, role, candidate), as_run(step))
        for role, step in zip(WHOLE[mode], whole.steps, strict=True)
    ]
    passed = all(result.passed for result in results) if candidate.own is None else None
    return Distance(max(result.max_abs for result in results), max(result.mean_abs for result in results), passed)


def largest_frame(bundle: Bundle, mode: Mode, size: tuple[int, int], dataset: Dataset | None) -> tuple[int, int]:
    """Width and height, pixels, that hold every frame of the comparison: engines are built for a largest one.

    Args:
        bundle: the model; without a data set, its golden frames are run, where it has some.
        mode: a row of `WHOLE`.
        size: width and height of the camera frame, pixels.
        dataset: images and masks for the accuracy. A mask has the size of its image, and is quicker to read.

    Raises:
        BundleError: the golden frames cannot be read.
        ImageError: a mask cannot be read.
    """
    sizes = [size]
    if dataset is not None:
        scale = math.prod(bundle.graph(role).output.scale for role in WHOLE[mode])
        masks = (read_gray(sample.mask) for sample in dataset.samples)
        sizes += [(mask.shape[1] // scale, mask.shape[0] // scale) for mask in masks]
    elif FILE in bundle.manifest.files:
        sizes.append(golden_of(bundle).largest)
    return max(width for width, _ in sizes), max(height for _, height in sizes)


def ods_scores(
    bundle: Bundle, rows: Mapping[str, WholeFrame], dataset: Dataset
) -> tuple[dict[str, float], dict[str, EngineError | DataError]]:
    """ODS F1 of every row within 2 px, in percent points, each image being read once for all of them.

    Returns:
        Scores by label, and the failures of those that have none.

    Raises:
        ImageError: an image or a mask cannot be read.
    """
    protocols = {label: Ods(TOLERANCE_PX) for label in rows}
    failures: dict[str, EngineError | DataError] = {}
    times = StageTimes()
    for sample in progress(dataset.samples, "scoring", len(dataset.samples)):
        image, mask = read_sample(sample)
        for label in [label for label in rows if label not in failures]:
            whole = rows[label]
            frame, truth = frame_of(image, mask, whole.scale, bundle.manifest.lineage.frame_kernel)
            try:
                protocols[label].add(whole.run(frame, times), truth)  # refuses what is no probability
            except (EngineError, DataError) as error:
                failures[label] = error
    return {label: 100 * protocols[label].result().f1 for label in rows if label not in failures}, failures
