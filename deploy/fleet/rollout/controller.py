"""A roll-out's steps. Killed between any two of them, it goes on from what the registry and the channel say.

The registry decides and the channel follows: a wave is written down, then signed, then written down as signed. Found
signed already, it is not signed again; found different from both what is wanted and what was signed last, the channel
was changed by somebody else, and the roll-out gives way.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from deploy.fleet.registry import rollouts
from deploy.fleet.registry.registry import Registry
from deploy.fleet.registry.rows import OPEN, Intent, Rollout, RolloutState
from deploy.fleet.rollout.channel import essence, wanted_channel
from deploy.fleet.rollout.decision import Advance, Pause, decide
from deploy.fleet.rollout.signer import ChannelSigner
from deploy.fleet.rollout.standing import Question, Tally, standings, tally
from deploy.fleet.settings import RolloutSettings
from fissura.errors import FleetError
from fissura.release import Channel

logger = logging.getLogger(__name__)

RECHECK_S = 5.0  # the channel, for somebody else's changes
LOOK_S = 1.0  # at the devices, when they have said something; looking at ten thousand takes a tenth of a second
GRACE_S = 10.0  # after the broker seems to have told all that it had kept
LOOK_AGAIN_S = 5.0  # at the devices, although they have not said anything: silence grows


class Controller:
    """Moves one roll-out. One at a time (see `lock`).

    Args:
        registry: what the devices have reported, and the roll-out.
        rollout: to move.
        signer: of the channel.
        settings: limits.
        announce: tells the devices that the channel has changed; may be told so more than once.
        clock: monotonic, seconds.
    """

    def __init__(
        self,
        registry: Registry,
        rollout: Rollout,
        signer: ChannelSigner,
        settings: RolloutSettings,
        announce: Callable[[Rollout], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rollout = rollout
        self._registry = registry
        self._signer = signer
        self._settings = settings
        self._announce = announce
        self._clock = clock
        self._hardware = signer.release(rollout.model, rollout.release).hardware
        self._checked_s = float("-inf")
        self._looked_s = float("-inf")
        self._stamp: tuple[int, int] | None = None
        self._counts: dict[str, int] = {}

    def step(self, now_s: float, listening_since_s: float | None) -> Rollout:
        """Do what is to be done now.

        Args:
            now_s: UTC.
            listening_since_s: since when what devices say is heard, UTC; None: it is not heard now, so that nothing
                is decided.

        Returns:
            The roll-out as it is then.
        """
        self._obey(now_s)
        self._follow(now_s)
        if self.rollout.state == "running" and listening_since_s is not None and self._due():
            self._judge(now_s, listening_since_s)
            self._follow(now_s)
        return self.rollout

    def settle(self, now_s: float) -> Rollout:
        """Do what the operator wants and bring the channel in line, but decide nothing."""
        self._obey(now_s)
        self._follow(now_s)
        return self.rollout

    def _obey(self, now_s: float) -> None:
        fresh = self._registry.rollout(self.rollout.id)
        assert fresh is not None  # roll-outs are never deleted
        self.rollout = fresh
        intent, reason = fresh.intent, fresh.intent_reason
        if intent is not None:
            self._follow(now_s)  # first what a kill has left: the channel passes through every state that was decided
            fresh = self.rollout
        if intent == "pause" and fresh.state == "running":
            self._move("paused", now_s, reason=f"operator: {reason or 'paused'}", obeys=intent)
        elif intent == "resume" and fresh.state == "paused":
            found = standings(self._registry.devices(fresh.channel), self._question(now_s, now_s))
            failed = tuple(serial for serial, one in found.items() if one == "failed")
            self._move("running", now_s, accepted=failed, obeys=intent)
        elif intent == "abort" and fresh.state in ("running", "paused"):
            self._move("aborting", now_s, reason=f"operator: {reason or 'aborted'}", obeys=intent)
        elif intent is not None:
            self.rollout = rollouts.forget_intent(self._registry, fresh)

    def _follow(self, now_s: float) -> None:
        """Bring the channel in line with the roll-out."""
        if self.rollout.state not in OPEN:
            return
        behind = self.rollout.signed != essence(wanted_channel(self.rollout, ())) or self.rollout.state == "aborting"
        if not behind and self._clock() - self._checked_s < RECHECK_S:
            return
        self._checked_s = self._clock()
        wanted = self._signed()
        if wanted is None:
            self._move("superseded", now_s, reason=f"channel: {self.rollout.channel} was changed by somebody else")
            return
        if self.rollout.signed != essence(wanted) or self._registry.waves(self.rollout.id)[-1].started_s is None:
            self.rollout = rollouts.record_signed(
                self._registry, self.rollout, essence(wanted), wanted.model_dump(mode="json"), now_s
            )
            self._looked_s = float("-inf")
            self._announce(self.rollout)
        if self.rollout.state == "aborting":
            self._move("aborted", now_s, reason=self.rollout.reason)

    def _signed(self) -> Channel | None:
        """Have the channel say what the roll-out wants; None: somebody else has changed it."""
        name = self.rollout.channel
        while True:
            channel = self._signer.channel(name)
            if essence(channel) not in (essence(wanted_channel(self.rollout, ())), self.rollout.signed):
                return None
            wanted = wanted_channel(self.rollout, () if channel is None else channel.revoked)
            if essence(channel) == essence(wanted) and channel is not None and channel.revoked == wanted.revoked:
                return wanted
            try:
                self._signer.set_channel(wanted, expected=channel)
                return wanted
            except FleetError:
                if self._signer.channel(name) == channel:  # else somebody was faster: look again
                    raise

    def _due(self) -> bool:
        """Whether the devices are to be looked at: they have said something, or the time has."""
        stamp, now_s = self._registry.stamp(), self._clock()
        if now_s - self._looked_s < (LOOK_S if stamp != self._stamp else LOOK_AGAIN_S):
            return False
        self._stamp, self._looked_s = stamp, now_s
        return True

    def _judge(self, now_s: float, listening_since_s: float) -> None:
        rollout, question = self.rollout, self._question(now_s, listening_since_s)
        devices = self._registry.devices(rollout.channel)
        found = standings(devices, question)
        counts = tally(found.values())
        if not counts.present and now_s - listening_since_s < GRACE_S:
            return  # who is there may have been told in part only, on a busy machine
        if not counts.present and not any(device.online for device in devices):
            return  # nobody is there to learn from, or we have only just begun to listen
        decision = decide(
            counts,
            self._settings,
            sum(found.get(serial) == "failed" for serial in rollout.accepted),
            overdue=question.is_overdue,
            last=rollout.percent == rollout.percents[-1],
        )
        if isinstance(decision, Advance):
            logger.info("wave of %d %% is over: %s", self.rollout.percent, _in_words(counts))
            self.rollout = rollouts.advance(self._registry, self.rollout, counts.to_counts(), now_s)
            return
        if self._counts != counts.to_counts():
            self._counts = counts.to_counts()
            rollouts.record_counts(self._registry, self.rollout, self._counts)
        if isinstance(decision, Pause):
            self._move("paused", now_s, reason=decision.reason)

    def _question(self, now_s: float, listening_since_s: float) -> Question:
        rollout = self.rollout
        started_s = self._registry.waves(rollout.id)[-1].started_s or now_s
        return Question(
            model=rollout.model,
            release=rollout.release,
            percent=rollout.percent,
            hardware=self._hardware,
            ends=self._registry.ends(rollout.model, rollout.release),
            since_s=max(started_s, rollout.since_s, listening_since_s),
            silence_s=self._settings.silence_s,
            now_s=now_s,
        )

    def _move(
        self,
        state: RolloutState,
        now_s: float,
        *,
        reason: str | None = None,
        accepted: tuple[str, ...] | None = None,
        obeys: Intent | None = None,
    ) -> None:
        self.rollout = rollouts.move(
            self._registry, self.rollout, state, now_s, reason=reason, accepted=accepted, obeys=obeys
        )
        logger.info("roll-out %d is %s%s", self.rollout.id, state, f": {reason}" if reason else "")


def _in_words(counts: Tally) -> str:
    return ", ".join(f"{count} {standing}" for standing, count in counts.to_counts().items() if count) or "no device"
