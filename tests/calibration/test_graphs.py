"""Which graphs of a bundle are calibrated, and at which precision."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from calibration.graphs import CalibrationOptions, Outcomes, calibrate
from calibration.thresholds import write_copy
from fissura.bundle import MANIFEST_NAME, Bundle, load_bundle
from fissura.dataset import Dataset, load_dataset
from fissura.errors import BundleError, UsageError
from tests.calibration.conftest import write_darkness_bundle, write_images
from tests.calibration.test_hysteresis import faint_road


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """Graphs of darkness; one variant that gives the same, one that gives half of it."""
    scales = {"segmentation": 1, "tile": 1}
    return load_bundle(write_darkness_bundle(tmp_path / "v", scales, {"int8-portable": 1.0, "int8-cpu": 0.5}))


@pytest.fixture
def stained(tmp_path: Path) -> Dataset:
    return load_dataset(write_images(tmp_path / "stained", faint_road(stains=0.6)), "train")


@pytest.fixture
def grey_streets(streets: Path) -> Dataset:
    return load_dataset(streets, "train")


def test_a_variant_gets_the_threshold_of_its_own_file(bundle: Bundle, grey_streets: Dataset) -> None:
    outcomes = calibrate(bundle, grey_streets)
    assert {role: outcome.threshold.value for role, outcome in outcomes.graphs.items()} == {
        "segmentation": 0.80,
        "tile": 0.80,
    }
    assert {key: outcome.threshold.value for key, outcome in outcomes.variants.items()} == {
        ("segmentation", "int8-portable"): 0.80,
        ("segmentation", "int8-cpu"): 0.40,
        ("tile", "int8-portable"): 0.80,
        ("tile", "int8-cpu"): 0.40,
    }


def test_the_copy_has_the_variants_thresholds_and_the_gate_as_it_was(
    bundle: Bundle, grey_streets: Dataset, tmp_path: Path
) -> None:
    outcomes = calibrate(bundle, grey_streets, CalibrationOptions(precision="int8-cpu"))
    assert outcomes.graphs == {}
    chosen = {key: outcome.threshold for key, outcome in outcomes.variants.items()}
    write_copy(bundle, {}, tmp_path / "new", chosen)
    before, after = (json.loads((path / MANIFEST_NAME).read_text()) for path in (bundle.path, tmp_path / "new"))
    for role in ("segmentation", "tile"):
        old, new = before["graphs"][role]["variants"]["int8-cpu"], after["graphs"][role]["variants"]["int8-cpu"]
        assert new.pop("threshold") == 0.40 != old.pop("threshold")
        assert new.pop("calibration")["dataset"] == "streets" and old.pop("calibration") is None
        assert new["parity"].pop("mask_iou") is None and old["parity"].pop("mask_iou") == 0.97
        assert new == old  # gate, the rest of parity, tolerance, file
        before["graphs"][role]["variants"]["int8-cpu"] = after["graphs"][role]["variants"]["int8-cpu"] = None
    assert before == after
    assert load_bundle(tmp_path / "new").graph("tile", "int8-cpu").threshold == 0.40


def test_precision_fp32_leaves_the_variants_alone(bundle: Bundle, grey_streets: Dataset) -> None:
    outcomes = calibrate(bundle, grey_streets, CalibrationOptions(precision="fp32"))
    assert set(outcomes.graphs) == {"segmentation", "tile"} and outcomes.variants == {}


def test_what_a_precision_does_not_have_is_refused(bundle: Bundle, grey_streets: Dataset) -> None:
    with pytest.raises(UsageError, match="no graph at precision fp16") as caught:
        calibrate(bundle, grey_streets, CalibrationOptions(precision="fp16"))
    assert caught.value.expected == "one of: fp32, int8-cpu, int8-portable"
    for options in (
        CalibrationOptions(precision="int8-cpu", hysteresis=True),
        CalibrationOptions(precision="int8-cpu", temperature=True),
    ):
        with pytest.raises(UsageError, match="hysteresis or temperature of int8-cpu alone"):
            calibrate(bundle, grey_streets, options)


def test_a_bundle_without_such_a_graph_is_refused(tmp_path: Path, grey_streets: Dataset) -> None:
    only_tile = load_bundle(write_darkness_bundle(tmp_path / "tile", {"tile": 1}))
    with pytest.raises(BundleError, match="no graph to calibrate: it holds tile"):
        calibrate(only_tile, grey_streets)


def test_a_variant_takes_the_graph_s_low_threshold(bundle: Bundle, stained: Dataset, tmp_path: Path) -> None:
    outcomes = calibrate(bundle, stained, CalibrationOptions(hysteresis=True))
    whole = outcomes.graphs["segmentation"].threshold
    assert whole.low is not None and whole.record.f1 == 1.0
    same = outcomes.variants["segmentation", "int8-portable"].threshold
    assert (same.value, same.low) == (whole.value, whole.low)
    half = outcomes.variants["segmentation", "int8-cpu"].threshold
    assert half.low is not None and half.low <= min(whole.low, half.value)
    write_copy(
        bundle,
        {role: outcome.threshold for role, outcome in outcomes.graphs.items()},
        tmp_path / "new",
        {key: outcome.threshold for key, outcome in outcomes.variants.items()},
    )
    new = load_bundle(tmp_path / "new")
    assert (new.graph("tile").threshold, new.graph("tile").low_threshold) == (whole.value, whole.low)
    at_lower = new.graph("segmentation", "int8-cpu")
    assert (at_lower.threshold, at_lower.low_threshold) == (half.value, half.low)
    # Later, that precision alone: it still goes with the low threshold that the manifest has.
    again = calibrate(new, stained, CalibrationOptions(precision="int8-portable"))
    assert again.variants["segmentation", "int8-portable"].threshold.low == whole.low


def test_false_alarms_and_temperature_go_into_the_outcome(bundle: Bundle, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(3):  # a crack whose mask is drawn with gaps, so that reported pixels are right and wrong
        grey, mask = faint_road(stains=0.6)
        pictures.append((grey, mask & (rng.random(mask.shape) < 0.6)))
    data = load_dataset(write_images(tmp_path / "gaps", *pictures), "train")
    options = CalibrationOptions(0.0, most_false_per_frame=0, temperature=True)
    outcome = calibrate(bundle, data, options).graphs["segmentation"]
    assert outcome.threshold.value == 0.61 and outcome.false_cracks_per_frame == 0
    assert outcome.fit is not None and outcome.threshold.temperature == outcome.fit.temperature > 1


def with_low(bundle: Bundle, low: float | None) -> Bundle:
    """The same bundle with thresholds that were chosen to go with a low one."""
    document = json.loads((bundle.path / MANIFEST_NAME).read_text())
    for graph in document["graphs"].values():
        graph["low_threshold"] = low
    (bundle.path / MANIFEST_NAME).write_text(json.dumps(document))
    return load_bundle(bundle.path)


def written(bundle: Bundle, outcomes: Outcomes, out: Path) -> Bundle:
    write_copy(
        bundle,
        {role: outcome.threshold for role, outcome in outcomes.graphs.items()},
        out,
        {key: outcome.threshold for key, outcome in outcomes.variants.items()},
    )
    return load_bundle(out)


@pytest.mark.parametrize("low", [None, 0.4])
def test_fp32_alone_leaves_the_variants_the_low_threshold(
    bundle: Bundle, stained: Dataset, tmp_path: Path, low: float | None
) -> None:
    before = with_low(bundle, low)
    new = written(before, calibrate(before, stained, CalibrationOptions(precision="fp32")), tmp_path / "new")
    for role in ("segmentation", "tile"):
        assert new.graph(role).low_threshold == low
        assert new.graph(role).threshold != before.graph(role).threshold
        assert new.graph(role).variants == before.graph(role).variants
    # Chosen to go with it: the faint part lies above the low threshold alone, the stains below the new one.
    assert (new.manifest.calibration["segmentation"].f1 == 1.0) == (low is not None)


def test_fp32_alone_with_what_would_change_the_low_threshold_is_refused(
    bundle: Bundle, stained: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(
        UsageError, match=r"hysteresis of fp32 alone, where .* has int8-cpu, int8-portable as well"
    ) as no:
        calibrate(bundle, stained, CalibrationOptions(precision="fp32", hysteresis=True))
    assert "leave out --precision" in no.value.fix
    alone = load_bundle(write_darkness_bundle(tmp_path / "alone", {"segmentation": 1}))
    found = calibrate(alone, stained, CalibrationOptions(precision="fp32", hysteresis=True))
    assert found.graphs["segmentation"].threshold.low is not None, "no other precision shares it"
    faint = load_dataset(write_images(tmp_path / "faint", faint_road(stains=0.1)), "train")
    document = json.loads((bundle.path / MANIFEST_NAME).read_text())
    for graph in document["graphs"].values():
        graph["threshold"], graph["low_threshold"] = 0.999, 0.99
    (bundle.path / MANIFEST_NAME).write_text(json.dumps(document))
    with pytest.raises(UsageError, match=r"of segmentation at fp32, .*, would change its low one, 0\.99"):
        calibrate(load_bundle(bundle.path), faint, CalibrationOptions(precision="fp32"))


def test_fp32_alone_still_gets_a_temperature(bundle: Bundle, tmp_path: Path) -> None:
    grey, mask = faint_road(stains=0.6)
    data = load_dataset(write_images(tmp_path / "gaps", (grey, mask & (np.arange(80) % 3 > 0))), "train")
    before = with_low(bundle, 0.3)
    outcomes = calibrate(before, data, CalibrationOptions(0.0, temperature=True, precision="fp32"))
    fit = outcomes.graphs["segmentation"].fit
    assert fit is not None and outcomes.graphs["tile"].threshold.temperature == fit.temperature
