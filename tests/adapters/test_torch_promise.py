"""Bit for bit the same run, with and without the meter, and whatever fails inside it."""

import hashlib
import random
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

import whygap.adapters.budget
import whygap.adapters.epoch
import whygap.adapters.repeats
import whygap.adapters.session
import whygap.adapters.spread
import whygap.adapters.torch
import whygap.adapters.torch_scores
import whygap.adapters.torch_valid
import whygap.adapters.torch_visits
from whygap.adapters.torch import Meter


class Noisy(Dataset):
    """Augments with the global generators of all three libraries, as real datasets do."""

    def __init__(self, x, y):
        self.x, self.y = torch.as_tensor(x), torch.as_tensor(y)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        jitter = 0.01 * (torch.randn(()) + np.random.standard_normal() + random.gauss(0, 1))  # noqa: NPY002
        return self.x[i] + jitter.float(), self.y[i]


class Awkward(nn.Module):
    """Dropout, batch norm, a frozen batch norm, and a forward that counts and keeps a running tensor of its own."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.drop = nn.Linear(64, 32), nn.BatchNorm1d(32), nn.Dropout(0.4)
        self.frozen, self.last = nn.BatchNorm1d(32), nn.Linear(32, 10)
        self.n_calls = 0
        self.scale = torch.ones(())

    def train(self, mode=True):
        super().train(mode)
        self.frozen.eval()
        return self

    def forward(self, x):
        self.n_calls += 1
        with torch.no_grad():
            self.scale.mul_(0.999).add_(0.001 * x.abs().mean())
        return self.last(self.frozen(self.drop(torch.relu(self.norm(self.first(x))))) * self.scale)


def run(digits, metered, *, workers=0, epochs=3, before=None):
    """Train and return a digest of everything that a user could notice."""
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    random.seed(3)
    model = Awkward()
    train = DataLoader(Noisy(digits.x_train, digits.y_train), batch_size=48, shuffle=True, num_workers=workers)
    own = torch.Generator().manual_seed(5)
    valid = DataLoader(Noisy(digits.x_valid, digits.y_valid), batch_size=100, shuffle=True, generator=own)
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    options = {"budget": "exact", "store": False, "valid": valid} | (metered or {})
    averaged = None
    if "weights" in options and options["weights"] is not None:
        averaged, options["weights"] = options["weights"](model)
    meter = Meter(model, nn.CrossEntropyLoss(), **options) if metered is not None else None
    watches = metered is not None and options["valid"] is None
    if before:
        before(meter)
    digest, calls = hashlib.sha256(), []
    model.first.register_forward_hook(lambda module, given, output: calls.append(module.training))
    for _ in range(epochs):
        model.train()
        for x, y in meter.train(train) if meter else train:
            output = model(x)
            loss = nn.functional.cross_entropy(output, y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            digest.update(x.numpy().tobytes() + loss.detach().numpy().tobytes())
            if meter:
                meter.record(loss)
            if averaged:
                averaged.update_parameters(model)
        if meter and not watches:
            meter.end_epoch()
        model.eval()
        with torch.no_grad():
            for x, y in meter.validate(valid) if watches else valid:
                digest.update(nn.functional.cross_entropy(model(x), y).numpy().tobytes())
        if watches:
            meter.end_epoch()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode() + tensor.numpy().tobytes())
    digest.update(repr((model.n_calls, model.scale.item(), [m.training for m in model.modules()])).encode())
    digest.update(torch.get_rng_state().numpy().tobytes() + repr(random.getstate()).encode())
    digest.update(np.random.get_state()[1].tobytes())  # noqa: NPY002
    if meter:
        meter.explain()
        meter.close()
    return digest.hexdigest(), meter


@pytest.fixture(scope="module")
def bare(digits):
    digest, _ = run(digits, None)
    again, _ = run(digits, None)
    assert digest == again  # else the comparison would mean nothing
    return digest


@pytest.mark.parametrize("budget", ["exact", 100, 0.9])
@pytest.mark.parametrize("options", [{"store": False}, {"store": None}, {"valid": None}], ids=["no store", "store", "validate"])
def test_bit_for_bit_the_same_run(digits, bare, budget, options):
    digest, meter = run(digits, {"budget": budget} | options)
    assert digest == bare
    assert len(meter.run.epochs) == 3
    assert all(g.term("generalisation") for g in meter.run.epochs)
    assert all(g.term("mode") and g.term("averaging") for g in meter.run.epochs if budget != 0.9)


def without_jitter(batch):
    """A clean view that draws from every generator and writes into the batch that it is given."""
    batch[0].add_(0.01 * torch.randn(()) + np.random.standard_normal() * random.random())  # noqa: NPY002
    return batch[0] * 1.0, batch[1]


def averaged_model(model):
    averaged = torch.optim.swa_utils.AveragedModel(model)
    return averaged, averaged


def state_dict(model):
    return None, lambda: {name: tensor * 0.99 for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("budget", ["exact", 100])
@pytest.mark.parametrize("valid", [True, False])
@pytest.mark.parametrize("weights", [averaged_model, state_dict])
def test_the_same_with_all_that_validation_does_otherwise(digits, bare, budget, valid, weights):
    options = {"clean": without_jitter, "criterion": nn.CrossEntropyLoss(label_smoothing=0.1), "weights": weights}
    fresh = DataLoader(Noisy(digits.x_fresh, digits.y_fresh), batch_size=100, shuffle=True)
    digest, meter = run(digits, {"budget": budget, "fresh": fresh} | options | ({} if valid else {"valid": None}))
    assert digest == bare
    assert all(g.term(c) for g in meter.run.epochs for c in ("augmentation", "criterion", "weights", "memorisation"))


def test_the_same_with_worker_processes(digits):
    assert run(digits, None, workers=2, epochs=2)[0] == run(digits, {"budget": 100}, workers=2, epochs=2)[0]


def test_the_comparison_would_notice_one_draw_more(digits, bare):
    digest, _ = run(digits, None, before=lambda meter: torch.rand(()))
    assert digest != bare


def fails(*arguments, **keywords):
    torch.rand(7)  # leaves its traces before it fails
    np.random.rand(7)  # noqa: NPY002
    random.random()
    raise RuntimeError("planted")


def fails_in_bookkeeping(*arguments, **keywords):
    """What runs at every batch draws nothing, and its random state isn't saved for the time of it."""
    raise RuntimeError("planted")


