"""Sources of camera frames, by the scheme of their address. Adding one: a file here and a line below."""

from __future__ import annotations

from edge_runtime.plugins import load_class, parse_address
from edge_runtime.sources.camera.url import split_options, without_secrets
from edge_runtime.sources.source import Source
from fissura.config import parse_config

SOURCES: dict[str, str] = {
    "folder": "edge_runtime.sources.folder:FolderSource",
    "file": "edge_runtime.sources.video:VideoSource",
    "synth": "edge_runtime.sources.synth:SynthSource",
    "v4l2": "edge_runtime.sources.v4l2:V4l2Source",
    "csi": "edge_runtime.sources.csi:CsiSource",
    "rtsp": "edge_runtime.sources.network:RtspSource",
    "http": "edge_runtime.sources.network:HttpSource",
    "https": "edge_runtime.sources.network:HttpSource",
}


def open_source(uri: str) -> Source:
    """Open a source, for example ``folder:/data/run1?fps=10``.

    A camera need not be there: it is waited for. Its own parameters may stand in a network camera's address beside our
    options: see `split_options`. No error shows a password.

    Raises:
        ConfigError: unknown scheme or option, or a value out of range.
        MissingDependencyError: the camera needs GStreamer, which is not installed.
        SourceError: there is no such folder or file.
    """
    shown = without_secrets(uri)
    scheme = parse_address(shown.partition("?")[0], SOURCES, what="source").scheme
    kind = load_class(SOURCES[scheme])
    if kind.takes_url:
        target, options = split_options(uri, kind.config_class.model_fields)
        origin = f"source {shown!r}"
    else:
        address = parse_address(uri, SOURCES, what="source")
        target, options = address.target, address.options
        origin = f"source {uri!r}"
    source: Source = kind(target, parse_config(kind.config_class, options, origin=origin))
    return source
