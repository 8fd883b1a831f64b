"""What is said of runs whose truth is known, and that healthy runs are not accused."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whygap.estimate import Moments, estimate_from
from whygap.ladder import LADDER, build_epoch_gap
from whygap.observation import Observation, Sample, Valid, Visits
from whygap.records import EpochGap, Estimate, NotMeasured, Problem, Run, Rung, Score
from whygap.records import Term as TermRecord
from whygap.verdict import judge
from whygap.verdict.judge import explains_most
from whygap.verdict.overfitting import judge_overfitting
from whygap.verdict.sentences import WORDS

LOSS = Score()
ACCURACY = Score(name="accuracy", higher_is_better=True)
CAUSES = sorted({cause for _, cause in LADDER if cause is not None} | {"generalisation"})
ACCUSATIONS = ("leak", "cheat", "wrong", "broken", "bug")


def an_epoch(number, train, terms, *, score=LOSS, unattributed=0.0, gap_se=0.0, unreliable=(), **more):
    """An epoch by hand: `terms` maps a cause to its value or to (value, standard error)."""
    estimates = {}
    for cause, told in terms.items():
        value, se = told if isinstance(told, tuple) else (told, 0.0)
        doubt = "too few" if cause in unreliable else ""
        estimates[cause] = estimate_from(value, Moments(se**2, 1000.0), not_reliable=doubt)
    gap = sum(e.value for e in estimates.values()) + unattributed
    return EpochGap(
        epoch=number,
        score=score,
        train_reported=train,
        valid_reported=train + gap,
        gap=estimate_from(gap, Moments(gap_se**2)),
        terms=tuple(TermRecord(cause=cause, estimate=e) for cause, e in estimates.items()),
        unattributed=unattributed,
        **more,
    )


def a_run(epochs, **more):
    return Run(id="r", source="test", started="2026-01-01T00:00:00+00:00", epochs=tuple(epochs), **more)


def words_of(verdict):
    return str(verdict).lower()


def train(seed, *, epochs, fit, unseen, n=1024, m=800, score_of=lambda loss: loss):
    """A run through the ladder: every example's loss falls along `fit`, validation's along `unseen`, both functions of time."""
    rng = np.random.default_rng(seed)
    hardness, valid = rng.gamma(4.0, 0.25, n), rng.gamma(4.0, 0.25, m)
    rows = np.full(n // 32, 32)
    unit = np.repeat(np.arange(rows.size), 32)
    gaps = []
    for epoch in range(1, epochs + 1):
        order = rng.permutation(n)
        time = epoch - 1 + np.linspace(0.0, 1.0, n)
        visited = score_of(hardness[order] * fit(time))
        end, seen = score_of(hardness[order] * fit(epoch)), score_of(valid * unseen(epoch))
        recorded = visited.reshape(rows.size, 32).mean(axis=1)
        batch = np.sort(rng.permutation(rows.size)[:16])
        at = np.isin(unit, batch)
        gaps.append(
            build_epoch_gap(
                Observation(
                    epoch=epoch,
                    score=LOSS,
                    train_reported=float(recorded.mean()),
                    valid_reported=float(seen.mean()),
                    visits=Visits(score=recorded, rows=rows),
                    sample=Sample(batch=batch, unit=np.repeat(np.arange(16), 32), on_rung={"end_weights": end[at][None]}),
                    valid=Valid(score=seen, n=m),
                    absent=frozenset({"penalty", "reduction", "mode", "reduction_valid", "penalty_valid"}),
                )
            )
        )
    return a_run(gaps)


# ---------------------------------------------------------------------- three runs


def falling(time):
    return 0.1 + np.exp(-np.asarray(time) / 3.0)


@pytest.mark.parametrize("seed", range(5))
def test_a_run_that_improves_and_does_not_overfit_is_put_down_to_averaging(seed):
    verdict = judge(train(seed, epochs=12, fit=falling, unseen=falling))
    assert verdict.causes[0].cause == "averaging"
    assert verdict.headline.startswith("Validation loss looks better than training in ")
    assert WORDS["averaging"].reason in verdict.headline
    assert verdict.overfitting.state == "no"
    assert verdict.headline.endswith("There is nothing to fix.")
    assert "it overfits" not in words_of(verdict)
    assert not [word for word in ACCUSATIONS if word in words_of(verdict)]


@pytest.mark.parametrize("seed", range(5))
def test_a_run_that_memorises_is_told_so_and_since_when(seed):
    """Validation stops to improve at epoch 6 and turns, while training goes on falling."""
    turn = 6
    verdict = judge(train(seed, epochs=25, fit=falling, unseen=lambda t: falling(min(t, turn)) + 0.05 * max(0, t - turn)))
    o = verdict.overfitting
    assert o.state == "yes"
    assert turn < o.since_epoch <= turn + 4
    assert f"since epoch {o.since_epoch}" in o.evidence
    assert f"It overfits since epoch {o.since_epoch}, and validation was best in epoch {turn}." in verdict.headline
    assert "nothing to fix" not in words_of(verdict)
    assert "leak" not in words_of(verdict)


def test_overfitting_that_has_gone_is_not_held_against_a_run():
    sick = [an_epoch(e, 1.0, {"generalisation": (0.4, 0.02)}) for e in range(1, 6)]
    well = [an_epoch(e, 1.0, {"generalisation": (0.0, 0.02)}) for e in range(6, 9)]
    assert judge(a_run(sick)).overfitting.since_epoch == 1
    verdict = judge(a_run(sick + well))
    assert (verdict.overfitting.state, verdict.overfitting.since_epoch) == ("no", None)
    again = judge(a_run(sick + well + [an_epoch(9, 1.0, {"generalisation": (0.4, 0.02)})]))
    assert again.overfitting.since_epoch == 9


# ---------------------------------------------------------------------- overfitting


@pytest.mark.parametrize(("grows", "state"), [(1 / 60, "turn"), (0.0, "no_turn")])
def test_the_turn_of_validation_is_forecast(grows, state):
    run = a_run([an_epoch(e, 4.0 - np.log(e), {"generalisation": (0.05 + grows * e, 0.001)}) for e in range(1, 31)])
    verdict = judge(run)
    assert verdict.forecast.state == state
    assert verdict.forecast.evidence in str(verdict)
    if state == "turn":
        assert verdict.forecast.low < 60 < verdict.forecast.high


def test_a_forecast_uses_the_training_score_at_the_end_of_epochs_where_all_epochs_have_it():
    def run(has_rung):
        rungs = (Rung(name="end_weights", estimate=estimate_from(1.0, Moments(0.0))),)
        return a_run(
            [
                an_epoch(e, 4.0 - np.log(e), {"generalisation": 0.05 + e / 60}, rungs=rungs if has_rung(e) else ())
                for e in range(1, 31)
            ]
        )

    bare, partly, wholly = (judge(run(has)).forecast for has in (lambda e: False, lambda e: e > 1, lambda e: True))
    assert bare == partly != wholly


def test_since_is_the_epoch_in_which_it_was_planted():
    epochs = [an_epoch(e, 1.0, {"averaging": -0.05, "generalisation": (0.3 * (e >= 7), 0.02)}) for e in range(1, 21)]
    o = judge(a_run(epochs)).overfitting
    assert (o.state, o.since_epoch) == ("yes", 7)


@pytest.mark.parametrize(("value", "state"), [(-0.1, "yes"), (0.1, "no"), (0.0, "no")])
def test_accuracy_is_harmed_by_being_lower(value, state):
    verdict = judge(a_run([an_epoch(1, 0.8, {"generalisation": (value, 0.01)}, score=ACCURACY)]))
    assert verdict.overfitting.state == state
    side = {-0.1: "looks worse", 0.1: "looks better", 0.0: "are equal"}[value]
    assert side in verdict.headline


def test_memorisation_decides_where_it_was_measured():
    harder = {"memorisation": (0.0, 0.01), "shift": (0.5, 0.01)}
    verdict = judge(a_run([an_epoch(e, 1.0, harder) for e in (1, 2)]))
    assert verdict.overfitting.state == "no"
    assert "fresh ones" in verdict.overfitting.evidence
    assert "nothing to fix" not in words_of(verdict)
    assert WORDS["shift"].reason in verdict.headline


def test_one_validation_example_can_not_tell():
    on_rung = {"end_weights": np.ones((1, 8)), "eval_mode": np.ones((1, 8))}
    o = Observation(
        epoch=1,
        score=LOSS,
        train_reported=1.0,
        valid_reported=2.0,
        visits=Visits(score=np.array([1.0, 1.0]), rows=np.array([4, 4])),
        sample=Sample(batch=np.arange(2), unit=np.repeat([0, 1], 4), on_rung=on_rung),
        valid=Valid(score=np.array([2.0]), n=1),
    )
    verdict = judge(a_run([build_epoch_gap(o)]))
    assert verdict.overfitting.state == "cannot_tell"
    assert "isn't reliable" in verdict.overfitting.evidence
    assert any("generalisation" in w and "1 sampled" in w for w in verdict.warnings)


@pytest.mark.parametrize(("se", "state"), [(0.1, "no"), (0.2, "cannot_tell"), (5.0, "cannot_tell")])
def test_no_is_said_only_of_what_rules_out_a_quarter_of_the_score(se, state):
    o = judge(a_run([an_epoch(1, 1.0, {"generalisation": (0.0, se)})])).overfitting
    assert o.state == state
    assert state == "no" or "too wide; score more validation examples" in o.evidence


def test_harm_that_is_small_and_within_what_many_looks_give_by_chance_is_called_that():
    epochs = [an_epoch(e, 1.0, {"generalisation": (0.0, 0.01)}) for e in range(1, 12)]
    o = judge(a_run([*epochs, an_epoch(12, 1.0, {"generalisation": (0.025, 0.01)})])).overfitting
    assert o.state == "no"
    assert o.evidence.endswith("in epoch 12; [-0.012, +0.062], paying for 12 looks, which chance gives.")


def test_every_look_is_kept_with_bounds_that_pay_for_all():
    """The k-th look is taken at the level 1 - 0.05 * 6 / (pi k)^2; with many degrees of freedom a normal quantile."""
    epochs = [an_epoch(e, 1.0, {"generalisation": (0.1, 0.01)}) for e in (1, 2, 5)]
    o = judge(a_run([*epochs, an_epoch(6, 1.0, {"averaging": 0.1})])).overfitting
    assert [(look.epoch, look.cause) for look in o.looks] == [
        (1, "generalisation"),
        (2, "generalisation"),
        (5, "generalisation"),
    ]
    for look, quantile in zip(o.looks, (2.167, 2.668, 2.929), strict=True):
        assert look.estimate == epochs[0].terms[0].estimate
        assert (look.high - 0.1) / 0.01 == pytest.approx(quantile, rel=0.01)
        assert look.high - 0.1 == pytest.approx(0.1 - look.low)


def test_bounds_lean_as_the_error_does():
    e = estimate_from(0.1, Moments(0.01**2, 1000.0, third=0.5 * 0.01**3))
    term = TermRecord(cause="memorisation", estimate=e)
    gap = EpochGap(epoch=1, score=LOSS, train_reported=1.0, valid_reported=1.1, gap=e, terms=(term,))
    (look,) = judge_overfitting([gap]).looks
    assert look.low < e.low < 0.1 < e.high < look.high
    assert look.high - 0.1 > 1.5 * (0.1 - look.low)


@pytest.mark.parametrize("value", [0.4, 0.0, -0.4])
def test_an_unreliable_interval_neither_starts_nor_ends_a_stretch(value):
    def run(*unreliable):
        sure, unsure = {"generalisation": (0.4, 0.02)}, {"generalisation": (value, 0.02)}
        epochs = [
            an_epoch(e, 1.0, unsure, unreliable=("generalisation",)) if e in unreliable else an_epoch(e, 1.0, sure)
            for e in range(1, 7)
        ]
        return judge(a_run(epochs)).overfitting

    assert run(3).since_epoch == 1
    assert run(1, 2).since_epoch == 3
    assert run(6).state == "cannot_tell"
    assert run(1, 2, 3, 4, 5, 6).state == "cannot_tell"


def test_unseen_examples_that_were_never_scored_can_not_tell():
    o = judge(a_run([an_epoch(1, 1.0, {"averaging": -0.1})])).overfitting
    assert (o.state, o.evidence) == ("cannot_tell", "Whether it overfits can't be told: unseen examples were not scored.")


@pytest.mark.parametrize("df", [8.0, 15.0, 1000.0])
def test_at_most_one_healthy_run_in_twenty_is_accused_at_any_time(df):
    """400 runs of 40 epochs without a generalisation gap, judged after each epoch; standard errors are themselves estimated."""
    rng = np.random.default_rng(30)
    accused = 0
    for _ in range(400):
        values = rng.normal(0.0, 0.05, 40)
        errors = 0.05 * np.sqrt(rng.chisquare(df, 40) / df)
        gaps = []
        for epoch, (value, se) in enumerate(zip(values, errors, strict=True), start=1):
            e = estimate_from(float(value), Moments(float(se) ** 2, df))
            term = TermRecord(cause="generalisation", estimate=e)
            gaps.append(EpochGap(epoch=epoch, score=LOSS, train_reported=1.0, valid_reported=1.0, gap=e, terms=(term,)))
        accused += any(judge_overfitting(gaps[:k]).state == "yes" for k in range(1, 41))
    assert accused / 400 <= 0.05


def test_healthy_runs_through_the_ladder_are_not_accused():
    accused = sum(
        judge(train(seed, epochs=15, fit=falling, unseen=falling, m=200)).overfitting.state == "yes" for seed in range(40)
    )
    assert accused / 40 <= 0.05


# ---------------------------------------------------------------------- headline, causes, warnings


def test_the_headline_names_what_pushes_to_the_side_that_it_tells():
    """The largest cause of all pushes against the gap: it can't be why validation looks better."""
    terms = {"averaging": -0.5, "mode": -0.3, "generalisation": (0.7, 0.01)}
    verdict = judge(a_run([an_epoch(e, 1.0, terms) for e in (1, 2, 3)]))
    assert verdict.causes[0].cause == "generalisation"
    expected = f"Validation loss looks better than training in all 3 epochs, in part because {WORDS['averaging'].reason}."
    assert verdict.headline == f"{expected} It overfits since epoch 1, and validation was best in epoch 1."


