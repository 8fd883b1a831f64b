"""The command as a person runs it: its answers, its exit codes, and one line for whatever is wrong."""

import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from whygap.errors import StoreError
from whygap.records import EpochGap, Estimate, Run, Score, Term
from whygap.store import Store
from whygap.store_file import SCHEMA

WHYGAP = Path(sys.executable).with_name("whygap")


def whygap(*arguments, cwd, **options):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WHYGAP")} | {"COLUMNS": "80"}
    return subprocess.run(
        [str(WHYGAP), *map(str, arguments)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        **options,
    )


def one_line(done, code=2):
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("whygap: ")
    return lines[0]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return folder, whygap("demo", "--epochs", 3, cwd=folder)


def test_demo_shows_the_ladder_the_verdict_and_writes_the_page(demo):
    folder, done = demo
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for words in ("epoch 1", "epoch 2", "epoch 3", "reported", "averaging", "nothing to fix"):
        assert words.lower() in " ".join(done.stdout.lower().split()), words  # however the lines are broken
    assert "leak" not in done.stdout.lower()
    page = (folder / "report.html").read_text()
    assert page.count("<svg") >= 4
    assert (folder / "whygap.db").exists()


def test_explain_and_report_and_runs(demo):
    folder, _ = demo
    shown = whygap("explain", cwd=folder)
    assert shown.returncode == 0
    assert "averaging" in shown.stdout
    run_id = json.loads(whygap("runs", "--json", cwd=folder).stdout)[0]["id"]
    assert run_id in whygap("runs", cwd=folder).stdout  # unbroken, to be copied
    found = json.loads(whygap("explain", run_id[:-2], "--json", cwd=folder).stdout)
    assert list(found)[:5] == ["schema", "run", "source", "score", "epochs"]
    assert found["run"] == run_id
    assert found["verdict"]["overfitting"]["state"] == "no"
    for epoch in found["epochs"]:
        total = sum(t["value"] for t in epoch["terms"]) + epoch["unattributed"]
        assert total == pytest.approx(epoch["gap"], abs=1e-12)
        assert epoch["gap"] == pytest.approx(epoch["valid_reported"] - epoch["train_reported"], abs=1e-12)
    written = whygap("report", "last", "-o", "page.html", cwd=folder)
    assert written.returncode == 0
    assert (folder / "page.html").read_text().count("<svg") >= 4


def test_a_closed_pipe_is_quiet(demo):
    folder, _ = demo
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WHYGAP")}
    command = f"{WHYGAP} explain --json | head -c 10"
    done = subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["explain"], "there is no store"),
        (["demo", "--budget", "0"], "--budget"),
        (["demo", "--budget", "lots"], "--budget"),
        (["demo", "--epochs", "0"], "epochs must be at least 1"),
        (["demo", "--epochs", "x"], "x"),
        (["demo", "--output", "no/such/folder/report.html"], "--output"),
        (["demo", "--output", "."], "folder"),
        (["demo", "--store", "."], "folder"),
        (["demo", "--store", "no/such/folder/whygap.db"], "--store"),
        (["demo", "--store", "/proc/whygap.db"], "--store"),  # where not even the superuser can write
        (["nonsense"], "nonsense"),
        (["explain", "--nonsense"], "nonsense"),
    ],
)
def test_wrong_use_is_one_line_and_nothing_is_left_behind(tmp_path, arguments, words):
    assert words in one_line(whygap(*arguments, cwd=tmp_path))
    assert [f.name for f in tmp_path.iterdir() if not f.name.startswith("whygap.db")] == []


def stored(path, *, gap=True):
    estimate = Estimate(value=-0.1, low=-0.1, high=-0.1)
    with Store(path) as store:
        store.begin(Run(id="20260101-000000-abcdef", source="test", started="2026-01-01T00:00:00+00:00"))
        epoch = EpochGap(
            epoch=1,
            score=Score(),
            train_reported=0.3 if gap else None,
            valid_reported=0.2,
            gap=estimate if gap else None,
            terms=(Term(cause="averaging", estimate=estimate),) if gap else (),
            notes=() if gap else ("the reported training loss is nan",),
        )
        store.add_epoch("20260101-000000-abcdef", [epoch])


