"""Where the device is, by the scheme of an address. Adding a kind: a file here and a line below."""

from __future__ import annotations

from edge_runtime.plugins import load_class, parse_address
from edge_runtime.position.position_source import PositionSource
from fissura.errors import ConfigError

POSITIONS: dict[str, str] = {
    "fixed": "edge_runtime.position.fixed:FixedPosition",
    "file": "edge_runtime.position.track:TrackPosition",
    "gpsd": "edge_runtime.position.gpsd:GpsdPosition",
}


def open_position(uri: str) -> PositionSource:
    """Open what knows the position, for example ``gpsd://localhost``.

    A receiver need not be there: it is waited for, and frames have no position meanwhile.

    Raises:
        ConfigError: unknown scheme, an address that is none, a track that cannot be read.
    """
    address = parse_address(uri, POSITIONS, what="position")
    if address.options:
        raise ConfigError(f"position {uri!r} has options", expected=f"{address.scheme}: without '?'")
    source: PositionSource = load_class(POSITIONS[address.scheme])(address.target)
    return source
