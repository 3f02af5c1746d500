"""SQL by which one row stays of an event, the same in every database."""

from __future__ import annotations

from deploy.fleet.console.detections.sighting import COLUMNS

# The device's own order, by which the end repeats the longest sighting.
_BETTER = """
(excluded.phase = 'end', excluded.length_px, excluded.confidence)
    > (cracks.phase = 'end', cracks.length_px, cracks.confidence)
"""
_MORE = "COALESCE(excluded.seen_frames, 0) > COALESCE(cracks.seen_frames, 0)"


def _kept(name: str) -> str:
    news = _MORE if name == "seen_frames" else _BETTER
    return f"{name} = CASE WHEN {news} THEN excluded.{name} ELSE cracks.{name} END"


# Behind an INSERT into the table `cracks`: the best sighting and the number of frames stay, in whatever order and as
# often as the messages come. No device writes over what another one has said.
KEEP_BEST = f"""
ON CONFLICT (event_id) DO UPDATE SET {", ".join(_kept(name) for name in COLUMNS if name != "event_id")}
WHERE cracks.serial = excluded.serial AND ({_BETTER} OR {_MORE})
"""

# Numbers of the rows that go, of a table `cracks` from the time when each message was a row, its phase not stored: of
# each event the best sighting stays, by the device that spoke of it first.
OUTDONE = """
SELECT number FROM (
    SELECT number, ROW_NUMBER() OVER (
        PARTITION BY event_id ORDER BY serial <> owner, length_px DESC, confidence DESC, number
    ) AS place
    FROM (
        SELECT *, FIRST_VALUE(serial) OVER (PARTITION BY event_id ORDER BY number) AS owner FROM cracks
    ) AS owned
) AS placed
WHERE place > 1
"""
