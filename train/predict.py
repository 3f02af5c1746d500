"""A model's probabilities on one image, as the exported graph gives them: the same padding, fp32, no autocast."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fissura.bundle import GraphInput
from fissura.imaging.encode import crop, encode
from fissura.imaging.images import RgbImage
from train.model import CrackModel

Mode = Literal["fused", "segmentation"]


def frame_multiple(model: CrackModel, mode: Mode) -> int:
    """What a frame's sides must be multiples of, in pixels, so that the segmentation network gets its stride."""
    if mode == "segmentation" or model.segments_frames:
        return model.stride
    return model.stride // math.gcd(model.stride, model.scale)


def predict(model: CrackModel, frame: RgbImage, mode: Mode) -> NDArray[np.float32]:
    """Crack probabilities of one frame.

    Args:
        model: in evaluation mode.
        frame: (H, W, 3) uint8 RGB of any size.
        mode: `fused` for super-resolution and segmentation, `segmentation` for the frame as it is.

    Returns:
        (H*s, W*s) float32, s being the model's scale in mode `fused` and 1 otherwise.
    """
    batch, padding = encode(frame, GraphInput(layout="NCHW", multiple=frame_multiple(model, mode)))
    device = model.mean.device
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        x: Tensor = torch.from_numpy(np.ascontiguousarray(batch)).to(device).float() / 255
        found = model(x) if mode == "fused" else torch.sigmoid(model.segment(x))
        probability = found[0, 0].cpu().numpy()
    return crop(probability, padding, model.scale if mode == "fused" else 1)
