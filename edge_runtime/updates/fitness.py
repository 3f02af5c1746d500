"""Whether a release is for this device: decided from its document, before anything else is fetched."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.metadata import PackageNotFoundError, version

from fissura import __version__
from fissura.errors import RejectedError
from fissura.release import Release, TensorRtRange

PACKAGES = ("tensorrt", "tensorrt-cu13", "tensorrt-cu12", "tensorrt-lean")


@dataclass(frozen=True)
class Device:
    """What releases ask about.

    Attributes:
        hardware: kind of device.
        tensorrt: version of TensorRT; None: it has none.
        fissura: version of the runtime.
    """

    hardware: str
    tensorrt: str | None
    fissura: str = __version__


def check_fitness(release: Release, device: Device) -> None:
    """Check a release against the device.

    Raises:
        RejectedError: it is for others.
    """
    if not any(fnmatchcase(device.hardware, pattern) for pattern in release.hardware):
        raise RejectedError(f"hardware: this is {device.hardware}", expected=f"one of: {', '.join(release.hardware)}")
    if release.tensorrt is not None:
        _check_tensorrt(release.tensorrt, device.tensorrt)
    if release.oldest_fissura is not None and _numbers(device.fissura) < _numbers(release.oldest_fissura):
        raise RejectedError(
            f"fissura: this is {device.fissura}",
            expected=f"{release.oldest_fissura} or newer",
            fix="update the device's application first",
        )


def installed_tensorrt() -> str | None:
    """Version of TensorRT as its package states it, without loading it; None: there is no such package."""
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            return version(package)
    return None


def _check_tensorrt(bounds: TensorRtRange, found: str | None) -> None:
    expected = f"TensorRT {bounds.oldest or 'any'} to {bounds.newest or 'any'}"
    if found is None:
        raise RejectedError("tensorrt: there is none", expected=expected)
    numbers = _numbers(found)
    # A bound counts as far as it is stated: 10 takes in 10.16.
    oldest, newest = _numbers(bounds.oldest or ""), _numbers(bounds.newest or "")
    if (oldest and numbers[: len(oldest)] < oldest) or (newest and numbers[: len(newest)] > newest):
        raise RejectedError(f"tensorrt: this is {found}", expected=expected)


def _numbers(text: str) -> tuple[int, ...]:
    """`10.3.0+cuda` as numbers."""
    return tuple(int(part) for part in re.findall(r"\d+", text.partition("+")[0]))
