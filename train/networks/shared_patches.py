"""A patch network's last feature maps at every pixel of an image, computed once for all patches that overlap.

A network that pads each patch with zeros is no convolution over the image: close to its border a patch sees zeros where
the image goes on. But only a few rows and columns of a patch are that close. Rows that see the same rows of zeros are
of one kind (3 kinds behind the first convolution, 6 at most), and so are columns. Each layer is computed over the whole
image once for every pair of kinds, and gives there exactly what it gives patch by patch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

OUTSIDE = -1  # the kind of the rows beyond a patch's border, which are zero

Sources = tuple[tuple[int, ...], ...]
"""For each kind of row behind a layer, the kinds of rows before the layer that it is made of."""

Maps = dict[tuple[int, int], Tensor]
"""For each kind of row and of column: (N, C, H, W), a patch's value there, at every place of the image."""


@dataclass(frozen=True)
class PatchPlan:
    """Kinds of rows (and of columns) behind each layer of rounds of two 3x3 convolutions and a 2x2 max pooling.

    Attributes:
        rounds: sources of the two convolutions and of the pooling, each round.
        cells: kind of each row of a patch's last map.
    """

    rounds: tuple[tuple[Sources, Sources, Sources], ...]
    cells: tuple[int, ...]


def plan_patches(side: int, rounds: int) -> PatchPlan:
    """Which rows of a patch of `side` pixels are alike, layer by layer; pooling drops an odd last row."""
    kinds, layers = (0,) * side, []
    for _ in range(rounds):
        first, kinds = _alike(_triples(kinds))
        pooled = len(kinds) // 2 * 2
        second, kinds = _alike(_triples(kinds)[:pooled])
        pool, kinds = _alike([(kinds[row], kinds[row + 1]) for row in range(0, pooled, 2)])
        layers.append((first, second, pool))
    return PatchPlan(tuple(layers), kinds)


def patch_features(image: Tensor, plan: PatchPlan, convolutions: Sequence[nn.Conv2d]) -> Tensor:
    """The last maps of all patches of an image.

    Args:
        image: (N, C, H + side - 1, W + side - 1); the first patch lies in its upper left corner.
        plan: of patches of `side` pixels.
        convolutions: two a round, each followed by ReLU.

    Returns:
        (N, cells * cells * C', H', W'): for each patch the cells of its last map row by row, C' channels each. H' >= H
        and W' >= W: what is beyond the image's own patches is to be cut off.
    """
    maps: Maps = {(0, 0): image}
    step = 1
    pairs = zip(convolutions[::2], convolutions[1::2], strict=True)
    for (first, second, pool), pair in zip(plan.rounds, pairs, strict=True):
        for sources, convolution in zip((first, second), pair, strict=True):
            maps = _convolve(maps, sources, convolution, step)
        maps = _pool(maps, pool, step)
        step *= 2
    last = maps[0, 0]  # a patch's cells lie `step` pixels apart
    height, width = (side - (len(plan.cells) - 1) * step for side in last.shape[-2:])
    cells = list(enumerate(plan.cells))
    return torch.cat(
        [
            maps[row, column][..., i * step : i * step + height, j * step : j * step + width]
            for (i, row), (j, column) in product(cells, cells)
        ],
        dim=1,
    )


def _convolve(maps: Maps, sources: Sources, convolution: nn.Conv2d, step: int) -> Maps:
    """A 3x3 convolution whose taps lie `step` pixels apart, and ReLU."""
    # What this padding brings in at the image's border stays outside of every patch, and is never used.
    padded = {kinds: F.pad(part, (step, step, step, step)) for kinds, part in maps.items()}
    height, width = maps[0, 0].shape[-2:]
    out: Maps = {}
    for (row, above), (column, before) in product(enumerate(sources), repeat=2):
        bias, total = convolution.bias, None
        for (rows, row_kind), (columns, column_kind) in product(_runs(above), _runs(before)):
            part = F.conv2d(
                padded[row_kind, column_kind][
                    ...,
                    rows.start * step : (rows.stop - 1) * step + height,
                    columns.start * step : (columns.stop - 1) * step + width,
                ],
                convolution.weight[:, :, rows, columns],
                bias,
                dilation=step,
            )
            bias, total = None, part if total is None else total.add_(part)
        assert total is not None, "every row of a patch sees itself"
        out[row, column] = total.relu_()
    return out


def _pool(maps: Maps, sources: Sources, step: int) -> Maps:
    """The largest of two by two pixels that lie `step` pixels apart."""
    out: Maps = {}
    for (row, (top, bottom)), (column, (left, right)) in product(enumerate(sources), repeat=2):
        upper = torch.maximum(maps[top, left][..., :-step], maps[top, right][..., step:])
        lower = torch.maximum(maps[bottom, left][..., :-step], maps[bottom, right][..., step:])
        out[row, column] = torch.maximum(upper[..., :-step, :], lower[..., step:, :])
    return out


def _runs(kinds: tuple[int, ...]) -> list[tuple[slice, int]]:
    """Neighbouring taps that see one kind, so that one convolution serves them; none for those that see zeros."""
    starts = [tap for tap in range(len(kinds)) if tap == 0 or kinds[tap] != kinds[tap - 1]]
    runs = [(slice(a, b), kinds[a]) for a, b in zip(starts, [*starts[1:], len(kinds)], strict=True)]
    return [(taps, kind) for taps, kind in runs if kind != OUTSIDE]


def _triples(kinds: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Each row with its neighbours."""
    padded = (OUTSIDE, *kinds, OUTSIDE)
    return [padded[row : row + 3] for row in range(len(kinds))]


def _alike(rows: list[tuple[int, ...]]) -> tuple[Sources, tuple[int, ...]]:
    """The different ones among the rows, and for each row which of them it is."""
    sources = tuple(dict.fromkeys(rows))
    return sources, tuple(sources.index(row) for row in rows)
