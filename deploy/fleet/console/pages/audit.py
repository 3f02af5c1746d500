"""The audit log, newest first, and whether its chain of hashes holds."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import Response

from deploy.fleet.console.pages.audit_words import sentence
from deploy.fleet.console.render import Renderer
from deploy.fleet.registry.registry import Registry
from fissura.errors import FleetError

ROWS = 300


class AuditPage:
    """`/audit`.

    Args:
        registry: of the log.
        renderer: of the templates.
    """

    def __init__(self, registry: Registry, renderer: Renderer) -> None:
        self._registry = registry
        self._renderer = renderer

    def show(self, request: Request) -> Response:
        """Answer a request."""
        try:
            newest, broken = self._registry.verify_audit(), None
        except FleetError as error:
            newest, broken = "", str(error)
        entries = [
            (entry, sentence(entry.action, entry.details), json.dumps(entry.details, ensure_ascii=False))
            for entry in reversed(self._registry.audit(ROWS))
        ]
        return self._renderer.page("audit.html", entries=entries, newest=newest, broken=broken, limit=ROWS)
