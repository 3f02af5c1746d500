"""Addresses of network cameras: whose options are whose, and what in them nobody may read."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Collection
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from fissura.errors import ConfigError

logger = logging.getLogger(__name__)

_LOGIN = re.compile(r":(//)?.*@")
_SECRET = re.compile(r"([^?&/=]*(?:pass|pwd|token|secret)[^?&/=]*|[^?&/=]*(?:key|auth))=([^?&/]+)", re.IGNORECASE)


def without_secrets(uri: str) -> str:
    """An address that may be shown: without its login, and with *** for passwords among its parameters.

    Example:
        >>> without_secrets("rtsp://admin:1234@cam:554/live?channel=1&token=77")
        'rtsp://cam:554/live?channel=1&token=***'
    """
    return _SECRET.sub(r"\1=***", _LOGIN.sub("://", uri, count=1))


def secrets_of(url: str) -> list[str]:
    """What must not be shown, as it stands in the address and decoded; the longest first."""
    password = urlsplit(url).password
    found = [value for _, value in _SECRET.findall(url)] + ([password] if password else [])
    return sorted({form for secret in found for form in (secret, unquote(secret))}, key=len, reverse=True)


def split_options(uri: str, ours: Collection[str]) -> tuple[str, dict[str, str]]:
    """Tell our options from the camera's own parameters, which stay in the address as they are.

    Ours are those whose key is spelt exactly like one of `ours`. A camera's parameter of the same name is passed on
    with one of its letters percent-encoded.

    Example:
        >>> split_options("rtsp://cam/live?channel=1&timeout=3&%74imeout=60", {"timeout"})
        ('rtsp://cam/live?channel=1&%74imeout=60', {'timeout': '3'})

    Raises:
        ConfigError: one of our options stands twice.
    """
    address, _, query = uri.partition("?")
    options: dict[str, str] = {}
    theirs = []
    for part in query.split("&") if query else []:
        key, _, value = part.partition("=")
        if key not in ours:
            theirs.append(part)
            if near := difflib.get_close_matches(key, ours, n=1, cutoff=0.8):
                logger.warning("the option %r goes to the camera; if it is meant for us, write %r", key, near[0])
        elif key in options:
            raise ConfigError(
                f"source {without_secrets(uri)!r}: option {key!r} stands twice", expected="every option once"
            )
        else:
            options[key] = unquote(value.replace("+", " "))
    return address + ("?" + "&".join(theirs) if theirs else ""), options


def check_url(url: str) -> None:
    """Refuse what would be understood otherwise than it was meant.

    Raises:
        ConfigError: there is no host, or a login that is not percent-encoded.
    """
    shown = without_secrets(url)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    beyond = url.partition("//")[2].partition("/")[2]
    if not host or "@" in beyond or url.count("@") > 1:
        raise ConfigError(
            f"source {shown!r} is no address of a camera",
            expected="rtsp://USER:PASSWORD@HOST:PORT/PATH, for example",
            fix="in user and password, write @ as %40, / as %2F, : as %3A, # as %23, ? as %3F",
        )


def with_password(url: str, password: str) -> str:
    """Put a password behind the user that the address names."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}"))
