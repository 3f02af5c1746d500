from __future__ import annotations

import sqlite3
from contextlib import closing

from deploy.fleet.registry import rollouts
from deploy.fleet.registry.registry import Registry
from deploy.fleet.registry.rollouts import Plan
from deploy.fleet.rollout.overview import in_tables, overview
from tests.deploy.fleet.rollout.fleet_fakes import CHANNEL, MODEL, ended


def test_a_damaged_audit_is_told_and_hides_nothing_else(registry: Registry) -> None:
    registry.store(ended("a", 7, 3, good=False))
    rollouts.begin(registry, Plan(MODEL, 7, CHANNEL, None, (1, 100)), 1.0)
    assert "audit: 1 entries, unbroken" in in_tables(overview(registry))
    with closing(sqlite3.connect(registry.path)) as other:
        other.execute("DROP TRIGGER audit_stays")
        other.execute("UPDATE audit SET actor = 'nobody'")
        other.commit()
    view = overview(registry)
    assert (view["audit"]["entries"], view["audit"]["hash"]) == (1, None)
    assert "line 1" in view["audit"]["broken"]
    text = in_tables(view)
    assert "audit: 1 entries, BROKEN: the audit is not what was written" in text
    assert "roll-out 1: release 7" in text
    assert "golden      1" in text
