"""The application: which address is answered by which page, behind the gate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from deploy.fleet.console.access.attempts import Attempts
from deploy.fleet.console.access.gate import Gate
from deploy.fleet.console.access.headers import Headers
from deploy.fleet.console.access.sessions import Sessions
from deploy.fleet.console.access.token import TokenCheck
from deploy.fleet.console.detections.store import DetectionStore
from deploy.fleet.console.intake import Intake
from deploy.fleet.console.options import ConsoleOptions
from deploy.fleet.console.pages.audit import AuditPage
from deploy.fleet.console.pages.cracks import CracksPage
from deploy.fleet.console.pages.device import DevicePage
from deploy.fleet.console.pages.fleet import FleetPage
from deploy.fleet.console.pages.freshness import Freshness
from deploy.fleet.console.pages.login import LoginPage
from deploy.fleet.console.pages.rollouts import RolloutsPage
from deploy.fleet.console.render import Renderer
from deploy.fleet.registry.registry import Registry

STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True)
class Sources:
    """Where the pages look.

    Attributes:
        registry: devices, roll-outs, audit.
        store: cracks.
        token: hash of the token, a file.
        intake: from the broker; None: the console has none.
    """

    registry: Registry
    store: DetectionStore
    token: Path
    intake: Intake | None = None


def make_app(sources: Sources, options: ConsoleOptions) -> Starlette:
    """Put the console together."""
    renderer = Renderer(options, Freshness(sources.registry, sources.intake))
    token, sessions = TokenCheck(sources.token), Sessions()
    login = LoginPage(token, sessions, Attempts(), renderer, secure=options.secure)
    cracks = CracksPage(sources.store, renderer)

    def problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if "text/html" not in request.headers.get("accept", ""):
            return PlainTextResponse(str(error.detail), error.status_code)
        return renderer.page("problem.html", error.status_code, words=str(error.detail))

    return Starlette(
        routes=[
            Route("/", FleetPage(sources.registry, renderer).show),
            Route("/devices/{serial}", DevicePage(sources.registry, sources.store, renderer).show),
            Route("/rollouts", RolloutsPage(sources.registry, renderer).show),
            Route("/audit", AuditPage(sources.registry, renderer).show),
            Route("/map", cracks.show),
            Route("/cracks/clusters", cracks.clusters),
            Route("/cracks/totals", cracks.totals),
            Route("/cracks/{event_id:uuid}", cracks.crack),
            Route("/cracks.geojson", cracks.geojson),
            Route("/cracks.csv", cracks.csv),
            Route("/login", login.show),
            Route("/login", login.enter, methods=["POST"]),
            Route("/logout", login.leave, methods=["POST"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[
            Middleware(Headers, tiles=options.tiles, secure=options.secure),
            Middleware(Gate, sessions=sessions, token=token, secure=options.secure),
        ],
        exception_handlers={HTTPException: problem},
    )
