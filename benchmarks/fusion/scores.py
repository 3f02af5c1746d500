"""What a sequence of probability maps is worth: pixels, cracks, false alarms, and what flickers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from fissura.imaging.images import Mask
from fissura.metrics.matching import grown, match
from fissura.synth.flyover import FlyoverFrame, Transform

TOLERANCE_PX = 2.0
NEAR_PX = 3.0  # an alarm or an event belongs to what lies so near
LEAST_PX = 10  # shorter components are no alarm, as the runtime reports none
FOUND = 0.5  # share of a component's pixels that must be found, near a crack, or seen again

Map = NDArray[np.float32]


@dataclass
class Pixels:
    """Pixel counts at one threshold, pooled over frames; 2 px tolerance."""

    right: int = 0
    predicted: int = 0
    found: int = 0
    crack: int = 0

    def add_clip(self, frames: Sequence[FlyoverFrame], maps: Sequence[Map], threshold: float) -> None:
        """Count one clip."""
        for frame, probability in zip(frames, maps, strict=True):
            judged = match(probability >= np.float32(threshold), frame.mask, TOLERANCE_PX)
            self.right += int(judged.right.sum())
            self.predicted += int(judged.predicted.sum())
            self.found += int(judged.found.sum())
            self.crack += int(frame.mask.sum())

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where nothing is right."""
        precision, recall = self.right / max(1, self.predicted), self.found / max(1, self.crack)
        return 2 * precision * recall / max(1e-9, precision + recall)


@dataclass
class Tally:
    """What a vehicle reports at its threshold, over the frames of one variant."""

    pixels: Pixels = field(default_factory=Pixels)
    frames: int = 0
    predicted_near: int = 0
    cracks: int = 0
    cracks_found: int = 0
    tracked: int = 0
    blinks: int = 0
    false_alarms: int = 0
    distractors: int = 0
    distractors_shown: int = 0
    judged: int = 0
    one_frame_events: int = 0

    def add_clip(self, frames: Sequence[FlyoverFrame], maps: Sequence[Map], threshold: float) -> None:
        """Count one clip: its frames, the probability map of each, and the threshold at which a vehicle decides."""
        self.pixels.add_clip(frames, maps, threshold)
        found = [probability >= np.float32(threshold) for probability in maps]
        for index, frame in enumerate(frames):
            self._add_frame(frame, found[index])
            if index:
                self._add_blinks(frame, frames[index - 1].mask, found[index], found[index - 1])
            if 0 < index < len(frames) - 1:
                after = np.linalg.inv(frames[index + 1].motion)
                neighbours = ((found[index - 1], frame.motion), (found[index + 1], after))
                self._add_events(found[index], neighbours)

    def result(self) -> dict[str, float | None]:
        """Scores by name; None where no frame has what a score counts."""
        crack = self.pixels.crack
        return {
            "false_alarms_per_frame": _share(self.false_alarms, self.frames),
            "one_frame_events_per_frame": _share(self.one_frame_events, self.judged),
            "distractors_shown": _share(self.distractors_shown, self.distractors),
            "precision": _share(self.pixels.right, self.pixels.predicted) if crack else None,
            "recall": _share(self.pixels.found, crack),
            "cracks_found": _share(self.cracks_found, self.cracks),
            "blinks": _share(self.blinks, self.tracked),
            "area_ratio": _share(self.predicted_near, self.pixels.found) if crack else None,
        }

    def _add_frame(self, frame: FlyoverFrame, found: Mask) -> None:
        self.frames += 1
        near_truth, near_found = grown(frame.mask, NEAR_PX), grown(found, TOLERANCE_PX)
        self.predicted_near += int((found & near_truth).sum())
        for component in _components(frame.mask, 2 * LEAST_PX):
            self.cracks += 1
            self.cracks_found += float(near_found[component].mean()) >= FOUND
        for component in _components(found, LEAST_PX):
            self.false_alarms += float(near_truth[component].mean()) < FOUND
        for component in _components(frame.distractor & ~near_truth, LEAST_PX):
            self.distractors += 1
            self.distractors_shown += float(found[component].mean()) >= FOUND

    def _add_blinks(self, frame: FlyoverFrame, truth_before: Mask, found: Mask, found_before: Mask) -> None:
        """Crack pixels seen in both frames, found in just one of them."""
        here, there, inside = _follow(truth_before, frame.motion)
        was = grown(found_before, TOLERANCE_PX)[there[1], there[0]]
        is_now = grown(found, TOLERANCE_PX)[here[1], here[0]]
        self.tracked += inside
        self.blinks += int((was != is_now).sum())

    def _add_events(self, found: Mask, neighbours: Sequence[tuple[Mask, Transform]]) -> None:
        """What is found in this frame, though neither in the one before nor in the one after, where both show it."""
        self.judged += 1
        for component in _components(found, LEAST_PX):
            lonely = []
            for other, motion in neighbours:
                only = np.zeros_like(found)
                only[component] = True
                # `motion` leads from the frame before to this one; of the frame after, its inverse does.
                here, _, inside = _follow(only, np.linalg.inv(motion))
                if inside < len(component[0]) / 2:
                    break
                lonely.append(float(grown(other, NEAR_PX)[here[1], here[0]].mean()) < FOUND)
            self.one_frame_events += len(lonely) == 2 and all(lonely)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _components(binary: Mask, least_px: int) -> Iterator[tuple[NDArray[np.intp], ...]]:
    """Pixels of each 8-connected component whose box has a side of at least so many pixels."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(binary.view(np.uint8), connectivity=8)
    for number in range(1, count):
        left, top, width, height = stats[number, :4]
        if max(width, height) >= least_px:
            y, x = np.nonzero(labels[top : top + height, left : left + width] == number)
            yield y + top, x + left


def _follow(mask: Mask, motion: Transform) -> tuple[NDArray[np.intp], NDArray[np.intp], int]:
    """Where the pixels of a mask are in another frame: (2, n) x and y there, those here, and how many are inside."""
    y, x = np.nonzero(mask)
    moved = np.rint((motion @ np.stack([x, y, np.ones(len(x))]))[:2]).astype(np.intp)
    inside = (moved >= 0).all(axis=0) & (moved[0] < mask.shape[1]) & (moved[1] < mask.shape[0])
    return moved[:, inside], np.stack([x, y])[:, inside], int(inside.sum())
