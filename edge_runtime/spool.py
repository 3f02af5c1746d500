"""The message store on disk: what was found is written here before it is sent, and deleted when the broker has it.

SQLite in WAL mode. `put` commits one transaction a frame. When it returns, the frame is in the file, where it outlives
the process. A twentieth of a second later it goes to the disk, where it outlives the power, together with the frames
around it, unless the broker has acknowledged all of it by then: frames do not wait for the disk. (One in a hundred
does, for a single page, where SQLite begins its log anew.) Deleting what the broker has acknowledged mostly rides along
in the next put; a deletion lost in a power cut sends the message once more, and consumers deduplicate by uuid. Bounded
by bytes and by age: dead letters go first, then telemetry, then detections, each from the oldest on, and every drop is
counted.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.clock import boot_id
from edge_runtime.delivered_rows import DeliveredRows
from edge_runtime.disk_sync import DiskSync
from edge_runtime.fresh_rows import FreshRows
from edge_runtime.spool_file import SpoolFile, translated
from edge_runtime.spool_log import SpoolLog
from edge_runtime.spool_row import Message, Priority, Row
from fissura.errors import SpoolError
from fissura.transaction import transaction

SYNC_PERIOD_S = 0.05
EXPIRY_PERIOD_S = 60.0
CLOCK_WAS_SET_AFTER_S = 1.7e9  # Unix time; a wall clock that reads less has not been set since power-on


@dataclass(frozen=True)
class SpoolLimits:
    """Bounds.

    Attributes:
        max_bytes: of all rows, dead letters included.
        max_age_s: of a row.
        max_attempts: refusals after which a row is a dead letter: kept within the bounds, no longer sent.
    """

    max_bytes: int = 256 << 20
    max_age_s: float = 30 * 86400.0
    max_attempts: int = 8


@dataclass(frozen=True)
class SpoolStats:
    """What the spool holds, and has lost since it was opened.

    Attributes:
        rows: waiting to be sent; those that the broker has are left out, though they may still be in the file.
        bytes: of these and of the dead letters.
        dead_letters: rows that the broker has refused too often.
        dropped: rows lost, by kind and cause, such as 'telemetry_full' or 'detection_old'.
    """

    rows: int
    bytes: int
    dead_letters: int
    dropped: dict[str, int]


class Spool:
    """Safe to use from several threads, in one process at a time: the file is locked.

    Opening gives each dead letter one more attempt: what the broker refused yesterday may be allowed today.

    Args:
        path: of the database; its folder is made. A damaged one is moved aside, and the log says where to.
        limits: the bounds.

    Raises:
        SpoolError: another process uses it, or the disk does not let us.

    Attributes:
        delivered: rows that were `acknowledged` and are still in the file.
    """

    def __init__(self, path: Path, limits: SpoolLimits | None = None) -> None:
        self.path = path
        self.limits = limits or SpoolLimits()
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()
        self._fresh = FreshRows()
        self.delivered = DeliveredRows()
        self._dropped: Counter[str] = Counter()
        self._next_expiry_s = 0.0
        with ExitStack() as opened:
            file = SpoolFile(path)
            opened.callback(file.close)
            # A connection each for what is written and what is read, so that a long answer keeps no frame waiting.
            self._writing, self._reading, folding = (opened.enter_context(closing(file.connect())) for _ in range(3))
            with translated(path), transaction(self._writing) as database:
                last_chance = max(0, self.limits.max_attempts - 1)
                database.execute("UPDATE outbox SET dead = 0, attempts = ? WHERE dead = 1", (last_chance,))
            self._log = SpoolLog(file.log, folding, self._write_lock)
            try:
                self._sync = DiskSync(file.log, SYNC_PERIOD_S, self._log.fold)
            except OSError as error:
                raise SpoolError(f"spool {path}: {file.log} cannot be opened: {error.strerror or error}") from error
            self._opened = opened.pop_all()

    def put(self, messages: Sequence[Message]) -> None:
        """Store messages in one transaction; makes room where the bounds ask for it.

        Raises:
            SpoolError: the disk is full or broken; none of the messages is stored.
        """
        now_s, boot_s, boot = time.time(), _since_boot_s(), boot_id()
        rows = [
            # Plain ints: for a bool or an enumeration sqlite3 looks for an adapter, which takes longer than the rest.
            (m.uuid, m.topic, m.qos, int(m.retain), m.payload, int(m.priority), m.size_bytes, now_s, boot, boot_s)
            for m in messages
        ]
        with translated(self.path), self._write_lock:
            delivered = self.delivered.ids()
            with transaction(self._writing) as database:
                _delete(database, delivered)
                database.executemany(
                    "INSERT INTO outbox (uuid, topic, qos, retain, payload, priority, size, created_s, boot, boot_s)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    rows,
                )
                last, size = database.execute("SELECT last_insert_rowid(), bytes FROM total").fetchone()
                lost = None
                if boot_s >= self._next_expiry_s or size > self.limits.max_bytes:
                    lost = self._expire(database, now_s, boot_s) + self._make_room(database)
            # One connection inserts, in one transaction: the ids follow one another.
            ids = range(last - len(messages) + 1, last + 1)
            self._sync.written(ids)
            self._wrote(sum(row[6] for row in rows))
            self.delivered.gone(delivered)
            if lost:
                self._dropped += lost
                self._fresh.forget()
            self._fresh.add([Row(id, message, 0) for id, message in zip(ids, messages, strict=True)])

    def take(self, limit: int, *, skip_ids: Collection[int] = (), skip_topics: Collection[str] = ()) -> list[Row]:
        """The rows to be sent next; they stay in the spool.

        Args:
            limit: at most so many.
            skip_ids: rows to leave out, such as those on their way.
            skip_topics: topics to leave out.
        """
        with translated(self.path), self._read_lock:
            return self._select(limit, skip_ids, skip_topics)

    def advance(
        self, limit: int, *, on_their_way: Collection[int] = (), skip_topics: Collection[str] = ()
    ) -> list[Row]:
        """The rows to be sent next, each of them once: like `take`, and mostly without asking the disk.

        Args:
            limit: at most so many.
            on_their_way: rows that were given out and are neither delivered, deleted nor refused yet.
            skip_topics: topics to leave out.
        """
        if skip_topics:
            self._fresh.forget()
        elif (fresh := self._fresh.pop(limit)) is not None:
            return fresh
        # Asked before the snapshot is taken: what is off the disk by then does no harm, what is on it must be known.
        skip_ids = (*on_their_way, *self.delivered.ids())
        with translated(self.path), self._read_lock, _snapshot(self._reading) as database:
            # Before the rows: what is put after it is in the memory.
            newest = database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
            rows = self._select(limit, skip_ids, skip_topics)
        if not skip_topics and len(rows) < limit:
            self._fresh.complete_from(0 if newest is None else newest[0])
        return rows

    def rewind(self) -> None:
        """Give rows out again that were given out and never acknowledged."""
        self._fresh.forget()

    def waiting(self, ids: Collection[int]) -> set[int]:
        """Those of the rows that still wait to be sent: not deleted, dropped or dead letters."""
        with translated(self.path), self._read_lock:
            # The plus keeps SQLite from searching by `dead`, which is to read all that waits.
            query = f"SELECT id FROM outbox WHERE +dead = 0 AND id IN ({_marks(ids)})"
            return {id for (id,) in self._reading.execute(query, tuple(ids))}

    def acknowledged(self, ids: Collection[int]) -> None:
        """The broker has these rows: they need not reach the disk, and the next `put` deletes them, or `tidy`."""
        self._sync.spare(ids)
        self.delivered.add(ids)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """The caller promises to call `look_after_disk` after each `put`, and at the times that it names."""
        self._sync.watched(True)
        try:
            yield
        finally:
            self._sync.watched(False)

    def look_after_disk(self) -> float | None:
        """Have rows brought to the disk that have waited long enough for an acknowledgement.

        Returns:
            Seconds until this should be called again; None: not before the next `put`.
        """
        due_in_s = self._sync.due_in_s()
        if due_in_s is None or due_in_s > 0:
            return due_in_s
        self._sync.look()
        return SYNC_PERIOD_S

    def delete(self, ids: Collection[int]) -> None:
        """Take these rows out."""
        with translated(self.path), self._write_lock:
            with transaction(self._writing) as database:
                _delete(database, ids)
            self._wrote(0)
            self.delivered.gone(ids)

    def tidy(self) -> None:
        """Delete the rows that are delivered, where no `put` has come along."""
        if ids := self.delivered.ids():
            self.delete(ids)

    def refuse(self, row: Row, *, for_good: bool = False) -> bool:
        """The broker does not take this row.

        Args:
            row: as `take` gave it, or older.
            for_good: it never will; the row becomes a dead letter at once.

        Returns:
            Whether it is a dead letter now.
        """
        with translated(self.path), self._write_lock:
            with transaction(self._writing) as database:
                database.execute("UPDATE outbox SET attempts = attempts + 1 WHERE id = ?", (row.id,))
                dead = database.execute(
                    "UPDATE outbox SET dead = 1 WHERE id = ? AND (? OR attempts >= ?)",
                    (row.id, for_good, self.limits.max_attempts),
                )
            self._wrote(0)
            return dead.rowcount > 0

    def stats(self) -> SpoolStats:
        """What it holds and has lost."""
        ids = self.delivered.ids()  # before the snapshot: of those that have left it, none is counted
        with translated(self.path), self._read_lock, _snapshot(self._reading) as database:
            (size,) = database.execute("SELECT bytes FROM total").fetchone()
            rows, dead = database.execute("SELECT COUNT(*), COALESCE(SUM(dead), 0) FROM outbox").fetchone()
            delivered = f"SELECT COUNT(*), COALESCE(SUM(size), 0) FROM outbox WHERE id IN ({_marks(ids)})"
            done, done_size = database.execute(delivered, ids).fetchone()
        return SpoolStats(rows - dead - done, size - done_size, dead, dict(self._dropped))

    def empty(self) -> bool:
        """Whether nothing waits to be sent."""
        with translated(self.path), self._read_lock:
            (waiting,) = self._reading.execute("SELECT EXISTS (SELECT 1 FROM outbox WHERE dead = 0)").fetchone()
        return not waiting

    def close(self) -> None:
        """Close the file; what is unsent stays in it."""
        self._sync.close()  # first: its thread may wait for the lock
        with self._write_lock, self._read_lock:
            self._opened.close()

    def _wrote(self, bytes: int) -> None:
        """A transaction has been committed that put so many bytes. The caller holds the lock."""
        if self._log.wrote(bytes):
            self._sync.do_chore()

    def _select(self, limit: int, skip_ids: Collection[int], skip_topics: Collection[str]) -> list[Row]:
        select = (
            "SELECT priority, id, uuid, topic, payload, qos, retain, attempts FROM outbox"
            f" WHERE dead = 0 AND id NOT IN ({_marks(skip_ids)})"
        )
        order = "ORDER BY dead DESC, priority, id LIMIT ?"
        if skip_topics:  # topic by topic: passing over a skipped one, row by row, would read the whole spool
            found = []
            for topic in self._topics():
                if topic not in skip_topics:
                    words = (*skip_ids, topic, limit)
                    found += self._reading.execute(f"{select} AND topic = ? {order}", words).fetchall()
            found = sorted(found)[:limit]
        else:
            found = self._reading.execute(f"{select} {order}", (*skip_ids, limit)).fetchall()
        return [
            Row(id, Message(uuid, topic, payload, qos, bool(retain), Priority(priority)), attempts)
            for priority, id, uuid, topic, payload, qos, retain, attempts in found
        ]

    def _topics(self) -> Iterator[str]:
        """Topics of the rows that wait to be sent, a look-up in the index each."""
        topic = ""
        query = "SELECT MIN(topic) FROM outbox WHERE dead = 0 AND topic > ?"
        while (topic := self._reading.execute(query, (topic,)).fetchone()[0]) is not None:
            yield topic

    def _expire(self, database: sqlite3.Connection, now_s: float, boot_s: float) -> Counter[str]:
        """Delete rows that are too old.

        Within one boot the age is measured by a clock that does not jump. A row of an earlier boot has only the wall
        clock's word, which does not count if the clock had not been set: no row dies of a leap from 1970.
        """
        if boot_s < self._next_expiry_s:
            return Counter()
        self._next_expiry_s = boot_s + EXPIRY_PERIOD_S
        old = database.execute(
            f"SELECT id, {_KIND} FROM outbox WHERE (boot = :boot AND boot_s < :boot_s)"
            " OR (boot <> :boot AND created_s > :set AND created_s < :created_s)",
            {
                "boot": boot_id(),
                "boot_s": boot_s - self.limits.max_age_s,
                "set": CLOCK_WAS_SET_AFTER_S,
                "created_s": now_s - self.limits.max_age_s,
            },
        ).fetchall()
        _delete(database, [id for id, _ in old])
        return Counter(f"{kind}_old" for _, kind in old)

    def _make_room(self, database: sqlite3.Connection) -> Counter[str]:
        """Delete rows until the bytes are within the bound."""
        (size,) = database.execute("SELECT bytes FROM total").fetchone()
        excess = size - self.limits.max_bytes
        doomed: list[tuple[int, str]] = []
        if excess > 0:
            for id, kind, bytes_ in database.execute(
                f"SELECT id, {_KIND}, size FROM outbox ORDER BY dead DESC, priority, id"
            ):
                doomed.append((id, kind))
                excess -= bytes_
                if excess <= 0:
                    break
        _delete(database, [id for id, _ in doomed])
        return Counter(f"{kind}_full" for _, kind in doomed)


_KIND = f"CASE WHEN dead THEN 'dead_letter' WHEN priority = {Priority.TELEMETRY} THEN 'telemetry' ELSE 'detection' END"


def _delete(database: sqlite3.Connection, ids: Collection[int]) -> None:
    doomed = set(ids)
    if doomed and max(doomed) - min(doomed) + 1 == len(doomed):
        # What was put together mostly goes together, and a range costs half of what its rows cost one by one.
        database.execute("DELETE FROM outbox WHERE id BETWEEN ? AND ?", (min(doomed), max(doomed)))
    else:
        database.executemany("DELETE FROM outbox WHERE id = ?", [(id,) for id in doomed])


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Several questions, one moment; keeps nobody from writing."""
    connection.execute("BEGIN")
    try:
        yield connection
    finally:
        connection.execute("COMMIT")


def _marks(values: Collection[object]) -> str:
    return ", ".join("?" * len(values))


def _since_boot_s() -> float:
    """Seconds since the boot, suspended ones included."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)
