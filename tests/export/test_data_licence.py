"""What a data set says of its licence, wherever it says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from export.data_licence import LONGEST, DataLicence, find_licence
from fissura.dataset import data_folder

COLLECTION = """# Sets

Research use only in general.

| set | what | images |
|---|---|---|
| `ours` | asphalt, by phone | 3 |
| `theirs` | *concrete* | 4 |

## ours, ours-small
- Source: somewhere, sometime.
- Upstream licence (their README): "Their use is
  RESTRICTED to non-commercial research."
- Split by hand.

## theirs
- Nothing is said.

## quiet
"""


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    for name in ("ours", "ours-small", "theirs", "quiet"):
        (tmp_path / name).mkdir()
    (tmp_path / "README.md").write_text(COLLECTION)
    return tmp_path


def test_the_section_of_a_collection(collection: Path) -> None:
    for name in ("ours", "ours-small"):
        found = find_licence(collection / name)
        statement = 'Upstream licence (their README): "Their use is RESTRICTED to non-commercial research."'
        assert found.statements == (statement,)
        assert found.research_only
        assert found.file is None
    assert find_licence(collection / "ours").surfaces == "asphalt, by phone"
    assert find_licence(collection / "ours-small").surfaces is None


def test_a_set_that_states_none(collection: Path, tmp_path: Path) -> None:
    assert find_licence(collection / "theirs") == DataLicence((), None, "concrete")
    assert find_licence(collection / "quiet") == DataLicence((), None, None)
    assert find_licence(collection / "not-there") == DataLicence((), None, None)


def test_its_own_readme_counts_first(collection: Path) -> None:
    (collection / "ours" / "README.md").write_text(
        "# Ours\n\nTwelve photographs\nunder the MIT licence of 2022.\n\nMore."
    )
    found = find_licence(collection / "ours")
    assert found.statements == ("Twelve photographs under the MIT licence of 2022.",)
    assert not found.research_only
    assert found.surfaces == "asphalt, by phone"


def test_a_licence_file(collection: Path) -> None:
    (collection / "quiet" / "LICENSE.txt").write_text("\n  MIT License\n\nCopyright somebody\n")
    found = find_licence(collection / "quiet")
    assert found.file == collection / "quiet" / "LICENSE.txt"
    assert found.statements == ("MIT License",)


def test_long_statements_are_cut_at_a_word(collection: Path) -> None:
    (collection / "quiet" / "README").write_text("Licence: " + "word " * 200)
    (statement,) = find_licence(collection / "quiet").statements
    assert len(statement) <= LONGEST + 4
    assert statement.endswith("word ...")


def test_data_sets_at_hand() -> None:
    folder = data_folder()
    if folder is None or not (folder / "cfd").is_dir():
        pytest.skip("FISSURA_DATA names no folder with the set cfd")
    found = find_licence(folder / "cfd")
    assert found.research_only
    assert found.surfaces is not None
