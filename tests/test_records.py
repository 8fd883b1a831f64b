import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whygap.records import CAUSES, EpochGap, Estimate, Forecast, Overfitting, Run, Rung, Score, Term, Verdict

finite = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("value", "half", "text"),
    [
        (5.51e-5, 1.02e-4, "+0.00006 [-0.00005, +0.00016]"),
        (-0.03, 0.002, "-0.0300 [-0.0320, -0.0280]"),
        (123.0, 4.0, "+123.0 [+119.0, +127.0]"),
        (5e9, 1e7, "+5e+09 [+4.99e+09, +5.01e+09]"),
        (-0.036741, 0.0, "-0.03674"),
    ],
)
def test_an_estimate_shows_as_many_decimals_as_its_interval_bears(value, half, text):
    assert str(Estimate(value=value, low=value - half, high=value + half)) == text


@given(finite, finite, finite)
def test_any_estimate_can_be_shown(value, low, high):
    assert str(Estimate(value=value, low=low, high=high))


def an_epoch(number, name="loss"):
    estimate = Estimate(value=-0.1, low=-0.2, high=0.0)
    return EpochGap(
        epoch=number,
        score=Score(name=name),
        train_reported=0.5,
        valid_reported=0.4,
        gap=estimate,
        terms=(Term(cause="averaging", estimate=estimate),),
        rungs=(Rung(name="reported", estimate=Estimate(value=0.5, low=0.5, high=0.5)),),
    )


def test_terms_and_rungs_are_found_by_name():
    epoch = an_epoch(1)
    assert epoch.term("averaging").value == -0.1
    assert epoch.term("mode") is None
    assert epoch.rung("reported").value == 0.5
    assert epoch.rung("valid") is None
    assert str(epoch) == "epoch 1  loss  gap -0.10 [-0.20, +0.00] = averaging -0.10 [-0.20, +0.00]".replace(
        "gap -0.10 [-0.20, +0.00]", "gap -0.1"
    )


def test_parts_are_terms_with_a_name_and_survive_storage():
    parts = tuple(
        Term(cause="mode", name=name, estimate=Estimate(value=x, low=x, high=x)) for name, x in (("a", 0.1), ("b", 0.2))
    )
    whole = Term(cause="mode", estimate=Estimate(value=0.3, low=0.2, high=0.4, se=0.05, df=9.0, skew=0.2), parts=parts)
    assert [p.value for p in whole.parts] == [0.1, 0.2]
    assert msgspec.json.decode(msgspec.json.encode(whole), type=Term) == whole
    assert Term(cause="mode", estimate=whole.estimate).parts == ()


def test_a_run_gives_the_epochs_of_each_score():
    run = Run(
        id="r", source="s", started="t", epochs=(an_epoch(1), an_epoch(1, "accuracy"), an_epoch(2), an_epoch(2, "accuracy"))
    )
    assert [e.epoch for e in run.of()] == [1, 2]
    assert {e.score.name for e in run.of("accuracy")} == {"accuracy"}
    assert run.of("mae") == ()
    assert [s.name for s in run.scores] == ["loss", "accuracy"]
    assert Run(id="r", source="s", started="t").of() == ()


def test_records_are_frozen_and_refuse_what_they_do_not_know():
    with pytest.raises(AttributeError):
        an_epoch(1).epoch = 2
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"value": 1, "low": 1, "high": 1, "colour": 3}', type=Estimate)
    assert len(CAUSES) == len(set(CAUSES)) == 18
    assert not math.isnan(an_epoch(1).gap.value)


@pytest.mark.parametrize(
    ("state", "overfits", "is_told"),
    [
        ("turn", "no", True), ("turn", "yes", True), ("no_turn", "no", True), ("no_turn", "cannot_tell", True),
        ("no_turn", "yes", False), ("turned", "no", False), ("cannot_tell", "no", False), (None, "no", False),
    ],
)  # fmt: skip
def test_a_forecast_is_told_where_there_is_one_that_fits_the_answer(state, overfits, is_told):
    verdict = Verdict(
        score=Score(),
        headline="Equal.",
        overfitting=Overfitting(state=overfits, since_epoch=None, evidence="Seen."),
        forecast=None if state is None else Forecast(state=state, evidence="It may be."),
    )
    assert verdict.outlook == ("It may be." if is_told else "")
    assert str(verdict) == ("Equal.\nSeen.\nIt may be." if is_told else "Equal.\nSeen.")
