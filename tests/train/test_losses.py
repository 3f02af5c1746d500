"""Losses: reference values, finite at every logit and on every batch, gradients right."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from fissura.errors import ConfigError
from train.losses import LOSSES, build_loss

BCE: dict[str, Any] = {"name": "bce"}
EXP_075: dict[str, Any] = {"name": "wce_exp", "beta": 0.75}
EXP_1: dict[str, Any] = {"name": "wce_exp", "beta": 1.0}
JACCARD: dict[str, Any] = {"name": "jaccard"}
HOLISTIC_HALF: dict[str, Any] = {"name": "holistic", "a": 0.5, "b": 1, "wce": EXP_075}
HOLISTIC_20: dict[str, Any] = {"name": "holistic", "a": 20, "b": 1, "wce": EXP_075}
ALL = (BCE, EXP_075, EXP_1, JACCARD, HOLISTIC_HALF, HOLISTIC_20)


def name_of(options: dict[str, Any]) -> str:
    return " ".join(str(value) for key, value in options.items() if key != "wce")


def batch_a() -> tuple[Tensor, Tensor]:
    logits = torch.tensor(
        [[-2, -1, 0.5, 1.5], [-3, 0, 2, -0.5], [-1.5, 1, -2.5, -4], [-0.25, -0.75, -1.25, -3.5]], dtype=torch.float64
    )
    target = torch.zeros(4, 4, dtype=torch.float64)
    for row, column in ((0, 3), (1, 2), (2, 1), (3, 0)):
        target[row, column] = 1
    return logits[None, None], target[None, None]


def batch_b() -> tuple[Tensor, Tensor]:
    """A beside an image without cracks."""
    logits, target = batch_a()
    return torch.cat([logits, logits - 1]), torch.cat([target, torch.zeros_like(target)])


@pytest.mark.parametrize(
    ("options", "value_a", "value_b"),
    [
        (BCE, 0.31653900, 0.30832157),
        (EXP_075, 0.44235400, 0.45588112),
        (EXP_1, 0.51486614, 0.52035454),
        (JACCARD, 0.50322213, 0.65595853),
        (HOLISTIC_HALF, 0.72439914, 0.88389909),
        (HOLISTIC_20, 9.35030219, 9.77358090),
    ],
    ids=lambda value: name_of(value) if isinstance(value, dict) else "",
)
def test_reference_values(options: dict[str, Any], value_a: float, value_b: float) -> None:
    loss = build_loss(options)
    assert loss(*batch_a()).item() == pytest.approx(value_a, rel=0, abs=1e-7)
    assert loss(*batch_b()).item() == pytest.approx(value_b, rel=0, abs=1e-7)


def test_every_loss_has_reference_values() -> None:
    assert {options["name"] for options in ALL} == set(LOSSES)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("crack", ["none", "all", "half"])
@pytest.mark.parametrize("logit", [-1000.0, 0.0, 1000.0])
@pytest.mark.parametrize("options", ALL, ids=name_of)
def test_finite_value_and_gradient(options: dict[str, Any], logit: float, crack: str, dtype: torch.dtype) -> None:
    target = torch.zeros(2, 1, 4, 4, dtype=dtype)
    if crack == "all":
        target += 1
    elif crack == "half":
        target[..., :2, :] = 1
    logits = torch.full_like(target, logit).requires_grad_()
    value = build_loss(options)(logits, target)
    value.backward()
    assert value.isfinite()
    assert value >= 0
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("options", ALL, ids=name_of)
@pytest.mark.parametrize("batch", [batch_a, batch_b])
def test_gradients(options: dict[str, Any], batch: Any) -> None:
    logits, target = batch()
    loss = build_loss(options)
    assert torch.autograd.gradcheck(lambda z: loss(z, target), (logits.requires_grad_(),))


@pytest.mark.parametrize("options", ALL, ids=name_of)
def test_better_logits_cost_less(options: dict[str, Any]) -> None:
    _, target = batch_b()
    loss = build_loss(options)
    values = [float(loss(strength * (2 * target - 1), target)) for strength in (-4.0, 0.0, 4.0, 40.0)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 1e-6


@pytest.mark.parametrize("options", ALL, ids=name_of)
def test_masks_are_read_at_one_half(options: dict[str, Any]) -> None:
    logits, target = batch_b()
    loss = build_loss(options)
    blurred = target * 0.4 + 0.3  # 0.7 where there is crack, 0.3 where there is none
    assert loss(logits, blurred) == loss(logits, target)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "wce"}, "unknown loss 'wce'"),
        ({"name": "wce_exp", "betta": 1}, "betta"),
        ({"name": "holistic", "wce": {"name": "wce_expo"}}, "unknown weighted cross-entropy 'wce_expo'"),
    ],
)
def test_wrong_losses_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_loss(options)
