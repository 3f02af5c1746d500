"""Words from the command line and from file names, whose bytes need not be UTF-8, though messages must be."""

from __future__ import annotations


def is_text(words: str) -> bool:
    """Whether the bytes behind a command-line argument or a file name were UTF-8.

    Example:
        >>> is_text("a.png"), is_text("a\\udcff.png")
        (True, False)
    """
    return as_text(words) == words


def as_text(words: str) -> str:
    """The same with escapes in place of bytes that are not UTF-8.

    Example:
        >>> print(as_text("a\\udcff.png"))
        a\\udcff.png
    """
    return words.encode("utf-8", "backslashreplace").decode()
