"""A grid is trained once: what is stored stays, whatever ends it, and what it comes to is what it would have come to."""

import math
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import msgspec
import numpy as np
import pytest

from whygap.lab import n_parameters, train
from whygap.lab.grid import run_grid, work_of
from whygap.lab.spec import parse_spec
from whygap.store import Store

SPEC = """
title = "A small grid"
asks = ["edge"]
n = 64
epochs = 3
batch_size = 32
seeds = 4
n_valid = 40
valid_sets = 2
n_fresh = 50
process = "gaussian_mixture"
model = { name = "mlp", width = 4 }
"""
LONG = SPEC.replace("n = 64", "n = 2000").replace("epochs = 3", "epochs = 400\nevery = 100").replace("seeds = 4", "seeds = 8")

COMMAND = "from whygap.cli import main; main()"


def spec_of(text=SPEC, name="small"):
    return parse_spec(text, name=name)


def results(experiment):
    """Return what trials hold, but for the time that they took, with NaN equal to itself."""
    return [msgspec.msgpack.encode(msgspec.structs.replace(t, seconds=0.0)) for t in experiment.trials]


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "whygap.db") as opened:
        yield opened


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    with Store(tmp_path_factory.mktemp("undisturbed") / "whygap.db") as opened:
        return run_grid(spec_of(), opened, workers=1)


def test_a_trial_holds_what_the_engine_recorded_to_the_last_bit(undisturbed):
    assert undisturbed.is_finished
    runs = {run.key: run for run in spec_of().jobs()}
    for trial in undisturbed.trials:
        run = runs[trial.key]
        (curves,) = train(run.job.plan, [run.job.seeds], workers=1)
        assert trial.epoch == tuple(curves.epoch)
        assert trial.n_parameters == n_parameters(run.job.plan.model)
        assert trial.settings == run.settings
        assert trial.seeds == {"train": run.job.seeds.train, "valid": run.job.seeds.valid, "init": run.job.seeds.init}
        assert trial.seconds > 0.0
        for s, score in enumerate(curves.scores):
            curve = trial.curve(score.name)
            assert curve.score == score
            for name in ("reported", "train", "valid", "fresh"):
                assert np.array_equal(np.array(getattr(curve, name), np.float32), curves.of(score.name)[name]), name
            assert np.array_equal(np.array(curve.valid_sets, np.float32), curves.valid[:, 0, :, s].T)
            assert curve.fresh_se == pytest.approx([math.sqrt(v / 50) for v in curves.fresh[:, 1, 0, s].astype(float)])
            assert curve.valid_se == pytest.approx([math.sqrt(v / 40) for v in curves.valid[:, 1, 0, s].astype(float)])


def test_a_stopped_grid_goes_on_where_it_stopped(store, undisturbed):
    def stop(done):
        if done.finished == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_grid(spec_of(), store, workers=1, watch=stop)
    half = store.experiment()
    assert len(half.trials) == 2
    assert not half.is_finished
    seen = []
    whole = run_grid(spec_of(), store, workers=1, watch=seen.append)
    assert [(p.kept, p.finished, p.wanted) for p in seen] == [(2, 2, 4), (2, 3, 4), (2, 4, 4)]
    assert [p.share for p in seen] == pytest.approx([0.5, 0.75, 1.0])
    assert results(whole) == results(undisturbed)
    assert [e.finished for e in store.experiments()] == [4]


def test_a_run_of_another_experiment_is_not_trained_again(store, monkeypatch):
    first = run_grid(spec_of(), store, workers=1)
    monkeypatch.setattr("whygap.lab.grid.train_all", lambda jobs, **_: pytest.fail("trained") if jobs else iter(()))
    second = run_grid(spec_of(SPEC.replace("seeds = 4", "seeds = [1, 3]"), "other"), store)
    assert second.id != first.id
    assert second.is_finished
    assert {t.key for t in second.trials} < {t.key for t in first.trials}
    assert [e.id for e in store.experiments()] == [second.id, first.id]
    assert run_grid(spec_of(), store) == first
    assert store.experiment("last").id == first.id


