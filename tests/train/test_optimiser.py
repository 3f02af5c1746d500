"""Optimisers, what decays, and the learning rate over time."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from train.optimiser import OptimiserConfig, build_optimiser

STEPS = 100


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.PReLU())


def rates(**options: Any) -> list[float]:
    built = build_optimiser(OptimiserConfig(learning_rate=1.0, **options), model().parameters(), STEPS)
    optimiser, schedule = built["optimizer"], built["lr_scheduler"]["scheduler"]
    assert built["lr_scheduler"]["interval"] == "step"
    found = []
    for _ in range(STEPS):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    return found


def test_cosine_and_poly_fall_from_the_rate_to_nothing() -> None:
    cosine, poly = rates(schedule="cosine"), rates(schedule="poly", poly_power=0.9)
    for found in (cosine, poly):
        assert found[0] == 1
        assert found == sorted(found, reverse=True)
        assert found[-1] < 0.02
    assert cosine[50] == pytest.approx(0.5)
    assert cosine[25] == pytest.approx((1 + math.cos(math.pi / 4)) / 2)
    assert poly[40] == pytest.approx(0.6**0.9)


def test_one_cycle_peaks_after_the_warm_up() -> None:
    found = rates(schedule="one_cycle", warm_up=0.3)
    assert max(found) == pytest.approx(1)
    assert abs(found.index(max(found)) - 30) <= 1
    assert found[0] < 0.05
    assert found[-1] < 1e-4


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_constant_rate_and_named_optimiser(name: Any) -> None:
    built = build_optimiser(OptimiserConfig(name=name, learning_rate=0.5), model().parameters(), STEPS)
    assert type(built).__name__.lower() == name
    assert {group["lr"] for group in built.param_groups} == {0.5}
    assert {group["weight_decay"] for group in built.param_groups} == {0}


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_only_weights_decay(name: Any) -> None:
    """With no gradient but that of the decay, biases, norms and slopes stay and weights shrink."""
    network = model()
    before = {key: value.clone() for key, value in network.named_parameters()}
    options = OptimiserConfig(name=name, learning_rate=0.01, weight_decay=0.1)
    optimiser = build_optimiser(options, network.parameters(), STEPS)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    for key, value in network.named_parameters():
        if value.ndim > 1:
            assert value.abs().sum() < before[key].abs().sum()
        else:
            assert torch.equal(value, before[key])
    if name == "adamw":  # taken from the weight itself
        torch.testing.assert_close(network[0].weight, before["0.weight"] * (1 - 0.01 * 0.1))
    if name == "sgd":  # through the gradient
        torch.testing.assert_close(network[0].weight, before["0.weight"] - 0.01 * 0.1 * before["0.weight"])


@pytest.mark.parametrize("name", ["adam", "sgd"])
@pytest.mark.parametrize("cycled", [True, False])
def test_one_cycle_moves_the_momentum_only_where_it_may(name: Any, cycled: bool) -> None:
    options = OptimiserConfig(name=name, schedule="one_cycle", cycle_momentum=cycled)
    built = build_optimiser(options, model().parameters(), STEPS)
    group = built["optimizer"].param_groups[0]
    assert (group["betas"][0] if name == "adam" else group["momentum"]) == (0.95 if cycled else 0.9)


@pytest.mark.parametrize("change", [{"betas": (0.8, 0.99)}, {"name": "sgd", "momentum": 0.5}])
def test_a_momentum_that_would_be_overruled_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="cycle_momentum: false"):
        OptimiserConfig(schedule="one_cycle", **change)
    OptimiserConfig(schedule="one_cycle", cycle_momentum=False, **change)
    OptimiserConfig(**change)


def test_clipped_gradients_need_the_plain_form() -> None:
    clipped, plain = (
        build_optimiser(OptimiserConfig(clip_norm=norm), model().parameters(), STEPS) for norm in (1.0, None)
    )
    assert not clipped.defaults["fused"]
    assert plain.defaults["fused"]
