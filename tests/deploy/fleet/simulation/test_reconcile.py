from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from deploy.fleet.registry.intake import Heard
from deploy.fleet.registry.registry import Registry
from deploy.fleet.simulation.ledger import Ledger, Step
from deploy.fleet.simulation.reconcile import reconcile
from tests.deploy.fleet.rollout.fleet_fakes import event


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry(tmp_path / "fleet.sqlite") as registry:
        yield registry


def test_what_both_have(registry: Registry) -> None:
    ledger = Ledger()
    for number in range(5):
        told = event(f"sim-{number}", "committed", 1, number + 1)
        registry.store([Heard(told), Heard(told)])
        step = Step(float(number), told.serial, told.phase, told.release, 1, str(told.uuid))
        ledger.note(step)
        ledger.note(step._replace(at_s=99.0))
    figures = reconcile(ledger, registry, limit_s=0)
    assert (figures["ends"], figures["ends_stored"]) == (5, 5)
    assert not any(figures[key] for key in ("ends_lost", "ends_invented", "ends_miscounted", "events_lost"))


def test_what_one_lacks(registry: Registry) -> None:
    ledger = Ledger()
    ledger.note(Step(1.0, "sim-1", "committed", 1, 1, str(UUID(int=1))))
    registry.store([Heard(event("sim-2", "rejected", 1, 1))])
    figures = reconcile(ledger, registry, limit_s=0)
    assert (figures["ends_lost"], figures["ends_invented"], figures["ends_miscounted"]) == (1, 1, 2)


def test_an_end_that_is_told_under_two_numbers(registry: Registry) -> None:
    ledger = Ledger()
    for sequence in (1, 2):
        told = event("sim-1", "committed", 1, sequence)
        registry.store([Heard(told)])
    ledger.note(Step(1.0, "sim-1", "committed", 1, 1, str(told.uuid)))
    figures = reconcile(ledger, registry, limit_s=0)
    assert (figures["ends_lost"], figures["ends_invented"], figures["ends_miscounted"]) == (0, 1, 1)
