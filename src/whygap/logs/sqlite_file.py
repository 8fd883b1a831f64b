"""Somebody else's SQLite file: opened so that nothing is written, nothing in it runs, and reading it ends."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from whygap.errors import InputError
from whygap.logs.source import Source, clean

MAGIC = b"SQLite format 3\0"
MOST_BYTES = 1 << 30
LONGEST_VALUE = 16 << 20
MOST_SECONDS = 60.0
STEPS_BETWEEN_LOOKS = 100_000
ALLOWED = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ)


@contextmanager
def opened(source: Source) -> Iterator[sqlite3.Connection]:
    """Yield a connection that can only read plain tables.

    Views, virtual tables and functions are refused, values above 16 MiB too, and after a minute reading ends. The file is
    opened as one that nobody writes, so that no files appear beside it; where a log of writes that aren't in it yet lies beside
    it, a copy of both is read.

    Parameters
    ----------
    source : Source
        A file.

    Raises
    ------
    InputError
        If it isn't a database, is damaged, or holds what is refused.
    """
    try:
        with tempfile.TemporaryDirectory() as folder:
            copy = _copy_with_log(source, Path(folder))
            where = f"{quote(str(copy))}?mode=rw" if copy else f"{quote(str(source.path.absolute()))}?mode=ro&immutable=1"
            with closing(sqlite3.connect(f"file:{where}", uri=True)) as db:
                _guard(db)
                yield db
    except (sqlite3.Error, OverflowError, UnicodeError) as error:
        text = "reading took too long" if "interrupted" in str(error) else clean(str(error))
        raise InputError(f"{source.name}: SQLite: {text}") from error
    except OSError as error:
        raise InputError(f"{source.name}: {error.strerror or error}") from error


def columns_of(db: sqlite3.Connection, table: str) -> frozenset[str]:
    """Return the names of a table's columns, none if there is no such plain table."""
    found = db.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone()
    if found is None or not isinstance(found[0], str) or found[0].split()[:2] != ["CREATE", "TABLE"]:
        return frozenset()
    return frozenset(column[0] for column in db.execute(f'SELECT * FROM "{table}" LIMIT 0').description)


def _copy_with_log(source: Source, folder: Path) -> Path | None:
    """Return a copy of a database and its log of writes, if there is one with something in it."""
    log = source.path.with_name(f"{source.path.name}-wal")
    if log.is_symlink() or not log.is_file() or not log.stat().st_size:
        return None
    if source.path.stat().st_size + log.stat().st_size > MOST_BYTES:
        raise InputError(f"{source.name}: it is being written, and more than {MOST_BYTES >> 30} GiB")
    shutil.copyfile(source.path, folder / "copy.db")
    shutil.copyfile(log, folder / "copy.db-wal")
    return folder / "copy.db"


def _guard(db: sqlite3.Connection) -> None:
    """Let a connection read tables, and nothing else, for a while."""
    end = time.monotonic() + MOST_SECONDS
    db.text_factory = lambda raw: raw.decode("utf-8", "replace")
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
    db.execute("PRAGMA trusted_schema = OFF")
    db.set_progress_handler(lambda: int(time.monotonic() > end), STEPS_BETWEEN_LOOKS)
    db.set_authorizer(_may)


def _may(action: int, _table: str | None, _column: str | None, _database: str | None, within: str | None) -> int:
    """Tell SQLite whether a statement may do what it is made for; `within` is the view that asks for it, if one does."""
    return sqlite3.SQLITE_OK if action in ALLOWED and within is None else sqlite3.SQLITE_DENY
