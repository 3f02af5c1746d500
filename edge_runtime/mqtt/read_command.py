"""What an operator sent, made out: a command, or why it is none."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import get_args

from pydantic import ValidationError
from pydantic_core import from_json

from fissura.errors import UsageError
from fissura.messages import COMMAND_ADAPTER, Command

LONGEST_WORDS = 300
EXPECTED = 'JSON such as {"name": "threshold", "value": 0.4}; see the schema command.json'
_UNION, _ = get_args(Command)
NAMES: tuple[str, ...] = tuple(get_args(kind.model_fields["name"].annotation)[0] for kind in get_args(_UNION))


@dataclass(frozen=True)
class Reading:
    """A payload that was read.

    Attributes:
        command: None: it is none.
        error: why.
        name: of the command, as far as there is one.
        correlation: to be repeated in the answer, even where the rest is wrong.
    """

    command: Command | None
    error: UsageError | None
    name: str | None
    correlation: str | None


def read_command(payload: bytes) -> Reading:
    """Read any bytes at all; never raises."""
    try:
        command = COMMAND_ADAPTER.validate_json(payload)
    except ValidationError as error:
        name, correlation = _field(payload, "name", 32), _field(payload, "correlation", 256)
        if name is not None and name not in NAMES:
            return Reading(None, _unknown(name), name, correlation)
        return Reading(None, UsageError(_words(error), expected=EXPECTED), name, correlation)
    return Reading(command, None, command.name, command.correlation)


def _field(payload: bytes, name: str, longest: int) -> str | None:
    """A text of a command that is wrong elsewhere."""
    try:
        document = from_json(payload)
    except ValueError:
        return None
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, str) and len(value) <= longest else None


def _unknown(name: str) -> UsageError:
    near = difflib.get_close_matches(name, NAMES, n=1)
    return UsageError(
        _bounded(f"there is no command {name!r}"),
        expected=", ".join(NAMES),
        fix=f"did you mean {near[0]!r}?" if near else "",
    )


def _words(error: ValidationError) -> str:
    """The first thing that is wrong, in a line of bounded length."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"][1:])  # the first part is the command's own name
    return _bounded(f"{place}: {first['msg']}" if place else first["msg"])


def _bounded(words: str) -> str:
    return words if len(words) <= LONGEST_WORDS else f"{words[:LONGEST_WORDS]}..."
