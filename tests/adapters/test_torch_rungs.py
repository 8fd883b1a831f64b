"""Every rung of the PyTorch meter against plain code that evaluates the same thing the slow and obvious way."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

import whygap.adapters.torch
from whygap.adapters import torch_valid
from whygap.adapters.torch import Meter
from whygap.errors import InputError, WhygapWarning

EACH = nn.CrossEntropyLoss(reduction="none")

ROUNDING = {"rtol": 1e-5, "atol": 2e-6}
"""A loss is the difference of two numbers of 1 to 10 in single precision, and processors differ in the order of their sums."""


def batches_of(x, y, size=40):
    x, y = torch.as_tensor(x), torch.as_tensor(y)
    return [(x[i : i + size], y[i : i + size]) for i in range(0, len(x), size)]


class Sigma(nn.Module):
    """Something else than dropout and batch norm that differs between the modes: without chance, so that truth is exact."""

    def forward(self, x):
        return 1.3 * x if self.training else x


def network(*, dropout=0.0, norm=False, other=False):
    torch.manual_seed(0)
    layers = [nn.Linear(64, 32), *([nn.BatchNorm1d(32)] if norm else []), nn.ReLU(), *([Sigma()] if other else [])]
    return nn.Sequential(*layers, *([nn.Dropout(dropout)] if dropout else []), nn.Linear(32, 10))


@pytest.fixture
def observed(monkeypatch):
    """Collect the observations that a meter makes."""
    seen = []
    original = whygap.adapters.torch.build_observation

    def noting(*arguments, **named):
        seen.append(original(*arguments, **named))
        return seen[-1]

    monkeypatch.setattr(whygap.adapters.torch, "build_observation", noting)
    return seen


def fit(meter, model, batches, *, epochs=1, valid=None, after_step=None, told=None):
    optimiser = torch.optim.SGD(model.parameters(), lr=0.2)
    for _ in range(epochs):
        model.train()
        for x, y in meter.train(batches):
            loss = nn.functional.cross_entropy(model(x), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            meter.record(loss)
            if after_step:
                after_step(x, y)
        if valid is not None:
            model.eval()
            with torch.no_grad():
                for x, _ in meter.validate(valid):
                    model(x)
        meter.end_epoch(valid=told(model) if told else None)


def losses(model, batches, each=EACH):
    with torch.no_grad():
        return torch.cat([each(model(x), y) for x, y in batches]).double().numpy()


def in_train_except(model, *types):
    twin = copy.deepcopy(model).train()
    for module in twin.modules():
        if isinstance(module, types):
            module.eval()
    return twin


def test_after_update_is_each_batch_scored_right_after_its_step(digits, observed):
    model, after = network(norm=True), []
    train = batches_of(digits.x_train, digits.y_train)
    meter = Meter(model, nn.CrossEntropyLoss(), valid=train[:2], budget="exact", store=False)
    fit(meter, model, train, epochs=2, after_step=lambda x, y: after.append(losses(copy.deepcopy(model), [(x, y)])))
    for epoch, o in enumerate(observed):
        truth = np.concatenate(after[25 * epoch : 25 * (epoch + 1)])
        np.testing.assert_allclose(o.sample.on_rung["after_update"][0], truth, **ROUNDING)
        assert not np.allclose(o.sample.on_rung["visited"], truth, rtol=1e-3)


def test_parts_of_the_mode_are_layers_switched_one_kind_after_the_other(digits, observed):
    model = network(dropout=0.4, norm=True, other=True)
    train = batches_of(digits.x_train, digits.y_train)
    fit(Meter(model, nn.CrossEntropyLoss(), valid=train[:2], budget="exact", store=False), model, train, epochs=2)
    on_rung = observed[-1].sample.on_rung
    assert not np.allclose(on_rung["end_weights"][0], on_rung["end_weights"][1])  # masks of their own
    for rung, types in (("without_dropout", (nn.Dropout,)), ("without_batch_norm", (nn.Dropout, nn.BatchNorm1d))):
        truth = losses(in_train_except(model, *types), train)
        for repeat in on_rung[rung]:
            np.testing.assert_allclose(repeat, truth, **ROUNDING)
    np.testing.assert_allclose(on_rung["eval_mode"][0], losses(copy.deepcopy(model).eval(), train), **ROUNDING)
    assert [p.name for p in meter_parts(observed[-1])] == ["dropout", "batch norm", "other"]


def meter_parts(observation):
    from whygap.ladder import build_epoch_gap

    return build_epoch_gap(observation).term("mode").parts


@pytest.mark.parametrize(
    ("layers", "rungs"),
    [
        ({}, set()),
        ({"dropout": 0.3}, {"without_dropout"}),
        ({"norm": True}, {"without_batch_norm"}),
        ({"other": True}, set()),
        ({"dropout": 0.3, "norm": True}, {"without_dropout", "without_batch_norm"}),
    ],
)
@pytest.mark.parametrize("budget", ["exact", 100])
def test_a_kind_of_layer_that_is_absent_gives_no_rung(digits, observed, layers, rungs, budget):
    model = network(**layers)
    train = batches_of(digits.x_train, digits.y_train)
    fit(Meter(model, nn.CrossEntropyLoss(), valid=train[:2], budget=budget, store=False), model, train)
    o = observed[0]
    assert set(o.sample.on_rung) - {"visited", "after_update", "end_weights", "eval_mode"} == rungs
    if rungs:  # nothing but these tells the modes apart: the last one is eval mode, to the last bit
        last = "without_batch_norm" if "without_batch_norm" in rungs else "without_dropout"
        np.testing.assert_array_equal(o.sample.on_rung[last][0], o.sample.on_rung["eval_mode"][0])
    assert ("mode" in o.absent) == (not layers)


class Plain(Dataset):
    def __init__(self, x, y):
        self.x, self.y = torch.as_tensor(x), torch.as_tensor(y)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], self.y[i]


def smoothed(output, target):
    return nn.functional.cross_entropy(output, target, reduction="none", label_smoothing=0.2)


@pytest.mark.parametrize("kind", ["function", "dataset"])
@pytest.mark.parametrize("weights", ["module", "state", "function"])
def test_view_criterion_and_weights_one_after_the_other(digits, observed, kind, weights):
    model = network()
    averaged = torch.optim.swa_utils.AveragedModel(model)
    shifted = [(x + 0.1, y) for x, y in batches_of(digits.x_train, digits.y_train)]
    plain = batches_of(digits.x_train, digits.y_train)
    valid = batches_of(digits.x_valid, digits.y_valid)

    def index(batch):
        return [int((torch.as_tensor(digits.x_train) - (one - 0.1)).abs().sum(1).argmin()) for one in batch[0]]

    clean = {"clean": lambda b: (b[0] - 0.1, b[1])} if kind == "function" else {"clean": Plain(digits.x_train, digits.y_train)}
    given = {"module": averaged, "state": averaged.module.state_dict(), "function": lambda: averaged.module.state_dict()}
    meter = Meter(
        model,
        nn.CrossEntropyLoss(),
        valid=valid,
        fresh=valid[:3],
        criterion=smoothed,
        weights=given[weights],
        budget="exact",
        store=False,
        scores=["accuracy"],
        **clean,
        **({"index": index} if kind == "dataset" else {}),
    )
    optimiser = torch.optim.SGD(model.parameters(), lr=0.2)
    for x, y in meter.train(shifted):
        output = model(x)
        loss = nn.functional.cross_entropy(output, y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        averaged.update_parameters(model)
        meter.record(loss, accuracy=(output.argmax(1) == y).float().mean())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    meter.end_epoch()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    o, accuracy = observed
    for rung, truth in (
        ("eval_mode", losses(model, shifted)),
        ("clean_view", losses(model, plain)),
        ("valid_criterion", losses(model, plain, smoothed)),
        ("valid_weights", losses(averaged.module, plain, smoothed)),
    ):
        np.testing.assert_allclose(o.sample.on_rung[rung][0], truth, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(o.valid.score, losses(averaged.module, valid, smoothed), **ROUNDING)
    np.testing.assert_allclose(o.fresh, losses(averaged.module, valid[:3], smoothed), **ROUNDING)
    assert "valid_criterion" not in accuracy.sample.on_rung
    truth = losses(averaged.module, plain, lambda output, target: (output.argmax(1) == target).float())
    np.testing.assert_array_equal(accuracy.sample.on_rung["valid_weights"][0], truth)


def test_an_lstm_with_other_weights(digits, observed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.head = nn.LSTM(8, 12, batch_first=True), nn.Linear(12, 10)

        def forward(self, x):
            return self.head(self.lstm(x.reshape(-1, 8, 8))[0][:, -1])

    torch.manual_seed(0)
    model, other = Net(), Net()
    train = batches_of(digits.x_train, digits.y_train)
    meter = Meter(model, nn.CrossEntropyLoss(), valid=train[:2], weights=other.state_dict(), budget="exact", store=False)
    fit(meter, model, train)
    np.testing.assert_allclose(observed[0].sample.on_rung["valid_weights"][0], losses(other, train), **ROUNDING)
    np.testing.assert_allclose(observed[0].sample.on_rung["eval_mode"][0], losses(model, train), **ROUNDING)


# ---------------------------------------------------------------- the validation side


@pytest.mark.parametrize("budget", ["exact", 0.02])
def test_a_watched_validation_is_what_a_pass_of_ours_would_be(digits, observed, budget):
    valid = batches_of(digits.x_valid, digits.y_valid, 30)
    model = network(dropout=0.2, norm=True)
    fit(
        Meter(model, nn.CrossEntropyLoss(), budget=budget, store=False),
        model,
        batches_of(digits.x_train, digits.y_train),
        epochs=2,
        valid=valid,
    )
    truth = losses(copy.deepcopy(model).eval(), valid)
    np.testing.assert_allclose(observed[-1].valid.score, truth, **ROUNDING)
    assert observed[-1].valid_reported == pytest.approx(truth.mean(), rel=1e-6)
    assert observed[-1].valid.n == 400


@pytest.mark.parametrize(("reduction", "expected"), [("batches", 13 / 14), ("rows", 390 / 400)])
def test_what_is_recorded_while_validating_is_reported(digits, observed, reduction, expected):
    valid = batches_of(digits.x_valid, digits.y_valid, 30)  # 13 of 30 and one of 10
    model = network()
    meter = Meter(model, nn.CrossEntropyLoss(), reduction=reduction, store=False)
    for x, y in meter.train(batches_of(digits.x_train, digits.y_train)):
        meter.record(nn.functional.cross_entropy(model(x), y))
    model.eval()
    for x, _ in meter.validate(valid):
        model(x)
        meter.record(1.0 if len(x) == 30 else 0.0)
    assert meter.end_epoch().valid_reported == pytest.approx(expected)


def validated(digits, writes, epochs=3, valid=None):
    """Train with a validation that writes into the outputs in the epochs of `writes`; return the true losses."""
    valid = valid or batches_of(digits.x_valid, digits.y_valid, 30)
    model, truths = network(), []
    meter = Meter(model, nn.CrossEntropyLoss(), store=False)
    for epoch in range(1, epochs + 1):
        for x, y in meter.train(batches_of(digits.x_train, digits.y_train)):
            value = nn.functional.cross_entropy(model(x), y)
            value.backward()
            with torch.no_grad():
                for p in model.parameters():
                    p -= 0.1 * p.grad
                    p.grad = None
            meter.record(value)
        model.eval()
        with torch.no_grad():
            for x, _ in meter.validate(valid):
                output = model(x)
                if epoch in writes:
                    output.mul_(0.0)
        truths.append(losses(copy.deepcopy(model), valid))
        meter.end_epoch()
        model.train()
    return truths


@pytest.mark.parametrize("writes", [(), (1, 2, 3), (2, 3)], ids=["leaves outputs alone", "writes into outputs", "begins to"])
def test_a_validation_is_seen_as_it_was(digits, observed, writes):
    for o, truth in zip(observed, validated(digits, writes), strict=True):
        np.testing.assert_allclose(o.valid.score, truth, **ROUNDING)
    assert len(observed) == 3


@pytest.mark.parametrize("block", [1, 330, 700], ids=["less than a batch", "one batch", "two"])
def test_blocks_of_any_size_hold_what_was_seen(digits, observed, monkeypatch, block):
    """A batch has 30 examples of 11 numbers each, and the last one 10 of them."""
    monkeypatch.setattr(torch_valid, "BLOCK", block)
    for o, truth in zip(observed, validated(digits, (1, 2, 3)), strict=True):
        np.testing.assert_allclose(o.valid.score, truth, **ROUNDING)


def test_a_block_takes_only_what_is_like_its_first_batch():
    output, target = torch.arange(12.0).reshape(4, 3).requires_grad_(), torch.arange(4)
    with torch.inference_mode():
        block = torch_valid.Block(output, target)
    assert block.take(output, target)
    for other in ((output.double(), target), (output[:, :2], target), (output, target.int()), (output, target[:, None])):
        assert not block.take(*other)
    assert not block.take(torch.cat([output, output]), torch.cat([target, target]))
    assert block.take(output[:1], target[:1])
    assert not block.take(output, target)  # it would lie behind a gap
    seen = block.seen()
    assert seen.rows == 5
    assert not seen.output.requires_grad
    assert torch.equal(seen.output, torch.cat([output, output[:1]]))
    assert seen.target.tolist() == [0, 1, 2, 3, 0]


def test_outputs_in_inference_mode_are_copied(digits, observed, monkeypatch):
    """No tensor tells there that it was written into."""
    monkeypatch.setattr(torch, "no_grad", torch.inference_mode)
    valid = [(x, y.clone()) for x, y in batches_of(digits.x_valid, digits.y_valid, 30)]
    for o, truth in zip(observed, validated(digits, (2, 3), valid=valid), strict=True):
        np.testing.assert_allclose(o.valid.score, truth, **ROUNDING)
    assert len(observed) == 3


@pytest.mark.parametrize("budget", ["exact", 0.02])
def test_whole_batches_are_copies_that_a_loop_may_write_over(digits, observed, budget):
    """With batch norm whole batches are held, and nothing of the loop's stays behind."""
    model = network(norm=True)
    meter = Meter(model, nn.CrossEntropyLoss(), budget=budget, store=False)
    train = [(x.clone(), y) for x, y in batches_of(digits.x_train, digits.y_train)]
    for x, y in meter.train(train):
        meter.record(nn.functional.cross_entropy(model(x), y))
    for x, _ in train:
        x.zero_()
    held = [visit for _, _, visit in meter._log.sample()]
    assert all(visit.loops is None for visit in held)
    meter.end_epoch()
    assert observed[0].sample.batch.size == len(held)


