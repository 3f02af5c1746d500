"""`csi:`: a camera at a Jetson's CSI connector."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from edge_runtime.sources.camera.gst_pipeline import HARDWARE, Elements, Turn, csi_pipeline, turned
from edge_runtime.sources.camera.gstreamer import pipeline_settings
from edge_runtime.sources.camera.source import CameraConfig, CameraSource
from fissura.config import Config
from fissura.errors import ConfigError


class CsiConfig(CameraConfig):
    """Options of `csi:`."""

    sensor_id: int = Field(0, ge=0, description="number of the camera")
    width: int = Field(1920, ge=2, le=16384, description="of the camera's frame before it is turned, pixels")
    height: int = Field(1080, ge=2, le=16384, description="the same")
    fps: int = Field(30, ge=1, le=1000, description="frames a second; with width and height, a mode of the sensor")
    flip: Turn = Field("none", description="clockwise by so many degrees, or mirrored")


class CsiSource(CameraSource):
    """Reads the camera through NVIDIA's Argus.

    Args:
        target: empty.
        config: options.
        elements: other ones than a Jetson's can take their place.
    """

    config_class: ClassVar[type[Config]] = CsiConfig

    def __init__(self, target: str, config: CsiConfig, elements: Elements = HARDWARE) -> None:
        if target:
            raise ConfigError(f"source csi: has no place {target!r}", expected="csi: or csi:?sensor_id=1")
        command = csi_pipeline(config.sensor_id, config.width, config.height, config.fps, config.flip, elements)
        settings = pipeline_settings(command, *turned(config.width, config.height, config.flip))
        super().__init__(f"csi:{config.sensor_id}", "gstreamer", settings, config)
