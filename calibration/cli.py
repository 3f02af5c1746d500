"""`fissura calibrate`: choose a bundle's thresholds on a list of real images."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from calibration.reliability import check_plotting, draw_reliability
from calibration.selection import add_selection_arguments, select
from fissura.bundle import Bundle, VariantName, load_bundle
from fissura.errors import UsageError
from fissura.table import format_table

if TYPE_CHECKING:
    from calibration.graphs import CalibrationOptions, Outcome, Outcomes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `fissura calibrate`."""
    add = parser.add_argument
    add("bundle", type=Path, metavar="BUNDLE", help="folder of the bundle")
    add("data", metavar="DATA", help="an image/mask folder, or a name below FISSURA_DATA")
    add_selection_arguments(parser, split="train")
    add(
        "--criterion",
        choices=("ods", "false-alarms"),
        default="ods",
        help="ods: the threshold with the best F1; false-alarms: the lowest that keeps --max-false-alarms "
        "(default: %(default)s)",
    )
    add("--max-false-alarms", type=_rate, metavar="R", help="reported cracks a frame that are none, on the average")
    add("--hysteresis", action="store_true", help="look for a second, low threshold as well")
    add("--temperature", action="store_true", help="fit the temperature of the confidences")
    add("--plot", type=Path, metavar="PNG", help="reliability before and after the temperature")
    add(
        "--precision",
        choices=("fp32", *get_args(VariantName)),
        metavar="NAME",
        help="only the graphs of this precision: fp32, fp16, int8-portable or int8-cpu (default: all that there are)",
    )
    add("--json", action="store_true", help="print JSON")
    add("--out", type=Path, metavar="NEW", help="write a new bundle with these thresholds; BUNDLE itself never changes")


def run(arguments: argparse.Namespace) -> int:
    """Choose thresholds; print them, and write them where that was asked for."""
    out: Path | None = arguments.out
    if out is not None and (out.exists() or arguments.bundle.resolve() in out.resolve().parents):
        found = f"{out} exists already" if out.exists() else f"{out} lies inside the bundle"
        raise UsageError(found, expected="the path of a new folder", fix="choose another --out")
    _check(arguments)
    bundle = load_bundle(arguments.bundle)
    dataset = select(arguments.data, arguments)

    from calibration.graphs import CalibrationOptions, calibrate  # engine and optimiser: only for what can run
    from calibration.thresholds import write_copy

    options = CalibrationOptions(
        arguments.tolerance,
        arguments.max_false_alarms,
        arguments.hysteresis,
        arguments.temperature,
        arguments.precision,
    )
    outcomes = calibrate(bundle, dataset, options)
    if arguments.plot is not None:
        title = f"{bundle.manifest.name}: pixels reported on {dataset.name}/{dataset.split}"
        fits = {role: outcome.fit for role, outcome in outcomes.graphs.items() if role != "tile"}
        curves = {str(role): (fit.temperature, fit.before, fit.after) for role, fit in fits.items() if fit is not None}
        draw_reliability(arguments.plot, curves, title)
    if out is not None:
        write_copy(
            bundle,
            {role: outcome.threshold for role, outcome in outcomes.graphs.items()},
            out,
            {key: outcome.threshold for key, outcome in outcomes.variants.items()},
        )
    if arguments.json:
        written = {"written": None if out is None else str(out), "criterion": arguments.criterion}
        print(json.dumps({"graphs": _as_json(outcomes), **written}, indent=2))
        return 0
    print(_as_table(bundle, outcomes, options))
    print(f"on {len(dataset.samples)} images of {dataset.name}/{dataset.split}, tolerance {arguments.tolerance:g} px")
    for line in _remarks(outcomes):
        print(line)
    if arguments.plot is not None:
        print(f"reliability: {arguments.plot}")
    print(f"written: {out}" if out is not None else "nothing was written: --out NEW keeps these thresholds")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    limited = arguments.criterion == "false-alarms"
    if limited != (arguments.max_false_alarms is not None):
        raise UsageError(
            "--criterion false-alarms without a limit" if limited else "--max-false-alarms with criterion ods",
            expected="both of --criterion false-alarms and --max-false-alarms R, or neither",
        )
    if arguments.plot is not None:
        if not arguments.temperature:
            raise UsageError("--plot without --temperature", expected="both: the plot shows what the temperature mends")
        if arguments.plot.suffix.lower() != ".png":
            raise UsageError(f"--plot {arguments.plot}", expected="a path that ends in .png")
        check_plotting()


