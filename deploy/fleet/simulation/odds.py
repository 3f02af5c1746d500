"""In which wave a roll-out pauses when chance alone says on which devices the release fails.

No devices: the controller's own decision over numbers, as the reports of a wave come in. Most failures are known from
the self-test, before the first device of the wave has been through shadow and canary.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from deploy.fleet.rollout.decision import Pause, decide
from deploy.fleet.rollout.standing import Tally
from deploy.fleet.settings import RolloutSettings

LATE = 1 / 3  # of the failures: they come among the commits
LOOKS = 40  # at a wave while it ends
RUNS = 400


def pausing(devices: int, waves: Sequence[int], share: float, seed: int, runs: int = RUNS) -> dict[str, float]:
    """Share of roll-outs that pause in each wave, by its percent, and of those that do not, 'never'.

    Args:
        devices: of the fleet.
        waves: percents.
        share: of the devices on which the release fails, each by itself.
        seed: of the draws.
        runs: roll-outs.
    """
    draw, settings = random.Random(f"{seed}/odds"), RolloutSettings()
    counts = dict.fromkeys([*(f"{percent} %" for percent in waves), "never"], 0)
    for _ in range(runs):
        counts[_one(draw, devices, waves, share, settings)] += 1
    return {name: count / runs for name, count in counts.items()}


def _one(draw: random.Random, devices: int, waves: Sequence[int], share: float, settings: RolloutSettings) -> str:
    committed = failed = before = 0
    for percent in waves:
        size = devices * percent // 100
        fails = [draw.random() < share for _ in range(size - before)]
        late = [fail and draw.random() < LATE for fail in fails]
        failed += sum(fails) - sum(late)
        rest = [is_late for is_late, fail in zip(late, fails, strict=True) if is_late or not fail]
        stride = max(1, len(rest) // LOOKS)
        for at in range(0, len(rest) + stride, stride):
            bad = sum(rest[:at])
            good = min(at, len(rest)) - bad
            wave = Tally(committed=committed + good, failed=failed + bad, running=len(rest) - good - bad)
            if isinstance(decide(wave, settings), Pause):
                return f"{percent} %"
        failed += sum(rest)
        committed += len(rest) - sum(rest)
        before = size
    return "never"
