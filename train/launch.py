"""Starting the processes of `fissura train --devices N`, with the library behind torchrun."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from fissura import errors
from train.processes import PeerLostError

Figures = dict[str, float]


def launch(worker: Callable[[], Figures], count: int) -> Figures:
    """Run a function in `count` processes of this machine.

    Args:
        worker: can be pickled; runs in each process.
        count: of processes.

    Returns:
        What process 0 gave.

    Raises:
        FissuraError: that of the process that failed first.
        KeyboardInterrupt: SIGINT came.
        SystemExit: SIGTERM came (143).
    """
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(("torch.distributed.elastic", "torch.multiprocessing")):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # the error below says it all
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # it warns of a network that uses all its parameters
    if not torch.cuda.is_available():
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    with _same_handlers(), tempfile.TemporaryDirectory(prefix="fissura-train-") as folder:
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=count,
            run_id="fissura",
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="localhost",
            max_restarts=0,
            start_method="spawn",
            logs_specs=DefaultLogsSpecs(folder, redirects=dict.fromkeys(range(1, count), Std.ALL)),
        )
        try:
            figures: Figures = elastic_launch(config, _call)(worker, multiprocessing.get_start_method())[0]
        except ChildFailedError as error:
            raise cause(error.failures) from None
        except SignalException as error:
            if error.sigval == signal.SIGINT:
                raise KeyboardInterrupt from None
            raise SystemExit(128 + error.sigval) from None
    return figures


@contextmanager
def _same_handlers() -> Iterator[None]:
    """Put the signal handlers back that the launcher replaces."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
    handlers = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _call(worker: Callable[[], Figures], start_method: str) -> Figures:
    # The data workers of this process start as those of a run in one process do, not as this process was started.
    multiprocessing.set_start_method(start_method, force=True)
    return worker()


def cause(failures: dict[int, ProcessFailure]) -> BaseException:
    """The error of the process that failed on its own account; the others failed since it was gone.

    Args:
        failures: of one process or more, by rank.
    """
    causes = [_error_of(rank, failure) for rank, failure in sorted(failures.items())]
    return next((cause for cause in causes if not isinstance(cause, PeerLostError)), causes[0])


def _error_of(rank: int, failure: ProcessFailure) -> BaseException:
    if failure.exitcode < 0:
        return errors.TrainingError(
            f"process {rank} was ended by {failure.signal_name()}",
            expected="a process that lives until the run ends; the system ends one when memory runs out",
            fix="the same command with --resume goes on with the last epoch",
        )
    if failure.exitcode > 128:
        return SystemExit(failure.exitcode)
    told = failure.message
    message, stack = (told, "") if isinstance(told, str) else (told["message"], told["extraInfo"]["py_callstack"])
    kind, _, text = message.partition(": ")
    if kind == PeerLostError.__name__:
        return PeerLostError(text)
    known = getattr(errors, kind, None)
    if isinstance(known, type) and issubclass(known, errors.FissuraError):
        return known(text)
    return RuntimeError(f"process {rank} failed: {message}\n{stack}")
