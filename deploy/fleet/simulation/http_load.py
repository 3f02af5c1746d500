"""What the repository's server had to give out, and what the splay had it planned to."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from deploy.fleet.simulation.fates import in_waves
from deploy.fleet.simulation.stage import Stage
from fissura.release import RELEASE_NAME

LEAST_DEVICES = 1000  # in the largest wave; of fewer, chance makes peaks that say nothing


class Load(NamedTuple):
    """Bodies, bytes a second.

    Attributes:
        planned: bytes of the largest wave's devices / splay window, with everybody's look and the polls.
        wave_devices: of that wave.
        install_bytes: that a protocol-only device fetches for the release.
        look_bytes: that it fetches for a look.
    """

    planned: float
    wave_devices: int
    install_bytes: int
    look_bytes: int


def planned(stage: Stage, release: int) -> Load:
    """The load that a roll-out should bring."""
    pace, waves, whole = stage.plan.pace, stage.plan.waves, set(stage.full)
    metadata = stage.home.metadata
    look_bytes = (metadata / "timestamp.json").stat().st_size
    newest = [max(metadata.glob(f"*.{role}.json"), key=_version).stat().st_size for role in ("snapshot", "targets")]
    channel = next((stage.home.targets / "channel").glob("*.json"))
    whole_look_bytes = look_bytes + sum(newest) + channel.stat().st_size
    document = stage.releases[release]
    install_bytes = max(file.length for file in document.files)
    documents = (stage.home.targets / document.model / str(document.release)).glob(f"*.{RELEASE_NAME}")
    whole_install_bytes = document.size + sum(path.stat().st_size for path in documents)
    members: list[set[str]] = []
    for before, percent in zip((0, *waves), waves, strict=False):
        members.append(set(in_waves(stage.fleet, release, percent)) - set(in_waves(stage.fleet, release, before)))
    largest = max(members, key=len)
    installs = sum(whole_install_bytes if serial in whole else install_bytes for serial in largest)
    looks = sum(whole_look_bytes if serial in whole else look_bytes for serial in stage.fleet)
    rate = (installs + looks) / pace.window_s + looks / pace.poll_s
    return Load(rate, len(largest), install_bytes, look_bytes)


def rates(served: dict[str, Any], key: str, begin_s: float, end_s: float) -> list[tuple[int, int]]:
    """What was given out in each whole second, from one moment to another, monotonic."""
    seconds = {int(second): count for second, count in served[key].items()}
    return [(second, seconds.get(second, 0)) for second in range(int(begin_s), int(end_s) + 1)]


def _version(path: Path) -> int:
    return int(path.name.split(".")[0])
