"""SIGTERM, which schedulers and service managers send, ends a run between two batches."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

import lightning.pytorch as pl


class EndOnSigterm(pl.Callback):
    """Ends the process with 143 after the batch during which SIGTERM came; the last epoch's state is kept.

    Stands in for Lightning's own handler, which talks to the other processes from inside the signal handler: in the
    middle of another exchange with them that is a deadlock. Here a process ends for itself, and takes the others
    with it.
    """

    received = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        signal.signal(signal.SIGTERM, self._note)  # Lightning puts the former handler back at the end

    def on_train_batch_end(self, *_: Any) -> None:
        self._end()

    def on_validation_batch_end(self, *_: Any, **__: Any) -> None:
        self._end()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = True

    def _end(self) -> None:
        if self.received:
            raise SystemExit(128 + signal.SIGTERM)
