"""What a run over clips would say, with tracking and without."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from truth import Truth

from fissura.messages import Detection


@dataclass
class Tally:
    """Counts over the clips of a group.

    Attributes:
        clips: of them.
        frames: of them all.
        cracks: true ones that came into view.
        sightings: cracks found in single frames, each of which is a message without tracking.
        messages: with tracking, by phase.
        found: true cracks that a sighting lies on.
        events: on true cracks, without those that turned out to be part of others.
        lasting: those of them that more than one frame has shown.
        lost: true cracks that sightings lie on, but no event.
        false_sightings: on no true crack.
        false_events: on no true crack.
        false_lasting: those of them that more than one frame has shown.
    """

    clips: int = 0
    frames: int = 0
    cracks: int = 0
    sightings: int = 0
    messages: Counter[str] = field(default_factory=Counter)
    found: int = 0
    events: int = 0
    lasting: int = 0
    lost: int = 0
    false_sightings: int = 0
    false_events: int = 0
    false_lasting: int = 0

    def add(self, truth: Truth, frames: int, seen: Sequence[Detection], told: Sequence[Detection]) -> None:
        """Count a clip."""
        self.clips, self.frames, self.cracks = self.clips + 1, self.frames + frames, self.cracks + truth.cracks
        self.sightings += len(seen)
        self.messages.update(message.phase for message in told)
        sighted = [truth.crack_of(sighting) for sighting in seen]
        whole = [message for message in told if message.phase == "end" and message.part_of is None]
        on = [truth.crack_of(message) for message in whole]
        self.found += len(set(sighted) - {None})
        self.lost += len(set(sighted) - set(on) - {None})
        self.events += sum(crack is not None for crack in on)
        self.false_sightings += sighted.count(None)
        self.false_events += on.count(None)
        lasting = [crack for crack, message in zip(on, whole, strict=True) if (message.seen_frames or 0) > 1]
        self.lasting += sum(crack is not None for crack in lasting)
        self.false_lasting += lasting.count(None)

    def result(self) -> dict[str, float | int]:
        """The counts, and what follows from them."""
        told = sum(self.messages.values())
        return {
            "clips": self.clips,
            "frames": self.frames,
            "cracks": self.cracks,
            "cracks_found": self.found,
            "cracks_lost_by_tracking": self.lost,
            "sightings": self.sightings,
            "messages": told,
            **{phase: self.messages[phase] for phase in ("new", "update", "end")},
            "messages_per_sighting": round(told / max(1, self.sightings), 3),
            "sightings_per_crack": round((self.sightings - self.false_sightings) / max(1, self.found), 1),
            "events_per_crack": round(self.events / max(1, self.found), 2),
            "lasting_events_per_crack": round(self.lasting / max(1, self.found), 2),
            "false_sightings": self.false_sightings,
            "false_events": self.false_events,
            "false_lasting_events": self.false_lasting,
        }
