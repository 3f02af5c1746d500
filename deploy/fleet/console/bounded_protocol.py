"""HTTP over connections that nobody can hold for nothing: not logged in, a client could take all that there are."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from deploy.fleet.console.access.attempts import network

PATIENCE_S = 15.0  # with a request that does not come, or not whole
PERIOD_S = 1.0
MOST_OF_ONE = 50  # connections of one address; a browser opens six


class BoundedProtocol(H11Protocol):
    """uvicorn's, which waits for ever for a connection's first request, and for the rest of each."""

    _since_s = 0.0
    _look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since_s = self.loop.time()
        if self.client is not None:
            own = network(self.client[0])
            others = (other.client for other in self.connections if isinstance(other, H11Protocol))
            if sum(other is not None and network(other[0]) == own for other in others) > MOST_OF_ONE:
                transport.abort()
                return
        self._look = self.loop.call_later(PERIOD_S, self._check)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._since_s = self.loop.time()
        super().on_response_complete()

    def _check(self) -> None:
        now_s = self.loop.time()
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.more_body and not cycle.response_complete:
            self._since_s = now_s  # the answer is under way
        elif now_s - self._since_s > PATIENCE_S:
            self.transport.abort()
            return
        self._look = self.loop.call_later(PERIOD_S, self._check)