def test_validation_targets_that_are_no_memory_of_torch_are_copied(digits, observed):
    """As of a loader that fills the same array again and again, which no tensor tells."""
    x, y = np.empty((40, 64), np.float32), np.empty(40, np.int64)

    class Reusing:
        def __len__(self):
            return 10

        def __iter__(self):
            for k in range(10):
                rows = slice(40 * k, 40 * k + 40)
                x[:], y[:] = digits.x_valid[rows], digits.y_valid[rows]
                yield torch.from_numpy(x), torch.from_numpy(y)

    for o, truth in zip(observed, validated(digits, (), valid=Reusing()), strict=True):
        np.testing.assert_allclose(o.valid.score, truth, **ROUNDING)


def test_a_validation_in_train_mode_is_told(digits, monkeypatch):
    monkeypatch.delenv("WHYGAP_STRICT", raising=False)
    model = network(dropout=0.2)
    meter = Meter(model, nn.CrossEntropyLoss(), store=False)
    train = batches_of(digits.x_train, digits.y_train)
    with pytest.warns(WhygapWarning, match=r"model was in train mode: call model.eval"):
        for x, y in meter.train(train):
            meter.record(nn.functional.cross_entropy(model(x), y))
        for x, _ in meter.validate(train[:4]):
            model(x)
        meter.end_epoch()


