"""Append-only store of replicates: one SQLite file, one writer, committed on arrival."""

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
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
    cpu REAL NOT NULL, wall REAL NOT NULL, attempts INTEGER NOT NULL, environment TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_claim ON result (claim);
"""


COLUMNS = tuple(field.name for field in fields(Result))


class Store:
    """Results by key; reading is free, writing is for the one process that holds `writing`."""

    def __init__(self, path: Path) -> None:
        """Opens or creates the store at `path`.

        Raises:
            ClaimsError: The file cannot be created or is no store.
        """
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=20, isolation_level=None)
            # NORMAL: a crash of the machine may lose the last commits, a crash of the process none.
            self._db.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {SCHEMA}")
        except (OSError, sqlite3.Error) as error:
            raise ClaimsError(
                f"{path}: the store cannot be opened ({error}); free the path, or move the file away"
            ) from None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Holds the right to write; a second run in the same checkout is refused, so that nothing is computed twice.

        Raises:
            ClaimsError: Another process holds it.
        """
        lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(lock, 32).decode(errors="replace").strip() or "unknown"
                raise ClaimsError(
                    f"{self.path}: another run (process {holder}) is computing here; wait for it, or stop it"
                ) from None
            os.ftruncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(lock)

    def results(self, claim: str) -> dict[str, Result]:
        """All results of one claim by key, whatever version of trial or libraries they come from."""
        try:
            rows = self._db.execute(
                f"SELECT {', '.join(COLUMNS)} FROM result WHERE claim = ?",  # noqa: S608 - names of our own
                (claim,),
            ).fetchall()
            return {
                row[0]: Result(**dict(zip(COLUMNS, row, strict=True)) | {"outcomes": json.loads(row[7])})
                for row in rows
            }
        except (sqlite3.Error, ValueError) as error:
            raise ClaimsError(
                f"{self.path}: the store is damaged ({error}); move it away, and the run computes what is missing"
            ) from None

    def put(self, results: Iterable[Result]) -> None:
        """Stores results in one transaction; a result for a known key replaces it only where that one was killed.

        Raises:
            ClaimsError: The disk is full or the file cannot be written.
        """
        rows: Sequence[tuple[Any, ...]] = [
            (r.key, r.claim, r.cell, r.stream, r.first, r.count, r.status, json.dumps(r.outcomes), r.error,
             r.cpu, r.wall, r.attempts, r.environment)
            for r in results
        ]  # fmt: skip
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "INSERT INTO result VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (key) DO UPDATE SET"
                " status=excluded.status, outcomes=excluded.outcomes, error=excluded.error, cpu=excluded.cpu,"
                " wall=excluded.wall, attempts=excluded.attempts, environment=excluded.environment"
                " WHERE result.status = 'killed'",
                rows,
            )
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise ClaimsError(
                f"{self.path}: results cannot be stored ({error}); free disk space and start again; nothing is lost"
            ) from None

    def merge(self, other: "Store") -> int:
        """Copies what another store has and this one lacks; the number of results copied."""
        before = self._db.execute("SELECT COUNT(*) FROM result").fetchone()[0]
        claims = [row[0] for row in other._db.execute("SELECT DISTINCT claim FROM result ORDER BY claim")]
        for claim in claims:
            self.put(other.results(claim).values())
        return int(self._db.execute("SELECT COUNT(*) FROM result").fetchone()[0]) - int(before)

    def close(self) -> None:
        """Closes the file."""
        self._db.close()
