"""Procedural pavement whose cracks are known to a fraction of a pixel; the same seed and index give the same frame."""

from __future__ import annotations

from fissura.synth.config import SynthConfig
from fissura.synth.crack import SynthCrack
from fissura.synth.dataset import write_dataset
from fissura.synth.render import SynthFrame, render

__all__ = ["SynthConfig", "SynthCrack", "SynthFrame", "render", "write_dataset"]
