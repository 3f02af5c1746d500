"""A whole simulation: scenario after scenario, then the reckoning."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from deploy.fleet.simulation import scenarios
from deploy.fleet.simulation.acceptance import judge
from deploy.fleet.simulation.http_load import planned, rates
from deploy.fleet.simulation.odds import pausing
from deploy.fleet.simulation.plan import Plan
from deploy.fleet.simulation.reconcile import reconcile
from deploy.fleet.simulation.stage import BAD, GOOD, LATER, Stage
from deploy.fleet.simulation.timeline import phases
from fissura import __version__

CLOSING_S = 90.0  # for what is still on its way when all devices are done


def simulate(plan: Plan, folder: Path) -> dict[str, Any]:
    """Run it.

    Args:
        plan: what is simulated.
        folder: for everything that is written meanwhile; an empty one.

    Returns:
        All figures, for JSON.

    Raises:
        FleetError: it did not come to its end.
    """
    with Stage(plan, folder) as stage:
        result: dict[str, Any] = {"plan": _described(plan), "machine": _machine(), "versions": _versions(stage)}
        result["connecting"] = scenarios.come_online(stage)
        if "good" in plan.scenarios:
            result["good"] = _play(stage, scenarios.good)
            result["announcement"] = scenarios.announce(stage)
        if "bad" in plan.scenarios:
            result["bad"] = {**_play(stage, scenarios.bad), "failing_share": plan.failing_share}
            result["odds"] = pausing(plan.devices, plan.waves, plan.failing_share, plan.seed)
        if "offline" in plan.scenarios:
            result["offline"] = _play(stage, scenarios.offline)
        result["messages"] = _messages(stage)
        served = stage.served()
        for name, release in (("good", GOOD), ("bad", BAD), ("offline", LATER)):
            if name in result:
                result[name]["http"] = _http(stage, served, release, result[name])
        result["served"] = {
            "bytes": sum(served["bytes_by_second"].values()),
            "requests": sum(served["requests_by_second"].values()),
            "statuses": served["statuses"],
            "faults": served["faults"],
            "bytes_by_second": rates(served, "bytes_by_second", stage.began_s, time.monotonic()),
        }
        samples = stage.watch.samples
        result["memory"] = {
            "broker_peak_bytes": stage.broker.peak_bytes,
            "total_peak_bytes": max(sample.total_bytes for sample in samples),
        }
        loads = sorted(sample.load for sample in samples)
        result["machine"]["load_median"], result["machine"]["load_highest"] = loads[len(loads) // 2], loads[-1]
        result["devices_refused_messages"] = stage.swarm.refused()
        result["clock_stood_s"] = stage.loop.stood_s
        result["loop_errors"] = [repr(error) for error in stage.loop.errors[:10]]
        result["began_s"], result["ended_s"] = stage.began_s, time.monotonic()
        result["phases"] = phases(stage.ledger.steps(), plan.devices, stage.began_s, time.monotonic())
    result["acceptance"] = [line._asdict() for line in judge(result)]
    result["holds"] = all(line["holds"] is not False for line in result["acceptance"]) and not result["loop_errors"]
    return result


def _play(stage: Stage, scenario: Callable[[Stage], dict[str, Any]]) -> dict[str, Any]:
    """A scenario, and from when to when it was on the devices' clock."""
    began_s, stood_s = stage.loop.now_s, stage.loop.stood_s
    told = scenario(stage)
    clock = (began_s, stage.loop.now_s)
    return {**told, "clock_s": clock, "clock_stood_s": stage.loop.stood_s - stood_s}


def _http(stage: Stage, served: dict[str, Any], release: int, told: dict[str, Any]) -> dict[str, Any]:
    load = planned(stage, release)
    begin_s, end_s = told["began_s"], told["ended_s"]
    peak = max(count for _, count in rates(served, "bytes_by_second", begin_s, end_s))
    first, last = told["clock_s"]
    own = [count for second, count in stage.fetcher.bytes_by_second.items() if first <= second <= last]
    requests = max(count for _, count in rates(served, "requests_by_second", begin_s, end_s))
    return {
        "planned_bytes_per_s": load.planned,
        "peak_bytes_per_s": peak,
        "peak_requests_per_s": requests,
        "peak_bytes_per_device_second": max(own, default=0),
        "wave_devices": load.wave_devices,
        "install_bytes": load.install_bytes,
        "look_bytes": load.look_bytes,
    }


def _messages(stage: Stage) -> dict[str, Any]:
    figures = reconcile(stage.ledger, stage.registry, CLOSING_S)
    steps = stage.ledger.steps()
    committed = {(step.serial, step.release) for step in steps if step.phase == "committed"}
    counts = Counter((step.serial, step.release) for step in steps)
    return {**figures, "fewest": min((counts[key] for key in committed), default=0)}


def _described(plan: Plan) -> dict[str, Any]:
    pace = plan.pace
    times = ("factor", "window_s", "poll_s", "hint_s", "build_s", "shadow_s", "canary_s", "deferred_s", "silence_s")
    return {**asdict(plan), "pace": {name: getattr(pace, name) for name in times}}


def _machine() -> dict[str, Any]:
    return {
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "system": platform.platform(terse=True),
    }


def _versions(stage: Stage) -> dict[str, str]:
    told = subprocess.run([stage.broker.program, "-h"], capture_output=True, text=True, check=False).stdout
    return {
        "fissura": __version__,
        "python": platform.python_version(),
        "mosquitto": told.split("\n")[0].removeprefix("mosquitto version "),
        **{name: version(name) for name in ("tuf", "paho-mqtt", "urllib3")},
    }
