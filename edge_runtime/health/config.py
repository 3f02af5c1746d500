"""Options of the health of a run."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from fissura.config import Config
from fissura.errors import ConfigError

LOOPBACK = "127.0.0.1"


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of ``PORT``, ``HOST:PORT`` or ``[IPV6]:PORT``; without a host only this device is answered.

    Raises:
        ConfigError: it is none of these.
    """
    match = re.fullmatch(r"(?:(?:\[([0-9A-Fa-f:.%\w]+)\]|([^\s:\[\]]+)):)?([0-9]{1,5})", text)
    if match is None or int(match[3]) > 65535:
        raise ConfigError(f"health address {text!r}", expected="PORT or HOST:PORT, such as 9770 or 0.0.0.0:9770")
    return match[1] or match[2] or LOOPBACK, int(match[3])


def _checked(address: str) -> str:
    try:
        parse_address(address)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return address


# In a YAML file a port alone is a number.
Address = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
    AfterValidator(_checked),
]


class HealthConfig(Config):
    """What counts as healthy, and who may ask."""

    address: Address | None = Field(None, description="PORT or HOST:PORT of /metrics and /healthz; null: no endpoint")
    frame_limit_s: float = Field(10, gt=0, description="a camera silent for longer is a fault")
    processing_limit_s: float = Field(30, gt=0, description="frames waiting for longer than this are a fault")
    slow_when_throttled: bool = Field(True, description="process fewer frames of live cameras while throttled")
    hot_c: float | None = Field(None, gt=0, le=150, description="temperature that counts as throttled; null: none")
