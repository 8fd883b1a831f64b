"""Runs on disk: one SQLite file that several trainings may write and anybody may read meanwhile.

Each epoch, and each trial of an experiment, is one transaction, so that ending the process at any moment loses at most the one
in hand.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from whygap.errors import InputError, StoreError
from whygap.records import EpochGap, Problem, Record, Run, Term
from whygap.store_experiments import ExperimentSummary, add_trial, begin, link, load, summaries
from whygap.store_file import ELSEWHERE, one_line, one_line_errors, open_readonly, open_writable
from whygap.trials import Experiment, Trial

# An upsert, not REPLACE: the row keeps its id, and with it the place of this score among the epoch's scores.
_PUT_EPOCH = """
    INSERT INTO epoch (run, epoch, score, train_reported, valid_reported, gap, gap_low, gap_high, gap_level,
                       unattributed, spent_s, evaluations, record)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (run, epoch, score) DO UPDATE SET
        train_reported = excluded.train_reported, valid_reported = excluded.valid_reported,
        gap = excluded.gap, gap_low = excluded.gap_low, gap_high = excluded.gap_high, gap_level = excluded.gap_level,
        unattributed = excluded.unattributed, spent_s = excluded.spent_s, evaluations = excluded.evaluations,
        record = excluded.record
"""
_PUT_TERM = """
    INSERT INTO term (epoch_id, cause, part_of, value, low, high, level, se, df, n, how, reliable, why)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_PUT_PROBLEM = "INSERT INTO problem (run, epoch, text) VALUES (?, ?, ?)"
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
    name = path if path is not None else os.environ.get("WHYGAP_STORE") or "whygap.db"
    # `--store=~/runs.db` reaches us as it stands: a shell expands ~ only at the start of a word.
    return Path(os.path.expanduser(name))  # noqa: PTH111 - Path.expanduser raises on a name such as ~x


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
        with _forking, one_line_errors(self.path):
            self._db = open_readonly(self.path) if readonly else open_writable(self.path)
            _stores.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        with self._lock, one_line_errors(self.path):
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
                raise StoreError(one_line(f"{self.path}: holds a run {run.id!r} already; give this run another id")) from error

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
            raise StoreError(one_line(f"{self.path}: a record of run {run_id!r} is damaged: {error}; {ELSEWHERE}")) from error

    def begin_experiment(self, experiment: Experiment) -> None:
        """Store an experiment without trials: those come by `add_trial`. One with this id stays as it is, and becomes the last.

        Raises
        ------
        InputError
            If the id is empty or "last", or a value has no JSON form.
        """
        if experiment.id in ("", "last"):
            raise InputError(f"an experiment can't have the id {experiment.id!r}: experiment() takes it for something else")
        checked, record = _checked(msgspec.structs.replace(experiment, trials=()), f"experiment {experiment.id!r}")
        with self._transaction(write=True) as db:
            begin(db, checked, record)

    def add_trial(self, experiment_id: str, trial: Trial) -> None:
        """Store a finished run of an experiment; when this returns, it is on disk. One with the same key is replaced.

        Raises
        ------
        StoreError
            If there is no such experiment.
        """
        with self._experiment_transaction(experiment_id) as db:
            add_trial(db, experiment_id, trial)

    def take_up(self, experiment_id: str, keys: Sequence[str]) -> frozenset[str]:
        """Make those of the named trials that are stored, for any experiment, part of this one, and return their keys.

        Raises
        ------
        StoreError
            If there is no such experiment.
        """
        with self._experiment_transaction(experiment_id) as db:
            return link(db, experiment_id, keys)

    def experiments(self) -> tuple[ExperimentSummary, ...]:
        """Return what is stored, the one that was begun, or gone on with, last before the others."""
        with self._transaction(write=False) as db:
            return summaries(db)

    def experiment(self, name: str = "last") -> Experiment:
        """Return an experiment as far as it has come, its trials in the order of their keys, whichever was finished first.

        Parameters
        ----------
        name
            The id, the beginning of one where no other begins so, or "last".

        Raises
        ------
        InputError
            If no experiment, or more than one, has that name.
        StoreError
            If a record can't be read.
        """
        with self._transaction(write=False) as db:
            ids = [row[0] for row in db.execute("SELECT id FROM experiment ORDER BY seq DESC")]
            experiment_id = self._find(ids, name, "experiment")
            try:
                return load(db, experiment_id)
            except msgspec.DecodeError as error:
                text = f"{self.path}: a record of experiment {experiment_id!r} is damaged: {error}; {ELSEWHERE}"
                raise StoreError(one_line(text)) from error

    def _find(self, ids: list[str], name: str, kind: str = "run") -> str:
        if name in ids:
            return name
        if name == "last" and ids:
            return ids[0]
        matching = [i for i in ids if name and i.startswith(name)]
        if len(matching) == 1:
            return matching[0]
        if not ids:
            raise InputError(one_line(f"{self.path}: no {kind} {name!r}: the store has none"))
        if matching:
            raise InputError(one_line(f"{self.path}: {name!r} could be {_list(matching)}; give more of the id"))
        import difflib  # 5 ms that only a mistaken name has to pay

        raise InputError(
            one_line(
                f"{self.path}: no {kind} {name!r}; there is {_list(difflib.get_close_matches(name, ids, cutoff=0.4) or ids)}"
            )
        )

    @contextmanager
    def _run_transaction(self, run_id: str) -> Iterator[sqlite3.Connection]:
        with self._transaction(write=True) as db:
            if db.execute("SELECT 1 FROM run WHERE id = ?", (run_id,)).fetchone() is None:
                raise StoreError(one_line(f"{self.path}: holds no run {run_id!r}: it was not begun here, or was deleted"))
            yield db

    @contextmanager
    def _experiment_transaction(self, experiment_id: str) -> Iterator[sqlite3.Connection]:
        with self._transaction(write=True) as db:
            if db.execute("SELECT 1 FROM experiment WHERE id = ?", (experiment_id,)).fetchone() is None:
                raise StoreError(one_line(f"{self.path}: holds no experiment {experiment_id!r}: it was not begun here"))
            yield db

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[sqlite3.Connection]:
        with self._lock, one_line_errors(self.path):
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
            raise StoreError(one_line(f"{self.path}: this store object was closed; open the store again"))
        if write and self.readonly:
            raise StoreError(one_line(f"{self.path}: was opened read-only; open it without readonly to write"))
        if write and not self._file.exists():
            # SQLite would go on writing to a file without a name, and those epochs would be gone when it closes.
            raise StoreError(one_line(f"{self.path}: was deleted or moved while in use; put it back, or {ELSEWHERE}"))
        if self._db is None:
            self._db = open_readonly(self._file) if self.readonly else open_writable(self._file)
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


def _put_epoch(db: sqlite3.Connection, run_id: str, gap: EpochGap, record: str) -> None:
    key = (run_id, gap.epoch, gap.score.name)
    interval = (gap.gap.value, gap.gap.low, gap.gap.high, gap.gap.level) if gap.gap else (None,) * 4
    numbers = (gap.train_reported, gap.valid_reported, *interval, gap.unattributed, gap.spent_s, gap.evaluations)
    db.execute(_PUT_EPOCH, (*key, *numbers, record))
    (epoch_id,) = db.execute("SELECT id FROM epoch WHERE run = ? AND epoch = ? AND score = ?", key).fetchone()
    db.execute("DELETE FROM term WHERE epoch_id = ?", (epoch_id,))
    db.executemany(_PUT_TERM, [(epoch_id, *row) for term in gap.terms for row in _term_rows(term, None)])


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
        raise InputError(one_line(f"{what} can't be stored: {error}")) from error
    if back != record:  # NaN is null in JSON, and so None where that is allowed
        raise InputError(one_line(f"{what} can't be stored: it would read back as something else; is there a NaN in it?"))
    return back, text


def _list(ids: list[str]) -> str:
    return ", ".join(ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")
