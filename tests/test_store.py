"""Runs on disk: what was stored comes back equal, whatever ends the process, fills the disk or shares the file."""

from __future__ import annotations

import itertools
import json
import math
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whygap import store_file
from whygap.errors import InputError, StoreError, WhygapError
from whygap.records import CAUSES, EpochGap, Estimate, How, NotMeasured, Problem, Run, Rung, RungName, Score, Term
from whygap.store import RunSummary, Store, store_path
from whygap.store_file import APPLICATION_ID, SCHEMA
from whygap.trials import Experiment

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills, limits and forks are POSIX")
SCORES = (Score(name="loss"), Score(name="accuracy", unit="%", higher_is_better=True))


def estimate(value: float) -> Estimate:
    return Estimate(value=value, low=value - 0.1, high=value + 0.1, se=0.05, df=12.5, n=256, how="sampled", why="paired")


def gaps(epoch: int) -> tuple[EpochGap, ...]:
    """Return a whole epoch: two scores with three terms and a part each, all different from those of other epochs."""
    mode = Term(cause="mode", estimate=estimate(epoch / 3), parts=(Term(cause="noise", estimate=estimate(1e-300)),))
    terms = (Term(cause="averaging", estimate=estimate(-epoch / 7)), mode, Term(cause="memorisation", estimate=estimate(0.1)))
    return tuple(
        EpochGap(
            epoch=epoch,
            score=score,
            train_reported=0.3 + epoch,
            valid_reported=0.1 + epoch,
            gap=estimate(0.1 + epoch - (0.3 + epoch)),
            terms=terms,
            rungs=(Rung(name="reported", estimate=estimate(0.3 + epoch)),),
            not_measured=(NotMeasured(cause="shift", why="no fresh examples"),),
            notes=("a note",),
        )
        for score in SCORES
    )


TERM_ROWS = 8  # per epoch(): two scores, three terms and one part each


def problem(epoch: int) -> Problem:
    return Problem(epoch=epoch, text=f"the probe failed in epoch {epoch}")


def a_run(run_id: str = "r1", **fields: object) -> Run:
    return msgspec.structs.replace(Run(id=run_id, source="torch", started="2024-05-01T12:00:00Z"), **fields)


def sql(path: Path, statement: str) -> list[tuple]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(statement).fetchall()


def assert_one_line(error: pytest.ExceptionInfo[WhygapError], *words: str) -> None:
    text = str(error.value)
    assert len(text.splitlines()) == 1, text
    for word in words:
        assert word in text, text


def snapshot(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


# ---------------------------------------------------------------------------------------------------------- what comes back

numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 2**63 - 1)
estimates = st.builds(
    Estimate,
    value=numbers, low=numbers, high=numbers, level=numbers, se=numbers, df=st.none() | numbers, n=counts,
    how=st.sampled_from(get_args(How)), reliable=st.booleans(), why=st.text(),
)  # fmt: skip
causes = st.sampled_from(CAUSES)
terms = st.recursive(
    st.builds(Term, cause=causes, estimate=estimates),
    lambda part: st.builds(Term, cause=causes, estimate=estimates, parts=st.lists(part, max_size=3).map(tuple)),
    max_leaves=6,
)
scores = st.builds(Score, name=st.text(), unit=st.none() | st.text(), higher_is_better=st.booleans())
epoch_gaps = st.builds(
    EpochGap,
    epoch=st.integers(-3, 6) | st.integers(-(2**63), 2**63 - 1), score=scores,
    train_reported=st.none() | numbers, valid_reported=st.none() | numbers, gap=st.none() | estimates,
    terms=st.lists(terms, max_size=3).map(tuple), unattributed=numbers,
    rungs=st.lists(st.builds(Rung, name=st.sampled_from(get_args(RungName)), estimate=estimates), max_size=2).map(tuple),
    not_measured=st.lists(st.builds(NotMeasured, cause=causes, why=st.text()), max_size=2).map(tuple),
    notes=st.lists(st.text(), max_size=2).map(tuple), spent_s=numbers, evaluations=counts,
)  # fmt: skip
problems = st.builds(Problem, epoch=st.none() | st.integers(-(2**63), 2**63 - 1), text=st.text())
any_run = st.builds(
    Run,
    id=st.text(min_size=1).filter(lambda name: name != "last"), source=st.text(), started=st.text(),
    epochs=st.lists(epoch_gaps, max_size=5, unique_by=lambda g: (g.epoch, g.score.name)).map(tuple),
    problems=st.lists(problems, max_size=3).map(tuple),
    versions=st.dictionaries(st.text(), st.text(), max_size=3),
    # the entropy that numpy draws for a seed has 128 bits
    seeds=st.dictionaries(st.text(), st.integers(0, 2**128), max_size=3), finished=st.booleans(),
)  # fmt: skip


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store(tmp_path_factory.mktemp("shared") / "runs.db") as store:
        yield store


def rows_of(term: Term) -> int:
    return 1 + sum(map(rows_of, term.parts))


