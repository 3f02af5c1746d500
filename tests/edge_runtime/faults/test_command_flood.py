"""Two thousand commands that are none, while cracks are found."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path

from edge_runtime.local_broker import LocalBroker
from tests.edge_runtime.faults.runs import Run, finish
from tests.edge_runtime.mqtt.operator import Operator
from tests.mosquitto import Subscriber, wait_until

COMMANDS = 2000


def _malformed(rng: random.Random) -> bytes:
    good = json.dumps({"name": rng.choice(["pause", "threshold", "snapshot"]), "value": 0.5, "x": [1, {"y": None}]})
    ways = (
        lambda: rng.randbytes(rng.randrange(1, 400)),
        lambda: good.encode()[: rng.randrange(1, len(good) - 1)],
        lambda: b"[" * rng.randrange(1, 60_000),
        lambda: b'{"name": "budget", "milliseconds": ' + b"9" * rng.randrange(20, 5000) + b"}",
        lambda: json.dumps({"name": "threshold", "value": rng.choice(["0.5", [], {}, True, 2, -1, 1e308])}).encode(),
        lambda: b'{"name": "pause", "correlation": "\xff\xfe"}',
        lambda: json.dumps({"name": rng.choice([None, 7, "fly", "x" * 3000])}).encode(),
        lambda: good.encode(),  # with fields that it does not have
        lambda: b"x" * 70_000,
    )
    return rng.choice(ways)()


def test_2000_malformed_commands_disturb_nothing(
    bundle: Path, images: Path, tmp_path: Path, broker: LocalBroker
) -> None:
    subscriber = Subscriber(broker.port, "fissura/+/+/detection")
    operator = Operator(broker.port, "truck-07")
    run = Run(bundle, tmp_path, f"mqtt://127.0.0.1:{broker.port}")
    process = run.start(f"folder:{images}?fps=25&loop=true", "--flush-timeout", "30")
    assert wait_until(lambda: len(subscriber.uuids()) >= 4)
    rng = random.Random(0)
    for n in range(COMMANDS):
        operator.send(_malformed(rng))
        if n % 100 == 99:  # in bursts, so that many are read rather than turned away
            sent = n
            assert wait_until(lambda sent=sent: len(operator.on("/command")) > sent, 60)  # type: ignore[misc]
    before = len(subscriber.uuids())
    assert wait_until(lambda: len(subscriber.uuids()) >= before + 10)
    good = [answer for answer in operator.answers() if answer["ok"]]
    assert not good
    operator.send({"name": "threshold", "value": 0.45, "correlation": "last"})
    assert wait_until(lambda: any(answer["correlation"] == "last" for answer in operator.answers()))
    (last,) = [answer for answer in operator.answers() if answer["correlation"] == "last"]
    assert last["ok"] and last["state"]["threshold"] == 0.45 and last["state"]["paused"] is False
    process.send_signal(signal.SIGTERM)
    code, summary, log = finish(process)
    assert code == 0, log
    assert summary["commands_refused"] == COMMANDS and summary["commands"] == 1
    assert len(operator.answers()) > 100
    assert summary["connects"] == 1 and summary["left_in_spool"] == 0
    assert wait_until(lambda: subscriber.uuids() == run.found())
    assert len(log.splitlines()) < 80
    subscriber.close()
    operator.close()


def test_commands_reach_the_run(bundle: Path, images: Path, tmp_path: Path, broker: LocalBroker) -> None:
    operator = Operator(broker.port, "truck-07")
    run = Run(bundle, tmp_path, f"mqtt://127.0.0.1:{broker.port}")
    process = run.start(f"folder:{images}?fps=25&loop=true", "--flush-timeout", "30")
    assert wait_until(lambda: len(operator.on("/detection")) >= 2)
    assert operator.ask({"name": "threshold", "value": 0.3})["state"]["threshold"] == 0.3
    assert wait_until(lambda: json.loads(operator.on("/detection")[-1].payload)["model"]["threshold"] == 0.3)
    answer = operator.ask({"name": "snapshot"})
    assert answer["ok"] and wait_until(lambda: bool(operator.on("/snapshot")))
    assert operator.on("/snapshot")[0].payload[:2] == b"\xff\xd8"
    assert not operator.ask({"name": "budget", "milliseconds": 20})["ok"]  # mode full has none
    assert operator.ask({"name": "pause"})["state"]["paused"] is True
    assert wait_until(lambda: json.loads(operator.on("/telemetry")[-1].payload)["paused"] is True)
    frames = json.loads(operator.on("/telemetry")[-1].payload)["frames"]
    beats = len(operator.on("/telemetry"))
    assert wait_until(lambda: len(operator.on("/telemetry")) >= beats + 2)
    assert json.loads(operator.on("/telemetry")[-1].payload)["frames"] <= frames + 3  # what was under way
    assert operator.ask({"name": "resume"})["state"]["paused"] is False
    assert wait_until(lambda: json.loads(operator.on("/telemetry")[-1].payload)["frames"] > frames + 5)
    process.send_signal(signal.SIGTERM)
    code, summary, log = finish(process)
    assert code == 0, log
    assert summary["commands"] == 4 and summary["commands_refused"] == 1
    operator.close()
