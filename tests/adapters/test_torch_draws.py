"""Which rows of a batch are held: those with the highest loss at the visit, where that tells, and others at random."""

import copy
import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import whygap.adapters.budget
import whygap.adapters.session
from whygap.adapters.epoch import Draw, VisitLog, rows_of
from whygap.adapters.session import Session
from whygap.adapters.torch import Meter
from whygap.errors import InputError, WhygapWarning

N_BATCHES = 25
EPOCHS, FIRST = 6, 3
"""Epochs in all, and the first one for which those before it favour the worst."""


def exact_loss(model, digits):
    twin = copy.deepcopy(model).double().eval()
    with torch.no_grad():
        return float(
            nn.functional.cross_entropy(twin(torch.as_tensor(digits.x_train).double()), torch.as_tensor(digits.y_train))
        )


def train(digits, seeds, *, alter=None, collate=None, **options):
    """Train once with as many meters as there are seeds; return their runs, the exact loss of every epoch, and a digest."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    data = TensorDataset(torch.as_tensor(digits.x_train), torch.as_tensor(digits.y_train))
    batches = DataLoader(data, batch_size=40, shuffle=True, collate_fn=collate)
    valid = [(torch.as_tensor(digits.x_valid), torch.as_tensor(digits.y_valid))]
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    options = {"loss": nn.CrossEntropyLoss(), "valid": valid, "budget": 400, "store": False} | options
    meters = [Meter(model, seed=seed, **options) for seed in seeds]
    digest, exact = hashlib.sha256(), []
    for _ in range(EPOCHS):
        model.train()
        walk = batches
        for meter in meters:
            walk = meter.train(walk)
        for x, y in walk:
            if alter is not None:
                alter(x)
            value = nn.functional.cross_entropy(model(x), y)
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
            digest.update(value.detach().numpy().tobytes())
            for meter in meters:
                meter.record(value)
        for meter in meters:
            meter.end_epoch()
        exact.append(exact_loss(model, digits))
    digest.update(torch.get_rng_state().numpy().tobytes())
    return [meter.run for meter in meters], np.array(exact), digest.hexdigest()


@pytest.fixture(autouse=True, params=[0, 8], ids=["no looks", "looks"])
def looks(request, monkeypatch):
    """Visits that are scored again after their step are held as a whole, others not before the model has seen them."""
    monkeypatch.setattr(whygap.adapters.budget, "ENOUGH_LOOKS", request.param)
    return request.param


@pytest.fixture
def observed(monkeypatch):
    """The observations that meters make, one after another."""
    found, end_epoch = [], Session.end_epoch
    monkeypatch.setattr(Session, "end_epoch", lambda self, o, **more: found.extend(o) or end_epoch(self, o, **more))
    return found


def check_draws(observations):
    """Check that in every batch those that were sure had the highest losses at the visit."""
    for o in observations:
        s = o.sample
        assert s.is_sure is not None
        at_visit = s.on_rung["visited"][0]
        for unit in range(s.batch.size):
            inside = s.unit == unit
            assert s.is_sure[inside].sum() == inside.sum() // 2
            assert at_visit[inside & s.is_sure].min() >= at_visit[inside & ~s.is_sure].max()


def own_loss(output, target):
    torch.rand(3)  # a loss may draw, and that must leave no trace
    return nn.functional.cross_entropy(output, target, reduction="none")


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), own_loss], ids=["of torch", "own"])
def test_the_worst_are_held_once_an_epoch_has_shown_that_it_pays(digits, observed, loss):
    _, _, digest = train(digits, [5], loss=loss)
    assert all(o.sample.is_sure is None for o in observed[: FIRST - 1])
    check_draws(observed[FIRST - 1 :])
    assert digest == train(digits, [])[2]


def errors_of(digits, seeds):
    """Return the errors of the end-of-epoch loss, (s, epochs), and the share of its intervals that hold the exact one."""
    runs, exact, _ = train(digits, seeds)
    epochs = [run.epochs[FIRST - 1 :] for run in runs]
    errors = np.array([[gap.rung("end_weights").value for gap in gaps] for gaps in epochs]) - exact[FIRST - 1 :]
    averaging = [gap.term("averaging").estimate for gaps in epochs for gap in gaps]
    return errors, np.mean([e.low <= e.value - error <= e.high for e, error in zip(averaging, errors.ravel(), strict=True)])


def test_the_estimates_are_unbiased_and_better_than_at_random(digits, monkeypatch):
    errors, covered = errors_of(digits, range(60))
    assert np.all(np.abs(errors.mean(axis=0)) < 4.0 * errors.std(axis=0) / np.sqrt(60))
    assert 0.9 <= covered <= 0.99  # of 240, four of each sample's training
    monkeypatch.setattr(Session, "are_worst_sure", False)
    at_random, _ = errors_of(digits, range(60))
    assert np.mean(errors**2) < 0.75 * np.mean(at_random**2)


def test_where_losses_at_the_visits_tell_nothing_rows_are_drawn_at_random(digits, observed, monkeypatch):
    monkeypatch.setattr(whygap.adapters.session, "compare_draws", lambda o, rungs: 1.1)
    train(digits, [5])
    assert all(o.sample.is_sure is None for o in observed)


@pytest.mark.parametrize("through_numpy", [False, True])
def test_a_loop_that_writes_into_its_batches(digits, observed, monkeypatch, through_numpy):
    """It is told by what it does in the first epoch; all that is held is a copy then, as if it had not written."""

    def double(x):
        if through_numpy:  # which no tensor counts
            x.numpy()[:] *= 2.0
        else:
            x.mul_(2.0)

    def forward(model, batch):
        return model(2.0 * batch[0]), batch[1]

    monkeypatch.setattr(whygap.adapters.session, "compare_draws", lambda o, rungs: 0.1)
    train(digits, [5], alter=double, forward=forward)
    written, observed[:] = list(observed), []
    doubled = copy.copy(digits)
    doubled.x_train, doubled.x_valid = 2.0 * digits.x_train, 2.0 * digits.x_valid
    train(doubled, [5])
    check_draws(written[FIRST - 1 :])
    for one, other in zip(written, observed, strict=True):
        for rung, scores in one.sample.on_rung.items():
            np.testing.assert_array_equal(scores, other.sample.on_rung[rung])


def test_batches_in_memory_that_a_loader_fills_again_are_copied(digits, observed):
    """Which no tensor tells: the memory is another library's."""
    x, y = np.empty((40, 64), np.float32), np.empty(40, np.int64)

    def refill(rows):
        for k, (features, target) in enumerate(rows):
            x[k], y[k] = features, target
        return torch.from_numpy(x), torch.from_numpy(y)

    train(digits, [5], collate=refill)
    refilled, observed[:] = list(observed), []
    train(digits, [5])
    for one, other in zip(refilled, observed, strict=True):
        for rung, scores in one.sample.on_rung.items():
            np.testing.assert_array_equal(scores, other.sample.on_rung[rung])