@settings(max_examples=80, deadline=None)
@given(run=any_run)
def test_a_run_comes_back_equal(shared: Store, run: Run) -> None:
    with closing(sqlite3.connect(shared.path)) as db:
        db.execute("PRAGMA foreign_keys=ON")
        db.execute("DELETE FROM run")  # hypothesis repeats ids
        db.commit()
        left = "SELECT (SELECT count(*) FROM epoch), (SELECT count(*) FROM term), (SELECT count(*) FROM problem)"
        assert db.execute(left).fetchone() == (0, 0, 0)
        shared.begin(run)
        for gap in run.epochs:
            shared.add_epoch(run.id, [gap])
        for p in run.problems:
            shared.add_problem(run.id, p)
        if run.finished:
            shared.finish(run.id)
        by_epoch = tuple(sorted(run.epochs, key=lambda gap: gap.epoch))
        back = shared.load(run.id)
        assert back == msgspec.structs.replace(run, epochs=by_epoch)
        assert all(str(a) == str(b) for a, b in zip(back.epochs, by_epoch, strict=True))
        rows = db.execute("SELECT train_reported, valid_reported, gap, unattributed FROM epoch ORDER BY epoch, id").fetchall()
        assert rows == [
            (g.train_reported, g.valid_reported, g.gap and g.gap.value, g.unattributed) for g in by_epoch
        ]  # the columns say the same as the record
        assert db.execute("SELECT count(*) FROM term").fetchone() == (sum(rows_of(t) for g in run.epochs for t in g.terms),)
    (summary,) = shared.runs()
    assert summary == RunSummary(
        id=run.id,
        source=run.source,
        started=run.started,
        finished=run.finished,
        epochs=len({g.epoch for g in run.epochs}),
        scores=tuple(dict.fromkeys(g.score.name for g in by_epoch)),
        problems=len(run.problems),
    )
    assert summary.finished is run.finished


def test_begin_leaves_epochs_problems_and_finish_to_their_own_calls(path: Path) -> None:
    with Store(path) as store:
        store.begin(a_run(epochs=gaps(1), problems=(problem(1),), finished=True))
        assert store.load("r1") == a_run()


