"""Paper 004's scores: one count gives what the two AIU protocols give, and figure 6's curve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fissura.metrics import cssr
from fissura.metrics.aiu import Aiu, AiuCode
from fissura.metrics.counts import THRESHOLDS, count_image
from fissura.metrics.cssr import Cssr
from tests.fissura.metrics.maps import Pair, crack, pairs, soft


@given(st.lists(pairs(), min_size=1, max_size=3))
def test_scores_are_those_of_the_code_and_of_the_text(images: list[Pair]) -> None:
    protocol, code, text = Cssr(), AiuCode(), Aiu()
    for probability, mask in images:
        for one in (protocol, code, text):
            one.add(probability, mask)
    of_code, scores = code.scores(), protocol.scores()
    assert scores["aiu"] == text.scores()["aiu"]
    assert {"aiu": scores["aiu_code"], "max_iou": scores["max_iou"], "threshold": scores["threshold"]} == of_code


def test_curve_by_definition() -> None:
    protocol, expected = Cssr(), []
    for seed in range(3):
        probability, mask = soft(crack(seed), seed), crack(seed)
        protocol.add(probability, mask)
        maps = [probability >= threshold for threshold in THRESHOLDS]
        expected.append([((map_ & mask).sum() + 1e-5) / ((map_ | mask).sum() + 1e-5) for map_ in maps])
    curve, scores = protocol.iou_by_threshold(), protocol.scores()
    assert np.allclose(curve, np.mean(expected, axis=0), atol=1e-12)
    assert scores["max_iou"] == curve.max()
    assert scores["aiu_code"] == pytest.approx(curve.mean())


def test_an_empty_map_of_an_empty_mask_divides_code_and_text() -> None:
    protocol = Cssr()
    protocol.add(np.zeros((8, 8), np.float32), np.zeros((8, 8), bool))
    scores = protocol.scores()
    assert (scores["aiu_code"], scores["aiu"]) == (1, 0)


def test_each_image_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(cssr, "count_image", lambda *words: calls.append(1) or count_image(*words))
    Cssr().add(soft(crack(1), 1), crack(1))
    assert len(calls) == 1
