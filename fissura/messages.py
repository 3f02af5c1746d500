"""Messages on the wire. JSON, UTF-8; units are in the field names; pixels are camera-frame pixels.

Readers tolerate unknown fields and gate on the major `schema_version`. Commands are the exception: they refuse unknown
fields, because a misspelt one that is passed over in silence would do something else than was asked for.
`fissura/schemas/` holds the JSON schemas.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import orjson
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from fissura.polygon import Polygon
from fissura.schema_version import CURRENT, SchemaVersion

Pixels = Annotated[float, Field(ge=0)]
Millimetres = Annotated[float, Field(ge=0)]


def _in_utc(time: datetime) -> datetime:
    return time.astimezone(timezone.utc)


# A time without a zone is refused: a reader could not tell it from local time.
UtcTime = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class Message(BaseModel):
    """What every message of a device has."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    schema_version: SchemaVersion = CURRENT
    uuid: UUID = Field(default_factory=uuid4, description="deduplicate by this: delivery is at least once")
    serial: str = Field(description="device serial")
    sent_utc: UtcTime | None = Field(None, description="when the message was made")

    def to_json(self) -> bytes:
        """The message as it goes out: compact JSON, UTF-8.

        What `model_dump_json` says, in half of its time.
        """
        return orjson.dumps(self.__dict__, _members, orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z)


def _members(value: Any) -> Any:
    """What orjson does not know."""
    # Not `isinstance`: for what is none, a class of `collections.abc` answers that in Python, each time anew.
    return value.points if type(value) is Polygon else value.__dict__


class Position(BaseModel):
    """Where the camera was, WGS 84."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    latitude_deg: float = Field(ge=-90, le=90)
    longitude_deg: float = Field(ge=-180, le=180)
    altitude_m: float | None = Field(None, description="above the ellipsoid")
    accuracy_m: float | None = Field(None, ge=0, description="horizontal, one standard deviation")
    heading_deg: float | None = Field(None, ge=0, lt=360, description="of the movement, clockwise from true north")
    speed_mps: float | None = Field(None, ge=0, description="over ground")


class FrameStamp(BaseModel):
    """Which camera frame, and when it was captured."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    source: str = Field(description="source name, for example 'front'")
    sequence: int = Field(ge=0, description="counts frames of this source since the start")
    captured_utc: UtcTime
    captured_monotonic_ns: int = Field(ge=0, description="the device's monotonic clock at capture, nanoseconds")
    clock_quality: Literal["unsynchronised", "ntp", "gnss", "file"] = "unsynchronised"
    width_px: int = Field(gt=0)
    height_px: int = Field(gt=0)
    name: str | None = Field(None, description="file name, where the frame came from a file")
    gsd_mm_per_px: float | None = Field(None, gt=0, description="ground sampling distance")
    position: Position | None = Field(None, description="null where the device does not know it")


class CrackGeometry(BaseModel):
    """One crack in one frame, in camera-frame pixels: (0, 0) is the centre of the top left pixel, x right, y down."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    length_px: Pixels = Field(description="length of the skeleton, all branches")
    mean_width_px: Pixels
    max_width_px: Pixels
    area_px: Pixels
    length_mm: Millimetres | None = None
    mean_width_mm: Millimetres | None = None
    max_width_mm: Millimetres | None = None
    bbox_px: tuple[float, float, float, float] = Field(description="x, y, width, height")
    polygon_px: Polygon = Field(description="outer outline, (x, y) points, closed implicitly")


GEOMETRIES_ADAPTER: TypeAdapter[list[CrackGeometry]] = TypeAdapter(list[CrackGeometry])


class ModelStamp(BaseModel):
    """Which model saw it, and how it was run."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    name: str
    bundle_id: str = Field(description="SHA-256 of the bundle's manifest")
    mode: str = Field(description="graphs that ran: 'fused', 'sr+segmentation', 'segmentation', 'cascade', 'lr-only'")
    engine: str
    threshold: float = Field(gt=0, lt=1)


class Detection(Message):
    """A crack was seen. Topic `detection`."""

    event_id: UUID = Field(description="one crack seen in many frames is one event")
    phase: Literal["new", "update", "end"] = Field(
        "new", description="new: seen for the first time; end: over, and this message repeats its best sighting"
    )
    seen_frames: int | None = Field(
        None, ge=1, description="in how many processed frames the event was seen so far; null without tracking"
    )
    part_of: UUID | None = Field(
        None, description="with phase end: the older event whose crack this one turned out to be part of, if any"
    )
    mission_id: str
    frame: FrameStamp
    crack: CrackGeometry
    confidence: float = Field(ge=0, le=1, description="mean probability over the crack's pixels")
    model: ModelStamp


DETECTIONS_ADAPTER: TypeAdapter[list[Detection]] = TypeAdapter(list[Detection])