def test_an_epoch_stored_again_replaces_the_first_and_keeps_its_place(path: Path) -> None:
    with Store(path) as store:
        store.begin(a_run())
        store.add_epoch("r1", gaps(2))
        store.add_epoch("r1", gaps(1))
        loss = msgspec.structs.replace(gaps(1)[0], terms=(), unattributed=-0.2)
        store.add_epoch("r1", [loss])
        assert store.load("r1").epochs == (loss, gaps(1)[1], *gaps(2))
        assert store.runs()[0].scores == ("loss", "accuracy")
    assert sql(path, "SELECT count(*) FROM term") == [(2 * TERM_ROWS - TERM_ROWS // 2,)]
    assert sql(path, "SELECT count(*) FROM term WHERE epoch_id NOT IN (SELECT id FROM epoch)") == [(0,)]


def test_the_columns_alone_answer_a_question(path: Path) -> None:
    with Store(path) as store:
        store.begin(a_run())
        store.add_epoch("r1", gaps(3))
    question = (
        "SELECT epoch.epoch, cause, part_of, value, term.n, how, reliable FROM term JOIN epoch ON epoch.id = epoch_id "
        "WHERE run = 'r1' AND score = 'loss' AND term.why = 'paired' ORDER BY term.id"
    )
    assert sql(path, question) == [
        (3, "averaging", None, -3 / 7, 256, "sampled", 1),
        (3, "mode", None, 1.0, 256, "sampled", 1),
        (3, "noise", "mode", 1e-300, 256, "sampled", 1),
        (3, "memorisation", None, 0.1, 256, "sampled", 1),
    ]


def test_numpy_scalars_are_stored_as_numbers(path: Path) -> None:
    odd = Estimate(value=np.float64(1.5), low=np.float32(0.1), high=2.0, n=np.int64(7), reliable=np.bool_(True))
    gap = msgspec.structs.replace(gaps(1)[0], gap=odd, terms=(Term(cause="mode", estimate=odd),))
    with Store(path) as store:
        store.begin(a_run())
        store.add_epoch("r1", [gap])
        back = store.load("r1").epochs[0].gap
    assert back == odd
    assert [type(v) for v in (back.value, back.low, back.n, back.reliable)] == [float, float, int, bool]


@pytest.mark.parametrize(
    "broken",
    [
        {"train_reported": math.nan},
        {"gap": msgspec.structs.replace(estimate(1.0), df=math.nan)},
        {"terms": (Term(cause="mode", estimate=estimate(math.inf)),)},
        {"gap": msgspec.structs.replace(estimate(1.0), n=object())},
        {"evaluations": 2**63},
        {"notes": ("a lone \udcff",)},
        {"notes": (1,)},
    ],
    ids=lambda broken: next(iter(broken)),
)
def test_a_record_that_would_not_read_back_is_refused_whole(path: Path, broken: dict[str, object]) -> None:
    with Store(path) as store:
        store.begin(a_run())
        store.add_epoch("r1", gaps(1))
        bad = msgspec.structs.replace(gaps(2)[1], **broken)
        with pytest.raises(InputError) as error:
            store.add_epoch("r1", [gaps(2)[0], bad], [problem(2)])
        assert_one_line(error, "can't be stored")
        assert store.load("r1") == a_run(epochs=gaps(1))
        store.add_epoch("r1", gaps(2))
        assert store.load("r1").epochs == gaps(1) + gaps(2)


def test_a_problem_is_stored_even_when_its_text_is_not_unicode(path: Path) -> None:
    with Store(path) as store:
        store.begin(a_run())
        store.add_problem("r1", Problem(epoch=None, text="no file caf\udce9.csv"))
        store.add_epoch("r1", [], [Problem(epoch=np.int64(2), text="two\nlines")])
        assert store.load("r1").problems == (
            Problem(epoch=None, text="no file caf\\udce9.csv"),
            Problem(epoch=2, text="two\nlines"),
        )


# ------------------------------------------------------------------------------------------------------- names and mistakes


def test_load_takes_an_id_a_beginning_or_last(path: Path) -> None:
    with Store(path) as store:
        # arrival counts, not the clock
        for run_id, started in (("20240501-ab", "2024-05-01"), ("20240501-cd", "2024-05-02"), ("2024", "1999-01-01")):
            store.begin(a_run(run_id, started=started))
        assert [r.id for r in store.runs()] == ["2024", "20240501-cd", "20240501-ab"]
        for name, found in (("20240501-c", "20240501-cd"), ("2024", "2024"), ("last", "2024")):
            assert store.load(name).id == found
        for name, words in (
            ("20240501", ["20240501-ab", "20240501-cd"]),
            ("20240501-xb", ["20240501-ab"]),
            ("%", ["20240501-ab"]),
            ("", ["20240501-ab"]),
            ("zz\nz", ["2024"]),
            ("\udcff", ["2024"]),
        ):
            with pytest.raises(InputError) as error:
                store.load(name)
            assert_one_line(error, *words)
        for i in range(9):
            store.begin(a_run(f"many\n{i}"))
        with pytest.raises(InputError) as error:
            store.load("many")
        assert_one_line(error, "many\\n8", "and 4 more")


def test_load_from_an_empty_store_says_so(path: Path) -> None:
    with Store(path) as store:
        assert store.runs() == ()
        with pytest.raises(InputError) as error:
            store.load("last")
    assert_one_line(error, str(path), "empty")


def test_a_taken_or_reserved_id_is_refused(path: Path) -> None:
    with Store(path) as store:
        store.begin(a_run())
        store.add_epoch("r1", gaps(1))
        with pytest.raises(StoreError) as error:
            store.begin(a_run(source="another"))
        assert_one_line(error, str(path), "'r1'")
        assert store.load("r1") == a_run(epochs=gaps(1))
        for reserved in ("", "last"):
            with pytest.raises(InputError):
                store.begin(a_run(reserved))
        with pytest.raises(InputError) as error:
            store.begin(a_run("r2", versions={"torch": 2}))
        assert_one_line(error, "'r2'")
        assert len(store.runs()) == 1


def test_a_run_that_is_not_there_cannot_be_added_to(path: Path) -> None:
    with Store(path) as store:
        for call in (
            lambda: store.add_epoch("r1", gaps(1)),
            lambda: store.add_epoch("r1", ()),
            lambda: store.add_problem("r1", problem(1)),
            lambda: store.finish("r1"),
        ):
            with pytest.raises(StoreError) as error:
                call()
            assert_one_line(error, str(path), "'r1'")


def test_a_closed_store_says_so(path: Path) -> None:
    store = Store(path)
    store.close()
    store.close()
    with pytest.raises(StoreError) as error:
        store.runs()
    assert_one_line(error, str(path), "closed")


def test_store_path_takes_the_argument_then_the_variable_then_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("WHYGAP_STORE", "~/elsewhere.db")
    assert store_path("here.db") == Path("here.db")
    assert store_path(Path("~/here.db")) == Path("/home/someone/here.db")
    assert store_path(None) == Path("/home/someone/elsewhere.db")
    monkeypatch.setenv("WHYGAP_STORE", "")
    assert store_path(None) == Path("whygap.db")
    monkeypatch.delenv("WHYGAP_STORE")
    assert store_path(None) == Path("whygap.db")


def test_a_store_stays_in_its_file_when_the_training_changes_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path)
    with Store("odd %20?#name é.db") as store:
        store.begin(a_run())
        monkeypatch.chdir(tmp_path / "a")
        store._disconnect()  # as before a fork
        store.add_epoch("r1", gaps(1))
    with Store(tmp_path / "odd %20?#name é.db", readonly=True) as store:
        assert store.load("r1").epochs == gaps(1)


def test_importing_the_store_imports_nothing_heavy() -> None:
    heavy = "{'numpy', 'scipy', 'whygap.estimate', 'tempfile', 'difflib'} & set(sys.modules)"
    done = child("-c", f"import sys, whygap.store; print({heavy})")
    assert done.strip() == "set()"


# ----------------------------------------------------------------------------------------------------------- kinds of file


def a_store(path: Path, *, schema: int = SCHEMA) -> None:
    with Store(path) as store:
        store.begin(a_run())
        store.add_epoch("r1", gaps(1))
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version={schema}")
        db.commit()


def test_the_file_is_set_up_as_promised(path: Path) -> None:
    with Store(path) as store:
        pragmas = ("application_id", "user_version", "journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        values = [store._db.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas]
    assert values == [APPLICATION_ID, SCHEMA, "wal", 1, 1, 30_000]
    assert path.read_bytes()[68:72] == b"whyg"


def add_column(name: str) -> Callable[[sqlite3.Connection], None]:
    def migrate(db: sqlite3.Connection) -> None:
        assert db.in_transaction
        db.execute(f"ALTER TABLE run ADD COLUMN {name} TEXT DEFAULT 'new'")

    return migrate


def test_an_older_schema_is_migrated(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_store(path, schema=1)
    monkeypatch.setattr(store_file, "SCHEMA", 3)
    monkeypatch.setattr(store_file, "MIGRATIONS", {1: add_column("host"), 2: add_column("user")})
    before = snapshot(path.parent)
    with Store(path, readonly=True) as store:  # without writing
        assert store.load("last").epochs == gaps(1)
    assert path.read_bytes() == before[path.name]
    with Store(path) as store:
        assert store.load("last").epochs == gaps(1)
        store.add_epoch("r1", gaps(2))
    assert sql(path, "SELECT id, host, user FROM run") == [("r1", "new", "new")]
    assert sql(path, "PRAGMA user_version") == [(3,)]
    with Store(path) as store:  # and not again
        assert store.load("last").epochs == gaps(1) + gaps(2)


def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_store(path)
    monkeypatch.setattr(store_file, "SCHEMA", SCHEMA + 2)
    monkeypatch.setattr(store_file, "MIGRATIONS", {SCHEMA: add_column("host"), SCHEMA + 1: add_column("host")})
    with pytest.raises(StoreError) as error:
        Store(path)
    assert_one_line(error, str(path), "host")
    monkeypatch.undo()
    with Store(path) as store:
        assert store.load("last").epochs == gaps(1)
    assert "host" not in sql(path, "SELECT sql FROM sqlite_master WHERE name = 'run'")[0][0]


def a_store_of_schema_1(path: Path) -> None:
    """Write the store that the last version with schema 1 made of `a_run()` and `gaps(1)`, and a problem."""
    with closing(sqlite3.connect(path)) as db:
        db.executescript((Path(__file__).parent / "stores" / "schema_1.sql").read_text(encoding="utf-8"))
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute("PRAGMA user_version=1")
        db.execute("PRAGMA journal_mode=WAL")
        db.commit()


@pytest.mark.parametrize("readonly", [False, True])
def test_a_store_without_experiments_is_taken_over_without_loss(path: Path, readonly: bool) -> None:
    a_store_of_schema_1(path)
    before = sql(path, "SELECT * FROM epoch"), sql(path, "SELECT * FROM term"), sql(path, "SELECT * FROM run")
    with Store(path, readonly=readonly) as store:
        assert store.load("r1") == a_run(epochs=gaps(1), problems=(problem(1),), finished=True)
        assert store.experiments() == ()
        if not readonly:
            store.begin_experiment(Experiment(id="e1", title="", spec="", wanted=1))
            assert [e.id for e in store.experiments()] == ["e1"]
    assert sql(path, "PRAGMA user_version") == [(1 if readonly else SCHEMA,)]
    assert before == (sql(path, "SELECT * FROM epoch"), sql(path, "SELECT * FROM term"), sql(path, "SELECT * FROM run"))


def test_a_store_taken_over_has_the_tables_of_a_new_one(tmp_path: Path) -> None:
    a_store_of_schema_1(tmp_path / "old.db")
    tables = []
    for name in ("old.db", "new.db"):
        Store(tmp_path / name).close()
        tables.append(sql(tmp_path / name, "SELECT type, name, sql FROM sqlite_master ORDER BY name"))
    assert tables[0] == tables[1]


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize(("schema", "words"), [(9, "newer"), (1, "older"), (-1, "older")])
def test_a_schema_without_a_way_to_it_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch, schema: int, words: str, readonly: bool
) -> None:
    a_store(path, schema=schema)
    monkeypatch.setattr(store_file, "SCHEMA", 3)
    monkeypatch.setattr(store_file, "MIGRATIONS", {2: add_column("host")})
    before = path.read_bytes()
    with pytest.raises(StoreError) as error:
        Store(path, readonly=readonly)
    assert_one_line(error, str(path), f"schema {schema}", "schema 3", words, "WHYGAP_STORE")
    assert path.read_bytes() == before


def foreign_sqlite(
    folder: Path, script: str = "CREATE TABLE precious (x); INSERT INTO precious VALUES (1)"
) -> dict[str, bytes]:
    """Return the files of another program's database that it is still writing: the row is in the -wal only."""
    with closing(sqlite3.connect(folder / "other.db", isolation_level=None)) as db:
        db.execute("PRAGMA application_id=77")
        db.execute("PRAGMA journal_mode=WAL")
        db.executescript(script)
        return snapshot(folder)


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize(
    "content",
    [
        b"x",
        b"epoch,loss\n1,0.5\n",
        b"epoch,loss\n" * 500,
        bytes(8192),
        b"SQLite format 3\0",
        b"SQLite format 3\0" + b"\1" * 2000,
    ],
    ids=["byte", "short", "text", "zeros", "magic", "garbage"],
)
def test_a_file_of_another_kind_is_refused_and_untouched(path: Path, content: bytes, readonly: bool) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreError) as error:
        Store(path, readonly=readonly)
    assert_one_line(error, str(path), "isn't a whygap store", "--store")
    assert snapshot(path.parent) == {path.name: content}


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize("files", [3, 2, 1], ids=["in use", "killed", "alone"])
def test_a_database_of_another_program_is_refused_and_untouched(tmp_path: Path, files: int, readonly: bool) -> None:
    (tmp_path / "made").mkdir()
    made = foreign_sqlite(tmp_path / "made")
    assert set(made) == {"other.db", "other.db-wal", "other.db-shm"}
    folder = tmp_path / "found"
    folder.mkdir()
    for name in ("other.db", "other.db-wal", "other.db-shm")[:files]:
        (folder / name).write_bytes(made[name])
    before = snapshot(folder)
    with pytest.raises(StoreError) as error:
        Store(folder / "other.db", readonly=readonly)
    assert_one_line(error, "isn't a whygap store")
    assert snapshot(folder) == before


@posix
@pytest.mark.parametrize("readonly", [False, True])
def test_a_device_or_a_pipe_is_refused_at_once(path: Path, readonly: bool) -> None:
    os.mkfifo(path)
    for other in (path, Path(os.devnull)):
        with pytest.raises(StoreError) as error:
            Store(other, readonly=readonly)
        assert_one_line(error, str(other), "isn't a whygap store")


def test_an_empty_file_becomes_a_store_but_not_for_a_reader(path: Path) -> None:
    path.touch()
    with pytest.raises(StoreError) as error:
        Store(path, readonly=True)
    assert_one_line(error, "empty")
    assert path.read_bytes() == b""
    a_store(path)
    with Store(path) as store:
        assert store.load("r1").epochs == gaps(1)


@pytest.mark.parametrize("readonly", [False, True])
def test_a_path_that_cannot_be_a_store(tmp_path: Path, readonly: bool) -> None:
    (tmp_path / "file").touch()
    for wrong, words in (
        (tmp_path, "folder"),
        (tmp_path / "none" / "runs.db", "no store" if readonly else str(tmp_path / "none")),
        (tmp_path / "two\nlines" / "runs.db", "no"),
        (tmp_path / "file" / "runs.db", "no"),
    ):
        with pytest.raises(StoreError) as error:
            Store(wrong, readonly=readonly)
        assert_one_line(error, words)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_damaged_store_says_so(path: Path) -> None:
    a_store(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE epoch SET record = '{' WHERE score = 'loss'")
        db.commit()
    with Store(path) as store, pytest.raises(StoreError) as error:
        store.load("r1")
    assert_one_line(error, str(path), "'r1'", "damaged")
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 16384)
    with pytest.raises(StoreError) as error, Store(path) as store:
        store.load("r1")
    assert_one_line(error, str(path), "damaged")


def test_a_store_deleted_while_in_use_says_so_and_goes_on_when_put_back(path: Path) -> None:
    with Store(path) as store:
        store.begin(a_run())
        away = path.with_name("away.db")
        path.rename(away)
        with pytest.raises(StoreError) as error:
            store.add_epoch("r1", gaps(1))
        assert_one_line(error, str(path), "deleted or moved")
        away.rename(path)
        store.add_epoch("r1", gaps(1))
    with Store(path) as store:
        assert store.load("r1").epochs == gaps(1)


def test_a_store_whose_checkpoint_was_cut_short_opens(tmp_path: Path) -> None:
    path = tmp_path / "cut.db"
    with Store(tmp_path / "runs.db") as store:
        store._db.execute("PRAGMA wal_autocheckpoint=0")
        before = store.path.read_bytes()
        store.begin(a_run())
        for epoch in range(1, 9):
            store.add_epoch("r1", gaps(epoch))
        wal = Path(f"{store.path}-wal").read_bytes()
    after = store.path.read_bytes()
    # Killed when the first page, which tells the file's length, was copied, and nothing else.
    path.write_bytes(after[:4096] + before[4096:])
    Path(f"{path}-wal").write_bytes(wal)
    assert len(before) < len(after)
    with Store(path) as store:
        assert len(store.load("r1").epochs) == 16
    assert sql(path, "PRAGMA integrity_check") == [("ok",)]


# --------------------------------------------------------------------------------------------------------- locks and disks


def test_a_lock_that_lasts_is_reported_and_passes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_file, "BUSY_S", 0.05)
    with Store(path) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        store.begin(a_run())
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError) as error:
            store.add_epoch("r1", gaps(1))
        assert_one_line(error, str(path), "0.05 s", "another process")
        with pytest.raises(StoreError) as error:
            Store(path)
        assert_one_line(error, "another process")
        assert store.load("r1") == a_run()  # reading doesn't wait
        other.execute("ROLLBACK")
        store.add_epoch("r1", gaps(1))
        assert store.load("r1").epochs == gaps(1)