def test_overfitting_while_validation_still_improves_is_told_as_that():
    epochs = [an_epoch(e, 1.0 / e, {"generalisation": (0.3 / e, 0.001)}) for e in (1, 2, 3)]
    assert judge(a_run(epochs)).headline.endswith(
        "It overfits since epoch 1, but validation was still improving in its last epoch."
    )


EQUAL = "Training and validation loss are equal in all 2 epochs."


@pytest.mark.parametrize(
    ("epochs", "headline"),
    [
        ([], "No epoch of this run has both a training and a validation loss, so there is no gap to explain."),
        ([an_epoch(1, 1.0, {})], "Training and validation loss are equal."),
        ([an_epoch(e, 1.0, {"mode": -0.1, "averaging": 0.1}) for e in (1, 2)], EQUAL),
        (
            [an_epoch(1, 1.0, {}, unattributed=-0.2), an_epoch(2, 1.0, {}, unattributed=0.1)],
            "Validation loss looks better than training in 1 of 2 epochs; why could not be measured.",
        ),
        (
            [an_epoch(1, 1.0, {"averaging": 0.1}, unattributed=0.4)],
            "Validation loss looks worse than training; the larger part could not be attributed to a cause.",
        ),
    ],
)  # fmt: skip
def test_headlines_of_runs_with_little_to_tell(epochs, headline):
    assert judge(a_run(epochs)).headline == headline


