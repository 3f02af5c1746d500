"""HTTP towards a server that may be slow, broken or hostile: no redirect loops, no endless waits, no decoding."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from edge_runtime.updates.watch import Connections, Watch
from fissura import __version__

BLOCK_BYTES = 64 << 10
_REDIRECTS = urllib3.Retry(total=3, connect=0, read=0, status=0, other=0, redirect=3, respect_retry_after_header=False)


class Http:
    """Connections to a server, by way of a proxy where the environment names one. For one thread.

    Args:
        url: of the server.
        timeout_s: for a connection, and between two bytes.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        parts = urlsplit(url)
        proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
        self._pool = urllib3.PoolManager() if proxy is None else urllib3.ProxyManager(proxy)
        self._connections = Connections()
        self._pool.pool_classes_by_scheme = self._connections.pools
        self._timeout = urllib3.Timeout(connect=timeout_s, read=timeout_s)

    def watched(self, longest_s: float, stopping: threading.Event) -> AbstractContextManager[Watch]:
        """For a request and the reading of its answer, which end with an `HTTPError`, or too early, when time is over.

        Args:
            longest_s: from now on.
            stopping: set when the process is to end: this ends it as well.
        """
        return self._connections.watched(longest_s, stopping)

    def get(self, url: str, *, start: int = 0) -> urllib3.BaseHTTPResponse:
        """Ask for a file; the body has not been read yet.

        Args:
            url: of the file.
            start: bytes at its beginning that are not wanted.

        Raises:
            urllib3.exceptions.HTTPError: no connection, or it broke.
        """
        headers = {"Accept-Encoding": "identity", "User-Agent": f"fissura/{__version__}"}
        if start:
            headers["Range"] = f"bytes={start}-"
        return self._pool.request(
            "GET",
            url,
            headers=headers,
            preload_content=False,
            decode_content=False,
            timeout=self._timeout,
            retries=_REDIRECTS,
        )


def blocks(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    """The body as it arrives, so that the reader can look at its watch between two blocks.

    Raises:
        urllib3.exceptions.HTTPError: the connection broke.
    """
    while block := response.read1(BLOCK_BYTES):
        yield block
