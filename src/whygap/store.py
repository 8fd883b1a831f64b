"""Runs on disk: one SQLite file that several trainings may write and anybody may read meanwhile.

Each epoch is one transaction, so that ending the process at any moment loses at most the epoch in hand.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from whygap.errors import InputError, StoreError
from whygap.records import EpochGap, Problem, Record, Run, Term

APPLICATION_ID = 0x77687967  # "whyg": what `file` and other programs know a store by
SCHEMA = 1
BUSY_S = 30.0

# MIGRATIONS[v] takes a store from schema v to v + 1. It runs inside a transaction and with foreign keys off, so that it can
# rebuild a table; it must not commit.
MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {}

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
_EPOCH_COLUMNS = (
    "run", "epoch", "score", "train_reported", "valid_reported", "gap", "gap_low", "gap_high", "gap_level",
    "unattributed", "spent_s", "evaluations", "record",
)  # fmt: skip
# An upsert, not REPLACE: the row keeps its id, and with it the place of this score among the epoch's scores.
_PUT_EPOCH = (
    f"INSERT INTO epoch ({', '.join(_EPOCH_COLUMNS)}) VALUES ({', '.join('?' * len(_EPOCH_COLUMNS))}) "
    f"ON CONFLICT (run, epoch, score) DO UPDATE SET {', '.join(f'{c} = excluded.{c}' for c in _EPOCH_COLUMNS[3:])}"
)
_PUT_PROBLEM = "INSERT INTO problem (run, epoch, text) VALUES (?, ?, ?)"
_ELSEWHERE = "use --store PATH or set WHYGAP_STORE"
_T = TypeVar("_T", bound=Record)


class RunSummary(Record, frozen=True):
    """What the store holds of a run: `epochs` counts them, `scores` names what was scored, in the order recorded."""

    id: str
    source: str
    started: str
    finished: bool
    epochs: int
    scores: tuple[str, ...]
    problems: int


def store_path(path: str | os.PathLike[str] | None) -> Path:
    """Return the file that holds the runs: `path`, else the environment variable WHYGAP_STORE, else `whygap.db` here."""
    # `--store=~/runs.db` reaches us as it stands: a shell expands ~ only at the start of a word.
    return Path(os.path.expanduser(path if path is not None else os.environ.get("WHYGAP_STORE") or "whygap.db"))


class Store:
    """The runs in one file. A context manager; threads may share it, and a forked process may go on using it.

    Parameters
    ----------
    path
        The file, created unless `readonly`; its folder must exist. As for `store_path`, None means the default.
    readonly
        Never create or write the store. Works in a folder that can't be written; there, without the side files of a process
        that is writing, the store is read as it was when opened.

    Raises
    ------
    StoreError
        If the file can't be opened, isn't a store (it is then left as it is), or has a schema that this version can't read.
        Every method raises it, in one line, when the disk, a lock or the file's state prevents what was asked; what was stored
        before is then intact, and the object can still be used.
    """

    def __init__(self, path: str | os.PathLike[str] | None, *, readonly: bool = False) -> None:
        self.path = store_path(path)
        self.readonly = readonly
        self._file = self.path.absolute()  # the training may change the current folder
        self._lock = threading.Lock()
        self._closed = False
        self._db: sqlite3.Connection | None = None
        with _forking, _one_line_errors(self.path):
            self._db = _open_readonly(self.path) if readonly else _open(self.path)
            _stores.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        with self._lock, _one_line_errors(self.path):
            self._closed = True
            self._disconnect()

    def begin(self, run: Run) -> None:
        """Store a new, unfinished run without epochs: those of `run` come by `add_epoch`, its problems by `add_problem`.

        Raises
        ------
        StoreError
            If the id is taken.
        InputError
            If the id is empty or "last", or a value has no JSON form.
        """
        if run.id in ("", "last"):
            raise InputError(f"a run can't have the id {run.id!r}: load() takes it for something else")
        run, _ = _checked(msgspec.structs.replace(run, epochs=(), problems=(), finished=False), f"run {run.id!r}")
        row = (run.id, run.source, run.started, *(msgspec.json.encode(d).decode() for d in (run.versions, run.seeds)))
        with self._transaction(write=True) as db:
            try:
                db.execute("INSERT INTO run (id, source, started, versions, seeds) VALUES (?, ?, ?, ?, ?)", row)
            except sqlite3.IntegrityError as error:
                raise StoreError(_line(f"{self.path}: holds a run {run.id!r} already; give this run another id")) from error

    def add_epoch(self, run_id: str, gaps: Sequence[EpochGap], problems: Sequence[Problem] = ()) -> None:
        """Store all scores of an epoch, and what went wrong in it, all or nothing; when this returns, they are on disk.

        Parameters
        ----------
        run_id
            A run that has begun.
        gaps
            One record per score. What was stored for the same run, epoch and score is replaced.
        problems
            Added to those of the run.

        Raises
        ------
        StoreError
            If there is no such run.
        InputError
            If a record can't be read back as it is: it holds NaN, an infinity, or a value of the wrong type.
        """
        checked = [_checked(gap, f"epoch {gap.epoch} of {gap.score.name!r}") for gap in gaps]
        rows = [_problem_row(run_id, problem) for problem in problems]
        with self._run_transaction(run_id) as db:
            for gap, record in checked:
                _put_epoch(db, run_id, gap, record)
            db.executemany(_PUT_PROBLEM, rows)

    def add_problem(self, run_id: str, problem: Problem) -> None:
        """Store a failure that the run survived.

        Raises
        ------
        StoreError
            If there is no such run.
        """
        row = _problem_row(run_id, problem)
        with self._run_transaction(run_id) as db:
            db.execute(_PUT_PROBLEM, row)

    def finish(self, run_id: str) -> None:
        """Mark a run as finished.

        Raises
        ------
        StoreError
            If there is no such run.
        """
        with self._run_transaction(run_id) as db:
            db.execute("UPDATE run SET finished = 1 WHERE id = ?", (run_id,))

    def runs(self) -> tuple[RunSummary, ...]:
        """Return what is stored, newest first: by arrival, since clocks are set back and old logs are imported late."""
        with self._transaction(write=False) as db:
            scores: dict[str, list[str]] = {}
            # With min(), SQLite takes the bare column `id` from the row that has the minimum.
            first = "SELECT run, score, min(epoch) AS epoch, id FROM epoch GROUP BY run, score ORDER BY epoch, id"
            for run_id, score, *_ in db.execute(first):
                scores.setdefault(run_id, []).append(score)
            rows = db.execute(
                "SELECT id, source, started, finished, (SELECT count(DISTINCT epoch) FROM epoch WHERE run = run.id), "
                "(SELECT count(*) FROM problem WHERE run = run.id) FROM run ORDER BY seq DESC"
            ).fetchall()
        return tuple(
            RunSummary(
                id=run_id,
                source=source,
                started=started,
                finished=bool(finished),
                epochs=epochs,
                scores=tuple(scores.get(run_id, ())),
                problems=problems,
            )
            for run_id, source, started, finished, epochs, problems in rows
        )

    def load(self, name: str) -> Run:
        """Return a run as far as it was stored.

        Parameters
        ----------
        name
            The id, the beginning of one where no other begins so, or "last" for the run that began last.

        Raises
        ------
        InputError
            If no run, or more than one, has that name; the line lists the ids that come near.
        StoreError
            If a record can't be read.
        """
        with self._transaction(write=False) as db:
            run_id = self._find([row[0] for row in db.execute("SELECT id FROM run ORDER BY seq DESC")], name)
            run = db.execute("SELECT source, started, finished, versions, seeds FROM run WHERE id = ?", (run_id,)).fetchone()
            epochs = db.execute("SELECT record FROM epoch WHERE run = ? ORDER BY epoch, id", (run_id,)).fetchall()
            problems = db.execute("SELECT epoch, text FROM problem WHERE run = ? ORDER BY id", (run_id,)).fetchall()
        source, started, finished, versions, seeds = run
        try:
            return Run(
                id=run_id,
                source=source,
                started=started,
                finished=bool(finished),
                epochs=tuple(msgspec.json.decode(record, type=EpochGap) for (record,) in epochs),
                problems=tuple(Problem(epoch=epoch, text=text) for epoch, text in problems),
                versions=msgspec.json.decode(versions, type=dict[str, str]),
                seeds=msgspec.json.decode(seeds, type=dict[str, int]),
            )
        except msgspec.DecodeError as error:
            raise StoreError(_line(f"{self.path}: a record of run {run_id!r} is damaged: {error}; {_ELSEWHERE}")) from error

    def _find(self, ids: list[str], name: str) -> str:
        if name in ids:
            return name
        if name == "last" and ids:
            return ids[0]
        matching = [i for i in ids if name and i.startswith(name)]
        if len(matching) == 1:
            return matching[0]
        if not ids:
            raise InputError(_line(f"{self.path}: no run {name!r}: the store is empty"))
        if matching:
            raise InputError(_line(f"{self.path}: {name!r} could be {_list(matching)}; give more of the id"))
        import difflib  # 5 ms that only a mistaken name has to pay

        raise InputError(
            _line(f"{self.path}: no run {name!r}; there is {_list(difflib.get_close_matches(name, ids, cutoff=0.4) or ids)}")
        )

    @contextmanager
    def _run_transaction(self, run_id: str) -> Iterator[sqlite3.Connection]:
        with self._transaction(write=True) as db:
            if db.execute("SELECT 1 FROM run WHERE id = ?", (run_id,)).fetchone() is None:
                raise StoreError(_line(f"{self.path}: holds no run {run_id!r}: it was not begun here, or was deleted"))
            yield db

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[sqlite3.Connection]:
        with self._lock, _one_line_errors(self.path):
            db = self._connect(write)
            try:
                # IMMEDIATE waits for the other writers here, where waiting is safe; a lock that is upgraded later can't wait.
                db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                yield db
                db.execute("COMMIT")
            except BaseException:
                try:
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                except sqlite3.Error:
                    self._disconnect()  # closing rolls back too, and the next call connects anew
                raise

    def _connect(self, write: bool) -> sqlite3.Connection:
        if self._closed:
            raise StoreError(_line(f"{self.path}: this store object was closed; open the store again"))
        if write and self.readonly:
            raise StoreError(_line(f"{self.path}: was opened read-only; open it without readonly to write"))
        if write and not self._file.exists():
            # SQLite would go on writing to a file without a name, and those epochs would be gone when it closes.
            raise StoreError(_line(f"{self.path}: was deleted or moved while in use; put it back, or {_ELSEWHERE}"))
        if self._db is None:
            self._db = _open_readonly(self._file) if self.readonly else _open(self._file)
        return self._db

    def _disconnect(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()


# A fork copies what SQLite knows of its file locks, but not the locks: a connection that crosses one loses data when the other
# process closes its own. So none crosses: each store waits for its transaction, disconnects, and connects again when next used.
_stores: weakref.WeakSet[Store] = weakref.WeakSet()
_forking = threading.Lock()
_held: list[Store] = []


def _before_fork() -> None:
    _forking.acquire()
    for store in list(_stores):
        store._lock.acquire()
        _held.append(store)
        store._disconnect()


def _after_fork() -> None:
    while _held:
        _held.pop()._lock.release()
    _forking.release()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


def _open(path: Path) -> sqlite3.Connection:
    """Return a connection to the store at `path` that can write; create or migrate the store first where needed."""
    _check_is_store(path)
    db = _sqlite(path, "mode=rwc")
    try:
        _prepare(db, path)
        # Only now: until it has its application_id the file isn't ours, and WAL mode would keep the id out of the file.
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute("PRAGMA foreign_keys=ON")
    except BaseException:
        db.close()
        raise
    return db


def _open_readonly(path: Path) -> sqlite3.Connection:
    """Return a connection that reads the store at `path`: itself, or a copy in memory where SQLite would have to write."""
    if not path.exists():
        raise StoreError(_line(f"{path}: there is no store; {_ELSEWHERE}"))
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
            raise StoreError(_line(f"{path}: is empty: nothing was stored yet; {_ELSEWHERE}"))
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
            if os.path.exists(f"{path}{suffix}"):
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
        raise StoreError(_line(f"{path}: is a folder; name a file in it, such as {path / 'whygap.db'}"))
    if not path.parent.is_dir():
        raise StoreError(_line(f"{path}: there is no folder {path.parent}; create it, or {_ELSEWHERE}"))
    if not path.exists() or path.stat().st_size == 0:  # SQLite makes an empty file before it writes the first page
        return
    kind = None
    if path.is_file():
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
        raise StoreError(_line(f"{path}: isn't a whygap store, and was left as it is; {_ELSEWHERE}"))


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    """Create or migrate, in one transaction that sees what another process may have done since; fail if we can't write."""
    db.execute("BEGIN IMMEDIATE")
    version = _pragma(db, "user_version")
    if version == 0 and db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
        for statement in _TABLES:
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
        raise StoreError(_line(f"{path}: {reads}: it is from a newer version; upgrade whygap, or {_ELSEWHERE}"))
    if any(step not in MIGRATIONS for step in range(version, SCHEMA)):
        raise StoreError(_line(f"{path}: {reads} and can't convert it; install the older whygap to read it, or {_ELSEWHERE}"))