@pytest.mark.parametrize("terms", [
    {"averaging": -0.1},  # nobody looked whether it overfits
    {"averaging": -0.1, "generalisation": (0.0, 5.0)},
    {"averaging": -0.6, "generalisation": (-0.4, 0.01)},  # what if the validation set is far too easy?
    {"averaging": -0.2, "mode": -0.2, "augmentation": -0.2},
])  # fmt: skip
def test_nothing_to_fix_is_not_said_lightly(terms):
    assert "nothing to fix" not in judge(a_run([an_epoch(1, 1.0, terms)])).headline


def test_shares_and_sentences_by_hand():
    epochs = [
        an_epoch(1, 1.0, {"averaging": -0.6, "mode": (-0.1, 0.2), "weights": 0.001}, unattributed=-0.1),
        an_epoch(2, 1.0, {"averaging": -0.05, "mode": (-0.149, 0.01)}),
    ]
    causes = judge(a_run(epochs)).causes
    assert [(c.cause, c.share) for c in causes] == [("averaging", pytest.approx(0.65)), ("mode", pytest.approx(0.249))]
    assert causes[0].sentence.endswith(": -0.6 in epoch 1, -0.05 in epoch 2; most of the gap in 1 of 2 epochs.")
    assert causes[1].sentence.endswith(" in epoch 2; most of the gap in 1 of 2 epochs; within chance in 1 of 2 epochs.")
    for c in causes:
        assert c.sentence[0].isupper()
        assert c.advice == WORDS[c.cause].advice


