"""How often examples were presented, told inside real training runs: the meter, the callback, and what it may cost."""

import keras
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from whygap.adapters.budget import Ledger
from whygap.adapters.keras import GapCallback
from whygap.adapters.repeats import PART, Repeats
from whygap.adapters.session import Session
from whygap.adapters.torch import Meter
from whygap.adapters.torch_state import preserved_random_state


def tensors(n, seed):
    return torch.randn(n, 8, generator=torch.Generator().manual_seed(seed)), torch.zeros(n, 1)


class Anew(Dataset):
    """New examples at every visit."""

    def __len__(self):
        return 400

    def __getitem__(self, i):
        return torch.randn(8), torch.zeros(1)


class Stored(Anew):
    """The same, from a generator that every worker gets a copy of."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def __getitem__(self, i):
        return torch.from_numpy(self.rng.standard_normal(8, dtype=np.float32)), torch.zeros(1)


def trained(train, valid=None, epochs=3, **options):
    """Train a linear model for some epochs and return its meter."""
    model = nn.Linear(8, 1)
    valid = DataLoader(TensorDataset(*tensors(200, 1)), batch_size=50) if valid is None else valid
    meter = Meter(model, nn.MSELoss(), valid=valid, store=False, **({"budget": "exact"} | options))
    for _ in range(epochs):
        for x, y in meter.train(train):
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            model.zero_grad()
            meter.record(loss)
        meter.end_epoch()
    return meter


def of(meter):
    return meter.run.epochs[-1].repetition


def test_a_stored_set():
    meter = trained(DataLoader(TensorDataset(*tensors(400, 0)), batch_size=50, shuffle=True))
    assert (of(meter).regime, of(meter).per_example.value, of(meter).distinct.value) == ("once", 3, 400)
    told = meter.explain()
    assert any("same set of 400 examples, once per epoch: each presented 3 times in all" in r for r in told.remarks)
    assert any("None of the 200 validation examples is a training example" in r for r in told.remarks)
    assert [e.repetition.epochs for e in meter.run.epochs] == [1, 2, 3]


def test_fresh_examples():
    meter = trained(DataLoader(Anew(), batch_size=50))
    assert (of(meter).regime, of(meter).problems) == ("fresh", ())
    assert any("can't memorise" in r for r in meter.explain().remarks)


@pytest.mark.parametrize("watches", [True, False])
def test_validation_rows_in_training(watches):
    (x, y), (xv, yv) = tensors(400, 0), tensors(200, 1)
    xv[:12] = x[:12]
    valid = DataLoader(TensorDataset(xv, yv), batch_size=50)
    train = DataLoader(TensorDataset(x, y), batch_size=50, shuffle=True)
    if not watches:
        meter = trained(train, valid)
    else:
        model = nn.Linear(8, 1)
        meter = Meter(model, nn.MSELoss(), budget="exact", store=False)
        for _ in range(2):
            for inputs, targets in meter.train(train):
                meter.record(nn.functional.mse_loss(model(inputs), targets))
            model.eval()
            for inputs, _ in meter.validate(valid):
                model(inputs)
            model.train()
            meter.end_epoch()
    assert [f.name for f in of(meter).problems] == ["leak"]
    assert (of(meter).valid.value, of(meter).n_valid) == (0.06, 200)
    assert any("12 of the 200 validation examples (6 %) are training examples too" in w for w in meter.explain().warnings)


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
def test_a_stored_generator_in_four_workers():
    meter = trained(DataLoader(Stored(), batch_size=10, num_workers=4, multiprocessing_context="fork"), epochs=2)
    assert [f.name for f in of(meter).problems] == ["worker_copies"]


def test_a_keras_run():
    rng = np.random.default_rng(0)
    x, xv = rng.standard_normal((400, 8), dtype=np.float32), rng.standard_normal((200, 8), dtype=np.float32)
    xv[:12] = x[:12]
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
    model.compile(loss="mse", optimizer="sgd")
    callback = GapCallback(budget="exact", store=False, verbose=0)
    zeros = np.zeros((400, 1), np.float32)
    model.fit(x, zeros, validation_data=(xv, zeros[:200]), epochs=3, batch_size=50, verbose=0, callbacks=[callback])
    found = callback.run.epochs[-1].repetition
    assert (found.regime, found.per_example.value, found.n_valid) == ("once", 3, 200)
    assert [f.name for f in found.problems] == ["leak"]


# ---------------------------------------------------------------------- within its part of the budget


class Clock:
    """Time that goes on as we say: each look at it costs a microsecond."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1e-6
        return self.now


