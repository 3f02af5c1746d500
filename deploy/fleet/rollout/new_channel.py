"""A channel that a roll-out would make: most often a typing error, and nobody would ever hear of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from difflib import get_close_matches

from fissura.errors import FleetError

logger = logging.getLogger(__name__)


def check_new_channel(name: str, model: str, release: int, others: Sequence[str]) -> None:
    """Whether a roll-out may make a channel that no known device follows: only as the model's first one.

    Args:
        name: of the channel.
        model: that is to be given out.
        release: of it.
        others: channels of the model that there are.

    Raises:
        FleetError: the model has channels already.
    """
    if not others:
        logger.warning("channel %r is new, and no device that we know follows it", name)
        return
    near = get_close_matches(name, others, 1)
    raise FleetError(
        f"there is no channel {name!r}, and no device that we know follows it",
        expected=f"{near[0]!r}?" if near else " or ".join(map(repr, others)),
        fix=f"to make one on purpose, first: fissura fleet promote {model} {release} --channel {name} --percent 0",
    )
