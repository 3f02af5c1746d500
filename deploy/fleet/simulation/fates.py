"""What happens to each device, drawn from the seed: the same seed gives the same fleet."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from fissura.cohort import group
from fissura.update_messages import Phase

DEFERRED_SHARE = 0.02
BABBLING_SHARE = 0.01
DUPLICATING_SHARE = 0.02


@dataclass(frozen=True)
class Fate:
    """Of one device.

    Attributes:
        is_deferred: is under way when its turn comes.
        babbles: says things that are no reports, too.
        duplicates: says everything twice.
        pace: factor on the time that its steps take.
    """

    is_deferred: bool
    babbles: bool
    duplicates: bool
    pace: float


def fate(serial: str, seed: int) -> Fate:
    """What happens to a device."""
    draw = random.Random(f"{seed}/{serial}")
    return Fate(
        is_deferred=draw.random() < DEFERRED_SHARE,
        babbles=draw.random() < BABBLING_SHARE,
        duplicates=draw.random() < DUPLICATING_SHARE,
        pace=draw.uniform(0.8, 1.2),
    )


def serials(count: int) -> list[str]:
    """Names of a fleet's devices."""
    return [f"sim-{number:05d}" for number in range(count)]


def failing(fleet: Sequence[str], release: int, share: float, waves: Sequence[int], seed: int) -> dict[str, Phase]:
    """Devices on which a bad release fails, and how: two of three by the self-test, the third crashes in canary.

    The share holds in every wave, as nearly as its size lets it, so that a run does not depend on who happens to stand
    in a first wave of a hundred. `deploy.fleet.simulation.odds` tells what chance does to that.

    Args:
        fleet: all serials.
        release: that is bad.
        share: of the devices, 0 to 1.
        waves: percents; each one's own devices are drawn from apart.
        seed: of the draw.
    """
    chosen: dict[str, Phase] = {}
    below = 0
    for percent in waves:
        members = [serial for serial in fleet if below <= group(serial, release) < percent]
        random.Random(f"{seed}/{release}/{percent}").shuffle(members)
        for rank, serial in enumerate(members[: round(share * len(members))]):
            chosen[serial] = "rolled_back" if rank % 3 == 2 else "rejected"
        below = percent
    return chosen


def drawn(fleet: Collection[str], share: float, seed: int, what: str) -> set[str]:
    """A share of the fleet."""
    return set(random.Random(f"{seed}/{what}").sample(sorted(fleet), round(share * len(fleet))))


def in_waves(fleet: Iterable[str], release: int, percent: int) -> list[str]:
    """Devices that a wave and those before it give the release to."""
    return [serial for serial in fleet if group(serial, release) < percent]
