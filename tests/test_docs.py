from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fissura.cli import COMMANDS
from train.data import check as check_module

CHECKOUT = Path(__file__).parents[1]
PAGES = [*CHECKOUT.glob("docs/**/*.md"), CHECKOUT / "CONTRIBUTING.md", CHECKOUT / "benchmarks" / "gpu" / "CHECKLIST.md"]
MAKEFILE = (CHECKOUT / "Makefile").read_text(encoding="utf-8")


def test_the_table_of_commands_is_the_one_of_the_code() -> None:
    text = (CHECKOUT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `fissura (\w+)` \|.*\| ([^|]*)\|$", text, re.MULTILINE)
    assert [name for name, _ in rows] == list(COMMANDS)
    assert [(re.findall(r"`(\w+)`", needs) or [""])[0] for _, needs in rows] == [row.extra for row in COMMANDS.values()]


def test_every_kind_of_problem_is_explained() -> None:
    text = (CHECKOUT / "docs" / "how-to" / "train-your-own.md").read_text(encoding="utf-8")
    explained = {
        kind for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for kind in re.findall(r"`(.+?)`", row)
    }
    source = Path(check_module.__file__).read_text(encoding="utf-8")
    coded = set(re.findall(r'add\(\s*"([a-z-]+)"', source)) | {"duplicate-across-split", "duplicate-image"}
    assert explained == coded


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_commands_in_the_documentation_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for line in re.findall(r"^\$ (.*)$", text, re.MULTILINE):
        words = shlex.split(line, comments=True)
        if words[0].removeprefix(".venv/bin/") == "fissura":
            assert words[1] in COMMANDS, line
        elif words[0] == "make":
            assert re.search(rf"^{words[1]}:", MAKEFILE, re.MULTILINE), line
