"""`v4l2:/dev/video0`: a camera of Video4Linux (USB, or a MIPI camera with a V4L2 driver)."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from edge_runtime.sources.camera.source import CameraConfig, CameraSource
from edge_runtime.text import is_text
from fissura.config import Config
from fissura.errors import SourceError


class V4l2Config(CameraConfig):
    """Options of `v4l2:`; null: what the camera has set."""

    width: int | None = Field(None, gt=0, description="frame width, pixels")
    height: int | None = Field(None, gt=0, description="frame height, pixels")
    fps: float | None = Field(None, gt=0, description="frames a second")


class V4l2Source(CameraSource):
    """A camera that may be unplugged: it is waited for."""

    config_class: ClassVar[type[Config]] = V4l2Config

    def __init__(self, target: str, config: V4l2Config) -> None:
        device = str(Path(target or "/dev/video0").absolute())
        if not is_text(device):  # OpenCV would crash
            raise SourceError(f"the path of the camera {device!r} is no text", expected="UTF-8")
        settings = {"device": device, "width": config.width, "height": config.height, "fps": config.fps}
        super().__init__(f"v4l2:{device}", "v4l2", settings, config)
