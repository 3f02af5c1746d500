"""The list files of a data set, `train.txt` and `test.txt` among them: one ID a line."""

from __future__ import annotations

from pathlib import Path


def read_lists(root: Path, ids: set[str]) -> dict[str, list[str]]:
    """The list files of a data set, by name without suffix: train, test, then the others.

    A text file other than `train.txt` and `test.txt` whose lines name no image is no list but notes or a licence.
    """
    lists = {}
    for path in sorted(root.glob("*.txt"), key=lambda path: (path.stem != "train", path.stem != "test", path.stem)):
        names = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
        names = [name for name in names if name]
        if path.stem in ("train", "test") or ids.intersection(names):
            lists[path.stem] = names
    return lists
