"""What a device is told about its updates: the file of `fissura run --updates` and `fissura agent`."""

from __future__ import annotations

import platform
from datetime import time
from pathlib import Path

from pydantic import Field, model_validator

from edge_runtime.updates.guardrails import CanaryConfig, ShadowConfig, TrialConfig
from edge_runtime.updates.reporter import ReportConfig
from fissura.bundle import NAME
from fissura.config import Config
from fissura.release import CHANNEL_NAME


class DownloadConfig(Config):
    """Limits of the downloads: nothing that a server does may fill the disk or take for ever."""

    timeout_s: float = Field(30, gt=0, le=600, description="for a connection, and between two bytes")
    slowest_bytes_per_s: float = Field(
        1000, ge=0, description="a transfer that stays below this for `patience_s` is cut; what came is kept"
    )
    patience_s: float = Field(60, gt=0, description="see `slowest_bytes_per_s`")
    longest_s: float = Field(24 * 3600, gt=0, description="for all files of a release in one check")
    tries: int = Field(8, ge=1, le=1000, description="connections in a row that bring nothing, before it waits")
    wait_s: float = Field(2, gt=0, description="before the second try; doubles, each is drawn at random below that")
    longest_wait_s: float = Field(300, gt=0, description="a server's Retry-After is honoured up to this")
    largest_bytes: int = Field(2 << 30, ge=1, description="a release that is larger is refused")
    margin_bytes: int = Field(256 << 20, ge=0, description="space that stays free on the disk")


class DeferConfig(Config):
    """When an installation has to wait."""

    flight_file: Path | None = Field(None, description="while this file exists, the vehicle is under way")
    hottest_c: float | None = Field(None, gt=0, le=150, description="no installation above this, degrees Celsius")
    lowest_battery_percent: float | None = Field(None, ge=0, le=100, description="no installation below this")
    not_before: time | None = Field(None, description="start of the hours for installations, local time, '22:00'")
    not_after: time | None = Field(None, description="their end; an earlier one than `not_before` is on the next day")

    @model_validator(mode="after")
    def _both_or_none(self) -> DeferConfig:
        if (self.not_before is None) != (self.not_after is None):
            raise ValueError("`not_before` and `not_after` stand together")
        return self


class UpdatesConfig(Config):
    """All about updates."""

    url: str = Field(
        pattern=r"^https?://", description="of the repository: metadata/ and targets/ lie below; trust needs no TLS"
    )
    root: Path = Field(description="the first signed root.json, which the device came with")
    channel: str = Field("stable", pattern=CHANNEL_NAME, description="that the device follows")
    model: str | None = Field(None, pattern=NAME, description="refuse a channel that gives another model out")
    state: Path = Field(description="folder for models and metadata, on a local disk")
    factory: Path | None = Field(None, description="bundle that the device came with (default: the run's)")
    serial: str | None = Field(None, description="of the device (default: the run's)")
    hardware: str = Field(default_factory=platform.machine, description="kind of device, as releases name it")
    tensorrt: str | None = Field(None, pattern=r"^\d+\.\d+", description="its version (default: the package's)")
    min_release: int = Field(1, ge=1, description="no release below this, even on a device whose state was wiped")
    poll_s: float = Field(600, gt=0, description="a look into the repository so often")
    hint_s: float = Field(60, gt=0, description="messages bring about one look in so many seconds, however many come")
    attempts: int = Field(5, ge=1, description="interrupted tries of a release, before it is left alone for a while")
    retry_s: float = Field(24 * 3600, gt=0, description="how long it is left alone then")
    download: DownloadConfig = DownloadConfig()
    defer: DeferConfig = DeferConfig()
    trial: TrialConfig = TrialConfig()
    shadow: ShadowConfig = ShadowConfig()
    canary: CanaryConfig = CanaryConfig()
    report: ReportConfig | None = Field(None, description="broker that the operator listens at; null: no reports")
