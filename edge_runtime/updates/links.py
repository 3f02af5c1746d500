"""Which release a device runs: two links, each exchanged in one step."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.updates.layout import Layout, Link
from fissura.files import sync_folder


def exchange(layout: Layout, number: int) -> None:
    """Make a release the active one, and remember the one before it. May be repeated after a cut."""
    active = layout.number("active")
    if active == number:
        return
    point(layout, "previous", active)
    point(layout, "active", number)


def exchange_back(layout: Layout, number: int) -> None:
    """Leave a release for the one before it. May be repeated after a cut; nothing, if another one is active."""
    if layout.number("active") == number:
        point(layout, "active", layout.number("previous"))
    previous = layout.number("previous")
    if previous is not None and previous == layout.number("active"):
        point(layout, "previous", None)  # what came before that is not known any more: the device's own bundle


def point(layout: Layout, link: Link, number: int | None) -> None:
    """Let a link name a release; None: the bundle that the device came with, which is no link.

    A reader finds the old link or the new one.
    """
    path = layout.root / link
    if number is None:
        path.unlink(missing_ok=True)
    else:
        new = aside(layout, link)
        new.unlink(missing_ok=True)  # of a cut
        new.symlink_to(Path("releases") / str(number))
        new.replace(path)
    sync_folder(layout.root)


def aside(layout: Layout, link: Link) -> Path:
    """Where a link is made before it takes the place of the one that is there."""
    return layout.root / f".{link}-new"
