"""An error in one line."""

from __future__ import annotations

from fissura.errors import FissuraError


def in_words(error: Exception) -> str:
    """One of ours speaks for itself; another one needs its name."""
    return error.found if isinstance(error, FissuraError) else f"{type(error).__name__}: {error}"
