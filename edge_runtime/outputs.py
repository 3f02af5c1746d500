"""What was found goes to every output; one that fails keeps no other from its own."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from edge_runtime.counters import Counters
from edge_runtime.error_words import in_words
from edge_runtime.found import Found
from edge_runtime.ratelimit import RateLimitedLog
from edge_runtime.sinks.sink import Sink
from edge_runtime.stages import StageTimes
from fissura.errors import FissuraError, SinkError

logger = logging.getLogger(__name__)


class Outputs:
    """The outputs of a run, while frames come.

    Args:
        sinks: them; more may be added before the first frame.
        counters: where refused frames are counted.
        times: where the stages' latencies go.
    """

    def __init__(self, sinks: Sequence[Sink], counters: Counters, times: StageTimes) -> None:
        self._sinks = sinks
        self._counters = counters
        self._times = times
        self._log = RateLimitedLog(logger)
        # By output, and whether the frame had a crack: what became of the frames that the output was given.
        self._taken: set[tuple[Sink, bool]] = set()
        self._refused: dict[tuple[Sink, bool], Exception] = {}

    def give(self, found: Found) -> None:
        """Give a frame to every output."""
        for sink in self._sinks:
            self._give(sink, found)

    def tell(self, found: Found) -> None:
        """Give what is to be told to the outputs that take it: the frame itself they have had."""
        for sink in self._sinks:
            if sink.takes == "told":
                self._give(sink, found)

    def check(self) -> None:
        """After the run: an output that lost all it was for is an error, also where the others have it.

        Raises:
            FissuraError: that of the first such output.
        """
        # Most outputs pass over frames without a crack, however broken they are: those tell something only
        # where there are no others.
        crack = self._counters.snapshot().detections > 0
        for sink in self._sinks:
            error = self._refused.get((sink, crack))
            if error is None or (sink, crack) in self._taken:
                continue
            if isinstance(error, FissuraError):
                raise error
            raise SinkError(f"no frame reached {sink.stage}: {in_words(error)}") from error

    def _give(self, sink: Sink, found: Found) -> None:
        detections = found.told if sink.takes == "told" else found.seen
        try:
            with self._times.measure(sink.stage):
                sink.put(found.frame, detections, found.probability)
            self._taken.add((sink, bool(detections)))
        except Exception as error:
            self._refused[sink, bool(detections)] = error
            self._counters.sink_failed(sink.stage)
            self._log.warning(
                f"sink {sink.stage}", f"frame {found.frame.sequence} did not reach {sink.stage}: {in_words(error)}"
            )
