"""Options of engines where a command runs several of them, each with its own: ``KIND.NAME=VALUE``."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress

from edge_runtime.arguments import engine_option
from edge_runtime.engines import ENGINES
from edge_runtime.stored_graph import engine_class
from fissura.errors import UsageError

# Options by name, of each kind of engine.
EngineOptions = Mapping[str, Mapping[str, object]]

# What such a command decides itself, for all engines alike: see `proving_options`.
DECIDED = ("size", "fallback", "threads")
HELP = "option of an engine, as its NAME=VALUE in `fissura run`; may be repeated"


def option_of_kind(text: str) -> tuple[str, str, object]:
    """Kind of the engine, name and value of its option, from ``KIND.NAME=VALUE``."""
    kind, _, rest = text.partition(".")
    with suppress(argparse.ArgumentTypeError):  # which would not tell of the kind
        if kind in ENGINES:
            return kind, *engine_option(rest)
    raise argparse.ArgumentTypeError(
        f"found {text!r}, expected KIND.NAME=VALUE such as tensorrt.cuda=pycuda, KIND one of {', '.join(ENGINES)}"
    )


def options_by_kind(given: Iterable[tuple[str, str, object]], running: Collection[str]) -> EngineOptions:
    """What stands on the command line, sorted by engine.

    Args:
        given: kind, name, value; of a name that is there twice, the last holds.
        running: the kinds that the command runs.

    Raises:
        UsageError: an option of an engine that does not run, that this engine does not have, or that the command
            decides itself.
        MissingDependencyError: the engine's library is not installed.
    """
    found: dict[str, dict[str, object]] = {}
    for kind, name, value in given:
        if kind not in running:
            raise UsageError(
                f"--engine-option {kind}.{name} is of an engine that does not run here",
                expected=f"one of: {', '.join(running)}",
                fix=f"leave it out, or name {kind} among --engines",
            )
        known = [option for option in engine_class(kind).config_class.model_fields if option not in DECIDED]
        if name not in known:
            raise UsageError(
                f"--engine-option {kind}.{name}: "
                + ("this command decides that itself" if name in DECIDED else f"engine {kind} has no such option"),
                expected=f"one of: {', '.join(known)}",
            )
        found.setdefault(kind, {})[name] = value
    return found
