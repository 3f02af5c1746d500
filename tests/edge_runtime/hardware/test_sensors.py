from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_runtime.hardware.sensors import Reading, Sensors
from edge_runtime.hardware.throttling import EVENT_HOLD_S
from tests.edge_runtime.hardware.trees import jetson, write, x86


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_jetson(tmp_path: Path) -> None:
    reading = Sensors(jetson(tmp_path)).read()
    assert reading.temperatures_c == {
        "cpu-thermal": 52.812,
        "gpu-thermal": 49.031,
        "soc0-thermal": 50.125,
        "tj-thermal": 52.812,
    }
    assert reading.clocks_mhz == {"cpu": 1510.4, "gpu": 612.0}
    assert reading.power_w == {"VDD_GPU_SOC": pytest.approx(12.27264), "VDD_CPU_CV": pytest.approx(4.60224)}
    assert reading.fans_rpm == {"pwm_tach": 2140}
    assert reading.battery_percent is None
    # A power mode below the highest, a fan at work, and events of before are no throttling.
    assert (reading.throttled, reading.throttle_reason) == (False, None)


def test_rails_are_found_where_a_container_shows_the_bus_only(tmp_path: Path) -> None:
    root = jetson(tmp_path / "board")
    chip = root / "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon1"
    shutil.copytree(chip, tmp_path / "copy")
    chip.unlink()
    shutil.copytree(tmp_path / "copy", chip)
    shutil.rmtree(root / "sys/class/hwmon")
    assert set(Sensors(root).read().power_w) == {"VDD_GPU_SOC", "VDD_CPU_CV"}


def test_x86(tmp_path: Path, clock: Clock) -> None:
    root = x86(tmp_path)
    sensors = Sensors(root, clock)
    first = sensors.read()
    assert first.temperatures_c == {"acpitz": 27.8, "x86_pkg_temp": 61.0, "coretemp": 61.0, "nvme": 38.85}
    assert first.clocks_mhz == {"cpu": 3400.0, "gpu": 1150.0}
    assert first.power_w == {"PPT": 7.13}  # energy needs two readings
    assert first.fans_rpm == {"thinkpad": 3100}
    assert first.battery_percent == 87
    assert (first.throttled, first.throttle_reason) == (False, None)

    energy = "sys/class/powercap/intel-rapl:0"
    write(root, {f"{energy}/energy_uj": 24_671_150, f"{energy}:0/energy_uj": 11_000_000})  # the first has wrapped
    clock.now_s += 2
    assert sensors.read().power_w == {"PPT": 7.13, "package-0": pytest.approx(12.5), "core": pytest.approx(5.0)}


@pytest.mark.parametrize("tree", [None, "sys", "sys/class/thermal/thermal_zone0"])
def test_a_device_that_says_nothing_is_not_said_to_be_well(tmp_path: Path, tree: str | None) -> None:
    if tree is not None:
        (tmp_path / tree).mkdir(parents=True)
    reading = Sensors(tmp_path).read()
    assert reading.temperatures_c == reading.clocks_mhz == reading.power_w == reading.fans_rpm == {}
    assert (reading.battery_percent, reading.throttled, reading.throttle_reason) == (None, None, None)
    assert (reading.process.rss_mb, reading.process.threads) == (None, None)


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("thermal/cooling_device1/cur_state", 3, "cpufreq-cpu0 (cooling_device1) at step 3"),
        ("thermal/cooling_device2/cur_state", 1, "17000000.gpu (cooling_device2) at step 1"),
        ("thermal/cooling_device3/cur_state", 1, "cpu-throttle-alert (cooling_device3) at step 1"),
        ("thermal/thermal_zone1/temp", 99000, "gpu-thermal 99.0 °C, passive trip at 99.0 °C"),
        ("hwmon/hwmon3/oc1_event_cnt", 1, "under-voltage (oc1)"),
        ("hwmon/hwmon3/oc3_event_cnt", 38, "instantaneous over-current (oc3)"),
    ],
)
def test_throttling_of_a_jetson(tmp_path: Path, clock: Clock, file: str, content: int, reason: str) -> None:
    root = jetson(tmp_path)
    sensors = Sensors(root, clock)
    assert sensors.read().throttled is False
    write(root, {f"sys/class/{file}": content})
    clock.now_s += 1
    reading = sensors.read()
    assert (reading.throttled, reading.throttle_reason) == (True, reason)


def test_throttling_of_a_pc_is_counted_and_holds_for_a_while(tmp_path: Path, clock: Clock) -> None:
    root = x86(tmp_path)
    sensors = Sensors(root, clock)
    sensors.read()
    for core in (0, 1):
        write(root, {f"sys/devices/system/cpu/cpu{core}/thermal_throttle/core_throttle_count": 5})
    write(root, {"sys/class/thermal/cooling_device0/cur_state": 2})
    clock.now_s += 1
    assert sensors.read().throttle_reason == "Processor (cooling_device0) at step 2; processor core too hot"
    write(root, {"sys/class/thermal/cooling_device0/cur_state": 0})
    clock.now_s += EVENT_HOLD_S - 1
    assert sensors.read().throttle_reason == "processor core too hot"
    clock.now_s += 1
    assert sensors.read().throttled is False


