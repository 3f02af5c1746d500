"""Numbers on the command line, refused where they make no sense."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable


def at_least(least: float, kind: Callable[[str], float] = float) -> Callable[[str], float]:
    """A finite number of `kind`, not below `least`."""
    noun = "a whole number" if kind is int else "a number"
    return _checked(kind, lambda value: math.isfinite(value) and value >= least, f"{noun} of at least {least:g}")


def between(low: float, high: float) -> Callable[[str], float]:
    """A number between two bounds, which are left out."""
    return _checked(float, lambda value: low < value < high, f"a number between {low:g} and {high:g}")


def _checked(kind: Callable[[str], float], good: Callable[[float], bool], expected: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not good(value):
            raise argparse.ArgumentTypeError(f"found {text!r}, expected {expected}")
        return value

    return parse
