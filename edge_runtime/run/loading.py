"""From the configuration to a model that is ready for frames: at the start, and when a run changes to another."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np

from edge_runtime.budget import FrameBudget
from edge_runtime.engine_choice.cache import default_folder
from edge_runtime.engine_choice.choose import choose_engine
from edge_runtime.engine_thread import EngineThread
from edge_runtime.engines import AUTO
from edge_runtime.inference import TileOptions, open_inference
from edge_runtime.model import Model, model_of
from edge_runtime.run.config import RunConfig
from edge_runtime.stages import StageTimes
from edge_runtime.stored_graph import engine_class
from fissura.bundle import Bundle, load_bundle
from fissura.errors import EngineError

logger = logging.getLogger(__name__)

# Engines are compared at this size before the first frame: which of them is fastest hardly depends on it.
COMPARED_AT = (640, 480)
Size = tuple[int, int]
# Opens a model with an engine of a kind and its options.
Open = Callable[[str, dict[str, object]], Model]


class ModelLoader:
    """Opens models.

    Args:
        thread: the engine's.
        budget: of a frame, in mode cascade.
    """

    def __init__(self, thread: EngineThread, budget: FrameBudget) -> None:
        self._thread = thread
        self._budget = budget

    def open(self, config: RunConfig) -> Model:
        """Load what a configuration names, in the engine's thread.

        Raises:
            BundleError: the bundle is damaged, or lacks what the mode needs.
            UsageError: options that the mode does not have.
            ConfigError, EngineError, MissingDependencyError: see `open_engine`.
        """
        bundle = load_bundle(config.bundle)
        return self._with_engine(
            bundle,
            config,
            COMPARED_AT,
            lambda kind, options: self._thread.call(lambda: self._open(bundle, config, kind, options)),
        )

    def open_beside(self, config: RunConfig, size: Size | None) -> Model:
        """`open` while another model runs, which loses as little time by it as the engine allows.

        Args:
            config: names the model.
            size: width and height of the frames that it will get, pixels; its first one then costs no more than the
                others. None: not known.
        """
        bundle = load_bundle(config.bundle)

        def open_beside(kind: str, options: dict[str, object]) -> Model:
            def open_warm() -> Model:
                model = self._open(bundle, config, kind, options)
                if size is not None:
                    try:
                        model.inference.run(np.zeros((size[1], size[0], 3), np.uint8), StageTimes())
                    except BaseException:
                        model.inference.close()
                        raise
                return model

            return open_warm() if engine_class(kind).any_thread else self._thread.call(open_warm)

        return self._with_engine(bundle, config, size or COMPARED_AT, open_beside)

    def _with_engine(self, bundle: Bundle, config: RunConfig, size: Size, open_with: Open) -> Model:
        if config.engine != AUTO:
            return open_with(config.engine, {"threads": config.threads, **config.engine_option})

        remembered = False

        def with_fastest(anew: bool) -> Model:
            nonlocal remembered
            choice = choose_engine(
                bundle,
                config.mode,
                config.variant,
                size,
                config.threads,
                tiles=self._tiles(config),
                cache=default_folder(),
                anew=anew,
            )
            remembered = choice.from_cache
            return open_with(choice.kind, choice.options)

        try:
            return with_fastest(anew=False)
        except EngineError as error:
            if not remembered:
                raise
            logger.warning("the engine of an earlier start does not open, all are tried again: %s", error.found)
            return with_fastest(anew=True)

    def _tiles(self, config: RunConfig) -> TileOptions:
        # Where a budget is asked for in another mode, that mode refuses it.
        budget = self._budget if config.mode == "cascade" or config.budget_ms is not None else None
        return TileOptions(config.tile, config.halo, config.tile_batch, config.proposal_threshold, budget)

    def _open(self, bundle: Bundle, config: RunConfig, kind: str, options: dict[str, object]) -> Model:
        inference = open_inference(bundle, config.mode, kind, options, self._tiles(config), config.variant)
        return model_of(bundle, inference, config.threshold)
