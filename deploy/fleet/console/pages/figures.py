"""What devices measure, in words that people use."""

from __future__ import annotations

NAMES = {
    "bytes": "bytes",
    "components": "difference in components",
    "crack_fraction": "difference in crack area",
    "dropped": "frames dropped",
    "duration_s": "duration, s",
    "failed": "frames failed",
    "frames": "frames",
    "free_frames": "frames without cracks",
    "golden_iou": "IoU on golden frames",
    "mask_iou": "mask IoU",
    "memory_mb": "memory, MB",
    "p50_ms": "p50, ms",
    "p99_ms": "p99, ms",
    "psi": "PSI of confidence",
    "rich_frames": "frames with cracks",
    "running_iou": "IoU with the running model",
    "shadow_ms": "time of a frame, ms",
}


def figure_name(name: str) -> str:
    """Of a figure; one that is not known keeps its own."""
    return NAMES.get(name, name.replace("_", " "))
