"""The shapes that a plan is built for: its optimisation profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fissura.bundle import GraphInput

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Profile:
    """Smallest, most usual and largest input batch, in the layout of the graph.

    Attributes:
        smallest: one image of the smallest size that the graph takes.
        usual: what the plan is tuned for.
        largest: what memory is reserved for.
    """

    smallest: Shape
    usual: Shape
    largest: Shape

    def text(self) -> str:
        """As part of a plan's key."""
        return " ".join("x".join(map(str, shape)) for shape in (self.smallest, self.usual, self.largest))


def profile_for(spec: GraphInput, size: tuple[int, int], max_batch: int) -> Profile:
    """The profile for a camera's frame.

    Args:
        spec: the manifest's word on the input.
        size: width and height of the frame, pixels.
        max_batch: images at once.
    """
    width, height = (padded_side(side, spec) for side in size)
    least = padded_side(1, spec)
    return Profile(
        smallest=batch_shape(spec, 1, min(least, height), min(least, width)),
        usual=batch_shape(spec, max_batch, height, width),
        largest=batch_shape(spec, max_batch, height, width),
    )


def batch_shape(spec: GraphInput, batch: int, height: int, width: int) -> Shape:
    """Shape of a batch in the input's layout."""
    return (batch, height, width, 3) if spec.layout == "NHWC" else (batch, 3, height, width)


def padded_side(side: int, spec: GraphInput) -> int:
    """A side as the graph gets it: not below `min_size`, up to a multiple of `multiple`."""
    return -(-max(side, spec.min_size) // spec.multiple) * spec.multiple


def fits(shape: Shape, profile: Profile) -> bool:
    """Whether a batch lies within the profile."""
    return len(shape) == len(profile.largest) and all(
        low <= axis <= high for low, axis, high in zip(profile.smallest, shape, profile.largest, strict=True)
    )


def clamped(profile: Profile, declared: Sequence[int | str | None]) -> Profile:
    """The profile of a graph that fixes some axes.

    Args:
        profile: as asked for.
        declared: shape of the graph's input; a number where it is fixed.
    """

    def fixed(shape: Shape) -> Shape:
        return tuple(axis if isinstance(axis, int) else asked for asked, axis in zip(shape, declared, strict=True))

    return Profile(fixed(profile.smallest), fixed(profile.usual), fixed(profile.largest))


def size_beyond(shape: Shape, profile: Profile, spec: GraphInput) -> tuple[int, int] | None:
    """Width and height that a profile would have to grow to for a batch.

    Returns:
        None: it has not to grow, or growing would not help.
    """
    rows, columns, channels = (1, 2, 3) if spec.layout == "NHWC" else (2, 3, 1)
    if len(shape) != 4 or shape[channels] != profile.largest[channels]:
        return None
    height, width = max(shape[rows], profile.largest[rows]), max(shape[columns], profile.largest[columns])
    return None if (height, width) == (profile.largest[rows], profile.largest[columns]) else (width, height)
