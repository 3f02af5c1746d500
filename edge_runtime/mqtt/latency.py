"""From the capture of a frame to the broker's acknowledgement of what was found in it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from edge_runtime.stages import StageTimes

STAGE = "capture_to_ack"
REMEMBERED = 16384  # messages; of older ones that still wait the latency is not taken


class CaptureToAck:
    """Remembers when the frame of each message was captured, and records the latency once the broker has it.

    Only for messages of this process: the monotonic clock of another one says nothing. Safe to use from two threads.

    Args:
        times: gets the latencies, as stage 'capture_to_ack'.
    """

    def __init__(self, times: StageTimes) -> None:
        self._times = times
        self._lock = threading.Lock()
        self._captured_ns: OrderedDict[str, int] = OrderedDict()

    def captured(self, uuids: Iterable[str], captured_ns: int) -> None:
        """These messages are about to be spooled; `captured_ns`: the frame's monotonic clock, nanoseconds."""
        with self._lock:
            for uuid in uuids:
                self._captured_ns[uuid] = captured_ns
            while len(self._captured_ns) > REMEMBERED:
                self._captured_ns.popitem(last=False)

    def delivered(self, messages: Sequence[tuple[str, int]]) -> None:
        """The broker's acknowledgements came in: uuid, and the reading of the monotonic clock then, nanoseconds."""
        with self._lock:
            known = [(self._captured_ns.pop(uuid, None), at_ns) for uuid, at_ns in messages]
        latencies_ns = (at_ns - captured_ns for captured_ns, at_ns in known if captured_ns is not None)
        self._times.add(STAGE, *(latency_ns / 1e6 for latency_ns in latencies_ns))
