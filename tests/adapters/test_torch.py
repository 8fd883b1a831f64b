"""The meter against plain PyTorch code that evaluates the same things the slow and obvious way."""

import copy
import itertools
import sqlite3
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from whygap.adapters.session import Session
from whygap.adapters.torch import Meter
from whygap.errors import InputError, WhygapWarning


def loader(x, y, batch_size=32, *, shuffle=False):
    return DataLoader(TensorDataset(torch.as_tensor(x), torch.as_tensor(y)), batch_size=batch_size, shuffle=shuffle)


def network(*, dropout=0.0, norm=False):
    layers = [nn.Linear(64, 32), *([nn.BatchNorm1d(32)] if norm else []), nn.ReLU()]
    return nn.Sequential(*layers, *([nn.Dropout(dropout)] if dropout else []), nn.Linear(32, 10))


def mean_loss(model, x, y, weight=None):
    """Mean cross entropy of all rows in eval mode, in double precision, with nothing of whygap."""
    twin = copy.deepcopy(model).double().eval()
    with torch.no_grad():
        losses = nn.functional.cross_entropy(twin(torch.as_tensor(x).double()), torch.as_tensor(y), reduction="none")
    return float(losses.mean())


def fit(model, meter, digits, *, epochs=3, batch_size=32, after_epoch=None, penalty=None):
    torch.manual_seed(1)
    batches = loader(digits.x_train, digits.y_train, batch_size, shuffle=True)
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        model.train()
        recorded = []
        for x, y in meter.train(batches):
            output = model(x)
            loss = nn.functional.cross_entropy(output, y)
            extra = penalty(model) if penalty else torch.zeros(())
            optimiser.zero_grad()
            (loss + extra).backward()
            optimiser.step()
            meter.record(
                loss + extra, penalty=extra, **({"accuracy": (output.argmax(1) == y).float().mean()} if penalty is None else {})
            )
            recorded.append(float((loss + extra).detach()))
        gap = meter.end_epoch()
        if after_epoch:
            after_epoch(gap, recorded)


def make(model, digits, **options):
    options = {"store": False, "budget": "exact"} | options
    return Meter(model, nn.CrossEntropyLoss(), valid=loader(digits.x_valid, digits.y_valid, 100), **options)


def test_exact_terms_equal_a_full_evaluation(digits):
    torch.manual_seed(0)
    model = network()
    seen = []

    def check(gap, recorded):
        train, valid = mean_loss(model, digits.x_train, digits.y_train), mean_loss(model, digits.x_valid, digits.y_valid)
        # 1,000 rows are 31 batches of 32 and one of 8: the mean over batches counts those 8 four times
        sizes = np.array([32] * 31 + [8])
        visited = float(np.dot(sizes, recorded) / 1000)
        assert gap.term("reduction").value == pytest.approx(visited - np.mean(recorded), abs=1e-9)
        assert gap.term("averaging").value == pytest.approx(train - visited, abs=1e-6)
        assert gap.term("generalisation").value == pytest.approx(valid - train, abs=1e-6)
        assert gap.gap.value == pytest.approx(valid - np.mean(recorded), abs=1e-6)
        assert gap.term("averaging").estimate.how == "exact"
        assert [t.cause for t in gap.terms] == ["reduction", "averaging", "generalisation"]
        seen.append(gap)

    fit(model, make(model, digits), digits, after_epoch=check)
    assert len(seen) == 3


def test_sampled_terms_cover_the_exact_ones(digits):
    exact, covered, total = {}, 0, 0
    for budget in ("exact", 256, 257, 258):  # other budgets only to draw other samples
        torch.manual_seed(0)
        model = network(dropout=0.3)
        meter = make(model, digits, budget=budget, seed=0 if budget == "exact" else budget, scores=["accuracy"])
        fit(model, meter, digits, epochs=6)
        for gap in meter.run.epochs:
            for term in gap.terms:
                key = (gap.epoch, gap.score.name, term.cause)
                if budget == "exact":
                    exact[key] = term.value
                elif term.estimate.how == "sampled":
                    total += 1
                    covered += term.estimate.low <= exact[key] <= term.estimate.high
    assert total == 3 * 6 * 2 * 3  # samples, epochs, scores; averaging, mode and generalisation
    # Binomial(108, 0.95) is below 96 with a probability of 0.5 %
    assert covered >= 96


