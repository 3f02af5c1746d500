"""All that is measured, set up once: a bundle's engines in their thread, a broker of our own, the output to it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.bench.every_time import EveryTime
from edge_runtime.counters import Counters
from edge_runtime.engine_thread import EngineThread
from edge_runtime.inference import WHOLE, Mode, offered_modes, open_inference
from edge_runtime.local_broker import LocalBroker, find_mosquitto
from edge_runtime.model import Model, model_of
from edge_runtime.sinks import open_sink
from edge_runtime.sinks.sink import Sink, SinkContext
from edge_runtime.task import Task
from edge_runtime.whole_frame import WholeFrame
from fissura.bundle import Bundle, VariantName

SERIAL = MISSION = "bench"


@dataclass(frozen=True)
class Setting:
    """How a bundle is run.

    Attributes:
        mode: graphs that run; None: the first of `WHOLE` that the bundle has.
        kind: of the engine.
        options: of the engine.
        precision: of the graphs that the bundle has in it; None: fp32.
    """

    mode: Mode | None
    kind: str
    options: dict[str, object]
    precision: VariantName | None

    def open(self, bundle: Bundle) -> WholeFrame:
        """Open the engines, in the thread that is to run them.

        Raises:
            BundleError: the bundle lacks a graph of the mode, or all of them in that precision.
            ConfigError, EngineError, MissingDependencyError: see `open_engine`.
        """
        mode = self.mode or next((name for name in WHOLE if name in offered_modes(bundle)), None)
        whole = open_inference(bundle, mode, self.kind, self.options, precision=self.precision)
        assert isinstance(whole, WholeFrame)  # what names graphs is
        return whole


@dataclass(frozen=True)
class Rig:
    """What is measured.

    Attributes:
        thread: the engines'.
        whole: the engines.
        model: of the pipeline.
        task: of the pipeline.
        sink: where detections go.
        sink_times: latencies that the output itself reports.
        broker: whether a mosquitto takes them; if not, a file does.
    """

    thread: EngineThread
    whole: WholeFrame
    model: Model
    task: Task
    sink: Sink
    sink_times: EveryTime
    broker: bool


@contextmanager
def open_rig(bundle: Bundle, setting: Setting) -> Iterator[Rig]:
    """Set up, and clear away at the end.

    Raises:
        FissuraError: see `Setting.open`; the broker does not start.
    """
    with tempfile.TemporaryDirectory(prefix="fissura-bench-") as name, EngineThread() as thread:
        whole = thread.call(lambda: setting.open(bundle))
        try:
            model, sink_times = model_of(bundle, whole), EveryTime()
            context = SinkContext(SERIAL, MISSION, model.stamp, Counters(), sink_times)
            with open_output(Path(name), context) as (sink, broker):
                yield Rig(thread, whole, model, Task(SERIAL, MISSION), sink, sink_times, broker)
        finally:
            thread.call(whole.close)


@contextmanager
def open_output(folder: Path, context: SinkContext) -> Iterator[tuple[Sink, bool]]:
    """An output to a mosquitto of our own where it is installed, else to a file; and which of the two it is."""
    with ExitStack() as stack:
        if find_mosquitto() is None:
            sink = open_sink(f"jsonl:{folder / 'detections.jsonl'}", context)
        else:
            broker = stack.enter_context(LocalBroker(folder))
            sink = open_sink(f"mqtt://127.0.0.1:{broker.port}?spool={folder / 'spool.sqlite'}", context)
        stack.callback(sink.close)
        yield sink, find_mosquitto() is not None
