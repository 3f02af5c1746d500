"""What sessions leave out, told without the library that they are of."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fissura.bundle import Precision
from fissura.onnxruntime_options import disabled_optimizers


@pytest.mark.parametrize(
    ("precision", "expected"), [("fp32", None), ("fp16", None), ("int8", ["CommonSubexpressionElimination"])]
)
def test_only_int8_needs_an_optimiser_left_out(precision: Precision, expected: list[str] | None) -> None:
    assert disabled_optimizers(precision) == expected


def test_the_library_is_not_loaded() -> None:
    code = "import sys, fissura.onnxruntime_options; sys.exit('onnxruntime' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
