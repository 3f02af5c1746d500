"""Roll-outs: how far each wave is, and why devices failed."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from deploy.fleet.console.pages.driven import is_left_alone
from deploy.fleet.console.render import Renderer
from deploy.fleet.registry.registry import Registry
from deploy.fleet.registry.rows import OPEN, Rollout, Wave
from fissura.update_messages import FAILURES, Phase

MOST_SHOWN = 50
NAMED = 5  # devices of a reason
# From the left: what has ended, what is under way, what has not begun.
STANDINGS = ("committed", "failed", "running", "deferred", "silent", "waiting", "absent", "gone")
ENDED = ("committed", "failed")
UNFINISHED = "not finished"  # all the rest, once the roll-out is over: nobody looks at it any more
REVOKED = "revoked"  # the reason of what the operator wanted


@dataclass(frozen=True)
class Part:
    """A piece of a wave's bar, in percent of its length."""

    standing: str
    count: int
    start: float
    length: float


@dataclass(frozen=True)
class Reason:
    """Why devices failed.

    Attributes:
        words: as the devices gave it, up to the first colon.
        count: devices.
        example: one whole reason.
        serials: some of the devices.
    """

    words: str
    count: int
    example: str
    serials: tuple[str, ...]


@dataclass(frozen=True)
class Shown:
    """A roll-out as the page has it.

    Attributes:
        rollout: itself.
        is_open: whether it may still go on.
        is_left_alone: whether it should go on, and no command moves it.
        failed: devices that failed, as counted in its last wave.
        present: devices of that wave.
        waves: those that have begun.
        ahead: percents of the others.
        failures: why devices failed.
        revoked: why devices have taken the release back, as the operator wanted.
    """

    rollout: Rollout
    is_open: bool
    is_left_alone: bool
    failed: int
    present: int
    waves: list[tuple[Wave, list[Part]]]
    ahead: list[int]
    failures: list[Reason]
    revoked: list[Reason]


class RolloutsPage:
    """`/rollouts`.

    Args:
        registry: of the roll-outs.
        renderer: of the templates.
    """

    def __init__(self, registry: Registry, renderer: Renderer) -> None:
        self._registry = registry
        self._renderer = renderer

    def show(self, request: Request) -> Response:
        """Answer a request."""
        rollouts = self._registry.rollouts()
        shown = [self._shown(rollout) for rollout in rollouts[:MOST_SHOWN]]
        return self._renderer.page("rollouts.html", shown=shown, left_out=len(rollouts) - len(shown))

    def _shown(self, rollout: Rollout) -> Shown:
        waves = self._registry.waves(rollout.id)
        is_open = rollout.state in OPEN
        last = waves[-1].counts if waves else {}
        reasons = _reasons(self._registry.ends(rollout.model, rollout.release))
        return Shown(
            rollout,
            is_open,
            is_left_alone(rollout, self._registry.path, time.time()),
            last.get("failed", 0),
            sum(last.values()),
            [(wave, _parts(wave.counts if is_open and wave.ended_s is None else _over(wave.counts))) for wave in waves],
            [percent for percent in rollout.percents if percent > rollout.percent],
            [reason for word, reason in reasons if word != REVOKED],
            [reason for word, reason in reasons if word == REVOKED],
        )


def _parts(counts: Mapping[str, int]) -> list[Part]:
    whole = sum(counts.values())
    parts: list[Part] = []
    start = 0.0
    for standing in (*STANDINGS, UNFINISHED):
        if count := counts.get(standing, 0):
            length = 100 * count / whole
            parts.append(Part(standing, count, round(start, 3), round(length, 3)))
            start += length
    return parts


def _over(counts: Mapping[str, int]) -> dict[str, int]:
    """Of a wave that is over: what was under way then is not any more."""
    ended = {standing: counts.get(standing, 0) for standing in ENDED}
    return {**ended, UNFINISHED: sum(counts.values()) - sum(ended.values())}


def _reasons(ends: Mapping[str, tuple[Phase, str | None]]) -> list[tuple[str, Reason]]:
    """Failures by the first word of their reason, which comes with each, the most frequent first."""
    found: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for serial, (phase, reason) in sorted(ends.items()):
        if phase in FAILURES:
            words = (reason or "").partition(":")[0].strip() or "without a reason"
            found[phase.replace("_", " "), words[:60]].append((serial, reason or ""))
    reasons = [
        (word, Reason(f"{phase}: {word}", len(those), those[0][1], tuple(serial for serial, _ in those[:NAMED])))
        for (phase, word), those in found.items()
    ]
    return sorted(reasons, key=lambda one: -one[1].count)
