"""Whatever is thrown at the readers, nothing but InputError comes out, with one line, soon."""

import json
import os
import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whygap.errors import InputError
from whygap.logs.files import FILES
from whygap.logs.records import LoggedRun
from whygap.logs.source import Source

DATA = Path(__file__).parent / "data"
SAMPLES = sorted(p for p in DATA.rglob("*") if p.is_file() and p.name != "truth.json" and "tags" not in p.parts)
BEGINNINGS = (
    b"",
    b"epoch,loss,val_loss\n",
    b'{"loss": [',
    b'[{"a": 1}, ',
    b":W&B\xe1\xbe\0",
    b"SQLite format 3\0",
    b'{"a": 1}\n{"a": ',
)
SOON_S = 20.0


def found_by(action: Callable[[], list[LoggedRun]]) -> list[LoggedRun]:
    """Return what an action returns, nothing if it raises an InputError; its text is one short line."""
    text = "a line"
    found: list[LoggedRun] = []
    try:
        found += action()
    except InputError as error:
        text = str(error)
    assert text.isprintable()
    assert 0 < len(text) < 5000
    return found


def try_all(path: Path) -> list[LoggedRun]:
    """Have every reader that thinks it can read a path read it, and return what they found."""

    def read() -> list[LoggedRun]:
        source = Source(path)
        readers = [reader for reader in FILES if reader.matches(source)]
        return [run for reader in readers for run in found_by(lambda: list(reader.read(source)))]  # noqa: B023 - called at once

    found = found_by(read)
    for run in found:
        for series in run.series:
            assert series.value.shape == series.epoch.shape
            assert (series.column + series.score).isprintable()
        assert all(text.isprintable() for text in (run.name, *run.notes))
    return found


def id_of(path: Path) -> str:
    return str(path.relative_to(DATA))


@pytest.mark.parametrize("path", SAMPLES, ids=id_of)
def test_a_sample_cut_anywhere(path, tmp_path):
    content = path.read_bytes()
    cut = tmp_path / "cut"
    for end in range(0, len(content), max(1, len(content) // 150)):
        cut.write_bytes(content[:end])
        try_all(cut)


@pytest.mark.parametrize("path", SAMPLES, ids=id_of)
def test_a_sample_with_wrong_bits(path, tmp_path):
    content, rng = path.read_bytes(), random.Random(1)
    wrong = tmp_path / "wrong"
    for _ in range(100):
        copy = bytearray(content)
        for _ in range(rng.choice((1, 1, 3, 30))):
            copy[rng.randrange(len(copy))] ^= 1 << rng.randrange(8)
        wrong.write_bytes(copy)
        try_all(wrong)


@pytest.mark.parametrize("folder", ["mlruns", "catboost_info", "keras_tensorboard"])
def test_a_folder_with_wrong_bytes(folder, tmp_path):
    rng = random.Random(1)
    copy = tmp_path / "copy"
    shutil.copytree(DATA / folder, copy)
    files = {path: path.read_bytes() for path in sorted(copy.rglob("*")) if path.is_file()}
    for _ in range(150):
        path = rng.choice(list(files))
        content = bytearray(files[path])
        at = rng.randrange(len(content))
        content[at : at + rng.choice((0, 1, 9))] = rng.choice(
            (b"", b"\0", b"nan", b"9" * 40, b"\n", bytes([rng.randrange(256)]))
        )
        path.write_bytes(content)
        try_all(copy)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(beginning=st.sampled_from(BEGINNINGS), rest=st.binary(max_size=300))
def test_any_bytes(tmp_path, beginning, rest):
    path = tmp_path / "any"
    path.write_bytes(beginning + rest)
    try_all(path)


plain = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8) | st.sampled_from(["NaN", "1e9", "train"])
keys = (
    st.sampled_from(["loss", "val_loss", "epoch", "step", "history", "log_history", "meta", "iterations", "train"]) | st.text()
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.recursive(plain, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5), max_leaves=40))
def test_any_json(tmp_path, document):
    path = tmp_path / "any"
    path.write_text(json.dumps(document))
    try_all(path)
    path.write_text("\n".join(json.dumps(line) for line in (document if isinstance(document, list) else [document, document])))
    try_all(path)


cells = (
    st.floats().map(repr) | st.integers().map(str) | st.sampled_from(["", "nan", "NA", "x", '"', "1e999999", "train", "valid"])
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=st.lists(
        st.sampled_from(["epoch", "step", "loss", "val_loss", "train_loss", "phase", "iter", "a - b", ""]), max_size=6
    ),
    rows=st.lists(st.lists(cells, max_size=7), max_size=12),
    separator=st.sampled_from(",;\t"),
)
def test_any_table(tmp_path, header, rows, separator):
    path = tmp_path / "any"
    path.write_text("\n".join(separator.join(row) for row in [header, *rows]))
    try_all(path)


