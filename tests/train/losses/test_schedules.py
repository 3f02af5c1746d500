"""Losses that change with the epochs."""

from __future__ import annotations

import pytest

from tests.train.losses.batches import batch
from train.losses import build_loss


def test_beta_goes_to_its_end_in_a_straight_line() -> None:
    loss = build_loss({"name": "wce_exp", "beta": 1.0, "beta_end": 0.5, "anneal_epochs": 4})
    for epoch, beta in ((0, 1.0), (1, 0.875), (2.5, 0.6875), (4, 0.5), (9, 0.5), (0, 1.0)):
        loss.set_epoch(epoch)
        expected = build_loss({"name": "wce_exp", "beta": beta})(*batch("B"))
        assert loss(*batch("B")).item() == pytest.approx(expected.item())


@pytest.mark.parametrize("name", ["wce_power", "wce_log", "wce_exp"])
def test_parts_of_a_loss_follow_the_epochs_too(name: str) -> None:
    annealed = {"name": name, "beta": 1.0, "beta_end": 0.5, "anneal_epochs": 1}
    loss = build_loss({"name": "holistic", "wce": annealed})
    before = loss(*batch("A")).item()
    loss.set_epoch(1)
    after = build_loss({"name": "holistic", "wce": {"name": name, "beta": 0.5}})(*batch("A")).item()
    assert loss(*batch("A")).item() == pytest.approx(after)
    assert after < before


@pytest.mark.parametrize("name", ["boundary_combo", "generalized_boundary_combo"])
def test_alpha_grows_by_the_epoch(name: str) -> None:
    loss = build_loss({"name": name, "alpha_max": 0.1})
    for epoch, alpha in ((0, 0.01), (0.9, 0.01), (1, 0.02), (8.5, 0.09), (9, 0.1), (50, 0.1)):
        loss.set_epoch(epoch)
        expected = build_loss({"name": name, "alpha": alpha})
        expected.set_epoch(epoch)  # a fixed share stays
        assert loss(*batch("C")).item() == pytest.approx(expected(*batch("C")).item())


def test_alpha_stays_below_one_by_default() -> None:
    loss = build_loss({"name": "boundary_combo"})
    loss.set_epoch(10_000)
    fixed = build_loss({"name": "boundary_combo", "alpha": 0.99})
    assert loss(*batch("A")).item() == pytest.approx(fixed(*batch("A")).item())
