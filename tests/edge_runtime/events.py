"""Keeps book of what is told about events, and refuses what must not be."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from fissura.messages import Detection


class Book:
    """What a consumer knows of the events.

    Attributes:
        open: events that were told as new and have not ended.
        ended: the last word about each of the others.
        told: how many messages came.
    """

    def __init__(self) -> None:
        self.open: set[UUID] = set()
        self.ended: dict[UUID, Detection] = {}
        self.told = 0
        self._uuids: set[UUID] = set()

    def take(self, messages: Iterable[Detection]) -> None:
        """Each event has one `new`, then any number of `update`, then one `end`; no message comes twice."""
        for message in messages:
            assert message.uuid not in self._uuids
            assert message.event_id not in self.ended
            assert (message.phase == "new") == (message.event_id not in self.open)
            assert message.seen_frames is not None and (message.phase != "new" or message.seen_frames == 1)
            assert message.part_of is None or (message.phase == "end" and message.part_of != message.event_id)
            self._uuids.add(message.uuid)
            self.told += 1
            self.open.add(message.event_id)
            if message.phase == "end":
                self.open.remove(message.event_id)
                self.ended[message.event_id] = message

    @property
    def cracks(self) -> int:
        """Events that did not turn out to be part of others."""
        assert not self.open
        return sum(message.part_of is None for message in self.ended.values())
