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

BUDGETED = "cascade"  # the mode that can leave work out


class LiveControl(Control):
    """Changes a pipeline. What fails changes nothing; while a model loads, the quick changes do not wait.

    Args:
        pipeline: what is changed.
        loader: opens models.
        config: what the run was started with.
        reread: the configuration as it is now, from file and command line.
        budget: of a frame, in mode cascade.
        changed: called after another model has taken over.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        loader: ModelLoader,
        config: RunConfig,
        reread: Callable[[], RunConfig],
        budget: FrameBudget,
        changed: Callable[[ModelStamp], None],
    ) -> None:
        self._pipeline = pipeline
        self._loader = loader
        self._config = config
        self._reread = reread
        self._budget = budget
        self._changed = changed
        self._reloading = threading.Lock()  # one reload at a time
        self._changing = threading.Lock()
        self._paused = False

    def pause(self) -> None:
        self._pause(True)

    def resume(self) -> None:
        self._pause(False)

    def set_threshold(self, threshold: float | None) -> None:
        with self._changing:
            self._pipeline.use(self._pipeline.model.at(threshold))

    def set_budget(self, milliseconds: float | None) -> None:
        if milliseconds is not None and not 1 <= milliseconds < float("inf"):
            raise UsageError(f"a budget of {milliseconds:g} ms", expected="1 ms or more, or none")
        with self._changing:
            self._check_budget()
            self._budget.limit_ms = milliseconds

    def snapshot(self, source: str | None = None) -> bytes:
        return self._pipeline.latest.jpeg(source)

    def reload(self) -> None:
        with self._reloading:
            config = self._reread()
            changed = {name for name in RunConfig.model_fields if getattr(config, name) != getattr(self._config, name)}
            if fixed := sorted(changed - CHANGEABLE - OF_THE_MODEL):
                raise ConfigError(
                    f"{', '.join(fixed)} cannot change in a run",
                    expected=f"changes to {', '.join(sorted(CHANGEABLE | OF_THE_MODEL))} only",
                    fix="start again for the others",
                )
            bundle_id = self._pipeline.model.stamp.bundle_id
            if changed & OF_THE_MODEL or load_bundle(config.bundle).id != bundle_id:
                self._exchange(config)
            else:
                self._adjust(config, changed)
            self._config = config

    def take_over(self, adapt: Callable[[RunConfig], RunConfig]) -> None:
        """Have another bundle, with what the run is at: what somebody has written into the file meanwhile, waits.

        Args:
            adapt: gives what the run is at another bundle, or the one that it has.
        """
        with self._reloading:
            config = adapt(self._config)
            if load_bundle(config.bundle).id != self._pipeline.model.stamp.bundle_id:
                self._exchange(config)
            self._config = config

    @property
    def config(self) -> RunConfig:
        """What the run is at."""
        return self._config

    def state(self) -> ControlState:
        model = self._pipeline.model
        return ControlState(
            paused=self._paused,
            threshold=model.stamp.threshold,
            budget_ms=self._budget.limit_ms if model.stamp.mode == BUDGETED else None,
            bundle_id=model.stamp.bundle_id,
            engine=model.stamp.engine,
            sources=self._pipeline.latest.cameras,
        )

    def _exchange(self, config: RunConfig) -> None:
        """Another model, with the thresholds and the budget that the file gives it."""
        model = self._loader.open_beside(config, self._pipeline.latest.size())
        with self._changing:
            self._pipeline.use(model)
            self._budget.limit_ms = config.budget_ms
        logger.info("bundle %s in %s has taken over", model.stamp.name, model.stamp.engine)
        self._changed(model.stamp)

    def _adjust(self, config: RunConfig, changed: set[str]) -> None:
        """What the file says anew; what it does not mention anew stays as a command may have set it."""
        with self._changing:
            if "budget_ms" in changed:
                self._check_budget()
                self._budget.limit_ms = config.budget_ms
            if "threshold" in changed:
                self._pipeline.use(self._pipeline.model.at(config.threshold))

    def _check_budget(self) -> None:
        mode = self._pipeline.model.stamp.mode
        if mode != BUDGETED:
            raise UsageError(
                f"a budget in mode {mode!r}", expected="a run in mode cascade: the others cannot leave work out"
            )

    def _pause(self, yes: bool) -> None:
        with self._changing:
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
