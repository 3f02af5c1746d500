"""The frames of a run, as the update machine sees them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from edge_runtime.run.active_bundle import ActiveBundle
from edge_runtime.run.live import LiveControl
from edge_runtime.updates.canary import Canary, HangError
from edge_runtime.updates.layout import Layout
from edge_runtime.updates.shadow import Shadow
from fissura.errors import EngineError, FissuraError, UpdateError

logger = logging.getLogger(__name__)

SWITCH_S = 600.0  # engines that were built load in seconds; what takes longer waits for an engine that hangs


class LiveStream:
    """The frames of this run; see `Stream` in `edge_runtime.updates.ports`.

    Args:
        shadow: compares.
        canary: watches.
        control: of the run.
        active: names the bundles.
        layout: of the device.
        switching: is around every change of models.
        fail: ends the run with an error.
        limit_s: for a change of models.
    """

    def __init__(
        self,
        shadow: Shadow,
        canary: Canary,
        control: LiveControl,
        active: ActiveBundle,
        layout: Layout,
        switching: Callable[[], AbstractContextManager[None]],
        fail: Callable[[FissuraError], None],
        limit_s: float = SWITCH_S,
    ) -> None:
        self._shadow = shadow
        self._canary = canary
        self._control = control
        self._active = active
        self._layout = layout
        self._switching = switching
        self._fail = fail
        self._limit_s = limit_s
        self._hangs = False

    def shadow(self, bundle: Path, stopping: threading.Event) -> Mapping[str, float]:
        return self._shadow.run(bundle, stopping)

    def switch(self) -> None:
        self._canary.switching(lambda: self._take_over(self._layout.number("active")))

    def follow(self, number: int | None) -> None:
        try:
            if self._hangs:
                raise EngineError("the engine hangs")  # it would not hear of another model
            if self._active.at(number, self._control.config).bundle != self._control.config.bundle:
                self._take_over(number)
        except Exception as error:
            logger.exception("the stream does not follow: the run ends, and the next one begins with the right model")
            name = "the device's own bundle" if number is None else f"release {number}"
            self._fail(EngineError(f"{name} cannot be taken over: {error}", fix="start again"))

    def canary(self, stopping: threading.Event) -> Mapping[str, float]:
        try:
            return self._canary.watch(stopping)
        except HangError:
            self._hangs = True
            raise

    def _take_over(self, number: int | None) -> None:
        """In a thread of its own: one that waits for an engine that hangs, waits for ever."""
        outcome: Future[None] = Future()
        threading.Thread(target=self._settle, args=(outcome, number), name="switch", daemon=True).start()
        wait((outcome,), self._limit_s)
        if not outcome.done():
            raise UpdateError(f"hang: the model is not taken over after {self._limit_s:g} s")
        outcome.result()

    def _settle(self, outcome: Future[None], number: int | None) -> None:
        try:
            with self._switching():
                self._control.take_over(partial(self._active.at, number))
        except Exception as error:
            outcome.set_exception(error)
        else:
            outcome.set_result(None)
