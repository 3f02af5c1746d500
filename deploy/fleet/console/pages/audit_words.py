"""Lines of the audit as sentences. A line that is not known, or is not as expected, has none: the page shows it raw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Details = Mapping[str, Any]


def sentence(action: str, details: Details) -> str | None:
    """What was done, in words; None: there are none for it."""
    words = _WORDS.get(action)
    try:
        return None if words is None else words(details)
    except (KeyError, TypeError, AttributeError, ValueError):  # of another fissura
        return None


def _channel(channel: Details) -> str:
    text = f"Channel {channel['channel']} gives {channel['model']} {channel['release']} to {channel['percent']} %"
    if channel["percent"] < 100:
        others = channel["fallback"]
        text += f", {'what they have' if others is None else f'release {others}'} to the others"
    if channel["paused"]:
        text += "; paused"
    if channel["revoked"]:
        text += f"; revoked: {_list(channel['revoked'])}"
    return text


def _rollout(details: Details) -> str:
    return (
        f"Roll-out {details['rollout']} begins: {details['model']} {details['release']} on channel"
        f" {details['channel']}, in waves of {_list(details['waves'])} %"
    )


def _wave_over(details: Details) -> str:
    counts = ", ".join(f"{count} {standing}" for standing, count in details["counts"].items() if count)
    return f"Wave of {details['percent']} % of roll-out {details['rollout']} is over: {counts or 'no device in it'}"


def _state(words: str) -> Callable[[Details], str]:
    def tell(details: Details) -> str:
        wave = f" in the wave of {details['percent']} %" if "percent" in details else ""
        return f"Roll-out {details['rollout']} {words}{wave}{_because(details)}"

    return tell


def _ask(intent: str) -> Callable[[Details], str]:
    return lambda details: f"The operator wants to {intent} roll-out {details['rollout']}{_because(details)}"


def _enroll(details: Details) -> str:
    again = "again " if details["renew"] else ""
    hosts = f" ({_list(details['hosts'])})" if details["hosts"] else ""
    return f"Certificate {again}for {details['role']} {details['name']}{hosts}, valid for {details['days']} days"


def _because(details: Details) -> str:
    return f": {details['reason']}" if details["reason"] else ""


def _list(values: Any) -> str:
    return ", ".join(map(str, values))


_WORDS: dict[str, Callable[[Details], str]] = {
    "rollout": _rollout,
    "sign": lambda details: _channel(details["channel"]),
    "promote": lambda details: _channel(details["channel"]),
    "wave over": _wave_over,
    "done": lambda details: f"Roll-out {details['rollout']} is done",
    "running": _state("goes on"),
    "paused": _state("is paused"),
    "aborting": _state("is being aborted"),
    "aborted": _state("is aborted"),
    "superseded": _state("gives way"),
    "ask pause": _ask("pause"),
    "ask resume": _ask("resume"),
    "ask abort": _ask("abort"),
    "publish": lambda details: f"{details['model']} {details['release']} is published, bundle {details['bundle']}",
    "refresh": lambda details: f"Signed anew: {_list(details['signed']) or 'nothing'}",
    "enroll": _enroll,
    "enroll --revoke": lambda details: f"Certificates of {details['name']} withdrawn: {details['certificates']}",
    "forget": lambda details: f"Device {details['serial']} is forgotten",
}