def test_without_any_validation_there_is_no_gap_and_a_note(digits):
    model = network()
    meter = Meter(model, nn.CrossEntropyLoss(), store=False)
    for x, y in meter.train(batches_of(digits.x_train, digits.y_train)):
        meter.record(nn.functional.cross_entropy(model(x), y))
    gap = meter.end_epoch()
    assert gap.gap is None
    assert "meter.validate(...)" in gap.notes[0]
    assert gap.term("averaging") is not None


def test_a_told_mean_leaves_only_a_sample_to_score(digits, observed, monkeypatch):
    monkeypatch.setattr("whygap.adapters.torch_valid.HELD_ROWS", 90)
    valid = batches_of(digits.x_valid, digits.y_valid, 30)
    model = network()
    meter = Meter(model, nn.CrossEntropyLoss(), valid=valid, store=False, budget=0.02)

    def told(net):
        return {"loss": float(losses(net, valid).mean())}

    fit(meter, model, batches_of(digits.x_train, digits.y_train), epochs=3, told=told)
    first, *later = observed
    assert first.valid.score.size == 400
    assert [(o.valid.score.size, o.valid.n) for o in later] == [(90, 400)] * 2
    truth = losses(model, valid)
    assert later[-1].valid.mean == pytest.approx(truth.mean())
    assert np.isclose(later[-1].valid.score[:, None], truth, **ROUNDING).any(axis=1).all()
    assert np.unique(later[-1].valid.score).size >= 85