def test_another_process_that_creates_the_same_store_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare = store_file._prepare
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:

        def prepare_and_be_overtaken(*arguments: object) -> None:
            prepare(*arguments)
            other.execute("BEGIN IMMEDIATE")  # here SQLite turns the second process away without waiting
            threading.Timer(0.2, other.execute, ["ROLLBACK"]).start()

        monkeypatch.setattr(store_file, "_prepare", prepare_and_be_overtaken)
        with Store(path) as store:
            assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_full_database_loses_the_epoch_in_hand_only(path: Path) -> None:
    with Store(path) as store:
        store.begin(a_run())
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count={pages + 8}")
        stored = fill(store)
        assert store.load("r1").epochs == stored
        store._db.execute("PRAGMA max_page_count=1000000")
        store.add_epoch("r1", gaps(1000))
        assert store.load("r1").epochs == stored + gaps(1000)
    assert sql(path, "PRAGMA integrity_check") == [("ok",)]


def fill(store: Store) -> tuple[EpochGap, ...]:
    stored: list[EpochGap] = []

    def write_on() -> None:
        for epoch in range(1, 500):
            store.add_epoch("r1", gaps(epoch))
            stored.extend(gaps(epoch))

    with pytest.raises(StoreError) as error:
        write_on()
    assert_one_line(error, str(store.path), "full", "free some space", "--store")
    assert stored
    return tuple(stored)


