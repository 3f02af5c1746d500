"""Roll-outs: how far each wave is, and why devices failed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from deploy.fleet.console.render import Renderer
from deploy.fleet.registry.registry import Registry
from deploy.fleet.registry.rows import Rollout, Wave
from fissura.update_messages import FAILURES, Phase

MOST_SHOWN = 50
NAMED = 5  # devices of a reason
# From the left: what has ended, what is under way, what has not begun.
STANDINGS = ("committed", "failed", "running", "deferred", "silent", "waiting", "absent")


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
    """A roll-out as the page has it."""

    rollout: Rollout
    waves: list[tuple[Wave, list[Part]]]
    ahead: list[int]
    reasons: list[Reason]


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
        return Shown(
            rollout,
            [(wave, _parts(wave.counts)) for wave in waves],
            list(rollout.percents[len(waves) :]),
            _reasons(self._registry.ends(rollout.model, rollout.release)),
        )


def _parts(counts: Mapping[str, int]) -> list[Part]:
    whole = sum(counts.values())
    parts: list[Part] = []
    start = 0.0
    for standing in STANDINGS:
        if count := counts.get(standing, 0):
            length = 100 * count / whole
            parts.append(Part(standing, count, round(start, 3), round(length, 3)))
            start += length
    return parts


def _reasons(ends: Mapping[str, tuple[Phase, str | None]]) -> list[Reason]:
    """Failures by the first word of their reason, the most frequent first."""
    found: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for serial, (phase, reason) in sorted(ends.items()):
        if phase in FAILURES:
            words = (reason or "").partition(":")[0].strip() or "without a reason"
            found[f"{phase.replace('_', ' ')}: {words[:60]}"].append((serial, reason or ""))
    reasons = [
        Reason(words, len(those), those[0][1], tuple(serial for serial, _ in those[:NAMED]))
        for words, those in found.items()
    ]
    return sorted(reasons, key=lambda reason: -reason.count)
