from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from edge_runtime.updates.config import DeferConfig
from edge_runtime.updates.deferral import DeviceConditions
from fissura.errors import DeferredError


def lay(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lay(tmp_path, "sys/class/thermal/thermal_zone0/type", "gpu-thermal\n")
    lay(tmp_path, "sys/class/thermal/thermal_zone0/temp", "71500\n")
    lay(tmp_path, "sys/class/power_supply/BAT0/capacity", "35\n")
    return tmp_path


def word(config: DeferConfig, root: Path, now: str = "2026-05-04 12:00") -> str | None:
    try:
        DeviceConditions(config, root, lambda: datetime.fromisoformat(now)).check()
    except DeferredError as error:
        return error.found.split(":")[0]
    return None


def test_without_limits_it_is_always_time(root: Path) -> None:
    assert word(DeferConfig(), root) is None


def test_in_flight(root: Path, tmp_path: Path) -> None:
    config = DeferConfig(flight_file=tmp_path / "in-flight")
    assert word(config, root) is None
    (tmp_path / "in-flight").touch()
    assert word(config, root) == "flight"


@pytest.mark.parametrize(("limit", "expected"), [(70, "heat"), (72, None)])
def test_heat(root: Path, limit: float, expected: str | None) -> None:
    assert word(DeferConfig(hottest_c=limit), root) == expected


@pytest.mark.parametrize(("limit", "expected"), [(36, "battery"), (35, None)])
def test_battery(root: Path, limit: float, expected: str | None) -> None:
    assert word(DeferConfig(lowest_battery_percent=limit), root) == expected


def test_devices_without_sensors_are_not_kept_from_updates(tmp_path: Path) -> None:
    assert word(DeferConfig(hottest_c=20, lowest_battery_percent=100), tmp_path) is None


@pytest.mark.parametrize(
    ("first", "last", "now", "expected"),
    [
        ("09:00", "17:00", "12:00", None),
        ("09:00", "17:00", "17:01", "hours"),
        ("22:00", "05:00", "23:30", None),
        ("22:00", "05:00", "04:59", None),
        ("22:00", "05:00", "12:00", "hours"),
    ],
)
def test_hours(root: Path, first: str, last: str, now: str, expected: str | None) -> None:
    config = DeferConfig.model_validate({"not_before": first, "not_after": last})
    assert word(config, root, f"2026-05-04 {now}") == expected


def test_hours_have_a_beginning_and_an_end() -> None:
    with pytest.raises(ValidationError, match="stand together"):
        DeferConfig.model_validate({"not_before": "22:00"})
