"""The parity report: all figures, nothing but figures and synthetic pavement, the same bytes each time."""

from __future__ import annotations

import base64
import html.parser
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from export.differences import BOUNDS
from export.parity import check_parity
from export.parity_report import CROP_PX, Entry, parity_html, parity_json, short
from tests.export.conftest import Made, small_model
from tests.export.test_onnx import ROLES, stored
from tests.export.test_parity import doubled_head, noise

THRESHOLD = 0.4


def entries_of(made: Made) -> list[Entry]:
    images, masks = noise(2), [np.random.default_rng(7).random((60, 80)) < 0.3 for _ in range(2)]
    graphs = [stored(made.bundle, role) for role in ROLES]
    graphs.append(replace(graphs[0], variant="int8-cpu", onnx=doubled_head(made)))
    return [
        Entry(
            check_parity(graph, small_model(), images, masks), None if graph.role == "super_resolution" else THRESHOLD
        )
        for graph in graphs
    ]


@pytest.fixture(scope="module")
def entries(made: Made) -> list[Entry]:
    return entries_of(made)


class Page(html.parser.HTMLParser):
    """What a page refers to, its cells, and whether its tags are closed."""

    VOID = ("meta", "img", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.cells: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "data", "srcset")]
        if tag not in self.VOID:
            self._open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("td", "a") and self.cells:
            self.cells[-1] += data.strip()


def test_json_has_every_figure(entries: list[Entry]) -> None:
    document = json.loads(parity_json("small", entries))
    assert (document["bundle"], document["limit"]) == ("small", 1e-4)
    graphs = {(graph["role"], graph["precision"]): graph for graph in document["graphs"]}
    assert set(graphs) == {*((role, "fp32") for role in ROLES), ("segmentation", "int8-cpu")}
    for (role, precision), graph in graphs.items():
        assert graph["limit"] == (1e-4 if precision == "fp32" else None)
        assert len(graph["sizes"]) == 2
        assert graph["max_abs"] == max(size["max_abs"] for size in graph["sizes"])
        assert len(graph["histogram"]["values"]) == len(BOUNDS)
        assert (graph["ods_f1"] is None) == (graph["mask_iou"] is None) == (role == "super_resolution")
    fp32, lower = graphs["segmentation", "fp32"], graphs["segmentation", "int8-cpu"]
    assert fp32["max_abs"] < 1e-4 < lower["max_abs"]
    assert fp32["ods_f1"]["pytorch"] == lower["ods_f1"]["pytorch"]
    assert fp32["ods_f1"]["tolerance_px"] == 2


def test_page_is_whole_and_refers_to_nothing_outside(entries: list[Entry]) -> None:
    text = parity_html("small", entries)
    assert text.count("at the threshold as exported") == 1, "a later calibration may choose another"
    page = Page(text)
    assert page.addresses
    assert all(address.startswith(("data:image/png;base64,", "#g")) for address in page.addresses)
    assert "http" not in text
    assert "<script" not in text
    assert 'name="viewport"' in text
    assert page.cells.count("int8-cpu") == 1
    assert "No limit here: the accuracy gate decides." in text
    assert len(text) < 1_000_000


def test_pictures_show_synthetic_pavement_around_the_worst_place(entries: list[Entry]) -> None:
    for entry in entries:
        scale = entry.comparison.graph.output.scale
        page = Page(parity_html("small", [entry]))
        images = [
            cv2.imdecode(np.frombuffer(base64.b64decode(address.split(",")[1]), np.uint8), cv2.IMREAD_COLOR)
            for address in page.addresses
            if address.startswith("data:")
        ]
        frame, pytorch, graph, difference = images
        assert frame.shape == (CROP_PX // scale, CROP_PX // scale, 3)
        assert pytorch.shape == graph.shape == difference.shape == (CROP_PX, CROP_PX, 3)
        assert difference.max() == 255  # the largest difference lies within
        whole = cv2.cvtColor(entry.comparison.shown.frame, cv2.COLOR_RGB2BGR)
        assert (
            cv2.matchTemplate(whole, frame, cv2.TM_SQDIFF).min() < 1000
        )  # by Fourier: not quite 0; elsewhere millions


def test_equal_comparisons_give_equal_bytes(made: Made, entries: list[Entry]) -> None:
    again = entries_of(made)
    assert parity_json("small", again) == parity_json("small", entries)
    assert parity_html("small", again) == parity_html("small", entries)


def test_names_are_escaped(entries: list[Entry]) -> None:
    assert "<b>" not in parity_html("<b>", entries[:1])


def test_short_numbers() -> None:
    assert [short(value) for value in (0.0, 1.234e-7, 0.01234, 0.5)] == ["0", "1.2e-07", "0.012", "0.5"]