def in_parts(gap, cause, **parts):
    """The epoch with one of its terms in parts: each a value, or a value with its standard error, or an estimate."""

    def estimate(told):
        value, se = told if isinstance(told, tuple) else (told, 0.0)
        return told if isinstance(told, Estimate) else estimate_from(value, Moments(se**2, 1000.0))

    records = tuple(TermRecord(cause=cause, name=n.replace("_", " "), estimate=estimate(e)) for n, e in parts.items())
    terms = tuple(msgspec.structs.replace(t, parts=records) if t.cause == cause else t for t in gap.terms)
    return msgspec.structs.replace(gap, terms=terms)


def test_the_parts_of_a_term_are_named_with_their_numbers():
    first, last = (an_epoch(e, 1.0, {"mode": (0.09, 0.01)}) for e in (1, 2))
    split = in_parts(last, "mode", dropout=(0.12, 0.01), batch_norm=(-0.03, 0.001))
    told = judge(a_run([first, split])).causes[0].sentence
    assert "+0.090 [+0.070, +0.110] in epoch 2; of which dropout +0.120, batch norm -0.0300; most of" in told
    told = judge(a_run([split, msgspec.structs.replace(first, epoch=3)])).causes[0].sentence
    assert "in epoch 3; of which in epoch 2 dropout +0.120, batch norm -0.0300; most of" in told
    assert "of which" not in judge(a_run([first, last])).causes[0].sentence


