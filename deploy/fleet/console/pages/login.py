"""Logging in and out."""

from __future__ import annotations

import logging
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deploy.fleet.console.access.attempts import REFILL_S, Attempts
from deploy.fleet.console.access.gate import cookie_name
from deploy.fleet.console.access.sessions import LIFETIME_S, Sessions
from deploy.fleet.console.access.token import TokenCheck
from deploy.fleet.console.render import Renderer

logger = logging.getLogger(__name__)

LARGEST_FORM = 4096  # bytes


class LoginPage:
    """`/login` and `/logout`.

    Args:
        token: to compare with.
        sessions: that a right one begins.
        attempts: limit of the wrong ones.
        renderer: of the templates.
        secure: whether the page is given out over TLS.
    """

    def __init__(
        self, token: TokenCheck, sessions: Sessions, attempts: Attempts, renderer: Renderer, *, secure: bool
    ) -> None:
        self._token = token
        self._sessions = sessions
        self._attempts = attempts
        self._renderer = renderer
        self._secure = secure

    def show(self, request: Request) -> Response:
        """The form."""
        return self._renderer.page("login.html", problem=None)

    async def enter(self, request: Request) -> Response:
        """Take the form."""
        address = "unknown" if request.client is None else request.client.host
        if not self._attempts.take(address):
            problem = f"Too many tries. Wait {REFILL_S:.0f} seconds."
            return self._renderer.page("login.html", 429, problem=problem)
        if not self._token.matches(await _token(request)):
            logger.warning("a wrong token from %s", address)
            return self._renderer.page("login.html", 403, problem="This is not the token.")
        self._attempts.forgive(address)
        response = RedirectResponse("/", 303)
        response.set_cookie(
            cookie_name(secure=self._secure),
            self._sessions.begin(self._token.stamp()),
            max_age=int(LIFETIME_S),
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )
        return response

    def leave(self, request: Request) -> Response:
        """Log out."""
        name = cookie_name(secure=self._secure)
        self._sessions.end(request.cookies.get(name, ""))
        response = RedirectResponse("/login", 303)
        response.delete_cookie(name, secure=self._secure, httponly=True, samesite="strict")
        return response


async def _token(request: Request) -> str:
    """The token of a form, of which no more is read than one can have."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_FORM:
            return ""
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=10)
    except ValueError:  # more fields
        return ""
    return fields.get("token", [""])[0].strip()
