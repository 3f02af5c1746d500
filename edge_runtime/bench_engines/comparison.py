"""The comparison from end to end: opens every row, measures it, and keeps the reason of each that fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from edge_runtime.bench_engines.accuracy import golden_distance, largest_frame, ods_scores
from edge_runtime.bench_engines.candidate import (
    Candidate,
    candidates_of,
    kinds_of,
    open_candidate,
    variant_of,
)
from edge_runtime.bench_engines.memory import peak_memory_mb
from edge_runtime.bench_engines.precision import computed_in
from edge_runtime.bench_engines.rounds import Rounds, take_turns
from edge_runtime.engine_options import EngineOptions
from edge_runtime.golden import FILE as GOLDEN
from edge_runtime.inference import WHOLE, Mode
from edge_runtime.stages import percentiles
from edge_runtime.whole_frame import WholeFrame
from fissura.bundle import Bundle
from fissura.dataset import Dataset
from fissura.errors import FissuraError, MissingDependencyError
from fissura.imaging.images import RgbImage


@dataclass(frozen=True)
class Settings:
    """What is asked for.

    Attributes:
        mode: a row of `WHOLE`.
        engines: kinds; None: all.
        size: width and height of the camera frame, pixels.
        threads: of one inference; 0: all cores.
        rounds: how often every row runs.
        max_drop: of the ODS F1 in percent points, with a data set.
        options: more of the engines, by kind.
    """

    mode: Mode
    engines: Sequence[str] | None
    size: tuple[int, int]
    threads: int
    rounds: int
    max_drop: float
    options: EngineOptions


@dataclass(frozen=True)
class Row:
    """An engine at a precision.

    Attributes:
        candidate: what it is.
        name: the engine's own, with its version and precision; empty where it could not be opened.
        convolutions: their number by the precision they run in; None where the engine does not tell.
        file_mb: size of the graphs, 10^6 bytes.
        ms: p50, p90, p99 and p999 of a frame.
        speed: times as fast as fp32 in ONNX Runtime.
        memory_mb: peak of a process of its own.
        f1, drop: ODS F1 on the data set and fp32's minus it, percent points.
        max_abs, mean_abs: without a data set: difference from the golden frames.
        passed: whether it passes its gate; None where nothing decides that.
        reason: why it has no figures.
    """

    candidate: Candidate
    name: str = ""
    convolutions: dict[str, int] | None = None
    file_mb: float | None = None
    ms: dict[str, float] = field(default_factory=dict)
    speed: float | None = None
    memory_mb: float | None = None
    f1: float | None = None
    drop: float | None = None
    max_abs: float | None = None
    mean_abs: float | None = None
    passed: bool | None = None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """All but the engine's options."""
        values = {name: value for name, value in vars(self).items() if name not in ("candidate", "name")}
        return {"engine": self.candidate.kind, "precision": self.candidate.precision, "name": self.name, **values}


@dataclass(frozen=True)
class Comparison:
    """The rows, and the engines that this device does not have, with the reason."""

    rows: list[Row]
    not_available: dict[str, str]


def compare(bundle: Bundle, settings: Settings, frames: Sequence[RgbImage], dataset: Dataset | None) -> Comparison:
    """Measure every row.

    Args:
        bundle: the model.
        settings: what is asked for.
        frames: (H, W, 3) uint8 RGB, for the times.
        dataset: images and masks for the accuracy; None: the bundle's golden frames, where it has some.

    Raises:
        FissuraError: the reference itself cannot run, or the images or golden frames cannot be read.
    """
    largest = largest_frame(bundle, settings.mode, settings.size, dataset)
    rows: dict[str, Row] = {}
    opened: dict[str, WholeFrame] = {}
    not_available: dict[str, str] = {}
    with ExitStack() as stack:
        for kind in kinds_of(settings.engines):
            reason = _open_kind(bundle, settings, kind, largest, rows, opened, stack)
            if reason:
                not_available[kind] = reason
        turns = take_turns(opened, frames, settings.rounds)
        _leave_out(rows, opened, turns.failures)
        reference = next(label for label, row in rows.items() if row.candidate.is_reference)
        for label, whole in opened.items():
            rows[label] = _measured(bundle, settings, rows[label], whole, turns, reference, frames[0])
        if dataset is not None:
            _score(bundle, settings, rows, opened, reference, dataset)
        elif GOLDEN in bundle.manifest.files:
            for label, whole in opened.items():
                rows[label] = _beside_golden(bundle, settings.mode, rows[label], whole)
    return Comparison(list(rows.values()), not_available)


