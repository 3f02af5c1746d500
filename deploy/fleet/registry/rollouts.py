"""Writing roll-outs: every change and its line in the audit are one transaction."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from deploy.fleet.registry import audit
from deploy.fleet.registry.registry import Registry
from deploy.fleet.registry.rows import OPEN, Intent, Rollout, RolloutState
from fissura.errors import FleetError


@dataclass(frozen=True)
class Plan:
    """How a roll-out begins.

    Attributes:
        model: of the release.
        release: to give out.
        channel: to whose devices.
        fallback: release of the devices whose turn has not come.
        percents: of the waves.
        wave: to begin with: not the first where the channel has got further already.
        state: 'running', or 'paused' where the channel is.
        signed: the essence of the channel as it is; "": there is none.
    """

    model: str
    release: int
    channel: str
    fallback: int | None
    percents: tuple[int, ...]
    wave: int = 0
    state: RolloutState = "running"
    signed: str = ""


def open_rollout(registry: Registry, channel: str) -> Rollout | None:
    """The roll-out that holds a channel."""
    return next((one for one in registry.rollouts() if one.channel == channel and one.state in OPEN), None)


def begin(registry: Registry, plan: Plan, now_s: float) -> Rollout:
    """Begin a roll-out.

    Raises:
        FleetError: another one holds the channel.
    """
    with registry.writing() as connection:
        try:
            cursor = connection.execute(
                "INSERT INTO rollouts (model, release, channel, fallback, percents, state, wave, reason, since_s,"
                " signed, created_s, updated_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(plan.model, plan.release, plan.channel, plan.fallback, json.dumps(plan.percents), plan.state),
                    *(plan.wave, None if plan.state == "running" else "paused: as the channel is"),
                    *(now_s, plan.signed, now_s, now_s),
                ),
            )
        except sqlite3.IntegrityError as error:
            raise FleetError(f"another roll-out holds the channel {plan.channel!r}") from error
        number = cursor.lastrowid
        assert number is not None
        _add_wave(connection, number, plan.wave, plan.percents[plan.wave])
        details = {"model": plan.model, "release": plan.release, "channel": plan.channel, "fallback": plan.fallback}
        audit.append(connection, "rollout", {"rollout": number, **details, "waves": list(plan.percents)})
    return _again(registry, number)


def ask(registry: Registry, rollout: Rollout, intent: Intent, reason: str) -> None:
    """Note what the operator wants; whoever controls the roll-out does it."""
    with registry.writing() as connection:
        connection.execute(
            "UPDATE rollouts SET intent = ?, intent_reason = ? WHERE id = ?", (intent, reason or None, rollout.id)
        )
        audit.append(connection, f"ask {intent}", {"rollout": rollout.id, "reason": reason})


def move(
    registry: Registry,
    rollout: Rollout,
    state: RolloutState,
    now_s: float,
    *,
    reason: str | None = None,
    accepted: tuple[str, ...] | None = None,
    obeys: Intent | None = None,
) -> Rollout:
    """Bring a roll-out into a state; `obeys`: the intent that this fulfils, and which is over with it."""
    accepted = rollout.accepted if accepted is None else accepted
    since_s = now_s if state == "running" else rollout.since_s
    with registry.writing() as connection:
        connection.execute(
            "UPDATE rollouts SET state = ?, reason = ?, accepted = ?, since_s = ?, updated_s = ? WHERE id = ?",
            (state, reason, json.dumps(accepted), since_s, now_s, rollout.id),
        )
        if obeys is not None:
            # A newer wish that came in the meantime stays.
            connection.execute(
                "UPDATE rollouts SET intent = NULL, intent_reason = NULL WHERE id = ? AND intent = ?",
                (rollout.id, obeys),
            )
        audit.append(connection, state, {"rollout": rollout.id, "reason": reason, "percent": rollout.percent})
    return _again(registry, rollout.id)


def forget_intent(registry: Registry, rollout: Rollout) -> Rollout:
    """Forget a wish that makes no sense in this state."""
    with registry.writing() as connection:
        connection.execute("UPDATE rollouts SET intent = NULL, intent_reason = NULL WHERE id = ?", (rollout.id,))
    return _again(registry, rollout.id)


def record_signed(
    registry: Registry, rollout: Rollout, essence: str, channel: dict[str, object], now_s: float
) -> Rollout:
    """The channel is signed like this; the current wave has begun with it."""
    with registry.writing() as connection:
        connection.execute("UPDATE rollouts SET signed = ?, updated_s = ? WHERE id = ?", (essence, now_s, rollout.id))
        connection.execute(
            "UPDATE waves SET started_s = ? WHERE rollout = ? AND number = ? AND started_s IS NULL",
            (now_s, rollout.id, rollout.wave),
        )
        audit.append(connection, "sign", {"rollout": rollout.id, "channel": channel})
    return _again(registry, rollout.id)


def record_counts(registry: Registry, rollout: Rollout, counts: dict[str, int]) -> None:
    """Note how the devices of the current wave stand."""
    with registry.writing() as connection:
        connection.execute(
            "UPDATE waves SET counts = ? WHERE rollout = ? AND number = ?",
            (json.dumps(counts), rollout.id, rollout.wave),
        )


def advance(registry: Registry, rollout: Rollout, counts: dict[str, int], now_s: float) -> Rollout:
    """End the current wave; begin the next one, or the roll-out is done."""
    following = rollout.wave + 1
    last = following == len(rollout.percents)
    with registry.writing() as connection:
        connection.execute(
            "UPDATE waves SET ended_s = ?, counts = ? WHERE rollout = ? AND number = ?",
            (now_s, json.dumps(counts), rollout.id, rollout.wave),
        )
        audit.append(connection, "wave over", {"rollout": rollout.id, "percent": rollout.percent, "counts": counts})
        if last:
            connection.execute("UPDATE rollouts SET state = 'done', updated_s = ? WHERE id = ?", (now_s, rollout.id))
            audit.append(connection, "done", {"rollout": rollout.id})
        else:
            connection.execute(
                "UPDATE rollouts SET wave = ?, updated_s = ? WHERE id = ?", (following, now_s, rollout.id)
            )
            _add_wave(connection, rollout.id, following, rollout.percents[following])
    return _again(registry, rollout.id)


def _add_wave(connection: sqlite3.Connection, rollout: int, number: int, percent: int) -> None:
    connection.execute("INSERT INTO waves (rollout, number, percent) VALUES (?, ?, ?)", (rollout, number, percent))


def _again(registry: Registry, number: int) -> Rollout:
    rollout = registry.rollout(number)
    assert rollout is not None  # roll-outs are never deleted
    return rollout
