from __future__ import annotations

import pytest

from deploy.fleet.console.detections.crack_filter import Box, CrackFilter, read_filter
from fissura.errors import UsageError


def test_all_of_it() -> None:
    query = {
        "bbox": "13.1,52.3,13.7,52.7",
        "since": "2026-05-31",
        "until": "2026-05-31T14:00:00+02:00",
        "serial": "truck-07",
        "min_width_mm": "0.5",
        "min_width_px": "",
        "min_confidence": "0.8",
        "min_seen_frames": "2",
        "other": "passed over",
    }
    wanted = read_filter(query)
    assert wanted == CrackFilter(
        box=Box(13.1, 52.3, 13.7, 52.7),
        since_s=1780185600.0,
        until_s=1780185600.0 + 12 * 3600,
        serial="truck-07",
        min_width_mm=0.5,
        min_confidence=0.8,
        min_seen_frames=2,
    )
    assert read_filter({}) == CrackFilter()


@pytest.mark.parametrize(
    "query",
    [
        {"bbox": "1,2,3"},
        {"bbox": "1,2,3,x"},
        {"bbox": "1,5,3,2"},
        {"bbox": "-181,0,0,1"},
        {"bbox": "nan,0,0,1"},
        {"since": "yesterday"},
        {"serial": "a/b"},
        {"serial": "'; DROP TABLE cracks; --"},
        {"min_width_mm": "-1"},
        {"min_width_mm": "nan"},
        {"min_confidence": "1.5"},
        {"min_confidence": "inf"},
        {"min_seen_frames": "often"},
    ],
)
def test_what_makes_no_sense_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        read_filter(query)
