"""Real agents with ONNX Runtime, a signed repository, a broker: what is good stays, what is not goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.local_broker import LocalBroker
from fissura.bundle import load_bundle, read_manifest
from tests.edge_runtime.agent.fleet import CANARY, MODEL, PATIENCE_S, Agent, Repository, ends
from tests.edge_runtime.proven import WRONG_STEEPNESS, list_files, set_steepness
from tests.edge_runtime.updates import harmful
from tests.edge_runtime.updates.trial.test_trial import X86
from tests.edge_runtime.updates.web_server import serving
from tests.mosquitto import Subscriber, wait_until

MakeAgent = Callable[..., Agent]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


@pytest.fixture
def operator(broker: LocalBroker) -> Iterator[Subscriber]:
    subscriber = Subscriber(broker.port)
    yield subscriber
    subscriber.close()


@pytest.fixture
def make_agent(tmp_path: Path, repository: Repository, broker: LocalBroker) -> Iterator[MakeAgent]:
    agents: list[Agent] = []
    with serving(repository.home / "repository") as server:

        def make(serial: str, **limits: Any) -> Agent:
            agents.append(Agent(tmp_path / serial, serial, server.url, repository.root, broker.port, **limits))
            return agents[-1]

        yield make
        for agent in agents:
            agent.kill()


def worse(bundle: Path) -> None:
    """Another network than the one that its golden frames were made with."""
    set_steepness(bundle / "segmentation.onnx", WRONG_STEEPNESS)
    list_files(bundle, read_manifest(bundle))


def check_no_frame_is_lost(agent: Agent) -> None:
    """Every frame has cracks: all of them are in the list, in order, those around the exchange too."""
    found = agent.found()
    sequences = list(dict.fromkeys(line["frame"]["sequence"] for line in found))
    assert sequences == list(range(len(sequences)))
    ids = list(dict.fromkeys(line["model"]["bundle_id"] for line in found))
    number = agent.layout.number("active")
    assert number is not None
    bundles = (agent.folder / "factory", agent.layout.release_bundle(number))
    assert ids == [load_bundle(bundle).id for bundle in bundles]


def test_a_good_release_is_taken_over_without_a_lost_frame(
    repository: Repository, make_agent: MakeAgent, operator: Subscriber
) -> None:
    good = repository.publish()
    agent = make_agent("truck-01")
    assert agent.enters(good, "committed") and agent.ended(good, "committed"), agent.log()
    assert wait_until(lambda: ends(operator, "truck-01") == [(good, "committed")])
    summary = agent.end()
    assert summary["drops"].keys() <= {"stopped"} and summary["frames"] > 45
    check_no_frame_is_lost(agent)
    assert agent.layout.boots.exists() is False


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.skipif(not X86, reason="no trap on this processor")
def test_three_devices_keep_what_is_good_and_nothing_else(
    repository: Repository, make_agent: MakeAgent, operator: Subscriber
) -> None:
    good = repository.publish()
    # One of the releases is too slow.
    agents = [make_agent(f"truck-{number:02}", canary={**CANARY, "p99_ms": 1500}) for number in (1, 2, 3)]

    def all_end(release: int, phase: str) -> None:
        for agent in agents:
            assert agent.enters(release, phase) and agent.ended(release, phase), agent.log()

    all_end(good, "committed")
    for agent in agents:
        check_no_frame_is_lost(agent)

    crashes = repository.publish(harmful.crash_in_glare)
    for agent in agents:  # what kills it comes when it is at work: trial and shadow saw none of that
        assert wait_until(lambda agent=agent: agent.ended(crashes, "canary"), PATIENCE_S), agent.log()  # type: ignore[misc]
        agent.glare()
    all_end(crashes, "rolled_back")
    for agent in agents:
        assert "SIGFPE" in agent.log() and agent.state.quarantined[crashes].startswith("crash: ")
        assert agent.layout.number("active") == good
        agent.no_glare()

    worse_output = repository.publish(worse)
    all_end(worse_output, "rejected")
    for agent in agents:
        assert agent.state.quarantined[worse_output].startswith("golden: ")

    slow = repository.publish(lambda bundle: harmful.take_long(bundle, 25, a_pixel=True))
    all_end(slow, "rolled_back")
    for agent in agents:
        assert agent.state.quarantined[slow].startswith("latency: ")

    expected = [(good, "committed"), (crashes, "rolled_back"), (worse_output, "rejected"), (slow, "rolled_back")]
    for agent in agents:
        assert wait_until(lambda agent=agent: ends(operator, agent.serial) == expected)  # type: ignore[misc]
        assert agent.layout.number("active") == good and sorted(agent.state.quarantined) == [
            crashes,
            worse_output,
            slow,
        ]
        summary = agent.end()
        assert summary["drops"].keys() <= {"stopped"}  # the run since the crash, two refusals and an exchange later
        assert agent.found()[-1]["model"]["bundle_id"] == load_bundle(agent.layout.release_bundle(good)).id
        assert agent.found()[-1]["model"]["name"] == MODEL


@pytest.mark.slow
def test_a_release_that_hangs_costs_one_run_and_an_edited_file_nothing(
    repository: Repository, make_agent: MakeAgent, operator: Subscriber
) -> None:
    """Nothing can be asked of an engine that hangs: the run ends, and the next one begins with the old model."""
    release = repository.publish(harmful.hang_in_glare)
    agent = make_agent("truck-01")
    assert wait_until(lambda: "mission" in agent.log(), PATIENCE_S)
    file = agent.folder / "run.yaml"
    file.write_text(file.read_text() + "policy: latest\n")  # which no run takes over while it goes on
    assert wait_until(lambda: agent.ended(release, "canary"), PATIENCE_S), agent.log()
    agent.glare()
    assert agent.enters(release, "rolled_back") and agent.ended(release, "rolled_back"), agent.log()
    assert agent.state.quarantined[release].startswith("hang: ")
    agent.no_glare()
    assert wait_until(lambda: "is started again" in agent.log(), PATIENCE_S), agent.log()
    assert wait_until(lambda: agent.log().count("mission mission") == 2, PATIENCE_S), agent.log()
    assert wait_until(lambda: not agent.layout.boots.exists(), PATIENCE_S)  # it is well
    assert wait_until(lambda: ends(operator, "truck-01") == [(release, "rolled_back")])
    agent.end()
    assert agent.found()[-1]["model"]["bundle_id"] == load_bundle(agent.folder / "factory").id


@pytest.mark.slow
@pytest.mark.skipif(not X86, reason="no trap on this processor")
def test_a_release_that_has_done_well_and_then_dies_at_every_start_is_taken_back(
    repository: Repository, make_agent: MakeAgent, operator: Subscriber
) -> None:
    release = repository.publish(harmful.crash_in_glare)
    agent = make_agent("truck-01")
    assert agent.enters(release, "committed") and agent.ended(release, "committed"), agent.log()
    agent.glare()  # every fifth frame from now on: no start gets as far as ten
    assert agent.enters(release, "rolled_back") and agent.ended(release, "rolled_back"), agent.log()
    assert agent.state.quarantined[release].startswith("boots: 3 starts in a row died")
    assert wait_until(lambda: not agent.layout.boots.exists(), PATIENCE_S)  # the bundle it came with runs
    assert wait_until(lambda: ends(operator, "truck-01") == [(release, "committed"), (release, "rolled_back")])
    agent.end()
    assert agent.found()[-1]["model"]["bundle_id"] == load_bundle(agent.folder / "factory").id
