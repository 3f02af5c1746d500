"""The results as a page of Markdown."""

from __future__ import annotations

from typing import Any

COLUMNS = {
    "best_f1": ("best F1", "{:.4f}"),
    "false_alarms_per_frame": ("false alarms a frame", "{:.3f}"),
    "one_frame_events_per_frame": ("one-frame lines a frame", "{:.3f}"),
    "distractors_shown": ("distractors shown", "{:.0%}"),
    "precision": ("precision", "{:.3f}"),
    "recall": ("recall", "{:.3f}"),
    "cracks_found": ("cracks found", "{:.1%}"),
    "blinks": ("blinking", "{:.2%}"),
    "area_ratio": ("area", "{:.2f}"),
}


def page(result: dict[str, Any]) -> str:
    """Tables of the scores, the registration and the cost."""
    parts = [
        "# Temporal fusion\n",
        f"Made by `python benchmarks/fusion/run.py MODEL` with the model `{result['model']}`, threshold "
        f"{result['threshold']:g}, in {result['cpu_seconds']:.0f} s of\none core. The number after a method is the "
        "memory in frames (`--fuse`). Frames have noise, flicker in brightness, and dark\nlines that are seen in one "
        "frame alone (distractors).\n",
        "- best F1: 2 px, all frames pooled, at the best of 7 thresholds; evidence is relative to the threshold, so "
        "the maps\n  are fused anew at each. Everything else is counted at the one threshold above.",
        "- false alarms: found lines of 10 px and more, less than half of them within 3 px of a crack.",
        "- one-frame lines: found lines that neither neighbouring frame shows, though both see the place.",
        "- distractors shown: share of them of which half or more is found.",
        "- cracks found: pieces of 20 px and more of which half or more is found, each frame counted.",
        "- blinking: crack pixels found in just one of two successive frames.",
        "- area: found pixels near cracks for each crack pixel found; a change would be widening or erosion.\n",
    ]
    for name, rows in result["scores"].items():
        count = result["clips"][name]
        parts += [f"## {name}\n", f"{count['clips']} clips, {count['frames']} frames.\n", _scores(rows)]
    parts += ["## Registration\n", "Error against the true motion, averaged over the frame, in pixels.\n"]
    parts += ["| clips | method | median | 95 % | refused |", "|---|---|---:|---:|---:|"]
    for name, methods in result["registration"].items():
        for method, row in methods.items():
            parts.append(
                f"| {name} | {method} | {_cell(row['error_px_median'], '{:.3f}')} "
                f"| {_cell(row['error_px_p95'], '{:.3f}')} | {row['refused_share']:.1%} |"
            )
    parts += ["\n## Cost\n", "CPU milliseconds a frame, one thread, median.\n"]
    names = list(next(iter(result["cpu_ms"].values())))
    parts += [f"| frame | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
    for size, row in result["cpu_ms"].items():
        parts.append(f"| {size} | " + " | ".join(f"{row[name]:.1f}" for name in names) + " |")
    parts.append(
        "\nA fused frame costs `reduce`, one of the three methods, and `evidence`, which takes up the map.\n"
        f"Python {result['versions']['python']}, NumPy {result['versions']['numpy']}, "
        f"OpenCV {result['versions']['opencv']}, {result['machine']}.\n"
    )
    return "\n".join(parts)


def _scores(rows: dict[str, dict[str, float | None]]) -> str:
    lines = ["| | " + " | ".join(title for title, _ in COLUMNS.values()) + " |", "|---|" + "---:|" * len(COLUMNS)]
    for label, row in rows.items():
        cells = [_cell(row[key], shape) for key, (_, shape) in COLUMNS.items()]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(value: float | None, shape: str) -> str:
    return "–" if value is None else shape.format(value)
