"""Ray trains the same runs as this machine's processes do, whoever is killed meanwhile."""

import contextlib
import gc
import os
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import optax
import pytest
import ray

from whygap.errors import InputError, MissingPackageError, WhygapError
from whygap.lab import Job, Model, Plan, Seeds, mlp, train, train_all
from whygap.lab import on_ray as on_ray_module
from whygap.lab.on_ray import _as_finished, _cluster
from whygap.process import GaussianMixture, Once, process

PLAN = Plan(
    process=GaussianMixture(classes=3, features=6),
    regime=Once(200),
    model=mlp(6, 8, 8, 3),
    optimiser=optax.adam(1e-3),
    epochs=20,
    batch_size=32,
    n_valid=100,
)


@pytest.fixture(scope="module")
def cluster(ray_apart):
    """A cluster of two cores that stays for several tests; its address."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # Ray never waits for the programs that it started
        with _cluster(ray, 2):
            yield ray.get_runtime_context().gcs_address
        gc.collect()


def below(pid):
    """Return the commands of all processes that a process started, and that these started, by their ids."""
    children, commands = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # one that has just ended
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
                commands[int(entry.name)] = (entry / "cmdline").read_text()
    found, left = {}, children.get(pid, [])
    while left:
        one = left.pop()
        found[one] = commands[one]
        left = left + children.get(one, [])
    return found


def still_there(commands):
    """Return those of some processes that haven't ended."""
    found = []
    for pid, command in commands.items():
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_text()[:5] == command[:5]:  # a worker's name tells what it does
                found.append(pid)
    return found


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        for name in ("reported", "train", "valid", "fresh"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def jobs(plan, n):
    return [Job(plan, Seeds.all(s)) for s in range(n)]


def test_runs_are_those_of_this_machine_to_the_last_bit(cluster):
    power = 2.0

    @process(classes=2)
    def parabola(draws):
        x = draws.uniform(2, low=-1.0, high=1.0)
        return x, (x[:, 1] > x[:, 0] ** power).astype("int32")

    plans = [PLAN, replace(PLAN, process=parabola, model=mlp(2, 4, 2))]  # the second stands in no module
    for plan in plans:
        assert_same(train(plan, range(3), workers=1), train(plan, range(3), on="ray"))
    assert ray.is_initialized()  # who was connected before stays so


def test_a_failure_on_a_worker_is_the_callers(cluster):
    with pytest.raises(TypeError, match="shape"):
        train(replace(PLAN, model=mlp(5, 3)), [0, 1], on="ray")


def test_what_a_killed_worker_had_in_hand_is_trained_anew(cluster, tmp_path):
    inner = PLAN.model

    def init(key):  # runs when a worker compiles: tells which worker that is
        (tmp_path / str(os.getpid())).touch()
        return inner.init(key)

    told, found = replace(PLAN, model=Model(init, inner.apply), epochs=1000, every=100), {}
    for place, curves in train_all(jobs(told, 6), on="ray", together=1):
        if not found:
            killed = {int(file.name) for file in tmp_path.iterdir()}
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
        found[place] = curves
    assert {int(file.name) for file in tmp_path.iterdir()} > killed  # others took over
    assert_same(train(replace(told, model=inner), range(6), workers=1, together=1), [found[k] for k in range(6)])


def test_workers_that_are_killed_each_time_are_an_error(cluster, monkeypatch):
    monkeypatch.setattr("whygap.lab.engine.LIVES", 2)
    deadly = Model(lambda key: os.kill(os.getpid(), signal.SIGKILL), PLAN.model.apply)
    with pytest.raises(WhygapError, match="killed 2 times"):
        train(replace(PLAN, model=deadly), [0], on="ray")


def test_a_cluster_is_joined_at_its_address(cluster):
    script = """
import ray
from calendar import isleap
from whygap.lab.on_ray import call_on_ray
print(sorted(call_on_ray(isleap, [(1900,), (2000,)], cores=1, environment={}, lives=1)), ray.is_initialized())
"""
    here = os.environ | {"RAY_ADDRESS": cluster}
    ended = subprocess.run([sys.executable, "-c", script], env=here, capture_output=True, text=True, timeout=120, check=False)
    assert ended.stdout.strip() == "[(0, False), (1, True)] False", ended.stderr


DRIVER = """
import sys
import numpy as np
import optax
from whygap.lab import Plan, Seeds, Job, mlp, train_all
from whygap.process import GaussianMixture, Once

plan = Plan(process=GaussianMixture(classes=3, features=6), regime=Once(200), model=mlp(6, 8, 8, 3), optimiser=optax.adam(1e-3),
            epochs=500, every=100, batch_size=32, n_valid=100)
for place, curves in train_all([Job(plan, Seeds.all(s)) for s in range(100)], on="ray", workers=2, together=1):
    np.save(f"{sys.argv[1]}/{place}.npy", curves.train)
    print(place, flush=True)
"""


def test_a_killed_driver_leaves_its_finished_runs_and_no_workers(ray_apart, tmp_path):
    with subprocess.Popen([sys.executable, "-c", DRIVER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as driver:
        done = [int(driver.stdout.readline()) for _ in range(2)]
        started = below(driver.pid)
        workers = {pid: command for pid, command in started.items() if command.startswith("ray::") and "Agent" not in command}
        assert workers
        driver.kill()
    until = time.monotonic() + 60.0
    while still_there(workers) and time.monotonic() < until:
        time.sleep(0.2)
    assert not still_there(workers)
    for pid in still_there(started):  # two small agents, which stay for a minute
        os.kill(pid, signal.SIGKILL)
    plan = replace(PLAN, epochs=500, every=100)
    for place in done:
        np.testing.assert_array_equal(np.load(tmp_path / f"{place}.npy"), train(plan, [place], workers=1)[0].train)


class FakeRay:
    """Runs tasks at once, and counts how many are with it at a time."""

    exceptions = ray.exceptions

    def __init__(self, cores):
        self.cores, self.held, self.most, self.cancelled, self.calls = cores, {}, 0, [], []

    def task(self):
        return SimpleNamespace(remote=self.submit)

    def submit(self, argument):
        ref = f"call {len(self.held)}"
        self.held[ref] = argument
        self.running = getattr(self, "running", 0) + 1
        self.most = max(self.most, self.running)
        return ref

    def cluster_resources(self):
        return {"CPU": float(self.cores)}

    def wait(self, refs, num_returns):
        return refs[:num_returns], refs[num_returns:]

    def get(self, ref):
        self.running -= 1
        return self.held[ref]

    def cancel(self, ref):
        self.cancelled.append(ref)

    def is_initialized(self):
        return False

    def init(self, *arguments, **settings):
        self.calls.append((arguments, settings))

    def shutdown(self):
        self.calls.append("shutdown")


@pytest.mark.parametrize(("workers", "most"), [(None, 6), (2, 2)])
def test_only_a_few_calls_are_with_ray_at_a_time(workers, most):
    fake = FakeRay(cores=3)
    found = dict(_as_finished(fake, fake.task(), [(k,) for k in range(50)], workers, 1))
    assert found == {k: k for k in range(50)}
    assert fake.most == most


def test_who_stops_reading_wants_no_more():
    fake = FakeRay(cores=2)
    reading = _as_finished(fake, fake.task(), [(k,) for k in range(50)], None, 1)
    assert next(reading) == (0, 0)
    reading.close()
    assert len(fake.cancelled) == 3  # of four, one is read
    assert len(fake.held) == 4


def test_a_cluster_of_our_own_ends_with_the_call(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    fake = FakeRay(cores=2)
    with pytest.raises(ZeroDivisionError), _cluster(fake, 7):
        1 / 0  # noqa: B018 - any failure will do
    ((address,), settings), last = fake.calls
    assert (address, settings["num_cpus"], last) == ("local", 7, "shutdown")
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_a_cluster_that_does_not_answer_is_one_line(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "nowhere:1")
    fake = FakeRay(cores=2)
    monkeypatch.setattr(fake, "init", lambda *a, **k: (_ for _ in ()).throw(ConnectionError("gone\nwith details")))
    with pytest.raises(WhygapError, match=r"^no Ray cluster at nowhere:1: gone$"), _cluster(fake, 1):
        pass


def test_a_cluster_that_asks_for_a_token_says_so(monkeypatch):
    def init(*arguments, **settings):
        try:
            raise RuntimeError("Last error:\n ray.exceptions.AuthenticationError: no token")
        except RuntimeError as error:
            raise ConnectionError("failed") from error

    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    fake = FakeRay(cores=2)
    monkeypatch.setattr(fake, "init", init)
    with (
        pytest.raises(WhygapError, match=r"^no Ray cluster at head:6379: it asks for a token: set RAY_AUTH_MODE"),
        _cluster(fake, 1),
    ):
        pass


def test_without_ray_the_message_has_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'whygap\[lab,ray\]'"):
        train(PLAN, [0], on="ray")


def test_no_jobs_need_no_cluster(monkeypatch):
    monkeypatch.setattr(on_ray_module, "_import_ray", lambda: pytest.fail("nothing to call"))
    assert list(train_all([], on="ray")) == []


def test_elsewhere_is_refused():
    with pytest.raises(InputError, match="'local' or on 'ray', not on 'slurm'"):
        train(PLAN, [0], on="slurm")
