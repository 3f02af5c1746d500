"""Crack detectors without deep learning, by name. Adding one: a file here and a line below."""

from __future__ import annotations

import difflib
import sys
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fissura.config import parse_config
from fissura.dataset import Dataset, find_dataset, load_dataset, read_sample
from fissura.errors import UsageError
from fissura.imaging.images import RgbImage
from fissura.progress import progress
from train.baselines.anisotropy import Anisotropy
from train.baselines.baseline import Baseline
from train.baselines.canny import Canny
from train.baselines.local_threshold import LocalThreshold
from train.baselines.minimal_path import MinimalPath
from train.baselines.spec import BaselineSpec, parse_spec
from train.baselines.structured_forest import StructuredForest

BASELINES: dict[str, type[Baseline]] = {
    "canny": Canny,
    "local_threshold": LocalThreshold,
    "minimal_path": MinimalPath,
    "anisotropy": Anisotropy,
    "structured_forest": StructuredForest,
}


def open_baseline(spec: str) -> Callable[[RgbImage], NDArray[np.float32]]:
    """Build a baseline and fit it, if a data set is named; tells on stderr how long that took.

    Args:
        spec: ``baseline:NAME[:DATA][:OPTION=VALUE,...]``. DATA is fitted on its training list: a learned baseline
            needs it, the others move their best threshold (ODS, 2 px) to 0.5. The option `drop` leaves images out.

    Returns:
        Probabilities (H, W) float32 in [0, 1] of a frame (H, W, 3) uint8 RGB.

    Raises:
        UsageError: unknown name or form, or a learned baseline without data.
        ConfigError: unknown option, or a value out of range.
        DatasetError, ImageError: the data set is missing or cannot be used.
    """
    parsed = parse_spec(spec)
    baseline = build_baseline(parsed)
    if parsed.data is not None:
        _fit(baseline, parsed.name, load_dataset(find_dataset(parsed.data), "train", drop=parsed.drop))
    elif baseline.learns:
        raise UsageError(
            f"{parsed.name} learns from images, and none are named",
            expected=f"baseline:{parsed.name}:DATA, with DATA an image/mask folder or a name below FISSURA_DATA",
        )
    return baseline.probability


def build_baseline(spec: BaselineSpec) -> Baseline:
    """Build a baseline, not fitted.

    Raises:
        UsageError: there is no such baseline.
        ConfigError: unknown option, or a value out of range.
    """
    if spec.name not in BASELINES:
        near = difflib.get_close_matches(spec.name, BASELINES, n=1, cutoff=0.4)
        raise UsageError(
            f"there is no baseline {spec.name!r}",
            expected=f"one of: {', '.join(BASELINES)}",
            fix=f"did you mean {near[0]!r}?" if near else "",
        )
    kind = BASELINES[spec.name]
    return kind(parse_config(kind.config, dict(spec.options), origin=f"baseline {spec.name}"))


def _fit(baseline: Baseline, name: str, dataset: Dataset) -> None:
    start = time.monotonic()
    samples = (read_sample(sample) for sample in dataset.samples)
    baseline.fit(progress(samples, f"{name}: fitting on {dataset.name}", len(dataset.samples)))
    took = f"{len(dataset.samples)} images of {dataset.name}/{dataset.split} in {time.monotonic() - start:.1f} s"
    print(f"{name}: fitted on {took}, threshold {baseline.threshold:.2f}", file=sys.stderr)
