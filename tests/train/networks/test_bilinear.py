"""Bilinear enlargement: pixel centres, the older papers' kernel, how far a cell is felt."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from train.networks.bilinear import enlarge, enlarging_reach


def test_two_cells_by_hand() -> None:
    cells = torch.tensor([[[[0.0, 1.0]]]])
    assert torch.equal(enlarge(cells, 2)[0, 0, 0], torch.tensor([0.0, 0.25, 0.75, 1.0]))
    assert enlarge(cells, 1) is cells


@pytest.mark.parametrize("factor", [2, 4, 8, 16])
def test_inside_it_is_the_transposed_convolution_with_a_bilinear_kernel(factor: int) -> None:
    x = torch.randn(1, 1, 5, 6, dtype=torch.float64)
    line = 1 - (torch.arange(2 * factor, dtype=torch.float64) + 0.5 - factor).abs() / factor
    kernel = torch.outer(line, line)[None, None]
    transposed = F.conv_transpose2d(x, kernel, stride=factor, padding=factor // 2)
    inside = slice(factor // 2, -(factor // 2))
    torch.testing.assert_close(enlarge(x, factor)[..., inside, inside], transposed[..., inside, inside])


@pytest.mark.parametrize("factor", [1, 2, 4, 16])
def test_reach_is_exact(factor: int) -> None:
    cells = torch.eye(9, dtype=torch.float64).reshape(9, 1, 9, 1)  # image k: cell k alone is one
    felt = enlarge(cells.expand(9, 1, 9, 2), factor)[:, 0, :, 0].ne(0)
    reaches = [
        max(abs(pixel - cell * factor), abs(pixel - (cell * factor + factor - 1)))
        for cell, pixel in felt.nonzero().tolist()
    ]
    assert max(reaches) == enlarging_reach(factor)
