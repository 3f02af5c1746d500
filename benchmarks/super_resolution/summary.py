"""The table and the plots, from the figures in `result.json` alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fissura.files import replacing, write_text

SCORES = {"psnr_db": "PSNR [dB]", "aiu_code": "AIU"}
FRAME = "64x64"  # what the trainings see, and the plots show
STYLES = {  # the same in all plots
    "interpolation": {"marker": "o", "color": "black"},
    "ABPN": {"marker": "s", "color": "tab:blue"},
    "DBPN-2": {"marker": "^", "color": "tab:orange"},
    "DBPN-4": {"marker": "D", "color": "tab:green"},
    "DBPN-6": {"marker": "v", "color": "tab:red"},
}

Row = Mapping[str, Any]


def write(result: Mapping[str, Any], folder: Path) -> str:
    """Write `README.md` and the plots; returns the text."""
    rows: list[Row] = result["variants"]
    trained = [row for row in rows if row["quality"]]
    _draw_cost(rows, folder / "cost.png")
    if trained:
        _draw_quality(trained, folder / "quality.png")
    text = f"{_heading(result)}\n{_cost_table(rows)}\n{_quality_table(trained)}"
    write_text(folder / "README.md", text)
    return text


def _heading(result: Mapping[str, Any]) -> str:
    segmentation = result["segmentation"]
    gflops = ", ".join(f"{value:.2f} at {frame}" for frame, value in segmentation["gflops"].items())
    return (
        "# Super-resolution x4 in front of a segmentation\n\n"
        "Parameters, GFLOPs (two a multiply-accumulate; convolutions only) and time of one frame, given as width x\n"
        "height, in ONNX Runtime on one thread: the super-resolution graph alone (SR) and fused with the segmentation\n"
        f"(`{segmentation['options']['name']}`, {segmentation['parameters']:,} parameters, GFLOP: {gflops}).\n"
        f"Times are CPU time of that thread, medians of up to {result['rounds']} rounds in which each variant took\n"
        "turns with bicubic interpolation; the ratio is to that, in the same round. `bicubic` and `bilinear` are\n"
        "ONNX's `Resize`. ONNX Runtime computes its bicubic kernel 20 times faster where channels come last, as in\n"
        "the graph of super-resolution alone, than in the fused graph, where they come first: compare with bilinear\n"
        "there. DBPN is labelled stages x width, ABPN width x depth.\n\n"
        f"Made by `{result['command']}` on {result['machine']['processor']}, ONNX Runtime "
        f"{result['versions']['onnxruntime']}.\n"
    )


def _cost_table(rows: Iterable[Row]) -> str:
    frames = list(next(iter(rows))["gflops"])
    head = ["variant", "parameters", "halo [px]"]
    for frame in frames:
        head += [f"GFLOP {frame}", "SR [ms]", "ratio", "fused [ms]", "ratio"]
    lines = [f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
    for row in rows:
        cells = [row["variant"], f"{row['parameters']:,}", str(row["halo_px"])]
        for frame in frames:
            times = row["times"][frame]
            cells.append(f"{row['gflops'][frame]:.3f}")
            for role in ("super_resolution", "fused"):
                cells += [f"{times[role]['ms']:.1f}", f"{times[role]['ratio']:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return (
        "\n".join(lines)
        + "\n\n![Time against GFLOPs](cost.png)\n\nWhat makes the difference: [operators](operators.md).\n"
    )


def _quality_table(rows: list[Row]) -> str:
    if not rows:
        return "No variant is trained yet.\n"
    columns = {"psnr_db": "PSNR [dB]", "ssim": "SSIM", "max_iou": "max IoU", "aiu_code": "AIU"}
    lines = [
        "Trained jointly with the segmentation (`bicubic`: the segmentation alone) on DeepCrack's training images,",
        "frames of 64x64 (recipes `train/recipes/edge/`), scored by protocol `cssr` on the test images that share no",
        "scene with them:",
        "",
        f"| variant | {' | '.join(columns.values())} | GFLOP {FRAME} | SR [ms] | fused [ms] |",
        "|---|" + "---:|" * (len(columns) + 3),
    ]
    for row in rows:
        times = row["times"][FRAME]
        cells = [row["variant"]]
        cells += [f"{row['quality'][key]:.{2 if key == 'psnr_db' else 4}f}" for key in columns]
        cells += [
            f"{row['gflops'][FRAME]:.3f}",
            *(f"{times[role]['ms']:.1f}" for role in ("super_resolution", "fused")),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n\n![Quality against cost](quality.png)\n"


def _draw_cost(rows: Iterable[Row], path: Path) -> None:
    from matplotlib.figure import Figure

    rows = list(rows)
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    for axes, frame in zip(figure.subplots(1, 2), rows[0]["gflops"], strict=True):
        for family, members in _families(rows).items():
            style = STYLES[family]
            points = [(row["gflops"][frame], row["times"][frame]["super_resolution"]["ms"], row) for row in members]
            if not any(gflops for gflops, _, _ in points):
                for _, ms, row in points:
                    dashes = {"bicubic": "--", "bilinear": ":"}[row["variant"]]
                    axes.axhline(ms, lw=0.9, ls=dashes, color=style["color"], label=f"{row['variant']} (`Resize`)")
                continue
            axes.plot([x for x, _, _ in points], [y for _, y, _ in points], label=family, **style)
            for gflops, ms, row in points:
                axes.annotate(
                    row["variant"].split("-")[1], (gflops, ms), (4, -9), textcoords="offset points", fontsize=7
                )
        axes.set(xscale="log", yscale="log", xlabel="GFLOP a frame", ylabel="ms a frame, one thread")
        axes.set_title(f"super-resolution x4 of {frame}")
        axes.grid(alpha=0.3, which="both")
        axes.legend(fontsize="small")
    with replacing(path) as aside:
        figure.savefig(aside, dpi=110)


def _draw_quality(rows: list[Row], path: Path) -> None:
    from matplotlib.figure import Figure

    costs = {
        "GFLOP of super-resolution": lambda row: row["gflops"][FRAME],
        "ms with segmentation, one thread": lambda row: row["times"][FRAME]["fused"]["ms"],
    }
    figure = Figure(figsize=(11, 8), layout="constrained")
    for line, (score, title) in zip(figure.subplots(2, 2), SCORES.items(), strict=True):
        for axes, (label, cost) in zip(line, costs.items(), strict=True):
            for family, members in _families(rows).items():
                style = STYLES[family]
                points = [(cost(row), row["quality"][score], row["variant"]) for row in members]
                if not all(x for x, _, _ in points):  # nothing to count: no place on a logarithmic axis
                    for _, y, variant in points:
                        axes.axhline(y, lw=0.9, ls="--", color=style["color"], label=variant)
                    continue
                axes.plot([x for x, _, _ in points], [y for _, y, _ in points], label=family, **style)
                for x, y, variant in points:
                    axes.annotate(variant, (x, y), (5, -10), textcoords="offset points", fontsize=7)
            axes.set(xscale="log", xlabel=f"{label}, frame of {FRAME}", ylabel=title)
            axes.margins(x=0.18, y=0.12)
            axes.grid(alpha=0.3, which="both")
            axes.legend(fontsize="small")
    with replacing(path) as aside:
        figure.savefig(aside, dpi=110)


def _families(rows: Iterable[Row]) -> dict[str, list[Row]]:
    families: dict[str, list[Row]] = {}
    for row in rows:
        families.setdefault(row["family"], []).append(row)
    return families
