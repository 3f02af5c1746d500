"""fissura: the contract between training, export, calibration and the vehicle.

What two stages must agree on lives here once: the bundle manifest, the messages, the topics, and the
pre- and post-processing. This package imports none of its siblings.
"""

import os
from importlib.metadata import PackageNotFoundError, version

# Before OpenCV is loaded: it reserves the memory for as many pixels as the first bytes of a file promise.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 28))

try:
    __version__ = version("fissura")
except PackageNotFoundError:  # imported from a source tree that was never installed
    __version__ = "0.0.0+uninstalled"

__all__ = ["__version__"]
