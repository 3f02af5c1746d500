"""A crack as it is stored: the figures of its best sighting, without the outline."""

from __future__ import annotations

from dataclasses import dataclass, fields

from fissura.messages import Detection


@dataclass(frozen=True)
class Sighting:
    """One crack, as a detection shows it.

    Times are seconds of UTC since 1970; positions are WGS 84 and None where the device knew none.

    Attributes:
        uuid: of the message.
        event_id: of the crack.
        serial: of the device.
        captured_s: when the frame was captured, by the device's clock.
        mission_id: of the run.
        source: camera.
        phase: `end`: the device has said that the event is over, and this is the best of all sightings; before that
            it is the best of those that were told. Devices that do not track say `new` alone.
        seen_frames: in how many frames the crack was seen, as far as was told; None: the device does not track.
        part_of: event id of the older crack that this one turned out to be part of; it is then not given out.
    """

    uuid: str
    event_id: str
    serial: str
    captured_s: float
    mission_id: str
    source: str
    latitude_deg: float | None
    longitude_deg: float | None
    altitude_m: float | None
    accuracy_m: float | None
    heading_deg: float | None
    confidence: float
    length_px: float
    mean_width_px: float
    max_width_px: float
    length_mm: float | None
    mean_width_mm: float | None
    max_width_mm: float | None
    model: str
    bundle_id: str
    phase: str
    seen_frames: int | None
    part_of: str | None

    def values(self) -> tuple[object, ...]:
        """The fields in order, for a database."""
        return tuple(vars(self).values())


YEARS = range(1970, 2100)  # a clock that was never set begins in 1970
MOST_FRAMES = 2**31 - 1  # the largest integer that every database stores
COLUMNS = tuple(field.name for field in fields(Sighting))


def sighting(message: Detection) -> Sighting:
    """What is stored of a message.

    Raises:
        ValueError: a time that no clock of a device shows, or more frames than it can have seen.
    """
    if message.frame.captured_utc.year not in YEARS:
        raise ValueError(f"captured in the year {message.frame.captured_utc.year}")
    if message.seen_frames is not None and message.seen_frames > MOST_FRAMES:
        raise ValueError(f"seen in {message.seen_frames} frames")
    crack, position = message.crack, message.frame.position
    return Sighting(
        uuid=str(message.uuid),
        event_id=str(message.event_id),
        serial=message.serial,
        captured_s=message.frame.captured_utc.timestamp(),
        mission_id=message.mission_id,
        source=message.frame.source,
        latitude_deg=None if position is None else position.latitude_deg,
        longitude_deg=None if position is None else position.longitude_deg,
        altitude_m=None if position is None else position.altitude_m,
        accuracy_m=None if position is None else position.accuracy_m,
        heading_deg=None if position is None else position.heading_deg,
        confidence=message.confidence,
        length_px=crack.length_px,
        mean_width_px=crack.mean_width_px,
        max_width_px=crack.max_width_px,
        length_mm=crack.length_mm,
        mean_width_mm=crack.mean_width_mm,
        max_width_mm=crack.max_width_mm,
        model=message.model.name,
        bundle_id=message.model.bundle_id,
        phase=message.phase,
        seen_frames=message.seen_frames,
        part_of=None if message.part_of is None else str(message.part_of),
    )
