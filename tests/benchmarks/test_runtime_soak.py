"""What the hour's samples are judged by. The hour itself is in tests/edge_runtime/test_soak.py."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "runtime"


@pytest.fixture(scope="module")
def soak() -> Iterator[Any]:
    pytest.importorskip("matplotlib", reason="the chart needs matplotlib, which the extra `train` brings")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield importlib.import_module("soak")


def samples(soak: Any, *, mb_an_hour: float = 0.0, more_threads: int = 0, more_files: int = 0) -> Any:
    """An hour in steps of five seconds, that begins with 50 MB in ten minutes."""
    return [
        soak.Sample(
            seconds=seconds,
            rss_mb=100 + 50 * min(1, seconds / 600) + mb_an_hour * seconds / 3600 + 0.2 * (seconds % 3),
            threads=12 + more_threads * (seconds > 3000),
            files=20 + more_files * (seconds > 3000) + (seconds % 2),
            frames=40 * seconds,
            spool_rows=0,
            store_mb=4.0,
            cpu_s=seconds,
        )
        for seconds in range(0, 3600, 5)
    ]


def test_what_does_not_grow(soak: Any, tmp_path: Path) -> None:
    found = soak.judge(samples(soak, mb_an_hour=0.5))
    assert found["kept"] and found["rss_slope_mb_h"] == pytest.approx(0.5, abs=0.2)
    assert found["warm_up_s"] == pytest.approx(600, abs=2) and found["frames_a_second"] == 40
    result = found | {"samples": [vars(sample) for sample in samples(soak)]}
    importlib.import_module("soak_chart").draw(tmp_path / "chart.png", result)
    assert (tmp_path / "chart.png").stat().st_size > 10_000


@pytest.mark.parametrize("growth", [{"mb_an_hour": 3.0}, {"more_threads": 1}, {"more_files": 1}])
def test_what_grows(soak: Any, growth: dict[str, Any]) -> None:
    assert not soak.judge(samples(soak, **growth))["kept"]
