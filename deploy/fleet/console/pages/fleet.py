"""The table of all devices: filtered and cut into pages on the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from deploy.fleet.console.render import Renderer
from deploy.fleet.registry.registry import Registry
from deploy.fleet.registry.rows import Device
from fissura.update_messages import FAILURES, Phase

ROWS = 100  # of a page
ALL_FAILURES = "failures"
FACTORY = "factory"


@dataclass(frozen=True)
class FleetFilter:
    """What stands in the page's form; empty: all.

    Attributes:
        text: part of a serial, a reason or a kind of device.
        phase: a phase, or `ALL_FAILURES`.
        active: a release's number, or `FACTORY`.
        online: 'yes' or 'no'.
        channel: name of one.
    """

    text: str = ""
    phase: str = ""
    active: str = ""
    online: str = ""
    channel: str = ""

    def takes(self, device: Device) -> bool:
        """Whether a device is shown."""
        words = (device.serial, device.reason or "", device.hardware or "")
        return (
            (not self.text or any(self.text.lower() in word.lower() for word in words))
            and (not self.phase or device.phase == self.phase or (self.phase == ALL_FAILURES and _failed(device)))
            and (not self.active or self.active == _active(device))
            and (not self.online or device.online == (self.online == "yes"))
            and (not self.channel or device.channel == self.channel)
        )

    def address(self, page: int) -> str:
        """Of a page with this filter."""
        named = {
            "q": self.text,
            "phase": self.phase,
            "active": self.active,
            "online": self.online,
            "channel": self.channel,
        }
        return "/?" + urlencode({name: value for name, value in named.items() if value} | {"page": page})


class FleetPage:
    """`/`.

    Args:
        registry: what the devices have reported.
        renderer: of the templates.
    """

    def __init__(self, registry: Registry, renderer: Renderer) -> None:
        self._registry = registry
        self._renderer = renderer

    def show(self, request: Request) -> Response:
        """Answer a request."""
        wanted = _read(request.query_params)
        devices = self._registry.devices()
        chosen = [device for device in devices if wanted.takes(device)]
        pages = max(1, -(-len(chosen) // ROWS))
        page = min(max(1, _page(request.query_params.get("page", ""))), pages)
        return self._renderer.page(
            "fleet.html",
            wanted=wanted,
            summary=_summary(devices),
            chosen=len(chosen),
            rows=chosen[(page - 1) * ROWS : page * ROWS],
            first=(page - 1) * ROWS + 1,
            page=page,
            pages=pages,
            before=wanted.address(page - 1) if page > 1 else None,
            after=wanted.address(page + 1) if page < pages else None,
            phases=get_args(Phase),
            releases=_releases(devices),
            channels=sorted({device.channel for device in devices if device.channel}),
            failures=FAILURES,
        )


def _read(query: Mapping[str, str]) -> FleetFilter:
    return FleetFilter(
        text=query.get("q", "").strip()[:100],
        phase=query.get("phase", ""),
        active=query.get("active", ""),
        online=query.get("online", ""),
        channel=query.get("channel", ""),
    )


def _page(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 1


def _failed(device: Device) -> bool:
    return device.phase in FAILURES


def _active(device: Device) -> str:
    return FACTORY if device.active is None else str(device.active)


def _summary(devices: Sequence[Device]) -> list[tuple[str, int, str]]:
    """Title, number of devices, and where they are shown."""
    phases = Counter(device.phase for device in devices)
    failed = sum(phases[phase] for phase in FAILURES)
    under_way = len(devices) - failed - phases["committed"] - phases["idle"] - phases["deferred"]
    return [
        ("devices", len(devices), "/"),
        ("online", sum(device.online for device in devices), "/?online=yes"),
        ("committed", phases["committed"], "/?phase=committed"),
        ("updating", under_way, ""),
        ("deferred", phases["deferred"], "/?phase=deferred"),
        ("failed", failed, f"/?phase={ALL_FAILURES}"),
    ]


def _releases(devices: Sequence[Device]) -> list[str]:
    found = {_active(device) for device in devices}
    return sorted(found, key=lambda name: -int(name) if name != FACTORY else 0)
