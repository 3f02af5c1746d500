"""Where things lie in the charts of the HTML page: data to SVG coordinates, and round numbers for the axes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

WIDTH, HEIGHT = 640.0, 260.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 16.0, 12.0, 40.0
COLOURS = ("#495057", "#1971c2", "#d9480f", "#2f9e44", "#9c36b5")
MOST_POINTS = 240
BAR_PX, BAR_LABEL_PX, BAR_VALUE_PX = 26.0, 150.0, 120.0


@dataclass(frozen=True)
class Tick:
    """A number at an axis: where, and its text."""

    at: float
    text: str


@dataclass(frozen=True)
class Series:
    """A line or a row of dots, with its name; `points` are x and y in the chart."""

    name: str
    colour: str
    points: list[tuple[float, float]]

    @property
    def path(self) -> str:
        """For `<polyline points=...>`."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


@dataclass(frozen=True)
class Chart:
    """Two axes and what is drawn between them; the horizontal one's ticks have an x, the other's a y."""

    horizontal: list[Tick]
    vertical: list[Tick]
    series: list[Series]


@dataclass(frozen=True)
class Bar:
    """A stage: the bar is its median, the thin line reaches to its 90th percentile."""

    name: str
    y: float
    width: float
    reach: float
    text: str


def shares_chart(latencies_ms: Mapping[str, Sequence[float]]) -> Chart:
    """What share of the frames takes no longer than so many milliseconds: one line a name.

    The axis ends at the highest 99th percentile: one hiccup would squeeze all lines to the left.
    """
    most = max(float(np.percentile(values, 99)) for values in latencies_ms.values())
    least = min(float(np.min(values)) for values in latencies_ms.values())
    ticks = round_ticks(min(least, most * 0.98), most)
    low, high = ticks[0], ticks[-1]
    quantiles = np.linspace(0, 1, MOST_POINTS)
    series = []
    for number, (name, values) in enumerate(latencies_ms.items()):
        places = [
            (_x(value, low, high), _y(share, 0, 1))
            for value, share in zip(np.quantile(values, quantiles), quantiles, strict=True)
            if value <= high * (1 + 1e-9)  # the highest tick is round: it may lie a last digit below what is shown
        ]
        series.append(Series(name, COLOURS[number % len(COLOURS)], places))
    shares = [Tick(_y(share, 0, 1), f"{share:.0%}") for share in (0, 0.25, 0.5, 0.75, 0.9, 1)]
    return Chart([Tick(_x(tick, low, high), f"{tick:g}") for tick in ticks], shares, series)


def etas_chart(etas: Mapping[str, Sequence[float]]) -> Chart:
    """eta of each round: a row of dots a scenario, with the median in its name."""
    everything = [eta for values in etas.values() for eta in values]
    ticks = round_ticks(min(*everything, 0.9), max(*everything, 1.0))
    low, high = ticks[0], ticks[-1]
    rounds = max(len(values) for values in etas.values())
    series = [
        Series(
            f"{name}, median {median(values):.3f}",
            COLOURS[(number + 1) % len(COLOURS)],  # as in the other chart, where the bare engine comes first
            [(_x(index + 1, 0.5, rounds + 0.5), _y(eta, low, high)) for index, eta in enumerate(values)],
        )
        for number, (name, values) in enumerate(etas.items())
    ]
    step = max(1, math.ceil(rounds / 20))
    below = [Tick(_x(number, 0.5, rounds + 0.5), str(number)) for number in range(1, rounds + 1, step)]
    return Chart(below, [Tick(_y(tick, low, high), f"{tick:g}") for tick in ticks], series)


def stage_bars(stages_ms: Mapping[str, Mapping[str, float]]) -> list[Bar]:
    """A bar a stage, of its percentiles."""
    longest = max((values["p90"] for values in stages_ms.values()), default=1.0) or 1.0
    room = (WIDTH - BAR_LABEL_PX - BAR_VALUE_PX) / longest
    return [
        Bar(name, BAR_PX * number, values["p50"] * room, values["p90"] * room, f"{values['p50']:.2f} ms")
        for number, (name, values) in enumerate(stages_ms.items())
    ]


def round_ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten, from below `low` to above `high`, few of them.

    Example:
        >>> round_ticks(3.2, 11.5)
        [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]
    """
    span = max(high - low, abs(high) * 1e-3, 1e-9)
    power = 10.0 ** math.floor(math.log10(span / (most - 1)))
    step = next(factor * power for factor in (1, 2, 5, 10, 20) if span / (factor * power) <= most - 1)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, max(last, first + 1) + 1)]


def _x(value: float, low: float, high: float) -> float:
    return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)


def _y(value: float, low: float, high: float) -> float:
    return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)
