"""A process with some of the full devices: `python -m deploy.fleet.simulation.full_worker`.

The first line of its input says which, as JSON; the further ones switch some off and on. Every step of theirs goes to
its output. It ends when its input does.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from deploy.fleet.simulation.fates import fate
from deploy.fleet.simulation.full_device import FullDevice, device_config
from deploy.fleet.simulation.ledger import Step
from deploy.fleet.simulation.pace import Pace
from fissura.update_messages import Phase

THREADS = 16
BETWEEN_S = 0.01  # starts


@dataclass(frozen=True)
class Order:
    """Which devices a worker plays.

    Attributes:
        serials: of the devices.
        folder: for their states.
        url: of the repository.
        root: its first root.json.
        broker: address of the broker.
        channel: that they follow.
        hardware: kind of device.
        factory: bundle that they came with.
        day_s: of the pace.
        seed: of the fates.
        failing: how bad releases fail, by release and serial.
    """

    serials: list[str]
    folder: str
    url: str
    root: str
    broker: str
    channel: str
    hardware: str
    factory: str
    day_s: float
    seed: int
    failing: dict[int, dict[str, Phase]]

    def to_json(self) -> str:
        """As a line."""
        return json.dumps(asdict(self))


def read_order(line: str) -> Order:
    """Read what `Order.to_json` has written."""
    values: dict[str, Any] = json.loads(line)
    failing = {int(release): devices for release, devices in values.pop("failing").items()}
    return Order(failing=failing, **values)


class Worker:
    """The devices of one process.

    Args:
        order: which.
    """

    def __init__(self, order: Order) -> None:
        self._lock = threading.Lock()
        pace = Pace(order.day_s)
        self.devices = {}
        for serial in order.serials:
            state, root = Path(order.folder) / serial, Path(order.root)
            config = device_config(serial, state, order.url, root, order.broker, order.channel, order.hardware, pace)
            self.devices[serial] = FullDevice(
                config, fate(serial, order.seed), pace, order.failing, Path(order.factory), self._note
            )

    def switch(self, serials: list[str], action: Literal["appear", "vanish"]) -> None:
        """Switch devices on or off."""
        with ThreadPoolExecutor(THREADS) as pool:
            done = []
            for serial in serials:
                done.append(pool.submit(getattr(self.devices[serial], action)))
                time.sleep(BETWEEN_S)
            for one in done:
                one.result()

    def _note(self, step: Step) -> None:
        with self._lock:
            print(json.dumps(step), flush=True)


def main() -> None:
    """Play until the input ends; what is under way then is of no interest any more."""
    logging.basicConfig(level=logging.ERROR)
    order = read_order(sys.stdin.readline())
    worker = Worker(order)
    worker.switch(order.serials, "appear")
    for line in sys.stdin:
        command = json.loads(line)
        worker.switch(command["serials"], command["action"])
    os._exit(0)


if __name__ == "__main__":
    main()
