"""Which rows of a batch are held: drawn by their loss at the visit, so that those that may have changed most are likely."""

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
import whygap.adapters.torch_visits
from whygap.adapters.budget import FEWEST_OF_EACH
from whygap.adapters.epoch import FLOOR, Draw, VisitLog, chances, known_classes, rows_of
from whygap.adapters.session import Session
from whygap.adapters.torch import Meter
from whygap.errors import InputError, WhygapWarning

N_BATCHES = 25
EPOCHS, LATER = 6, 3
"""Epochs in all, and one by which everything is as usual."""


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
    """Check that in every batch chances rise with the loss at the visit, and differ by more than a little."""
    for o in observations:
        s = o.sample
        assert s.chance is not None
        at_visit = s.on_rung["visited"][0]
        for unit in range(s.batch.size):
            inside = s.unit == unit
            order = np.argsort(at_visit[inside], kind="stable")
            by_loss = s.chance[inside][order]
            assert np.all(np.diff(by_loss) > -1e-9)
            assert by_loss[-1] > 1.3 * by_loss[0]
        np.testing.assert_allclose(s.visited_mean, o.visits.score[s.batch], rtol=1e-5)


def own_loss(output, target):
    torch.rand(3)  # a loss may draw, and that must leave no trace
    return nn.functional.cross_entropy(output, target, reduction="none")


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), own_loss], ids=["of torch", "own"])
def test_a_high_loss_at_the_visit_makes_a_row_likely(digits, observed, loss):
    _, _, digest = train(digits, [5], loss=loss)
    check_draws(observed)
    assert digest == train(digits, [])[2]


def test_what_is_known_of_rows_are_their_classes(digits, observed):
    train(digits, [5])
    for o in observed:
        known, mean = o.sample.known, o.sample.known_mean
        assert known.shape == (o.sample.unit.size, 9)  # all but the most common one
        assert set(np.unique(known)) == {0.0, 1.0}
        assert known.sum(axis=1).max() == 1.0
        assert mean.sum(axis=0) == pytest.approx([N_BATCHES * 0.1] * 9, rel=0.15)  # of 1,000 digits


def errors_of(digits, seeds):
    """Return the errors of the end-of-epoch loss, (s, epochs), and the share of its intervals that hold the exact one."""
    runs, exact, _ = train(digits, seeds)
    epochs = [run.epochs for run in runs]
    errors = np.array([[gap.rung("end_weights").value for gap in gaps] for gaps in epochs]) - exact
    averaging = [gap.term("averaging").estimate for gaps in epochs for gap in gaps]
    return errors, np.mean([e.low <= e.value - error <= e.high for e, error in zip(averaging, errors.ravel(), strict=True)])


def test_the_estimates_are_unbiased_and_better_than_at_random(digits, monkeypatch):
    errors, covered = errors_of(digits, range(60))
    assert np.all(np.abs(errors.mean(axis=0)) < 4.0 * errors.std(axis=0) / np.sqrt(60))
    assert 0.9 <= covered <= 0.99  # of 360, six of each sample's training
    monkeypatch.setattr(whygap.adapters.torch_visits, "rows_of", lambda draws, loss: rows_of(draws, None))
    at_random, _ = errors_of(digits, range(60))
    assert np.mean(errors**2) < 0.75 * np.mean(at_random**2)


@pytest.mark.parametrize(("room", "n_batches"), [(25, 25), (17, 17), (15, 25)])
def test_no_more_batches_wait_for_the_end_of_an_epoch_than_there_is_room_for(digits, observed, monkeypatch, room, n_batches):
    """Where that is for too few of them, rows are drawn as they come, when nobody knows their losses yet."""
    monkeypatch.setattr(whygap.adapters.torch_visits, "WAITING_BYTES", room * 40 * (64 * 4 + 8))
    monkeypatch.setattr(whygap.adapters.budget, "ENOUGH_LOOKS", 0)  # these are held as a whole all the same
    train(digits, [5])
    for o in observed[1:]:  # without the checks of a first one
        assert o.sample.batch.size == n_batches
        assert (o.sample.chance is not None) == (room == n_batches)


@pytest.mark.parametrize("through_numpy", [False, True])
def test_a_loop_that_writes_into_its_batches(digits, observed, through_numpy):
    """It is told by what it does in the first epoch; all that is held is a copy then, as if it had not written."""

    def double(x):
        if through_numpy:  # which no tensor counts
            x.numpy()[:] *= 2.0
        else:
            x.mul_(2.0)

    def forward(model, batch):
        return model(2.0 * batch[0]), batch[1]

    train(digits, [5], alter=double, forward=forward)
    written, observed[:] = list(observed), []
    doubled = copy.copy(digits)
    doubled.x_train, doubled.x_valid = 2.0 * digits.x_train, 2.0 * digits.x_valid
    train(doubled, [5])
    check_draws(written)
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
        if len(seen) > (LATER - 1) * N_BATCHES + 5:
            x.mul_(1.0)

    with pytest.warns(WhygapWarning, match="1 of 25 batches were written into, as never before"):
        train(digits, [5], alter=write)
    left = observed[LATER - 1].sample.batch.tolist()
    assert len(left) == N_BATCHES - 1
    assert set(range(5)) < set(left)


