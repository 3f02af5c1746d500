"""One crack that is seen in many frames is one event: told when it is new, when it has grown or moved on, at its end.

An event is where its crack was seen last: outlines that move along with the picture and are matched to what the next
frame shows. What of them a frame does not show again is kept for a few more frames, so that a crack whose halves
blink in turn stays one event. A crack that is found in two pieces is one event as soon as one frame has shown it
whole. An event that an older one's crack covers ends as a part of it, though not at once: a network that blinks joins
cracks for a frame, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from uuid import UUID

from edge_runtime.crack_event import CrackEvent, Patch, extent
from edge_runtime.crack_outline import Outline
from edge_runtime.event_matching import Match, match, spacing_px
from edge_runtime.registration import Motion
from fissura.messages import Detection

MOST_MISSED = 5  # processed frames in which a place in view shows no crack: a network that blinks is back sooner
COVERED = 0.7  # share of an outline's points that are seen again: the rest is its own raggedness
MOST_EVENTS = 512  # of a camera


@dataclass(frozen=True)
class Tracked:
    """What is made of a frame's cracks.

    Attributes:
        seen: all of them in their order, each with the id of its event; its phase is `new` or `update`.
        told: those of them that say something new, then the events that have ended, the oldest first.
    """

    seen: list[Detection]
    told: list[Detection]


class Tracker:
    """The events of one camera.

    Args:
        most_events: of more, the oldest end.

    Attributes:
        cracks: events so far, without those that turned out to be part of others.
    """

    def __init__(self, most_events: int = MOST_EVENTS) -> None:
        self._most_events = most_events
        self._events: list[CrackEvent] = []  # the oldest first
        self.cracks = 0

    def update(self, sightings: Sequence[Detection], motion: Motion | None, size: tuple[int, int]) -> Tracked:
        """Take up one frame. An exception leaves all events as they were.

        Args:
            sightings: the cracks of the frame; an event that begins has the event id of its first sighting.
            motion: from the frame that was taken up before into this one; None: not known, which ends all events.
            size: height and width of the frame, pixels.
        """
        before = [event.moved(motion.transform, size) for event in self._events] if motion is not None else []
        before = [event for event in before if event.patches]
        outlines = [Outline.of(sighting.crack, spacing_px(size)) for sighting in sightings]
        matched = match([[patch.outline for patch in event.patches] for event in before], outlines, size)
        seen, news, after = list(sightings), set[int](), list[CrackEvent]()
        for number, event in enumerate(_aged(before, matched)):
            pieces, whole = matched.pieces_of(number), matched.joined_to[number]
            if pieces:
                event = event.seen_again([sightings[piece] for piece in pieces])
                for piece in pieces:
                    seen[piece] = _sighting_of(event, sightings[piece])
                longest = max(pieces, key=lambda piece: extent(sightings[piece]))
                if event.is_news(sightings[longest], size):
                    event = event.told(sightings[longest], size)
                    news.add(longest)
            elif whole != number:
                event = event.covered_by(before[whole])
            after.append(replace(event, patches=(*(Patch(outlines[piece]) for piece in pieces), *event.patches)))
        for piece in matched.pieces_of(None):
            seen[piece] = sightings[piece].model_copy(update={"seen_frames": 1})
            after.append(CrackEvent.of(seen[piece], outlines[piece], size))
            news.add(piece)
        going_on = [event for event in after if event.patches][-self._most_events :]
        ended = _ends(_without({event.id: event for event in (*self._events, *after)}, going_on))
        self._events = going_on
        self.cracks += len(matched.pieces_of(None)) - _parts(ended)
        return Tracked(seen, [seen[piece] for piece in sorted(news)] + ended)

    def finish(self) -> list[Detection]:
        """End all events, the oldest first; returns the messages."""
        ended, self._events = _ends(self._events), []
        self.cracks -= _parts(ended)
        return ended


def _aged(events: Sequence[CrackEvent], matched: Match) -> Iterator[CrackEvent]:
    """The events with the places alone where this frame does not show them, and which are not given up yet."""
    rows = iter(matched.seen_again)
    for number, event in enumerate(events):
        pieces = matched.pieces_of(number)
        shares = [float(next(rows)[pieces].sum()) for _ in event.patches]
        left = (
            replace(patch, missed=patch.missed + 1)
            for patch, again in zip(event.patches, shares, strict=True)
            if again < COVERED and patch.missed + 1 < MOST_MISSED
        )
        yield replace(event, patches=tuple(left))


def _without(events: Mapping[UUID, CrackEvent], going_on: Iterable[CrackEvent]) -> list[CrackEvent]:
    open_ = {event.id for event in going_on}
    return [event for event in events.values() if event.id not in open_]


def _sighting_of(event: CrackEvent, sighting: Detection) -> Detection:
    return sighting.model_copy(update={"event_id": event.id, "phase": "update", "seen_frames": event.frames})


def _ends(events: Iterable[CrackEvent]) -> list[Detection]:
    now = datetime.now(timezone.utc)
    return [event.end(now) for event in events]


def _parts(ended: Iterable[Detection]) -> int:
    return sum(message.part_of is not None for message in ended)
