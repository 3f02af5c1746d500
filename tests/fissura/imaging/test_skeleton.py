from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from fissura.imaging.components import framed, positions
from fissura.imaging.images import Mask
from fissura.imaging.skeleton import STEPS_AT_FIRST, SkeletonGraph, build, diffuse, prune, smooth


def graph_of(image: Mask) -> tuple[Mask, SkeletonGraph]:
    canvas = framed(image)
    return canvas, build(canvas, np.flatnonzero(canvas))


def test_a_corner_counts_once() -> None:
    _, graph = graph_of(np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]], bool))
    assert len(graph.start) == 3  # right, down, diagonally down; no short cut from the first pixel to the third
    assert sorted(graph.degree.tolist()) == [1, 1, 2, 2]


def test_smoothing_keeps_ends_and_flattens_a_staircase() -> None:
    steps = np.eye(30, dtype=bool) | np.eye(30, k=1, dtype=bool)
    canvas, graph = graph_of(steps)
    line = smooth(graph, positions(graph.nodes, canvas.shape[1]), 8)
    length = np.linalg.norm(line[graph.start] - line[graph.end], axis=1).sum()
    straight = np.hypot(30, 29)
    assert length == pytest.approx(straight, rel=0.02)
    np.testing.assert_array_equal(line[0], [0, 0])


def test_diffusion_keeps_the_sum_and_stays_between_the_extremes() -> None:
    image = np.zeros((9, 9), bool)
    image[4, :] = image[:, 4] = True
    _, graph = graph_of(image)
    values = np.where(graph.nodes == graph.nodes[len(graph.nodes) // 2], 10.0, 0.0)
    spread = diffuse(graph, values, 20)
    assert spread.sum() == pytest.approx(10)
    assert 0 <= spread.min() < spread.max() < 5


def test_prunes_what_does_not_leave_the_crack_and_keeps_a_branch() -> None:
    crack = np.zeros((40, 80), np.uint8)
    cv2.line(crack, (5, 25), (75, 25), 1, 7)
    skeleton = np.zeros((40, 80), bool)
    skeleton[25, 5:76] = True
    skeleton[21:25, 20] = True  # a spur inside the crack
    skeleton[5:25, 50] = True  # a hairline that leaves it
    canvas, graph = graph_of(skeleton)
    distance = cv2.distanceTransform(framed(crack.astype(bool)).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    left = prune(canvas, graph, distance)
    kept = canvas[1:-1, 1:-1]
    assert not kept[21:25, 20].any()
    assert kept[5:25, 50].all()
    assert kept[25, 5:76].all()
    assert len(left.nodes) == kept.sum()


def test_prunes_a_spur_longer_than_a_walk_goes_at_first() -> None:
    skeleton = np.zeros((80, 200), bool)
    skeleton[70, :] = True
    skeleton[10:70, 100] = True
    canvas, graph = graph_of(skeleton)
    assert STEPS_AT_FIRST < 60
    assert len(prune(canvas.copy(), graph, np.full(canvas.shape, 39, np.float32)).nodes) == 260  # reach 59.5
    assert len(prune(canvas.copy(), graph, np.full(canvas.shape, 40, np.float32)).nodes) == 200  # reach 61


def test_sums_neighbours_and_walks_along_the_steps() -> None:
    _, graph = graph_of(np.random.default_rng(3).random((40, 40)) < 0.25)
    values = np.arange(len(graph.nodes), dtype=float) ** 2
    expected = np.zeros(len(values))
    np.add.at(expected, graph.start, values[graph.end])
    np.add.at(expected, graph.end, values[graph.start])
    np.testing.assert_allclose(graph.sum_of_neighbours(values), expected)
    steps = {frozenset(step) for step in zip(graph.start.tolist(), graph.end.tolist(), strict=True)}
    assert graph.degree.sum() == 2 * len(steps)
    path, there = graph.walk(np.flatnonzero(graph.degree == 1), 12)
    for nodes, reached in zip(path.T.tolist(), there.T.tolist(), strict=True):
        nodes = nodes[: sum(reached)]
        assert all(frozenset(step) in steps for step in itertools.pairwise(nodes))
        assert len(set(nodes)) == len(nodes)
        assert all(graph.degree[node] == 2 for node in nodes[1:-1])
        assert len(nodes) == 13 or graph.degree[nodes[-1]] != 2
