"""Pooling with positions and its inverse: torch's own results, value for value, and in ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor, nn

from train.networks.unpooling import max_pool_with_positions, max_unpool

# Few values, so that most windows have several maxima.
MAPS = hnp.arrays(
    np.float64, st.tuples(st.just(2), st.just(1), *[st.sampled_from([2, 4, 6])] * 2), elements=st.integers(0, 2)
)


class There(nn.Module):
    """Pooled and unpooled again, with other values."""

    def forward(self, x: Tensor) -> Tensor:
        pooled, positions = max_pool_with_positions(x)
        return max_unpool(pooled * pooled - 3, positions)


def torchs_own(x: Tensor) -> Tensor:
    pooled, indices = F.max_pool2d(x, 2, return_indices=True)
    return F.max_unpool2d(pooled * pooled - 3, indices, 2)


@given(MAPS)
def test_equal_maxima_go_where_torch_puts_them(values: np.ndarray) -> None:
    x = torch.from_numpy(values)
    assert torch.equal(There()(x), torchs_own(x))
    pooled, positions = max_pool_with_positions(x)
    assert torch.equal(pooled, F.max_pool2d(x, 2))
    assert bool((positions.sum(2) == 1).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_values_and_gradients_of_torch(dtype: torch.dtype, memory_format: torch.memory_format) -> None:
    torch.manual_seed(0)
    image = F.relu(torch.randn(2, 3, 8, 10)).to(dtype).contiguous(memory_format=memory_format)
    weight = torch.randn(2, 3, 8, 10).to(dtype)
    ours, theirs = image.clone().requires_grad_(), image.clone().requires_grad_()
    mine, own = There()(ours), torchs_own(theirs)
    assert torch.equal(mine, own)
    (mine * weight).sum().backward()
    (own * weight).sum().backward()
    assert ours.grad is not None and theirs.grad is not None
    assert torch.equal(ours.grad, theirs.grad)


def test_onnx_of_any_size_gives_the_same() -> None:
    height, width = torch.export.Dim("h"), torch.export.Dim("w")
    program = torch.onnx.export(
        There().eval(),
        (torch.zeros(1, 2, 6, 8),),
        dynamo=True,
        opset_version=20,
        dynamic_shapes={"x": {2: 2 * height, 3: 2 * width}},
        verbose=False,
    )
    assert program is not None
    operators = {node.op_type for node in program.model_proto.graph.node}
    assert not operators & {"ScatterND", "ScatterElements", "GatherND", "MaxUnpool"}
    assert all(len(node.output) == 1 for node in program.model_proto.graph.node)  # no `MaxPool` with indices
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    for size in ((2, 2), (4, 10), (12, 6)):
        x = torch.randn(1, 2, *size).round()
        (result,) = session.run(None, {"x": x.numpy()})
        assert np.array_equal(result, torchs_own(x).numpy())