def child_read(folder: Path) -> None:
    with Store(folder / "runs.db") as store:
        print(store.runs()[0].epochs)


def test_looking_at_a_store_keeps_the_locks_of_who_writes_it_in_this_process(path: Path) -> None:
    with Store(path) as writer:
        writer.begin(a_run())
        # Were the file opened and closed by other means, the lock would be gone, the next process would take itself for the
        # last one and delete the -wal when it closes, and the epochs after that would go nowhere.
        for readonly in (True, False):
            Store(path, readonly=readonly).close()
        writer.add_epoch("r1", gaps(1))
        assert child(__file__, "read", path.parent) == "1\n"
        writer.add_epoch("r1", gaps(2))
        assert child(__file__, "read", path.parent) == "2\n"


def child_limit(folder: Path) -> None:
    import resource

    path = folder / "runs.db"
    with Store(path) as store:
        store.begin(a_run())
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        for lifted in range(2):  # the second time, the write that fails is in a log that was begun anew
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
            store._db.execute("DELETE FROM epoch")
            stored = fill(store)
            assert store.load("r1").epochs == stored
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            store.add_epoch("r1", gaps(1000 + lifted))
            assert store.load("r1").epochs == stored + gaps(1000 + lifted)
            store._db.execute("PRAGMA wal_checkpoint(RESTART)")
    assert sql(path, "PRAGMA integrity_check") == [("ok",)]
    print("done")