@settings(max_examples=200, deadline=None)
@given(
    losses=st.lists(st.floats(width=32), min_size=2, max_size=40),
    data=st.data(),
    seed=st.integers(0, 2**32 - 1),
    start=st.floats(0.0, 1.0, exclude_max=True),
)
def test_any_losses_give_as_many_rows_as_were_asked_for(losses, data, seed, start):
    """Endless ones, or none at all, leave the draw to chance alone."""
    loss, rows = np.array(losses, dtype=np.float64), len(losses)
    n = data.draw(st.integers(1, rows))
    draw = Draw(np.random.default_rng(seed).permutation(rows), rows, start).at_most(n)
    chosen, chance = rows_of([draw] * 2, np.stack([loss[::-1], loss]))
    assert chosen.shape == (2, n)
    assert all(len(set(of_batch)) == n for of_batch in chosen)
    if chance is not None:
        assert chance.shape == chosen.shape
        assert np.all((chance > 0.0) & (chance <= 1.0))
        assert FEWEST_OF_EACH <= n < rows
        assert np.all(chance.min(axis=1) < 1.0)  # somebody stands for those that are left out
    else:
        assert n == rows or n < FEWEST_OF_EACH or not np.isfinite(loss).all()


def test_fewer_of_the_rows_held_are_drawn_as_those_were():
    """Where rows were drawn without their losses: had fewer been asked for at the visit, they would have been the same."""
    draw = Draw(np.random.default_rng(0).permutation(40), 20, 0.5)
    many, few = (rows_of([d.at_most(7)], None)[0] for d in (draw, draw._replace(n=9)))
    assert many.tolist() == few.tolist()
    assert draw.at_most(None) == draw


def test_rows_come_as_often_as_their_chances_say():
    rng, counts = np.random.default_rng(0), np.zeros(10)
    loss = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 1.0, 2.0, 4.0, 9.0, 4000.0])
    size = np.sqrt(loss)
    expected = chances((size + FLOOR * size.mean())[None], 6)[0]
    assert expected.sum() == pytest.approx(6.0, abs=1e-12)
    assert expected[9] == 1.0
    for _ in range(4000):
        rows, chance = rows_of([Draw(rng.permutation(10), 6, rng.random())], loss[None])
        np.testing.assert_allclose(chance[0], expected[rows[0]], rtol=1e-9)
        counts[rows[0]] += 1
    assert np.all(np.abs(counts - 4000 * expected) <= 4 * np.sqrt(4000 * expected * (1 - expected)) + 1e-9)


@given(st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=30), st.data())
def test_chances_are_in_proportion_to_sizes_as_far_as_they_can_be(sizes, data):
    size = np.array(sizes)[None]
    n = data.draw(st.integers(1, len(sizes) - 1))
    found = chances(size, n)
    assert found.sum() == pytest.approx(n, rel=1e-9)
    below = found < 1.0 - 1e-9
    ratios = found[below] / size[below]
    assert np.ptp(ratios) <= 1e-6 * ratios.max(initial=0.0) if below.any() else n == len(sizes)
    assert np.all(size[~below] >= size[below].max(initial=0.0) * (1.0 - 1e-9))


class TestClasses:
    def test_the_most_common_one_is_what_others_are_told_apart_from(self):
        batches = [np.repeat([0, 1, 2], [60, 30, 10]), np.repeat([0, 1, 2], [50, 10, 40])]
        columns, shares = known_classes(np.concatenate(batches), batches)
        assert columns.shape == (200, 2)
        assert columns.mean(axis=0).tolist() == [0.25, 0.2]
        np.testing.assert_allclose(shares, [[0.1, 0.3], [0.4, 0.1]])

    @pytest.mark.parametrize("sampled", [[3] * 50, [0] * 45 + [1] * 5, list(range(50)), [0, 1] * 9])
    def test_classes_that_are_alone_rare_or_too_many_are_not_told_apart(self, sampled):
        assert known_classes(np.array(sampled), [np.array(sampled)]) is None

    def test_no_more_are_told_apart_than_there_are_examples_for(self):
        many = np.arange(30).repeat(10)
        assert known_classes(many, [many])[0].shape == (300, 15)
        more = np.arange(30).repeat(100)
        assert known_classes(more, [more])[0].shape == (3000, 20)
