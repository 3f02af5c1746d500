"""How a baseline is named on the command line: ``baseline:NAME[:DATA][:OPTION=VALUE,...]``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fissura.errors import UsageError

PREFIX = "baseline:"
FORM = "baseline:NAME, baseline:NAME:OPTION=VALUE,... or baseline:NAME:DATA[:OPTION=VALUE,...]"
DROP = "drop"


@dataclass(frozen=True)
class BaselineSpec:
    """A baseline as the user named it.

    Attributes:
        name: of the table `BASELINES`.
        data: the data set whose training list it is fitted on, by path or name; None for no fitting.
        drop: IDs left out of that list.
        options: the baseline's own, still as text.
    """

    name: str
    data: str | None
    drop: tuple[str, ...]
    options: dict[str, str]


def parse_spec(text: str) -> BaselineSpec:
    """Read a baseline's name, data set and options.

    Example:
        >>> parse_spec("baseline:structured_forest:cfd:trees=4,drop=042+054").drop
        ('042', '054')

    Raises:
        UsageError: `text` has another form, names an option twice, or drops images without a data set.
    """
    name, *rest = text.removeprefix(PREFIX).split(":")
    options: dict[str, str] = {}
    if rest and re.match(r"\w+=", rest[-1]):
        for part in rest.pop().split(","):
            key, equals, value = part.partition("=")
            if not (key and equals and value):
                raise UsageError(f"option {part!r} of {text!r}", expected="OPTION=VALUE")
            if key in options:
                raise UsageError(f"option {key!r} stands twice in {text!r}", expected="every option once")
            options[key] = value
    data = ":".join(rest) or None  # a path may hold a colon
    if not name or (rest and data is None):
        raise UsageError(f"{text!r} names no baseline", expected=FORM)
    drop = tuple(part for part in options.pop(DROP, "").split("+") if part)
    if drop and data is None:
        raise UsageError(f"{text!r} drops images of no data set", expected=FORM)
    return BaselineSpec(name, data, drop, options)