def _pragma(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])


def _put_epoch(db: sqlite3.Connection, run_id: str, gap: EpochGap, record: str) -> None:
    key = (run_id, gap.epoch, gap.score.name)
    interval = (gap.gap.value, gap.gap.low, gap.gap.high, gap.gap.level) if gap.gap else (None,) * 4
    numbers = (gap.train_reported, gap.valid_reported, *interval, gap.unattributed, gap.spent_s, gap.evaluations)
    db.execute(_PUT_EPOCH, (*key, *numbers, record))
    (epoch_id,) = db.execute("SELECT id FROM epoch WHERE run = ? AND epoch = ? AND score = ?", key).fetchone()
    db.execute("DELETE FROM term WHERE epoch_id = ?", (epoch_id,))
    rows = [(epoch_id, *row) for term in gap.terms for row in _term_rows(term, None)]
    columns = "epoch_id, cause, part_of, value, low, high, level, se, df, n, how, reliable, why"
    db.executemany(f"INSERT INTO term ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def _term_rows(term: Term, part_of: str | None) -> Iterator[tuple[object, ...]]:
    e = term.estimate
    yield term.cause, part_of, e.value, e.low, e.high, e.level, e.se, e.df, e.n, e.how, e.reliable, e.why
    for part in term.parts:
        yield from _term_rows(part, term.cause)


def _problem_row(run_id: str, problem: Problem) -> tuple[object, ...]:
    # Error texts hold file names, which needn't be Unicode; a failure must not be lost over that.
    text = problem.text.encode("utf-8", "backslashreplace").decode()
    problem, _ = _checked(msgspec.structs.replace(problem, text=text), "a problem")
    return run_id, problem.epoch, problem.text


def _plain(value: Any) -> Any:
    """Return a numpy scalar, which is a number in all but type, as a Python number: no epoch is lost over one."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"a {type(value).__name__} has no JSON form")


def _checked(record: _T, what: str) -> tuple[_T, str]:
    """Return `record` as it will read back, and its JSON; raise InputError where it wouldn't."""
    try:
        text = msgspec.json.encode(record, enc_hook=_plain).decode()
        back = msgspec.json.decode(text, type=type(record))
    except (TypeError, ValueError) as error:
        raise InputError(_line(f"{what} can't be stored: {error}")) from error
    if back != record:  # NaN is null in JSON, and so None where that is allowed
        raise InputError(_line(f"{what} can't be stored: it would read back as something else; is there a NaN in it?"))
    return back, text


def _list(ids: list[str]) -> str:
    return ", ".join(ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")


def _line(text: str) -> str:
    return "\\n".join(text.splitlines())


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the detail in the upper bytes


@contextmanager
def _one_line_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(_line(f"{path}: {_explain(error)}")) from error
    except OSError as error:
        raise StoreError(_line(f"{path}: {error.strerror or error}; {_ELSEWHERE}")) from error
    except (OverflowError, UnicodeEncodeError) as error:
        raise InputError(_line(f"{path}: a value can't be stored: {error}")) from error


def _explain(error: sqlite3.Error) -> str:
    match _code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return f"another process has kept it locked for {BUSY_S:g} s; wait for that process or end it, or {_ELSEWHERE}"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return f"the store is read-only here; {_ELSEWHERE}"
        case sqlite3.SQLITE_FULL:
            return f"the disk is full; free some space, or {_ELSEWHERE}"
        case sqlite3.SQLITE_IOERR:
            return f"the disk refused ({error}): it may be full, over quota or gone; free some space, or {_ELSEWHERE}"
        case sqlite3.SQLITE_CANTOPEN:
            return f"no permission to open this file, or to write in its folder; {_ELSEWHERE}"
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return f"the store is damaged ({error}); move it away, or save what is left with `sqlite3 FILE .recover`"
        case _:
            return f"{error}; if this goes on, {_ELSEWHERE}"