def test_a_part_that_chance_can_give_or_that_is_not_reliable_is_told_as_that():
    unsure = estimate_from(-0.031, Moments(1e-6, 2.0), not_reliable="3 sampled")
    gap = in_parts(an_epoch(1, 1.0, {"averaging": -0.1}), "averaging", time_lag=(-0.07, 0.1), own_update=unsure)
    told = judge(a_run([gap])).causes[0].sentence
    assert "; of which time lag -0.07 (within chance), own update -0.0310 (not reliable)" in told


numbers = st.floats(-1e90, 1e90, allow_subnormal=False) | st.sampled_from([0.0, 1.0, -1.0, 1e-200])


@given(
    st.lists(
        st.tuples(st.dictionaries(st.sampled_from(CAUSES), st.tuples(numbers, st.just(0.0)) | numbers, max_size=5), numbers),
        max_size=6,
    ),
    st.sampled_from([LOSS, ACCURACY]),
)
def test_any_run_gets_a_verdict_with_shares_that_sum_to_at_most_one(epochs, score):
    run = a_run(an_epoch(e, 1.0, terms, unattributed=u, score=score) for e, (terms, u) in enumerate(epochs, start=1))
    verdict = judge(run)
    assert sum(c.share for c in verdict.causes) <= 1.0 + 1e-12
    assert [c.share for c in verdict.causes] == sorted((c.share for c in verdict.causes), reverse=True)
    assert all(0.0 < c.share <= 1.0 for c in verdict.causes)
    assert verdict.headline.endswith(".")
    assert str(verdict)


def test_the_cause_that_explains_most_has_the_gaps_sign_and_more_than_half():
    assert explains_most(an_epoch(1, 1.0, {"averaging": -0.6, "mode": 0.3})) == "averaging"
    assert explains_most(an_epoch(1, 1.0, {"averaging": -0.5, "mode": -0.5})) is None
    assert explains_most(an_epoch(1, 1.0, {"averaging": -0.5}, unattributed=1.0)) is None
    assert explains_most(EpochGap(epoch=1, score=LOSS, train_reported=None, valid_reported=1.0, gap=None)) is None


