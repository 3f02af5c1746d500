"""Addresses of network cameras: whose options are whose, and what in them nobody may read."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Collection, Iterator, Sequence
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from fissura.errors import ConfigError

logger = logging.getLogger(__name__)

_LOGIN = re.compile(r":(//)?.*@", re.DOTALL)
_KEY = re.compile(r"([^?&/=]+)=")
# Of what stands before a =, the word that counts is the last: user=me;pwd=1234
_SECRET_KEY = re.compile(r"(.*[;#\s])?(p|.*(pass|pwd|token|secret).*|.*(key|auth|pw))", re.IGNORECASE | re.DOTALL)
_SHORT = 4  # of a secret that short, only whole words are taken out of a text: with p=1, not every 1


def without_secrets(uri: str) -> str:
    """An address that may be shown: without its login, and with *** for passwords among its parameters.

    Example:
        >>> without_secrets("rtsp://admin:1234@cam:554/live?channel=1&token=77")
        'rtsp://cam:554/live?channel=1&token=***'
    """
    shown, end = "", 0
    uri = _LOGIN.sub("://", uri, count=1)
    for start, stop in _secret_values(uri):
        shown += uri[end:start] + "***"
        end = stop
    return shown + uri[end:]


def secrets_of(url: str) -> list[str]:
    """What must not be shown, as it stands in the address and decoded; the longest first."""
    password = urlsplit(url).password
    found = [url[start:stop] for start, stop in _secret_values(url)] + ([password] if password else [])
    return sorted({form for secret in found for form in (secret, unquote(secret))}, key=len, reverse=True)


def take_out(secrets: Sequence[str], text: str) -> str:
    """A text in which *** stands for every secret, also for one that is written with Python's escapes.

    Args:
        secrets: from `secrets_of`.
        text: such as a library's error message.
    """
    for secret in secrets:
        for form in dict.fromkeys((secret, repr(secret)[1:-1])):
            edges = (r"(?<!\w)", r"(?!\w)") if len(form) < _SHORT else ("", "")
            text = re.sub(re.escape(form).join(edges), "***", text)
    return text


def _secret_values(uri: str) -> Iterator[tuple[int, int]]:
    """Where the values of secret parameters start and stop, one after the other."""
    query = uri.find("?") if "?" in uri else len(uri)
    stop = 0
    for key in _KEY.finditer(uri):
        start = key.end()
        if start < stop or not _SECRET_KEY.fullmatch(unquote(key[1])):
            continue
        ends = "&" if start > query else "?&/"  # behind the ?, a slash is a letter like others
        stop = min((at for end in ends if (at := uri.find(end, start)) >= 0), default=len(uri))
        if stop > start:
            yield start, stop


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
        ConfigError: there is no host, a login that is not percent-encoded, a blank or a control character.
    """
    shown = without_secrets(url)
    if any(char.isspace() or not char.isprintable() for char in url):
        raise ConfigError(
            f"source {shown!r} has a blank or a control character in its address",
            expected="an address without them",
            fix="write a blank as %20; quote the whole address in a shell",
        )
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
