"""What a camera does to its frames, by name, in the order in which it happens to light and signal.

Adding one: a file here and a line below.
"""

from __future__ import annotations

from typing import Any

from fissura.imaging.degradation.defocus import DEFOCUS
from fissura.imaging.degradation.degradation import Degradation
from fissura.imaging.degradation.h264 import H264
from fissura.imaging.degradation.jpeg import JPEG
from fissura.imaging.degradation.motion_blur import MOTION_BLUR
from fissura.imaging.degradation.noise import NOISE

DEGRADATIONS: dict[str, Degradation[Any]] = {
    "motion_blur": MOTION_BLUR,
    "defocus": DEFOCUS,
    "noise": NOISE,
    "jpeg": JPEG,
    "h264": H264,
}
