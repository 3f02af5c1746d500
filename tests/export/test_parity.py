"""Parity: passes for the model itself, fails for any other, says where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from export.onnx import export_graph
from export.parity import LIMIT, SHOWN_FRAMES, check_parity
from export.pavement import pavement
from fissura.bundle import Role
from fissura.errors import ExportError
from fissura.imaging.images import RgbImage
from fissura.metrics.counts import THRESHOLDS
from tests.export.conftest import Made, small_model
from tests.export.test_onnx import ROLES, stored


@pytest.mark.parametrize("role", ROLES)
def test_two_sizes_at_least_and_odd_ones(made: Made, role: Role) -> None:
    comparison = check_parity(stored(made.bundle, role), small_model(), noise(2))
    parity = comparison.record(None)
    assert parity.max_abs < 1e-5 < LIMIT == parity.limit
    assert 0 < parity.mean_abs <= parity.max_abs
    assert parity.sizes == (((41, 61), (60, 80)) if role == "segmentation" else ((21, 31), (30, 40)))
    assert parity.images == 2  # each was compared as two frames
    assert parity.mask_iou is None
    assert [summary.frames for summary in comparison.by_size.values()] == [2, 2]
    assert max(summary.max_abs for summary in comparison.by_size.values()) == parity.max_abs
    assert sum(comparison.all.histogram) == sum(sum(one.histogram) for one in comparison.by_size.values())


def test_without_images_synthetic_pavement_is_used(made: Made) -> None:
    comparison = check_parity(stored(made.bundle, "fused"), small_model())
    assert len(comparison.by_size) >= 2
    assert comparison.all.max_abs < LIMIT


@pytest.mark.parametrize("role", ["segmentation", "fused"])
def test_task_metric_and_masks(made: Made, role: Role) -> None:
    images = noise(2)
    masks = [np.random.default_rng(7).random((61, 80)) < 0.3 for _ in images]  # the odd row fills no block
    images = [np.concatenate([image, image[:1]]) for image in images]
    comparison = check_parity(stored(made.bundle, role), small_model(), images, masks)
    assert comparison.scores is not None
    assert comparison.scores.images == 2
    assert comparison.scores.pytorch == pytest.approx(comparison.scores.graph, abs=1e-3)
    assert 0.1 < comparison.scores.graph < 1
    medians = float(np.median(comparison.shown.graph))
    assert comparison.record(medians).mask_iou == pytest.approx(1, abs=1e-3)
    assert check_parity(stored(made.bundle, "super_resolution"), small_model(), images, masks).scores is None


def test_lower_precision_has_no_limit_and_says_how_far_off_it_is(made: Made) -> None:
    graph = replace(stored(made.bundle, "segmentation"), variant="int8-cpu", onnx=doubled_head(made))
    comparison = check_parity(graph, small_model(), noise(2))
    either = comparison.all.either
    halfway = float(THRESHOLDS[np.abs(either - either.max() / 2).argmin()])
    parity = comparison.record(halfway)
    assert parity.limit is None
    assert parity.max_abs > 100 * LIMIT
    assert parity.mask_iou is not None
    assert parity.mask_iou < 0.999
    with pytest.raises(ExportError, match="differs from PyTorch"):
        check_parity(replace(graph, variant=None), small_model(), noise(2))


def test_the_shown_frame_is_synthetic_and_whole(made: Made) -> None:
    graph = stored(made.bundle, "fused")
    shown = check_parity(graph, small_model(), noise(1)).shown
    assert any(np.array_equal(shown.frame, pavement(index, 120, 160)) for index in range(SHOWN_FRAMES))
    assert shown.graph.shape == shown.pytorch.shape == (240, 320)


def noise(count: int) -> list[RgbImage]:
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (60, 80, 3), np.uint8) for _ in range(count)]


def doubled_head(made: Made) -> bytes:
    """The segmentation, twice as sure of itself."""
    model = onnx.load(made.bundle.graph_path("segmentation"))
    (head,) = [tensor for tensor in model.graph.initializer if tensor.name.endswith("head.weight")]
    head.CopyFrom(numpy_helper.from_array(2 * numpy_helper.to_array(head), head.name))
    return bytes(model.SerializeToString())


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
