"""An hour at full speed; `FISSURA_SOAK_MINUTES` makes it shorter, or longer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_runtime.local_broker import find_mosquitto

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "runtime" / "soak.py"
MINUTES = float(os.environ.get("FISSURA_SOAK_MINUTES", "60"))
TELLING_MINUTES = 30.0  # before that, caches that fill look like a slope


@pytest.mark.slow
@pytest.mark.timeout(MINUTES * 60 + 300)
def test_nothing_grows(bundle: Path, images: Path, tmp_path: Path) -> None:
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed: sudo apt-get install mosquitto")
    pytest.importorskip("matplotlib", reason="the chart needs matplotlib, which the extra `train` brings")
    command = [sys.executable, str(SCRIPT), str(bundle), "--images", str(images), "--minutes", str(MINUTES)]
    done = subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    result = json.loads((tmp_path / "soak.json").read_text())
    assert (tmp_path / "soak.png").stat().st_size > 10_000
    assert result["summary"]["drops"].keys() <= {"stopped"} and not result["summary"]["sink_errors"]
    assert result["summary"]["commands"] > 0 and not result["summary"]["commands_refused"]
    assert result["threads"][1] <= result["threads"][0] and result["files"][1] <= result["files"][0]
    if MINUTES >= TELLING_MINUTES:
        assert result["rss_slope_mb_h"] < 1, f"{result['rss_mb']} MB, +- {result['rss_slope_error_mb_h']} MB/h"
