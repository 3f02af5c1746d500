"""The demo's own MQTT broker (amqtt, MQTT 3.1.1, loopback only), so that nothing has to be installed for a first look.

For real use run mosquitto: amqtt speaks no MQTT v5 and keeps nothing on disk.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from amqtt.broker import Broker

from edge_runtime.local_broker import free_port
from fissura.errors import BrokerError

START_TIMEOUT_S = 20.0


@contextmanager
def embedded_broker() -> Iterator[tuple[str, int]]:
    """Run a broker in a thread of its own; gives host and port.

    Raises:
        BrokerError: it does not start.
    """
    logging.getLogger("amqtt").setLevel(logging.ERROR)
    logging.getLogger("transitions").setLevel(logging.ERROR)
    port = free_port()
    started, failures = threading.Event(), list[BaseException]()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(
        target=_serve, args=(loop, port, started, stop, failures), name="demo-broker", daemon=True
    )
    thread.start()
    if not started.wait(START_TIMEOUT_S) or failures:
        raise BrokerError(
            f"the embedded broker did not start: {failures[0] if failures else 'no answer'}",
            fix="start mosquitto and name it with --broker HOST:PORT",
        )
    try:
        yield "127.0.0.1", port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(START_TIMEOUT_S)


def _serve(
    loop: asyncio.AbstractEventLoop,
    port: int,
    started: threading.Event,
    stop: asyncio.Event,
    failures: list[BaseException],
) -> None:
    async def serve() -> None:
        broker = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            }
        )
        await broker.start()
        started.set()
        await stop.wait()
        await broker.shutdown()

    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(serve())
    except Exception as error:  # whatever amqtt raises is told to the thread that waits for the start
        failures.append(error)
        started.set()
    finally:
        loop.close()
