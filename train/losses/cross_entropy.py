"""Weighted, focal and margin cross-entropy of logits: one function, of which all entropy losses are cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

Weight = Tensor | float


@dataclass(frozen=True)
class Focus:
    """How much easy pixels fade and how far pixels must lie on their side, class by class.

    Attributes:
        crack_gamma, background_gamma: exponents of the misfit by which a pixel's cost is multiplied; 0 leaves it.
        crack_margin, background_margin: added to the misfit's logit before its cost; 0 leaves it.
    """

    crack_gamma: float = 0.0
    background_gamma: float = 0.0
    crack_margin: float = 0.0
    background_margin: float = 0.0


PLAIN = Focus()


def cross_entropy(
    logits: Tensor, crack: Tensor, crack_weight: Weight = 1.0, background_weight: Weight = 1.0, focus: Focus = PLAIN
) -> Tensor:
    """Mean over all pixels of ``w sigma(s)^gamma softplus(s + m)``, where s is the misfit: -z on crack, z elsewhere.

    sigma(s) is the probability given to the wrong class and softplus(s) the cross-entropy. Without focus and with
    weights of 1 this is binary cross-entropy. Value and gradient are finite at any logit: nothing takes the logarithm
    of a probability, and the gradient is in closed form, with few maps in memory.

    Args:
        logits, crack: (N, 1, H, W); crack is 1 on crack and 0 elsewhere, of the logits' type.
        crack_weight, background_weight: numbers, or scalar tensors without gradient.
        focus: exponents and margins.
    """
    kind = _Plain if focus == PLAIN else _Focused
    mean: Tensor = kind.apply(logits, crack, crack_weight, background_weight, focus)
    return mean


class _Plain(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, crack: Tensor, crack_weight: Weight, background_weight: Weight, focus: Focus
    ) -> Tensor:
        ctx.save_for_backward(logits, crack)
        ctx.weights = crack_weight, background_weight
        cost = F.softplus(logits).addcmul_(crack, logits, value=-1)  # softplus(-z) = softplus(z) - z
        return _weighted_mean(cost, crack, crack_weight, background_weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        logits, crack = ctx.saved_tensors
        crack_weight, background_weight = (weight * gradients[0] / logits.numel() for weight in ctx.weights)
        slope = torch.sigmoid(logits).sub_(crack)
        if isinstance(ctx.weights[0], float) and ctx.weights[0] == ctx.weights[1]:  # tensors: not without waiting
            slope.mul_(crack_weight)
        else:
            slope.mul_(_by_class(crack, crack_weight, background_weight))
        return slope, None, None, None, None


class _Focused(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, crack: Tensor, crack_weight: Weight, background_weight: Weight, focus: Focus
    ) -> Tensor:
        misfit = torch.addcmul(logits, logits, crack, value=-2)
        shifted = misfit
        if focus.crack_margin or focus.background_margin:
            shifted = misfit + _by_class(crack, focus.crack_margin, focus.background_margin)
        entropy = F.softplus(shifted)
        log_wrong = misfit - (entropy if shifted is misfit else F.softplus(misfit))  # log sigma(s) = s - softplus(s)
        gamma = _by_class(crack, focus.crack_gamma, focus.background_gamma)
        fading = (log_wrong * gamma).exp_()
        ctx.save_for_backward(crack, shifted, entropy, log_wrong, fading)
        ctx.weights, ctx.gamma = (crack_weight, background_weight), gamma
        return _weighted_mean(fading * entropy, crack, crack_weight, background_weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        crack, shifted, entropy, log_wrong, fading = ctx.saved_tensors
        crack_weight, background_weight = (weight * gradients[0] / crack.numel() for weight in ctx.weights)
        # d/ds sigma(s)^g softplus(s + m) = sigma(s)^g (sigma(s + m) + g (1 - sigma(s)) softplus(s + m))
        right = log_wrong.exp().neg_().add_(1).mul_(ctx.gamma)
        slope = torch.sigmoid(shifted).addcmul_(right, entropy).mul_(fading)
        # ds/dz is -1 on crack and 1 elsewhere.
        return slope.mul_(_by_class(crack, -crack_weight, background_weight)), None, None, None, None


def _weighted_mean(cost: Tensor, crack: Tensor, crack_weight: Weight, background_weight: Weight) -> Tensor:
    on_crack = torch.dot(cost.view(-1), crack.view(-1))
    return (background_weight * cost.sum() + (crack_weight - background_weight) * on_crack) / cost.numel()


def _by_class(crack: Tensor, on_crack: Weight, on_background: Weight) -> Any:
    """The number of each pixel's class: a map, or the number itself where the classes have the same."""
    if isinstance(on_crack, float) and on_crack == on_background:
        return on_crack
    return (crack * (on_crack - on_background)).add_(on_background)
