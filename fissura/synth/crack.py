"""Where cracks run: persistent random walks with branches, and their true length and width."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from fissura.synth.config import SynthConfig
from fissura.synth.noise import line

Points = NDArray[np.float64]
Widths = NDArray[np.float64]

# Lateral wander of a crack at several scales: correlation length and standard deviation in pixels.
WANDER = ((2.5, 0.25), (8.0, 0.9), (25.0, 2.5), (80.0, 7.0))
SHORTEST_BRANCH_PX = 12.0


@dataclass(frozen=True, eq=False)
class SynthCrack:
    """Truth of one crack, or one branch, for its part inside the frame.

    A branch is a crack of its own, and so is each part of a crack that leaves the frame and comes back.

    Attributes:
        polyline: (N, 2) x, y of its centre line; the centre of the top left pixel is (0, 0).
        widths_mm: (N,) width across the centre line at each point.
        gsd_mm_per_px: ground sampling distance.
    """

    polyline: Points
    widths_mm: Widths
    gsd_mm_per_px: float

    @property
    def length_mm(self) -> float:
        """Length of the polyline."""
        return float(self._steps_px.sum()) * self.gsd_mm_per_px

    @property
    def mean_width_mm(self) -> float:
        """Mean over the length: area / length."""
        between = (self.widths_mm[1:] + self.widths_mm[:-1]) / 2
        return float((between * self._steps_px).sum() / self._steps_px.sum())

    @property
    def max_width_mm(self) -> float:
        """Largest width of any point."""
        return float(self.widths_mm.max())

    @cached_property
    def _steps_px(self) -> Widths:
        return np.hypot(*np.diff(self.polyline, axis=0).T)


@dataclass(frozen=True, eq=False)
class Trace:
    """One crack as it is drawn, reaching beyond the frame where it leaves it.

    Attributes:
        points: (N, 2) x, y in pixels, about one pixel apart.
        left_px, right_px: (N,) distance from the centre line to the edge on either side.
    """

    points: Points
    left_px: Widths
    right_px: Widths

    @property
    def widths_px(self) -> Widths:
        """(N,) width across the centre line."""
        return self.left_px + self.right_px

    def part(self, first: int, end: int) -> Trace:
        """The points from `first` up to, not including, `end`."""
        return Trace(self.points[first:end], self.left_px[first:end], self.right_px[first:end])


def draw_traces(rng: np.random.Generator, config: SynthConfig) -> list[Trace]:
    """Draw one crack with its branches.

    Returns:
        Parts that show in the frame: the crack itself first, then its branches; at least one.
    """
    size = np.array([config.width, config.height], float)
    diagonal = float(np.hypot(*size))
    low, high = config.width_mm
    width_px = math.exp(rng.uniform(math.log(low), math.log(high))) / config.gsd_mm_per_px
    start = rng.uniform(0.15, 0.85, 2) * (size - 1)
    # Most cracks run along or across the road.
    heading = rng.choice([math.pi / 2, 0.0], p=[0.65, 0.35]) + rng.normal(0, 0.3)
    roughness = rng.uniform(0.5, 1.3)
    reach = [diagonal if rng.random() < 0.6 else rng.uniform(0.15, 0.6) * diagonal for _ in range(2)]
    trunk = _walk(rng, start, heading, (reach[0], reach[1]), roughness, width_px)
    whole = _widen(rng, trunk, width_px, config, fades=(reach[0] < diagonal, reach[1] < diagonal))
    traces = [whole]
    # Exponential: many cracks have no branch, a few are whole networks.
    for _ in range(rng.poisson(rng.exponential(config.branches))):
        traces.append(_branch(rng, traces[rng.integers(len(traces))], config, roughness, diagonal))
    return [part for trace in traces for part in _visible_parts(trace, config)]


def truth(trace: Trace, config: SynthConfig) -> list[SynthCrack]:
    """What is known of a trace inside the frame."""
    gsd = config.gsd_mm_per_px
    return [
        SynthCrack(trace.points[first:end], trace.widths_px[first:end] * gsd, gsd)
        for first, end in _runs(_inside(trace.points, config, 0.0))
        if end - first > 1
    ]


def _walk(
    rng: np.random.Generator,
    start: Points,
    heading: float,
    reach: tuple[float, float],
    roughness: float,
    width_px: float,
) -> Points:
    """(N, 2) points about a pixel apart, from `reach[0]` behind the start to `reach[1]` before it.

    A wide crack does not follow bends that are finer than its width.
    """
    behind, ahead = (max(1, math.ceil(length)) for length in reach)
    count = behind + ahead + 1
    drift = 0.25 * line(rng, count, 60)
    turns = drift + gaussian_filter1d(0.42 * roughness * _kinks(rng, count), max(0.7, 0.7 * width_px))
    angle = heading + turns - turns[behind]
    # Scaled so that the wander below, which lengthens the line, leaves the steps at about a pixel.
    base = np.cumsum(np.stack([np.cos(angle), np.sin(angle)], 1), axis=0) * 0.9
    # Aside of the drift, not of the kinks: a normal that jumps would tear the line.
    normal = np.stack([-np.sin(heading + drift), np.cos(heading + drift)], 1)
    wander = np.zeros(count)  # nothing is left of it where the crack is wider than its longest bends
    for scale, deviation in WANDER:
        if scale > 0.8 * width_px:
            wander += deviation * line(rng, count, scale)
    points = base + normal * (roughness * wander)[:, None]
    return points - points[behind] + start


def _kinks(rng: np.random.Generator, count: int) -> Widths:
    """Direction changes of a crack that goes around stones: pieces of constant, independent value."""
    lengths = 3 + rng.exponential(8, size=count // 3 + 1)
    piece = np.searchsorted(np.cumsum(lengths), np.arange(count))
    return rng.standard_normal(len(lengths) + 1)[piece]


def _widen(
    rng: np.random.Generator, points: Points, width_px: float, config: SynthConfig, fades: tuple[bool, bool]
) -> Trace:
    count = len(points)
    low, high = (bound / config.gsd_mm_per_px for bound in config.width_mm)
    widths = width_px * np.exp(0.3 * line(rng, count, 30) - 0.045)
    from_ends = np.arange(count), np.arange(count)[::-1]
    for fade, distance in zip(fades, from_ends, strict=True):
        if fade:
            widths *= np.clip((distance + 2) / min(60 + 8 * width_px, 2 + count / 2), 0, 1) ** 0.6
    sides = [_crumble(rng, widths / 2, config.ravelling) for _ in range(2)]
    # Far below a pixel nothing can be seen; a crack never grows beyond the range that was asked for.
    total = sides[0] + sides[1]
    bounded = np.clip(total, min(0.4 * low, width_px), high) / total
    return Trace(points, sides[0] * bounded, sides[1] * bounded)


def _crumble(rng: np.random.Generator, half_px: Widths, ravelling: float) -> Widths:
    """Ragged edge: grains broken out are as large beside a wide crack as beside a narrow one."""
    ragged = 0.7 * line(rng, len(half_px), 1.2) + 0.6 * line(rng, len(half_px), 3.5) + 0.6 * line(rng, len(half_px), 12)
    depth = ravelling * np.minimum(0.35 * half_px, 0.75)
    return np.maximum(half_px + depth * ragged, 0.25 * half_px)


def _branch(rng: np.random.Generator, parent: Trace, config: SynthConfig, roughness: float, diagonal: float) -> Trace:
    inside = np.flatnonzero(_inside(parent.points, config, 0.0))
    at = int(rng.choice(inside)) if len(inside) else len(parent.points) // 2
    before, after = parent.points[max(at - 6, 0)], parent.points[min(at + 6, len(parent.points) - 1)]
    along = math.atan2(after[1] - before[1], after[0] - before[0]) + math.pi * rng.integers(2)
    heading = along + rng.choice([-1, 1]) * rng.uniform(0.6, 1.5)
    leaves = rng.random() < 0.25
    length = diagonal if leaves else max(SHORTEST_BRANCH_PX, rng.uniform(0.08, 0.4) * diagonal)
    width = max(float(parent.widths_px[at]) * rng.uniform(0.35, 0.85), 0.5 * config.width_mm[0] / config.gsd_mm_per_px)
    points = _walk(rng, parent.points[at], heading, (0.0, length), roughness, width)[1:]
    return _widen(rng, points, width, config, fades=(False, not leaves))


def _visible_parts(trace: Trace, config: SynthConfig) -> list[Trace]:
    """Cut away what lies so far outside the frame that it cannot show."""
    margin = float(trace.widths_px.max()) + 2
    shows = _inside(trace.points, config, 0.0)
    return [
        trace.part(first, end)
        for first, end in _runs(_inside(trace.points, config, margin))
        if end - first > 1 and np.count_nonzero(shows[first:end]) > 1
    ]


def _inside(points: Points, config: SynthConfig, margin_px: float) -> NDArray[np.bool_]:
    low, high = -0.5 - margin_px, np.array([config.width, config.height]) - 0.5 + margin_px
    return np.all((points >= low) & (points < high), axis=1)


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and end index of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.view(np.int8), [0]])))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]
