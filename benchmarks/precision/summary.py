"""The result for people: a table and a plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def as_markdown(result: dict[str, Any]) -> str:
    """A page with one table a network."""
    width, height = result["frame_px"]
    test, load = result["test"], result["load_average"]
    lines = [
        "# INT8 on a CPU",
        "",
        f"`{result['command']}`",
        "",
        f"Frames of {width}x{height}, one thread, {result['rounds']} rounds in which all take turns; "
        f"{result['processor']}, load average {load} at the end of the run.",
        f"Speed: ONNX Runtime's fp32 time by this one's, median over rounds. ODS F1 (2 px) and drop on {test['data']} "
        f"({test['images']} images), which chose no ranges and decided no gate.",
        "",
        ", ".join(f"{name} {number}" for name, number in result["versions"].items()) + ".",
    ]
    for name, network in result["networks"].items():
        lines += [
            "",
            f"## {name}: `{network['recipe']}`",
            "",
            "| engine | precision | states itself as | p50 ms | p99 ms | speed | ODS F1 | drop, points |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for row in network["rows"]:
            lines.append(
                f"| {row['engine']} | {row['precision']} | {row['name']} | {row['ms']['p50']:.1f} "
                f"| {row['ms']['p99']:.1f} | {row['speed']:.2f} | {row['ods_f1']:.2f} | {row['drop']:+.2f} |"
            )
        restored = {name: gate["restored"] for name, gate in network["gate"].items() if gate["restored"]}
        lines += ["", f"Layers that stayed fp32 to pass the gate: {restored or 'none'}."]
    return "\n".join(lines) + "\n"


def draw(path: Path, result: dict[str, Any]) -> None:
    """Bars of speed, a group a network."""
    from matplotlib.figure import Figure

    networks = result["networks"]
    figure = Figure(figsize=(4 + 3 * len(networks), 5), layout="constrained")
    axes = figure.subplots()
    labels = [f"{row['engine']} {row['precision']}" for row in next(iter(networks.values()))["rows"]]
    width = 0.8 / len(labels)
    for number, label in enumerate(labels):
        rows = [network["rows"][number] for network in networks.values()]
        places = [group + (number - (len(labels) - 1) / 2) * width for group in range(len(rows))]
        bars = axes.bar(places, [row["speed"] for row in rows], width, label=label)
        axes.bar_label(bars, [f"{row['speed']:.1f}\n{row['drop']:+.2f}" for row in rows], fontsize=7)
    axes.axhline(1, color="0.5", linewidth=1)
    axes.set_xticks(range(len(networks)), list(networks))
    axes.set_ylabel("speed, ONNX Runtime fp32 = 1")
    axes.set_title("one thread, 480x320; above the bars: speed, and points of ODS F1 lost on CFD's test list")
    axes.margins(y=0.12)
    axes.legend(fontsize=8, loc="upper right")
    figure.savefig(path, dpi=120)