@posix
def test_a_full_disk_loses_the_epoch_in_hand_only(tmp_path: Path) -> None:
    assert child(__file__, "limit", tmp_path) == "done\n"


# --------------------------------------------------------------------------------------------------------------- read-only


def test_a_reader_sees_what_is_stored_meanwhile_and_writes_nothing(path: Path) -> None:
    with pytest.raises(StoreError) as error:
        Store(path, readonly=True)
    assert_one_line(error, str(path), "no store")
    assert not path.exists()
    with Store(path) as store:
        store.begin(a_run())
        with Store(path, readonly=True) as reader:
            assert reader.load("last") == a_run()
            store.add_epoch("r1", gaps(1))
            assert reader.load("last").epochs == gaps(1)
            for call in (
                lambda: reader.begin(a_run("r2")),
                lambda: reader.add_epoch("r1", gaps(2)),
                lambda: reader.add_problem("r1", problem(1)),
                lambda: reader.finish("r1"),
            ):
                with pytest.raises(StoreError) as error:
                    call()
                assert_one_line(error, str(path), "read-only")
            with pytest.raises(sqlite3.OperationalError):
                reader._db.execute("DELETE FROM run")
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    before = path.read_bytes()
    with Store(path, readonly=True) as reader:
        assert reader.load("last").epochs == gaps(1)
    assert path.read_bytes() == before


def child_readonly(root: Path) -> None:
    """Read four stores in read-only folders, as a user whom the permissions bind."""
    with tempfile.TemporaryDirectory() as folder:  # import all that is imported late, while we can
        shutil.copyfile(root / "clean" / "runs.db", Path(folder) / "runs.db")
        store_file._copied(Path(folder) / "runs.db").close()
    if os.getuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    for folder in sorted(p for p in root.iterdir()):
        path = folder / "runs.db"
        with pytest.raises(PermissionError):
            (folder / "new").touch()
        before = snapshot(folder)
        with Store(path, readonly=True) as store:
            assert store.load("last").epochs == gaps(1) + gaps(2), folder
            assert store.runs()[0].epochs == 2
        assert snapshot(folder) == before
        for wrong in (path, folder / "new.db"):
            with pytest.raises(StoreError) as error:
                Store(wrong)
            assert_one_line(error, str(wrong), "--store PATH or set WHYGAP_STORE")
        assert snapshot(folder) == before
        print(folder.name)


