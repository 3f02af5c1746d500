from __future__ import annotations

import time
from datetime import datetime, timezone
from uuid import RFC_4122

import numpy as np

from edge_runtime.detections import detections_of
from edge_runtime.frame import Frame
from fissura.imaging.decode import Crack
from fissura.messages import CrackGeometry, Detection, ModelStamp

FRAME = Frame(
    np.zeros((20, 30, 3), np.uint8), time.monotonic_ns(), datetime.now(timezone.utc), "ntp", 7, "fr\u00f6nt", name='a"b'
)
MODEL = ModelStamp(name="m", bundle_id="0" * 64, mode="fused", engine="x", threshold=0.4)


def cracks(count: int) -> list[Crack]:
    return [
        Crack(
            CrackGeometry(
                length_px=10.0 + n,
                mean_width_px=1.1,
                max_width_px=1e-7,
                area_px=1e17,
                bbox_px=(0.0, 0.25, 5.0, 6.0),
                polygon_px=((0.0, 0.25), (5.5, -0.5), (1 / 3, 6.0)),
            ),
            confidence=0.5 + n / 1000,
        )
        for n in range(count)
    ]


def test_each_crack_becomes_a_message_about_it_in_order() -> None:
    found = cracks(3)
    detections = detections_of(FRAME, found, MODEL, "serial", "mission")
    assert [(d.crack, d.confidence) for d in detections] == [(c.geometry, c.confidence) for c in found]
    assert {(d.serial, d.mission_id, d.phase, d.frame, d.model) for d in detections} == {
        ("serial", "mission", "new", FRAME.stamp(), MODEL)
    }
    assert detections_of(FRAME, [], MODEL, "serial", "mission") == []


def test_all_identifiers_are_random_and_differ() -> None:
    detections = [d for _ in range(20) for d in detections_of(FRAME, cracks(25), MODEL, "s", "m")]
    identifiers = {d.uuid for d in detections} | {d.event_id for d in detections}
    assert len(identifiers) == 2 * len(detections) == 1000
    assert {(one.version, one.variant) for one in identifiers} == {(4, RFC_4122)}


def test_what_goes_out_is_what_pydantic_writes_and_reads() -> None:
    for detection in detections_of(FRAME, cracks(3), MODEL, "s", "m"):
        assert detection.to_json() == detection.model_dump_json().encode()
        assert Detection.model_validate_json(detection.to_json()) == detection
