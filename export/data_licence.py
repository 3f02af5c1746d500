"""What a data set says of itself: the licence, and the kinds of surface.

Looked for in the folder of the set, then in the README of the folder that holds it: in the section whose heading names
the set. What is found is quoted, never judged: a licence is for its reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LICENCE_FILES = ("LICENSE", "LICENCE", "COPYING")
SUFFIXES = ("", ".txt", ".md", ".rst")
NAMES_LICENCE = re.compile(r"\blicen[cs]e|non-?commercial|research (use )?only|research purposes", re.IGNORECASE)
RESEARCH_ONLY = re.compile(r"non-?commercial|research (use )?only|research (and educational )?purposes", re.IGNORECASE)
QUOTED = 2  # statements at most
LONGEST = 400  # characters of one


@dataclass(frozen=True)
class DataLicence:
    """What a data set says of its licence.

    Attributes:
        statements: the first lines that name a licence, as they stand; empty: it states none.
        file: its licence file; None: it has none.
        surfaces: what its images show, in its own words; None: it does not say.
    """

    statements: tuple[str, ...]
    file: Path | None
    surfaces: str | None = None

    @property
    def research_only(self) -> bool:
        """Whether a statement allows research, or non-commercial use, alone."""
        return any(RESEARCH_ONLY.search(text) for text in self.statements)


def find_licence(root: Path) -> DataLicence:
    """Read what the folder of a data set, or the README beside it, says."""
    file = _first(root, LICENCE_FILES)
    statements: list[str] = []
    surfaces = None
    for readme, section in ((_first(root, ("README",)), None), (_first(root.resolve().parent, ("README",)), root.name)):
        if readme is None:
            continue
        text = readme.read_text(encoding="utf-8", errors="replace")
        if section is not None:
            surfaces = _row_of(text, section)
            text = _section_of(text, section)
        if not statements:
            statements = [_shortened(block) for block in _blocks(text) if NAMES_LICENCE.search(block)][:QUOTED]
    if not statements and file is not None:
        title = next((line.strip() for line in file.read_text("utf-8", "replace").splitlines() if line.strip()), "")
        statements = [_shortened(title)] if title else []
    return DataLicence(tuple(statements), file, surfaces)


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    candidates = (folder / f"{name}{suffix}" for name in names for suffix in SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


def _section_of(text: str, name: str) -> str:
    """What stands below the heading that names a set, up to the next heading of its kind."""
    parts = re.split(r"^#+[ \t]+(.*)$", text, flags=re.MULTILINE)
    for heading, body in zip(parts[1::2], parts[2::2], strict=True):
        if name in re.findall(r"[\w.-]+", heading):
            return body
    return ""


def _row_of(text: str, name: str) -> str | None:
    """The second cell of the table row that begins with a set's name."""
    for line in text.splitlines():
        cells = [cell.strip(" `*") for cell in line.strip().strip("|").split("|")]
        if line.lstrip().startswith("|") and len(cells) > 1 and cells[0] == name:
            return cells[1]
    return None


def _blocks(text: str) -> Iterator[str]:
    """Paragraphs and items of lists, each as one line."""
    block: list[str] = []
    for line in [*text.splitlines(), ""]:
        begins = re.match(r"\s*([-*+]|\d+\.)\s+", line)
        if (begins or not line.strip()) and block:
            yield " ".join(block)
            block = []
        if stripped := line[begins.end() if begins else 0 :].strip():
            block.append(stripped)


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rsplit(' ', 1)[0]} ..."
