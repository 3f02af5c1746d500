"""Every family of networks that the runtime serves, narrow, as the graph of a bundle: parity at two sizes.

The exporter takes 5 to 20 s a network. What other tests export in every run is slow here: U-Net (the bundle that the
other tests share), the light network and CSSR with its UNet16 (`test_networks`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from export.onnx import export_graph, roles_of
from export.parity import LIMIT, check_parity
from fissura.bundle import Role
from tests.train.networks.test_contract import narrow_options
from train.model import ModelConfig, build_model
from train.networks import NETWORKS

CSSR = {
    "segmentation": {"name": "unet16", "widths": [2, 4, 8, 8, 8]},
    "super_resolution": {"name": "dbpn", "scale": 2, "stages": 2, "width": 4, "features": 8},
    "normalisation": "instance",
}
SLOW = ("unet", "hrsegnet", "unet16", "spiral_net")
FAMILIES = ("hed", *SLOW)
SIZES = ((64, 96), (50, 70))


def assert_parity_at_two_sizes(config: dict[str, Any], role: Role) -> None:
    torch.manual_seed(0)
    model = build_model(ModelConfig.model_validate(config)).eval()
    for module in model.modules():  # statistics of a network that has learnt something
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.linspace(-0.2, 0.3, module.num_features)
            module.running_var = torch.linspace(0.5, 1.5, module.num_features)
    assert role in roles_of(model)
    images = [np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8) for height, width in SIZES]
    parity = check_parity(export_graph(model, role), model, images).record(0.5)
    assert parity.max_abs <= LIMIT == parity.limit
    assert len(parity.sizes) == 2 * len(SIZES)
    assert parity.mask_iou is not None
    assert parity.mask_iou > 0.99


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in FAMILIES]
)
def test_segmentation(name: str) -> None:
    assert_parity_at_two_sizes({"segmentation": narrow_options(NETWORKS[name].config, name)}, "segmentation")


@pytest.mark.slow
def test_fused_cssr() -> None:
    assert_parity_at_two_sizes(CSSR, "fused")
