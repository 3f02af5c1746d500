"""Fetches a file over a bad link: goes on where the last connection broke, and lets no server waste space or time."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from edge_runtime.updates.config import DownloadConfig
from edge_runtime.updates.http import Http, blocks
from edge_runtime.updates.repository import Target
from edge_runtime.updates.watch import Watch
from fissura.errors import RepositoryError

logger = logging.getLogger(__name__)

# A connection that brought less has brought nothing: else a server could keep a device busy by single bytes.
SOME_BYTES = 16 << 10


class Cut(Exception):
    """A connection that ended early.

    Args:
        why: for the log.
        wait_s: that the server asks for; None: it does not say.
    """

    def __init__(self, why: str, wait_s: float | None = None) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class Downloader:
    """Fetches files into `partial/`.

    Args:
        http: connections to the server.
        config: limits.
        stopping: set when the process is to end.
    """

    def __init__(self, http: Http, config: DownloadConfig, stopping: threading.Event) -> None:
        self._http = http
        self._config = config
        self._stopping = stopping
        self._end_s = time.monotonic() + config.longest_s
        self.received_bytes = 0

    def fetch(self, target: Target, partial: Path) -> None:
        """Fetch what is missing of a file; what it contains has not been checked then.

        Returns early, with a file that is not whole, when the process is to end.

        Args:
            target: where it is, and how long.
            partial: what there is of it, from whichever process.

        Raises:
            RepositoryError: the server does not deliver, or is too slow.
            OSError: the disk is full.
        """
        vain, most = 0, _size(partial)
        while not self._stopping.is_set():
            have = _size(partial)
            if have > target.file.length:
                partial.unlink()
                have = most = 0
            if have == target.file.length:
                partial.touch()
                return
            try:
                self._continue(target, partial, have)
            except (Cut, HTTPError) as error:
                if self._stopping.is_set():
                    return
                have = _size(partial)
                vain = vain + 1 if have - most < SOME_BYTES else 0
                most = max(most, have)  # what comes a second time, from a server without ranges, is no progress
                logger.info("%s: cut at %d of %d bytes: %s", target.file.path, have, target.file.length, error)
                if vain >= self._config.tries:
                    raise RepositoryError(f"unreachable: {target.url}: {error}, {vain} times") from error
                self._wait(vain, error.wait_s if isinstance(error, Cut) else None)
            if time.monotonic() > self._end_s:
                raise RepositoryError(f"slow: {target.file.path} is not whole after {self._config.longest_s:g} s")

    def _continue(self, target: Target, partial: Path, have: int) -> None:
        """One connection."""
        with self._http.watched(self._patience_s(), self._stopping) as watch:
            self._read(target, partial, have, watch)

    def _read(self, target: Target, partial: Path, have: int, watch: Watch) -> None:
        response = self._http.get(target.url, start=have)
        try:
            if watch.over:  # headers that were cut read like whole ones
                raise Cut("no answer in time")
            start = _start(response, have)
            left = target.file.length - start
            # Unbuffered: what arrived before a kill has been paid for.
            with partial.open("r+b" if partial.exists() else "wb", buffering=0) as file:
                file.truncate(start)
                file.seek(start)
                for block in self._watched(response, watch):
                    self.received_bytes += len(block)
                    file.write(block[:left])
                    left -= len(block)
                    if left <= 0 or self._stopping.is_set():
                        return
        finally:
            response.close()
        raise Cut("the server ended it")

    def _patience_s(self) -> float:
        """How long nothing may come."""
        return min(self._config.patience_s, self._end_s - time.monotonic())

    def _watched(self, response: BaseHTTPResponse, watch: Watch) -> Iterator[bytes]:
        """The body, as long as it comes fast enough."""
        since_s, came = time.monotonic(), 0
        for block in blocks(response):
            yield block
            came += len(block)
            now_s = time.monotonic()
            watch.until_s = now_s + self._patience_s()
            if now_s > self._end_s:
                raise Cut("out of time")
            if now_s - since_s >= self._config.patience_s:
                if came < self._config.slowest_bytes_per_s * (now_s - since_s):
                    raise Cut(f"slow: {came} bytes in {now_s - since_s:.0f} s")
                since_s, came = now_s, 0

    def _wait(self, vain: int, asked_s: float | None) -> None:
        """Full jitter: a fleet that was cut off at once does not come back at once."""
        longest_s = self._config.longest_wait_s
        wait_s = random.uniform(0, min(longest_s, self._config.wait_s * 2 ** min(vain, 30)))
        if asked_s is not None:
            wait_s = min(longest_s, asked_s) + wait_s
        self._stopping.wait(min(wait_s, max(0.0, self._end_s - time.monotonic())))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _start(response: BaseHTTPResponse, have: int) -> int:
    """Where in the file the body begins."""
    if response.status == 200:
        return 0
    if response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
        return have
    raise Cut(f"status {response.status}", _retry_after_s(response.headers.get("Retry-After", "")))


def _retry_after_s(value: str) -> float | None:
    """Seconds; the header's other form, a date, would take a clock that can be trusted."""
    return float(value) if value.isascii() and value.isdigit() and len(value) < 10 else None
