"""What is said of a log: the lag with bounds, marks, ranges of epochs, the framework's rule, and never a leak."""

import math

import numpy as np
import pytest

from whygap.errors import InputError
from whygap.logs import assign, check_framework, choose_run, explain_log
from whygap.logs.answer import MOST_SPANS
from whygap.logs.gaps import score_of
from whygap.logs.records import LoggedRun, Series
from whygap.logs.rules import FRAMEWORKS


def series(column, score, split, value, **more):
    value = np.asarray(value, dtype=float)
    return Series(
        column=column, score=score, split=split, value=value, epoch=more.pop("epoch", np.arange(1.0, value.size + 1)), **more
    )


def logged(train, valid, framework="keras", score="loss", *, more=(), **facts):
    columns = (series(score, score, "train", train), series(f"val_{score}", score, "valid", valid), *more)
    return LoggedRun(format="Keras console", framework=framework, series=columns, facts=facts)


def decay(n, floor=0.3):
    """Return epoch means and end-of-epoch scores of a loss that falls exponentially, the same for both splits."""
    ends = np.arange(n + 1.0)
    g = floor + 2.0 * np.exp(-ends / 3)
    means = floor + 2.0 * 3 * (np.exp(-ends[:-1] / 3) - np.exp(-ends[1:] / 3))
    return means, g[1:]


def explain(run, **options):
    return explain_log(run, source="a.log", **options)


def test_the_lag_is_told_with_bounds_and_the_terms_sum_to_the_gap():
    means, ends = decay(12)
    answer = explain(logged(means, ends))
    first = answer.run.epochs[0]
    lag = first.term("averaging").estimate
    assert lag.how == "inferred"
    assert lag.low <= ends[0] - means[0] <= lag.high
    for gap in answer.run.epochs:
        assert math.fsum(t.value for t in gap.terms) + gap.unattributed == pytest.approx(gap.gap.value, abs=1e-12)
    verdict = answer.verdict
    assert verdict.causes[0].cause == "averaging"
    assert verdict.causes[0].share > 0.8
    assert "better than training in epochs 1-12" in verdict.headline
    assert "lagging behind" in verdict.headline
    assert verdict.overfitting.state == "no"


def test_boosting_has_no_lag_and_says_so():
    ends = decay(20)[1]
    run = logged(ends, ends + 0.2, framework="xgboost", score="logloss")
    verdict = explain(run).verdict
    assert not verdict.causes
    assert "Nothing lags" in verdict.headline
    assert "XGBoost scores the whole training set" in verdict.remarks[0]
    assert "mode" not in {m.cause for m in verdict.cannot_tell}


def test_signs_flip_within_a_run():
    epoch = np.arange(1.0, 31.0)
    train, valid = 2.0 * np.exp(-epoch / 6), 0.6 + 0.5 * np.exp(-epoch / 2) + 0.02 * np.maximum(0, epoch - 8)
    verdict = explain(logged(train, valid)).verdict
    assert {s.gap > 0 for s in verdict.stretches} == {True, False}
    assert verdict.stretches[0].first == 1
    assert [s.first for s in verdict.stretches[1:]] == [s.last + 1 for s in verdict.stretches[:-1]]
    assert "better than training in epochs 1-" in verdict.headline
    assert verdict.overfitting.state == "yes"
    assert "It overfits since epoch" in verdict.headline


def test_the_turn_of_validation_is_forecast():
    epoch = np.arange(1.0, 31.0)
    train = 4.0 - np.log(epoch)
    turns = explain(logged(train, train + epoch / 60)).verdict  # at epoch 60
    assert turns.forecast.state == "turn"
    assert turns.forecast.low < 60 < turns.forecast.high
    assert turns.forecast.evidence in str(turns)
    stays = explain(logged(train, train + 0.1)).verdict
    assert stays.forecast.state == "no_turn"
    assert "No turn of validation is expected" in str(stays)


def test_a_forecast_knows_what_lags():
    epoch = np.arange(1.0, 31.0)
    train = 4.0 - np.log(epoch)
    told = [explain(logged(train, train + epoch / 60, framework=name)).verdict.forecast for name in ("keras", "xgboost")]
    assert told[0].epoch != told[1].epoch


@pytest.mark.parametrize("framework", sorted(FRAMEWORKS))
def test_every_framework_has_a_rule_and_two_lines_to_add(framework):
    means, ends = decay(8)
    verdict = explain(logged(means, ends, framework=framework)).verdict
    name = FRAMEWORKS[framework].name
    assert (name or "--framework").lower() in " ".join(verdict.remarks).lower()
    assert len(verdict.to_know.splitlines()) == 2


