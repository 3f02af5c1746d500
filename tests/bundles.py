"""A small real bundle: ONNX graphs that find what is darker than its surroundings, with a true manifest.

No training, and yet dark thin lines come out as cracks; the graphs' interfaces are those of exported networks.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fissura.bundle import (
    MANIFEST_NAME,
    FileEntry,
    Graph,
    GraphInput,
    GraphOutput,
    Layout,
    Lineage,
    Manifest,
    Normalisation,
    Role,
)
from fissura.files import sha256

SCALE = 2
MULTIPLE = 8
THRESHOLD = 0.5
NEIGHBOURHOOD_PX = 15
DARKER_BY = 0.12  # of full scale: so much darker than its surroundings is crack
STEEPNESS = 60.0
ROLES: tuple[Role, ...] = ("super_resolution", "segmentation", "fused")