def watched(make, *, epochs=10, batches=400, budget=0.02, hashing_s=50e-6, step_s=1e-3, seed=0, monkeypatch):
    """Let `Repeats` look at made-up epochs, at a made-up speed, and return what it said and its share of the time."""
    clock = Clock()

    def slowly(batch):
        clock.now += hashing_s
        return batch

    monkeypatch.setattr("whygap.adapters.repeats.hash_examples", slowly)
    ledger = Ledger(budget, clock=clock)
    session = Session(source="", store=False, versions={}, seeds={}, preserve=preserved_random_state, ledger=ledger)
    repeats, found = Repeats(session, seed=seed), []
    for epoch in range(epochs):
        repeats.begin_epoch()
        for i in range(batches):
            repeats.see(make(epoch, i), i)
            clock.now += step_s
        found.append(repeats.end_epoch(100 * batches))
    return [f for f in found if f is not None], repeats.spent_s / clock.now


MIX = np.uint64(0x9E3779B97F4A7C15)
N = 40_000


def stored_set(rng):
    orders = {}

    def batch(epoch, i):
        order = orders.setdefault(epoch, rng.permutation(N).astype(np.uint64) + np.uint64(1))
        return order[100 * i : 100 * (i + 1)] * MIX

    return batch


def in_order(epoch, i):
    return np.arange(100 * i + 1, 100 * (i + 1) + 1, dtype=np.uint64) * MIX


def test_a_part_of_the_batches_tells_a_stored_set(monkeypatch):
    held = 0
    for seed in range(20):
        found, share = watched(stored_set(np.random.default_rng(seed)), seed=seed, monkeypatch=monkeypatch)
        last = found[-1]
        assert 0.3 * PART * 0.02 < share < 1.2 * PART * 0.02
        assert last.looked_at < 0.1 * last.presentations
        assert last.regime == "once"
        held += last.pool.low < N < last.pool.high
    assert held >= 16  # Binomial(20, 0.95) is below that with a probability of 0.3 %


@pytest.mark.parametrize("seed", range(10))
def test_a_part_of_the_batches_tells_a_fresh_stream(monkeypatch, seed):
    rng = np.random.default_rng(seed)
    found, _ = watched(lambda epoch, i: rng.integers(0, 2**64, 100, dtype=np.uint64), seed=seed, monkeypatch=monkeypatch)
    assert found[-1].regime == "fresh"
    assert all(f.problems == () for f in found)
    assert found[-1].at_least > N


def test_a_part_of_the_batches_tells_a_replay(monkeypatch):
    found, _ = watched(in_order, epochs=2, monkeypatch=monkeypatch)
    assert (found[-1].regime, found[-1].is_same_order, found[-1].pool.value) == ("once", True, N)


def test_a_part_of_the_batches_tells_a_pool(monkeypatch):
    rng = np.random.default_rng(0)
    found, _ = watched(lambda epoch, i: rng.integers(1, 1001, 100).astype(np.uint64) * MIX, monkeypatch=monkeypatch)
    assert found[-1].regime == "pool"
    assert found[-1].pool.low <= 1000 <= found[-1].pool.high


def test_where_it_costs_nothing_all_batches_are_looked_at(monkeypatch):
    found, _ = watched(stored_set(np.random.default_rng(0)), epochs=2, hashing_s=0.0, step_s=0.1, monkeypatch=monkeypatch)
    assert found[-1].looked_at == found[-1].presentations
    assert found[-1].distinct.value == pytest.approx(N, rel=0.01)


def test_contents_that_cannot_be_compared_are_left_alone():
    batches = [(torch.ones(2, 8), torch.ones(2, 1))] * 3
    meter = trained([(x, y) for x, y in batches], epochs=1)
    assert of(meter) is not None
    ledger = Ledger("exact")
    session = Session(source="", store=False, versions={}, seeds={}, preserve=preserved_random_state, ledger=ledger)
    repeats = Repeats(session, seed=0)
    repeats.begin_epoch()
    repeats.see({"x": {1, 2}}, 0)
    assert repeats.end_epoch(1) is None
    assert session.run.problems == ()
