"""Verdicts kept on disk, so that a program judged once is not judged again.

One SQLite file, safe for several processes. The key holds everything that can change a verdict: the problem, the
program (comments and layout aside), the limits, the isolation level, and the judge's own code
(`runner.runner_version`). What may come out otherwise on another day (not judged, wall-clock and judge timeouts) is not
kept.

A cache is never worth a run: a file that is damaged or of another version is started anew, one that is locked or
can't be written is done without, and a warning says so. Its size is bounded; the oldest verdicts go first.

Not promised: that a row was not forged. Whoever may write the file may write verdicts, as in every file of ours; that is why
the judge keeps none at level S0, where programs run as this user.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from codealign.errors import StorageError
from codealign.programs import normalised
from codealign.records import OUTCOMES

FILE_NAME = "verdicts.sqlite"
SCHEMA_VERSION = 2
MAX_BYTES = 512 * 2**20
"""Of the file; about a quarter of a million verdicts."""
SHARE_KEPT = 0.75
"""Of the verdicts, when the file has grown past MAX_BYTES."""
LOCK_TIMEOUT_S = 5.0
WRITE_EVERY = 256
WRITE_EVERY_S = 2.0

_TABLE = """CREATE TABLE IF NOT EXISTS verdicts
    (key TEXT PRIMARY KEY, row TEXT NOT NULL, written REAL NOT NULL)"""
_INDEX = "CREATE INDEX IF NOT EXISTS verdicts_by_age ON verdicts (written)"
_log = logging.getLogger(__name__)


def user_cache_dir() -> Path:
    """Where this user's caches go: $XDG_CACHE_HOME, else ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "codealign"


def cache_key(problem_key: str, program: str, setting: Sequence[object]) -> str:
    """The key of a verdict: a whole SHA-256, since the program's author is not trusted."""
    text = json.dumps([problem_key, normalised(program, keep_docstrings=True), *setting])
    return hashlib.sha256(text.encode()).hexdigest()


def may_be_kept(row: dict[str, Any]) -> bool:
    """Whether the same program would get this row again tomorrow."""
    return row["outcome"] != "not_judged" and row["detail"] not in ("wall", "judge")


class VerdictCache:
    """Rows of verdicts by key, in `directory/verdicts.sqlite`. Thread-safe.

    Rows are written a few hundred at a time, and at `close`.

    Raises:
        StorageError: the directory can't be made.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME
        self._lock = threading.Lock()
        self._unwritten: dict[str, str] = {}
        self._written_at = time.monotonic()
        self._database: sqlite3.Connection | None = None
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"the verdict cache can't be kept here: {error.strerror}",
                where=str(directory),
                cure="give another directory, or judge.cache=false",
            ) from error
        with self._recovering():
            self._database = _open(self.path)

    def get(self, key: str) -> dict[str, Any] | None:
        """The row, or None where there is none that can be read."""
        with self._lock:
            text = self._unwritten.get(key)
            if text is None and self._database is not None:
                with self._recovering():
                    query = "SELECT row FROM verdicts WHERE key = ?"
                    found = self._database.execute(query, (key,)).fetchone()
                    text = found[0] if found else None
        return None if text is None else _parsed(text)

    def put(self, key: str, row: dict[str, Any]) -> None:
        """Keep a row, if it is one to keep."""
        if not may_be_kept(row):
            return
        with self._lock:
            self._unwritten[key] = json.dumps(row)
            is_due = time.monotonic() - self._written_at > WRITE_EVERY_S
            if is_due or len(self._unwritten) >= WRITE_EVERY:
                self._write()

    def close(self) -> None:
        with self._lock:
            self._write()
            if self._database is not None:
                self._database.close()
            self._database = None

    def _write(self) -> None:
        rows = [(key, text, time.time()) for key, text in self._unwritten.items()]
        self._unwritten.clear()
        self._written_at = time.monotonic()
        if self._database is None or not rows:
            return
        with self._recovering(), self._database:
            self._database.executemany("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?)", rows)
            _prune(self._database)

    @contextlib.contextmanager
    def _recovering(self) -> Iterator[None]:
        """Go on without the cache when it is in use or can't be written; start anew when it is damaged."""
        try:
            yield
        except sqlite3.OperationalError as error:
            _log.warning("%s: judging without the verdict cache: %s", self.path, error)
            self._drop()
        except sqlite3.DatabaseError as error:
            _log.warning(
                "%s: the verdict cache is damaged and is started anew: %s", self.path, error
            )
            self._drop()
            with contextlib.suppress(OSError, sqlite3.Error):
                _remove(self.path)
                self._database = _open(self.path)

    def _drop(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            with contextlib.suppress(sqlite3.Error):
                database.close()


def _open(path: Path) -> sqlite3.Connection:
    if _is_of_another_version(path):
        _log.warning("%s: the verdict cache is of another version and is started anew", path)
        _remove(path)
    database = sqlite3.connect(path, timeout=LOCK_TIMEOUT_S, check_same_thread=False)
    try:
        database.execute("PRAGMA auto_vacuum=INCREMENTAL")  # heard before the first table only
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")
        with database:
            database.execute("BEGIN IMMEDIATE")
            database.execute(_TABLE)
            database.execute(_INDEX)
            database.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    except sqlite3.Error:
        database.close()
        raise
    return database


def _is_of_another_version(path: Path) -> bool:
    if not path.exists():
        return False
    with contextlib.closing(sqlite3.connect(path, timeout=LOCK_TIMEOUT_S)) as database:
        (found,) = database.execute("PRAGMA user_version").fetchone()
        (num_tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return bool(num_tables) and found != SCHEMA_VERSION


def _remove(path: Path) -> None:
    for each in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        each.unlink(missing_ok=True)


def _size_bytes(database: sqlite3.Connection) -> int:
    (num_pages,), (num_free,), (page_bytes,) = (
        database.execute(f"PRAGMA {name}").fetchone()
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (num_pages - num_free) * page_bytes


def _prune(database: sqlite3.Connection) -> None:
    if _size_bytes(database) <= MAX_BYTES:
        return
    (count,) = database.execute("SELECT count(*) FROM verdicts").fetchone()
    database.execute(
        "DELETE FROM verdicts WHERE key IN (SELECT key FROM verdicts ORDER BY written LIMIT ?)",
        (count - int(count * SHARE_KEPT),),
    )
    database.execute("PRAGMA incremental_vacuum").fetchall()


def _parsed(text: str) -> dict[str, Any] | None:
    """A row that can be a verdict's, else None."""
    try:
        row = json.loads(text)
    except ValueError:
        return None
    if not isinstance(row, dict) or row.get("outcome") not in OUTCOMES:
        return None
    return row if row.get("passed") is (row["outcome"] == "passed") else None


class CacheFacts(NamedTuple):
    """What `codealign env` says of the cache."""

    path: Path
    size_bytes: int
    num_verdicts: int


def cache_facts(directory: Path | None = None) -> CacheFacts:
    """Where the cache is, and how large; zeros where there is none or it can't be read."""
    path = (directory or user_cache_dir()) / FILE_NAME
    try:
        size_bytes = path.stat().st_size
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            (count,) = database.execute("SELECT count(*) FROM verdicts").fetchone()
    except (OSError, sqlite3.Error):
        return CacheFacts(path, 0, 0)
    return CacheFacts(path, size_bytes, count)
