"""Passwords that stand in files, of brokers and cameras: on a command line every user of the machine could see them."""

from __future__ import annotations

from pathlib import Path

from fissura.errors import ConfigError


def read_password(path: Path) -> str:
    """The first line of a file.

    Raises:
        ConfigError: it cannot be read, or its first line is empty.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"password file {path} cannot be read: {error}") from error
    if not lines or not lines[0]:
        raise ConfigError(f"password file {path} is empty, or has an empty first line", expected="the password there")
    return lines[0]
