"""Cracks drawn on their frame, for people: outline, tint, name, length and width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_runtime.frame import Frame
from fissura.imaging.images import RgbImage
from fissura.messages import CrackGeometry, Detection

LEGIBLE_PX = 720  # a frame whose shorter side has less is enlarged, or its labels would hide it
LARGEST_ENLARGEMENT = 8
TINT = 0.45
SUBPIXEL_BITS = 4
FONT = cv2.FONT_HERSHEY_SIMPLEX

# Colours that people with a colour vision deficiency can tell apart (Okabe and Ito, 2008), those that stand out from
# grey pavement; RGB.
COLOURS: tuple[tuple[int, int, int], ...] = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (213, 94, 0))

NAME_LETTERS = 4  # of an event's id

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Mark:
    """What tells a crack from others.

    Attributes:
        name: in its label.
        colour: RGB.
    """

    name: str
    colour: tuple[int, int, int]

    @classmethod
    def of(cls, number: int, detection: Detection) -> Mark:
        """The same in all frames where the device tracks.

        Args:
            number: of the detection in its frame, from 0.
            detection: the crack.
        """
        if detection.seen_frames is None:
            return cls(f"#{number + 1}", COLOURS[number % len(COLOURS)])
        return cls(f"#{detection.event_id.hex[:NAME_LETTERS]}", COLOURS[detection.event_id.int % len(COLOURS)])


def annotate(frame: Frame, detections: Sequence[Detection], probability: NDArray[np.float32] | None) -> RgbImage:
    """Draw detections on a copy of their frame.

    Args:
        frame: the camera frame; small ones are enlarged by a whole number.
        detections: of this frame.
        probability: (H*s, W*s) float32; within a crack's outline the pixels above the threshold are tinted. None: no
            tint.

    Returns:
        (H*k, W*k + bar, 3) uint8 RGB, with a line of text below.
    """
    height, width = frame.image.shape[:2]
    enlargement = min(LARGEST_ENLARGEMENT, max(1, -(-LEGIBLE_PX // min(height, width))))
    canvas = np.ascontiguousarray(
        cv2.resize(frame.image, None, fx=enlargement, fy=enlargement, interpolation=cv2.INTER_CUBIC)
        if enlargement > 1
        else frame.image.copy()
    )
    unit = max(1.0, min(canvas.shape[:2]) / LEGIBLE_PX)  # so that text keeps its share of large frames
    outlines = [_outline(detection.crack, enlargement) for detection in detections]
    marks = [Mark.of(number, detection) for number, detection in enumerate(detections)]
    if probability is not None and detections:
        _tint(canvas, outlines, marks, probability, detections[0].model.threshold)
    thickness = max(1, round(1.5 * unit))
    for mark, outline in zip(marks, outlines, strict=True):
        cv2.polylines(canvas, [outline], True, mark.colour, thickness, cv2.LINE_AA, SUBPIXEL_BITS)
    taken: list[Box] = []
    for mark, detection in zip(marks, detections, strict=True):
        taken.append(_label(canvas, mark, detection.crack, enlargement, unit, taken))
    return np.vstack([canvas, _footer(canvas.shape[1], frame, detections, unit)])


def _outline(crack: CrackGeometry, enlargement: int) -> NDArray[np.int32]:
    """Outline in canvas pixels, as OpenCV's fixed-point numbers; pixel centres map to pixel centres."""
    points = (crack.polygon_px.points + 0.5) * enlargement - 0.5
    return np.round(points * (1 << SUBPIXEL_BITS)).astype(np.int32)


def _tint(
    canvas: RgbImage,
    outlines: Sequence[NDArray[np.int32]],
    marks: Sequence[Mark],
    probability: NDArray[np.float32],
    threshold: float,
) -> None:
    size = (canvas.shape[1], canvas.shape[0])
    crack = cv2.resize(probability, size, interpolation=cv2.INTER_LINEAR) >= threshold
    owner = np.zeros(canvas.shape[:2], np.uint16)
    for number, outline in enumerate(outlines):
        cv2.fillPoly(owner, [outline], number + 1, shift=SUBPIXEL_BITS)
    pixels = crack & (owner > 0)
    colours = np.array([mark.colour for mark in marks])
    canvas[pixels] = (canvas[pixels] * (1 - TINT) + colours[owner[pixels] - 1] * TINT).astype(np.uint8)


def _label(
    canvas: RgbImage, mark: Mark, crack: CrackGeometry, enlargement: int, unit: float, taken: Sequence[Box]
) -> Box:
    """Write a crack's name and size beside it, moved down until it covers no other label."""
    text = f"{mark.name}  {_size_text(crack)}"
    scale = 0.5 * unit
    thickness = max(1, round(unit))
    (text_width, text_height), base = cv2.getTextSize(text, FONT, scale, thickness)
    margin = round(4 * unit)
    width, height = text_width + 2 * margin, text_height + base + margin
    left = int((crack.bbox_px[0] + 0.5) * enlargement)
    top = int((crack.bbox_px[1] + 0.5) * enlargement) - height
    left = max(0, min(left, canvas.shape[1] - width))
    top = max(0, min(top, canvas.shape[0] - height))
    while any(_overlap((left, top, width, height), box) for box in taken) and top + 2 * height <= canvas.shape[0]:
        top += height + 1
    patch = canvas[top : top + height, left : left + width]
    patch[:] = patch // 4  # dark enough for the text, and the pavement still shows
    cv2.rectangle(canvas, (left, top), (left + max(2, margin // 2), top + height - 1), mark.colour, cv2.FILLED)
    origin = (left + margin + margin // 2, top + text_height + margin // 2)
    cv2.putText(canvas, text, origin, FONT, scale, (255, 255, 255), thickness, cv2.LINE_AA)
    return left, top, width, height


def _size_text(crack: CrackGeometry) -> str:
    sizes, unit = (crack.length_mm, crack.mean_width_mm, crack.max_width_mm), "mm"
    if None in sizes:
        sizes, unit = (crack.length_px, crack.mean_width_px, crack.max_width_px), "px"
    length, mean, largest = sizes
    return f"{length:.0f} {unit}  width {mean:.1f} {unit}, max {largest:.1f}"


def _footer(width: int, frame: Frame, detections: Sequence[Detection], unit: float) -> RgbImage:
    height = round(26 * unit)
    bar = np.full((height, width, 3), 24, np.uint8)
    model = detections[0].model if detections else None
    count = f"{len(detections)} crack{'' if len(detections) == 1 else 's'}"
    parts = [frame.name or frame.source, f"frame {frame.sequence}", count]
    if frame.gsd_mm_per_px is not None:
        parts.append(f"{frame.gsd_mm_per_px:g} mm/px")
    if model is not None:
        parts.append(f"{model.name} ({model.mode})")
    text = "   ".join(parts).encode("ascii", "replace").decode()  # the font has no other letters
    cv2.putText(bar, text, (round(8 * unit), round(18 * unit)), FONT, 0.45 * unit, (220, 220, 220), 1, cv2.LINE_AA)
    return bar


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]
