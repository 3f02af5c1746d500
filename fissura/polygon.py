"""The outline of a crack, as an array: a frame's outlines have hundreds of points, and Python's numbers are dear."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

Point = tuple[float, float]


class Polygon(Sequence[Point]):
    """The corners of a closed polygon; the last one is followed by the first.

    In JSON it is a list of pairs. `Message.to_json` writes int32 points as whole numbers (`12`, not `12.0`): that
    saves a sixth of a detection's bytes.

    Args:
        points: (n, 2) x and y, int32 or anything that becomes float64; an array of these types without gaps is not
            copied, and must not change any more.

    Raises:
        ValueError: they are no pairs, or not finite.

    Attributes:
        points: (n, 2) int32 or float64, read-only.
    """

    __slots__ = ("points",)

    def __init__(self, points: ArrayLike = ()) -> None:
        array = np.asarray(points, order="C")  # what orjson writes
        if array.dtype != np.int32:
            array = np.asarray(array, np.float64)
            if not np.isfinite(array).all():
                raise ValueError("a coordinate is not finite")
        if not array.size:
            array = array.reshape(0, 2)
        if array.ndim != 2 or array.shape[1] != 2:
            raise ValueError(f"the points have the shape {array.shape}; expected (n, 2)")
        if array.flags.writeable:
            array = array.view()
            array.flags.writeable = False
        self.points: NDArray[np.int32 | np.float64] = array

    @classmethod
    def parts(cls, points: ArrayLike, ends: Iterable[int]) -> list[Polygon]:
        """Several at once, for which the points are looked at once.

        Args:
            points: (n, 2) of all polygons, one after the other, as for one.
            ends: where each ends, ascending; what lies behind the last is left out.
        """
        whole, polygons, begin = cls(points).points, list[Polygon](), 0
        for end in ends:
            part = cls.__new__(cls)
            part.points = whole[begin:end]
            polygons.append(part)
            begin = end
        return polygons

    def __len__(self) -> int:
        return len(self.points)

    @overload
    def __getitem__(self, index: int) -> Point: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Point]: ...
    def __getitem__(self, index: int | slice) -> Point | Sequence[Point]:
        if isinstance(index, slice):
            return Polygon(self.points[index])
        x, y = self.points[index].tolist()
        return x, y

    def __iter__(self) -> Iterator[Point]:
        return map(tuple, self.points.tolist())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Polygon):
            return np.array_equal(self.points, other.points)
        return isinstance(other, tuple) and tuple(self) == other

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"Polygon({self.points.tolist()})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Pairs become a polygon, and a polygon is taken as it is, without a look at its points."""
        pairs: type[Iterable[Point]] = tuple[Point, ...]
        inner = handler.generate_schema(pairs)
        read = core_schema.no_info_after_validator_function(cls, inner)
        return core_schema.json_or_python_schema(
            json_schema=read,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), read]),
            serialization=core_schema.plain_serializer_function_ser_schema(tuple, return_schema=inner),
        )
