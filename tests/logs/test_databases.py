"""What MLflow, trackio and W&B keep of runs."""

import shutil
import sqlite3
import struct
import zlib
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from tests.logs.event_writer import part, varint

from whygap.errors import InputError
from whygap.logs import mlflow, sqlite_log, wandb_offline
from whygap.logs.source import Source

DATA = Path(__file__).parent / "data"
METRICS = "CREATE TABLE metrics (key, value, timestamp, run_uuid, step, is_nan)"


def database(path, *statements):
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()
    return path


def read(path, reader=sqlite_log.READER):
    source = Source(path)
    assert reader.matches(source)
    return reader.read(source)


def test_metrics_are_sorted_by_step_and_time(tmp_path):
    rows = [
        "('loss', 2.0, 9, 'r', 1, 0)",
        "('loss', 3.0, 8, 'r', 0, 0)",
        "('val_loss', 5, 1, 'r', 1, 0)",
        "('val_loss', 6, 2, 'r', 0, 0)",
    ]
    (run,) = read(database(tmp_path / "m", METRICS, *(f"INSERT INTO metrics VALUES {row}" for row in rows)))
    assert run.name == "r"
    assert run.of("loss", "train").value.tolist() == [3, 2]
    assert run.of("loss", "valid").value.tolist() == [6, 5]


def test_metrics_without_steps_are_in_the_order_of_time(tmp_path):
    rows = [f"('{key}', {9 - t}, {t}, 'r', 0, 0)" for t in (2, 0, 1) for key in ("train_loss", "val_loss")]
    (run,) = read(database(tmp_path / "m", METRICS, *(f"INSERT INTO metrics VALUES {row}" for row in rows)))
    assert run.of("loss", "train").value.tolist() == [9, 8, 7]
    assert run.of("loss", "train").epoch.tolist() == [1, 2, 3]


def test_infinities_and_nan(tmp_path):
    rows = ["('train_loss', 1.7976931348623157e308, 1, 'r', 0, 0)", "('train_loss', -1.7976931348623157e308, 1, 'r', 1, 0)"]
    rows += ["('train_loss', 0, 1, 'r', 2, 1)"]
    (run,) = read(database(tmp_path / "m", METRICS, *(f"INSERT INTO metrics VALUES {row}" for row in rows)))
    np.testing.assert_array_equal(run.series[0].value, [np.inf, -np.inf, np.nan])


@pytest.mark.parametrize("name", ["mlflow.db", "trackio.db"])
def test_a_database_that_is_being_written_is_read_with_its_log(tmp_path, name):
    path = tmp_path / name
    shutil.copy(DATA / name, path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        before = len(read(path))
        if name == "mlflow.db":
            db.execute("INSERT INTO metrics VALUES ('loss', 1.0, 1, 'new', 0, 0)")
        else:
            db.execute(
                "INSERT INTO metrics (run_id, run_name, step, metrics, timestamp) VALUES ('n', 'n', 0, '{\"loss\": 1}', '')"
            )
        db.commit()
        there = {p.name: p.read_bytes() for p in tmp_path.iterdir() if not p.name.endswith("-shm")}
        assert len(read(path)) == before + 1
        assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if not p.name.endswith("-shm")} == there


def test_nothing_appears_beside_a_database(tmp_path):
    shutil.copy(DATA / "mlflow.db", tmp_path)
    tmp_path.chmod(0o500)
    try:
        assert len(read(tmp_path / "mlflow.db")) == 2
    finally:
        tmp_path.chmod(0o700)
    assert [p.name for p in tmp_path.iterdir()] == ["mlflow.db"]


def test_another_database_has_no_runs(tmp_path):
    assert read(database(tmp_path / "other", "CREATE TABLE metrics (a, b)")) == ()


def test_a_damaged_database_is_named(tmp_path):
    path = tmp_path / "m"
    path.write_bytes((DATA / "mlflow.db").read_bytes()[:1024])
    with pytest.raises(InputError, match="SQLite: "):
        read(path)


def test_reading_a_database_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("whygap.logs.sqlite_file.MOST_SECONDS", -1.0)
    monkeypatch.setattr("whygap.logs.sqlite_file.STEPS_BETWEEN_LOOKS", 1)
    with pytest.raises(InputError, match="took too long"):
        read(DATA / "mlflow.db")


