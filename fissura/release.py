"""What a fleet's repository says: releases of a model, and which of them a channel gives to whom.

Both documents are targets of a TUF repository, which is where their trust comes from; nothing in them is believed that
the repository's metadata does not vouch for. Readers tolerate unknown fields and gate on the major `schema_version`.

Targets of a repository::

    channel/<channel>.json             Channel: changes with every wave
    <model>/<release>/release.json     Release: never changes
    <model>/<release>/manifest.json    and every other file of the bundle: never changes
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Annotated, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from fissura.bundle import MANIFEST_NAME, NAME, Sha256
from fissura.errors import ReleaseError
from fissura.schema_version import CURRENT, SchemaVersion

RELEASE_NAME = "release.json"
CHANNEL_NAME = r"^[a-z0-9][a-z0-9-]{0,31}$"
LARGEST_DOCUMENT = 1 << 20  # bytes of a release or channel document; a larger one is an attack, not a model

D = TypeVar("D", bound="_Document")
Counter = Annotated[int, Field(ge=1, le=2**31 - 1)]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    schema_version: SchemaVersion = CURRENT

    def to_json(self) -> bytes:
        """The document as it is signed: UTF-8, indented for whoever reads it on the server."""
        return self.model_dump_json(indent=2).encode() + b"\n"


class ReleaseFile(BaseModel):
    """One file of the bundle."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    path: str = Field(description="within the bundle, with slashes")
    length: int = Field(ge=0, description="bytes")
    sha256: Sha256

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        parts = PurePosixPath(path).parts
        if not parts or path != "/".join(parts) or ".." in parts or path.startswith("/") or "\\" in path:
            raise ValueError(f"{path!r} does not lie inside a bundle")
        if not re.fullmatch(r"[A-Za-z0-9._/-]{1,200}", path):
            raise ValueError(f"{path!r} has characters that not every file system takes")
        return path


class TensorRtRange(BaseModel):
    """Versions of TensorRT that the release was proved with; None: no bound on that side. MAJOR or MAJOR.MINOR."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    oldest: str | None = Field(None, pattern=r"^\d+(\.\d+)?$")
    newest: str | None = Field(None, pattern=r"^\d+(\.\d+)?$", description="inclusive: 10 takes 10.16 too")


class Release(_Document):
    """One release of a model: an immutable bundle, and the devices it is for."""

    model: str = Field(pattern=NAME)
    release: Counter = Field(description="counts the releases of this model; a device never goes back by itself")
    created_utc: AwareDatetime
    bundle_id: Sha256 = Field(description="SHA-256 of the bundle's manifest")
    files: tuple[ReleaseFile, ...] = Field(min_length=1, description="all files of the bundle, its manifest among them")
    hardware: tuple[str, ...] = Field(
        ("*",), min_length=1, description="kinds of devices, as shell patterns: 'jetson-orin-*', 'x86_64', '*'"
    )
    tensorrt: TensorRtRange | None = Field(None, description="null: any, or none at all")
    oldest_fissura: str | None = Field(None, pattern=r"^\d+\.\d+\.\d+$", description="oldest runtime that can run it")
    notes: str = Field("", max_length=10_000)

    @model_validator(mode="after")
    def _whole(self) -> Release:
        paths = [file.path for file in self.files]
        if len(set(paths)) != len(paths):
            raise ValueError("a file is listed twice")
        folders = {str(parent) for path in paths for parent in PurePosixPath(path).parents}
        if folded := sorted(folders & set(paths)):
            raise ValueError(f"{folded[0]} is a file and a folder")
        manifests = [file for file in self.files if file.path == MANIFEST_NAME]
        if not manifests or manifests[0].sha256 != self.bundle_id:
            raise ValueError(f"{MANIFEST_NAME} is not listed with the hash that `bundle_id` states")
        return self

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.length for file in self.files)


class Channel(_Document):
    """What the devices of a channel are to run: `release` where they belong to its wave, else `fallback`."""

    channel: str = Field(pattern=CHANNEL_NAME)
    model: str = Field(pattern=NAME)
    release: Counter
    percent: int = Field(100, ge=0, le=100, description="of the devices that are to run `release`")
    fallback: Counter | None = Field(None, description="release of all the others; null: whatever they have")
    revoked: tuple[Counter, ...] = Field((), description="releases that no device may go on running, if it can help it")
    paused: bool = Field(False, description="no device begins an installation that it has not begun")

    @model_validator(mode="after")
    def _not_revoked(self) -> Channel:
        if {self.release, self.fallback} & set(self.revoked):
            raise ValueError("a channel gives out a release that it revokes")
        return self


def channel_target(channel: str) -> str:
    """Name of a channel's target.

    Raises:
        ReleaseError: no such name can be.
    """
    if not re.fullmatch(CHANNEL_NAME, channel):
        raise ReleaseError(
            f"{channel!r} is no name of a channel", expected="lower-case letters, digits and '-', 32 at most"
        )
    return f"channel/{channel}.json"


def release_target(model: str, release: int, path: str = RELEASE_NAME) -> str:
    """Name of the target of a release's document, or of a file of its bundle."""
    return f"{model}/{release}/{path}"


def read_document(kind: type[D], data: bytes, origin: str) -> D:
    """Read a release or a channel.

    Args:
        kind: which of the two.
        data: at most `LARGEST_DOCUMENT` bytes.
        origin: what the error names.

    Raises:
        ReleaseError: it is none, or of a newer major version.
    """
    if len(data) > LARGEST_DOCUMENT:
        raise ReleaseError(f"{origin} has {len(data)} bytes", expected=f"{LARGEST_DOCUMENT} at most")
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ReleaseError(f"{origin}{f', {where}' if where else ''}: {first['msg']}") from error


def load_release(path: Path) -> Release:
    """Read a release's document from a file.

    Raises:
        ReleaseError: it cannot be read, or is none.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ReleaseError(f"{path} cannot be read: {error}") from error
    return read_document(Release, data, str(path))
