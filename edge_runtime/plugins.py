"""Addresses such as `folder:/data/run1?fps=10`, and the lazy tables that they are looked up in."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from fissura.errors import ConfigError


@dataclass(frozen=True)
class Address:
    """A plugin's address: ``scheme:target?option=value&...``.

    Attributes:
        uri: as it was given.
        scheme: names the row of the table.
        target: what stands between the scheme and the options: a path, a host.
        options: for the plugin's configuration class.
    """

    uri: str
    scheme: str
    target: str
    options: dict[str, str]


def parse_address(uri: str, table: Mapping[str, str], *, what: str) -> Address:
    """Split an address and check its scheme against a table.

    Args:
        uri: for example ``folder:/data/run1?fps=10``.
        table: scheme -> ``module:Class``.
        what: what the table holds, for the message: 'source', 'sink'.

    Raises:
        ConfigError: the scheme is unknown, or an option stands twice.
    """
    scheme, colon, rest = uri.partition(":")
    if not colon or scheme not in table:
        near = difflib.get_close_matches(scheme, table, n=1, cutoff=0.5) if colon else []
        raise ConfigError(
            f"{what} {uri!r} has no known scheme",
            expected=f"one of: {', '.join(f'{name}:' for name in table)}",
            fix=f"did you mean {near[0] + ':' + rest!r}?" if near else f"write the kind of {what} first",
        )
    target, _, query = rest.partition("?")
    options: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key in options:
            raise ConfigError(f"{what} {uri!r}: option {key!r} stands twice", expected="every option once")
        options[key] = value
    return Address(uri, scheme, target, options)


def load_class(location: str) -> Any:
    """Import ``module:Class``; only now does the plugin's library load."""
    module, _, name = location.partition(":")
    return getattr(importlib.import_module(module), name)
