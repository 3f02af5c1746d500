"""The map of the cracks, what it asks for, and the cracks as files."""

from __future__ import annotations

from dataclasses import asdict
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from deploy.fleet.console.detections.crack_filter import CrackFilter, read_filter
from deploy.fleet.console.detections.export import csv_table, feature, geojson
from deploy.fleet.console.detections.store import DetectionStore
from deploy.fleet.console.render import Renderer
from fissura.errors import UsageError

NAMES = ("serial", "since", "until", "min_width_mm", "min_width_px", "min_confidence", "min_seen_frames")
EXPORTED = frozenset((*NAMES, "bbox"))
SMALLEST_CELL_DEG = 1e-7


class CracksPage:
    """`/map` and the addresses below `/cracks`.

    Args:
        store: of the cracks.
        renderer: of the templates.
    """

    def __init__(self, store: DetectionStore, renderer: Renderer) -> None:
        self._store = store
        self._renderer = renderer

    def show(self, request: Request) -> Response:
        """The map."""
        values = {name: request.query_params.get(name, "") for name in NAMES}
        try:
            totals, problem = self._store.totals(read_filter(values)), None
        except UsageError as error:  # nothing is shown then: all cracks would pass for those that were asked for
            totals, problem = None, str(error)
        query = urlencode({name: value for name, value in values.items() if value and problem is None})
        return self._renderer.page(
            "map.html",
            status=200 if problem is None else 400,
            values=values,
            problem=problem,
            query=query,
            totals=totals,
        )

    def clusters(self, request: Request) -> Response:
        """What the map shows of a part of the earth: cracks that lie close together as one."""
        wanted = _filter(request)
        try:
            cell = tuple(float(request.query_params[name]) for name in ("cell_lon", "cell_lat"))
        except (KeyError, ValueError) as error:
            raise HTTPException(400, "cell_lon and cell_lat are numbers of degrees") from error
        if not all(SMALLEST_CELL_DEG <= side <= 360 for side in cell):
            raise HTTPException(400, "cell_lon and cell_lat are beyond their bounds")
        found = self._store.clusters(wanted, (cell[0], cell[1]))
        return JSONResponse({"clusters": [asdict(cluster) for cluster in found]})

    def totals(self, request: Request) -> Response:
        """How many cracks there are, and where."""
        return JSONResponse(asdict(self._store.totals(_filter(request))))

    def crack(self, request: Request) -> Response:
        """One crack, as a GeoJSON feature."""
        row = self._store.find(str(request.path_params["event_id"]))
        if row is None or row.longitude_deg is None:
            raise HTTPException(404, "No such crack.")
        return JSONResponse(feature(row), media_type="application/geo+json")

    def geojson(self, request: Request) -> Response:
        """The cracks with a position."""
        rows = self._store.rows(_exported(request))
        return _file(StreamingResponse(geojson(rows), media_type="application/geo+json"), "cracks.geojson")

    def csv(self, request: Request) -> Response:
        """All cracks."""
        rows = self._store.rows(_exported(request))
        return _file(StreamingResponse(csv_table(rows), media_type="text/csv; charset=utf-8"), "cracks.csv")


def _filter(request: Request) -> CrackFilter:
    try:
        return read_filter(request.query_params)
    except UsageError as error:
        raise HTTPException(400, str(error)) from error


def _exported(request: Request) -> CrackFilter:
    """A filter whose every word is known: with a misspelt one a file would hold more than was asked for."""
    if unknown := sorted(set(request.query_params) - EXPORTED):
        raise HTTPException(400, f"{unknown[0][:100]!r} is no parameter; there are {', '.join(sorted(EXPORTED))}")
    return _filter(request)


def _file(response: Response, name: str) -> Response:
    response.headers["content-disposition"] = f'attachment; filename="{name}"'
    return response