def test_a_told_number_that_is_no_plain_mean_is_never_taken_for_one(digits, observed):
    valid = batches_of(digits.x_valid, digits.y_valid, 30)
    model = network()
    meter = Meter(model, nn.CrossEntropyLoss(), valid=valid, store=False, budget=0.02)
    fit(meter, model, batches_of(digits.x_train, digits.y_train), epochs=2, told=lambda net: {"loss": 7.0})
    assert [o.valid.score.size for o in observed] == [400, 400]
    assert observed[-1].valid.mean is None


# ---------------------------------------------------------------- rows of batches


def test_sampled_rows_are_scored_as_they_are_in_a_full_pass(digits, observed):
    train = batches_of(digits.x_train, digits.y_train)
    model = network(other=True)
    fit(Meter(model, nn.CrossEntropyLoss(), valid=train[:2], budget=200, store=False), model, train, epochs=2)
    s = observed[-1].sample
    assert s.unit.size == 200
    truth = {"eval_mode": losses(copy.deepcopy(model).eval(), train), "end_weights": losses(in_train_except(model), train)}
    for rung, all_of in truth.items():
        by_batch = all_of.reshape(25, 40)[s.batch[s.unit]]
        assert np.isclose(s.on_rung[rung][0][:, None], by_batch, **ROUNDING).any(axis=1).all()


