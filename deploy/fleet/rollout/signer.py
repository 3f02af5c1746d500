"""What a roll-out asks of the repository."""

from __future__ import annotations

from typing import Literal, Protocol

from fissura.release import Channel, Release


class ChannelSigner(Protocol):
    """The part of the repository (`deploy.fleet.repository.repository.Repository`) that roll-outs use."""

    def channel(self, name: str) -> Channel | None:
        """What the channel gives out now; None: there is no such channel."""
        ...

    def set_channel(self, channel: Channel, *, expected: Channel | Literal["any"] | None = "any") -> None:
        """Sign and publish. Once it returns, devices may see it; a kill within it leaves the old one or the new one.

        Args:
            channel: to publish.
            expected: what it is to take the place of; None: of nothing.

        Raises:
            FleetError: it cannot be signed, would undo a revocation, or somebody else has changed the channel.
        """
        ...

    def release(self, model: str, number: int) -> Release:
        """A release's document. Raises FleetError: there is none."""
        ...
