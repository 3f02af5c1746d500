"""A row of the table of degradations."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from fissura.config import Config
from fissura.errors import MissingDependencyError
from fissura.imaging.images import RgbImage

C = TypeVar("C", bound=Config)
Draw = np.random.Generator


@dataclass(frozen=True)
class Degradation(Generic[C]):
    """One way in which a camera spoils its frame.

    Attributes:
        apply: (H, W, 3) uint8 RGB, options and source of chance in, a new image of the same shape out. The same three
            give the same image, and the given one stays as it is.
        config: the options.
        summary: one line.
        severity: the option that the levels change.
        unit: of `severity`; empty for plain numbers.
        levels: five, from what is hardly seen to what is hardly usable.
        logarithmic: options whose ranges are drawn so that each octave is as likely as any other.
        package: Python package that it needs beside fissura's own; None for none.
    """

    apply: Callable[[RgbImage, C, Draw], RgbImage]
    config: type[C]
    summary: str
    severity: str
    unit: str
    levels: tuple[C, ...]
    logarithmic: tuple[str, ...] = ()
    package: str | None = None

    def severities(self) -> tuple[float, ...]:
        """What the levels stand for, in `unit`."""
        return tuple(float(getattr(level, self.severity)) for level in self.levels)

    def check_installed(self, name: str) -> None:
        """Refuse a degradation, named so, whose package is missing.

        Raises:
            MissingDependencyError: with what to install.
        """
        if self.package is not None and importlib.util.find_spec(self.package) is None:
            raise MissingDependencyError(
                f"degradation {name!r} needs the Python package {self.package!r}, which is not installed",
                fix=f"pip install {self.package}, or leave {name!r} out",
            )
