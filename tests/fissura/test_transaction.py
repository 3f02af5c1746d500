from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from fissura.transaction import transaction


def test_all_or_nothing(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "x.sqlite", isolation_level=None)
    connection.execute("CREATE TABLE numbers (number INTEGER PRIMARY KEY)")
    with transaction(connection) as inside:
        inside.execute("INSERT INTO numbers VALUES (1)")
    with pytest.raises(sqlite3.IntegrityError), transaction(connection) as inside:
        inside.execute("INSERT INTO numbers VALUES (2)")
        inside.execute("INSERT INTO numbers VALUES (1)")
    assert not connection.in_transaction
    other = sqlite3.connect(tmp_path / "x.sqlite")
    assert other.execute("SELECT number FROM numbers").fetchall() == [(1,)]


def test_an_error_of_sqlite_that_has_ended_the_transaction_stays_the_error(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "x.sqlite", isolation_level=None)
    with pytest.raises(KeyError, match="mine"), transaction(connection) as inside:
        inside.execute("ROLLBACK")
        raise KeyError("mine")
