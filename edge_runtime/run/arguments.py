"""The command line of `fissura run`, made of `RunConfig`, and what the two together say."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from edge_runtime.arguments import engine_option
from edge_runtime.run.config import RunConfig
from fissura.config import load_config, parse_config
from fissura.errors import ConfigError

REQUIRED = ("bundle", "source", "sink")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare `--config`, and an option for each field. What is not given is not in the namespace."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="YAML",
        help="file with any of these options as keys; the command line has the last word",
    )
    for name, field in RunConfig.model_fields.items():
        key = field.alias or name
        _add_option(parser, f"--{key.replace('_', '-')}", key, field)


def _add_option(parser: argparse.ArgumentParser, flag: str, key: str, field: FieldInfo) -> None:
    extra = field.json_schema_extra
    help_ = field.description or ""
    if not field.is_required() and field.default not in (None, False) and "default:" not in help_:
        help_ += "" if key == "engine_option" else f" (default: {field.default})"
    options: dict[str, Any] = {"dest": key, "default": argparse.SUPPRESS, "help": help_.replace("%", "%%")}
    if isinstance(extra, dict):
        options["metavar"] = extra["metavar"]
    if field.annotation is bool:
        options["action"] = argparse.BooleanOptionalAction if field.default else "store_true"
    elif key in ("source", "sink", "engine_option"):
        options["action"] = "append"
    choices = _choices(field.annotation)
    if choices:
        options["choices"] = choices
    if key == "engine_option":
        options["type"] = engine_option
    parser.add_argument(flag, **options)


def _choices(annotation: Any) -> tuple[str, ...]:
    """The words of a `Literal`, also inside a union."""
    if get_origin(annotation) is None:
        return ()
    words: list[str] = []
    for part in get_args(annotation):
        words += [part] if isinstance(part, str) else _choices(part)
    return tuple(words) if all(isinstance(word, str) for word in words) else ()


def read_config(arguments: argparse.Namespace) -> RunConfig:
    """What file and command line say together.

    Raises:
        ConfigError: either is wrong, or what a run needs is in neither.
    """
    given = {
        (field.alias or name): getattr(arguments, field.alias or name)
        for name, field in RunConfig.model_fields.items()
        if hasattr(arguments, field.alias or name)
    }
    if "engine_option" in given:
        given["engine_option"] = dict(given["engine_option"])
    lacking = [name for name in REQUIRED if name not in given]
    if arguments.config is None:
        if lacking:
            raise ConfigError(
                f"nothing says {' or '.join(f'--{name}' for name in lacking)}",
                expected="them on the command line or in --config",
                fix="fissura run --help",
            )
        return parse_config(RunConfig, given, origin="command line")
    # Alone first: what is wrong with it is not the file's fault.
    parse_config(RunConfig, {**dict.fromkeys(lacking, "x"), **given}, origin="command line")
    return load_config(RunConfig, arguments.config, given)