@posix
def test_a_store_in_a_read_only_folder_is_read(path: Path) -> None:
    files: dict[str, dict[str, bytes]] = {}
    with Store(path) as store:
        store.begin(a_run())
        store.add_epoch("r1", gaps(1))
        store._db.execute("PRAGMA wal_checkpoint")
        store.add_epoch("r1", gaps(2))  # in the -wal alone
        files["killed"] = snapshot(path.parent)
        files["copied"] = {k: v for k, v in files["killed"].items() if not k.endswith("-shm")}
        assert len(files["killed"]) == 3
    files["clean"] = snapshot(path.parent)
    assert len(files["clean"]) == 1
    # A folder of its own: that of the test is for its owner only.
    root = Path(tempfile.mkdtemp(prefix="whygap-test-"))
    try:
        for name, content in files.items():
            (root / name).mkdir()
            for file, data in content.items():
                (root / name / file).write_bytes(data)
                (root / name / file).chmod(0o444)
            (root / name).chmod(0o555)
        root.chmod(0o755)
        assert child(__file__, "readonly", root).split() == ["clean", "copied", "killed"]
    finally:
        for name in files:
            (root / name).chmod(0o755)
        shutil.rmtree(root)


# ---------------------------------------------------------------------------------------------------- kills, forks, threads

EPOCHS = 3


def write_run(path: Path, acknowledge: Callable[[str], object], epochs: int = EPOCHS, checkpoint: int = 1000) -> None:
    with Store(path) as store:
        store._db.execute(f"PRAGMA wal_autocheckpoint={checkpoint}")
        store.begin(a_run())
        acknowledge("begun")
        for epoch in range(1, epochs + 1):
            store.add_epoch("r1", gaps(epoch), [problem(epoch)])
            acknowledge(str(epoch))
        store.finish("r1")
        acknowledge("finished")


def assert_whole(path: Path, acknowledged: list[str]) -> int:
    """Check that what was acknowledged is there, and of the rest at most the epoch in hand; return the number of epochs."""
    known = max((int(a) for a in acknowledged if a.isdigit()), default=0)
    with Store(path) as store:
        found = 0
        if "begun" in acknowledged or store.runs():
            run = store.load("last")
            found = len(run.epochs) // len(SCORES)
            assert run.epochs == tuple(itertools.chain.from_iterable(gaps(e) for e in range(1, found + 1)))
            assert run.problems == tuple(problem(e) for e in range(1, found + 1))
            assert run.finished or "finished" not in acknowledged
    assert known <= found <= known + 1
    assert sql(path, "PRAGMA integrity_check") == [("ok",)]
    assert sql(path, "PRAGMA foreign_key_check") == []
    assert sql(path, "SELECT count(*) FROM term") == [(found * TERM_ROWS,)]
    return found


