"""The simulation's web server in a thread, with faults to order."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.fleet.simulation.web_server import WebServer

CUT, SLOW, BUSY, FINE = 0.0, 0.03, 0.045, 0.9


class Always(random.Random):
    """Draws one number again and again."""

    drawn = FINE

    def random(self) -> float:
        return self.drawn


@contextmanager
def serving(root: Path, draws: Always | None = None) -> Iterator[tuple[WebServer, int]]:
    """Gives the server and its port."""
    server, loop, ready = WebServer(root, draws), asyncio.new_event_loop(), threading.Event()
    ports: list[int] = []

    async def listen() -> asyncio.Server:
        listening = await asyncio.start_server(server.answer, "127.0.0.1", 0)
        ports.append(listening.sockets[0].getsockname()[1])
        ready.set()
        return listening

    def run() -> None:
        asyncio.set_event_loop(loop)
        listening = loop.run_until_complete(listen())
        loop.run_forever()
        listening.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield server, ports[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
