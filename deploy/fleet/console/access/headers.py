"""Headers of every answer: nothing is run, shown or sent that does not come from this page itself."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'{tiles}; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Headers:
    """ASGI middleware.

    Args:
        app: behind it.
        tiles: address of map tiles, whose host may be asked for pictures.
        secure: whether the page is given out over TLS.
    """

    def __init__(self, app: ASGIApp, tiles: str | None, *, secure: bool) -> None:
        self._app = app
        host = "" if tiles is None else " " + "://".join(urlsplit(tiles)[:2])
        self._fixed = {
            "content-security-policy": POLICY.format(tiles=host),
            "x-content-type-options": "nosniff",
            "referrer-policy": "same-origin",  # with none, browsers hide the origin of our own forms from us
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "permissions-policy": "camera=(), geolocation=(), microphone=()",
        }
        if secure:
            self._fixed["strict-transport-security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._fixed.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, with_headers)