def test_a_run_that_diverges_is_stored_with_what_it_came_to(store):
    spec = spec_of(SPEC.replace("seeds = 4", 'seeds = 1\noptimiser = "sgd"\nlearning_rate = 1e30'))
    (trial,) = run_grid(spec, store, workers=1).trials
    assert not math.isfinite(trial.curves[0].valid[-1])


def test_longer_and_larger_runs_are_more_work():
    small, wide, fresh = (
        spec_of(SPEC + extra).jobs()[0].job.plan for extra in ("", "\n", '\nregime = "fresh"\n')
    )  # fmt: skip
    assert work_of(small, 100) == work_of(wide, 100) < work_of(small, 10_000)
    assert work_of(small, 100) < work_of(fresh, 100)


def test_an_accelerator_or_other_machines_are_asked_for_by_name(store, monkeypatch):
    asked = {}

    def train_all(jobs, **settings):
        asked.update(settings)
        return iter(())

    monkeypatch.setattr("whygap.lab.grid.train_all", train_all)
    run_grid(spec_of(), store, on="ray", workers=3)
    assert asked == {"on": "ray", "workers": 3}


posix = pytest.mark.skipif(not hasattr(os, "killpg"), reason="kills are POSIX")


def stored(path):
    """Return how many trials another process has stored so far."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
            return db.execute("SELECT count(*) FROM trial").fetchone()[0]
    except sqlite3.OperationalError:  # no file, or no table yet
        return 0


@posix
def test_a_killed_command_loses_what_it_had_in_hand_at_most(tmp_path):
    (tmp_path / "long.toml").write_text(LONG)
    command = [sys.executable, "-c", COMMAND, "lab", "run", "long.toml", "--workers", "2", "--store", "killed.db"]
    with subprocess.Popen(command, cwd=tmp_path, start_new_session=True, stdout=subprocess.DEVNULL) as process:
        until = time.monotonic() + 300
        while stored(tmp_path / "killed.db") < 2 and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    kept = stored(tmp_path / "killed.db")
    assert 2 <= kept < 8
    with Store(tmp_path / "killed.db", readonly=True) as store:
        before = {t.key: t for t in store.experiment().trials}
    assert len(before) == kept
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert again.returncode == 0, again.stderr
    assert f"{kept} of 8 runs were finished already" in again.stdout
    with Store(tmp_path / "killed.db", readonly=True) as store:
        after = store.experiment()
    assert after.is_finished
    assert [t for t in after.trials if t.key in before] == list(before.values())  # untouched, their times included
    with Store(tmp_path / "undisturbed.db") as store:
        assert results(run_grid(spec_of(LONG, "long"), store, workers=1)) == results(after)


@posix
def test_control_c_ends_the_workers_too_and_prints_one_line(tmp_path):
    (tmp_path / "long.toml").write_text(LONG)
    command = [sys.executable, "-c", COMMAND, "lab", "run", "long.toml", "--workers", "2", "--store", "stopped.db"]
    with subprocess.Popen(command, cwd=tmp_path, start_new_session=True, stderr=subprocess.PIPE, text=True) as process:
        while stored(tmp_path / "stopped.db") < 2 and process.poll() is None:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert len(told.splitlines()) == 1, told
    assert f"{stored(tmp_path / 'stopped.db')} of 8 runs" in told
    assert "to go on" in told
    until = time.monotonic() + 30
    with pytest.raises(ProcessLookupError):  # nobody of them is left, before long
        while time.monotonic() < until:
            os.killpg(process.pid, 0)
            time.sleep(0.05)


@posix
def test_a_killed_worker_costs_nothing_but_time(store, undisturbed):
    import loky

    killed = []

    def kill_one(done):
        if done.finished == 1 and not killed:
            killed.append(next(iter(loky.get_reusable_executor(reuse=True)._processes)))
            os.kill(killed[0], signal.SIGKILL)

    found = run_grid(spec_of(), store, workers=2, watch=kill_one)
    assert killed
    assert results(found) == results(undisturbed)
