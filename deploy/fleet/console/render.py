"""Templates. Everything that is put into one is escaped: devices are not trusted."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from deploy.fleet.console.options import ConsoleOptions
from deploy.fleet.console.pages.freshness import Freshness

TEMPLATES = Path(__file__).parent / "templates"
LONG_AGO_S = 1.0  # the registry says 0 for never


class Renderer:
    """Fills templates.

    Args:
        options: of the console.
        freshness: of what the pages show.
    """

    def __init__(self, options: ConsoleOptions, freshness: Freshness) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"ago": ago, "moment": moment, "hour": hour, "number": number}
        self._environment.globals |= {"options": options, "freshness": freshness}

    def page(self, name: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page from a template."""
        return HTMLResponse(self._environment.get_template(name).render(**values), status)


def ago(at_s: float) -> str:
    """How long ago a time (UTC, seconds) was, in words."""
    if at_s < LONG_AGO_S:
        return "never"
    age_s = time.time() - at_s
    if age_s < -60:
        return "in the future"
    if age_s < 60:
        return "less than 1 min ago"
    for unit, length_s in (("d", 86_400), ("h", 3600), ("min", 60)):
        if age_s >= length_s:
            return f"{age_s / length_s:.0f} {unit} ago"
    raise AssertionError("every age has a unit")


def moment(at_s: float | None) -> str:
    """A time (UTC, seconds) as people write it; empty for none."""
    if at_s is None or at_s < LONG_AGO_S:
        return ""
    try:
        return f"{datetime.fromtimestamp(at_s, timezone.utc):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError):  # a device may say anything
        return "no date"


def hour(at_s: float) -> str:
    """Hour and minute of a time (UTC, seconds)."""
    return f"{datetime.fromtimestamp(at_s, timezone.utc):%H:%M}"


def number(value: float) -> str:
    """A measured figure, short."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.4g}"