def test_lightning_logged_the_last_batch():
    rng, ends = np.random.default_rng(0), decay(10)[1]
    at = np.arange(1, 101) / 10.0
    steps = series(
        "train_loss", "loss", "train", 0.3 + 2 * np.exp(-at / 3) + 0.01 * rng.normal(size=at.size), epoch=at, grain="step"
    )
    run = LoggedRun(format="Lightning CSV", framework="lightning", series=(steps, series("val_loss", "loss", "valid", ends)))
    answer = explain(run)
    assert any("Lightning logged the last batch, not the epoch" in r for r in answer.verdict.remarks)
    assert answer.run.epochs[0].train_reported == steps.value[9]
    bar = logged(*decay(10), framework="lightning")
    assert any("Lightning logged the last batch, not the epoch" in r for r in explain(bar).verdict.remarks)


def test_a_running_mean_within_epochs_is_told_from_single_steps_and_recovered_as_a_mean():
    means, ends = decay(12)
    k = np.arange(1, 51)
    at = (np.arange(12)[:, None] + k / 50).ravel()
    batches = 1.0 + 0.2 * np.random.default_rng(0).normal(size=at.size)  # no two batches are alike
    instant = (0.3 + 2.0 * np.exp(-(at - 0.01) / 3)) * batches
    running = (np.cumsum(instant.reshape(12, 50), axis=1) / k).ravel()
    steps = series("loss", "loss", "train", running, epoch=at, grain="step")
    answer = explain(LoggedRun(format="printed text", framework="", series=(steps, series("val_loss", "loss", "valid", ends))))
    assert any("running mean that starts anew" in r for r in answer.verdict.remarks)
    assert answer.run.epochs[0].train_reported == pytest.approx(means[0], rel=0.1)
    lag = answer.run.epochs[0].term("averaging").estimate
    assert lag.low <= ends[0] - means[0] <= lag.high


@pytest.mark.parametrize(
    ("name", "higher"),
    [("accuracy", True), ("val_acc", True), ("mAP50", True), ("map", True), ("mape", False), ("top_5", True), ("roc_auc", True),
     ("acc_loss", False), ("perplexity", False), ("mean_absolute_percentage_error", False), ("macro_f1", True)],
)  # fmt: skip
def test_the_direction_is_in_the_words_of_a_name(name, higher):
    assert score_of(name).higher_is_better == higher


def test_a_constant_ratio_is_named_and_is_the_whole_gap():
    ends = decay(10)[1]
    run = logged(ends * 4.0, ends, n_train=40_000.0, n_valid=10_000.0)
    (cause, *_) = explain(run).verdict.causes
    assert (cause.cause, cause.share) == ("reduction", 1.0)
    assert "n_train / n_valid" in cause.sentence


def test_a_penalty_shows_beside_the_bare_metric():
    means, ends = decay(10)
    run = logged(means + 0.5, ends + 0.5, more=(series("mse", "mse", "train", means), series("val_mse", "mse", "valid", ends)))
    causes = {c.cause: c for c in explain(run).verdict.causes}
    assert "above mse by 0.5" in causes["penalty"].sentence
    assert "penalty" not in {m.cause for m in explain(run).verdict.cannot_tell}


def test_equal_columns_and_chance_are_warned_of():
    means, _ = decay(10)
    assert "the same numbers" in " ".join(explain(logged(means, means)).verdict.warnings)
    flat = np.full(10, math.log(10)) + 1e-4 * np.sin(np.arange(10))
    assert "guessing among 10 classes" in " ".join(explain(logged(flat, flat + 1e-5)).verdict.warnings)


def test_a_leak_is_never_claimed():
    means, ends = decay(15)
    for run in (logged(means, ends), logged(means, 0.5 * ends), logged(means, means), logged(ends, ends - 0.29)):
        verdict = explain(run).verdict
        assert "leak" not in {c.cause for c in verdict.causes}
        assert "leak" in {m.cause for m in verdict.cannot_tell}
        assert "leak" not in verdict.headline + " ".join(verdict.warnings)


def test_fastai_without_its_steps_tells_no_lag():
    means, ends = decay(10)
    verdict = explain(logged(means, ends, framework="fastai")).verdict
    assert "how many an epoch has" in next(m.why for m in verdict.cannot_tell if m.cause == "averaging")
    told = explain(logged(means, ends, framework="fastai", steps_per_epoch=10.0))
    assert any(g.term("averaging") for g in told.run.epochs)


