from __future__ import annotations

from datetime import datetime, timezone

import pytest

from edge_runtime.updates.fitness import Device, check_fitness
from fissura.errors import RejectedError
from fissura.release import Release


def release(**more: object) -> Release:
    return Release.model_validate(
        {
            "model": "cracks",
            "release": 1,
            "created_utc": datetime.now(timezone.utc),
            "bundle_id": "0" * 64,
            "files": [{"path": "manifest.json", "length": 1, "sha256": "0" * 64}],
            **more,
        }
    )


@pytest.mark.parametrize(
    ("oldest", "newest", "found", "fits"),
    [
        ("8.6", None, "8.6.1", True),
        ("8.6", None, "8.5.3", False),
        ("8.6", "10", "10.16.1.11", True),
        ("8.6", "10", "11.0.0", False),
        ("10.3", "10.3", "10.3.0.30", True),
        ("10.3", "10.3", "10.4.0", False),
        (None, None, "8.0", True),
        (None, "10", None, False),
        ("10", None, "9.9", False),
    ],
)
def test_tensorrt(oldest: str | None, newest: str | None, found: str | None, fits: bool) -> None:
    document = release(tensorrt={"oldest": oldest, "newest": newest})
    device = Device("jetson", found)
    if fits:
        check_fitness(document, device)
    else:
        with pytest.raises(RejectedError, match=r"^tensorrt: "):
            check_fitness(document, device)


@pytest.mark.parametrize(("oldest", "fits"), [("0.8.0", True), ("0.9.0", True), ("0.10.0", False), ("1.0.0", False)])
def test_runtime(oldest: str, fits: bool) -> None:
    device = Device("jetson", None, "0.9.2+local.7")
    if fits:
        check_fitness(release(oldest_fissura=oldest), device)
    else:
        with pytest.raises(RejectedError, match=r"^fissura: "):
            check_fitness(release(oldest_fissura=oldest), device)


@pytest.mark.parametrize(
    ("patterns", "fits"),
    [(["*"], True), (["jetson-orin-*"], True), (["x86_64", "jetson-*"], True), (["JETSON*"], False)],
)
def test_hardware(patterns: list[str], fits: bool) -> None:
    device = Device("jetson-orin-nx", None)
    if fits:
        check_fitness(release(hardware=patterns), device)
    else:
        with pytest.raises(RejectedError, match=r"^hardware: "):
            check_fitness(release(hardware=patterns), device)
