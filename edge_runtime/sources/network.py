"""`rtsp:`, `http:` and `https:`: cameras of the network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field

from edge_runtime.password_file import read_password
from edge_runtime.sources.camera.gst_pipeline import HARDWARE, SOFTWARE, Codec, Elements, rtsp_pipeline
from edge_runtime.sources.camera.gstreamer import pipeline_settings
from edge_runtime.sources.camera.source import CameraConfig, CameraSource
from edge_runtime.sources.camera.url import check_url, secrets_of, with_password, without_secrets
from fissura.config import Config
from fissura.errors import ConfigError

PASSWORD_VARIABLE = "FISSURA_CAMERA_PASSWORD"
_GSTREAMER: dict[str, Elements] = {"gstreamer": SOFTWARE, "nvv4l2decoder": HARDWARE}


class NetworkConfig(CameraConfig):
    """Options that cameras of the network have."""

    password_file: Path | None = Field(
        None,
        description=f"file with the password on its first line, for the user in the address; or {PASSWORD_VARIABLE}",
    )


class HttpSource(CameraSource):
    """Motion JPEG, or any other stream that FFmpeg reads over HTTP."""

    config_class: ClassVar[type[Config]] = NetworkConfig
    takes_url: ClassVar[bool] = True

    def __init__(self, target: str, config: NetworkConfig) -> None:
        url = _with_login(target, config)
        settings = {"url": url, "open_timeout_s": config.open_timeout, "timeout_s": config.timeout}
        super().__init__(without_secrets(url), "http", settings, config, secrets_of(url))


class RtspConfig(NetworkConfig):
    """Options of `rtsp:`."""

    transport: Literal["tcp", "udp"] = Field("tcp", description="udp: less delay, damaged pictures on a bad network")
    decoder: Literal["software", "gstreamer", "nvv4l2decoder"] = Field(
        "software", description="FFmpeg, GStreamer on the CPU, or a Jetson's hardware"
    )
    codec: Codec = Field("h264", description="what the camera sends; for the two GStreamer decoders")
    width: int | None = Field(None, ge=1, le=16384, description="of the camera's frame; for the GStreamer decoders")
    height: int | None = Field(None, ge=1, le=16384, description="the same")


class RtspSource(CameraSource):
    """An RTSP camera, decoded in software or by a Jetson's hardware."""

    config_class: ClassVar[type[Config]] = RtspConfig
    takes_url: ClassVar[bool] = True

    def __init__(self, target: str, config: RtspConfig) -> None:
        url = _with_login(target, config)
        settings: dict[str, Any]
        if config.decoder == "software":
            if needless := config.model_fields_set & {"width", "height", "codec"}:
                raise ConfigError(
                    f"source {without_secrets(url)!r}: {min(needless)} with decoder=software",
                    expected="decoder=gstreamer or nvv4l2decoder; FFmpeg sees for itself what the camera sends",
                )
            settings = {
                "url": url,
                "transport": config.transport,
                "open_timeout_s": config.open_timeout,
                "timeout_s": config.timeout,
            }
        else:
            settings = _gstreamer_settings(url, config)
        grabber = "ffmpeg" if config.decoder == "software" else "gstreamer"
        super().__init__(without_secrets(url), grabber, settings, config, secrets_of(url))


def _gstreamer_settings(url: str, config: RtspConfig) -> dict[str, Any]:
    shown = without_secrets(url)
    if secrets_of(url):
        raise ConfigError(
            f"source {shown!r}: decoder={config.decoder} with a password, which every user of this machine could read "
            "on the command line of gst-launch-1.0",
            fix="use decoder=software, or a camera account without a password on a network of its own",
        )
    if not config.width or not config.height:
        raise ConfigError(
            f"source {shown!r}: decoder={config.decoder} without width and height",
            expected="the size of the camera's frame: &width=1920&height=1080",
        )
    elements = _GSTREAMER[config.decoder]
    command = rtsp_pipeline(url, config.width, config.height, config.codec, config.transport, elements)
    return pipeline_settings(command, config.width, config.height)


def _with_login(url: str, config: NetworkConfig) -> str:
    """The address with the password that is kept elsewhere."""
    check_url(url)
    parts = urlsplit(url)
    if config.password_file is not None:
        if not parts.username or parts.password:
            raise ConfigError(
                f"source {without_secrets(url)!r}: password_file, but the address names "
                + ("a password, too" if parts.password else "no user"),
                expected=f"{parts.scheme}://USER@HOST",
            )
        return with_password(url, read_password(config.password_file))
    if parts.username and not parts.password and (password := os.environ.get(PASSWORD_VARIABLE)):
        return with_password(url, password)
    return url
