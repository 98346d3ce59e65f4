"""Append-only store of replicates: one SQLite file, one writer, committed on arrival."""

import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from claims.errors import ClaimsError
from claims.job import Result

SCHEMA = """
CREATE TABLE IF NOT EXISTS result (
    key TEXT PRIMARY KEY, claim TEXT NOT NULL, cell TEXT NOT NULL, stream INTEGER NOT NULL, first INTEGER NOT NULL,
    count INTEGER NOT NULL, status TEXT NOT NULL, outcomes TEXT NOT NULL, error TEXT NOT NULL,
    cpu REAL NOT NULL, wall REAL NOT NULL, attempts INTEGER NOT NULL, environment TEXT NOT NULL, checksum TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_claim ON result (claim);
"""
COLUMNS = tuple(field.name for field in fields(Result))


class Store:
    """Results by key; reading is free, writing is for the one process that holds `writing`.

    Attributes:
        damaged: Keys of rows found changed since they were written; they count as missing, and `writing` deletes them.
    """

    def __init__(self, path: Path) -> None:
        """Opens or creates the store at `path`.

        Raises:
            ClaimsError: The file cannot be created or is no store.
        """
        self.path, self.damaged = path, set[str]()
        with self._reported():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=20, isolation_level=None)
            # NORMAL: a crash of the machine may lose the last commits, a crash of the process none.
            self._db.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {SCHEMA}")
            found = tuple(name for name, *_ in self._db.execute("SELECT * FROM result LIMIT 0").description)
            if found != (*COLUMNS, "checksum"):
                raise ClaimsError(
                    f"{path}: the store was written by another version of claims (columns {', '.join(found)}); use that"
                    " version, or move the store away, and the run computes what is missing"
                )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """Errors of the file and its system in the words of a user's next step."""
        try:
            yield
        except (OSError, sqlite3.OperationalError) as error:  # the disk is full, the path is taken
            raise ClaimsError(
                f"{self.path}: the store cannot be used ({error}); free the disk or the path and start again; what is"
                " stored is kept"
            ) from None
        except (sqlite3.Error, ValueError) as error:
            raise ClaimsError(
                f"{self.path}: the store is damaged ({error}); move it away, and the run computes what is missing"
            ) from None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Holds the right to write; a second run in the same checkout is refused, so that nothing is computed twice.

        Raises:
            ClaimsError: Another process holds it.
        """
        with self._reported():
            lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(lock, 32).decode(errors="replace").strip() or "unknown"
                raise ClaimsError(
                    f"{self.path}: another run (process {holder}) is computing here; wait for it, or stop it"
                ) from None
            with self._reported():
                os.ftruncate(lock, 0)
                os.pwrite(lock, str(os.getpid()).encode(), 0)
                self._db.executemany("DELETE FROM result WHERE key = ?", [(key,) for key in self.damaged])
            yield
        finally:
            os.close(lock)

    def version(self) -> int:
        """A number that differs once another process has stored something."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def replicates(self) -> int:
        """How many are stored, of all claims and versions."""
        return int(self._db.execute("SELECT TOTAL(count) FROM result").fetchone()[0])

    def digests(self) -> dict[str, str]:
        """By claim a text that changes with any of its results."""
        found: dict[str, str] = {}
        rows = "CAST(GROUP_CONCAT(key || status || outcomes || error || attempts || checksum) AS BLOB)"
        with self._reported():
            for claim, text in self._db.execute(f"SELECT claim, {rows} FROM result GROUP BY claim"):  # noqa: S608 - ours
                found[claim] = hashlib.blake2b(text, digest_size=16).hexdigest()
        return found

    def results(self, claim: str) -> dict[str, Result]:
        """All results of one claim by key, whatever version of trial or libraries they come from."""
        with self._reported():
            rows = self._rows(claim)
            self.damaged |= {row[0] for row in rows if row[-1] != _checksum(row[:-1])}
            rows = [row for row in rows if row[0] not in self.damaged]
            outcomes = json.loads(f"[{','.join(row[7] for row in rows)}]")  # at once, which is faster
            results = [Result(*(*row[:7], found, *row[8:-1])) for row, found in zip(rows, outcomes, strict=True)]
            return {result.key: result for result in results}

    def _rows(self, claim: str) -> list[tuple[Any, ...]]:
        ask = "SELECT * FROM result WHERE claim = ?"
        try:
            return self._db.execute(ask, (claim,)).fetchall()
        except sqlite3.OperationalError as error:
            if "decode" not in str(error):
                raise
            self._db.text_factory = lambda text: text.decode(errors="replace")  # slow, and the row is damaged anyway
            return self._db.execute(ask, (claim,)).fetchall()

    def put(self, results: Iterable[Result]) -> None:
        """Stores results in one transaction; a result for a known key replaces it only where that one was killed.

        Raises:
            ClaimsError: The disk is full or the file cannot be written.
        """
        rows = [tuple((vars(result) | {"outcomes": json.dumps(result.outcomes)}).values()) for result in results]
        with self._reported(), self._transaction():
            gone = "DELETE FROM result WHERE key = ? AND (status = 'killed' OR claim <> ?)"  # no two claims share a key
            self._db.executemany(gone, [row[:2] for row in rows])
            values = f"VALUES ({'?, ' * len(COLUMNS)}?)"
            known = "ON CONFLICT (key) DO NOTHING"
            self._db.executemany(f"INSERT INTO result {values} {known}", [(*row, _checksum(row)) for row in rows])

    def merge(self, other: "Store") -> int:
        """Copies what another store has and this one lacks; the number of results copied."""
        with self._reported(), other._reported():
            before = self._db.execute("SELECT COUNT(*) FROM result").fetchone()[0]
            for (claim,) in other._db.execute("SELECT DISTINCT claim FROM result ORDER BY claim").fetchall():
                self.put(other.results(claim).values())
            return int(self._db.execute("SELECT COUNT(*) FROM result").fetchone()[0]) - int(before)

    def close(self) -> None:
        """Closes the file."""
        self._db.close()


def _checksum(row: tuple[Any, ...]) -> str:
    return hashlib.blake2b(repr(row).encode(), digest_size=8).hexdigest()
