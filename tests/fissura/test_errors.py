from __future__ import annotations

import inspect
import re

import fissura.errors
from fissura.errors import FissuraError


def test_the_tree_in_the_docstring_is_the_tree_of_the_code() -> None:
    drawn: list[tuple[str, str]] = []
    stack = ["FissuraError"]
    for line in (fissura.errors.__doc__ or "").splitlines():
        match = re.match(r"^    ([│ ├└─]+)(\w+Error)\b", line)
        if match:
            depth = len(match[1]) // 4
            del stack[depth:]
            drawn.append((match[2], stack[-1]))
            stack.append(match[2])
    coded = [
        (name, kind.__bases__[0].__name__)
        for name, kind in inspect.getmembers(fissura.errors, inspect.isclass)
        if issubclass(kind, FissuraError) and kind is not FissuraError
    ]
    assert sorted(drawn) == sorted(coded)


def test_a_message_says_what_was_found_what_was_expected_and_what_to_do() -> None:
    error = FissuraError("mask is 10x10", expected="20x20", fix="draw it again")
    assert str(error).splitlines() == ["mask is 10x10", "  expected: 20x20", "  to do:    draw it again"]
    assert str(FissuraError("mask is 10x10")) == "mask is 10x10"