def test_a_loop_that_begins_to_write_into_its_batches_is_told(digits, looks, monkeypatch):
    monkeypatch.setattr(VisitLog, "is_checking", False)
    calls = []

    def later(x):
        calls.append(1)
        if len(calls) > 40:
            x.mul_(2.0)

    with pytest.raises(InputError, match=r"comparing|written into, as never before"):
        train(digits, [5], alter=later)


def test_what_was_written_into_after_its_visit_is_left_out(digits, observed, monkeypatch):
    """A batch that is held, and not copied, and that the loop keeps and writes into an epoch's end."""
    monkeypatch.delenv("WHYGAP_STRICT", raising=False)
    kept = []

    def keep(x):
        kept.append(x)
        if len(kept) == 2 * N_BATCHES:  # the last step of epoch 2
            for old in kept[N_BATCHES : N_BATCHES + 5]:
                old.zero_()

    with pytest.warns(WhygapWarning, match="of 25 batches were written into, as never before"):
        runs, _, _ = train(digits, [5], alter=keep)
    left = set(observed[1].sample.batch.tolist())
    assert left >= set(range(5, N_BATCHES))
    assert len(left) < N_BATCHES
    assert observed[2].sample.batch.size == N_BATCHES  # copied now
    assert all(gap.gap is not None for gap in runs[0].epochs)


def test_once_a_batch_was_written_into_the_next_ones_are_copied(digits, observed, looks, monkeypatch):
    """In the same epoch, in which those before it were held as they are."""
    monkeypatch.delenv("WHYGAP_STRICT", raising=False)
    seen = []

    def write(x):
        seen.append(x)
        if len(seen) > (FIRST - 1) * N_BATCHES + 5:
            x.mul_(1.0)

    with pytest.warns(WhygapWarning, match="1 of 25 batches were written into, as never before"):
        train(digits, [5], alter=write)
    left = observed[FIRST - 1].sample.batch.tolist()
    assert len(left) == N_BATCHES - 1
    assert set(range(5)) < set(left)


@settings(max_examples=200, deadline=None)
@given(
    losses=st.lists(st.floats(allow_nan=False, width=32), min_size=2, max_size=40),
    data=st.data(),
    seed=st.integers(0, 2**32 - 1),
)
def test_fewer_of_the_rows_held_are_drawn_as_those_were(losses, data, seed):
    """Had fewer been asked for at the visit, they would have been the same."""
    loss = np.array(losses)
    n = data.draw(st.integers(1, len(losses)))
    fewer = data.draw(st.integers(1, n))
    order = np.random.default_rng(seed).permutation(len(losses))
    (many, sure_of_many), (few, sure_of_few) = (
        rows_of([Draw(order, first, top=first // 2).at_most(fewer)] * 2, np.stack([loss[::-1], loss])) for first in (n, fewer)
    )
    assert many.shape == few.shape == (2, fewer)
    many, few = many[1], few[1]  # the batch beside it has other losses
    assert len(set(many)) == fewer
    sure = [set() if is_sure is None else set(rows[is_sure[1]]) for rows, is_sure in ((many, sure_of_many), (few, sure_of_few))]
    assert sorted(loss[list(sure[0])]) == sorted(loss[list(sure[1])])  # of equal losses either
    if len(set(losses)) == len(losses):
        assert set(many) == set(few)
        assert sure[0] == sure[1]


def test_every_row_that_is_not_sure_is_as_likely_as_the_others():
    rng, counts = np.random.default_rng(0), np.zeros(10)
    loss = np.arange(10.0)
    for _ in range(3000):
        rows, is_sure = rows_of([Draw(rng.permutation(10), 5, 2)], loss[None])
        assert set(rows[is_sure]) == {8, 9}
        counts[rows[0]] += 1
    assert np.all(counts[8:] == 3000)
    assert np.all(np.abs(counts[:8] - 3000 * 3 / 8) < 4 * np.sqrt(3000 * 3 / 8 * 5 / 8))