class Status(Message):
    """Whether the device is there. Topic `status`, retained; the broker sends the 'offline' one as last will."""

    state: Literal["online", "offline", "error"]
    reason: str | None = Field(None, description="'stopped', 'connection lost', or what went wrong")
    mission_id: str | None = None
    version: str | None = Field(None, description="fissura's version")
    bundle_id: str | None = None
    engine: str | None = Field(None, description="what runs the graphs; where another engine was asked for, also why")


class SourceTelemetry(BaseModel):
    """How one camera is doing."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    frames: int = Field(ge=0, description="frames processed")
    drops: dict[str, int] = Field(description="frames not processed, by cause")
    frame_age_s: float | None = Field(None, ge=0, description="since the last frame arrived; null before the first")
    reconnects: int = Field(0, ge=0, description="how often the connection to the camera was made again")


class Telemetry(Message):
    """How the device is doing. Topic `telemetry`; dropped before detections when the spool is full."""

    mission_id: str
    uptime_s: float = Field(ge=0)
    frames: int = Field(ge=0, description="frames processed")
    frames_per_second: float = Field(ge=0)
    drops: dict[str, int] = Field(description="frames not processed, by cause")
    frame_age_s: float | None = Field(None, ge=0, description="since the last frame arrived; null before the first")
    detections: int = Field(ge=0)
    spool_rows: int = Field(ge=0)
    spool_bytes: int = Field(ge=0)
    stage_ms: dict[str, float] = Field(description="median latency of each stage, milliseconds")
    tiles_proposed: int | None = Field(
        None, ge=0, description="tiles in which the cheap pass of mode 'cascade' suspected a crack; null in other modes"
    )
    tiles_left_out: int | None = Field(None, ge=0, description="those of them that had no time within the budget")
    sources: dict[str, SourceTelemetry] | None = Field(None, description="the cameras, by name")
    paused: bool | None = Field(None, description="whether frames are left out on command")
    temperatures_c: dict[str, float] | None = Field(None, description="by thermal zone")
    clocks_mhz: dict[str, float] | None = Field(None, description="of 'cpu' (its fastest core now) and 'gpu'")
    power_w: dict[str, float] | None = Field(None, description="by supply rail, as the device names it")
    throttled: bool | None = Field(None, description="whether the device holds its clocks down; null: it does not say")
    throttle_reason: str | None = Field(None, description="why it is throttled")
    rss_mb: float | None = Field(None, ge=0, description="memory of the process in use, 10^6 bytes")


class _Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    schema_version: SchemaVersion = CURRENT
    uuid: UUID | None = Field(None, description="a command that comes twice with the same one is carried out once")
    correlation: str | None = Field(
        None, max_length=256, description="repeated in the answer, for clients without MQTT 5's correlation data"
    )


class Pause(_Command):
    """Leave frames out until `resume`."""

    name: Literal["pause"]


class Resume(_Command):
    """Go on after `pause`."""

    name: Literal["resume"]


class Threshold(_Command):
    """Set the crack probability."""

    name: Literal["threshold"]
    value: float | None = Field(gt=0, lt=1, description="null: the bundle's")


class Budget(_Command):
    """Set the time of a frame, in the modes that have one."""

    name: Literal["budget"]
    milliseconds: float | None = Field(ge=1, le=3_600_000, description="null: no limit")


class Snapshot(_Command):
    """Publish the newest frame with its cracks drawn in, as a JPEG on the topic `snapshot`."""

    name: Literal["snapshot"]
    source: str | None = Field(None, max_length=256, description="which camera; null: whichever was last")


class Reload(_Command):
    """Read the configuration file again."""

    name: Literal["reload"]


class State(_Command):
    """Say what is set."""

    name: Literal["state"]


Command = Annotated[Pause | Resume | Threshold | Budget | Snapshot | Reload | State, Field(discriminator="name")]
COMMAND_ADAPTER: TypeAdapter[Command] = TypeAdapter(Command)


class AnswerError(BaseModel):
    """Why a command was not carried out."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    found: str
    expected: str = ""
    fix: str = Field("", description="what to do")


class AnswerState(BaseModel):
    """What is set, after the command."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    paused: bool
    threshold: float = Field(gt=0, lt=1)
    budget_ms: float | None = Field(None, description="time of a frame; null: none")
    bundle_id: str
    engine: str
    sources: tuple[str, ...] = Field(description="names of the cameras")


class AnswerSnapshot(BaseModel):
    """Where the picture is."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    topic: str
    size_bytes: int = Field(gt=0)
    width_px: int = Field(gt=0)
    height_px: int = Field(gt=0)


class Answer(Message):
    """What became of a command. Topic `answer`, or the command's response topic (MQTT 5)."""

    command: str | None = Field(None, description="its name; null where it could not be read")
    command_uuid: UUID | None = None
    correlation: str | None = Field(None, description="the command's field of that name")
    ok: bool
    error: AnswerError | None = None
    state: AnswerState | None = None
    snapshot: AnswerSnapshot | None = None


MESSAGES: dict[str, type[Message]] = {
    "detection": Detection,
    "status": Status,
    "telemetry": Telemetry,
    "answer": Answer,
}
