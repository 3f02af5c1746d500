"""Which bundle a run opens, where updates exchange it: the active release, or what can be opened instead."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from edge_runtime.agent.boots import Boots, Starts
from edge_runtime.model import Model
from edge_runtime.run.config import RunConfig
from edge_runtime.updates.layout import Layout
from edge_runtime.updates.taking_back import take_back
from edge_runtime.updates.verified import verified
from fissura.errors import BundleError, EngineError, FissuraError, UpdateError

logger = logging.getLogger(__name__)


class ActiveBundle:
    """Settles what an earlier process left, when it is made.

    Args:
        layout: of the device.
        factory: bundle that the device came with; None: the run's.
        min_release: lowest that the application allows.
        config: of the run.
        alone: this is the run that changes the device's models; others settle nothing, and take nothing back.

    Raises:
        UpdateError: another process is at work in the state folder.
    """

    def __init__(
        self, layout: Layout, factory: Path | None, min_release: int, config: RunConfig, *, alone: bool = True
    ) -> None:
        self._layout = layout
        self._alone = alone
        self._factory = factory
        self._min_release = min_release
        self._boots = Boots(layout.boots)
        # What may run, which is not what the link says where the disk cannot be written.
        self._own = factory or config.bundle
        self._first = verified(layout, self._own, min_release, alone=alone)
        self._first_link = layout.number("active")

    def adapt(self, config: RunConfig) -> RunConfig:
        """The run's configuration with the bundle that is active now, and engines that are kept beside it."""
        return self.at(self._layout.number("active"), config)

    def at(self, number: int | None, config: RunConfig) -> RunConfig:
        """The same with another release; None: the bundle that the device came with."""
        if self._factory is None and self._layout.releases not in config.bundle.parents:
            self._own = config.bundle  # a reload may name another
        if number is None:
            return self._with(config, self._own)
        return self._with(config, self._first if number == self._first_link else self._layout.release_bundle(number))

    def adapting(self, reread: Callable[[], RunConfig]) -> Callable[[], RunConfig]:
        """The configuration as it is now, adapted."""
        return lambda: self.adapt(reread())

    def open(self, config: RunConfig, opener: Callable[[RunConfig], Model]) -> tuple[RunConfig, Model]:
        """Open the active bundle, or the one before it where that cannot be: this device has to start.

        What does not open is taken back only if another one does: else it is the engine's or the device's fault.

        Returns:
            The configuration that was opened, and the model.

        Raises:
            FissuraError: none can be opened.
        """
        failed: list[tuple[Path, BundleError | EngineError]] = []
        for bundle in dict.fromkeys((self._first, *self._previous(), self._own)):
            adapted = self._with(config, bundle)
            try:
                model = opener(adapted)
            except (BundleError, EngineError) as error:
                failed.append((bundle, error))
                continue
            for other, cause in failed:
                self._take_back(other, cause)
            self._first, self._first_link = bundle, self._layout.number("active")
            return adapted, model
        raise failed[0][1]

    def _previous(self) -> list[Path]:
        """None, if the application does not allow it any more."""
        number = self._layout.number("previous")
        return [] if number is None or number < self._min_release else [self._layout.release_bundle(number)]

    def _take_back(self, bundle: Path, cause: FissuraError) -> None:
        number = self._layout.number("active")
        if not self._alone or bundle != self._layout.bundle("active"):
            return
        try:
            take_back(self._layout, f"start: {cause.found}")
            # Pardoned, should the one that does open die as well.
            self._boots.set(Starts(release=self._layout.number("active"), suspect=number))
        except (UpdateError, OSError) as error:
            logger.error("%s does not open, and cannot be left: %s", bundle, error)

    def _with(self, config: RunConfig, bundle: Path) -> RunConfig:
        changes: dict[str, object] = {"bundle": bundle}
        if config.engine == "tensorrt":
            changes["engine_option"] = {"cache": self._layout.engines, **config.engine_option}
        return config.model_copy(update=changes)
