"""The health of one run: endpoint, service manager, sensors and governor, and the one thread that serves them."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from edge_runtime.control import ControlState
from edge_runtime.counters import Counters
from edge_runtime.hardware.sensors import PERIOD_S, Sensors
from edge_runtime.health.config import HealthConfig, parse_address
from edge_runtime.health.governor import Governor
from edge_runtime.health.outbox import Outbox, OutboxState, look_at
from edge_runtime.health.server import HealthServer
from edge_runtime.health.snapshot import Snapshot
from edge_runtime.health.systemd import Notifier
from edge_runtime.health.verdict import Judge
from edge_runtime.ratelimit import RateLimitedLog
from edge_runtime.stages import StageTimes
from fissura.errors import MissingDependencyError

logger = logging.getLogger(__name__)

OUTBOX_PERIOD_S = 5.0
STATUS_PERIOD_S = 5.0
STALE_S = 10.0
JOIN_TIMEOUT_S = 5.0


class Health:
    """Watches one run from `start` to `close`. Made before the pipeline, which asks its governor.

    The service manager hears READY when `start` is called: when the model is loaded and the outputs are open, but
    whether or not a camera has given a frame. A camera that is switched on later than the vehicle must not make the
    manager give up the start, and start again, for ever. The watchdog is fed while frames that arrive are processed,
    or none arrive: a restart mends a stalled engine, not an absent camera.

    Args:
        config: what counts as healthy, and who may ask.
        counters: of the pipeline.
        times: latencies of the stages.
        state: what is set, and which model runs; called from `start` on.
        outboxes: the message stores; read from `start` on.
        sensors: of the device.
        notifier: to the service manager.

    Attributes:
        governor: asked by the readers of live cameras; None where throttling is to change nothing.

    Raises:
        UsageError: the address cannot be listened on.
        MissingDependencyError: an address, but no prometheus_client.
    """

    def __init__(
        self,
        config: HealthConfig,
        counters: Counters,
        times: StageTimes,
        state: Callable[[], ControlState],
        outboxes: Sequence[Outbox] = (),
        *,
        sensors: Sensors | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        self._config = config
        self._counters = counters
        self._state = state
        self._outboxes = outboxes
        self._sensors = sensors or Sensors()
        self._notifier = notifier or Notifier()
        self.governor = Governor(config.hot_c) if config.slow_when_throttled else None
        self._log = RateLimitedLog(logger, period_s=60.0)
        self._outbox_states: tuple[OutboxState, ...] = ()
        self._next_outboxes_s = self._next_status_s = self._next_watchdog_s = float("-inf")
        self._complaint: tuple[str, ...] = ()
        self._stopping = False
        self._ended = threading.Event()
        self._judge: Judge
        self._snapshot: Snapshot
        self._server = None if config.address is None else _serve(config.address, self, times)
        # A daemon: a disk that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)

    @property
    def port(self) -> int | None:
        """Where `/healthz` and `/metrics` are; None without an address."""
        return None if self._server is None else self._server.port

    @property
    def snapshot(self) -> Snapshot:
        """What is known, about a second old; there is none before `start`."""
        return self._snapshot

    def start(self) -> None:
        """The run is ready for frames."""
        self._judge = Judge(self._config.frame_limit_s, self._config.processing_limit_s)
        self._snapshot = self._look()
        self._thread.start()
        if self._server is not None:
            self._server.start()
        self._notifier.ready()

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Around a reload of the configuration, also one that fails: the run goes on with what it has."""
        self._notifier.reloading()
        try:
            yield
        finally:
            self._notifier.ready()

    def stopping(self) -> None:
        """The end has begun: what is left is to bring out what was found."""
        self._stopping = True
        self._notifier.stopping()

    def close(self) -> None:
        """End the thread and the endpoint. Works without `start`, and a second time."""
        if not self._stopping:
            self.stopping()
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_TIMEOUT_S)
        if self._server is not None:
            self._server.close()
            self._server = None

    def healthz(self) -> tuple[bool, dict[str, object]]:
        """Whether all is well, and the document that says so."""
        snapshot = self._snapshot
        document = snapshot.document()
        silent_s = time.monotonic() - snapshot.taken_s
        if silent_s > STALE_S and self._thread.is_alive():
            # The disk, most likely: it is the only thing that this thread waits for.
            return False, {**document, "status": "failing", "problems": [f"health itself hangs for {silent_s:.1f} s"]}
        return snapshot.verdict.healthy and not snapshot.stopping, document

    def _run(self) -> None:
        period_s = PERIOD_S
        if self._notifier.watchdog_s is not None:
            period_s = min(period_s, self._notifier.watchdog_s / 4)
        while not self._ended.wait(period_s):
            self._tick()

    def _tick(self) -> None:
        try:
            self._look_and_tell()
        except Exception as error:
            # Not fed meanwhile, the watchdog ends what lasts.
            self._log.warning(type(error).__name__, f"a look at the health failed:\n{traceback.format_exc()}")

    def _look_and_tell(self) -> None:
        self._snapshot = snapshot = self._look()
        if self.governor is not None:
            self.governor.update(snapshot.reading)
        now_s = snapshot.taken_s
        # Also while stopping: the outputs have their own deadlines, and the service manager its own for the stop.
        if self._notifier.watchdog_s is not None and snapshot.verdict.processing and now_s >= self._next_watchdog_s:
            self._next_watchdog_s = now_s + self._notifier.watchdog_s / 2
            self._notifier.watchdog()
        if now_s >= self._next_status_s:
            self._next_status_s = now_s + STATUS_PERIOD_S
            self._notifier.status(snapshot.line())
        self._complain(snapshot.verdict.problems)

    def _look(self) -> Snapshot:
        now_s = time.monotonic()
        if now_s >= self._next_outboxes_s:
            self._next_outboxes_s = now_s + OUTBOX_PERIOD_S
            self._outbox_states = tuple(look_at(outbox) for outbox in self._outboxes)
        counts = self._counters.snapshot()
        return Snapshot(
            taken_s=now_s,
            counts=counts,
            verdict=self._judge.look(counts, self._outbox_states),
            reading=self._sensors.read(),
            outboxes=self._outbox_states,
            state=self._state(),
            every=1 if self.governor is None else self.governor.every,
            stopping=self._stopping,
        )

    def _complain(self, problems: tuple[str, ...]) -> None:
        """Log when faults come and go, not every second."""
        if bool(problems) != bool(self._complaint):
            if problems:
                logger.warning("unhealthy: %s", "; ".join(problems))
            else:
                logger.info("healthy again")
        self._complaint = problems


def _serve(address: str, health: Health, times: StageTimes) -> HealthServer:
    try:
        from edge_runtime.health.metrics import Metrics
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"/metrics needs prometheus_client: {error}", fix="pip install 'fissura[edge]'"
        ) from error
    metrics = Metrics(lambda: health.snapshot, times)
    host, port = parse_address(address)
    server = HealthServer(host, port, health.healthz, metrics.render)
    logger.info("health: http://%s:%d/healthz and /metrics", f"[{host}]" if ":" in host else host, server.port)
    return server
