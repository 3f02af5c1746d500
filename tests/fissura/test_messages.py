from __future__ import annotations

import inspect
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, ValidationError

from fissura.messages import (
    COMMAND_ADAPTER,
    MESSAGES,
    Budget,
    Detection,
    Pause,
    Snapshot,
    Status,
    Threshold,
    UtcTime,
)
from fissura.polygon import Polygon
from fissura.topics import TOPICS
from fissura.update_messages import UPDATE_MESSAGES

GOLDEN = Path(__file__).parents[1] / "golden" / "messages"
ALL = MESSAGES | UPDATE_MESSAGES
GOLDEN_FILES = sorted(GOLDEN.glob("*/*.json"))


def kind_of(path: Path) -> str:
    return path.stem.split("-")[0]


def test_pydantic_can_read_what_converts_times_on_every_python() -> None:
    """What is written in C may have no signature, or another one with the next Python: pydantic 2.14 refused one."""
    convert = next(part.func for part in get_args(UtcTime) if isinstance(part, AfterValidator))
    assert len(inspect.signature(convert).parameters) == 1


def test_every_message_has_golden_files_of_the_version_that_brought_it() -> None:
    first = {kind_of(path): path.parent.name for path in reversed(GOLDEN_FILES)}
    updates = dict.fromkeys(UPDATE_MESSAGES, "1.4")
    assert first == {"detection": "1.0", "status": "1.0", "telemetry": "1.0", "answer": "1.3", **updates}
    assert set(first) == set(ALL)


@pytest.mark.parametrize("path", GOLDEN_FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_golden_messages_are_read_as_they_were_meant(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    message = ALL[kind_of(path)].model_validate_json(text)
    assert message.schema_version == path.parent.name
    read = json.loads(message.to_json())
    for key, value in json.loads(text).items():
        # A later version may have added fields to what was nested already.
        known = {name: read[key][name] for name in value} if isinstance(value, dict) else read[key]
        assert known == value, key


@pytest.mark.parametrize("path", GOLDEN_FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_goes_out_is_what_pydantic_would_write(path: Path) -> None:
    message = ALL[kind_of(path)].model_validate_json(path.read_bytes())
    assert list(json.loads(message.to_json()).items()) == list(json.loads(message.model_dump_json()).items())


def test_whole_corners_go_out_as_whole_numbers() -> None:
    detection = Detection.model_validate_json((GOLDEN / "1.0" / "detection.json").read_bytes())
    for points, text in (
        (np.array([[1, 2], [30, 4]], np.int32), b'"polygon_px":[[1,2],[30,4]]'),
        (np.array([[1, 2], [5, 6], [30, 4]], np.int32)[::2], b'"polygon_px":[[1,2],[30,4]]'),
        (((0.25, 2.0), (1 / 3, 1e-9)), b'"polygon_px":[[0.25,2.0],[0.3333333333333333,1e-9]]'),
    ):
        crack = detection.crack.model_copy(update={"polygon_px": Polygon(points)})
        sent = detection.model_copy(update={"crack": crack})
        assert text in sent.to_json()
        assert Detection.model_validate_json(sent.to_json()) == sent


def test_unknown_fields_of_a_newer_minor_version_are_tolerated() -> None:
    values = json.loads((GOLDEN / "1.0" / "detection.json").read_text())
    values["schema_version"] = "1.9"
    values["weather"] = "rain"
    values["crack"]["depth_mm"] = 3
    assert Detection.model_validate(values).confidence == 0.87


def test_a_newer_major_version_is_refused() -> None:
    values = json.loads((GOLDEN / "1.0" / "status-online.json").read_text()) | {"schema_version": "2.0"}
    with pytest.raises(ValidationError, match=r"reads 1\.x"):
        Status.model_validate(values)


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        (None, "confidence", 1.01),
        (None, "confidence", float("nan")),
        (None, "phase", "middle"),
        (None, "seen_frames", 0),
        ("crack", "length_px", -1),
        ("crack", "mean_width_mm", float("inf")),
        ("frame", "width_px", 0),
        ("frame", "gsd_mm_per_px", 0),
        ("frame", "captured_utc", "2026-03-02T08:15:30"),  # without a zone nobody knows when that was
        ("model", "threshold", 1.0),
    ],
)
def test_impossible_values_are_refused(part: str | None, key: str, value: object) -> None:
    values = json.loads((GOLDEN / "1.0" / "detection.json").read_text())
    (values[part] if part else values)[key] = value
    with pytest.raises(ValidationError):
        Detection.model_validate(values)


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2100, 1, 1)), st.integers(-12, 14))
def test_times_of_any_zone_go_out_as_utc(time: datetime, hours: int) -> None:
    local = time.replace(tzinfo=timezone(timedelta(hours=hours)))
    status = Status(serial="s", state="online", sent_utc=local)
    text = json.loads(status.to_json())["sent_utc"]
    assert text.endswith("Z")
    assert Status.model_validate_json(status.to_json()).sent_utc == local


def test_every_message_gets_its_own_uuid() -> None:
    assert len({Status(serial="s", state="online").uuid for _ in range(100)}) == 100


def test_every_topic_has_a_message_a_command_or_a_picture() -> None:
    updates = {name.replace("_", "/") for name in UPDATE_MESSAGES} | {"update/command", "update/ack"}
    assert {*MESSAGES, *updates, "command", "snapshot"} == set(TOPICS)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"name": "pause"}', Pause),
        ('{"name": "threshold", "value": 0.25, "correlation": "c"}', Threshold),
        ('{"name": "threshold", "value": null}', Threshold),
        ('{"name": "budget", "milliseconds": 40}', Budget),
        ('{"name": "snapshot", "source": "front", "uuid": "4d9c1b4e-8a6d-4e7c-9d53-0e4b8ed24a11"}', Snapshot),
        ('{"name": "snapshot", "schema_version": "1.9"}', Snapshot),
    ],
)
def test_commands_are_told_apart_by_their_name(text: str, kind: type) -> None:
    assert type(COMMAND_ADAPTER.validate_json(text)) is kind


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "threshold"}',  # back to the bundle's is said, not left out
        '{"name": "threshold", "value": 0.3, "vaule": 0.4}',
        '{"name": "threshold", "value": "0.3"}',
        '{"name": "threshold", "value": true}',
        '{"name": "threshold", "value": 1}',
        '{"name": "threshold", "value": NaN}',
        '{"name": "budget", "milliseconds": 1e999}',
        '{"name": "pause", "schema_version": "2.0"}',
        '{"name": "fly"}',
        "[]",
    ],
)
def test_what_is_no_command_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        COMMAND_ADAPTER.validate_json(text)
