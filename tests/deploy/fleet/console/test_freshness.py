from __future__ import annotations

from pathlib import Path

from edge_runtime.local_broker import LocalBroker
from tests.deploy.fleet.console.console_process import ConsoleProcess
from tests.mosquitto import wait_until

LOST = "No connection to the broker since"


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
