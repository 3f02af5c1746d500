"""Strict YAML configuration: an unknown key is an error that names the key, the nearest valid one and the line."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from fissura.errors import ConfigError

T = TypeVar("T", bound="Config")
V = TypeVar("V")


class Config(BaseModel):
    """Base of every configuration class: immutable, refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def load_config(kind: type[T], path: Path, overrides: dict[str, Any] | None = None) -> T:
    """Read a YAML file into a configuration class.

    Args:
        kind: the configuration class.
        path: the YAML file.
        overrides: dotted keys that replace values of the file, for example ``{"trainer.epochs": 5}``.

    Raises:
        ConfigError: the file is missing or no YAML, a key is unknown or stands twice, or a value is out of range.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", expected="a YAML file") from error
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        lines = _line_numbers(tree, path)
        values = yaml.safe_load(text) or {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: 2024-13-45 reads as a date
        raise ConfigError(f"{path} is no YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds a {type(values).__name__}", expected="keys and values (a YAML mapping)")
    for key, value in (overrides or {}).items():
        _set(values, key, value)
    return parse_config(kind, values, origin=str(path), lines=lines)


def parse_config(
    kind: type[T], values: dict[str, Any], *, origin: str, lines: dict[tuple[str, ...], int] | None = None
) -> T:
    """Build a configuration class from values that come from `origin`.

    Raises:
        ConfigError: a key is unknown, or a value is out of range.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise _explain(kind, error, origin, lines or {}) from error


def checked_section(values: V, check: Callable[[], object]) -> V:
    """For validators of a section that another table describes (a plugin's options): its error gets file and line.

    Args:
        values: the section, returned as it is.
        check: raises ConfigError if it is wrong.
    """
    try:
        check()
    except ConfigError as error:
        raise ValueError(str(error)) from error  # pydantic notes where it stands; `parse_config` tells the line
    return values


def _explain(
    kind: type[BaseModel], error: ValidationError, origin: str, lines: dict[tuple[str, ...], int]
) -> ConfigError:
    # An unknown key comes first: it is often the cause of the "missing" error that stands beside it.
    problem = min(error.errors(), key=lambda entry: entry["type"] != "extra_forbidden")
    path, section = _locate(kind, tuple(str(part) for part in problem["loc"]))
    line = next((lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in lines), None)
    where = f"{origin}, line {line}" if line else origin
    key = ".".join(path)
    if problem["type"] == "extra_forbidden":
        valid = sorted({name for model in section if _is_model(model) for name in model.model_fields})
        near = difflib.get_close_matches(path[-1], valid, n=1, cutoff=0.5)
        return ConfigError(
            f"{where}: unknown key {key!r}",
            expected=f"one of: {', '.join(valid)}" if valid else "",
            fix=f"did you mean {near[0]!r}?" if near else "remove it",
        )
    cause = getattr(problem.get("ctx", {}).get("error"), "__cause__", None)
    if isinstance(cause, ConfigError):  # from a section that `checked_section` looked at
        return ConfigError(f"{where}: {key}: {cause.found}", expected=cause.expected, fix=cause.fix)
    words = problem["msg"].removeprefix("Value error, ")
    found = "" if problem["type"] == "missing" else f" (found {problem['input']!r})"
    return ConfigError(f"{where}: {key}: {words}{found}" if key else f"{where}: {words}")


def _locate(kind: type[BaseModel], location: tuple[str, ...]) -> tuple[tuple[str, ...], list[Any]]:
    """Path of a problem as the file has it, and what its last part was looked for in.

    pydantic's location names the chosen member of a union too, which the file does not.
    """
    path: list[str] = []
    kinds: list[Any] = [kind]
    for part in location[:-1]:
        members = [member for one in kinds for member in _members(one)]
        if len(members) > len(kinds):
            named = [member for member in members if _has_tag(member, part)]
            kinds = named or members
        else:
            path.append(part)
            kinds = [inner for member in members for inner in _inside(member, part)]
    return (*path, *location[-1:]), [member for one in kinds for member in _members(one)]


def _members(annotation: Any) -> list[Any]:
    """Members of a union without None; anything else is its own only member."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [member for inner in get_args(annotation) if inner is not NoneType for member in _members(inner)]
    return [annotation]


def _has_tag(member: Any, tag: str) -> bool:
    """Whether pydantic names this member of a union so: by its discriminating value or its class."""
    if not _is_model(member):
        return False
    values = [value for field in member.model_fields.values() for value in get_args(field.annotation)]
    return tag in values or tag == member.__name__


def _inside(annotation: Any, part: str) -> list[Any]:
    """What stands at a key of a section, an index of a list or a key of a dictionary."""
    if _is_model(annotation):
        field = annotation.model_fields.get(part)
        return [] if field is None else [field.annotation]
    arguments = [argument for argument in get_args(annotation) if argument is not Ellipsis]
    return arguments[-1:]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _set(values: dict[str, Any], dotted: str, value: Any) -> None:
    *sections, last = dotted.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{dotted!r} cannot be set: {section!r} is a value, not a section")
    values[last] = value


def _line_numbers(node: yaml.Node | None, path: Path, prefix: tuple[str, ...] = ()) -> dict[tuple[str, ...], int]:
    """Line of every key, by its path; refuses a key that stands twice, of which YAML would keep the last."""
    lines: dict[tuple[str, ...], int] = {}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            keys = (*prefix, str(key.value))
            line = key.start_mark.line + 1
            if keys in lines:
                raise ConfigError(
                    f"{path}, line {line}: key {'.'.join(keys)!r} stands on line {lines[keys]} already",
                    expected="every key once",
                )
            lines[keys] = line
            lines.update(_line_numbers(value, path, keys))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines.update(_line_numbers(value, path, (*prefix, str(index))))
    return lines
