from __future__ import annotations

from fissura.table import format_table


def test_columns_are_aligned_and_lines_have_no_trailing_blanks() -> None:
    text = format_table(("set", "n"), [("cfd", "118"), ("a long name", "7")], right=(1,))
    assert text.splitlines() == ["set            n", "cfd          118", "a long name    7"]
    assert format_table(("a", "b"), [("xxx", "")]).splitlines() == ["a    b", "xxx"]