def test_what_went_wrong_in_whygap_is_a_warning():
    problems = [
        Problem(epoch=2, text="scoring a visit: out of memory"),
        Problem(epoch=3, text="scoring a visit: out of memory"),
    ]
    epochs = [
        an_epoch(1, 1.0, {"averaging": -0.1}, notes=("the reported loss is odd",)),
        an_epoch(2, 1.0, {}, unattributed=-0.1, notes=("the reported loss is odd", "scoring a visit: out of memory")),
    ]
    warnings = judge(a_run(epochs, problems=tuple(problems))).warnings
    assert warnings[:2] == ("scoring a visit: out of memory", "the reported loss is odd (epochs 1-2)")
    assert len(warnings) == len(set(warnings))


def test_what_was_measured_in_no_epoch_can_not_be_told_and_what_lapsed_is_a_warning():
    mode, penalty = NotMeasured(cause="mode", why="not scored"), NotMeasured(cause="penalty", why="not seen")
    epochs = [
        an_epoch(1, 1.0, {"averaging": -0.1, "mode": 0.05}, not_measured=(penalty,)),
        an_epoch(2, 1.0, {"averaging": -0.1}, not_measured=(mode, penalty)),
        an_epoch(4, 1.0, {"averaging": -0.1}, not_measured=(mode,)),
    ]
    verdict = judge(a_run(epochs))
    assert verdict.cannot_tell == (penalty,)
    assert "mode could not be measured in epochs 2, 4: not scored" in verdict.warnings


def test_generalisation_says_what_it_can_not_tell_apart():
    together = judge(a_run([an_epoch(1, 1.0, {"generalisation": (0.0, 0.01)})])).cannot_tell
    assert [m.cause for m in together] == ["memorisation", "shift"]
    spoiled = NotMeasured(cause="memorisation", why="1 of 2 fresh examples have a loss that isn't finite")
    told = judge(a_run([an_epoch(1, 1.0, {"generalisation": (0.0, 0.01)}, not_measured=(spoiled,))])).cannot_tell
    assert told[0] == spoiled
    assert [m.cause for m in told] == ["memorisation", "shift"]
    assert not judge(a_run([an_epoch(1, 1.0, {"memorisation": (0.0, 0.01), "shift": (0.0, 0.01)})])).cannot_tell


def test_doubts_are_warnings():
    epochs = [
        an_epoch(1, 1.0, {"averaging": -0.1, "mode": 0.05}, unreliable=("mode",), gap_se=0.5),
        an_epoch(2, 1.0, {"averaging": -0.1}, unattributed=-0.1),
    ]
    assert judge(a_run(epochs)).warnings == (
        "the interval of mode isn't reliable in epoch 1: too few",
        "in epoch 1 the gap is so small that another validation set of this size could turn its sign",
        "in epoch 2 a part of the gap could not be attributed to any cause",
    )


def sampled_epoch(m, epoch):
    """An epoch through the ladder of which a quarter was sampled, with `m` validation examples."""
    rng = np.random.default_rng(epoch)
    rows, batch = np.full(64, 16), np.arange(0, 64, 4)
    unit = np.repeat(np.arange(16), 16)
    end = rng.gamma(4.0, 0.25, unit.size)
    valid = rng.gamma(4.0, 0.25, m)
    visits = Visits(score=rng.gamma(64.0, 1 / 64, 64), rows=rows)
    o = Observation(
        epoch=epoch,
        score=LOSS,
        train_reported=float(visits.score.mean()),
        valid_reported=float(valid.mean()),
        visits=visits,
        sample=Sample(batch=batch, unit=unit, on_rung={"end_weights": end[None], "eval_mode": end[None]}),
        valid=Valid(score=valid, n=m),
    )
    return build_epoch_gap(o)


def test_where_validation_noise_dominates_it_is_said_once_with_all_epochs():
    """Of 12 validation examples the mean is far less certain than of the 256 training examples that were sampled."""
    epochs = [sampled_epoch(m, e) for e, m in enumerate((12, 12, 100_000, 12), start=1)]
    said = [w for w in judge(a_run(epochs)).remarks if "dominates" in w]
    assert said == [
        "validation noise dominates the interval of generalisation in epochs 1-2, 4: a larger validation set would narrow it, "
        "scoring more training examples hardly would"
    ]


