"""The limits of the shadow lie where the record says: between one model and itself, and models made worse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_runtime.updates.guardrails import ShadowConfig, check_shadow
from fissura.errors import RejectedError

RECORD = json.loads((Path(__file__).parents[2] / "benchmarks/results/fleet/guardrails.json").read_text())


def passes(figures: dict[str, float]) -> bool:
    try:
        check_shadow(figures, ShadowConfig())
    except RejectedError:
        return False
    return True


def test_the_record_is_about_todays_limits() -> None:
    assert RECORD["limits"] == ShadowConfig().model_dump(include=set(RECORD["limits"]))


@pytest.mark.parametrize("name", RECORD["models"])
def test_a_model_passes_beside_itself_and_a_bad_one_does_not(name: str) -> None:
    row = RECORD["models"][name]
    assert passes(row["all"]) == row["passes"]
    if row["kind"] == "A/A":
        assert row["passes"] and passes(row["worst_block"])
    elif row["kind"] == "A/B":
        assert not row["passes"] and row["blocks_that_pass"].startswith("0 of ")
