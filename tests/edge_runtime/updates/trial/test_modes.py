"""A trial opens a model as the run does: in each mode, engine and precision."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edge_runtime.run.config import RunConfig
from edge_runtime.updates.guardrails import TrialConfig
from edge_runtime.updates.trial.trial import ProcessTrial, Running
from fissura.bundle import Role
from fissura.config import parse_config
from tests.bundles import CASCADE_ROLES, ROLES
from tests.edge_runtime.proven import make_proven_bundle

SEGMENTATION: tuple[Role, ...] = ("segmentation",)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("roles", "settings", "compared"),
    [
        (CASCADE_ROLES, {"mode": "cascade", "tile": 16, "budget_ms": 50}, False),
        (CASCADE_ROLES, {"mode": "full"}, True),
        (ROLES, {"mode": "sr+segmentation"}, False),  # golden frames of its first graph are no probabilities
        (SEGMENTATION, {"engine": "openvino"}, True),
        (SEGMENTATION, {"engine": "auto"}, True),
        (SEGMENTATION, {"precision": "int8-portable"}, True),
    ],
)
def test_it_passes(roles: tuple[Role, ...], settings: dict[str, object], compared: bool, tmp_path: Path) -> None:
    if settings.get("engine") == "openvino":
        pytest.importorskip("openvino")
    bundle = make_proven_bundle(tmp_path / "bundle", roles=roles)
    told = {"bundle": bundle, "source": "synth:", "sink": "jsonl:x", "threads": 1, **settings}
    running = Running(parse_config(RunConfig, told, origin="test"), (96, 72))
    figures = ProcessTrial(TrialConfig(frames=5), lambda: running).run(bundle, threading.Event())
    assert figures["golden_iou"] > 0.9 and figures["p99_ms"] > 0
    assert ("running_iou" in figures) == compared
