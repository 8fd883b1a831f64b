"""One SQLite file as a store: opened, created, migrated or refused, with errors of one line that say what to do."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from whygap.errors import InputError, StoreError

APPLICATION_ID = 0x77687967  # "whyg": what `file` and other programs know a store by
SCHEMA = 2
BUSY_S = 30.0

# `epoch.record` is the whole EpochGap as JSON, and `load` reads nothing else: it gives back an equal record, with nested parts,
# rungs and notes, where columns alone would take five more tables, and a migration for each new field. The other columns of
# `epoch`, and `term`, are the same numbers for people and queries, written in the same transaction.
_TABLES = (
    """CREATE TABLE run (
        seq INTEGER PRIMARY KEY,  -- order of arrival: the last run has the highest
        id TEXT NOT NULL UNIQUE, source TEXT NOT NULL, started TEXT NOT NULL, finished INTEGER NOT NULL DEFAULT 0,
        versions TEXT NOT NULL, seeds TEXT NOT NULL  -- JSON: package to version, name to seed
    )""",
    """CREATE TABLE epoch (
        id INTEGER PRIMARY KEY,
        run TEXT NOT NULL REFERENCES run (id) ON DELETE CASCADE, epoch INTEGER NOT NULL, score TEXT NOT NULL,
        train_reported REAL, valid_reported REAL,
        gap REAL, gap_low REAL, gap_high REAL, gap_level REAL,  -- valid_reported - train_reported and its interval
        unattributed REAL NOT NULL, spent_s REAL NOT NULL, evaluations INTEGER NOT NULL,
        record TEXT NOT NULL,  -- JSON: all of the above and the rest; this is what whygap reads
        UNIQUE (run, epoch, score)
    )""",
    """CREATE TABLE term (
        id INTEGER PRIMARY KEY,
        epoch_id INTEGER NOT NULL REFERENCES epoch (id) ON DELETE CASCADE,
        cause TEXT NOT NULL, part_of TEXT,  -- the cause that this is a part of; terms with NULL here add up to the gap
        value REAL NOT NULL, low REAL NOT NULL, high REAL NOT NULL, level REAL NOT NULL, se REAL NOT NULL, df REAL,
        n INTEGER NOT NULL, how TEXT NOT NULL, reliable INTEGER NOT NULL, why TEXT NOT NULL
    )""",
    """CREATE TABLE problem (
        id INTEGER PRIMARY KEY, run TEXT NOT NULL REFERENCES run (id) ON DELETE CASCADE, epoch INTEGER, text TEXT NOT NULL
    )""",
    "CREATE INDEX term_of_epoch ON term (epoch_id)",
    "CREATE INDEX problem_of_run ON problem (run)",
)
# A trial stands once, however many experiments it is part of. Its record is MessagePack: JSON has no NaN and no infinity, and
# the curves of a run that diverged have both. The columns beside it are for people and queries.
_TABLES_OF_TRIALS = (
    """CREATE TABLE experiment (
        seq INTEGER PRIMARY KEY,  -- order of arrival, as of runs; one that is run again becomes the last
        id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, claim TEXT NOT NULL, started TEXT NOT NULL, wanted INTEGER NOT NULL,
        record TEXT NOT NULL  -- JSON: all of the above and the rest, without the trials
    )""",
    """CREATE TABLE trial (
        key TEXT PRIMARY KEY, settings TEXT NOT NULL, seeds TEXT NOT NULL,  -- JSON: name to value
        n_parameters INTEGER NOT NULL, seconds REAL NOT NULL,
        record BLOB NOT NULL  -- MessagePack: all of the above and the curves; this is what whygap reads
    )""",
    """CREATE TABLE trial_of (
        experiment TEXT NOT NULL REFERENCES experiment (id) ON DELETE CASCADE,
        trial TEXT NOT NULL REFERENCES trial (key), PRIMARY KEY (experiment, trial)
    ) WITHOUT ROWID""",
)
ELSEWHERE = "use --store PATH or set WHYGAP_STORE"


def _add_trials(db: sqlite3.Connection) -> None:
    for statement in _TABLES_OF_TRIALS:
        db.execute(statement)


# MIGRATIONS[v] takes a store from schema v to v + 1. It runs inside a transaction and with foreign keys off, so that it can
# rebuild a table; it must not commit.
MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {1: _add_trials}


def open_writable(path: Path) -> sqlite3.Connection:
    """Return a connection to the store at `path` that can write; create or migrate the store first where needed.

    Raises
    ------
    StoreError
        If it isn't a store, or has a schema that can't be read.
    """
    _check_is_store(path)
    db = _sqlite(path, "mode=rwc")
    try:
        _prepare(db, path)
        # Only now: until it has its application_id the file isn't ours, and WAL mode would keep the id out of the file.
        _use_wal(db)
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute("PRAGMA foreign_keys=ON")
    except BaseException:
        db.close()
        raise
    return db


def _use_wal(db: sqlite3.Connection) -> None:
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            # Of several processes that create a store at once, SQLite turns some away here without waiting.
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.005)


def open_readonly(path: Path) -> sqlite3.Connection:
    """Return a connection that reads the store at `path`: itself, or a copy in memory where SQLite would have to write.

    Raises
    ------
    StoreError
        If there is no store, nothing was stored yet, or as `open_writable`.
    """
    if not path.exists():
        raise StoreError(one_line(f"{path}: there is no store; {ELSEWHERE}"))
    _check_is_store(path)
    db = _sqlite(path, "mode=ro")
    try:
        try:
            version = _pragma(db, "user_version")
        except sqlite3.OperationalError as error:
            if _code(error) not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
            # A read-only folder, where SQLite can't make its side files, or recover with those that a killed process left.
            db.close()
            db = _copied(path)
            version = _pragma(db, "user_version")
        if version == 0:
            raise StoreError(one_line(f"{path}: is empty: nothing was stored yet; {ELSEWHERE}"))
        if version < SCHEMA:
            db = _in_memory(db)
            _prepare(db, path)
        _check_version(version, path)
    except BaseException:
        db.close()
        raise
    return db


def _copied(path: Path) -> sqlite3.Connection:
    """Return a copy in memory of a store that nobody is writing, or SQLite would have shared the writer's side files."""
    import shutil  # both for a rare case
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="whygap-") as folder:
        copy = Path(folder) / "copy.db"
        # The -wal holds epochs that aren't in the file itself yet, a -journal the way back from a half-made change.
        for suffix in ("", "-wal", "-journal"):
            if Path(f"{path}{suffix}").exists():
                shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
        return _in_memory(_sqlite(copy, "mode=rw"))


