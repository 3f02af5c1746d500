"""What every protocol of the table must do; a newcomer is tested as soon as it is in the table."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from fissura.errors import ConfigError, DataError
from fissura.metrics import PROTOCOLS, build_protocol
from fissura.metrics.protocol import EvaluationProtocol
from fissura.metrics.thinned import thinned
from tests.fissura.metrics.maps import crack, soft

EMPTY = np.zeros((48, 64), bool)
# Scores that a perfect prediction brings to 1; the others are thresholds or counts.
PERFECT = {
    "f1",
    "precision",
    "recall",
    "ois_f1",
    "ois_precision",
    "ois_recall",
    "ods_f1",
    "iou",
    "miou",
    "max_iou",
    "aiu",
    "aiu_code",
    "cl_iou",
    "average_precision",
}
FREE = {"threshold", "false_alarm_share", "false_px_per_mpx", "crack_free_images"}


def scored(name: str, *pairs: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
    protocol = build_protocol(name, {})
    for probability, mask in pairs:
        protocol.add(probability.astype(np.float32), mask)
    return protocol.scores()


@pytest.mark.parametrize("name", PROTOCOLS)
class TestEveryProtocol:
    def test_a_perfect_prediction_scores_one(self, name: str) -> None:
        # Outlines are thin; the labels are not thinned by the protocol, so a thick one could not be found whole.
        masks = [thinned(crack(seed)) if name == "boundaries" else crack(seed) for seed in (1, 2)]
        pairs = [(mask.astype(np.float32), mask) for mask in masks]
        if name == "crack_free":
            pairs.append((EMPTY.astype(np.float32), EMPTY))
        scores = scored(name, *pairs)
        for score, value in scores.items():
            if score in PERFECT:
                assert value == pytest.approx(1, abs=1e-6), score
            else:
                assert score in FREE
                assert value == 0 or score in ("threshold", "crack_free_images"), score

    def test_a_worse_map_scores_worse(self, name: str) -> None:
        mask = EMPTY if name == "crack_free" else crack(1)
        good, bad = soft(crack(1), 1), np.roll(soft(crack(1), 1), 12, axis=0)
        if name == "crack_free":
            good = np.zeros_like(good)
        headline = PROTOCOLS[name].headline
        better, worse = scored(name, (good, mask))[headline], scored(name, (bad, mask))[headline]
        assert better < worse if name == "crack_free" else better > worse

    def test_figures_are_numbers_from_0_to_1(self, name: str) -> None:
        pairs = [(soft(crack(seed), seed), crack(seed)) for seed in range(3)]
        pairs += [(soft(crack(5), 5), EMPTY), (np.zeros((48, 64)), EMPTY), (np.zeros((48, 64)), crack(1))]
        for score, value in scored(name, *pairs).items():
            assert type(value) is float, score
            assert 0 <= value <= 1 or score in FREE, score

    def test_nothing_but_empty_images(self, name: str) -> None:
        """No division by zero, whatever a protocol says of them."""
        scores = scored(name, (np.zeros((48, 64)), EMPTY), (np.zeros((48, 64)), EMPTY))
        assert all(np.isfinite(value) for value in scores.values())

    def test_bad_input_is_refused(self, name: str) -> None:
        protocol = build_protocol(name, {})
        with pytest.raises(DataError, match=r"no image|shows a crack"):
            protocol.scores()
        with pytest.raises(DataError, match="shape"):
            protocol.add(np.zeros((3, 4), np.float32), np.zeros((4, 3), bool))
        with pytest.raises(DataError, match="not finite"):
            protocol.add(np.full((4, 4), np.nan, np.float32), np.zeros((4, 4), bool))
        with pytest.raises(DataError, match=r"from 0 to 2"):
            protocol.add(np.array([[0, 2]], np.float32), np.zeros((1, 2), bool))

    def test_options_are_the_arguments(self, name: str) -> None:
        protocol = PROTOCOLS[name]
        fields = protocol.config.model_fields
        parameters = inspect.signature(protocol).parameters
        assert list(parameters) == list(fields) or set(parameters) == set(fields)
        built = build_protocol(name, {})
        for field, description in fields.items():
            assert getattr(built, field) == description.default == parameters[field].default
        with pytest.raises(ConfigError, match=f"{name}.*colour"):
            build_protocol(name, {"colour": 1})

    def test_names(self, name: str) -> None:
        protocol = PROTOCOLS[name]
        mask = crack(1)
        scores = scored(name, (mask.astype(np.float32), mask), (np.zeros((48, 64)), EMPTY))
        assert protocol.headline in scores
        assert set(protocol.at_threshold) <= set(scores)
        assert protocol.summary
        assert protocol.labels in ("masks", "boundaries")

    def test_maps_are_left_alone(self, name: str) -> None:
        mask = crack(1)
        probability = soft(mask, 1)
        before = probability.copy(), mask.copy()
        scored(name, (probability, mask), (probability, EMPTY))
        assert np.array_equal(probability, before[0])
        assert np.array_equal(mask, before[1])

    def test_curve_passes_through_the_scores(self, name: str) -> None:
        protocol = build_protocol(name, {})
        for seed in range(3):
            protocol.add(soft(crack(seed), seed), crack(seed))
        curve = protocol.curve()
        if curve is None:
            return
        assert curve.threshold.shape == curve.precision.shape == curve.recall.shape
        assert (np.diff(curve.threshold) > 0).all()
        scores = protocol.scores()
        if "threshold" in scores:
            for score, values in (("precision", curve.precision), ("recall", curve.recall)):
                there = np.interp(scores["threshold"], curve.threshold, values)
                assert there == pytest.approx(scores[score], abs=1e-9 if name != "fphbn" else 1e-6)

    def test_judging_a_binary_map_agrees_with_the_scores(self, name: str) -> None:
        protocol: EvaluationProtocol = build_protocol(name, {})
        mask, predicted = crack(1), np.roll(crack(1), 1, axis=0)
        judged = protocol.match(predicted, mask)
        assert not (judged.right & ~judged.predicted).any()
        assert not (judged.found & ~judged.truth).any()
        scores = scored(name, (predicted.astype(np.float32), mask)) if name != "crack_free" else {}
        if "precision" in scores and name != "fphbn":  # whose suppression also works on flat tops
            assert scores["precision"] == pytest.approx(judged.precision, abs=1e-9)
            assert scores["recall"] == pytest.approx(judged.recall, abs=1e-9)


def test_unknown_protocol() -> None:
    with pytest.raises(ConfigError, match="unknown protocol 'odss'"):
        build_protocol("odss", {})


@pytest.mark.parametrize(
    ("name", "option"),
    [("ods", {"tolerance_px": -1}), ("ods", {"matching": "square"}), ("structured", {"threshold": 0.0})],
)
def test_option_out_of_range(name: str, option: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"{name}: {next(iter(option))}"):
        build_protocol(name, option)