def test_mode_of_dropout_and_batch_norm_equals_many_evaluations(digits):
    torch.manual_seed(0)
    model = network(dropout=0.5, norm=True)
    hits = []

    def check(gap, recorded):
        torch_state = torch.get_rng_state()  # else every epoch would have the order and the masks of the one before
        rng, means = np.random.default_rng(gap.epoch), []
        for repeat in range(40):
            torch.manual_seed(1000 + repeat)
            twin = copy.deepcopy(model).train()
            order = rng.permutation(1000)
            with torch.no_grad():
                losses = [
                    nn.functional.cross_entropy(
                        twin(torch.as_tensor(digits.x_train[part])), torch.as_tensor(digits.y_train[part]), reduction="sum"
                    )
                    for part in np.array_split(order, range(32, 1000, 32))
                ]
            means.append(float(sum(losses)) / 1000)
        torch.set_rng_state(torch_state)
        truth = mean_loss(model, digits.x_train, digits.y_train) - np.mean(means)
        mode = gap.term("mode").estimate
        assert mode.value == pytest.approx(truth, abs=3 * mode.se + 4 * np.std(means) / 40**0.5)
        assert abs(mode.value) > 3 * mode.se or gap.epoch == 1
        hits.append(mode.low <= truth <= mode.high)

    fit(model, make(model, digits), digits, epochs=5, after_epoch=check)
    assert sum(hits) >= 4


def test_penalty_that_is_recorded_is_a_term_of_its_own(digits):
    torch.manual_seed(0)
    model = network()

    def l2(net):
        return 0.01 * sum((p**2).sum() for p in net.parameters())

    def check(gap, recorded):
        penalties.append(gap.term("penalty").value)
        assert gap.term("penalty").estimate.how == "exact"
        assert gap.term("averaging").value < 0
        assert gap.notes == ()

    penalties = []
    fit(model, make(model, digits), digits, after_epoch=check, penalty=l2)
    assert all(p < -0.01 for p in penalties)


@pytest.mark.parametrize("budget", ["exact", 256])
def test_penalty_that_is_not_told_shows_in_the_reduction_with_a_note(digits, budget):
    torch.manual_seed(0)
    model = network()
    meter = make(model, digits, budget=budget)
    for x, y in meter.train(loader(digits.x_train, digits.y_train, 40)):
        meter.record(nn.functional.cross_entropy(model(x), y) + 0.5)
    gap = meter.end_epoch()
    term = gap.term("reduction").estimate
    assert term.value == pytest.approx(-0.5, abs=1e-5)
    assert "record() was not told of" in gap.notes[0]


@pytest.mark.parametrize("reduction", ["batches", "rows", "last"])
def test_reductions(digits, reduction):
    torch.manual_seed(0)
    model = network()
    meter = make(model, digits, reduction=reduction)
    losses, sizes = [], []
    for x, y in meter.train(loader(digits.x_train, digits.y_train, 300)):
        losses.append(nn.functional.cross_entropy(model(x), y).item())
        sizes.append(len(x))
        meter.record(losses[-1])
    gap = meter.end_epoch()
    expected = {"batches": np.mean(losses), "rows": np.dot(losses, sizes) / 1000, "last": losses[-1]}[reduction]
    assert gap.train_reported == pytest.approx(expected, rel=1e-12)
    visited = np.dot(losses, sizes) / 1000
    term = gap.term("reduction")
    assert (term is None) == (reduction == "rows")
    if term:
        assert term.value == pytest.approx(visited - expected, abs=1e-9)
    assert gap.term("averaging").value == pytest.approx(0.0, abs=1e-6)  # nothing was trained