def _in_memory(db: sqlite3.Connection) -> sqlite3.Connection:
    memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    with closing(db):
        db.backup(memory)
    return memory


def _sqlite(path: Path, options: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?{options}"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False)


def _check_is_store(path: Path) -> None:
    """Raise StoreError unless `path` is a store or can become one; leave it, and what lies beside it, as it is."""
    if path.is_dir():
        raise StoreError(one_line(f"{path}: is a folder; name a file in it, such as {path / 'whygap.db'}"))
    if not path.parent.is_dir():
        raise StoreError(one_line(f"{path}: there is no folder {path.parent}; create it, or {ELSEWHERE}"))
    if not path.exists():
        return
    kind = None
    if path.is_file():  # not a device or a pipe
        if path.stat().st_size == 0:  # SQLite makes an empty file before it writes the first page
            return
        # Immutable: SQLite takes no lock, recovers nothing and makes no side file. Not open(): closing a file drops the locks
        # that this process has on it, those of another Store among them, and SQLite knows how not to.
        with closing(_sqlite(path, "mode=ro&immutable=1")) as db:
            try:
                # A process killed in a checkpoint leaves a file shorter than it says, the rest being in the -wal, which
                # immutable ignores: this makes SQLite not mind.
                db.execute("PRAGMA writable_schema=ON")
                kind = _pragma(db, "application_id")
            except sqlite3.DatabaseError as error:
                if _code(error) != sqlite3.SQLITE_NOTADB:
                    raise
    if kind != APPLICATION_ID:
        raise StoreError(one_line(f"{path}: isn't a whygap store, and was left as it is; {ELSEWHERE}"))


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    """Create or migrate, in one transaction that sees what another process may have done since; fail if we can't write."""
    db.execute("BEGIN IMMEDIATE")
    version = _pragma(db, "user_version")
    if version == 0 and db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
        for statement in (*_TABLES, *_TABLES_OF_TRIALS):
            db.execute(statement)
        version = SCHEMA
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
    _check_version(version, path)
    for step in range(version, SCHEMA):
        MIGRATIONS[step](db)
    if _pragma(db, "user_version") != SCHEMA:
        db.execute(f"PRAGMA user_version={SCHEMA}")
    # On a file that is read-only, BEGIN IMMEDIATE passes; this doesn't, and changes nothing.
    db.execute("DELETE FROM run WHERE 0")
    db.execute("COMMIT")


def _check_version(version: int, path: Path) -> None:
    reads = f"has schema {version}, and this whygap reads schema {SCHEMA}"
    if version > SCHEMA:
        raise StoreError(one_line(f"{path}: {reads}: it is from a newer version; upgrade whygap, or {ELSEWHERE}"))
    if any(step not in MIGRATIONS for step in range(version, SCHEMA)):
        raise StoreError(one_line(f"{path}: {reads} and can't convert it; install the older whygap to read it, or {ELSEWHERE}"))


def _pragma(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])


def one_line(text: str) -> str:
    """Return `text`, which may hold a file name with a line break in it, as one line."""
    return "\\n".join(text.splitlines())


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the detail in the upper bytes


@contextmanager
def one_line_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system raise into one line.

    Raises
    ------
    StoreError
        In place of an error of SQLite or the operating system.
    InputError
        In place of an error that a value can't be stored.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(one_line(f"{path}: {_explain(error)}")) from error
    except OSError as error:
        raise StoreError(one_line(f"{path}: {error.strerror or error}; {ELSEWHERE}")) from error
    except (OverflowError, UnicodeEncodeError) as error:
        raise InputError(one_line(f"{path}: a value can't be stored: {error}")) from error


def _explain(error: sqlite3.Error) -> str:
    match _code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return f"another process has kept it locked for {BUSY_S:g} s; wait for that process or end it, or {ELSEWHERE}"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return f"the store is read-only here; {ELSEWHERE}"
        case sqlite3.SQLITE_FULL:
            return f"the disk is full; free some space, or {ELSEWHERE}"
        case sqlite3.SQLITE_IOERR:
            return f"the disk refused ({error}): it may be full, over quota or gone; free some space, or {ELSEWHERE}"
        case sqlite3.SQLITE_CANTOPEN:
            return f"no permission to open this file, or to write in its folder; {ELSEWHERE}"
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return f"the store is damaged ({error}); move it away, or save what is left with `sqlite3 FILE .recover`"
        case _:
            return f"{error}; if this goes on, {ELSEWHERE}"
