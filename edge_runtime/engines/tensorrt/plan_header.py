"""Which TensorRT built a plan, read from its first bytes without loading it."""

from __future__ import annotations

HEADER_BYTES = 28
TAG = b"ftrt"
VERSION_AT = 24

Version = tuple[int, ...]


def plan_version(head: bytes) -> Version | None:
    """Version (major, minor, patch, build) of a plan.

    Args:
        head: its first 28 bytes, or more.

    Returns:
        None: these are not the first bytes of a plan.

    Example:
        >>> plan_version(b"ftrt" + bytes(20) + bytes([10, 3, 0, 30]))
        (10, 3, 0, 30)
    """
    if len(head) < HEADER_BYTES or not head.startswith(TAG):
        return None
    return tuple(head[VERSION_AT:HEADER_BYTES])


def same_version(plan: Version, library: Version) -> bool:
    """Whether a plan fits a library, which may not state all four numbers (`10.3.0` has no build)."""
    known = min(len(plan), len(library))
    return plan[:known] == library[:known]


def version_text(version: Version) -> str:
    """As people write it."""
    return ".".join(map(str, version))