def test_accuracy_is_better_when_higher():
    means, ends = decay(10, floor=0.0)
    answer = explain(logged(1 - means / 4, 1 - ends / 4, score="accuracy"))
    assert answer.verdict.score.higher_is_better
    assert "Validation accuracy looks better" in answer.verdict.headline
    assert answer.run.epochs[0].term("averaging").value > 0
    assert not score_of("loss").higher_is_better
    assert not score_of("map_loss").higher_is_better


def test_missing_numbers_are_told_and_break_nothing():
    means, ends = decay(6)
    means[2] = np.nan
    ends[4] = np.inf
    answer = explain(logged(means, ends))
    assert [g.gap is None for g in answer.run.epochs] == [False, False, True, False, True, False]
    assert answer.run.epochs[2].notes == ("no finite training loss was logged",)
    assert answer.run.epochs[4].notes == ("no finite validation loss was logged",)


@pytest.mark.parametrize("n", [1, 2])
def test_a_short_log_cannot_tell(n):
    means, ends = decay(n)
    verdict = explain(logged(means, ends)).verdict
    assert verdict.overfitting.state == "cannot_tell"
    assert "it takes three epochs" in next(m.why for m in verdict.cannot_tell if m.cause == "averaging")


def test_every_score_of_both_splits_is_in_the_run_and_the_chosen_one_first():
    means, ends = decay(8)
    more = (series("acc", "accuracy", "train", 1 - means / 4), series("val_acc", "accuracy", "valid", 1 - ends / 4))
    run = logged(means, ends, more=more)
    assert [s.name for s in explain(run).run.scores] == ["loss", "accuracy"]
    assert explain(run, score="accuracy").verdict.score.name == "accuracy"
    with pytest.raises(InputError, match="no auc of both training and validation; there is loss, accuracy"):
        explain(run, score="auc")


class TestColumns:
    def sets(self):
        ends = decay(8)[1]
        names = ("validation_0-logloss", "validation_1-logloss")
        found = tuple(series(name, "logloss", "unknown", v) for name, v in zip(names, (ends, ends + 0.1), strict=True))
        return LoggedRun(format="XGBoost evals_result", framework="xgboost", series=found)

    def test_the_training_set_is_asked_for(self):
        with pytest.raises(
            InputError, match=r"which of validation_0-logloss, validation_1-logloss is the training one\? say --train .*, if so"
        ):
            explain(self.sets())

    @pytest.mark.parametrize("train", ["validation_0", "validation_0-logloss"])
    def test_a_set_or_a_column_can_be_named(self, train):
        answer = explain(assign(self.sets(), train=train, valid=train.replace("0", "1")))
        assert answer.run.epochs[0].gap.value == pytest.approx(0.1)

    def test_columns_of_different_names_make_a_pair(self):
        run = LoggedRun(
            format="table", framework="", series=(series("a", "a", "unknown", [3, 2]), series("b", "b", "unknown", [2, 1]))
        )
        assert explain(assign(run, train="a", valid="b")).run.epochs[0].gap.value == -1.0

    def test_an_unknown_column_is_named(self):
        with pytest.raises(InputError, match="no column is called c; there are validation_0-logloss, validation_1-logloss"):
            assign(self.sets(), train="c", valid=None)


def test_a_test_set_stands_for_validation_where_there_is_none():
    means, ends = decay(6)
    run = LoggedRun(
        format="x", framework="", series=(series("train mse", "mse", "train", means), series("test mse", "mse", "test", ends))
    )
    verdict = explain(run).verdict
    assert "The log has no validation mse: test mse, of a test set, stands for it." in verdict.remarks


def test_one_of_several_runs():
    means, ends = decay(5)
    runs = (
        logged(means, ends),
        LoggedRun(format="x", framework="", name="b", series=(series("loss", "loss", "train", means),)),
    )
    chosen, note = choose_run(runs, None)
    assert chosen is runs[0]
    assert note == ("the log has 2 runs, and this is run 1; --which names another",)
    assert choose_run(runs, "b") == (runs[1], ())
    assert choose_run(runs, "1") == (runs[0], ())
    with pytest.raises(InputError, match="there is no run c; there are 1, b"):
        choose_run(runs, "c")


def test_frameworks_are_checked():
    assert check_framework(" FastAI ") == "fastai"
    with pytest.raises(InputError, match="--framework must be one of"):
        check_framework("darknet")


def test_many_ranges_stay_one_sentence():
    epoch = np.arange(1.0, 61.0)
    sign = np.where((epoch // 5) % 2, 1.0, -1.0)
    verdict = explain(logged(np.full(60, 1.0), 1.0 + 0.2 * sign)).verdict
    assert len(verdict.stretches) > MOST_SPANS
    assert "others" in verdict.headline
