from __future__ import annotations

import pytest

from edge_runtime.run import surroundings as module
from edge_runtime.run.config import RunConfig
from edge_runtime.run.surroundings import surroundings
from fissura.config import parse_config


def config(**settings: object) -> RunConfig:
    told = {"bundle": "a", "source": "synth:", "sink": "jsonl:x", "engine": "onnxruntime", **settings}
    return parse_config(RunConfig, told, origin="test")


def test_what_changes_the_outcome_of_a_test_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = surroundings(config())
    assert surroundings(config(bundle="b", threshold=0.7)) == before
    assert surroundings(config(engine="openvino")) != before
    assert surroundings(config(mode="lr-only")) != before
    assert surroundings(config(engine_option={"cache": "/plans"})) != before
    monkeypatch.setattr(module, "package_version", lambda name: "99")
    assert surroundings(config()) != before
