"""The rule of all versioned documents: refuse a newer major version, tolerate everything newer within it."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

SUPPORTED_MAJOR = 1
CURRENT = "1.5"


def _readable(value: str) -> str:
    match = re.fullmatch(r"(\d+)\.(\d+)", value)
    if match is None:
        raise ValueError(f"schema_version is {value!r}; expected MAJOR.MINOR, for example {CURRENT!r}")
    if int(match[1]) != SUPPORTED_MAJOR:
        raise ValueError(
            f"schema_version is {value}; this fissura reads {SUPPORTED_MAJOR}.x (use a fissura of that major version)"
        )
    return value


SchemaVersion = Annotated[
    str, AfterValidator(_readable), Field(json_schema_extra={"pattern": rf"^{SUPPORTED_MAJOR}\.\d+$"})
]
