from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.fleet.simulation.broker import free_port
from deploy.fleet.simulation.fetch import MOST_AT_ONCE, Fetcher, Response
from deploy.fleet.simulation.loop import Loop
from deploy.fleet.simulation.web_server import RETRY_AFTER_S
from tests.deploy.fleet.simulation.served import BUSY, CUT, Always, serving

DATA = bytes(range(256)) * 2000


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    loop.start()
    yield loop
    loop.close()
    assert not loop.errors


def fetch(fetcher: Fetcher, count: int = 1, start: int = 0) -> list[Response]:
    came, done = [], threading.Event()

    def take(response: Response) -> None:
        came.append(response)
        if len(came) == count:
            done.set()

    def begin() -> None:
        for _ in range(count):
            fetcher.get("/targets/model.onnx", take, start=start)

    fetcher.loop.post(begin)
    assert done.wait(60)
    return came


def test_fetching(tmp_path: Path, loop: Loop) -> None:
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / "model.onnx").write_bytes(DATA)
    draws = Always()
    with serving(tmp_path, draws) as (_, port):
        fetcher = Fetcher(loop, port)
        assert fetch(fetcher) == [Response(200, DATA, True, 0.0)]
        assert fetch(fetcher, start=500_000) == [Response(206, DATA[500_000:], True, 0.0)]
        assert all(response.is_whole for response in fetch(fetcher, MOST_AT_ONCE + 50))
        draws.drawn = CUT
        assert fetch(fetcher) == [Response(200, DATA[: len(DATA) // 2], False, 0.0)]
        draws.drawn = BUSY
        assert fetch(fetcher) == [Response(503, b"", True, float(RETRY_AFTER_S))]


def test_nobody_listens(loop: Loop) -> None:
    assert fetch(Fetcher(loop, free_port())) == [Response(0, b"", False, 0.0)]