def test_the_number_that_you_report_is_taken_as_it_is(digits):
    model = network()
    meter = make(model, digits)
    for x, y in meter.train(loader(digits.x_train, digits.y_train)):
        meter.record(nn.functional.cross_entropy(model(x), y))
    gap = meter.end_epoch(train={"loss": 7.0}, valid={"loss": 5.0})
    assert (gap.train_reported, gap.valid_reported) == (7.0, 5.0)
    assert gap.gap.value == -2.0
    assert gap.term("reduction_valid").value == pytest.approx(5.0 - gap.rung("valid").value)


def test_a_third_sample_splits_generalisation(digits):
    torch.manual_seed(0)
    model = network()
    meter = make(model, digits, fresh=loader(digits.x_fresh, digits.y_fresh))

    def check(gap, recorded):
        train, fresh, valid = (
            mean_loss(model, x, y)
            for x, y in ((digits.x_train, digits.y_train), (digits.x_fresh, digits.y_fresh), (digits.x_valid, digits.y_valid))
        )
        assert gap.term("memorisation").value == pytest.approx(fresh - train, abs=1e-6)
        assert gap.term("shift").value == pytest.approx(valid - fresh, abs=1e-6)
        assert gap.term("generalisation") is None

    fit(model, meter, digits, epochs=2, after_epoch=check)


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(32, 10), nn.Linear(32, 10)

    def forward(self, left, right):
        both = self.left(left) + self.right(right)
        return {"digit": both, "is_even": both[:, :1]}


def two_losses(output, target):
    digit = nn.functional.cross_entropy(output["digit"], target["digit"], reduction="none")
    even = nn.functional.binary_cross_entropy_with_logits(output["is_even"][:, 0], target["is_even"], reduction="none")
    return digit + even


@pytest.mark.parametrize("shape", ["dict", "tuple", "pair"])
@pytest.mark.parametrize("budget", ["exact", 128])
def test_several_inputs_and_outputs(digits, shape, budget):
    def batches(x, y):
        for start in range(0, len(x), 50):
            left, right = torch.as_tensor(x[start : start + 50, :32]), torch.as_tensor(x[start : start + 50, 32:])
            digit = torch.as_tensor(y[start : start + 50])
            target = {"digit": digit, "is_even": (digit % 2 == 0).float()}
            yield {
                "dict": {"left": left, "right": right, "labels": target},
                "tuple": (left, right, target),
                "pair": ({"left": left, "right": right}, target),
            }[shape]

    torch.manual_seed(0)
    model = TwoInputs()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    meter = Meter(model, two_losses, valid=list(batches(digits.x_valid, digits.y_valid)), budget=budget, store=False)
    for batch in meter.train(batches(digits.x_train, digits.y_train)):
        if shape == "dict":
            inputs, target = (batch["left"], batch["right"]), batch["labels"]
        elif shape == "tuple":
            inputs, target = batch[:2], batch[2]
        else:
            inputs, target = tuple(batch[0].values()), batch[1]
        loss = two_losses(model(*inputs), target).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        meter.record(loss)
    gap = meter.end_epoch()
    assert [t.cause for t in gap.terms] == ["averaging", "generalisation"]
    assert gap.term("averaging").value < 0
    assert gap.notes == ()


def test_a_forward_of_your_own(digits):
    def forward(net, batch):
        return net(batch["image"] * 2), batch["digit"]

    torch.manual_seed(0)
    model = network()
    data = [
        {"image": torch.as_tensor(digits.x_train[i : i + 50]), "digit": torch.as_tensor(digits.y_train[i : i + 50])}
        for i in range(0, 1000, 50)
    ]
    meter = Meter(model, nn.CrossEntropyLoss(), valid=data[:4], forward=forward, budget="exact", store=False)
    for batch in meter.train(data):
        meter.record(nn.functional.cross_entropy(model(batch["image"] * 2), batch["digit"]))
    gap = meter.end_epoch()
    assert gap.term("averaging").value == pytest.approx(0.0, abs=1e-6)
    assert gap.notes == ()


