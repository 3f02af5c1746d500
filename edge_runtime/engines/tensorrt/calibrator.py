"""The calibrator of TensorRT 8 and 10 (11 has none): scales from the bundle's table, or from real images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.engines.tensorrt.memory import Memory
from edge_runtime.engines.tensorrt.shapes import Shape
from fissura.bundle import GraphInput
from fissura.errors import EngineError
from fissura.imaging.encode import encode
from fissura.imaging.images import read_rgb

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}


def make_calibrator(trt: Any, table: bytes | None, batches: Iterator[NDArray[np.uint8]], memory: Memory) -> Any:
    """A calibrator for the builder's configuration, which has to outlive the build.

    Args:
        trt: the module, 8 or 10.
        table: the scales; None: TensorRT measures them on the batches.
        batches: uint8 input batches, all of one shape.
        memory: for the batch on the device, which TensorRT reads.
    """

    class _Calibrator(trt.IInt8EntropyCalibrator2):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IInt8EntropyCalibrator2.__init__(self)
            self._stream = memory.stream()
            self._host: Any = None
            self._device: Any = None

        def get_batch_size(self) -> int:
            return 1

        def get_batch(self, names: list[str]) -> list[int] | None:
            batch = next(batches, None)
            if batch is None:
                return None
            if self._host is None:
                self._host, self._device = memory.pinned(batch.nbytes), memory.allocate(batch.nbytes)
            self._host.array[: batch.nbytes] = batch.reshape(-1)
            self._stream.to_device(self._device, self._host, batch.nbytes)
            self._stream.synchronize()
            return [self._device.address]

        def read_calibration_cache(self) -> bytes | None:
            return table

        def write_calibration_cache(self, cache: Any) -> None:
            """The plan holds the scales; they are not needed again."""

        def free(self) -> None:
            for held in (self._host, self._device, self._stream):
                if held is not None:
                    held.free()

    return _Calibrator()


def calibration_images(folder: Path) -> list[Path]:
    """The images of a folder, sorted by name.

    Raises:
        EngineError: the folder holds no image.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    if not paths:
        raise EngineError(f"{folder} holds no image to calibrate with", expected="real frames of this camera")
    return paths


def image_batches(folder: Path, spec: GraphInput, shape: Shape) -> Iterator[NDArray[np.uint8]]:
    """Real images as batches of one of a given shape, cut or extended by reflection.

    Raises:
        EngineError: the folder holds no image.
    """
    height, width = (shape[1], shape[2]) if spec.layout == "NHWC" else (shape[2], shape[3])
    whole = spec.model_copy(update={"multiple": 1, "min_size": max(height, width)})
    for path in calibration_images(folder):
        batch, _ = encode(read_rgb(path), whole)
        yield batch[:, :height, :width] if spec.layout == "NHWC" else batch[:, :, :height, :width]