def _as_json(outcomes: Outcomes) -> dict[str, dict[str, Any]]:
    graphs: dict[str, dict[str, Any]] = {role: _facts(outcome) for role, outcome in outcomes.graphs.items()}
    for (role, variant), outcome in outcomes.variants.items():
        graphs.setdefault(role, {}).setdefault("variants", {})[variant] = _facts(outcome)
    return graphs


def _facts(outcome: Outcome) -> dict[str, Any]:
    threshold, fit = outcome.threshold, outcome.fit
    facts: dict[str, Any] = {"threshold": threshold.value, **threshold.record.model_dump(mode="json")}
    if outcome.false_cracks_per_frame is not None:
        facts["false_cracks_per_frame"] = outcome.false_cracks_per_frame
    if outcome.hysteresis is not None:
        facts["low_threshold"], facts["hysteresis_gain_f1"] = threshold.low, outcome.hysteresis.gain
    if fit is not None:
        facts["temperature"], facts["reported_pixels"] = fit.temperature, fit.pixels
        for when, reliability in (("before", fit.before), ("after", fit.after)):
            facts[f"ece_{when}"], facts[f"nll_{when}"] = reliability.ece, reliability.nll
    return facts


def _as_table(bundle: Bundle, outcomes: Outcomes, options: CalibrationOptions) -> str:
    named: dict[str, tuple[float | None, Outcome]] = {
        role: (bundle.graph(role).threshold, outcome) for role, outcome in outcomes.graphs.items()
    }
    for (role, variant), outcome in outcomes.variants.items():
        named[f"{role}/{variant}"] = (bundle.graph(role, variant).threshold, outcome)
    header, limited = ["graph", "before", "threshold", "f1", "precision", "recall"], options.most_false_per_frame
    header += ["false/frame"] if limited is not None else []
    header += ["low"] if any(outcome.hysteresis for _, outcome in named.values()) else []
    header += ["T", "ECE", "ECE at T"] if options.temperature else []
    rows = []
    for name, (before, outcome) in sorted(named.items()):
        threshold, fit = outcome.threshold, outcome.fit
        temperature = (None,) * 3 if fit is None else (fit.temperature, fit.before.ece, fit.after.ece)
        cells = {
            "graph": name,
            "before": _number(before, 2),
            "threshold": _number(threshold.value, 2),
            "f1": _number(threshold.record.f1, 4),
            "precision": _number(threshold.record.precision, 4),
            "recall": _number(threshold.record.recall, 4),
            "false/frame": _number(outcome.false_cracks_per_frame, 3),
            "low": _number(threshold.low, 2),
            "T": _number(temperature[0], 3),
            "ECE": _number(temperature[1], 4),
            "ECE at T": _number(temperature[2], 4),
        }
        rows.append([cells[title] for title in header])
    return format_table(header, rows, right=range(1, len(header)))


def _remarks(outcomes: Outcomes) -> list[str]:
    """What a low threshold brings, graph by graph; a tile graph is the whole frame's."""
    lines = []
    for role, outcome in outcomes.graphs.items():
        if outcome.hysteresis is not None and role != "tile":
            gain = f"{100 * outcome.hysteresis.gain:+.2f} points of F1"
            said = "brings" if outcome.threshold.low is not None else "is left out, it would bring"
            lines.append(f"hysteresis of {role} {said} {gain}")
    return lines


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _rate(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (0 <= number < math.inf):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number of cracks a frame, 0 or more")
    return number