HUGE = 1 << 20
HOSTILE = {
    "short rows": ",".join(f"c{k}" for k in range(9000)) + "\n" + "1\n" * HUGE,
    "many columns in many runs": "epoch,"
    + ",".join(f"c{k}" for k in range(9000))
    + "\n"
    + "9"
    + ",1" * 9000
    + "\n"
    + "2\n1\n" * 4000,
    "no cells": ",".join(f"c{k}" for k in range(100)) + "\n1" + "," * 99 + "\n" + ("," * 99 + "\n") * 100_000,
    "many histories": "[" + ",".join('{"loss":[1],"val_loss":[1]}' for _ in range(200_000)) + "]",
    "deep lists": "[" * HUGE,
    "deep records": '{"a":' * HUGE,
    "deep and closed": "[" * HUGE + "]" * HUGE,
    "deep in a line": '{"a": 1}\n' + '{"a":' * HUGE,
    "quotes without end": '{"' + '\\"' * HUGE,
    "a long integer": '{"loss": [' + "9" * HUGE + '], "val_loss": [1]}',
    "a long fraction": '{"loss": [0.' + "1" * HUGE + '], "val_loss": [1]}',
    "a large exponent": '{"loss": [1e999999], "val_loss": [-1e999999]}',
    "literals": '{"loss": [NaN, Infinity], "val_loss": [-Infinity, 1]}',
    "equal keys": '{"loss": [1], "loss": [2], "val_loss": [3], "val_loss": [4]}',
    "many keys": "{" + ",".join(f'"loss{k}": [1]' for k in range(100_000)) + "}",
    "many tables": "[" + ",".join('{"loss": [1, 2]}' for _ in range(50_000)) + "]",
    "lone surrogates": '{"loss\\ud800": [1, 2], "val_loss\\ud800": [1, 2]}',
    "columns": ",".join(f"c{k}" for k in range(1_000_000)) + "\n" + ",".join("1" for _ in range(1_000_000)) + "\n",
    "a quote without end": 'epoch,loss,val_loss\n1,1,1\n2,"' + "1,1\n" * HUGE,
    "one line": "epoch,loss" + "1" * (32 * HUGE),
    "NUL": "epoch,loss,val_loss\n1,\0,2\n\0\n",
    "NUL later": "epoch,loss,val_loss\n" + "1,1,2\n" * 20_000 + "\0,\0,\0\n",
    "epochs that jump": "epoch,loss,val_loss\n" + "2,1,1\n1,1,1\n" * 50_000,
    "huge epochs": "epoch,step,loss,val_loss\n1e308,1e308,1,1\ninf,inf,1,1\n-1e308,0,1,1\n",
    "long integers": "epoch,loss,val_loss\n" + "9" * 100_000 + ",1,1\n",
    "wide rows": "epoch,loss,val_loss\n" + "1," * 500_000 + "\n",
    "laughs": '<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol1 "&lol;&lol;">]>\n' + "&lol1;" * HUGE,
    "escapes": "epoch,\x1b[31mloss\x1b[0m,val_loss\n" + "1,\x1b[2J,2\n" * 1000,
    "returns": "epoch,loss,val_loss\r" + "1,1,1\r" * HUGE,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text(name, tmp_path):
    path = tmp_path / "hostile"
    path.write_text(HOSTILE[name])
    begun = time.monotonic()
    try_all(path)
    assert time.monotonic() - begun < SOON_S


def test_a_pipe_and_a_device_are_not_read(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero"), tmp_path / "none", Path("a\0b"), Path("a" * 10_000)):
        with pytest.raises(InputError) as caught:
            Source(path)
        assert str(caught.value).isprintable()


def test_a_path_with_a_line_end_gives_one_line(tmp_path):
    path = tmp_path / "two\nlines"
    path.write_text('{"a": ')
    with pytest.raises(InputError) as caught:
        next(reader for reader in FILES if reader.matches(Source(path))).read(Source(path))
    assert "\n" not in str(caught.value)


def test_links_in_a_folder_are_not_followed(tmp_path):
    outside = tmp_path / "outside"
    shutil.copytree(DATA / "tensorboardx", outside)
    inside = tmp_path / "inside"
    (inside / "deeper").mkdir(parents=True)
    (inside / "loop").symlink_to(inside)
    (inside / "deeper" / "up").symlink_to(tmp_path)
    (inside / "out").symlink_to(outside)
    (inside / "events.out.tfevents.1").symlink_to(next(outside.iterdir()))
    assert try_all(inside) == []
    shutil.copytree(outside, inside / "own")
    (run,) = try_all(inside)
    assert run.name == "own"


def test_a_folder_has_an_end(tmp_path):
    deep = tmp_path
    for _ in range(200):
        deep /= "d"
        deep.mkdir()
    shutil.copytree(DATA / "tensorboardx", deep / "e")
    assert try_all(tmp_path) == []


def hostile_database(path, *statements):
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


SLOW = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT"
COLUMNS = "key TEXT, value REAL, timestamp INTEGER, run_uuid TEXT, step INTEGER, is_nan INTEGER"


@pytest.mark.parametrize(
    "statements",
    [
        (f"CREATE VIEW metrics AS {SLOW} 'k' key, x value, 0 timestamp, 'r' run_uuid, x step, 0 is_nan FROM c",),
        (f"CREATE TABLE metrics ({COLUMNS}, more TEXT AS (hex(zeroblob(300000000))))", "INSERT INTO metrics DEFAULT VALUES"),
        ("CREATE VIRTUAL TABLE metrics USING fts5(key, value, timestamp, run_uuid, step, is_nan)",),
        (f"CREATE TABLE metrics ({COLUMNS})", "INSERT INTO metrics VALUES (zeroblob(100000000), 1, 1, 'r', 1, 0)"),
        (f"CREATE TABLE metrics ({COLUMNS})", "INSERT INTO metrics VALUES (NULL, 'x', x'00', 1e308, 'y', NULL)"),
        ("CREATE TABLE metrics (run_name, step, metrics)", "INSERT INTO metrics VALUES (1, 2, '{'), (NULL, 'x', x'ff')"),
        ("CREATE TABLE metrics (run_name, step, metrics)", f"INSERT INTO metrics VALUES ('a', 1, '{'[' * 5000}')"),
    ],
)
def test_a_hostile_database(tmp_path, statements):
    path = tmp_path / "hostile.db"
    hostile_database(path, *statements)
    before = path.read_bytes()
    begun = time.monotonic()
    try_all(path)
    assert time.monotonic() - begun < SOON_S
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["hostile.db"]