def test_a_run_that_does_not_exist(tmp_path):
    stored(tmp_path / "whygap.db")
    assert "20260101-000000-abcdef" in one_line(whygap("explain", "20260101-000000-abcdeX", cwd=tmp_path))
    assert "accuracy" in one_line(whygap("explain", "--score", "accuracy", cwd=tmp_path))


def test_a_run_that_diverged_says_so(tmp_path):
    stored(tmp_path / "whygap.db", gap=False)
    assert "loss is nan" in one_line(whygap("explain", cwd=tmp_path))


def test_a_training_that_could_not_be_measured_goes_on_and_explain_says_why(tmp_path):
    script = """
import torch
from whygap.adapters.torch import Meter

class Empty:
    def __iter__(self):
        return iter(())

model = torch.nn.Linear(2, 1)
optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
meter = Meter(model, torch.nn.MSELoss(), valid=Empty())
for epoch in range(2):
    for x, y in meter.train([(torch.ones(4, 2), torch.ones(4, 1))] * 3):
        loss = torch.nn.functional.mse_loss(model(x), y)
        optimiser.zero_grad(); loss.backward(); optimiser.step()
        meter.record(loss)
    print(meter.end_epoch())
meter.close()
print("trained")
"""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WHYGAP")}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert "trained" in done.stdout
    assert done.stderr.count("WhygapWarning") == 1
    assert "the validation set is empty" in one_line(whygap("explain", cwd=tmp_path))


@pytest.mark.parametrize("kind", ["newer", "not a store", "not sqlite"])
@pytest.mark.parametrize("command", [["explain"], ["demo", "--epochs", "1"], ["runs"]])
def test_a_store_that_cannot_be_used_is_left_as_it_is(tmp_path, kind, command):
    path = tmp_path / "whygap.db"
    if kind == "newer":
        stored(path)
        with sqlite3.connect(path) as connection:
            connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
        connection.close()
    elif kind == "not a store":
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE theirs (x)")
        connection.close()
    else:
        path.write_text("a diary\n" * 200)
    before = path.read_bytes()
    assert "whygap.db" in one_line(whygap(*command, cwd=tmp_path))
    assert path.read_bytes() == before


def test_a_disk_that_fills_up_in_the_middle(tmp_path):
    """A limit on file size stops the store from growing after some epochs; the answer still comes, what was stored stays."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (148_000, 148_000))

    done = whygap("demo", "--epochs", 30, cwd=tmp_path, preexec_fn=limit)
    assert "Traceback" not in done.stderr
    assert "averaging" in done.stdout
    warned = [line for line in done.stderr.splitlines() if "keeping the run in the store" in line]
    assert len(warned) == 1, done.stderr
    assert done.returncode == 2
    with Store(tmp_path / "whygap.db", readonly=True) as store:
        epochs = store.load("last").epochs
    assert 1 <= len(epochs) < 30
    assert done.stderr.splitlines()[-1] == f"whygap: {30 - len(epochs)} of 30 epochs are not in whygap.db"
    assert [e.epoch for e in epochs] == list(range(1, len(epochs) + 1))


def started_demo(folder, n_epochs):
    """Start a long demo and wait until some epochs are on disk."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WHYGAP")}
    process = subprocess.Popen(
        [str(WHYGAP), "demo", "--epochs", "500"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        if epochs_on_disk(folder / "whygap.db") >= n_epochs:
            return process
        time.sleep(0.05)
    process.kill()
    raise AssertionError(f"no epoch within two minutes: {process.communicate()}")


def epochs_on_disk(path):
    try:
        with Store(path, readonly=True) as store:
            return max((run.epochs for run in store.runs()), default=0)
    except StoreError:  # not made yet, or made and empty: seen between the two
        return 0


def test_ctrl_c_in_mid_epoch_keeps_and_explains_what_there_is(tmp_path):
    process = started_demo(tmp_path, 2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "stopped after" in err
    assert "averaging" in out
    assert (tmp_path / "report.html").exists()
    with Store(tmp_path / "whygap.db", readonly=True) as store:
        run = store.load("last")
    assert f"stopped after {len(run.epochs)} of 500 epochs" in err
    assert not run.finished


def test_kill_minus_nine_keeps_every_epoch_that_ended(tmp_path):
    process = started_demo(tmp_path, 2)
    process.kill()
    process.communicate()
    shown = whygap("explain", cwd=tmp_path)
    assert shown.returncode == 0
    assert "averaging" in shown.stdout
