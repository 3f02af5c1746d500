"""Trees of files as the kernel lays them out, below a folder of the test."""

from __future__ import annotations

from pathlib import Path


def write(root: Path, files: dict[str, object]) -> Path:
    """Write files, each with its content and a new line, as the kernel ends them."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return root


def jetson(root: Path) -> Path:
    """A Jetson Orin in a power mode below its highest, cool, and with the sensors of its switched-off units silent."""
    thermal, hwmon = "sys/class/thermal", "sys/class/hwmon"
    files: dict[str, object] = {}
    zones = {"cpu-thermal": 52812, "gpu-thermal": 49031, "soc0-thermal": 50125, "tj-thermal": 52812}
    for index, (zone, millidegrees) in enumerate(zones.items()):
        files[f"{thermal}/thermal_zone{index}/type"] = zone
        files[f"{thermal}/thermal_zone{index}/temp"] = millidegrees
        trips = (("active", 35000), ("passive", 99000), ("critical", 104500))
        for number, (kind, trip) in enumerate(trips):
            files[f"{thermal}/thermal_zone{index}/trip_point_{number}_type"] = kind
            files[f"{thermal}/thermal_zone{index}/trip_point_{number}_temp"] = trip
    files[f"{thermal}/thermal_zone9/type"] = "cv0-thermal"  # its unit sleeps: no temperature can be read
    coolers = ("pwm-fan", "cpufreq-cpu0", "17000000.gpu", "cpu-throttle-alert", "hot-surface-alert")
    for index, (kind, step) in enumerate(zip(coolers, (2, 0, 0, 0, 1), strict=True)):
        files[f"{thermal}/cooling_device{index}/type"] = kind
        files[f"{thermal}/cooling_device{index}/cur_state"] = step
    files |= {
        f"{hwmon}/hwmon0/name": "cpu_thermal",  # the zone once more
        f"{hwmon}/hwmon0/temp1_input": 52812,
        f"{hwmon}/hwmon1/name": "ina3221",
        f"{hwmon}/hwmon3/name": "soctherm_oc",
        f"{hwmon}/hwmon4/name": "pwm_tach",
        f"{hwmon}/hwmon4/rpm": 2140,
    }
    rails = {1: ("VDD_GPU_SOC", 19176, 640), 2: ("VDD_CPU_CV", 19176, 240), 3: ("NC", 0, 0)}
    for number, (label, millivolts, milliamperes) in rails.items():
        files[f"{hwmon}/hwmon1/in{number}_label"] = label
        files[f"{hwmon}/hwmon1/in{number}_input"] = millivolts
        files[f"{hwmon}/hwmon1/curr{number}_input"] = milliamperes
    files[f"{hwmon}/hwmon1/in7_label"] = "sum of shunt voltages"
    files[f"{hwmon}/hwmon1/in7_input"] = 1200
    for number, count in ((1, 0), (2, 15), (3, 37)):  # since the boot, long before us
        files[f"{hwmon}/hwmon3/oc{number}_event_cnt"] = count
        files[f"{hwmon}/hwmon3/oc{number}_throt_en"] = 1
    for policy, kilohertz in ((0, 729600), (4, 1510400)):
        files[f"sys/devices/system/cpu/cpufreq/policy{policy}/scaling_cur_freq"] = kilohertz
        files[f"sys/devices/system/cpu/cpufreq/policy{policy}/scaling_max_freq"] = 1510400
        files[f"sys/devices/system/cpu/cpufreq/policy{policy}/cpuinfo_max_freq"] = 2201600
    files["sys/class/devfreq/17000000.ga10b/cur_freq"] = 612000000
    files["sys/class/devfreq/15340000.vic/cur_freq"] = 729600000
    write(root, files)
    # The bus shows the same chip.
    device = root / "sys/bus/i2c/drivers/ina3221/1-0040/hwmon"
    device.mkdir(parents=True)
    (device / "hwmon1").symlink_to(root / hwmon / "hwmon1")
    return root


def x86(root: Path) -> Path:
    """A PC with a battery, whose energy counters may be read."""
    thermal, hwmon, cpu = "sys/class/thermal", "sys/class/hwmon", "sys/devices/system/cpu"
    files: dict[str, object] = {
        f"{thermal}/thermal_zone0/type": "acpitz",
        f"{thermal}/thermal_zone0/temp": 27800,
        f"{thermal}/thermal_zone0/trip_point_0_type": "critical",
        f"{thermal}/thermal_zone0/trip_point_0_temp": 105000,
        f"{thermal}/thermal_zone1/type": "x86_pkg_temp",
        f"{thermal}/thermal_zone1/temp": 61000,
        f"{thermal}/thermal_zone1/trip_point_0_type": "passive",
        f"{thermal}/thermal_zone1/trip_point_0_temp": 0,  # left empty
        f"{hwmon}/hwmon0/name": "coretemp",
        f"{hwmon}/hwmon0/temp1_label": "Package id 0",
        f"{hwmon}/hwmon0/temp1_input": 61000,
        f"{hwmon}/hwmon0/temp2_label": "Core 0",
        f"{hwmon}/hwmon0/temp2_input": 60000,
        f"{hwmon}/hwmon1/name": "nvme",
        f"{hwmon}/hwmon1/temp1_input": 38850,
        f"{hwmon}/hwmon2/name": "thinkpad",
        f"{hwmon}/hwmon2/fan1_input": 3100,
        f"{hwmon}/hwmon3/name": "amdgpu",
        f"{hwmon}/hwmon3/power1_label": "PPT",
        f"{hwmon}/hwmon3/power1_average": 7130000,
        "sys/class/powercap/intel-rapl:0/name": "package-0",
        "sys/class/powercap/intel-rapl:0/energy_uj": 262_143_000_000,
        "sys/class/powercap/intel-rapl:0/max_energy_range_uj": 262_143_328_850,
        "sys/class/powercap/intel-rapl:0:0/name": "core",
        "sys/class/powercap/intel-rapl:0:0/energy_uj": 1_000_000,
        "sys/class/powercap/intel-rapl-mmio:0/name": "package-0",  # the same counter by another way
        "sys/class/powercap/intel-rapl-mmio:0/energy_uj": 5,
        "sys/class/power_supply/BAT0/type": "Battery",
        "sys/class/power_supply/BAT0/capacity": 87,
        "sys/class/power_supply/hidpp_battery_0/type": "Battery",
        "sys/class/power_supply/hidpp_battery_0/scope": "Device",
        "sys/class/power_supply/hidpp_battery_0/capacity": 10,
        "sys/class/drm/card0/gt_act_freq_mhz": 1150,
    }
    for core, kilohertz in enumerate((800000, 3400000)):
        files[f"{cpu}/cpu{core}/cpufreq/scaling_cur_freq"] = kilohertz
        files[f"{cpu}/cpu{core}/thermal_throttle/core_throttle_count"] = 4
        files[f"{cpu}/cpu{core}/thermal_throttle/package_throttle_count"] = 9
    for index, (kind, step) in enumerate((("Processor", 0), ("TCC Offset", 3), ("intel_powerclamp", -1))):
        files[f"{thermal}/cooling_device{index}/type"] = kind
        files[f"{thermal}/cooling_device{index}/cur_state"] = step
    return write(root, files)