def _open_kind(
    bundle: Bundle,
    settings: Settings,
    kind: str,
    largest: tuple[int, int],
    rows: dict[str, Row],
    opened: dict[str, WholeFrame],
    stack: ExitStack,
) -> str:
    """Open the rows of one engine; returns why this device does not have it, or nothing."""
    try:
        given = settings.options.get(kind, {})
        candidates = candidates_of(bundle, settings.mode, kind, threads=settings.threads, size=largest, given=given)
        found = [_opened(bundle, settings.mode, candidate, opened, stack) for candidate in candidates]
    except MissingDependencyError as error:
        return _one_line(error)
    reasons = {row.reason for row in found}
    if len(reasons) == 1 and not any(row.name for row in found):  # nothing could be opened, for one and the same reason
        return reasons.pop()
    rows.update((row.candidate.label, row) for row in found)
    return ""


def _opened(bundle: Bundle, mode: Mode, candidate: Candidate, opened: dict[str, WholeFrame], stack: ExitStack) -> Row:
    paths = {bundle.graph_path(role, variant_of(bundle, role, candidate)) for role in WHOLE[mode]}
    file_mb = round(sum(path.stat().st_size for path in paths) / 1e6, 3)
    try:
        whole = open_candidate(bundle, mode, candidate)
    except MissingDependencyError:
        raise
    except FissuraError as error:
        if candidate.is_reference:
            raise
        return Row(candidate, file_mb=file_mb, reason=_one_line(error))
    stack.callback(whole.close)
    opened[candidate.label] = whole
    return Row(candidate, whole.engine, file_mb=file_mb)


def _measured(
    bundle: Bundle, settings: Settings, row: Row, whole: WholeFrame, turns: Rounds, reference: str, frame: RgbImage
) -> Row:
    label = row.candidate.label
    return replace(
        row,
        convolutions=computed_in(bundle, settings.mode, row.candidate, whole, frame),
        ms=percentiles(turns.milliseconds[label]),
        speed=round(turns.speed(label, reference), 3),
        memory_mb=peak_memory_mb(bundle, settings.mode, row.candidate, settings.size),
    )


def _score(
    bundle: Bundle,
    settings: Settings,
    rows: dict[str, Row],
    opened: dict[str, WholeFrame],
    reference: str,
    dataset: Dataset,
) -> None:
    scores, failures = ods_scores(bundle, opened, dataset)
    _leave_out(rows, opened, failures)
    for label, f1 in scores.items():
        drop = scores[reference] - f1
        rows[label] = replace(rows[label], f1=round(f1, 3), drop=round(drop, 3), passed=drop <= settings.max_drop)


def _beside_golden(bundle: Bundle, mode: Mode, row: Row, whole: WholeFrame) -> Row:
    try:
        found = golden_distance(bundle, mode, row.candidate, whole)
    except FissuraError as error:
        return replace(row, reason=_one_line(error))
    return replace(row, max_abs=round(found.max_abs, 6), mean_abs=round(found.mean_abs, 6), passed=found.passed)


def _leave_out(rows: dict[str, Row], opened: dict[str, WholeFrame], failures: Mapping[str, FissuraError]) -> None:
    """Turn rows that failed while they ran into rows with a reason."""
    for label, error in failures.items():
        if rows[label].candidate.is_reference:
            raise error
        rows[label] = replace(rows[label], passed=False, reason=_one_line(error))
        del opened[label]


def _one_line(error: FissuraError) -> str:
    return "; ".join(filter(None, (error.found, error.expected and f"expected {error.expected}", error.fix)))
