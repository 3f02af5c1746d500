"""What every loss of the table keeps to."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from fissura.errors import ConfigError
from tests.train.losses.batches import CASES, batch, mask, name_of
from train.losses import LOSSES, build_loss
from train.losses.distance import distance_maps


def value_and_gradient(options: dict[str, Any], logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    logits = logits.detach().clone().requires_grad_()
    value = build_loss(options)(logits, target)
    value.backward()
    assert logits.grad is not None
    return value.detach(), logits.grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("options", CASES, ids=name_of)
def test_finite_value_and_gradient(options: dict[str, Any], dtype: torch.dtype) -> None:
    for crack in ("none", "all", "half", "one"):
        target = mask(crack, dtype)
        signs = (1 - 2 * target, 2 * target - 1)  # all wrong, all right
        flat = (torch.full_like(target, logit) for logit in (-1000.0, -50.0, 0.0, 50.0, 1000.0))
        for logits in (*flat, *(1000 * sign for sign in signs), *(20 * sign for sign in signs)):
            value, gradient = value_and_gradient(options, logits, target)
            assert value.shape == ()
            assert value.dtype == dtype
            assert value.isfinite(), (crack, logits[0, 0, 0])
            assert gradient.isfinite().all(), (crack, logits[0, 0, 0])


@pytest.mark.parametrize("options", CASES, ids=name_of)
def test_bf16_under_autocast(options: dict[str, Any]) -> None:
    """The value is that of fp32 for the same logits, and the gradient comes back in bf16."""
    torch.manual_seed(0)
    for crack in ("none", "all", "half", "one"):
        target = mask(crack, torch.float32)
        for scale in (1, 1000):
            logits = (scale * torch.randn_like(target)).bfloat16()
            with torch.autocast("cpu", torch.bfloat16):
                value, gradient = value_and_gradient(options, logits, target)
            assert value.dtype == torch.float32
            assert gradient.dtype == torch.bfloat16
            assert gradient.isfinite().all()
            expected, slope = value_and_gradient(options, logits.float(), target)
            assert value == expected
            torch.testing.assert_close(gradient, slope.bfloat16())


@pytest.mark.parametrize("options", [case for case in CASES if case["name"] != "pseudo_f1"], ids=name_of)
@pytest.mark.parametrize("name", "ABC")
def test_gradients(options: dict[str, Any], name: str) -> None:
    """Against differences of the value; the pseudo-gradient, which has no value of its own, is tested by figures."""
    logits, target = batch(name)
    if options["name"] == "soft_cldice":  # not smooth where two pixels tie
        torch.manual_seed(0)
        logits = logits + 0.1 * torch.rand_like(logits)
    loss = build_loss(options)
    assert torch.autograd.gradcheck(lambda z: loss(z, target), (logits.requires_grad_(),))


@pytest.mark.parametrize("options", CASES, ids=name_of)
def test_fp32_agrees_with_fp64(options: dict[str, Any]) -> None:
    """On two images of 96 x 128 pixels with few crack pixels, where sums lose digits."""
    generator = torch.Generator().manual_seed(0)
    logits = 5 * torch.randn(2, 1, 96, 128, generator=generator) - 4
    target = torch.zeros_like(logits)
    target[0, :, 40:43] = 1
    logits[0, :, 40:43] += 6
    value, gradient = value_and_gradient(options, logits, target)
    exact, slope = value_and_gradient(options, logits.double(), target.double())
    assert value.item() == pytest.approx(exact.item(), rel=1e-5)
    torch.testing.assert_close(gradient, slope.float(), rtol=1e-3, atol=1e-5 * slope.abs().max().item())


@pytest.mark.parametrize("options", CASES, ids=name_of)
def test_better_logits_cost_less(options: dict[str, Any]) -> None:
    _, target = batch("A")
    loss = build_loss(options)
    values = [float(loss(strength * (2 * target - 1), target)) for strength in (-4.0, 0.0, 4.0, 40.0)]
    assert values == sorted(values, reverse=True)
    assert values[-1] == pytest.approx(0, abs=1e-3)  # the focal Tversky terms stop a little above 0


@pytest.mark.parametrize("options", CASES, ids=name_of)
def test_masks_are_read_at_one_half(options: dict[str, Any]) -> None:
    logits, target = batch("B")
    loss = build_loss(options)
    value = loss(logits, target)
    assert loss(logits, target * 0.4 + 0.3) == value  # 0.7 where there is crack, 0.3 where there is none
    assert loss(logits, target.bool()) == value


@pytest.mark.parametrize("options", CASES, ids=name_of)
def test_a_map_from_outside_is_the_one_made_inside(options: dict[str, Any]) -> None:
    logits, target = batch("C")
    loss = build_loss(options)
    given = None if loss.distance_kind is None else distance_maps(target, loss.distance_kind)
    assert loss(logits, target, given) == loss(logits, target)
    if given is not None:
        assert loss(logits, target, -given) != loss(logits, target)


@pytest.mark.parametrize("name", LOSSES)
def test_other_shapes_are_refused(name: str) -> None:
    logits, target = batch("B")
    loss = build_loss({"name": name})
    with pytest.raises(ValueError, match=r"target has shape \(2, 4, 4\), expected the logits' \(2, 1, 4, 4\)"):
        loss(logits, target[:, 0])
    with pytest.raises(ValueError, match="distance has shape"):
        loss(logits, target, target[:1])


@pytest.mark.parametrize("name", LOSSES)
def test_wrong_options_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="unknown key 'betta'"):
        build_loss({"name": name, "betta": 1})
    for option, field in LOSSES[name].config.model_fields.items():
        if field.metadata:  # a number with a range: all of them exclude -2
            with pytest.raises(ConfigError, match=option):
                build_loss({"name": name, option: -2})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "wce"}, "unknown loss 'wce'"),
        ({"name": ["bce"]}, "unknown loss"),
        ({"name": "holistic", "wce": {"name": "wce_expo"}}, "unknown weighted cross-entropy 'wce_expo'"),
        ({"name": "holistic", "wce": {"name": "wce_exp", "betta": 1}}, "betta"),
        ({"name": "wce_log", "beta_end": 0.5}, "go together"),
        ({"name": "dice", "power": 3}, "power"),
        ({"name": "dice", "reduction": "pixel"}, "reduction"),
        ({"name": "unified_focal", "gamma": 1}, "gamma"),
        ({"name": "soft_cldice", "iterations": 0}, "iterations"),
    ],
    ids=name_of,
)
def test_other_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_loss(options)
