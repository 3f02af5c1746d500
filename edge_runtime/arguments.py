"""What stands on the command line, refused where it makes no sense."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable

import yaml

from edge_runtime.text import is_text
from fissura.errors import ConfigError

LEAST_SIDE_PX, LARGEST_SIDE_PX = 16, 16384


def at_least(
    least: float, kind: type[int] | type[float] = float, *, most: float | None = None
) -> Callable[[str], float]:
    """A finite number of `kind`, not below `least` and not above `most`."""
    noun = "a whole number" if kind is int else "a number"
    expected = f"{noun} of at least {least:g}" + ("" if most is None else f" and at most {most:g}")
    return _checked(kind, lambda value: math.isfinite(value) and least <= value <= (most or math.inf), expected)


def frame_size(text: str) -> tuple[int, int]:
    """Width and height of a camera frame, pixels, from ``WIDTHxHEIGHT``."""
    match = re.fullmatch(r"(\d{1,5})[xX](\d{1,5})", text)
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(LEAST_SIDE_PX <= side <= LARGEST_SIDE_PX for side in size):
        raise argparse.ArgumentTypeError(
            f"found {text!r}, expected WIDTHxHEIGHT such as 640x480, {LEAST_SIDE_PX} at least"
        )
    return size


def engine_option(text: str) -> tuple[str, object]:
    """Name and value of an engine's option, from ``NAME=VALUE``; the value is read as YAML."""
    name, equals, value = text.partition("=")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        parsed = None
    if not (name and equals) or parsed is None:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected NAME=VALUE such as size=[1280,720]")
    return name, parsed


def check_mission(mission: str) -> str:
    """Return the mission id if it can stand in a message.

    Raises:
        ConfigError: it is no text: its bytes on the command line were not UTF-8.
    """
    if not is_text(mission):
        raise ConfigError(f"mission id {mission!r} is no text", expected="UTF-8", fix="set --mission")
    return mission


def _checked(kind: Callable[[str], float], good: Callable[[float], bool], expected: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = kind(text)
            is_good = good(value)
        except (ValueError, OverflowError):  # a whole number beyond every other one overflows
            is_good = False
        if not is_good:
            raise argparse.ArgumentTypeError(f"found {text!r}, expected {expected}")
        return value

    return parse
