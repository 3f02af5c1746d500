"""Reading a device's message. Devices are not trusted: what cannot be read, or speaks for another, is left out."""

from __future__ import annotations

import time

from pydantic import ValidationError

from deploy.fleet.authority.roles import device_name
from deploy.fleet.registry.intake import fits
from fissura.errors import FissuraError
from fissura.topics import ROOT, UPDATE_EVENT, UPDATE_ONLINE, UPDATE_STATE
from fissura.update_messages import Presence, UpdateEvent, UpdateState

LARGEST_BYTES = 65_536
KINDS: dict[str, type[UpdateState | UpdateEvent | Presence]] = {
    UPDATE_STATE.suffix: UpdateState,
    UPDATE_EVENT.suffix: UpdateEvent,
    UPDATE_ONLINE.suffix: Presence,
}
SUBSCRIPTIONS = tuple(f"{ROOT}/+/{suffix}" for suffix in KINDS)


def read_report(topic: str, payload: bytes) -> UpdateState | UpdateEvent | Presence | str:
    """Read a message.

    Args:
        topic: below `fissura/v1/`.
        payload: as it came.

    Returns:
        The message, or in words why it is none.
    """
    serial, _, suffix = topic.removeprefix(f"{ROOT}/").partition("/")
    if (kind := KINDS.get(suffix)) is None:
        return "not a topic of reports"
    try:
        device_name(serial)
    except FissuraError as error:
        return error.found
    if len(payload) > LARGEST_BYTES:
        return f"{len(payload)} bytes"
    try:
        message = kind.model_validate_json(payload)
    except ValidationError as error:
        return f"not a report: {error.errors(include_url=False, include_input=False)[0]['msg']}"
    except OverflowError as error:  # a time before the year 1, once it is UTC
        return f"not a report: {error}"
    if message.serial != serial:
        return "speaks for another device"
    if not fits(message, time.time()):
        return "numbers beyond all bounds"
    return message
