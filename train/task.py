"""One training step, one validation step: the Lightning module."""

from __future__ import annotations

import math
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torchmetrics.image import PeakSignalNoiseRatio

from fissura.errors import TrainingError
from fissura.imaging.images import Mask, RgbImage
from fissura.imaging.resample import frame_of
from train.config import Recipe
from train.losses.loss import Loss
from train.losses.ranks import rank_count, sum_over_ranks
from train.metrics import Ods
from train.model import CrackModel
from train.optimiser import build_optimiser
from train.predict import Mode, predict
from train.processes import Processes, copy_buffers

SCORES = ("f1", "precision", "recall", "threshold", "ois_f1", "iou", "strict_f1", "half_f1", "half_strict_f1")


class CrackTask(pl.LightningModule):
    """Trains a `CrackModel` by a recipe and scores it.

    Args:
        model: the networks.
        loss: called as ``loss(logits, target, distance)``; sees the statistics of all processes' batch by itself.
        recipe: optimiser, joint loss and evaluation.
        steps_per_epoch: optimiser steps of an epoch.
    """

    def __init__(self, model: CrackModel, loss: Loss, recipe: Recipe, steps_per_epoch: int) -> None:
        super().__init__()
        self.model, self.loss, self.recipe, self.steps_per_epoch = model, loss, recipe, steps_per_epoch
        self.rank = Processes.of_environment().rank
        self._losses: list[Tensor] = []
        self.modes = _modes(model)
        self.ods = nn.ModuleDict({mode: Ods(recipe.evaluation.tolerance_px) for mode in self.modes})
        self.psnr: PeakSignalNoiseRatio | None = None
        if not model.segments_frames:
            self.psnr = PeakSignalNoiseRatio(data_range=1.0, dim=(1, 2, 3), reduction="elementwise_mean")

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        step = self.global_step
        # Only here: a validation between two steps must not move a loss's schedule.
        self.loss.set_epoch(step / self.steps_per_epoch)
        # Dropout's masks as a function of the step: a resumed run draws what an unbroken one does.
        seed = int(np.random.SeedSequence([self.recipe.seed, step, self.rank]).generate_state(1)[0])
        torch.default_generator.manual_seed(seed)  # `torch.manual_seed` asks every kind of device: milliseconds
        if self.device.type == "cuda":
            torch.cuda.manual_seed(seed)

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        image = batch["image"].to(memory_format=torch.channels_last)
        if self.model.super_resolution is None:
            loss = self._segmentation_loss(image, batch)
        else:
            loss = self._joint_loss(batch["frame"].to(memory_format=torch.channels_last), image, batch)
        self._losses.append(loss.detach())
        if self.trainer.progress_bar_callback is not None:
            self.log("loss", loss, prog_bar=True, logger=False)
        return loss

    def _segmentation_loss(self, image: Tensor, batch: dict[str, Tensor]) -> Tensor:
        return self._mask_loss(self.model.training_logits(image), batch["mask"], batch.get("distance"))

    def _mask_loss(self, outputs: tuple[Tensor, ...], mask: Tensor, distance: Tensor | None) -> Tensor:
        total = torch.zeros((), device=mask.device)
        for output in outputs:
            parts = (_centre(truth, output.shape[-2:]) for truth in (mask, distance))
            total = total + self.loss(output, *parts)
        return total

    def _joint_loss(self, frame: Tensor, image: Tensor, batch: dict[str, Tensor]) -> Tensor:
        joint = self.recipe.joint
        assert joint is not None, "a recipe with super-resolution has a joint loss"
        if self.model.order == "segmentation_first":
            return self._inverse_loss(frame, batch, joint.beta)
        enlarged = self.model.enlarge(frame)
        loss = (1 - joint.beta) * F.l1_loss(enlarged.float(), image)
        if not joint.beta:  # super-resolution alone: the segmentation would only cost time
            return loss
        cracks = self._segmentation_loss(enlarged.clamp(0, 1), batch)
        if joint.high_resolution:
            share = joint.high_resolution
            cracks = (1 - share) * cracks + share * self._segmentation_loss(image, batch)
        return loss + joint.beta * cracks

    def _inverse_loss(self, frame: Tensor, batch: dict[str, Tensor], beta: float) -> Tensor:
        """Paper 004, table 1 (g): the segmentation learns the frame's mask, the super-resolution to enlarge it."""
        outputs = self.model.training_logits(frame)
        loss = beta * self._mask_loss(outputs, batch["frame_mask"], batch.get("distance"))
        if beta < 1:
            enlarged = self.model.enlarge(torch.sigmoid(outputs[0].float()))
            loss = loss + (1 - beta) * F.l1_loss(enlarged.float(), batch["mask"])
        return loss

    def take_mean_loss(self) -> float:
        """Mean training loss of the steps since the last call, over all processes.

        Raises:
            TrainingError: it is not finite.
        """
        own = torch.stack(self._losses).double().mean()
        self._losses.clear()
        loss = float(sum_over_ranks(own)) / rank_count()  # each process has as many images
        if not math.isfinite(loss):
            raise TrainingError(
                f"the training loss is {loss} after epoch {self.global_step / self.steps_per_epoch:g}",
                expected="a finite number",
                fix="lower `optimiser.learning_rate`, or set `optimiser.clip_norm`",
            )
        return loss

    def on_validation_epoch_start(self) -> None:
        copy_buffers(self.model)

    def validation_step(self, batch: dict[str, NDArray[np.generic]], index: int) -> None:
        image: RgbImage = batch["image"]  # type: ignore[assignment]
        mask: Mask = batch["mask"]  # type: ignore[assignment]
        frame, truth = frame_of(image, mask, self.model.scale, self.recipe.data.frame_kernel)
        if "fused" in self.ods:
            self._scores("fused").update(predict(self.model, frame, "fused"), truth)
        if "segmentation" in self.ods:
            self._scores("segmentation").update(predict(self.model, image, "segmentation"), mask)
        if self.psnr is not None:
            small, large = (
                torch.from_numpy(part).to(self.device).permute(2, 0, 1)[None].float() / 255
                for part in (frame, image[: truth.shape[0], : truth.shape[1]])
            )
            with torch.autocast(self.device.type, enabled=False):
                self.psnr.update(self.model.enlarge(small).clamp(0, 1), large)

    def on_validation_epoch_end(self) -> None:
        for mode in self.modes:
            metric = self._scores(mode)
            scores = metric.compute()
            prefix = "" if mode == self.modes[0] else f"{mode}_"
            for key in SCORES:
                self.log(f"{prefix}{key}", scores[key], prog_bar=key == "f1")
            metric.reset()
        if self.psnr is not None:
            self.log("psnr_db", self.psnr.compute(), prog_bar=True)
            self.psnr.reset()

    def _scores(self, mode: Mode) -> Ods:
        metric = self.ods[mode]
        assert isinstance(metric, Ods)
        return metric

    def configure_optimizers(self) -> Any:
        return build_optimiser(
            self.recipe.optimiser,
            [parameter for parameter in self.model.parameters() if parameter.requires_grad],
            self.recipe.epochs * self.steps_per_epoch,
        )


def _modes(model: CrackModel) -> tuple[Mode, ...]:
    """What of a model is scored on images: the whole, and the segmentation of images that need no enlargement."""
    if model.super_resolution is None:
        return ("segmentation",)
    return ("fused",) if model.segments_frames else ("fused", "segmentation")


def _centre(truth: Tensor | None, size: torch.Size) -> Tensor | None:
    """The middle of a map, for networks that label only the middle of a patch."""
    if truth is None:
        return None
    top, left = ((have - want) // 2 for have, want in zip(truth.shape[-2:], size, strict=True))
    return truth[..., top : top + size[0], left : left + size[1]]