def test_a_transform_in_the_loop_is_noticed(digits, monkeypatch):
    monkeypatch.delenv("WHYGAP_STRICT")
    model = network()
    meter = make(model, digits)
    with pytest.warns(WhygapWarning, match="something else than the loader's batch"):
        for x, y in meter.train(loader(digits.x_train, digits.y_train)):
            meter.record(nn.functional.cross_entropy(model(x * 2), y))
    meter.end_epoch()


def test_a_frozen_batch_norm_stays_frozen_in_train_mode(digits):
    torch.manual_seed(0)
    model = network(norm=True)
    with torch.no_grad():
        model[1].running_mean.add_(1.0)
    meter = make(model, digits)
    model.train()
    model[1].eval()
    for x, y in meter.train(loader(digits.x_train, digits.y_train)):
        meter.record(nn.functional.cross_entropy(model(x), y))
    gap = meter.end_epoch()
    assert gap.term("mode") is None
    assert gap.term("averaging").value == pytest.approx(0.0, abs=1e-6)


# ---------------------------------------------------------------- awkward input


def train_once(meter, model, batches, loss=nn.functional.cross_entropy):
    for x, y in meter.train(batches):
        meter.record(loss(model(x), y))
    return meter.end_epoch()


def one_line(error):
    text = str(error.value)
    assert text
    assert "\n" not in text
    return text


def test_an_empty_validation_set_is_refused_before_training(digits):
    with pytest.raises(InputError) as error:
        Meter(network(), nn.CrossEntropyLoss(), valid=[], store=False)
    assert "validation" in one_line(error) or "valid" in one_line(error)


def test_a_validation_loader_that_turns_out_empty(digits):
    class Empty:
        def __iter__(self):
            return iter(())

    model = network()
    meter = Meter(model, nn.CrossEntropyLoss(), valid=Empty(), store=False)
    with pytest.raises(InputError, match="validation set is empty"):
        train_once(meter, model, loader(digits.x_train, digits.y_train))


