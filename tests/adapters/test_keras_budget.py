"""Which calls of the step are seen, and how much is scored of them, under a budget."""

import itertools
import random
import warnings

import keras
import pytest
from tests.adapters.keras_runs import fit, network, watcher

import whygap.adapters.keras
import whygap.adapters.keras_visits
import whygap.adapters.repeats
from whygap.adapters.budget import Ledger, Plan
from whygap.errors import WhygapWarning


class StopIn(keras.callbacks.Callback):
    """Stop the run amid an epoch."""

    def __init__(self, epoch, batch):
        super().__init__()
        self.at, self.epoch = (epoch, batch), 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = self.model.stop_training or (self.epoch, batch) == self.at


def passing(monkeypatch, digits, *others, is_passing=True, **options):
    """Train with calls that pass unseen or without; return the gaps without their times, and how many calls were seen."""
    seen, after = [], whygap.adapters.keras_visits.Steps.after
    with monkeypatch.context() as patch:
        patch.setattr(
            whygap.adapters.keras_visits.Steps, "after", lambda self, *more: seen.append(self.number) or after(self, *more)
        )
        patch.setattr(whygap.adapters.repeats.Repeats, "begin_epoch", lambda self: setattr(self, "next_s", float("inf")))
        if not is_passing:
            patch.setattr(whygap.adapters.keras_visits.Steps, "_usual_of", lambda self, rows: None)
        callback = watcher(budget=96)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # Keras: the data ran out
            fit(network(dropout=0.3), digits, callback, *others, epochs=4, **options)
    gaps = [(g.train_reported, g.valid_reported, g.terms, g.rungs, g.notes) for g in callback.epochs]
    return gaps, [seen.count(epoch) for epoch in range(1, 5)]


@pytest.mark.parametrize("batch_size", [32, 40], ids=["a short last batch", "all alike"])
def test_calls_that_pass_unseen_change_nothing(digits, monkeypatch, batch_size):
    gaps, seen = passing(monkeypatch, digits, batch_size=batch_size)
    every, all_seen = passing(monkeypatch, digits, is_passing=False, batch_size=batch_size)
    assert gaps == every
    n = -(-1000 // batch_size)
    assert all_seen == [n] * 4
    assert seen[0] == n
    assert max(seen[1:]) < n * 3 / 4


def test_a_run_that_is_stopped_among_calls_that_pass_unseen(digits, monkeypatch):
    gaps, seen = passing(monkeypatch, digits, StopIn(2, 17))
    every, all_seen = passing(monkeypatch, digits, StopIn(2, 17), is_passing=False)
    assert all_seen[2] == 18 > seen[2]
    assert len(gaps) == len(every) == 3
    assert gaps[:2] == every[:2]
    assert gaps[2][:2] == every[2][:2]
    for ours, theirs in zip(gaps[2][2], every[2][2], strict=True):  # the last running mean is told by Keras, in full precision
        assert (ours.cause, ours.value) == (theirs.cause, pytest.approx(theirs.value, abs=1e-6))


def test_batches_that_are_others_in_a_later_epoch_are_told(digits, monkeypatch):
    monkeypatch.delenv("WHYGAP_STRICT", raising=False)

    def growing():
        for k in itertools.count():
            rows = slice(0, 32 if k < 10 else 48)
            yield digits.x_train[rows], digits.y_train[rows]

    callback = watcher(budget=96)
    keras.utils.set_random_seed(0)
    with pytest.warns(WhygapWarning, match="batches differ from those of the epochs before: 48 rows, 32 until now"):
        network().fit(growing(), steps_per_epoch=10, epochs=4, verbose=0, shuffle=False, callbacks=[callback])
    assert [bool(gap.terms) for gap in callback.epochs] == [True, False, True, True]


@pytest.mark.parametrize(
    ("allowed", "is_little", "units", "is_whole"),
    [(640, False, 16, True), (480, False, 12, True), (120, False, 5, True), (50, True, 5, True), (50, False, 16, False)],
)
def test_fewer_batches_are_scored_whole_where_not_all_can_be_paid_for(digits, monkeypatch, allowed, is_little, units, is_whole):
    """Some rows of all of them would tell less; they are what is left where not even a few whole ones can be had."""
    seen = []

    def noting(score, log, reported, *, sampled, **others):
        seen.append((sampled.batch.size, sampled.is_deep(log.rows), sampled.unit.size))
        return build(score, log, reported, sampled=sampled, **others)

    build = whygap.adapters.keras.build_observation
    monkeypatch.setattr(whygap.adapters.keras, "build_observation", noting)
    monkeypatch.setattr(Ledger, "plan", lambda self, **options: Plan(16, None, 0))
    monkeypatch.setattr(Ledger, "rows_allowed", lambda self, held, **options: min(held, allowed))
    monkeypatch.setattr(Ledger, "is_little", lambda self, rows: is_little)
    callback = watcher(budget=0.02)
    fit(network(metrics=()), digits, callback, epochs=2, batch_size=40)
    assert [s[:2] for s in seen] == [(units, is_whole)] * 2
    assert is_whole or allowed <= seen[0][2] < 2 * allowed
    for gap in callback.epochs:
        generalisation = gap.term("generalisation").estimate
        assert generalisation.low < generalisation.value < generalisation.high


def test_few_whole_batches_are_told_how_far_those_of_epochs_before_differed(digits, monkeypatch):
    """But for the first epoch, and for each estimator by itself."""
    told = []

    def noting(score, log, reported, *, earlier, **others):
        told.append(earlier)
        return build(score, log, reported, earlier=earlier, **others)

    build = whygap.adapters.keras.build_observation
    monkeypatch.setattr(whygap.adapters.keras, "build_observation", noting)
    callback = watcher(budget=160)
    fit(network(metrics=()), digits, callback, epochs=6)
    methods = [one.method for one in told]
    df = [one.spread["eval_mode"][1] if one.spread else 0.0 for one in told]
    assert df[:2] == [0.0, 0.0]
    for epoch in range(2, 6):
        before = [k for k in range(1, epoch) if methods[k] == methods[epoch]]
        assert (df[epoch] > 0.0) == bool(before)
    used = [g.term("averaging").estimate.df for g in callback.epochs]
    assert max(df) > 4.0
    assert max(used[2:]) > max(used[:2])


def test_a_run_that_stops_before_a_sampled_batch_is_told_so(digits, monkeypatch):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = True

    monkeypatch.delenv("WHYGAP_STRICT", raising=False)
    monkeypatch.setattr(random.Random, "random", lambda self: 0.5)  # the middle of each block
    callback = watcher(budget=64)
    with pytest.warns(WhygapWarning, match="training stopped before one of this epoch's sampled batches"):
        fit(network(metrics=()), digits, callback, Stop(), epochs=1, batch_size=8)
    assert callback.epochs[0].terms == ()
