"""Weighted cross-entropies whose crack weight adapts to the batch (paper 000).

`alpha` is the share of background pixels in the batch, so ``alpha / (1 - alpha)`` is the ratio of background to crack.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from fissura.config import Config
from train.losses.crack_weight import AdaptiveCrossEntropy, BetaConfig, BetaCrossEntropy


class WceXieConfig(Config):
    """No options."""


class WceXie(AdaptiveCrossEntropy):
    """Crack weight ``alpha / (1 - alpha)``: both classes weigh alike in sum.

    Shape:
        logits, target (N, 1, H, W); scalar.

    Reference:
        paper 000, equations (2) and (3), after Xie and Tu's edge detection. Equation (1) is (1 - alpha) times this.
    """

    config = WceXieConfig

    def crack_weight(self, cracks: Tensor, background: Tensor) -> Tensor:
        return background / cracks


class WceFixedConfig(Config):
    """`q` is the crack weight of every batch."""

    q: float = Field(10.0, ge=0)


class WceFixed(AdaptiveCrossEntropy):
    """The same crack weight `q` for every batch; 1 is binary cross-entropy.

    Shape:
        logits, target (N, 1, H, W); scalar.

    Reference:
        paper 000, equation (2) and figures 3 and 4, which try 25, 10 and 6.
    """

    config = WceFixedConfig

    def __init__(self, q: float = 10.0) -> None:
        super().__init__()
        self.q = q

    def crack_weight(self, cracks: Tensor, background: Tensor) -> Tensor:
        return torch.full_like(cracks, self.q)


class WcePowerConfig(BetaConfig):
    """Power weight: `beta * ratio ** gamma`; `laplace` adds 1 to both counts of the ratio."""

    beta: float = Field(0.5, gt=0)
    gamma: float = Field(0.5, ge=0)
    laplace: bool = False


class WcePower(BetaCrossEntropy):
    """Crack weight ``beta (alpha / (1 - alpha))^gamma``.

    Args:
        beta, gamma, laplace, beta_end, anneal_epochs: see `WcePowerConfig`.

    Shape:
        logits, target (N, 1, H, W); scalar.

    Reference:
        paper 000, equation (4). The paper names Laplace smoothing without its term; here (N- + 1) / (N+ + 1).
    """

    config = WcePowerConfig

    def __init__(
        self,
        beta: float = 0.5,
        gamma: float = 0.5,
        laplace: bool = False,
        beta_end: float | None = None,
        anneal_epochs: float | None = None,
    ) -> None:
        super().__init__(beta, beta_end, anneal_epochs)
        self.gamma, self.laplace = gamma, int(laplace)

    def crack_weight(self, cracks: Tensor, background: Tensor) -> Tensor:
        return self.beta * ((background + self.laplace) / (cracks + self.laplace)) ** self.gamma


class WceLogConfig(BetaConfig):
    """Logarithmic weight: `beta * ln(ratio)`; `laplace` adds 1 to both counts of the ratio."""

    beta: float = Field(0.9, gt=0)
    laplace: bool = False


class WceLog(BetaCrossEntropy):
    """Crack weight ``beta ln(alpha / (1 - alpha))``; 0 on a batch that is all crack.

    Args:
        beta, laplace, beta_end, anneal_epochs: see `WceLogConfig`.

    Shape:
        logits, target (N, 1, H, W); scalar.

    Reference:
        paper 000, equation (5). As it stands there, the weight falls below 0 where crack fills more than half of the
        batch: then crack pixels are taught to be background. Take another weight where such batches occur.
    """

    config = WceLogConfig

    def __init__(
        self,
        beta: float = 0.9,
        laplace: bool = False,
        beta_end: float | None = None,
        anneal_epochs: float | None = None,
    ) -> None:
        super().__init__(beta, beta_end, anneal_epochs)
        self.laplace = int(laplace)

    def crack_weight(self, cracks: Tensor, background: Tensor) -> Tensor:
        q = self.beta * torch.log((background + self.laplace) / (cracks + self.laplace))
        return torch.where(background > 0, q, 0.0)


class WceExpConfig(BetaConfig):
    """Exponential weight: `beta * base ** (gamma * (2 alpha - 1))`."""

    gamma: float = Field(1.0, ge=0)
    base: float = Field(10.0, gt=1)


class WceExp(BetaCrossEntropy):
    """Crack weight ``beta * base^(gamma (2 alpha - 1))``, finite on a batch without cracks: base * beta.

    Args:
        beta, gamma, base, beta_end, anneal_epochs: see `WceExpConfig`.

    Shape:
        logits, target (N, 1, H, W); scalar.

    Reference:
        paper 000, equations (6) and (7): base 10 and gamma 1.
    """

    config = WceExpConfig

    def __init__(
        self,
        beta: float = 0.75,
        gamma: float = 1.0,
        base: float = 10.0,
        beta_end: float | None = None,
        anneal_epochs: float | None = None,
    ) -> None:
        super().__init__(beta, beta_end, anneal_epochs)
        self.gamma, self.base = gamma, base

    def crack_weight(self, cracks: Tensor, background: Tensor) -> Tensor:
        surplus = (background - cracks) / (background + cracks)  # 2 alpha - 1
        return self.beta * self.base ** (self.gamma * surplus)
