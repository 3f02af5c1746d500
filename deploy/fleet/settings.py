"""`fleet.yaml`: what the operator decides once for the whole fleet."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from fissura.config import Config

OnlineRole = Literal["targets", "snapshot", "timestamp"]
RoleName = Literal["root", "targets", "snapshot", "timestamp"]


class ExpiryDays(Config):
    """How long each role's signature holds, in days.

    A device believes nothing that has expired: whoever cuts it off from the repository, or shows it an old one, is
    found out after so long. Short means that `fissura fleet refresh` must run oftener; what runs on a device goes on
    in any case.
    """

    root: int = Field(365, ge=1, le=3650, description="signed by hand, with keys from the safe")
    targets: int = Field(90, ge=1, le=3650, description="signed with every release and wave anyway")
    snapshot: int = Field(7, ge=1, le=3650)
    timestamp: int = Field(1, ge=1, le=3650, description="the longest that a device can be kept from news unnoticed")

    @model_validator(mode="after")
    def _timestamp_first(self) -> ExpiryDays:
        if not self.timestamp <= self.snapshot <= self.targets <= self.root:
            raise ValueError("timestamp, snapshot, targets, root: each must hold at least as long as the one before")
        return self


class RolloutSettings(Config):
    """When a roll-out goes on to its next wave, and when it stops."""

    waves: tuple[int, ...] = Field((1, 10, 50, 100), min_length=1, description="percent of the fleet, growing to 100")
    failure_share: float = Field(0.05, gt=0, le=1, description="of a wave's reports; from here on the roll-out pauses")
    failure_minimum: int = Field(2, ge=1, description="failures that a wave has at least before it pauses")
    minimum_reports: int = Field(20, ge=1, description="a wave's ends before it goes on; of a smaller wave all")
    silence_s: float = Field(6 * 3600, gt=0, description="patience with a silent device, and with a wave, seconds")

    @field_validator("waves")
    @classmethod
    def _grow(cls, waves: tuple[int, ...]) -> tuple[int, ...]:
        if list(waves) != sorted(set(waves)) or waves[0] < 1 or waves[-1] != 100:
            raise ValueError("expected growing percentages from 1 on, the last one 100")
        return waves


class FleetSettings(Config):
    """All of `fleet.yaml`."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", description="of the fleet, for whoever runs several")
    url: str | None = Field(
        None, pattern=r"^https?://\S+$", description="where devices reach repository/: metadata at URL/metadata/"
    )
    broker: str | None = Field(None, pattern=r"^mqtts?://\S+$", description="mqtts://HOST[:PORT]")
    expiry_days: ExpiryDays = ExpiryDays()
    rollout: RolloutSettings = RolloutSettings()
