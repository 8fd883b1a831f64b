"""Runs trained together, apart, here and in other processes are the same runs."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import optax
import pytest

from whygap.errors import InputError, WhygapError
from whygap.lab import Job, Model, Plan, Seeds, mlp, train, train_all
from whygap.lab import together as together_module
from whygap.lab.worker import pickle_plan
from whygap.process import MNIST1D, Fresh, GaussianMixture, Once, process

MIXTURE = GaussianMixture(classes=3, features=6)
PLAN = Plan(
    process=MIXTURE, regime=Once(200), model=mlp(6, 8, 8, 3), optimiser=optax.adam(1e-3), epochs=5, batch_size=32, n_valid=100
)


def largest_difference(a, b):
    pairs = [(getattr(a, name), getattr(b, name)) for name in ("reported", "train", "valid", "fresh")]
    return max(float(np.abs(x - y).max()) for x, y in pairs)


@pytest.mark.parametrize(("regime", "width"), [(Once(400), 8), (Once(400), 100), (Fresh(400), 20)])
def test_runs_trained_together_are_those_trained_one_at_a_time(regime, width):
    plan = Plan(
        process=MNIST1D(), regime=regime, model=mlp(40, width, width, 10), optimiser=optax.adam(1e-3), epochs=10, n_valid=200
    )
    alone, together = (train(plan, range(5), workers=1, together=k) for k in (1, 4))  # four and one
    assert max(map(largest_difference, alone, together)) <= 1e-5
    assert largest_difference(alone[0], alone[1]) > 1e-2


def test_other_processes_train_the_same_to_the_last_bit():
    jobs = [Job(replace(PLAN, regime=regime), Seeds.all(s)) for s in range(3) for regime in (Once(200), Fresh(100))]
    here, there = (dict(train_all(jobs, workers=k, together=1)) for k in (1, 2))
    assert sorted(there) == list(range(6))
    assert [largest_difference(here[k], there[k]) for k in range(6)] == [0.0] * 6


def test_what_stands_in_no_module_goes_to_other_processes_too():
    power = 2.0

    @process(classes=2)
    def parabola(draws):
        x = draws.uniform(2, low=-1.0, high=1.0)
        return x, (x[:, 1] > x[:, 0] ** power).astype("int32")

    inner = mlp(2, 4, 2)
    model = Model(inner.init, lambda params, x: power * inner.apply(params, x))
    plan = replace(PLAN, process=parabola, model=model)
    here, there = (train(plan, [0, 1], workers=k) for k in (1, 2))
    assert largest_difference(here[0], there[0]) == 0.0


def test_plans_with_optimisers_made_anew_are_one_program():
    assert pickle_plan(PLAN) == pickle_plan(replace(PLAN, model=mlp(6, 8, 8, 3), optimiser=optax.adam(1e-3)))
    assert pickle_plan(PLAN) != pickle_plan(replace(PLAN, optimiser=optax.adam(1e-2)))


def test_a_failure_in_another_process_is_the_callers():
    broken = replace(PLAN, model=mlp(5, 3))
    with pytest.raises(TypeError, match="shape"):
        train(broken, [0, 1], workers=2)


def test_what_a_killed_worker_had_in_hand_is_trained_anew(tmp_path):
    inner, flag = mlp(6, 8, 3), tmp_path / "killed"

    def init(key):
        if not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return inner.init(key)

    there = train(replace(PLAN, model=Model(init, inner.apply)), [0, 1, 2], workers=2)
    here = train(replace(PLAN, model=inner), [0, 1, 2], workers=1)
    assert [largest_difference(a, b) for a, b in zip(here, there, strict=True)] == [0.0] * 3


def test_workers_that_are_killed_each_time_are_an_error(monkeypatch):
    from whygap.lab import engine

    monkeypatch.setattr(engine, "LIVES", 1)
    deadly = Model(lambda key: os.kill(os.getpid(), signal.SIGKILL), mlp(6, 3).apply)
    with pytest.raises(WhygapError, match="killed 1 times"):
        train(replace(PLAN, model=deadly), [0, 1], workers=2)


def test_other_processes_have_one_thread_each():
    import loky

    from whygap.lab.engine import IDLE, ONE_THREAD

    pool = loky.get_reusable_executor(max_workers=2, timeout=IDLE, env=ONE_THREAD, reuse="auto")
    assert pool.submit(os.getenv, "NPROC").result() == "1"


def test_how_many_go_together_is_measured_once(monkeypatch):
    asked = []

    def measured(plan, candidates):
        asked.append(candidates)
        return 4

    monkeypatch.setattr(together_module, "_measured", measured)
    monkeypatch.setattr(together_module, "WORTH_IT", {"cpu": 100, "other": 100})
    pickled = pickle_plan(replace(PLAN, model=mlp(6, 5, 3)))
    assert [together_module.choose_together(pickled, runs) for runs in (1, 8, 8)] == [1, 4, 4]
    assert asked == [[1, 4]]


def test_a_measurement_picks_a_candidate():
    assert together_module._measured(PLAN, [1, 4]) in (1, 4)


def test_two_threads_of_the_caller_may_train():
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda s: train(PLAN, [s], workers=1)[0], [1, 1]))
    assert largest_difference(*found) == 0.0


def test_no_jobs_no_runs():
    assert list(train_all([])) == []


@pytest.mark.parametrize("settings", [{"workers": 0}, {"together": 0}])
def test_nonsense_is_refused(settings):
    with pytest.raises(InputError):
        train(PLAN, [0], **settings)
