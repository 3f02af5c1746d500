from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from edge_runtime.engines.tensorrt.calibration_table import calibration_table, read_scales
from fissura.errors import EngineError


def test_scales_are_symmetric_and_written_as_big_endian_hexadecimal(tmp_path: Path) -> None:
    ranges = {"relu": {"low": 0.0, "high": 2.54}, "conv": {"low": -12.7, "high": 1.0}, "zero": {"low": 0, "high": 0}}
    tables = {"int8-portable": {"tensors": ranges, "calibrator": "min_max"}, "int8-cpu": {"tensors": {}}}
    (tmp_path / "ranges.json").write_text(json.dumps({"graphs": {"fused": tables}}))
    scales = read_scales(tmp_path / "ranges.json", "fused")
    assert scales == pytest.approx({"relu": 0.02, "conv": 0.1})  # a tensor that is always zero has no scale
    heading, *lines = calibration_table(scales, (10, 3, 0)).decode().splitlines()
    assert heading == "TRT-100300-EntropyCalibration2"
    assert lines[0] == "relu: 3ca3d70a"
    assert struct.unpack(">f", bytes.fromhex(lines[1].removeprefix("conv: ")))[0] == pytest.approx(0.1)


def test_the_heading_of_version_8() -> None:
    assert calibration_table({}, (8, 6, 1)) == b"TRT-8601-EntropyCalibration2\n"


@pytest.mark.parametrize(
    "tensors", ["", "[]", '{"a": {"low": 0}}', '{"a": {"low": 0, "high": NaN}}', '{"a:b": {"low": 0, "high": 1}}']
)
def test_what_is_no_table_is_refused(tmp_path: Path, tensors: str) -> None:
    (tmp_path / "ranges.json").write_text(f'{{"graphs": {{"fused": {{"int8-cpu": {{"tensors": {tensors}}}}}}}}}')
    with pytest.raises(EngineError, match=r"ranges\.json"):
        read_scales(tmp_path / "ranges.json", "fused")


def test_a_graph_without_ranges_is_named(tmp_path: Path) -> None:
    (tmp_path / "ranges.json").write_text('{"graphs": {"fused": {"int8-cpu": {"tensors": {}}}}}')
    assert read_scales(tmp_path / "ranges.json", "fused") == {}
    with pytest.raises(EngineError, match="graph segmentation"):
        read_scales(tmp_path / "ranges.json", "segmentation")
