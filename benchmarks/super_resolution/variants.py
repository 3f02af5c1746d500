"""The super-resolution networks that are compared, all x4 and all in front of one segmentation network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SCALE = 4
REFERENCE = "bicubic"
RECIPES = "edge/deepcrack256-"  # the recipe of a variant that is trained: this and its label


@dataclass(frozen=True)
class Variant:
    """One row of the table.

    Attributes:
        label: DBPN and ABPN are followed by their stages or depth, and their width.
        family: what the plot draws as one line.
        options: `model.super_resolution` of its recipe.
        trained: whether there is a recipe.
    """

    label: str
    family: str
    options: dict[str, Any]
    trained: bool = False

    @property
    def recipe(self) -> str | None:
        """Its recipe's name; None where it is only counted and timed."""
        return RECIPES + self.label if self.trained else None


def _interpolation(kernel: str, *, trained: bool = False) -> Variant:
    return Variant(kernel, "interpolation", {"name": "interpolation", "scale": SCALE, "kernel": kernel}, trained)


def _abpn(width: int, depth: int) -> Variant:
    return Variant(
        f"abpn-{width}x{depth}", "ABPN", {"name": "abpn", "scale": SCALE, "width": width, "depth": depth}, trained=True
    )


def _dbpn(stages: int, width: int, *, trained: bool = False) -> Variant:
    sizes = {"stages": stages, "width": width, "features": 4 * width}  # the paper's ratio: 256 features at width 64
    options = {"name": "dbpn", "scale": SCALE, **sizes, "residual": True}
    return Variant(f"dbpn-{stages}x{width}", f"DBPN-{stages}", options, trained)


TRAINED_DBPN = {(2, 16), (6, 8)}
VARIANTS = (
    _interpolation("bicubic", trained=True),
    _interpolation("bilinear"),
    _abpn(16, 4),
    _abpn(32, 6),
    _abpn(48, 8),
    *(_dbpn(stages, width, trained=(stages, width) in TRAINED_DBPN) for stages in (2, 4, 6) for width in (8, 16, 32)),
    _dbpn(6, 64),  # the paper's
)