def forked(body: Callable[[Callable[[str], object]], None], kill_after_s: float | None = None) -> tuple[list[str], int]:
    """Run `body` in a fork; return the lines that it acknowledged and the signal that ended it, 0 for none."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            body(lambda text: os.write(write, f"{text}\n".encode()))
        except BaseException as error:
            os.write(write, f"error {error!r}\n".encode())
            os._exit(1)
        os._exit(0)
    os.close(write)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(pid, signal.SIGKILL)
    with os.fdopen(read) as lines:
        acknowledged = lines.read().splitlines()
    status = os.waitpid(pid, 0)[1]
    assert not (os.WIFEXITED(status) and os.WEXITSTATUS(status)), acknowledged
    return acknowledged, os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def child_kill(folder: Path) -> None:
    """Write a run again and again, each time ending the process one statement later, until it gets through."""
    for k in itertools.count():

        def body(acknowledge: Callable[[str], object], k: int = k) -> None:
            connect, left = sqlite3.connect, itertools.count(k, -1)

            def before_statement(_: str) -> None:
                if next(left) == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

            def traced(*args: object, **kwargs: object) -> sqlite3.Connection:
                db = connect(*args, **kwargs)
                db.set_trace_callback(before_statement)
                return db

            sqlite3.connect = traced
            write_run(folder / f"{k}.db", acknowledge)

        acknowledged, killed = forked(body)
        print(json.dumps({"file": f"{k}.db", "acknowledged": acknowledged, "killed": killed}))
        if not killed:
            return


@posix
def test_a_process_killed_before_any_statement_loses_the_epoch_in_hand_at_most(tmp_path: Path) -> None:
    ends = [json.loads(line) for line in child(__file__, "kill", tmp_path).splitlines()]
    found = [assert_whole(tmp_path / end["file"], end["acknowledged"]) for end in ends]
    assert [end["killed"] for end in ends] == [signal.SIGKILL] * (len(ends) - 1) + [0]
    assert len(ends) > EPOCHS * (TERM_ROWS + 2 * len(SCORES) + 2)  # each row is a statement
    assert found == sorted(found)
    assert set(found) == set(range(EPOCHS + 1))
    assert ends[-1]["acknowledged"] == ["begun", "1", "2", "3", "finished"]


def child_kill_timed(folder: Path) -> None:
    """End the process at any time, in the middle of commits and checkpoints too, which are frequent here."""
    for k in range(12):
        path = folder / f"{k}.db"
        acknowledged, killed = forked(
            lambda acknowledge, path=path: write_run(path, acknowledge, epochs=100_000, checkpoint=3), 0.005 + 0.01 * k
        )
        print(json.dumps({"file": path.name, "acknowledged": acknowledged, "killed": killed}))


@posix
def test_a_process_killed_at_any_time_loses_the_epoch_in_hand_at_most(tmp_path: Path) -> None:
    ends = [json.loads(line) for line in child(__file__, "kill_timed", tmp_path).splitlines()]
    assert [end["killed"] for end in ends] == [signal.SIGKILL] * 12
    assert sum(assert_whole(tmp_path / end["file"], end["acknowledged"]) for end in ends) > 12


MANY = 200


def child_two(folder: Path) -> None:
    """Create and write one store from three processes at once."""
    pids = []
    for run_id in ("a", "b", "c"):
        pid = os.fork()
        if pid == 0:
            with Store(folder / "runs.db") as store:
                store.begin(a_run(run_id))
                for epoch in range(1, MANY + 1):
                    store.add_epoch(run_id, gaps(epoch))
                store.finish(run_id)
            os._exit(0)
        pids.append(pid)
    print([os.waitpid(pid, 0)[1] for pid in pids])


@posix
def test_processes_that_write_one_store_at_once_lose_nothing(path: Path) -> None:
    with subprocess.Popen([sys.executable, __file__, "two", path.parent], stdout=subprocess.PIPE, env=environment()) as writers:
        seen: dict[str, int] = {}
        looks = 0
        refused: set[str] = set()
        while writers.poll() is None:
            try:
                with Store(path, readonly=True) as reader:
                    while writers.poll() is None:
                        for summary in reader.runs():
                            epochs = reader.load(summary.id).epochs
                            assert epochs == tuple(itertools.chain.from_iterable(map(gaps, range(1, len(epochs) // 2 + 1))))
                            assert len(epochs) >= max(2 * summary.epochs, seen.get(summary.id, 0))
                            seen[summary.id] = len(epochs)
                            looks += 0 < len(epochs) < 2 * MANY
            except StoreError as error:
                refused.add(str(error))
                time.sleep(0.005)
        assert writers.stdout.read() == b"[0, 0, 0]\n"
    assert all("no store" in text or "empty" in text for text in refused), refused  # the writers hadn't begun
    assert looks > 0  # it did read while they wrote
    whole = tuple(itertools.chain.from_iterable(map(gaps, range(1, MANY + 1))))
    with Store(path) as store:
        assert {s.id: (s.finished, store.load(s.id).epochs == whole) for s in store.runs()} == dict.fromkeys(
            "abc", (True, True)
        )
    assert sql(path, "PRAGMA integrity_check") == [("ok",)]


def test_threads_share_a_store(path: Path) -> None:
    with Store(path) as store:
        for run_id in "abcd":
            store.begin(a_run(run_id))

        def write(run_id: str) -> None:
            for epoch in range(1, 26):
                store.add_epoch(run_id, gaps(epoch))

        threads = [threading.Thread(target=write, args=run_id) for run_id in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [(s.id, s.epochs) for s in store.runs()] == [("d", 25), ("c", 25), ("b", 25), ("a", 25)]


def child_fork(folder: Path) -> None:
    """Use a store on both sides of a fork, the first one closing it while the other still writes."""
    path = folder / "runs.db"
    store = Store(path)
    store.begin(a_run("parent"))
    store.begin(a_run("child"))
    store.add_epoch("parent", gaps(1))
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        store.add_epoch("child", gaps(1))
        os.read(read, 1)  # the other side has closed it
        for epoch in range(2, 6):
            store.add_epoch("child", gaps(epoch))
        os._exit(0)
    store.add_epoch("parent", gaps(2))
    time.sleep(0.1)
    store.close()
    os.write(write, b"x")
    assert os.waitpid(pid, 0)[1] == 0

    with Store(path) as store:
        # While one thread writes, another forks: a data loader that starts its workers.
        written, stop = [2], threading.Event()

        def write_on() -> None:
            while not stop.is_set():
                store.add_epoch("parent", gaps(written[-1] + 1))
                written.append(written[-1] + 1)

        thread = threading.Thread(target=write_on)
        thread.start()
        pids = []
        for epoch in range(6, 16):
            pid = os.fork()
            if pid == 0:
                store.add_epoch("child", gaps(epoch))
                os._exit(0)
            pids.append(pid)
            time.sleep(0.01)
        stop.set()
        thread.join()
        assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * len(pids)
        assert len(written) > 1
        assert [e.epoch for e in store.load("parent").of()] == [1, *written]
        assert [e.epoch for e in store.load("child").of()] == list(range(1, 16))
    assert sql(path, "PRAGMA integrity_check") == [("ok",)]
    print("done")


@posix
def test_a_store_survives_a_fork_on_both_sides(tmp_path: Path) -> None:
    assert child(__file__, "fork", tmp_path) == "done\n"


# ------------------------------------------------------------------------------ children: processes without threads to fork


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}  # what this process imports from


def child(*arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


if __name__ == "__main__":
    globals()[f"child_{sys.argv[1]}"](Path(sys.argv[2]))
