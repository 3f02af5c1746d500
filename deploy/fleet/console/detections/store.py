"""What a store of cracks offers, whichever database it is in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from deploy.fleet.console.detections.crack_filter import Box, CrackFilter
from deploy.fleet.console.detections.sighting import Sighting

PAGE = 1000  # rows that an export reads at a time, so that it holds no transaction while a slow client takes them
MOST_CLUSTERS = 4000


@dataclass(frozen=True)
class Totals:
    """How many cracks there are, and where.

    Attributes:
        cracks: all.
        located: those with a position.
        box: around these; None: there are none.
    """

    cracks: int
    located: int
    box: Box | None


@dataclass(frozen=True)
class Cluster:
    """Cracks that lie close together.

    Attributes:
        count: of the cracks.
        latitude_deg: mean.
        longitude_deg: mean.
        confidence: highest.
        max_width_mm: largest; None: of none of them it is known.
        max_width_px: largest.
        event_id: of one of them: of the only one, where `count` is 1.
    """

    count: int
    latitude_deg: float
    longitude_deg: float
    confidence: float
    max_width_mm: float | None
    max_width_px: float
    event_id: str


class DetectionStore(Protocol):
    """Events, each as its best sighting; those that turned out to be part of others are not given out.

    Safe to use from several threads.
    """

    def add(self, sightings: Sequence[Sighting]) -> int:
        """Store durably what is new, or says more of its event than there is, all at once; returns how many those are.

        Raises:
            ValueError: the database takes a value of one of them never; none is stored.
            FleetError: it takes nothing now.
        """

    def rows(self, wanted: CrackFilter) -> Iterator[Sighting]:
        """Cracks in the order in which they came; a few at a time, so that any number takes little memory."""

    def find(self, event_id: str) -> Sighting | None:
        """One crack."""

    def totals(self, wanted: CrackFilter) -> Totals:
        """How many there are, and where."""

    def clusters(self, wanted: CrackFilter, cell_deg: tuple[float, float]) -> list[Cluster]:
        """Cracks with a position, put together by the cells of a grid, the fullest `MOST_CLUSTERS` cells.

        Args:
            wanted: which of them.
            cell_deg: width and height of a cell, degrees of longitude and latitude.
        """


def open_store(url: str | None, path: Path) -> DetectionStore:
    """PostGIS where an address is given, else SQLite.

    Args:
        url: `postgresql://...`; None: none.
        path: of the SQLite file.

    Raises:
        MissingDependencyError: psycopg is not installed.
        FleetError: the database cannot be opened.
    """
    if url is not None:
        from deploy.fleet.console.detections.postgis import PostgisStore

        return PostgisStore(url)
    from deploy.fleet.console.detections.sqlite import SqliteStore

    return SqliteStore(path)
