"""The parity report of a bundle: `parity.json` for programs, `parity.html` for people.

Equal comparisons give equal bytes: no time, no path, no name of a machine. The page holds all that it shows, and of
images only synthetic pavement, since bundles are passed on and most photographs may not be.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment, StrictUndefined
from numpy.typing import NDArray

from export.differences import BOUNDS, Summary
from export.parity import LIMIT, Comparison
from fissura.files import write_text

JSON_FILE = "parity.json"
HTML_FILE = "parity.html"
TEMPLATE = Path(__file__).with_name("parity.html.jinja")
CROP_PX = 96  # side of what is shown around the largest difference, output pixels


@dataclass(frozen=True)
class Entry:
    """One graph of the report, and the threshold that it ships with; None of an image."""

    comparison: Comparison
    threshold: float | None


@dataclass(frozen=True)
class Picture:
    """A PNG as a `data:` address, and what it shows."""

    caption: str
    address: str


def write_parity(folder: Path, name: str, entries: Sequence[Entry]) -> None:
    """Write `parity.json` and `parity.html`.

    Args:
        folder: of the bundle.
        name: of the bundle.
        entries: every graph at every precision, in the order of the report.
    """
    write_text(folder / JSON_FILE, parity_json(name, entries))
    write_text(folder / HTML_FILE, parity_html(name, entries))


def parity_json(name: str, entries: Sequence[Entry]) -> str:
    """The figures as JSON: sorted keys, three significant digits."""
    document = {"bundle": name, "limit": LIMIT, "graphs": [_as_dictionary(entry) for entry in entries]}
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def parity_html(name: str, entries: Sequence[Entry]) -> str:
    """The same for people, with how the differences spread and where the worst of a synthetic frame lies."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["short"] = short
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        name=name,
        limit=LIMIT,
        entries=[
            {
                "file": entry.comparison.graph.file,
                "role": entry.comparison.graph.role,
                "precision": _precision(entry.comparison),
                "comparison": entry.comparison,
                "threshold": entry.threshold,
                "record": entry.comparison.record(entry.threshold),
                "bars": _bars(entry.comparison.all),
                "pictures": _pictures(entry.comparison),
            }
            for entry in entries
        ],
    )


def short(value: float) -> str:
    """A small number for people.

    Example:
        >>> short(0.000000123), short(0.0123), short(0.0)
        ('1.2e-07', '0.012', '0')
    """
    if value == 0:
        return "0"
    return f"{value:.1e}" if value < 1e-3 else f"{value:.2g}"


def _as_dictionary(entry: Entry) -> dict[str, Any]:
    comparison = entry.comparison
    record = comparison.record(entry.threshold)
    scores = comparison.scores
    return {
        "role": comparison.graph.role,
        "file": comparison.graph.file,
        "precision": _precision(comparison),
        "images": comparison.images,
        "limit": comparison.limit,
        **_figures(comparison.all),
        "threshold": entry.threshold,
        "mask_iou": None if record.mask_iou is None else _rounded(record.mask_iou, 5),
        "ods_f1": None
        if scores is None
        else {
            "pytorch": _rounded(scores.pytorch, 5),
            "graph": _rounded(scores.graph, 5),
            "images": scores.images,
            "tolerance_px": scores.tolerance_px,
        },
        "sizes": [
            {"height": height, "width": width, "frames": summary.frames, **_figures(summary)}
            for (height, width), summary in comparison.by_size.items()
        ],
        "histogram": {"up_to": list(BOUNDS), "values": list(comparison.all.histogram)},
    }


def _precision(comparison: Comparison) -> str:
    return comparison.graph.variant or "fp32"


def _figures(summary: Summary) -> dict[str, float]:
    return {"max_abs": _rounded(summary.max_abs, 3), "mean_abs": _rounded(summary.mean_abs, 3)}


def _rounded(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")


def _bars(summary: Summary) -> list[dict[str, Any]]:
    """Rows of the histogram, from the first to the last that holds a value; widths go by the logarithm."""
    counts = np.array(summary.histogram)
    used = np.flatnonzero(counts)
    most = np.log1p(counts.max())
    return [
        {
            "label": f"up to {BOUNDS[i]:.0e}",
            "share": 100 * counts[i] / counts.sum(),
            "width": 100 * np.log1p(counts[i]) / most,
        }
        for i in range(used[0], used[-1] + 1)
    ]


def _pictures(comparison: Comparison) -> list[Picture]:
    """A part of the synthetic frame around its largest difference: the frame, both outputs, the difference."""
    shown, scale = comparison.shown, comparison.graph.output.scale
    difference = np.abs(shown.graph - shown.pytorch)
    flat = difference if difference.ndim == 2 else difference.max(axis=2)
    worst = np.unravel_index(int(flat.argmax()), flat.shape)
    rows, columns = (_around(int(at), side, scale) for at, side in zip(worst, flat.shape, strict=True))
    part = (rows, columns)
    largest = float(flat.max())
    of_frame = tuple(slice(cut.start // scale, cut.stop // scale) for cut in part)
    return [
        Picture("frame", _png(shown.frame[of_frame])),
        Picture("PyTorch", _png(_grey(shown.pytorch[part]))),
        Picture("graph", _png(_grey(shown.graph[part]))),
        Picture(f"difference: white is {short(largest)}", _png(_grey(flat[part] / (largest or 1.0)))),
    ]


def _around(at: int, side: int, scale: int) -> slice:
    """A part of an axis around a place, cut at whole frame pixels."""
    length = min(CROP_PX // scale * scale, side)
    start = min(max(at - length // 2, 0), side - length) // scale * scale
    return slice(start, start + length)


def _grey(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(255 * values.clip(0, 1)).astype(np.uint8)


def _png(image: NDArray[np.uint8]) -> str:
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    _, encoded = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return "data:image/png;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")
