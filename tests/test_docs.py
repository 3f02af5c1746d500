from __future__ import annotations

import argparse
import importlib
import re
import shlex
from pathlib import Path

import pytest
import torch

from fissura.cli import COMMANDS
from train.data import check as check_module
from train.losses import LOSSES
from train.networks import NETWORKS
from train.networks.count import count

CHECKOUT = Path(__file__).parents[1]
PAGES = [*CHECKOUT.glob("docs/**/*.md"), CHECKOUT / "CONTRIBUTING.md", CHECKOUT / "benchmarks" / "gpu" / "CHECKLIST.md"]
LOSS_PAGE = "losses-and-networks.md"
MAKEFILE = (CHECKOUT / "Makefile").read_text(encoding="utf-8")


def test_the_table_of_commands_is_the_one_of_the_code() -> None:
    text = (CHECKOUT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `fissura (\w+)` \|.*\| ([^|]*)\|$", text, re.MULTILINE)
    assert [name for name, _ in rows] == list(COMMANDS)
    assert [(re.findall(r"`(\w+)`", needs) or [""])[0] for _, needs in rows] == [row.extra for row in COMMANDS.values()]


def _options(parser: argparse.ArgumentParser) -> set[str]:
    """Long options of a command and of its actions (`data list`)."""
    found = set()
    for action in parser._actions:
        found |= {option for option in action.option_strings if option.startswith("--")}
        if isinstance(action, argparse._SubParsersAction):
            found |= {option for subparser in action.choices.values() for option in _options(subparser)}
    return found - {"--help"}


MODULES = {name: row.module for name, row in COMMANDS.items()} | {
    f"{name} {word}": form.module for name, row in COMMANDS.items() for word, form in row.forms.items()
}


@pytest.mark.parametrize("name", MODULES)
def test_every_option_is_explained_and_no_other(name: str) -> None:
    pages = ("cli.md", "fleet-cli.md")
    text = "\n".join((CHECKOUT / "docs" / "reference" / page).read_text(encoding="utf-8") for page in pages)
    sections = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    explained = sections[f"fissura {name}"]
    if name in ("eval", "calibrate", "export"):
        explained += sections["Which images"]
    parser = argparse.ArgumentParser()
    importlib.import_module(MODULES[name]).add_arguments(parser)
    rows = "\n".join(line for line in explained.splitlines() if line.startswith("| `"))
    named = {option for code in re.findall(r"`([^`]+)`", rows) for option in re.findall(r"--[a-z][a-z-]*", code)}
    assert named == _options(parser)


def test_every_kind_of_problem_is_explained() -> None:
    page = (CHECKOUT / "docs" / "how-to" / "train-your-own.md").read_text(encoding="utf-8")
    text = page.split("| kind | meaning |")[1].split("\n\n")[0]
    explained = {
        kind for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for kind in re.findall(r"`(.+?)`", row)
    }
    source = Path(check_module.__file__).read_text(encoding="utf-8")
    coded = set(re.findall(r'add\(\s*"([a-z-]+)"', source)) | {"duplicate-across-split", "duplicate-image"}
    assert explained == coded


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_commands_in_the_documentation_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"^\$ (.*)$", text, re.MULTILINE):
        words = shlex.split(line, comments=True)
        if words[0].removeprefix(".venv/bin/") == "fissura":
            assert words[1] in COMMANDS, line
        elif words[0] == "make":
            assert re.search(rf"^{words[1]}:", MAKEFILE, re.MULTILINE), line


def _rows(page: str, section: str) -> list[list[str]]:
    """Cells of a section's table, without its head."""
    text = (CHECKOUT / "docs" / "reference" / page).read_text(encoding="utf-8")
    part = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("| `")
    ]


def test_the_table_of_losses_is_the_one_of_the_code() -> None:
    rows = {
        re.findall(r"`(\w+)`", name)[0]: re.findall(r"`(\w+)`", options)
        for name, options, _ in _rows(LOSS_PAGE, "Losses")
    }
    assert set(rows) == set(LOSSES)
    assert {name: set(options) for name, options in rows.items()} == {
        name: set(loss.config.model_fields) for name, loss in LOSSES.items()
    }


@pytest.mark.parametrize("row", _rows("losses-and-networks.md", "Networks"), ids=lambda row: row[0].strip("`"))
def test_the_table_of_networks_is_counted_from_the_code(row: list[str]) -> None:
    name = row[0].strip("`")
    with torch.device("meta"):
        network = NETWORKS[name](**NETWORKS[name].config().model_dump())
    cost = count(network, (320, 480))
    halo = "frame" if network.halo is None else str(network.halo)
    assert row[1:4] == [f"{cost.parameters:,}", f"{cost.gmacs:.1f}", halo]


def test_the_table_of_networks_is_complete() -> None:
    assert [row[0].strip("`") for row in _rows(LOSS_PAGE, "Networks")] == list(NETWORKS)
