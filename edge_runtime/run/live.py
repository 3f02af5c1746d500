"""What can be changed in a run, by whoever asks: remote commands, SIGHUP, an update."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

from edge_runtime.budget import FrameBudget
from edge_runtime.control import Control, ControlState
from edge_runtime.pipeline import Pipeline
from edge_runtime.run.config import CHANGEABLE, OF_THE_MODEL, RunConfig
from edge_runtime.run.loading import ModelLoader
from fissura.bundle import load_bundle
from fissura.errors import ConfigError, FissuraError, UsageError
from fissura.messages import ModelStamp

logger = logging.getLogger(__name__)


class LiveControl(Control):
    """Changes a pipeline. One change at a time; what fails changes nothing.

    Args:
        pipeline: what is changed.
        loader: opens models.
        config: what the run was started with.
        reread: the configuration as it is now, from file and command line.
        budget: of a frame; None: the mode has none.
        changed: called after another model has taken over.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        loader: ModelLoader,
        config: RunConfig,
        reread: Callable[[], RunConfig],
        budget: FrameBudget | None,
        changed: Callable[[ModelStamp], None],
    ) -> None:
        self._pipeline = pipeline
        self._loader = loader
        self._config = config
        self._reread = reread
        self._budget = budget
        self._changed = changed
        self._lock = threading.Lock()
        self._paused = False

    def pause(self) -> None:
        self._pause(True)

    def resume(self) -> None:
        self._pause(False)

    def set_threshold(self, threshold: float | None) -> None:
        with self._lock:
            self._pipeline.use(self._pipeline.model.at(threshold))

    def set_budget(self, milliseconds: float | None) -> None:
        if milliseconds is not None and not 1 <= milliseconds < float("inf"):
            raise UsageError(f"a budget of {milliseconds:g} ms", expected="1 ms or more, or none")
        with self._lock:
            if self._budget is None:
                raise UsageError(
                    f"a budget in mode {self._pipeline.model.stamp.mode!r}",
                    expected="a run in mode cascade: the others cannot leave work out",
                )
            self._budget.limit_ms = milliseconds

    def snapshot(self, source: str | None = None) -> bytes:
        return self._pipeline.latest.jpeg(source)

    def reload(self) -> None:
        with self._lock:
            config = self._reread()
            changed = {name for name in RunConfig.model_fields if getattr(config, name) != getattr(self._config, name)}
            if fixed := sorted(changed - CHANGEABLE - OF_THE_MODEL):
                raise ConfigError(
                    f"{', '.join(fixed)} cannot change in a run",
                    expected=f"changes to {', '.join(sorted(CHANGEABLE | OF_THE_MODEL))} only",
                    fix="start again for the others",
                )
            if config.budget_ms != self._config.budget_ms and self._budget is None:
                raise ConfigError("budget_ms cannot change in a run that was not started in mode cascade")
            before = self._pipeline.model
            if changed & OF_THE_MODEL or load_bundle(config.bundle).id != before.stamp.bundle_id:
                model = self._loader.open_beside(config, self._pipeline.latest.size())
            else:
                model = before.at(config.threshold)
            self._pipeline.use(model)
            if self._budget is not None:
                self._budget.limit_ms = config.budget_ms
            self._config = config
        if model.inference is not before.inference:
            logger.info("bundle %s in %s has taken over", model.stamp.name, model.stamp.engine)
            self._changed(model.stamp)

    def state(self) -> ControlState:
        model = self._pipeline.model
        return ControlState(
            paused=self._paused,
            threshold=model.stamp.threshold,
            budget_ms=None if self._budget is None else self._budget.limit_ms,
            bundle_id=model.stamp.bundle_id,
            engine=model.stamp.engine,
            sources=self._pipeline.latest.cameras,
        )

    def _pause(self, yes: bool) -> None:
        with self._lock:
            self._paused = yes
            self._pipeline.pause(yes)


class Reloader:
    """Reloads when a signal asks for it, in a thread of its own: the frames do not wait.

    Args:
        reload: what to do; its errors are logged, and the run goes on as it was.
    """

    def __init__(self, reload: Callable[[], None]) -> None:
        self._reload = reload
        self._asked: SimpleQueue[bool] = (
            SimpleQueue()
        )  # its `put` may interrupt itself, so a signal handler may call it
        self._thread = threading.Thread(target=self._run, name="reloader", daemon=True)
        self._thread.start()

    def ask(self) -> None:
        """Reload soon. May be called from a signal handler."""
        self._asked.put(True)

    def close(self) -> None:
        """No more reloads."""
        self._asked.put(False)

    def _run(self) -> None:
        while self._asked.get():
            self._try()

    def _try(self) -> None:
        try:
            self._reload()
        except FissuraError as error:
            logger.error("not reloaded, the run goes on as it was: %s", error)
        except Exception:
            logger.exception("not reloaded, the run goes on as it was")
