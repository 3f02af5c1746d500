"""What `fissura fleet status` shows: numbers for a person, or for a program."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from deploy.fleet.registry.audit import verify
from deploy.fleet.registry.registry import Registry
from deploy.fleet.registry.rows import OPEN, Device, Rollout
from fissura.errors import FleetError
from fissura.table import format_table
from fissura.update_messages import FAILURES

MOST_ROLLOUTS = 3


def overview(registry: Registry) -> dict[str, Any]:
    """Look at the whole fleet.

    Returns:
        What `--json` prints.
    """
    devices = registry.devices()
    rollouts = registry.rollouts()
    shown = [one for one in rollouts if one.state in OPEN] or rollouts[:1]
    return {
        "devices": {
            "known": len(devices),
            "online": sum(device.online for device in devices),
            "by_phase": dict(Counter(device.phase for device in devices).most_common()),
            "by_active": dict(Counter(_active(device) for device in devices).most_common()),
        },
        "rollouts": [_rollout(registry, devices, one) for one in shown[:MOST_ROLLOUTS]],
        "audit": _audit(registry),
    }


def in_tables(view: dict[str, Any]) -> str:
    """The same for people."""
    devices = view["devices"]
    parts = [f"{devices['known']} devices, {devices['online']} online"]
    if devices["known"]:
        parts.append(format_table(["phase", "devices"], [[k, str(v)] for k, v in devices["by_phase"].items()]))
        parts.append(
            format_table(["active release", "devices"], [[k, str(v)] for k, v in devices["by_active"].items()])
        )
    for one in view["rollouts"]:
        head = f"roll-out {one['id']}: release {one['release']} of {one['model']} on channel {one['channel']}"
        parts.append(f"{head} is {one['state']}{', ' + one['reason'] if one['reason'] else ''}")
        rows = [
            [f"{wave['percent']} %", _clock(wave["started_s"]), _clock(wave["ended_s"]), _counts(wave["counts"])]
            for wave in one["waves"]
        ]
        parts.append(format_table(["wave", "begun", "over", "devices"], rows))
        if one["failures"]:
            parts.append(format_table(["failed for", "devices"], [[k, str(v)] for k, v in one["failures"].items()]))
    audit = view["audit"]
    found = f"BROKEN: {audit['broken']}" if audit["broken"] else f"unbroken; newest hash {audit['hash'][:16]}"
    parts.append(f"audit: {audit['entries']} entries, {found}")
    return "\n\n".join(parts)


def failures(registry: Registry, devices: list[Device], rollout: Rollout) -> dict[str, int]:
    """Why devices did not take a release, by the first word of the reason, the most frequent first."""
    reasons = {
        serial: reason or phase
        for serial, (phase, reason) in registry.ends(rollout.model, rollout.release).items()
        if phase in FAILURES
    }
    for device in devices:
        if device.release == rollout.release and device.model == rollout.model and device.phase in FAILURES:
            reasons.setdefault(device.serial, device.reason or device.phase)
        elif (device.channel, device.model or rollout.model) == (rollout.channel, rollout.model) and (
            rollout.release in device.quarantined
        ):
            reasons.setdefault(device.serial, "quarantined")
    return dict(Counter(reason.split(":")[0] for reason in reasons.values()).most_common())


def _rollout(registry: Registry, devices: list[Device], rollout: Rollout) -> dict[str, Any]:
    return {
        **{
            name: getattr(rollout, name)
            for name in ("id", "model", "release", "channel", "fallback", "state", "reason")
        },
        "percent": rollout.percent,
        "percents": list(rollout.percents),
        "intent": rollout.intent,
        "waves": [asdict(wave) for wave in registry.waves(rollout.id)],
        "failures": failures(registry, devices, rollout),
    }


def _audit(registry: Registry) -> dict[str, Any]:
    entries = registry.audit()
    try:
        return {"entries": len(entries), "hash": verify(entries), "broken": None}
    except FleetError as error:
        return {"entries": len(entries), "hash": None, "broken": str(error)}


def _active(device: Device) -> str:
    return "as delivered" if device.active is None else str(device.active)


def _clock(moment_s: float | None) -> str:
    return "" if moment_s is None else f"{datetime.fromtimestamp(moment_s, timezone.utc):%Y-%m-%d %H:%M:%S}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {standing}" for standing, count in counts.items() if count) or "none yet"
