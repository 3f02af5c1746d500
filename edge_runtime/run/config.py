"""What `fissura run` can be told. Each field is a key of `--config run.yaml` and an option of the command line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from edge_runtime.engines import AUTO, ENGINES
from edge_runtime.engines.engine import MOST_THREADS
from edge_runtime.fusion import MOST_FRAMES
from edge_runtime.health.config import Address, HealthConfig
from edge_runtime.inference import Mode
from edge_runtime.registration import Method
from edge_runtime.slot import Policy
from fissura.bundle import VariantName
from fissura.config import Config
from fissura.imaging.decode import MIN_LENGTH_PX

# A name before the scheme: front=rtsp://... What stands after a colon, slash or question mark is the address's own.
NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,47})=(.+)", re.DOTALL)

Precision = Literal["fp32"] | VariantName


class SourceConfig(Config):
    """One camera. On the command line, and where nothing but the address is to be said: URI or NAME=URI."""

    uri: str = Field(description="where the frames come from")
    name: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$", description="what messages call it")
    policy: Policy | None = Field(None, description="instead of the run's")
    gsd: float | None = Field(None, ge=1e-6, description="ground sampling distance, mm/px, instead of the run's")
    roi: Path | None = Field(None, description="mask, instead of the run's")
    ignore: Path | None = Field(None, description="mask, instead of the run's")


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


def _as_source(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    named = NAMED.fullmatch(value)
    return {"uri": value} if named is None else {"name": named[1], "uri": named[2]}


def _option(metavar: str | None = None, **more: Any) -> Any:
    """A field whose value has a name in the help."""
    return Field(json_schema_extra=None if metavar is None else {"metavar": metavar}, **more)


class RunConfig(Config):
    """All of a run."""

    bundle: Path = _option("DIR", description="the model, made by `fissura export`")
    source: Annotated[tuple[Annotated[SourceConfig, BeforeValidator(_as_source)], ...], BeforeValidator(_as_list)] = (
        _option(
            "[NAME=]URI",
            min_length=1,
            description="where the frames come from; may be repeated: several cameras share one engine",
        )
    )
    sink: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = _option(
        "URI", min_length=1, description="where detections go to; may be repeated"
    )
    mission: str | None = _option(
        "ID", default=None, description="mission id in every message (default: the start time)"
    )
    serial: str | None = _option(
        "S", default=None, description="device serial in topics and messages (default: the host name)"
    )
    mode: Mode | None = _option(
        default=None,
        description="full: all of the frame at full scale (default); cascade: a cheap pass, then the tiles worth it; "
        "lr-only: the cheap pass; or a graph by name",
    )
    budget_ms: float | None = _option("MS", default=None, ge=1, description="time of a frame, in mode cascade")
    tile: int | None = _option(
        "PX", default=None, ge=8, description="side of a tile (default: 64 in cascade, none in full)"
    )
    halo: int | None = _option(
        "PX", default=None, ge=0, description="context of a tile (default: 16 in cascade, exact in full)"
    )
    tile_batch: int = _option("N", default=4, ge=1, description="tiles at once")
    proposal_threshold: float | None = _option(
        "P", default=None, gt=0, lt=1, description="of the cheap pass (default: the bundle's)"
    )
    fuse: int | None = _option(
        "K",
        default=None,
        ge=2,
        le=MOST_FRAMES,
        description="frames that the memory of successive frames lasts (default: each frame stands alone)",
    )
    track: bool = _option(
        default=False, description="tell a crack that is seen in many frames as one event: new, update, end"
    )
    fuse_by: Method = _option(default="ecc", description="how frames are registered, for fuse and for track")
    position: str | None = _option(
        "URI", default=None, description="where the device is: gpsd://HOST[:2947], file:TRACK.csv or fixed:LAT,LON"
    )
    policy: Policy | None = _option(default=None, description="(default: latest for cameras, every_frame for files)")
    threshold: float | None = _option(
        "T", default=None, gt=0, lt=1, description="crack probability (default: the bundle's; a low one moves along)"
    )
    gsd: float | None = _option(
        "MM_PER_PX", default=None, ge=1e-6, description="ground sampling distance of the camera frame"
    )
    min_length: float = _option("PX", default=MIN_LENGTH_PX, ge=1, description="shorter cracks are left out")
    roi: Path | None = _option("MASK", default=None, description="image of the frame's size: look where it is white")
    ignore: Path | None = _option(
        "MASK", default=None, description="image of the frame's size: do not look where it is white"
    )
    engine: str = _option("ENGINE", default="onnxruntime", description=f"one of {', '.join((*ENGINES, AUTO))}")
    precision: Precision = _option(
        default="fp32", description="of the graphs that the bundle has in it; the others stay fp32"
    )
    threads: int = _option("N", default=0, ge=0, le=MOST_THREADS, description="threads of the engine; 0: all cores")
    engine_option: dict[str, Any] = _option(
        "NAME=VALUE",
        default_factory=dict,
        description="of the engine, such as size=[1280,720] or cache=/var/cache/plans; may be repeated",
    )
    updates: Path | None = _option(
        "YAML", default=None, description="keep the model up to date with signed releases, as this file says"
    )
    max_frames: int | None = _option("N", default=None, ge=1, description="end after so many frames")
    flush_timeout: float = _option("S", default=10.0, ge=0, description="seconds for unsent messages at the end")
    spool: Path | None = _option(
        "PATH", default=None, description="message store (default: in the user's state folder)"
    )
    mqtt_version: Literal["5", "3.1.1"] | None = _option(default=None, description="(default: 5)")
    ca: Path | None = _option("PEM", default=None, description="authority of the broker's certificate, for mqtts://")
    cert: Path | None = _option("PEM", default=None, description="our certificate, for mqtts://")
    key: Path | None = _option("PEM", default=None, description="private key of --cert")
    password_file: Path | None = _option(
        "PATH", default=None, description="file with the broker password on its first line"
    )
    health_port: Address | None = _option(
        "[HOST:]PORT",
        default=None,
        description="where /healthz and /metrics (Prometheus) are answered (default: nowhere; host: this device alone)",
    )
    frame_limit: float = _option("S", default=10.0, gt=0, description="a camera silent for longer turns /healthz red")
    processing_limit: float = _option(
        "S",
        default=30.0,
        gt=0,
        description="frames waiting for longer turn it red, and the service manager starts the run again",
    )
    slow_when_throttled: bool = _option(
        default=True, description="look at fewer frames of live cameras while the device is throttled"
    )
    hot: float | None = _option(
        "CELSIUS",
        default=None,
        gt=0,
        le=150,
        description="temperature that counts as throttled (default: the device's own)",
    )
    json_summary: bool = _option(
        default=False, alias="json", description="print the summary as JSON to standard output"
    )
    verbose: bool = _option(default=False, description="log details")

    @field_validator("engine")
    @classmethod
    def _known_engine(cls, kind: str) -> str:
        if kind not in (*ENGINES, AUTO):
            raise ValueError(f"there is no such engine: expected one of {', '.join((*ENGINES, AUTO))}")
        return kind

    @model_validator(mode="after")
    def _options_belong_to_an_engine(self) -> RunConfig:
        if self.engine == AUTO and self.engine_option:
            raise ValueError(
                f"engine_option with engine {AUTO}: options belong to one engine; name it, or leave them out"
            )
        return self

    @property
    def variant(self) -> VariantName | None:
        """The precision below fp32; None: fp32."""
        return None if self.precision == "fp32" else self.precision

    @property
    def health(self) -> HealthConfig:
        """The options of the run's health."""
        return HealthConfig(
            address=self.health_port,
            frame_limit_s=self.frame_limit,
            processing_limit_s=self.processing_limit,
            slow_when_throttled=self.slow_when_throttled,
            hot_c=self.hot,
        )


# What a reload may change; all else asks for a new start.
CHANGEABLE = frozenset(("threshold", "budget_ms"))
# What a reload may change by opening the model anew, while the old one goes on.
OF_THE_MODEL = frozenset(
    ("bundle", "mode", "precision", "engine", "engine_option", "threads", "tile", "halo", "tile_batch")
) | {"proposal_threshold"}
