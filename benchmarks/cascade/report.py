"""The cascade's figures as Markdown and as plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fissura.files import replacing

Row = Mapping[str, Any]
# A map with cracks all over has all that `full` finds: precision has to stand beside recall.
SCORES = {"recall": "recall of what full finds, 2 px", "precision": "share that full finds too, 2 px"}


def markdown(result: Mapping[str, Any]) -> str:
    """One table a clip."""
    width, height = result["frame_px"]
    bars, bundle = result["bars"], result["bundle"]
    passing = result["passing"]
    verdict = f"So do: {'; '.join(passing)}." if passing else "No setting does so."
    parts = [
        f"# The cascade\n\nBundle `{bundle['name']}`, x{bundle['scale']}, camera frames of {width} x {height} pixels, "
        f"tiles of {result['tile_px']}, {result['batch']} at once,\n{result['engine']}, threads: {result['threads']}, "
        f"{result['processor']}. Made by `python benchmarks/cascade/run.py`; `result.json` holds every run.\n\n"
        "Time and recall are against `full` in the same process, all variants in turn; recall is the share of its\n"
        f"crack pixels that lie within {result['tolerance_px']:g} px of one of the variant's, at full scale; by length,"
        " of its\nskeleton.\n\n"
        f"The bar: with cracks in {bars['target_share']:.0%} of the tiles at least "
        f"{bars['recall']:.0%} of the recall in at most {bars['time_of_full']:.0%} of the time. {verdict}\n\n"
        "![Recall over time](recall-over-time.png)\n\n![Recall over budget](recall-over-budget.png)\n"
    ]
    for name, clip in result["clips"].items():
        parts.append(f"\n## {name}: {clip['mean_share']:.1%} of the tiles hold cracks\n\n{_table(clip['summary'])}")
    return "".join(parts)


def draw_times(result: Mapping[str, Any], path: Path) -> None:
    """Recall and precision over time, all relative to `full`: a colour a clip, lines over thresholds and halos."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    figure = Figure(figsize=(12, 5.5), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, score in zip(panels, SCORES, strict=True):
        for index, clip in enumerate(result["clips"].values()):
            free = [row for row in clip["summary"] if row["mode"] == "cascade" and row["budget_ms"] is None]
            by_threshold = [row for row in free if row["halo"] == result["halo_px"]]
            by_halo = [row for row in free if row["proposal_threshold"] == result["proposal_threshold"]]
            by_halo.sort(key=lambda row: row["halo"])
            low = [row for row in clip["summary"] if row["mode"] == "lr-only"]
            style: dict[str, Any] = {"color": f"C{index}", "ms": 4.5, "lw": 1}
            axes.plot(*_points(by_threshold, "time_of_full", score), "o-", **style, label=_label(clip))
            axes.plot(*_points(by_halo, "time_of_full", score), "s--", **style, mfc="white")
            axes.plot(*_points(low, "time_of_full", score), "x", **style)
        axes.axvline(result["bars"]["time_of_full"], color="black", lw=0.8, ls=":")
        if score == "recall":
            axes.axhline(result["bars"]["recall"], color="black", lw=0.8, ls=":")
        _finish(axes, "time / time of full", score)
    handles, _ = panels[0].get_legend_handles_labels()
    handles += [
        Line2D([], [], color="grey", marker="o", label=f"proposal thresholds, halo {result['halo_px']}"),
        Line2D(
            [],
            [],
            color="grey",
            marker="s",
            mfc="white",
            ls="--",
            label=f"halos, threshold {result['proposal_threshold']:g}",
        ),
        Line2D([], [], color="grey", marker="x", lw=0, label="lr-only"),
    ]
    panels[1].legend(handles=handles, fontsize="small", loc="lower right")
    with replacing(path) as aside:
        figure.savefig(aside, dpi=110)


def draw_budgets(result: Mapping[str, Any], path: Path) -> None:
    """Recall and precision over the budget, one line a clip."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, score in zip(panels, SCORES, strict=True):
        for clip in result["clips"].values():
            line = sorted((row for row in clip["summary"] if row["budget_ms"]), key=lambda row: row["budget_ms"])
            axes.plot(*_points(line, "budget_ms", score), marker="o", label=_label(clip))
        _finish(axes, "budget, ms a frame", score)
    panels[1].legend(fontsize="small", loc="lower right")
    with replacing(path) as aside:
        figure.savefig(aside, dpi=110)


def _finish(axes: Any, across: str, score: str) -> None:
    axes.set(xlabel=across, ylabel=SCORES[score], ylim=(None, 1.01), xlim=(0, None))
    axes.grid(alpha=0.3)


def _label(clip: Mapping[str, Any]) -> str:
    return f"cracks in {clip['mean_share']:.0%} of the tiles"


def _points(rows: Sequence[Row], across: str, score: str) -> tuple[list[float], list[float]]:
    return [row[across] for row in rows], [row["against_full"][score] for row in rows]


def _table(rows: Sequence[Row]) -> str:
    lines = [
        "| variant | ms | of full's time | recall of full | by length | precision | truth: recall | precision | F1 "
        "| tiles proposed | refined |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        full, truth, tiles = row["against_full"], row["against_truth"], row["tiles"]
        shares = (full["recall"], full["recall_by_length"], full["precision"], truth["recall"], truth["precision"])
        counts = (f"{tiles['proposed']:g}", f"{tiles['refined']:g}") if tiles else ("–", "–")
        cells = (
            row["variant"],
            f"{row['ms']:.1f}",
            f"{row['time_of_full']:.1%}",
            *(f"{share:.3f}" for share in (*shares, truth["f1"])),
            *counts,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
