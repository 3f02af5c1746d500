"""The wall clock, and when it cannot be right.

A clock in the past makes expired metadata valid again. So the latest time at which the repository's metadata were found
valid is kept, and nothing new is installed before it. Only such times are kept: a clock that was once far in the
future, where all metadata have expired, does not block a device for ever.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from fissura.errors import DeferredError

TOLERANCE = timedelta(minutes=5)  # what a time service sets a good clock back by, and servers differ


class SystemClock:
    """The machine's clock."""

    def now_utc(self) -> datetime:
        return datetime.now(timezone.utc)


def check_clock(now_utc: datetime, latest_utc: datetime | None, what: str) -> None:
    """Check that the clock is not behind something that has already been.

    Args:
        now_utc: what the clock says.
        latest_utc: what has been; None: nothing is known.
        what: names it.

    Raises:
        DeferredError: it is behind.
    """
    if latest_utc is not None and now_utc < latest_utc - TOLERANCE:
        raise DeferredError(
            f"clock: it says {now_utc:%Y-%m-%d %H:%M} UTC, before {what} ({latest_utc:%Y-%m-%d %H:%M})",
            fix="let a time service set the clock; the running model goes on meanwhile",
        )