def fails_in_the_middle(self, batch, functions=None, model=None):
    torch.rand(7)
    self._model.train(not self._model.training)
    self._model.norm.running_mean.add_(1.0)
    self._model.n_calls += 100
    raise RuntimeError("planted")


PLANTED = [
    (whygap.adapters.torch.Meter, "_begin_visits", fails_in_bookkeeping),
    (whygap.adapters.torch, "score_rungs", fails),
    (whygap.adapters.torch, "build_observation", fails),
    (whygap.adapters.torch.Meter, "_measure", fails),
    (whygap.adapters.torch.Meter, "_see", fails_in_bookkeeping),
    (whygap.adapters.torch_visits, "copied", fails_in_bookkeeping),
    (whygap.adapters.torch_visits.Onlooker, "score", fails_in_the_middle),
    (whygap.adapters.torch_visits.Onlooker, "sound", fails),
    (whygap.adapters.torch_visits.Onlooker, "pair", fails),
    (whygap.adapters.torch_visits.Onlooker, "look_after_step", fails),
    (whygap.adapters.torch_scores, "one_per_example", fails),
    (whygap.adapters.torch_valid, "count_rows", fails_in_bookkeeping),
    (whygap.adapters.torch_valid.ValidationWatch, "watch", fails_in_bookkeeping),
    (whygap.adapters.torch_valid.ValidationWatch, "side", fails),
    (whygap.adapters.epoch.VisitLog, "__init__", fails_in_bookkeeping),
    (whygap.adapters.epoch.VisitLog, "sample", fails),
    (whygap.adapters.repeats, "hash_examples", fails_in_bookkeeping),
    (whygap.adapters.repeats, "judge_repetition", fails_in_bookkeeping),
    (whygap.adapters.spread.Spread, "take", fails_in_bookkeeping),
    (whygap.adapters.spread.Spread, "keep", fails_in_bookkeeping),
    (whygap.adapters.budget.Ledger, "plan", fails_in_bookkeeping),
    (whygap.adapters.session, "build_epoch_gap", fails),
    (whygap.adapters.session, "Store", fails),
    (whygap.adapters.session, "judge", fails),
]


WATCHING = (whygap.adapters.torch_valid, whygap.adapters.torch_valid.ValidationWatch)


@pytest.mark.parametrize(("place", "name", "bug"), PLANTED, ids=[f"{p.__name__}.{n}" for p, n, _ in PLANTED])
@pytest.mark.parametrize("as_error", [False, True], ids=["warns", "warnings-are-errors"])
def test_a_bug_inside_leaves_the_run_as_it_is_and_warns_once(digits, bare, monkeypatch, capsys, place, name, bug, as_error):
    monkeypatch.delenv("WHYGAP_STRICT")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("error" if as_error else "always")
        options = {"store": None, "budget": 100} | ({"valid": None} if place in WATCHING else {})
        digest, meter = run(digits, options, before=lambda meter: monkeypatch.setattr(place, name, bug))
    assert digest == bare
    told = capsys.readouterr().err.splitlines() if as_error else [str(w.message) for w in caught]
    assert len(told) == 1
    assert "planted" in told[0]
    assert [p.text for p in meter.run.problems if "planted" in p.text]
    assert len(meter.run.epochs) == 3  # every epoch is there, if only with the reason why it could not be measured


def test_strict_raises(digits, monkeypatch):
    with pytest.raises(RuntimeError, match="planted"):
        run(digits, {}, before=lambda meter: monkeypatch.setattr(whygap.adapters.torch, "score_rungs", fails))
