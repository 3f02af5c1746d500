"""Lets in who is logged in, and nobody's forms from elsewhere. Around the whole application: no page can forget it."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from deploy.fleet.console.access.sessions import Sessions
from deploy.fleet.console.access.token import TokenCheck

OPEN = ("/login", "/static/")


class Gate:
    """ASGI middleware.

    Args:
        app: behind it.
        sessions: who is logged in.
        token: that opened the sessions.
        secure: whether the page is given out over TLS.
    """

    def __init__(self, app: ASGIApp, sessions: Sessions, token: TokenCheck, *, secure: bool) -> None:
        self._app = app
        self._sessions = sessions
        self._token = token
        self._secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        refusal = self._refusal(HTTPConnection(scope), scope["method"])
        await (self._app if refusal is None else refusal)(scope, receive, send)

    def _refusal(self, connection: HTTPConnection, method: str) -> Response | None:
        if method not in ("GET", "HEAD") and not self._is_own(connection):
            return PlainTextResponse("This form was not sent by this page.", 403)
        path = connection.scope["path"]  # not `connection.url`, which older Starlettes make from the Host header
        if any(path == start or (start.endswith("/") and path.startswith(start)) for start in OPEN):
            return None
        if self._sessions.knows(connection.cookies.get(cookie_name(secure=self._secure), ""), self._token.stamp()):
            return None
        if "text/html" in connection.headers.get("accept", ""):
            return RedirectResponse("/login", 303)
        return PlainTextResponse("Log in first.", 401)

    def _is_own(self, connection: HTTPConnection) -> bool:
        """Whether a browser says that a page of ours has sent this, or it is no browser's."""
        headers = connection.headers
        origin = headers.get("origin")
        if origin is not None:
            own = "https" if self._secure else "http"
            parts = urlsplit(origin)
            return parts.scheme == own and parts.netloc == headers.get("host")
        return headers.get("sec-fetch-site", "none") in ("same-origin", "none")


def cookie_name(*, secure: bool) -> str:
    """The prefix makes browsers refuse such a cookie from anything but this host over TLS."""
    return "__Host-fissura" if secure else "fissura"
