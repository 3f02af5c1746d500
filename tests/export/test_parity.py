"""Parity: passes for the model itself, fails for any other, says where."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from export.onnx import export_graph
from export.parity import LIMIT, check_parity
from fissura.bundle import Role
from fissura.errors import ExportError
from tests.export.conftest import Made, small_model
from tests.export.test_onnx import ROLES, stored


@pytest.mark.parametrize("role", ROLES)
def test_two_sizes_at_least_and_odd_ones(made: Made, role: Role) -> None:
    generator = np.random.default_rng(0)
    images = [generator.integers(0, 256, (60, 80, 3), np.uint8) for _ in range(2)]
    parity = check_parity(stored(made.bundle, role), small_model(), images)
    assert parity.max_abs < 1e-5 < LIMIT == parity.limit
    assert 0 < parity.mean_abs <= parity.max_abs
    assert parity.sizes == (((41, 61), (60, 80)) if role == "segmentation" else ((21, 31), (30, 40)))
    assert parity.images == 2  # each was compared as two frames


def test_without_images_synthetic_pavement_is_used(made: Made) -> None:
    parity = check_parity(stored(made.bundle, "fused"), small_model())
    assert len(parity.sizes) >= 2
    assert parity.max_abs < LIMIT


@pytest.mark.parametrize("role", ROLES)
def test_another_model_fails(made: Made, role: Role) -> None:
    model = small_model()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 1.01
    with pytest.raises(ExportError, match=rf"graph {role} differs from PyTorch by \d.* on a frame of \d+x\d+ pixels"):
        check_parity(stored(made.bundle, role), model)


def test_nan_fails(made: Made) -> None:
    model = small_model()
    with torch.no_grad():
        next(model.segmentation.parameters()).fill_(float("nan"))
    with pytest.raises(ExportError, match="differs from PyTorch by nan"):
        check_parity(stored(made.bundle, "segmentation"), model)


def test_one_size_is_not_enough(made: Made) -> None:
    with pytest.raises(ExportError, match=r"compared at 1x1 only"):
        check_parity(stored(made.bundle, "segmentation"), small_model(), [np.zeros((1, 1, 3), np.uint8)])


class PooledTo4(torch.nn.Module):
    """A network whose pooling window is fixed when it is exported: right at that size, silently wrong at others."""

    stride, halo = 8, 8

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        context = torch.nn.functional.adaptive_avg_pool2d(x[:, :1], (4, 4))
        return x[:, :1] + torch.nn.functional.interpolate(context, size=x.shape[-2:])


def test_size_that_is_wrong_only_at_another_shape_is_caught() -> None:
    model = small_model(super_resolution=False)
    model.segmentation, model.stride = PooledTo4(), 8
    with pytest.raises(ExportError, match="graph segmentation differs"):
        check_parity(export_graph(model, "segmentation"), model)
