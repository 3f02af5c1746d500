"""Aligned tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Align cells in columns two spaces apart. Characters that a terminal might obey are escaped.

    Args:
        header: one title a column.
        rows: each as long as the header.
        right: columns (counted from 0) that are aligned to the right, for numbers.

    Example:
        >>> print(format_table(("set", "images"), [("cfd", "118"), ("uav75", "60")], right=(1,)))
        set    images
        cfd       118
        uav75      60
    """
    lines = [tuple(map(_printable, line)) for line in (header, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _printable(cell: str) -> str:
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in cell)
