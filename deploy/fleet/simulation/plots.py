"""The report's picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

NAMES = {"good": "good", "bad": "bad", "offline": "a part offline"}
COLOURS = ("#c7c7c7", "#2a6fb0", "#c8553d", "#3f8f5f")  # of what came with the devices, and of the releases
SHADES = {"good": "#2a6fb0", "bad": "#c8553d", "offline": "#3f8f5f"}


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw announcement, phases, server and waves.

    Args:
        result: of `simulate`.
        path: of the PNG.
    """
    figure, axes = plt.subplots(2, 2, figsize=(15, 9.5), layout="constrained")
    plan = result["plan"]
    figure.suptitle(
        f"{plan['devices']:,} devices, {plan['full']} of them with the whole update machine; one second stands for"
        f" {plan['pace']['factor'] / 60:.1f} minutes of a device's time"
    )
    _announcement(axes[0][0], result)
    _served(axes[0][1], result)
    _active(axes[1][0], result)
    _busy(axes[1][1], result)
    for axis in (axes[0][1], axes[1][0], axes[1][1]):
        axis.set_xlim(0, result["ended_s"] - result["began_s"])
        axis.set_xlabel("seconds since the start")
    for axis in axes.flat:
        axis.grid(alpha=0.3)
        axis.set_ylim(bottom=0)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _announcement(axis: Axes, result: dict[str, Any]) -> None:
    axis.set_title("An announcement on its way")
    axis.set_xlabel("seconds after it was published")
    axis.set_ylabel("devices that have it, %")
    told = result.get("announcement")
    if told is None:
        return
    latencies = told["all_s"]
    axis.plot(latencies, [100 * (at + 1) / len(latencies) for at in range(len(latencies))], color="black")
    axis.axvline(10, color="#c8553d", linestyle="--", label="limit: 10 s")
    axis.annotate(f"last: {told['last_s']:.2f} s", (told["last_s"], 100), (0, -18), textcoords="offset points")
    axis.set_xlim(0, 11)
    axis.legend(loc="center right")


def _served(axis: Axes, result: dict[str, Any]) -> None:
    axis.set_title("What the web server gave out, second by second")
    axis.set_ylabel("MB/s")
    began = result["began_s"]
    seconds, counts = zip(*result["served"]["bytes_by_second"], strict=True)
    axis.fill_between([at - began for at in seconds], [count / 1e6 for count in counts], color="#9db7cf", step="post")
    for name in ("good", "offline"):
        if one := result.get(name):
            span = (one["began_s"] - began, one["ended_s"] - began)
            label = {"label": "planned for the largest wave"} if name == "good" else {}
            limit = {"label": "limit: 1.5 times that"} if name == "good" else {}
            rate = one["http"]["planned_bytes_per_s"] / 1e6
            axis.hlines(rate, *span, color="black", **label)
            axis.hlines(1.5 * rate, *span, color="#c8553d", linestyle="--", **limit)
    axis.set_ylim(0, axis.get_ylim()[1] * 1.2)
    axis.legend(loc="upper center", ncols=2)


def _active(axis: Axes, result: dict[str, Any]) -> None:
    axis.set_title("Release that the devices run, and the waves")
    axis.set_ylabel("devices")
    phases = result["phases"]
    labels = {"None": "what they came with", "1": "1: good", "2": "2: bad", "3": "3: good, a part offline"}
    stacked = list(phases["active"].items())
    axis.stackplot(
        phases["seconds"],
        [counts for _, counts in stacked],
        labels=[labels.get(release, release) for release, _ in stacked],
        colors=[COLOURS[0 if release == "None" else int(release)] for release, _ in stacked],
        alpha=0.8,
    )
    devices = result["plan"]["devices"]
    for name in NAMES:
        for wave in result.get(name, {}).get("waves", []):
            if wave["started_s"] is not None:
                at = wave["started_s"] - result["began_s"]
                axis.axvline(at, color="black", linewidth=0.8, linestyle=":")
                axis.text(at, devices * 1.01, f"{wave['percent']} %", rotation=90, va="bottom", ha="center", fontsize=8)
    axis.set_ylim(0, devices * 1.12)
    axis.legend(loc="lower center", framealpha=0.9)


def _busy(axis: Axes, result: dict[str, Any]) -> None:
    axis.set_title("Devices within an installation, by phase")
    axis.set_ylabel("devices")
    phases = result["phases"]
    shown = {name: counts for name, counts in phases["busy"].items() if any(counts)}
    if shown:
        axis.stackplot(phases["seconds"], list(shown.values()), labels=list(shown), alpha=0.85)
    for name, title in NAMES.items():
        if one := result.get(name):
            begin, end = one["began_s"] - result["began_s"], one["ended_s"] - result["began_s"]
            axis.axvspan(begin, end, color=SHADES[name], alpha=0.08)
            axis.text((begin + end) / 2, 0.98, title, transform=axis.get_xaxis_transform(), ha="center", va="top")
    axis.set_ylim(0, axis.get_ylim()[1] * 1.35)
    if shown:
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, 0.94), ncols=4)