def test_every_row_counts_as_often_as_any_other(digits, observed):
    """By one over its chance. Rows are told apart by their loss under a model that doesn't learn."""
    model = network()
    train = batches_of(digits.x_train[:120], digits.y_train[:120], 12)
    where = {round(float(v), 5): i % 12 for i, v in enumerate(losses(model, train))}
    assert len(where) == 120
    counts, squares = np.zeros(12), np.zeros(12)
    for seed in range(150):
        meter = Meter(model, nn.CrossEntropyLoss(), valid=train[:1], budget=60, store=False, seed=seed)
        for x, y in meter.train(train):
            meter.record(nn.functional.cross_entropy(model(x), y))
        meter.end_epoch()
        s = observed[-1].sample
        assert s.unit.size == 60
        for v, chance in zip(s.on_rung["visited"][0], s.chance, strict=True):
            k = min(where.items(), key=lambda item: abs(item[0] - float(v)))[1]
            counts[k] += 1.0 / chance
            squares[k] += (1.0 - chance) / chance**2
    assert np.all(np.abs(counts - 150 * 10) < 4.0 * np.sqrt(squares))


def test_batch_norm_is_scored_in_whole_batches(digits, observed):
    train = batches_of(digits.x_train, digits.y_train)
    model = network(norm=True)
    fit(Meter(model, nn.CrossEntropyLoss(), valid=train[:2], budget=200, store=False), model, train, epochs=2)
    s = observed[-1].sample
    assert (np.bincount(s.unit) == 40).all()
    truth = losses(in_train_except(model), train).reshape(25, 40)
    np.testing.assert_allclose(s.on_rung["end_weights"][0], truth[s.batch].ravel(), **ROUNDING)


def test_examples_that_depend_on_one_another_are_scored_in_whole_batches(digits, observed):
    def against_the_batch(output, target):
        each = EACH(output, target)
        return each - each.mean() / 2

    train = batches_of(digits.x_train, digits.y_train)
    model = network()
    meter = Meter(model, against_the_batch, valid=train[:2], budget=200, store=False)
    for _ in range(2):
        for x, y in meter.train(train):
            meter.record(against_the_batch(model(x), y).mean())
        meter.end_epoch()
    assert (np.bincount(observed[-1].sample.unit) == 40).all()


def test_a_short_clean_view_is_refused(digits):
    model = network()
    train = batches_of(digits.x_train, digits.y_train)
    meter = Meter(model, nn.CrossEntropyLoss(), valid=train[:1], clean=lambda b: (b[0][:3], b[1][:3]), store=False)
    with pytest.raises(InputError, match="clean gave 3 examples for a batch of"):
        fit(meter, model, train)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"clean": [1, 2]}, "clean must be"), ({"clean": 3}, "clean must be"), ({"weights": 3}, "weights must be")],
)
def test_wrong_arguments(options, message):
    with pytest.raises(InputError, match=message):
        Meter(network(), nn.CrossEntropyLoss(), store=False, **options)
