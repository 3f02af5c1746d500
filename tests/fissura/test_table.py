from __future__ import annotations

from fissura.table import format_table


def test_columns_are_aligned_and_lines_have_no_trailing_blanks() -> None:
    text = format_table(("set", "n"), [("cfd", "118"), ("a long name", "7")], right=(1,))
    assert text.splitlines() == ["set            n", "cfd          118", "a long name    7"]
    assert format_table(("a", "b"), [("xxx", "")]).splitlines() == ["a    b", "xxx"]


def test_what_a_terminal_would_obey_is_escaped() -> None:
    """A device chooses the reason that the operator sees."""
    text = format_table(["failed for", "devices"], [["\x1b[2J\x1b]0;pwned\x07\r\n\u202egolden", "1"], ["wärme", "2"]])
    assert text.replace("\n", "").isprintable()
    assert len(text.splitlines()) == 3
    assert r"\x1b[2J\x1b]0;pwned\x07\r\n\u202egolden  1" in text
    assert "wärme" in text
