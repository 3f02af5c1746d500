"""How fast the console's pages are in a real browser, with a large fleet and many cracks.

Chromium loads each page from a real `fissura fleet console` over TLS; timed from the click to the load event (median of
the rounds), for the map until its points are there. Exports are read to their end by a client.

    python benchmarks/fleet/console.py [--devices 10000] [--cracks 200000] > benchmarks/results/fleet_console.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from deploy.fleet.console.detections.sqlite import SqliteStore
from tests.deploy.fleet.console.browser import Browser, find_chromium
from tests.deploy.fleet.console.console_process import ConsoleProcess, make_home
from tests.deploy.fleet.console.fleet_data import fill_devices
from tests.deploy.fleet.console.sightings import sighting_number

PAGES = {
    "fleet": "",
    "fleet, last page": "?page=100000",
    "fleet, filtered": "?phase=failures&q=latency",
    "device": "devices/truck-00009",
    "roll-outs": "rollouts",
}
TOGETHER = 20_000
_LOAD_MS = "performance.getEntriesByType('navigation')[0].loadEventEnd"


def fill_cracks(path: Path, count: int) -> None:
    """Cracks on a grid of roads of 100 by 100 kilometres."""
    store = SqliteStore(path)
    for start in range(0, count, TOGETHER):
        store.add(
            [
                sighting_number(
                    number,
                    latitude_deg=52 + number % 101 * 0.01,
                    longitude_deg=13 + number // 101 % 1000 * 0.0015,
                    max_width_mm=number % 50 / 10,
                )
                for number in range(start, min(start + TOGETHER, count))
            ]
        )


def page_ms(browser: Browser, url: str) -> float:
    """From the start of the navigation to the load event."""
    browser.go(url)
    browser.wait(f"{_LOAD_MS} > 0")
    return float(browser.run(_LOAD_MS))


def map_ms(browser: Browser, url: str) -> float:
    """From the start of the navigation until the points are there, to a twentieth of a second."""
    browser.go(url)
    browser.wait("document.querySelector('#map').dataset.shown")
    return float(browser.run("performance.now()"))


def export_s(console: ConsoleProcess, path: str) -> tuple[float, int]:
    """Seconds and bytes of an export."""
    size = 0
    with console.logged_in() as client:
        start_s = time.perf_counter()
        with client.stream("GET", path) as answer:
            for piece in answer.iter_bytes():
                size += len(piece)
        return time.perf_counter() - start_s, size


def resident_mb(pid: int) -> float:
    """Memory of a process in use, 10^6 bytes."""
    kib = next(
        line.split()[1] for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")
    )
    return int(kib) * 1024 / 1e6


def measure(devices: int, cracks: int, rounds: int) -> dict[str, Any]:
    """All figures."""
    with tempfile.TemporaryDirectory() as name:
        home = make_home(Path(name) / "fleet")
        fill_devices(home / "state" / "fleet.sqlite", devices)
        fill_cracks(home / "state" / "detections.sqlite", cracks)
        with ConsoleProcess(home) as console, Browser(Path(name) / "chromium") as browser:
            browser.size(1280, 860)
            browser.go(f"{console.url}login")
            browser.fill("#token", console.token)
            browser.follow("button.main")
            pages = {
                title: statistics.median(page_ms(browser, console.url + path) for _ in range(rounds))
                for title, path in PAGES.items()
            }
            pages["map, all cracks"] = statistics.median(map_ms(browser, f"{console.url}map") for _ in range(rounds))
            exports = {path: export_s(console, path) for path in ("cracks.geojson", "cracks.csv")}
            memory = resident_mb(console.pid)
    return {
        "devices": devices,
        "cracks": cracks,
        "rounds": rounds,
        "page_ms": {title: round(value) for title, value in pages.items()},
        "export_s": {path: round(seconds, 2) for path, (seconds, _) in exports.items()},
        "export_mb": {path: round(size / 1e6, 1) for path, (_, size) in exports.items()},
        "memory_mb": round(memory),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "browser": _browser_version(),
    }


def _browser_version() -> str:
    program = find_chromium()
    assert program is not None
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return " ".join(done.stdout.split()[:2])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--cracks", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.devices, arguments.cracks, arguments.rounds), indent=1))
