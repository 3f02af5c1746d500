"""What there is to compare: engines, the graphs that a bundle has for them, and precisions that an engine adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from edge_runtime.engines import ENGINES, open_engine
from edge_runtime.inference import WHOLE, Mode, offered_modes
from edge_runtime.step import Step
from edge_runtime.stored_graph import engine_class, proving_options
from edge_runtime.whole_frame import WholeFrame
from fissura.bundle import Bundle, Role, VariantName
from fissura.errors import BundleError

REFERENCE = "onnxruntime"
# Precisions that an engine offers beside what the files say: name, and the engine's options for it.
OWN_PRECISIONS: dict[str, dict[str, dict[str, object]]] = {"openvino": {"bf16": {"precision": "bf16"}}}


@dataclass(frozen=True)
class Candidate:
    """One row of the comparison.

    Attributes:
        kind: of the engine.
        variant: the graphs' precision; None: as they are (fp32).
        own: precision that the engine adds itself; None: none.
        options: of the engine.
    """

    kind: str
    variant: VariantName | None
    own: str | None = None
    options: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def precision(self) -> str:
        """As a user chooses it: fp32, bf16, int8-cpu, ..."""
        return self.own or self.variant or "fp32"

    @property
    def label(self) -> str:
        """Engine and precision: names the row."""
        return f"{self.kind} {self.precision}"

    @property
    def is_reference(self) -> bool:
        """Whether all others are measured by this one."""
        return self.kind == REFERENCE and self.variant is None


def whole_mode(bundle: Bundle, mode: Mode | None) -> Mode:
    """The mode to compare in: the one that is asked for, or the first that the bundle has.

    Raises:
        BundleError: the bundle lacks a graph of it.
    """
    offered = [name for name in WHOLE if name in offered_modes(bundle)]
    if not offered or (mode is not None and mode not in offered):
        raise BundleError(
            f"bundle {bundle.path} cannot run in mode {mode or 'full'!r}: it holds "
            f"{', '.join(sorted(bundle.manifest.graphs))}",
            expected=f"--mode {' or '.join(offered)}" if offered else "a graph 'fused' or 'segmentation'",
            fix="export the bundle again",
        )
    return mode or offered[0]


def candidates_of(
    bundle: Bundle, mode: Mode, kind: str, *, threads: int, size: tuple[int, int], given: Mapping[str, object]
) -> list[Candidate]:
    """The rows of one engine.

    Args:
        bundle: the model.
        mode: a row of `WHOLE`.
        kind: of the engine.
        threads: of one inference; 0: all cores.
        size: width and height that hold every frame to come, pixels.
        given: more options of the engine.

    Raises:
        MissingDependencyError: the engine's library is not installed.
    """
    chosen = engine_class(kind)
    options = {**proving_options(kind, size, threads), **given}  # what falls back is another row
    held = {name for role in WHOLE[mode] for name in bundle.graph(role).variants}
    variants: list[VariantName | None] = [None, *(name for name in sorted(held) if name in chosen.variants)]
    own = OWN_PRECISIONS.get(kind, {})
    return [
        *(Candidate(kind, variant, None, options) for variant in variants),
        *(Candidate(kind, None, name, options | extra) for name, extra in own.items()),
    ]


def variant_of(bundle: Bundle, role: Role, candidate: Candidate) -> VariantName | None:
    """The precision of one graph of several: a graph without that variant stays as it is."""
    return candidate.variant if candidate.variant in bundle.graph(role).variants else None


def open_candidate(bundle: Bundle, mode: Mode, candidate: Candidate) -> WholeFrame:
    """Open the graphs of a mode.

    Raises:
        MissingDependencyError, EngineError, ConfigError: see `open_engine`.
    """
    with ExitStack() as stack:
        steps: list[Step] = []
        scale = 1  # of what the graphs before make of the frame
        for role in WHOLE[mode]:
            variant = variant_of(bundle, role, candidate)
            graph = bundle.graph(role, variant)
            options = dict(candidate.options)
            if "size" in options:
                options["size"] = [scale * side for side in options["size"]]
            engine = open_engine(candidate.kind, bundle.graph_path(role, variant), graph, options)
            stack.callback(engine.close)
            steps.append(Step(role, graph, engine))
            scale *= graph.output.scale
        stack.pop_all()
    return WholeFrame(mode, steps)


def kinds_of(chosen: Sequence[str] | None) -> list[str]:
    """The engines to compare: the reference first, then those that were asked for, or all."""
    return [REFERENCE, *(kind for kind in chosen or ENGINES if kind != REFERENCE)]