def test_trackio_with_a_row_that_is_not_json(tmp_path):
    table = "CREATE TABLE metrics (run_name, step, metrics)"
    path = database(tmp_path / "t", table, "INSERT INTO metrics VALUES ('a', 0, '{}'), ('a', 1, '{\"loss\": ')")
    with pytest.raises(InputError, match="metrics, row 2: column 10: not JSON"):
        read(path)


@pytest.mark.parametrize("below", [".", "0", "0/{run}"])
def test_the_folder_of_mlflow_from_any_level(tmp_path, below):
    run = next((DATA / "mlruns" / "0").iterdir()).name
    (logged,) = read(DATA / "mlruns" / below.format(run=run), mlflow.READER)
    assert (logged.name, sorted(s.column for s in logged.series)) == ("run-0", ["train/loss", "val_loss"])


@pytest.mark.parametrize("line", ["1 2", "1 x 3", "1 2 x", "1 2 99999999999999999999", "1 2 " + "9" * 5000, "\0"])
def test_a_line_of_mlflow_that_is_not_understood_is_named(tmp_path, line):
    shutil.copytree(DATA / "mlruns", tmp_path / "mlruns")
    metric = next(tmp_path.rglob("val_loss"))
    metric.write_text(f"{metric.read_text()}\n{line}\n")
    with pytest.raises(InputError, match="metrics/val_loss: line 6 is not"):
        read(tmp_path / "mlruns", mlflow.READER)


def wandb_records(*messages):
    """Return messages as an offline run has them: in blocks, those that don't fit cut in parts."""
    out = bytearray(b":W&B\xe1\xbe\0")

    def add(kind, body):
        out.extend(struct.pack("<IHB", zlib.crc32(bytes([kind]) + body), len(body), kind) + body)

    for message in messages:
        begun = True
        while begun or message:
            left = 32_768 - len(out) % 32_768
            if left < 7:
                out.extend(bytes(left))
                continue
            body, message = message[: left - 7], message[left - 7 :]
            add({(True, False): 1, (True, True): 2, (False, True): 3, (False, False): 4}[begun, bool(message)], body)
            begun = False
    return bytes(out)


def item(*names, **value):
    """Return an item of the history."""
    ((kind, content),) = value.items()
    keys = part(1, names[0].encode()) if len(names) == 1 else b"".join(part(2, name.encode()) for name in names)
    if kind == "json":
        return part(1, keys + part(16, content.encode()))
    if kind == "integer":
        return part(1, keys + varint(5 << 3) + varint(content))
    return part(1, keys + varint(6 << 3 | 1) + struct.pack("<d", content))


def test_history_of_wandb_over_many_blocks(tmp_path):
    rows = [
        part(
            2,
            item("epoch", integer=k)
            + item("train", "loss", json=str(1 / (k + 1)))
            + item("val_loss", number=k / 3)
            + item("text", json=f'"{"x" * (k % 977)}"'),
        )
        for k in range(500)
    ]
    rows[100:100] = [part(4, b"x" * 100_000)]
    path = tmp_path / "run"
    path.write_bytes(wandb_records(part(17, part(1, b"id") + part(8, b"night")), *rows))
    (run,) = read(path, wandb_offline.READER)
    assert (run.name, run.notes) == ("night", ())
    assert run.of("loss", "train").value.tolist() == [1 / (k + 1) for k in range(500)]
    assert run.of("loss", "valid").epoch.tolist() == list(range(1, 501))
    path.write_bytes(path.read_bytes()[:-1])
    (run,) = read(path, wandb_offline.READER)
    assert len(run.of("loss", "train").value) == 499
    assert "is damaged at byte" in run.notes[-1]


def test_records_within_a_record_of_wandb(tmp_path):
    path = tmp_path / "run"
    row = part(
        2, item("train", json='{"loss": 0.5, "deep": {"acc": "NaN"}}') + item("h", json='{"_type": "histogram", "values": [1]}')
    )
    path.write_bytes(wandb_records(row))
    (run,) = read(path, wandb_offline.READER)
    assert [s.column for s in run.series] == ["train/loss", "train/deep/acc"]


def test_an_offline_run_that_is_damaged_at_once(tmp_path):
    path = tmp_path / "run"
    path.write_bytes(wandb_records(part(2, b""))[:-1] + b"\xff")
    with pytest.raises(InputError, match="is damaged at byte 7"):
        read(path, wandb_offline.READER)
