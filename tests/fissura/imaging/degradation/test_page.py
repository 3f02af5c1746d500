"""The documented levels are the ones of the code."""

from __future__ import annotations

import re
from pathlib import Path

from fissura.imaging.degradation import DEGRADATIONS

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "degradations.md"


def test_the_table_of_levels_is_the_one_of_the_code() -> None:
    rows = [
        [cell.strip(" `") for cell in line.strip("|").split("|")]
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if re.match(r"\| `\w+` \|", line)
    ]
    documented = {name: (option, tuple(map(float, levels))) for name, _, option, *levels in rows}
    assert documented == {name: (row.severity, row.severities()) for name, row in DEGRADATIONS.items()}
    assert list(documented) == list(DEGRADATIONS)
