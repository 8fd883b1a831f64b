"""Answers of a whole experiment: what was asked, what its runs allow, and what is said of those that are missing."""

import msgspec
import pytest

from whygap.answers import answer
from whygap.trials import Answer


def whole(plant, **fields):
    trials = plant.grid(lambda ratio, regime: 0.5 * (regime == "once") * (ratio > 1), regimes=("once", "fresh"), jump=0.01)
    return plant.experiment(trials, **fields)


def test_everything_is_answered_that_the_runs_allow_where_nothing_is_asked(plant):
    found = answer(whole(plant))
    assert [a.question for a in found] == ["edge", "worlds", "epochs"]
    assert all(a.sentence.endswith(".") and a.claim == "" for a in found)


def test_only_what_is_asked_is_answered_after_the_claim(plant):
    found = answer(whole(plant, asks=("edge", "capacity"), claim="C5"))
    assert [(a.question, a.claim, a.state) for a in found] == [
        ("edge", "C5", "holds"), ("edge", "", "holds_when"), ("capacity", "", "cannot_tell"),
    ]  # fmt: skip
    assert "random labels" in found[2].sentence


def test_numbers_are_named_by_the_case_they_are_of(plant):
    (found,) = answer(whole(plant, asks=("edge",)))
    assert len(found.numbers) == 6
    assert found.numbers["memorisation, 10,000 parameters, 300 examples"].value == pytest.approx(0.5, abs=0.05)


def test_runs_that_are_missing_are_said(plant):
    experiment = whole(plant, asks=("edge",))
    (found,) = answer(msgspec.structs.replace(experiment, wanted=100))
    assert found.caveats == ("40 of 100 runs are not finished.",)


def test_an_experiment_without_runs_is_no_error(plant):
    assert answer(plant.experiment((), wanted=5)) == ()
    asked = answer(plant.experiment((), wanted=5, asks=("edge", "worlds", "epochs", "capacity", "redraws"), claim="C1"))
    assert {a.state for a in asked} == {"cannot_tell"}
    assert len(asked) == 6


def test_answers_can_be_stored(plant):
    found = answer(whole(plant, claim="C3"))
    assert msgspec.json.decode(msgspec.json.encode(found), type=tuple[Answer, ...]) == found


@pytest.mark.parametrize("asks", [("edge",), ("worlds",), ("epochs",), ("redraws",)])
def test_one_seed_is_said_to_be_one(plant, asks):
    trials = plant.grid(lambda ratio, regime: 0.5, regimes=("once", "fresh"), seeds=1)
    (found,) = answer(plant.experiment(trials, asks=asks))
    assert any("one seed" in c for c in found.caveats) or found.state == "cannot_tell"


def test_regression_has_no_error_and_needs_none(plant):
    trials = plant.grid(lambda ratio, regime: 0.2, regimes=("once", "fresh"), names=("loss", "absolute_error"))
    assert [a.question for a in answer(plant.experiment(trials))] == ["edge", "worlds", "epochs"]


def test_runs_that_diverged_are_said(plant):
    trials = list(plant.cell(4))
    curve = msgspec.structs.replace(trials[0].curves[0], valid=(float("inf"),) * 20)
    trials[0] = msgspec.structs.replace(trials[0], curves=(curve,))
    found = answer(plant.experiment(tuple(trials), asks=("edge",)))
    assert "1 of 4 runs diverged, and are left out." in found[0].caveats
