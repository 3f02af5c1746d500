"""What a new model must not do: the limits of its trial, of its shadow and of its first frames, and who breaks one.

Hard guardrails send a release back: no numbers or the same number everywhere, too slow, frames lost, memory, heat,
golden frames. Soft ones keep it from taking over: on the same frames it finds something else than the model that runs.
None of them needs a label. The defaults of the soft ones come from `benchmarks/fleet/guardrails.py`: what one model
differs from itself in another precision, and what models differ that are worse on purpose.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from fissura.config import Config
from fissura.errors import RejectedError


class TrialConfig(Config):
    """Limits of build and self-test, in a process of their own."""

    time_s: float = Field(3600, gt=0, description="a trial that takes longer is ended; TensorRT builds take minutes")
    memory_mb: float | None = Field(
        None, gt=0, description="a trial that takes more memory is ended, 10^6 bytes; null: half of what is free then"
    )
    niceness: int = Field(10, ge=0, le=19, description="of the process: how far it stands behind the stream")
    frames: int = Field(50, ge=1, le=100_000, description="of which the latency is taken, at the stream's size")
    p99_ms: float | None = Field(None, gt=0, description="its 99th percentile; null: no limit before the canary")
    golden_iou: float = Field(0.9, ge=0, le=1, description="least IoU of the masks on its own golden frames")
    running_iou: float = Field(
        0.4, ge=0, le=1, description="least IoU with the golden masks of the model that runs; 0: is not looked at"
    )


class ShadowConfig(Config):
    """How long old and new see the same frames, and how far they may be apart."""

    frames: int = Field(200, ge=0, description="at least; 0: no shadow, for devices without memory for a second model")
    rich_frames: int = Field(20, ge=0, description="at least so many of them with a lot of crack")
    free_frames: int = Field(20, ge=0, description="at least so many of them without any")
    rich_fraction: float = Field(0.002, gt=0, lt=1, description="share of crack pixels that is a lot")
    time_share: float = Field(0.25, gt=0, le=1, description="of one core that the new model may take meanwhile")
    memory_mb: float | None = Field(None, gt=0, description="of its process; null: half of what is free then")
    niceness: int = Field(19, ge=0, le=19, description="of its process")
    frame_s: float = Field(60, gt=0, description="for one frame; the first one may choose kernels")
    look_s: float = Field(
        3600, gt=0, description="after so long the channel is looked at, and then the shadow goes on where it was"
    )
    mask_iou: float = Field(0.5, ge=0, le=1, description="least IoU of both masks, all frames together")
    crack_fraction: float = Field(
        0.5, ge=0, description="largest difference of the crack pixels' share, relative to the old model's"
    )
    psi: float = Field(0.25, ge=0, description="largest population stability index of the confidences of cracks")
    components: float = Field(5, ge=0, description="largest difference of the components a frame, on average")


class CanaryConfig(Config):
    """How long the new model is watched at work before it stays, and what sends it back."""

    frames: int = Field(300, ge=1, description="at least")
    time_s: float = Field(60, ge=0, description="at least, seconds")
    p99_ms: float | None = Field(
        None, gt=0, description="99th percentile of a frame from its start to the outputs; null: no limit of its own"
    )
    slower: float | None = Field(
        2.0, gt=0, description="times the old model's 99th percentile in the engine, which is too slow; null: no matter"
    )
    dropped: float = Field(0.05, ge=0, le=1, description="share of lost frames that it may add to the old model's")
    failed: int = Field(0, ge=0, description="frames that it may fail on")
    silent_s: float = Field(30, gt=0, description="frames arrive and none is finished for so long: it hangs")
    memory_mb: float | None = Field(None, gt=0, description="of the whole process, resident, 10^6 bytes")
    hottest_c: float | None = Field(None, gt=0, le=150, description="of any sensor, degrees Celsius")


def check_trial(figures: Mapping[str, float], limits: TrialConfig) -> None:
    """Judge what a trial measured.

    Args:
        figures: `golden_iou` and, where they were measured, `running_iou` and `p99_ms`.
        limits: of the device.

    Raises:
        RejectedError: the model does not do here.
    """
    _at_least(figures, "golden_iou", limits.golden_iou, "golden: mask IoU with its own golden frames")
    _at_least(figures, "running_iou", limits.running_iou, "golden: mask IoU with the golden frames of what runs")
    _at_most(figures, "p99_ms", limits.p99_ms, "latency: 99th percentile in milliseconds")


def check_shadow(figures: Mapping[str, float], limits: ShadowConfig) -> None:
    """Judge what old and new gave for the same frames.

    Args:
        figures: of `Comparison`.
        limits: of the device.

    Raises:
        RejectedError: they are too far apart.
    """
    _at_least(figures, "mask_iou", limits.mask_iou, "mask: IoU with the running model")
    _at_most(figures, "crack_fraction", limits.crack_fraction, "fraction: difference of the crack pixels' share")
    _at_most(figures, "psi", limits.psi, "confidence: population stability index")
    _at_most(figures, "components", limits.components, "components: difference a frame")


def check_canary(figures: Mapping[str, float], before: Mapping[str, float], limits: CanaryConfig) -> None:
    """Judge a model at work.

    Args:
        figures: `p99_ms`, `engine_p99_ms`, `dropped` (a share), `failed` (frames), and where they are known `memory_mb`
            and `hottest_c`.
        before: `engine_p99_ms` and `dropped` of the model before.
        limits: of the device.

    Raises:
        RejectedError: a hard guardrail is broken.
    """
    _at_most(figures, "failed", limits.failed, "failed: frames that gave an error")
    _at_most(figures, "dropped", before.get("dropped", 0.0) + limits.dropped, "dropped: share of the frames")
    _at_most(figures, "p99_ms", limits.p99_ms, "latency: 99th percentile in milliseconds")
    if limits.slower is not None and "engine_p99_ms" in before:  # what follows the engine depends on the road
        limit_ms = limits.slower * before["engine_p99_ms"]
        _at_most(figures, "engine_p99_ms", limit_ms, "latency: 99th percentile in the engine, milliseconds")
    _at_most(figures, "memory_mb", limits.memory_mb, "memory: megabytes in use")
    _at_most(figures, "hottest_c", limits.hottest_c, "heat: degrees Celsius")


def _at_least(figures: Mapping[str, float], name: str, limit: float, what: str) -> None:
    found = figures.get(name)
    if found is not None and not found >= limit:  # not `<`: what is no number must show
        raise RejectedError(f"{what} {found:.4g}", expected=f"{limit:g} or more")


def _at_most(figures: Mapping[str, float], name: str, limit: float | None, what: str) -> None:
    found = figures.get(name)
    if limit is not None and found is not None and not found <= limit:
        raise RejectedError(f"{what} {found:.4g}", expected=f"{limit:g} or less")
