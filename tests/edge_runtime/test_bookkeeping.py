"""Counters, stage times and the rate-limited log."""

from __future__ import annotations

import logging
import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.clock import boot_id, wall_clock_quality
from edge_runtime.counters import Counters
from edge_runtime.ratelimit import RateLimitedLog
from edge_runtime.stages import REMEMBERED, StageTimes, percentiles


def test_counters() -> None:
    counters = Counters()
    assert counters.snapshot().frame_age_s is None and counters.snapshot().frames_per_second == 0
    for _ in range(5):
        counters.frame_arrived()
        time.sleep(0.02)
        counters.frame_done(2)
    counters.dropped("superseded", 3)
    counters.dropped("superseded", 0)
    counters.dropped("failed", 0)
    counts = counters.snapshot()
    assert (counts.frames, counts.detections, counts.drops) == (5, 10, {"superseded": 3})
    assert counts.sink_errors == {}
    counters.sink_failed("jsonl")
    assert counters.snapshot().sink_errors == {"jsonl": 1} and counters.snapshot().drops == {"superseded": 3}
    assert 0 < counts.frames_per_second < 55
    time.sleep(0.1)
    later = counters.snapshot()
    assert later.frame_age_s is not None and later.frame_age_s > 0.1
    assert later.frames_per_second < counts.frames_per_second  # a stalled camera shows


def test_stage_times_leave_out_a_block_that_raises() -> None:
    times = StageTimes()
    for _ in range(3):
        with times.measure("a"):
            time.sleep(0.01)
    with pytest.raises(ValueError, match="x"), times.measure("b"):
        raise ValueError("x")
    assert list(times.all()) == ["a"]
    assert 9 < times.medians()["a"] < 5000


def test_percentiles() -> None:
    values = [float(n) for n in range(1001)]
    assert percentiles(values) == {"p50": 500.0, "p90": 900.0, "p99": 990.0, "p999": 999.0}
    assert percentiles([]) == {}


def test_the_log_is_rate_limited_by_kind(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 5.0
    monkeypatch.setattr("edge_runtime.ratelimit.time", SimpleNamespace(monotonic=lambda: now_s))
    log = RateLimitedLog(logging.getLogger("limited"), period_s=0.1)
    for n in range(50):
        log.warning("a", f"a{n}")
    log.warning("b", "b0")
    assert caplog.messages == ["a0", "b0"]
    now_s += 0.12
    log.warning("a", "a50")
    assert caplog.messages[-1] == "a50 (and 49 more like it before)"


def test_the_clock_knows_its_boot() -> None:
    assert boot_id() == boot_id()
    assert wall_clock_quality() in ("ntp", "unsynchronised")


@settings(max_examples=30)
@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=50), st.integers(0, 2 * REMEMBERED + 3))
def test_the_latest_latencies_and_their_median(milliseconds: list[float], earlier: int) -> None:
    times = StageTimes()
    for number in range(earlier):
        times.add("decode", 1e6 + number)
    for value in milliseconds:
        times.add("decode", value)
    expected = [*(1e6 + number for number in range(earlier)), *milliseconds][-REMEMBERED:]
    assert times.all() == {"decode": expected}
    assert times.medians()["decode"] == pytest.approx(float(np.median(expected)), abs=1e-3)
