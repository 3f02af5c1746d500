"""A static web server for the repository: Range, keep-alive, what it gave out second by second, and faults on order.

A process of its own (`python -m deploy.fleet.simulation.web_server FOLDER --port PORT`), so that it shares no lock with
those who ask. `/-/figures` tells what it has counted. Faults hit the files of bundles only: they are what a device
takes up again where it was.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

FIGURES = "/-/figures"
LONGEST_REQUEST = 8192
BLOCK_BYTES = 65_536
SLOW_BLOCK_BYTES = 8192
SLOW_PAUSE_S = 0.1
RETRY_AFTER_S = 2
BACKLOG = 4096
CUT_SHARE, SLOW_SHARE, BUSY_SHARE = 0.02, 0.02, 0.01

Fault = Literal["cut", "slow", "busy"]


class WebServer:
    """Answers requests for the files of a folder.

    Args:
        root: of the folder.
        faults: draws them; None: there are none.

    Attributes:
        bytes_by_second: bodies, by whole seconds of the monotonic clock.
        requests_by_second: the same for requests.
        statuses: how often each was answered.
        faults_done: how often each happened.
    """

    def __init__(self, root: Path, faults: random.Random | None = None) -> None:
        self.bytes_by_second: defaultdict[int, int] = defaultdict(int)
        self.requests_by_second: defaultdict[int, int] = defaultdict(int)
        self.statuses: Counter[int] = Counter()
        self.faults_done: Counter[str] = Counter()
        self._root = root.resolve()
        self._faults = faults
        self._lasting: dict[str, bytes] = {}

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while await self._answer_one(await reader.readuntil(b"\r\n\r\n"), writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):  # the client has enough
            pass
        finally:
            writer.close()

    async def _answer_one(self, request: bytes, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection stays."""
        first, *lines = request.decode("latin-1").split("\r\n")
        found = re.fullmatch(r"GET (\S+) HTTP/1\.1", first)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        stays = headers.get("connection", "").lower() != "close"
        if found is None:
            await self._send(writer, 400, b"", {}, False)
            return False
        path = unquote(found[1])
        if path == FIGURES:
            await self._send(writer, 200, json.dumps(self.figures()).encode(), {}, stays, is_counted=False)
            return stays
        self.requests_by_second[int(time.monotonic())] += 1
        body = self._read(path)
        if body is None:
            await self._send(writer, 404, b"", {}, stays)
            return stays
        fault = self._draw(path)
        if fault == "busy":
            await self._send(writer, 503, b"", {"Retry-After": str(RETRY_AFTER_S)}, stays)
            return stays
        status, more, size = 200, {"Accept-Ranges": "bytes"}, len(body)
        asked = re.fullmatch(r"bytes=(\d+)-", headers.get("range", ""))
        if asked is not None and int(asked[1]) >= size:
            await self._send(writer, 416, b"", {"Content-Range": f"bytes */{size}"}, stays)
            return stays
        if asked is not None:
            status, start = 206, int(asked[1])
            more["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
            body = body[start:]
        await self._send(writer, status, body, more, stays, fault)
        return stays and fault != "cut"

    async def _send(
        self,
        writer: asyncio.StreamWriter,
        status: int,
        body: bytes,
        headers: dict[str, str],
        stays: bool,
        fault: Fault | None = None,
        *,
        is_counted: bool = True,
    ) -> None:
        self.statuses[status] += is_counted
        named = {**headers, "Content-Length": str(len(body)), "Connection": "keep-alive" if stays else "close"}
        head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        writer.write(f"HTTP/1.1 {status} \r\n{head}\r\n".encode())
        if fault == "cut":
            body = body[: len(body) // 2]
        size = SLOW_BLOCK_BYTES if fault == "slow" else BLOCK_BYTES
        for at in range(0, len(body), size):
            block = body[at : at + size]
            writer.write(block)
            if is_counted:
                self.bytes_by_second[int(time.monotonic())] += len(block)
            if fault == "slow":
                await asyncio.sleep(SLOW_PAUSE_S)
            await writer.drain()
        await writer.drain()

    def _read(self, path: str) -> bytes | None:
        kept = self._lasting.get(path)
        if kept is not None:
            return kept
        file = (self._root / path.lstrip("/")).resolve()
        if not file.is_relative_to(self._root) or not file.is_file():
            return None
        data = file.read_bytes()
        if path.startswith("/targets/"):  # its name has its hash in it
            self._lasting[path] = data
        return data

    def _draw(self, path: str) -> Fault | None:
        if self._faults is None or not path.startswith("/targets/") or path.endswith(".json"):
            return None
        drawn, below = self._faults.random(), 0.0
        shares: dict[Fault, float] = {"cut": CUT_SHARE, "slow": SLOW_SHARE, "busy": BUSY_SHARE}
        for fault, share in shares.items():
            below += share
            if drawn < below:
                self.faults_done[fault] += 1
                return fault
        return None

    def figures(self) -> dict[str, Any]:
        """What was counted, for JSON."""
        return {
            "bytes_by_second": self.bytes_by_second,
            "requests_by_second": self.requests_by_second,
            "statuses": self.statuses,
            "faults": self.faults_done,
        }


async def serve(server: WebServer, port: int) -> None:
    """Serve until standard input ends: whoever started us is gone, or wants us to be."""
    listening = await asyncio.start_server(
        server.answer, "127.0.0.1", port, limit=LONGEST_REQUEST, backlog=BACKLOG, reuse_address=True
    )
    print(listening.sockets[0].getsockname()[1], flush=True)
    async with listening:
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Serve; prints the port."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, help="of the faults; without it there are none")
    arguments = parser.parse_args()
    faults = None if arguments.seed is None else random.Random(arguments.seed)
    asyncio.run(serve(WebServer(arguments.folder, faults), arguments.port))


if __name__ == "__main__":
    main()
