"""The demo's report says what was received, and nothing that a file name or a message holds breaks the page."""

from __future__ import annotations

from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path
from uuid import uuid4

import pytest

from edge_runtime.demo.report import FrameEntry, stage_rows, write_report
from fissura.messages import CrackGeometry, Detection, FrameStamp, ModelStamp


def detection(name: str, *, length_px: float = 41.5, in_mm: bool = False) -> Detection:
    return Detection(
        serial="demo",
        event_id=uuid4(),
        mission_id="m1",
        frame=FrameStamp(
            source="folder",
            sequence=0,
            captured_utc=datetime(2026, 1, 2, tzinfo=timezone.utc),
            captured_monotonic_ns=1,
            width_px=160,
            height_px=240,
            name=name,
        ),
        crack=CrackGeometry(
            length_px=length_px,
            mean_width_px=1.5,
            max_width_px=3.25,
            area_px=62.0,
            length_mm=2 * length_px if in_mm else None,
            mean_width_mm=3.0 if in_mm else None,
            max_width_mm=6.5 if in_mm else None,
            bbox_px=(4.0, 5.0, 20.0, 30.0),
            polygon_px=((4.0, 5.0), (24.0, 5.0), (24.0, 35.0)),
        ),
        confidence=0.87,
        model=ModelStamp(name="tiny", bundle_id="0" * 64, mode="fused", engine="onnxruntime", threshold=0.5),
    )


class Page(HTMLParser):
    """Collects the cells of table rows and the images."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.images: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag == "img":
            self.images.append(dict(attrs)["src"] or "")

    def handle_data(self, data: str) -> None:
        if self.rows and data.strip():
            self.rows[-1].append(data.strip())


def test_every_received_crack_has_its_row(tmp_path: Path) -> None:
    frames = [
        FrameEntry("131", "frames/131.jpg", [detection("131.jpg"), detection("131.jpg", length_px=12.0)]),
        FrameEntry("163", "frames/163.jpg", []),
    ]
    write_report(tmp_path / "report.html", frames=frames, stages_ms={"fused": [10.0, 20.0, 90.0]}, facts={"a": "b"})
    page = Page((tmp_path / "report.html").read_text())
    cells = [row[:5] for row in page.rows if row and row[0] == "131"]
    assert cells == [["131", "1", "41.5", "1.5", "3.2"], ["131", "2", "12.0", "1.5", "3.2"]]
    assert "2 cracks in 2 frames" in (tmp_path / "report.html").read_text()
    assert page.images == ["frames/131.jpg", "frames/163.jpg"]
    assert ["fused", "20.00"] in [row[:2] for row in page.rows]


def test_millimetres_appear_when_they_are_known(tmp_path: Path) -> None:
    write_report(
        tmp_path / "report.html",
        frames=[FrameEntry("1", "frames/1.jpg", [detection("1.jpg", in_mm=True)])],
        stages_ms={},
        facts={},
    )
    page = Page((tmp_path / "report.html").read_text())
    assert "length mm" in page.rows[0]
    assert page.rows[1][5:8] == ["83.0", "3.0", "6.5"]


def test_names_cannot_inject_markup(tmp_path: Path) -> None:
    entry = FrameEntry("<script>alert(1)</script>", "frames/x.jpg", [])
    write_report(tmp_path / "report.html", frames=[entry], stages_ms={}, facts={"mission": "<b>x</b>"})
    assert "script" not in Page((tmp_path / "report.html").read_text()).tags


def test_stage_rows_are_percentiles() -> None:
    rows = stage_rows({"encode": [1.0] * 10, "fused": [float(n) for n in range(1, 12)], "never": []})
    assert [row.name for row in rows] == ["encode", "fused"]
    assert rows[1].p50_ms == 6.0
    assert rows[1].p90_ms == pytest.approx(10.0)
    assert rows[1].max_ms == 11.0
    assert rows[1].share == 100.0
    assert rows[0].share == pytest.approx(100 / 6)
