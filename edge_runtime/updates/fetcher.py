"""How the TUF client gets its documents: over our HTTP, each within a time that a dripping server cannot stretch."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from tuf.api.exceptions import DownloadHTTPError, SlowRetrievalError
from tuf.ngclient import FetcherInterface
from urllib3.exceptions import HTTPError

from edge_runtime.updates.http import Http, blocks


class Fetcher(FetcherInterface):
    """Fetches metadata and small targets.

    Args:
        http: connections to the repository.
        longest_s: for one document.

    Attributes:
        stopping: set when the process is to end: ends a transfer.
    """

    def __init__(self, http: Http, longest_s: float) -> None:
        self._http = http
        self._longest_s = longest_s
        self.stopping = threading.Event()

    def _fetch(self, url: str) -> Iterator[bytes]:
        with self._http.watched(self._longest_s, self.stopping) as watch:
            try:
                yield from self._read(url)
            except HTTPError as error:
                if not watch.over:
                    raise
                raise SlowRetrievalError(self._too_slow(url)) from error
            if watch.over:
                raise SlowRetrievalError(self._too_slow(url))

    def _read(self, url: str) -> Iterator[bytes]:
        response = self._http.get(url)
        try:
            if response.status != 200:
                raise DownloadHTTPError(f"{url}: status {response.status}", response.status)
            yield from blocks(response)
        finally:
            response.close()

    def _too_slow(self, url: str) -> str:
        return f"{url}: not whole after {self._longest_s:g} s, or the process ends"
