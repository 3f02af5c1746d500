"""What the operator may send to a device: size-limited, checked, and at most a reason to look into the repository."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from uuid import UUID

from pydantic import ValidationError

from edge_runtime.mqtt.events import Received
from edge_runtime.ratelimit import RateLimitedLog
from edge_runtime.updates.hints import Hints
from fissura.cohort import splay_s
from fissura.topics import UPDATE_ACK, UPDATE_COMMAND, announcement_topic
from fissura.update_messages import Acknowledgement, Announcement, CheckNow

logger = logging.getLogger(__name__)

LARGEST_BYTES = 65_536


class Letters:
    """Reads what comes in. Never raises.

    Args:
        serial: of the device.
        channel: that it follows.
        hints: told when to look.
        acknowledged: told which events the operator has.
        announced: told that the operator is there.

    Attributes:
        topics: to subscribe to.
        refused: messages that could not be read.
    """

    def __init__(
        self,
        serial: str,
        channel: str,
        hints: Hints,
        acknowledged: Callable[[Collection[UUID]], None],
        announced: Callable[[], None],
    ) -> None:
        self.refused = 0
        self._serial = serial
        self._channel = channel
        self._hints = hints
        self._acknowledged = acknowledged
        self._announced = announced
        self._log = RateLimitedLog(logger, period_s=60.0)
        self._readers: dict[str, Callable[[bytes], None]] = {
            announcement_topic(channel): self._announcement,
            UPDATE_COMMAND.of(serial): self._command,
            UPDATE_ACK.of(serial): self._acknowledgement,
        }
        self.topics = tuple(self._readers)

    def take(self, message: Received) -> None:
        """Read a message."""
        reader = self._readers.get(message.topic)
        if reader is None or not message.payload:  # none: what clears a retained message
            return
        if len(message.payload) > LARGEST_BYTES:
            self._refuse(message.topic, f"{len(message.payload)} bytes")
            return
        try:
            reader(message.payload)
        except ValidationError as error:
            self._refuse(message.topic, error.errors(include_url=False, include_input=False)[0]["msg"])

    def _announcement(self, payload: bytes) -> None:
        announcement = Announcement.model_validate_json(payload)
        if announcement.channel != self._channel:
            return
        self._hints.give(splay_s(self._serial, announcement.release or 0, announcement.window_s))
        self._announced()

    def _command(self, payload: bytes) -> None:
        CheckNow.model_validate_json(payload)
        self._hints.give()

    def _acknowledgement(self, payload: bytes) -> None:
        self._acknowledged(Acknowledgement.model_validate_json(payload).events)

    def _refuse(self, topic: str, why: str) -> None:
        self.refused += 1
        self._log.warning(topic, f"a message on {topic} is left out: {why}")