def test_each_score_has_its_own_verdict():
    run = a_run([an_epoch(1, 1.0, {"averaging": -0.1}), an_epoch(1, 0.5, {"generalisation": (-0.3, 0.01)}, score=ACCURACY)])
    assert judge(run).score == LOSS
    assert judge(run, score="accuracy").score == ACCURACY
    assert judge(run, score="accuracy").overfitting.state == "yes"
    assert judge(run, score="f1").headline.startswith("No epoch of this run has both a training and a validation f1")


def test_a_run_with_epochs_without_a_gap_is_judged_by_the_others():
    lost = EpochGap(epoch=2, score=LOSS, train_reported=None, valid_reported=1.0, gap=None, notes=("the reported loss is nan",))
    verdict = judge(a_run([an_epoch(1, 1.0, {"averaging": -0.1}), lost]))
    assert verdict.headline.startswith("Validation loss looks better than training, mostly because ")
    assert verdict.warnings == ("the reported loss is nan (epoch 2)",)
    assert judge(a_run([lost])).headline.startswith("No epoch of this run has both")


class TestWords:
    def test_every_cause_that_can_be_a_term_has_words(self):
        assert set(WORDS) == set(CAUSES)

    @pytest.mark.parametrize("cause", CAUSES)
    def test_they_complete_their_sentences(self, cause):
        words = WORDS[cause]
        assert words.reason[0].islower()
        assert words.reason[-1] not in ".,;:"
        assert words.advice[0].isupper()
        assert words.advice[-1] == "."
        assert not [word for word in ACCUSATIONS if word in f"{words.reason} {words.advice}".lower()]

    def test_only_what_lies_in_the_examples_can_do_harm(self):
        assert {cause for cause in CAUSES if not WORDS[cause].is_harmless} == {"memorisation", "shift", "generalisation"}


def test_the_level_of_the_stored_interval_does_not_matter():
    """Value, standard error and degrees of freedom decide: low and high may have been made at any level."""
    e = Estimate(value=0.4, low=-9.0, high=9.0, level=0.999, se=0.01, df=15.0)
    term = TermRecord(cause="memorisation", estimate=e)
    gap = EpochGap(epoch=1, score=LOSS, train_reported=1.0, valid_reported=1.4, gap=e, terms=(term,))
    assert judge_overfitting([gap]).state == "yes"


def test_what_both_sides_hold_alike_is_counted_as_what_remains_of_it():
    def estimate(value):
        return Estimate(value=value, low=value, high=value)

    def term(cause, value):
        return TermRecord(cause=cause, estimate=estimate(value))

    epochs = [
        EpochGap(
            epoch=e,
            score=Score(),
            train_reported=1.0,
            valid_reported=0.93,
            gap=estimate(-0.07),
            terms=tuple(map(term, ("penalty", "averaging", "generalisation", "penalty_valid"), (-0.33, -0.05, -0.01, 0.32))),
        )
        for e in (1, 2)
    ]
    run = Run(id="r", source="test", started="2026-01-01T00:00:00+00:00", epochs=tuple(epochs))
    verdict = judge(run)
    assert explains_most(epochs[0]) == "averaging"
    assert [c.cause for c in verdict.causes] == ["averaging", "penalty", "generalisation"]
    assert verdict.causes[0].share == pytest.approx(0.05 / 0.07)
    assert "-0.01 of it remains" in verdict.causes[1].sentence
    assert "mostly because the training score is an average" in verdict.headline


@pytest.mark.parametrize(("size", "state"), [(0.05, "no"), (0.09, "no"), (0.2, "yes")])
def test_what_a_single_visit_may_leave_behind_is_not_called_overfitting(size, state):
    """Beyond chance by far, but only from a tenth of the validation loss on."""
    found = judge(a_run([an_epoch(1, 1.0, {"generalisation": (size, 0.001)})])).overfitting
    assert found.state == state
    assert found.looks[0].overfits == (state == "yes")
    assert ("too little to matter" in found.evidence) == (state == "no")
