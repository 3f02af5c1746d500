"""One device: what it runs, and what became of its updates."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from deploy.fleet.console.detections.crack_filter import CrackFilter
from deploy.fleet.console.detections.store import DetectionStore
from deploy.fleet.console.pages.figures import figure_name
from deploy.fleet.console.render import Renderer
from deploy.fleet.registry.registry import Registry
from fissura.update_messages import FAILURES

EVENTS = 200


class DevicePage:
    """`/devices/SERIAL`.

    Args:
        registry: what the devices have reported.
        store: of the cracks.
        renderer: of the templates.
    """

    def __init__(self, registry: Registry, store: DetectionStore, renderer: Renderer) -> None:
        self._registry = registry
        self._store = store
        self._renderer = renderer

    def show(self, request: Request) -> Response:
        """Answer a request."""
        serial = request.path_params["serial"]
        device = self._registry.device(serial)
        totals = self._store.totals(CrackFilter(serial=serial))
        if device is None and not totals.cracks:
            raise HTTPException(404, "No device of this serial was ever heard.")
        return self._renderer.page(
            "device.html",
            serial=serial,
            device=device,
            events=self._registry.events(serial, EVENTS),
            limit=EVENTS,
            totals=totals,
            failures=FAILURES,
            figure_name=figure_name,
        )