def test_without_strictness_the_same_is_one_warning_and_the_run_goes_on(digits, monkeypatch):
    monkeypatch.delenv("WHYGAP_STRICT")

    class Empty:
        def __iter__(self):
            return iter(())

    model = network()
    meter = Meter(model, nn.CrossEntropyLoss(), valid=Empty(), store=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            gap = train_once(meter, model, loader(digits.x_train, digits.y_train))
    assert [w.category for w in caught] == [WhygapWarning]
    assert "validation set is empty" in str(caught[0].message)
    assert gap.gap is None
    assert "validation set is empty" in gap.notes[0]
    assert len(meter.run.epochs) == 3
    assert "empty" in meter.explain().warnings[0]


def test_one_training_and_one_validation_example(digits):
    model = network()
    meter = Meter(model, nn.CrossEntropyLoss(), valid=loader(digits.x_valid[:1], digits.y_valid[:1]), store=False)
    gap = train_once(meter, model, loader(digits.x_train[:1], digits.y_train[:1]))
    assert gap.gap is not None
    assert not gap.term("generalisation").estimate.reliable
    assert meter.explain().overfitting.state == "cannot_tell"


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_losses_that_are_not_finite(digits, bad):
    model = network()
    meter = make(model, digits)
    for k, (x, y) in enumerate(meter.train(loader(digits.x_train, digits.y_train))):
        meter.record(nn.functional.cross_entropy(model(x), y) * (bad if k == 3 else 1.0))
    gap = meter.end_epoch()
    assert gap.gap is None
    assert gap.train_reported is None
    assert "training loss is" in gap.notes[-1]
    assert "training loss is" in meter.explain().warnings[0]
    assert "no gap to explain" in meter.explain().headline


def test_weights_that_are_not_finite(digits):
    model = network()
    with torch.no_grad():
        model[0].weight.fill_(float("nan"))
    gap = train_once(make(model, digits), model, loader(digits.x_train, digits.y_train))
    assert gap.gap is None
    assert len(gap.notes) >= 2


def test_a_scalar_loss_is_told_with_the_way_out(digits):
    model = network()
    meter = Meter(model, nn.functional.cross_entropy, valid=loader(digits.x_valid, digits.y_valid), store=False)
    with pytest.raises(InputError, match=r"scalar for a batch of 32 examples.*reduction='none'"):
        train_once(meter, model, loader(digits.x_train, digits.y_train))


def test_batches_of_any_size_from_a_one_shot_generator(digits):
    sizes = [1, 7, 300, 2, 150, 40, 500]
    edges = np.cumsum([0, *sizes])

    def once():
        for a, b in itertools.pairwise(edges):
            yield torch.as_tensor(digits.x_train[a:b]), torch.as_tensor(digits.y_train[a:b])

    model = network()
    one_shot_valid = iter(list(loader(digits.x_valid, digits.y_valid)))
    meter = Meter(model, nn.CrossEntropyLoss(), valid=one_shot_valid, budget="exact", store=False)
    for _ in range(2):  # the validation iterator can be walked only once, and is needed twice
        gap = train_once(meter, model, once())
        assert gap.term("averaging").value == pytest.approx(0.0, abs=1e-6)
        assert gap.term("generalisation").value == pytest.approx(
            mean_loss(model, digits.x_valid, digits.y_valid) - mean_loss(model, digits.x_train, digits.y_train), abs=1e-6
        )


def test_a_spent_generator_is_told(digits):
    model = network()
    meter = make(model, digits)
    spent = iter(loader(digits.x_train, digits.y_train))
    train_once(meter, model, spent)
    with pytest.raises(InputError, match=r"epoch 2: the training loader gave no batch.*only once"):
        train_once(meter, model, spent)


def test_a_model_without_parameters(digits):
    class Fixed(nn.Module):
        def forward(self, x):
            return x[:, :10]

    model = Fixed()
    gap = train_once(make(model, digits), model, loader(digits.x_train, digits.y_train, 50))
    assert gap.term("averaging").value == pytest.approx(0.0, abs=1e-6)
    assert gap.term("generalisation") is not None


def test_leaving_the_loop_early_counts_what_was_trained_on(digits):
    model = network()
    meter = make(model, digits)
    for k, (x, y) in enumerate(meter.train(loader(digits.x_train, digits.y_train, 50))):
        if k == 7:
            break
        meter.record(nn.functional.cross_entropy(model(x), y))
    gap = meter.end_epoch()
    assert gap.term("averaging").estimate.n == 350


def test_interrupting_an_epoch_keeps_the_earlier_ones(digits, tmp_path):
    from whygap.store import Store

    model = network()
    meter = make(model, digits, store=tmp_path / "runs.db")
    for _ in range(2):
        train_once(meter, model, loader(digits.x_train, digits.y_train))
    with pytest.raises(KeyboardInterrupt), meter:
        for k, (x, y) in enumerate(meter.train(loader(digits.x_train, digits.y_train))):
            if k == 5:
                raise KeyboardInterrupt
            meter.record(nn.functional.cross_entropy(model(x), y))
    with Store(tmp_path / "runs.db", readonly=True) as store:
        run = store.load("last")
    assert [e.epoch for e in run.epochs] == [1, 2]
    assert run.epochs == meter.run.epochs
    assert not run.finished


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": 0}, "budget"),
        ({"budget": "most"}, "budget"),
        ({"budget": True}, "budget"),
        ({"reduction": "sum"}, "reduction"),
        ({"scores": ["f1"]}, "f1"),
        ({"valid": 3}, "valid"),
    ],
)
def test_wrong_arguments_are_refused_before_training(digits, options, message):
    with pytest.raises(InputError) as error:
        Meter(network(), nn.CrossEntropyLoss(), **({"valid": loader(digits.x_valid, digits.y_valid), "store": False} | options))
    assert message in one_line(error)


