"""A camera that does not move: ``fixed:LATITUDE,LONGITUDE``."""

from __future__ import annotations

from pydantic import ValidationError

from edge_runtime.frame import Frame
from fissura.errors import ConfigError
from fissura.messages import Position


class FixedPosition:
    """A `PositionSource`.

    Args:
        target: latitude and longitude, degrees, WGS 84.

    Raises:
        ConfigError: they are none.

    Example:
        >>> FixedPosition("52.5,13.4")._position.longitude_deg
        13.4
    """

    def __init__(self, target: str) -> None:
        try:
            latitude, longitude = target.split(",")
            self._position = Position(latitude_deg=float(latitude), longitude_deg=float(longitude))
        except (ValueError, ValidationError) as error:
            raise ConfigError(
                f"position 'fixed:{target}' is not understood", expected="fixed:LATITUDE,LONGITUDE in degrees"
            ) from error

    def at(self, frame: Frame) -> Position | None:
        """Always the same."""
        return self._position

    def close(self) -> None:
        """Holds nothing."""
