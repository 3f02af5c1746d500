"""The report of a simulation: figures for programs, a page for people, a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deploy.fleet.simulation.plots import draw

NAME = "simulation"
LATENCIES = 101  # of the announcement that are kept: percentiles
MARKS = {True: "yes", False: "NO", None: "-"}


def write_report(result: dict[str, Any], folder: Path) -> None:
    """Write `simulation.json`, `simulation.md` and `simulation.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    draw(result, folder / f"{NAME}.png")
    (folder / f"{NAME}.md").write_text(page(result), encoding="utf-8")
    (folder / f"{NAME}.json").write_text(json.dumps(short(result), indent=1) + "\n", encoding="utf-8")


def short(result: dict[str, Any]) -> dict[str, Any]:
    """The figures without what is only for the picture, times counted from the beginning."""
    began_s = result["began_s"]
    kept = {name: value for name, value in result.items() if name not in ("phases", "began_s", "ended_s")}
    kept["seconds"] = round(result["ended_s"] - began_s, 1)
    if "announcement" in kept:
        all_s = kept["announcement"]["all_s"]
        ranks = [round(rank * (len(all_s) - 1) / (LATENCIES - 1)) for rank in range(LATENCIES)]
        rest = {name: value for name, value in kept["announcement"].items() if name != "all_s"}
        kept["announcement"] = {**rest, "percentiles_s": [round(all_s[rank], 3) for rank in ranks]}
    kept["served"] = {name: value for name, value in kept["served"].items() if name != "bytes_by_second"}
    for name in ("good", "bad", "offline"):
        if name in kept:
            kept[name] = _relative(kept[name], began_s)
    return kept


def _relative(value: Any, began_s: float) -> Any:
    if isinstance(value, list):
        return [_relative(one, began_s) for one in value]
    if isinstance(value, dict):
        moments = ("began_s", "ended_s", "started_s")
        return {
            name: round(one - began_s, 1) if name in moments and one is not None else _relative(one, began_s)
            for name, one in value.items()
        }
    return round(value, 3) if isinstance(value, float) else value


def page(result: dict[str, Any]) -> str:
    """The report in Markdown."""
    plan, machine, pace = result["plan"], result["machine"], result["plan"]["pace"]
    rows = [f"| {line['demand']} | {line['measured']} | {MARKS[line['holds']]} |" for line in result["acceptance"]]
    versions = ", ".join(f"{name} {value}" for name, value in result["versions"].items())
    parts = [
        "# Simulation of a fleet",
        f"`{result['command']}`",
        f"{machine['cores']} cores ({machine['processor']}), load {machine['load_before']:.1f} before and"
        f" {machine['load_median']:.1f} (median), {machine['load_highest']:.1f} (highest) meanwhile;"
        f" {result['ended_s'] - result['began_s']:.0f} s. {versions}.",
        f"**{'All lines hold.' if result['holds'] else 'Not all lines hold.'}**",
        "\n".join(["| demand | measured | holds |", "|---|---|---|", *rows]),
        "![plots](simulation.png)",
        "## What is real",
        f"mosquitto with the limits of `deploy/mosquitto` (without TLS), a web server, the signed repository, `fissura"
        f" fleet rollout`, `abort` and `status --listen` as processes, and the update machine, outbox and reporter of"
        f" {plan['full']} devices; their engine and frames are played. The other {plan['devices'] - plan['full']} speak"
        " the protocol: they fetch `timestamp.json` at every look (the real TUF client checks what is behind it once a"
        " version for all of them) and the release's largest file, which they compare with its hash.",
        f"One second stands for {pace['factor'] / 60:.1f} minutes of a device's time: a day takes {plan['day_s']:g} s,"
        f" a device that hears nothing looks every {pace['poll_s']:g} s, build {pace['build_s']:g} s, shadow"
        f" {pace['shadow_s']:g} s, canary {pace['canary_s']:g} s (each device by 0.8 to 1.2 of that). Announcements are"
        f" spread over {pace['window_s']:g} s. What is measured of broker and server is in real seconds.",
        f"The devices' clock stands while this machine cannot follow, for else what is late would come all at once,"
        f" which devices with processors of their own do not do: for {result['clock_stood_s']:.0f} s in all.",
        "Planned load: bytes of the largest wave's devices divided by the window, with one look of every device in it,"
        " and the polls.",
        "Faults: 2 % of the transfers are cut, 2 % slow, 1 % answered by 503 with Retry-After; devices that say things"
        " twice, or things that are no reports; a flood of messages that are no announcements; in the first scenario"
        " the controller and the broker are killed, and the broker forgets all that it had kept.",
    ]
    if odds := result.get("odds"):
        chances = ", ".join(f"{name}: {share:.0%}" for name, share in odds.items())
        parts += [
            "## The bad release",
            f"It fails on {plan['failing_share']:.0%} of the devices of every wave, two of three times in the"
            " self-test. Failures are judged when 20 devices of a wave have ended, and 2 are enough up to 40. The"
            " self-test's are known before the first device has been through shadow and canary, so all of these stand"
            " against the first 20 ends. Where chance alone says which devices fail, the same rule pauses roll-outs in"
            f" these waves: {chances}.",
        ]
    return "\n\n".join(parts) + "\n"
