"""How the TUF client gets its documents: over our HTTP, each within a time that a dripping server cannot stretch."""

from __future__ import annotations

import time
from collections.abc import Iterator

import urllib3
from tuf.api.exceptions import DownloadHTTPError, SlowRetrievalError
from tuf.ngclient import FetcherInterface

from edge_runtime.updates.http import Http, blocks


class Fetcher(FetcherInterface):
    """Fetches metadata and small targets.

    Args:
        http: connections to the repository.
        longest_s: for one document.
    """

    def __init__(self, http: Http, longest_s: float) -> None:
        self._http = http
        self._longest_s = longest_s

    def _fetch(self, url: str) -> Iterator[bytes]:
        deadline_s = time.monotonic() + self._longest_s
        response = self._http.get(url)
        if response.status != 200:
            response.close()
            raise DownloadHTTPError(f"{url}: status {response.status}", response.status)
        return self._in_time(response, url, deadline_s)

    def _in_time(self, response: urllib3.BaseHTTPResponse, url: str, deadline_s: float) -> Iterator[bytes]:
        try:
            for block in blocks(response):
                if time.monotonic() > deadline_s:
                    raise SlowRetrievalError(f"{url}: not whole after {self._longest_s:g} s")
                yield block
        finally:
            response.close()
