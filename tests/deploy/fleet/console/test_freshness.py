from __future__ import annotations

from pathlib import Path

import paho.mqtt.publish as paho

from edge_runtime.local_broker import LocalBroker
from tests.deploy.fleet.console.console_process import ConsoleProcess
from tests.deploy.fleet.console.sightings import detection
from tests.mosquitto import wait_until

LOST = "No connection to the broker since"
UNSTORED = "Cracks cannot be stored since"


def test_a_lost_broker_is_told_on_every_page_until_it_is_back(home: Path, broker: LocalBroker) -> None:
    with ConsoleProcess(home, "--broker", f"mqtt://127.0.0.1:{broker.port}") as console, console.logged_in() as page:
        assert wait_until(lambda: LOST not in page.get("").text)
        broker.kill()
        assert wait_until(lambda: LOST in page.get("").text)
        for path in ("rollouts", "audit", "map"):
            assert LOST in page.get(path).text
        assert LOST not in page.get("login").text
        broker.start()
        assert wait_until(lambda: LOST not in page.get("").text, 60)


def test_a_store_that_takes_nothing_is_told_until_it_does(home: Path, broker: LocalBroker) -> None:
    store, away = home / "state" / "detections.sqlite", home / "state" / "away.sqlite"
    with ConsoleProcess(home, "--broker", f"mqtt://127.0.0.1:{broker.port}") as console, console.logged_in() as page:
        assert wait_until(lambda: LOST not in page.get("").text)
        store.rename(away)
        store.mkdir()
        paho.single("fissura/v1/truck-01/detection", detection("truck-01", 1).to_json(), 1, port=broker.port)
        assert wait_until(lambda: UNSTORED in page.get("").text)
        assert UNSTORED in page.get("rollouts").text
        store.rmdir()
        away.rename(store)
        assert wait_until(lambda: UNSTORED not in page.get("").text)
        assert page.get("cracks/totals").json()["cracks"] == 1
