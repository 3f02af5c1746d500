"""A counter on the terminal for work that takes minutes. Silent where stderr is a file or a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def progress(items: Iterable[T], label: str, total: int) -> Iterator[T]:
    """Yield the items, counting them on stderr where that is a terminal.

    Args:
        items: what to go through.
        label: what is being done, for example ``segmentation: calibrating``.
        total: how many items there are.
    """
    shown = sys.stderr.isatty()
    try:
        for number, item in enumerate(items, start=1):
            if shown:
                print(f"\r{label} {number}/{total}", end="", file=sys.stderr, flush=True)
            yield item
    finally:
        if shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)  # leaves a clean line for what is printed next