def test_readings_are_at_most_one_a_second(tmp_path: Path, clock: Clock) -> None:
    root = jetson(tmp_path)
    sensors = Sensors(root, clock)
    first = sensors.read()
    write(root, {"sys/class/thermal/thermal_zone0/temp": 60000})
    clock.now_s += 0.9
    assert sensors.read() is first
    clock.now_s += 0.1
    assert sensors.read().temperatures_c["cpu-thermal"] == 60


def test_a_sensor_may_come_and_go(tmp_path: Path, clock: Clock) -> None:
    root = jetson(tmp_path)
    sensors = Sensors(root, clock)
    write(root, {"sys/class/thermal/thermal_zone9/temp": 48000})  # the unit wakes up
    (root / "sys/class/thermal/thermal_zone0/temp").unlink()
    shutil.rmtree(root / "sys/class/hwmon")
    temperatures_c = sensors.read().temperatures_c
    assert temperatures_c["cv0-thermal"] == 48 and "cpu-thermal" not in temperatures_c
    assert sensors.read().power_w == {}


def test_two_zones_of_one_name_are_told_apart(tmp_path: Path) -> None:
    zone = "sys/class/thermal/thermal_zone"
    files = {f"{zone}{n}/{key}": value for n in (2, 10) for key, value in (("type", "soc"), ("temp", n * 1000))}
    assert Sensors(write(tmp_path, files)).read().temperatures_c == {"soc": 2, "soc-2": 10}


@pytest.mark.parametrize("millidegrees", ["-256000", "255996", "-2147483648", "nan", "", "52 000", "5" * 30, "0x10"])
def test_what_dead_sensors_give_is_no_temperature(tmp_path: Path, millidegrees: str) -> None:
    root = jetson(tmp_path)
    write(root, {"sys/class/thermal/thermal_zone0/temp": millidegrees})
    temperatures_c = Sensors(root).read().temperatures_c
    assert temperatures_c.get("cpu-thermal") in ((0.052,) if millidegrees == "52 000" else (None,))
    assert "gpu-thermal" in temperatures_c


def _folder(path: Path) -> None:
    path.mkdir()


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _denied(path: Path) -> None:
    path.write_text("1")
    path.chmod(0)


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _socket(path: Path) -> None:
    # The names of sockets are short: bound elsewhere, then moved here.
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/s")
        Path(folder, "s").rename(path)


@pytest.mark.parametrize("make", [_folder, os.mkfifo, _loop, _denied, _endless, _socket])
def test_files_that_are_none(tmp_path: Path, make: Callable[[Path], None]) -> None:
    root = jetson(tmp_path)
    for path in [path for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink()]:
        if "bus" not in path.parts:
            path.unlink()
            make(path)
    reading = Sensors(root).read()
    assert all(-60 <= value <= 200 for value in reading.temperatures_c.values())
    assert reading.throttled in (None, False, True)


ROOTS = st.sampled_from([jetson, x86])
CONTENT = st.one_of(
    st.binary(max_size=200),
    st.integers().map(lambda n: str(n).encode()),
    st.text(max_size=60).map(lambda t: t.encode("utf-8", "surrogatepass")),
    st.just(b"9" * 6000),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(ROOTS, st.data())
def test_any_content_at_all(make: Callable[[Path], Path], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root, clock = make(Path(folder)), Clock()
        files = [path for path in sorted(root.rglob("*")) if path.is_file()]
        sensors = Sensors(root, clock)  # what is there is found in a tree that is well, or in one that is not
        for again in range(2):
            for path in data.draw(st.lists(st.sampled_from(files), max_size=12), label="files"):
                path.write_bytes(data.draw(CONTENT, label=path.name))
            clock.now_s += 1
            check(sensors.read())
            if again:
                check(Sensors(root, clock).read())


def check(reading: Reading) -> None:
    names = [*reading.temperatures_c, *reading.clocks_mhz, *reading.power_w, *reading.fans_rpm]
    assert all(name and name.isascii() and name.isprintable() and len(name) < 60 for name in names)
    assert all(-60 <= celsius <= 200 for celsius in reading.temperatures_c.values())
    assert all(0 < megahertz < 20_000 for megahertz in reading.clocks_mhz.values())
    assert all(0 <= watts < 10_000 for watts in reading.power_w.values())
    assert (reading.throttle_reason is not None) == (reading.throttled is True)


def test_this_machine() -> None:
    reading = Sensors().read()
    check(reading)
    use = reading.process
    assert use.rss_mb is not None and 10 < use.rss_mb < 20_000
    assert use.threads is not None and use.threads >= 1