def test_record_outside_the_loop(digits):
    meter = make(network(), digits)
    with pytest.raises(InputError, match="inside its loop"):
        meter.record(1.0)
    with pytest.raises(InputError, match="one loss"):
        for _ in meter.train(loader(digits.x_train, digits.y_train)):
            meter.record(torch.zeros(32))


def test_without_packages_the_line_to_install_them(monkeypatch):
    import importlib
    import sys

    from whygap.errors import MissingPackageError

    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "whygap.adapters.torch", raising=False)
    with pytest.raises(MissingPackageError, match=r"pip install 'whygap\[torch\]'"):
        importlib.import_module("whygap.adapters.torch")


@pytest.mark.parametrize("kind", ["nowhere to write", "from a newer version", "not a store"])
def test_a_store_that_cannot_be_used_is_told_once_and_the_run_stays_in_memory(digits, tmp_path, monkeypatch, kind):
    from whygap.store import Store
    from whygap.store_file import SCHEMA

    monkeypatch.delenv("WHYGAP_STRICT")
    path = tmp_path / "runs.db"
    if kind == "nowhere to write":
        path = "/proc/runs.db"  # where not even the superuser can
    elif kind == "not a store":
        path.write_text("a diary\n" * 100)
    else:
        Store(path).close()
        connection = sqlite3.connect(path)
        connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
        connection.close()
    model = network()
    meter = make(model, digits, store=path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            train_once(meter, model, loader(digits.x_train, digits.y_train))
        meter.close()
    assert len(caught) == 1
    assert str(path) in str(caught[0].message)
    assert len(meter.run.epochs) == meter.n_unsaved == 3
    assert meter.run.epochs[-1].term("averaging") is not None
    assert str(path) in meter.explain().warnings[0]


def test_what_could_not_be_written_is_written_later(digits, tmp_path, monkeypatch):
    from whygap.store import Store

    monkeypatch.delenv("WHYGAP_STRICT")
    folder = tmp_path / "mounted later"
    model = network()
    meter = make(model, digits, store=folder / "runs.db")
    with pytest.warns(WhygapWarning, match="there is no folder"):
        train_once(meter, model, loader(digits.x_train, digits.y_train))
    folder.mkdir()
    train_once(meter, model, loader(digits.x_train, digits.y_train))
    assert meter.n_unsaved == 0
    meter.close()
    with Store(folder / "runs.db", readonly=True) as store:
        run = store.load("last")
    assert run.epochs == meter.run.epochs
    assert [p.text for p in run.problems] == [p.text for p in meter.run.problems]
    assert run.finished


@pytest.mark.parametrize("budget", [0.02, 100])
def test_batches_of_any_kind_are_counted(digits, budget, monkeypatch):
    """Also where they differ from the first one of their epoch, which decides how they are counted."""
    x, y = torch.as_tensor(digits.x_train[:200]), torch.as_tensor(digits.y_train[:200])
    kinds = [lambda a, b: (a, b), lambda a, b: [a, b], lambda a, b: {"x": a, "labels": b}, lambda a, b: ([a, a], b)]
    sizes = [9, 31, 20, 17, 40, 3, 80]
    seen, end_epoch = [], Session.end_epoch
    monkeypatch.setattr(Session, "end_epoch", lambda self, o, **more: seen.extend(o) or end_epoch(self, o, **more))

    def forward(model, batch):
        inputs, target = (batch["x"], batch["labels"]) if isinstance(batch, dict) else batch
        return model(inputs[0] if isinstance(inputs, list) else inputs), target

    model = network()
    meter = make(model, digits, budget=budget, forward=forward)
    for shift in range(4):
        parts = list(zip(x.split(sizes), y.split(sizes), strict=True))
        for batch in meter.train([kinds[(k + shift) % 4](a, b) for k, (a, b) in enumerate(parts)]):
            output, target = forward(model, batch)
            meter.record(nn.functional.cross_entropy(output, target))
        meter.end_epoch()
    assert [o.visits.rows.tolist() for o in seen] == [sizes] * 4
