"""Sources of camera frames, by the scheme of their address. Adding one: a file here and a line below."""

from __future__ import annotations

from edge_runtime.plugins import load_class, parse_address
from edge_runtime.sources.source import Source
from fissura.config import parse_config

SOURCES: dict[str, str] = {
    "folder": "edge_runtime.sources.folder:FolderSource",
    "file": "edge_runtime.sources.video:VideoSource",
    "synth": "edge_runtime.sources.synth:SynthSource",
    "v4l2": "edge_runtime.sources.v4l2:V4l2Source",
}


def open_source(uri: str) -> Source:
    """Open a source, for example ``folder:/data/run1?fps=10``.

    Raises:
        ConfigError: unknown scheme or option, or a value out of range.
        SourceError: there is nothing to read, or the camera does not open.
    """
    address = parse_address(uri, SOURCES, what="source")
    kind = load_class(SOURCES[address.scheme])
    source: Source = kind(address.target, parse_config(kind.config_class, address.options, origin=f"source {uri!r}"))
    return source
