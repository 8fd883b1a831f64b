"""The accounting identity, whatever the observation; exact terms where all was scored; intervals that cover where not."""

import math
import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whygap.errors import InputError
from whygap.estimate import reach
from whygap.ladder import LADDER, build_epoch_gap
from whygap.observation import Observation, Sample, Valid, Visits
from whygap.records import EpochGap, Score
from whygap.rungs import RESCORED

NAN, INF = float("nan"), float("inf")
LOSS = Score()
SCORED = ("visited", *(name for name in RESCORED if name in dict(LADDER)))
NOTHING_ELSE = frozenset({"penalty", "reduction", "reduction_valid", "penalty_valid"})


class Epoch:
    """An epoch of which everything is known: the scores of all visited examples on every rung, (n,) by name."""

    def __init__(self, rng, rows, **scores):
        self.rng = rng
        self.rows = np.asarray(rows)
        self.unit = np.repeat(np.arange(self.rows.size), self.rows)
        self.scores = scores

    def by_batch(self, name):
        return np.bincount(self.unit, weights=self.scores[name]) / self.rows

    def mean(self, name):
        return self.scores[name].mean()

    def sample(self, batches, repeats):
        """Return the batches' scores; `repeats` maps a rung to k evaluations (k, n) of all examples, where they are random."""
        batches = np.sort(np.asarray(batches))
        at = np.concatenate([np.flatnonzero(self.unit == b) for b in batches])
        on_rung = {name: repeats.get(name, self.scores[name][None])[:, at] for name in self.scores}
        return Sample(batch=batches, unit=np.repeat(np.arange(batches.size), self.rows[batches]), on_rung=on_rung)

    def observe(self, batches=None, *, repeats=None, recorded=None, penalty=None, weight=None, is_plain_mean=True, **more):
        u = self.rows.size
        batches = range(u) if batches is None else self.rng.permutation(u)[:batches] if isinstance(batches, int) else batches
        recorded = self.by_batch("visited") if recorded is None else recorded
        known = {
            "epoch": 3,
            "score": LOSS,
            "train_reported": float(np.average(recorded, weights=self.rows if weight is None else weight)),
            "valid_reported": float(more["valid"].score.mean()) if "valid" in more else 0.5,
            "visits": Visits(score=recorded, rows=self.rows, weight=weight, penalty=penalty, is_plain_mean=is_plain_mean),
            "sample": self.sample(batches, repeats or {}),
            "absent": NOTHING_ELSE,
        }
        return Observation(**(known | more))


def make_epoch(seed, n_batches=40, size=16, last=None):
    """Training as it goes: losses fall over the epoch, the end is better than the visit, eval mode better than train mode."""
    rng = np.random.default_rng(seed)
    rows = np.full(n_batches, size)
    rows[-1] = last or size
    hardness = rng.gamma(2.0, 0.2, rows.sum())
    progress = np.linspace(0.3, 0.0, rows.sum())
    end = 0.9 * hardness + 0.05 * rng.random(hardness.size)
    return Epoch(rng, rows, visited=hardness + progress, end_weights=end, eval_mode=0.8 * end)


def valid_of(scores, **more):
    return Valid(score=np.asarray(scores, dtype=float), n=len(scores), **more)


def term(gap, cause):
    found = gap.term(cause)
    assert found is not None, f"{cause} among {[t.cause for t in gap.terms]}, not measured: {gap.not_measured}"
    return found.estimate


def reason(gap, cause):
    (why,) = [m.why for m in gap.not_measured if m.cause == cause]
    return why


def numbers_in(record):
    """Return every float anywhere in a record."""
    plain = msgspec.to_builtins(record)
    todo, found = [plain], []
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            todo.extend(item.values())
        elif isinstance(item, (list, tuple)):
            todo.extend(item)
        elif isinstance(item, float):
            found.append(item)
    return found


def check_accounts(gap):
    """Assert what holds of every `EpochGap`."""
    assert all(math.isfinite(x) for x in numbers_in(gap))
    assert msgspec.json.decode(msgspec.json.encode(gap), type=EpochGap) == gap
    assert len({t.cause for t in gap.terms}) == len(gap.terms)
    assert not {t.cause for t in gap.terms} & {m.cause for m in gap.not_measured}
    for e in (*(t.estimate for t in gap.terms), *(r.estimate for r in gap.rungs)):
        assert e.low <= e.value <= e.high
        assert e.reliable or e.why
    if gap.gap is None:
        assert gap.unattributed == 0.0
        assert gap.notes
        return
    values = [t.value for t in gap.terms]
    magnitude = max(abs(x) for x in (gap.gap.value, *values, *(r.estimate.value for r in gap.rungs)))
    assert abs(math.fsum(values) + gap.unattributed - gap.gap.value) <= 1e-9 * magnitude
    assert gap.gap.value == gap.valid_reported - gap.train_reported
    if not gap.not_measured:
        assert abs(gap.unattributed) <= 1e-9 * magnitude


# ---------------------------------------------------------------------- any observation

moderate = st.floats(-10.0, 10.0)
awkward = moderate | st.sampled_from([0.0, -0.0, 1e-300, 5e-324, -1e-160, 1e90, 1e100, -1e100])
wild = awkward | st.sampled_from([NAN, INF, -INF, 1e200, -1.7e308])
scores = st.sampled_from([moderate, moderate, awkward, wild])


def arrays(draw, *shape):
    element = draw(scores)
    if draw(st.integers(0, 4)) == 0:
        return np.full(shape, draw(element))
    n = math.prod(shape)
    return np.array(draw(st.lists(element, min_size=n, max_size=n)), dtype=float).reshape(shape)


def a_number(draw):
    return draw(st.none() | draw(scores))


@st.composite
def observations(draw):
    """Any observation that fits together: rungs and causes at will, values of any kind, samples whole, in part, or none."""
    visits = sample = valid = fresh = None
    if draw(st.integers(0, 5)):
        rows = np.array(draw(st.lists(st.integers(1, 4), min_size=1, max_size=7)))
        b = rows.size
        penalty = arrays(draw, b) if draw(st.booleans()) else None
        if penalty is not None and draw(st.booleans()):
            penalty = np.where(draw(st.lists(st.booleans(), min_size=b, max_size=b)), penalty, NAN)
        weight = draw(st.sampled_from([None, rows.astype(float), np.ones(b), np.eye(b)[-1]]))
        visits = Visits(score=arrays(draw, b), rows=rows, weight=weight, penalty=penalty, is_plain_mean=draw(st.booleans()))
        if draw(st.integers(0, 5)):
            chosen = draw(st.permutations(range(b)))
            batch = np.array(chosen if draw(st.booleans()) else chosen[: draw(st.integers(0, b))], dtype=np.int64)
            first = None
            if batch.size and draw(st.booleans()):  # one from each of consecutive blocks
                batch = np.sort(batch)
                first = np.array([0, *(draw(st.integers(a + 1, z)) for a, z in pairwise(batch.tolist()))])
            taken = rows[batch] if draw(st.booleans()) else [draw(st.integers(1, n)) for n in rows[batch].tolist()]
            unit = np.repeat(np.arange(batch.size), taken)
            names = draw(st.lists(st.sampled_from(("visited", "after_update", *RESCORED)), unique=True))
            on_rung = {name: arrays(draw, draw(st.integers(1, 3)), unit.size) for name in names}
            sample = Sample(batch=batch, unit=unit, on_rung=on_rung, first=first)
    if draw(st.integers(0, 3)):
        m = draw(st.integers(1, 8))
        more = draw(st.integers(0, 5))
        rows = np.array(draw(st.lists(st.integers(1, 4), min_size=m, max_size=m))) if draw(st.booleans()) else None
        n = more + (m if rows is None else int(rows.sum()))
        valid = Valid(score=arrays(draw, m), n=n, rows=rows, mean=a_number(draw), penalty=a_number(draw))
    if draw(st.booleans()):
        fresh = arrays(draw, draw(st.integers(0, 8)))
    causes = [cause for _, cause in LADDER if cause is not None] + ["generalisation"]
    absent = frozenset(draw(st.lists(st.sampled_from(causes), unique=True, max_size=5)))
    if valid is not None and "penalty_valid" in absent:
        valid = replace(valid, penalty=None)  # who says that there is none doesn't give one
    return Observation(
        epoch=draw(st.integers(0, 10**6)),
        score=Score(name="accuracy", higher_is_better=draw(st.booleans())),
        train_reported=a_number(draw),
        valid_reported=a_number(draw),
        visits=visits,
        sample=sample,
        valid=valid,
        fresh=fresh,
        absent=absent,
        not_measured=draw(st.dictionaries(st.sampled_from(causes), st.just("nobody looked"), max_size=2)),
        method=draw(st.sampled_from(["plain", "difference", "regression"])),
        level=draw(st.sampled_from([0.5, 0.95, 0.999])),
    )


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(observations())
def test_any_observation_has_accounts_that_add_up(observation):
    gap = build_epoch_gap(observation)
    check_accounts(gap)
    for cause in observation.not_measured:
        assert gap.term(cause) is None
        assert reason(gap, cause) == "nobody looked"
    for t in gap.terms:
        assert t.cause not in observation.absent or t.cause in ("memorisation", "shift", "generalisation")
    reported = (observation.train_reported, observation.valid_reported)
    assert (gap.gap is None) == any(x is None or not abs(x) <= 1e100 for x in reported)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(observations(), st.data())
def test_what_was_not_seen_is_never_a_term(observation, data):
    """Spoil one rung by a NaN: neither the cause that leads to it nor the one that leads on can be told, and both are named."""
    sample = observation.sample
    rungs = (
        [] if sample is None or sample.batch.size == 0 else [r for r in sample.on_rung if r in RESCORED and r in dict(LADDER)]
    )
    if not rungs:
        return
    name = data.draw(st.sampled_from(rungs))
    cause = dict(LADDER)[name]
    spoiled = sample.on_rung[name].copy()
    spoiled[0, 0] = NAN
    sample = replace(sample, on_rung={**sample.on_rung, name: spoiled})
    absent = observation.absent - {cause}
    gap = build_epoch_gap(replace(observation, sample=sample, absent=absent, not_measured={}))
    check_accounts(gap)
    assert gap.rung(name) is None
    assert gap.term(cause) is None
    assert "isn't finite" in reason(gap, cause)
    after = next((m.cause for m in gap.not_measured if cause in m.why), None)
    assert after is None or gap.term(after) is None


# ---------------------------------------------------------------------- all was scored: exact


def full_epoch(seed=1):
    """Every cause there is at work, a short last batch, and everything known."""
    rng = np.random.default_rng(seed)
    epoch = make_epoch(seed, n_batches=12, size=8, last=3)
    s = epoch.scores
    s["clean_view"] = s["eval_mode"] * 0.9
    s["valid_criterion"] = s["clean_view"] ** 2
    s["valid_weights"] = s["valid_criterion"] - 0.01 * rng.random(epoch.unit.size)
    return epoch


def full_observation(method="difference", batches=None, seed=1, **more):
    epoch = full_epoch(seed)
    penalty = np.linspace(0.5, 0.4, 12)
    valid = np.random.default_rng([seed, 1]).gamma(2.0, 0.2, 50)
    parts = {
        "recorded": epoch.by_batch("visited") + penalty,
        "penalty": penalty,
        "weight": np.ones(12),
        "valid": valid_of(valid, penalty=0.39),
        "valid_reported": float(np.mean([valid[:20].mean(), valid[20:40].mean(), valid[40:].mean()])) + 0.39,
        "fresh": np.random.default_rng([seed, 2]).gamma(2.0, 0.18, 40),
        "absent": frozenset(),
        "method": method,
    }
    return epoch, epoch.observe(batches, **(parts | more))


@pytest.mark.parametrize("method", ["plain", "difference"])
def test_where_all_was_scored_the_terms_are_plain_differences_of_means(method):
    epoch, o = full_observation(method)
    gap = build_epoch_gap(o)
    check_accounts(gap)
    by_batch = [epoch.scores["visited"][epoch.unit == b].mean() for b in range(12)]
    penalty, valid = o.visits.penalty, o.valid.score
    means = [np.mean(by_batch + penalty), np.mean(by_batch)]
    means += [epoch.scores[name].mean() for name in SCORED]
    means += [o.fresh.mean(), valid.mean(), o.valid_reported - 0.39, o.valid_reported]
    expected = dict(zip([cause for _, cause in LADDER[1:]], np.diff(means), strict=True))
    assert {t.cause: t.value for t in gap.terms} == pytest.approx(expected, abs=1e-14)
    assert [r.estimate.value for r in gap.rungs] == pytest.approx(means, abs=1e-14)
    assert not gap.not_measured
    assert abs(gap.unattributed) < 1e-14
    for cause in ("penalty", "reduction", "averaging", "mode", "augmentation", "criterion", "weights"):
        e = term(gap, cause)
        assert (e.low, e.high, e.how, e.reliable) == (e.value, e.value, "exact", True)
    for cause in ("reduction_valid", "penalty_valid"):
        assert term(gap, cause).se == 0.0
    for cause in ("memorisation", "shift"):
        assert term(gap, cause).se > 0.0


def test_random_masks_alone_keep_an_interval_where_all_was_scored():
    epoch = make_epoch(2)
    noise = np.random.default_rng(3).normal(0.0, 0.3, (2, epoch.unit.size))
    repeats = {"end_weights": epoch.scores["end_weights"] + noise}
    gap = build_epoch_gap(epoch.observe(repeats=repeats))
    by_batch = np.array([[one[epoch.unit == b].mean() for b in range(40)] for one in noise])
    se = math.sqrt(np.mean(by_batch.var(axis=0, ddof=1)) / 2 / 40)
    for cause in ("averaging", "mode"):
        assert term(gap, cause).se == pytest.approx(se, rel=1e-9)
        assert term(gap, cause).df == pytest.approx(40.0)
        assert "random masks" in term(gap, cause).why


@pytest.mark.parametrize("k", [1, 2])
def test_two_equal_evaluations_show_that_there_are_no_masks(k):
    epoch = make_epoch(2)
    gap = build_epoch_gap(epoch.observe(repeats={"end_weights": np.stack([epoch.scores["end_weights"]] * k)}))
    assert term(gap, "mode").se == 0.0


def test_both_methods_agree_where_all_was_scored():
    gaps = [build_epoch_gap(full_observation(method)[1]) for method in ("plain", "difference")]
    assert gaps[0] == gaps[1]


# ---------------------------------------------------------------------- a part was scored


def slow_estimate(before, after, epoch, batches):
    """Estimate mean(after) - mean(before) from the sampled batches: paired by batch, in the slowest form; value and error."""
    changes, rows = [], []
    for b in batches:
        inside = [i for i, unit in enumerate(epoch.unit) if unit == b]
        changes.append(sum(after[i] - before[i] for i in inside) / len(inside))
        rows.append(len(inside))
    share = [n / sum(rows) for n in rows]
    value = sum(w * c for w, c in zip(share, changes, strict=True))
    squares = sum((w * (c - value)) ** 2 / (1 - w) for w, c in zip(share, changes, strict=True))
    return value, math.sqrt((1 - len(rows) / epoch.rows.size) * squares)


def check_interval(e):
    """Assert that the interval is the one that standard error, degrees of freedom and skewness give."""
    below, above = reach(e.level, e.df, e.skew)
    assert (e.low, e.high) == pytest.approx((e.value - below * e.se, e.value + above * e.se), rel=1e-9)


@pytest.mark.parametrize("method", ["plain", "difference"])
def test_mode_is_paired_by_example_whatever_the_method(method):
    epoch = make_epoch(4, last=3)
    batches = [0, 3, 8, 21, 22, 30, 39]
    gap = build_epoch_gap(epoch.observe(batches, method=method))
    e = term(gap, "mode")
    slow = slow_estimate(epoch.scores["end_weights"], epoch.scores["eval_mode"], epoch, batches)
    assert (e.value, e.se) == pytest.approx(slow, rel=1e-9)
    check_interval(e)
    assert (e.how, e.n) == ("sampled", 6 * 16 + 3)
    assert 4.5 < e.df < 6.0
    unpaired = sum(gap.rung(name).se ** 2 for name in ("end_weights", "eval_mode")) ** 0.5
    assert method == "difference" or e.se < unpaired / 3


def test_the_difference_method_pairs_averaging_with_the_visits():
    epoch = make_epoch(5)
    batches = list(range(0, 40, 3))
    e = term(build_epoch_gap(epoch.observe(batches, method="difference")), "averaging")
    slow = slow_estimate(epoch.scores["visited"], epoch.scores["end_weights"], epoch, batches)
    assert (e.value, e.se) == pytest.approx(slow, rel=1e-9)


def test_the_plain_method_uses_no_visit():
    epoch = make_epoch(5)
    batches = list(range(0, 40, 3))
    e = term(build_epoch_gap(epoch.observe(batches, method="plain")), "averaging")
    zero = np.zeros(epoch.unit.size)
    slow = slow_estimate(zero, epoch.scores["end_weights"], epoch, batches)
    assert (e.value + epoch.mean("visited"), e.se) == pytest.approx(slow, rel=1e-9)


def test_an_error_that_two_rungs_share_cancels():
    _, o = full_observation(batches=5)
    gap = build_epoch_gap(o)
    for name in ("valid", "valid_reduced", "valid_reported"):
        assert gap.rung(name).se == pytest.approx(o.valid.score.std(ddof=1) / 50**0.5, rel=1e-9)
    for cause in ("penalty", "reduction", "reduction_valid", "penalty_valid"):
        e = term(gap, cause)
        assert (e.low, e.high, e.how) == (e.value, e.value, "exact")
    assert gap.gap.se == gap.rung("valid_reported").se


def test_a_penalty_seen_at_the_sample_alone_is_estimated_and_cancels_from_reduction():
    epoch, batches = make_epoch(6), [1, 7, 12, 20, 26, 33]
    penalty = np.linspace(0.5, 0.1, 40)
    seen = np.full(40, NAN)
    seen[batches] = penalty[batches]
    recorded = epoch.by_batch("visited") + penalty
    o = epoch.observe(batches, recorded=recorded, penalty=seen, absent=frozenset(), method="difference")
    gap = build_epoch_gap(o)
    check_accounts(gap)
    by_example = penalty[epoch.unit]
    slow = slow_estimate(by_example, np.zeros(epoch.unit.size), epoch, batches)
    e = term(gap, "penalty")
    assert (e.value, e.se) == pytest.approx(slow, rel=1e-9)
    assert term(gap, "reduction").value == pytest.approx(0.0, abs=1e-14)
    assert term(gap, "reduction").se == 0.0
    slow = slow_estimate(epoch.scores["visited"], epoch.scores["end_weights"], epoch, batches)
    e = term(gap, "averaging")
    assert (e.value, e.se) == pytest.approx(slow, rel=1e-9)


def test_a_penalty_seen_at_the_sample_alone_can_not_be_told_from_a_mean_that_does_not_count_rows():
    epoch, batches = make_epoch(6, last=3), [1, 7, 12, 20, 26, 33]
    penalty = np.full(40, NAN)
    penalty[batches] = 0.3
    last_only = np.eye(40)[-1]
    gap = build_epoch_gap(epoch.observe(batches, penalty=penalty, weight=last_only, absent=frozenset()))
    check_accounts(gap)
    assert reason(gap, "penalty") == "the regularisation was not seen at every visit"
    assert reason(gap, "reduction") == "it can't be told apart from penalty"
    assert gap.rung("visited") is not None
    assert gap.term("averaging") is not None


def test_a_penalty_that_nobody_saw_hides_three_causes_and_no_more():
    epoch = make_epoch(6)
    gap = build_epoch_gap(
        epoch.observe(penalty=np.full(40, NAN), absent=frozenset(), valid=valid_of([0.2, 0.3, 0.1, 0.5, 0.4]))
    )
    check_accounts(gap)
    assert {"penalty", "reduction", "averaging"} == {m.cause for m in gap.not_measured}
    assert reason(gap, "averaging") == "it can't be told apart from penalty and reduction"
    assert gap.unattributed == pytest.approx(epoch.mean("end_weights") - epoch.mean("visited"), rel=1e-9)


@pytest.mark.parametrize("method", ["plain", "difference"])
def test_visits_that_are_no_plain_mean_are_told_by_their_examples(method):
    """What was recorded is the better guide to the visits themselves by either method."""
    epoch, batches = make_epoch(7), list(range(0, 40, 2))
    recorded = 2.0 * epoch.by_batch("visited")
    o = epoch.observe(batches, recorded=recorded, is_plain_mean=False, absent=frozenset({"penalty"}), method=method)
    gap = build_epoch_gap(o)
    check_accounts(gap)
    slow = slow_estimate(recorded[epoch.unit], epoch.scores["visited"], epoch, batches)
    e = term(gap, "reduction")
    assert (e.value, e.se) == pytest.approx(slow, rel=1e-9)
    e = term(gap, "averaging")
    if method == "plain":
        unmeasured = recorded[epoch.unit] - epoch.scores["visited"]
        slow = slow_estimate(np.zeros(epoch.unit.size), epoch.scores["end_weights"] + unmeasured, epoch, batches)
        assert (e.value + recorded.mean(), e.se) == pytest.approx(slow, rel=1e-9)
    else:
        slow = slow_estimate(epoch.scores["visited"], epoch.scores["end_weights"], epoch, batches)
        assert (e.value, e.se) == pytest.approx(slow, rel=1e-9)


def test_skewness_is_judged_by_the_examples_and_not_by_sixteen_means():
    """The means of 16 batches look skewed by chance in one of seven samples of the best-behaved scores."""
    rng = np.random.default_rng(14)
    epoch = make_epoch(14)
    doubted = 0
    for _ in range(100):
        epoch.scores["eval_mode"] = epoch.scores["end_weights"] + rng.normal(size=epoch.unit.size)
        doubted += not term(build_epoch_gap(epoch.observe(16)), "mode").reliable
    assert doubted == 0


def test_one_sampled_batch_of_several_has_a_value_and_no_trust():
    epoch = make_epoch(8)
    gap = build_epoch_gap(epoch.observe([11]))
    check_accounts(gap)
    e = term(gap, "mode")
    inside = epoch.unit == 11
    assert e.value == pytest.approx((epoch.scores["eval_mode"] - epoch.scores["end_weights"])[inside].mean())
    assert (e.how, e.reliable, e.why) == ("sampled", False, "1 sampled, and an interval wants at least 5")


def test_one_batch_in_all_is_exact():
    epoch = make_epoch(8, n_batches=1)
    assert term(build_epoch_gap(epoch.observe([0])), "mode").how == "exact"


def test_an_empty_sample_is_no_sample():
    epoch, nothing = make_epoch(8), np.zeros(0, dtype=np.int64)
    empty = Sample(batch=nothing, unit=nothing, on_rung={"eval_mode": np.zeros((1, 0))})
    assert build_epoch_gap(epoch.observe(sample=empty)) == build_epoch_gap(epoch.observe(sample=None))


def test_equal_scores_in_a_sample_are_not_taken_for_the_rest():
    """512 examples without a mistake: the accuracy of the other thousands isn't known to the last of them."""
    epoch = make_epoch(9)
    right = np.ones(epoch.unit.size)
    epoch.scores = {"visited": right, "end_weights": right.copy(), "eval_mode": right.copy()}
    valid = valid_of(np.arange(500) % 10 > 0)
    gap = build_epoch_gap(epoch.observe(list(range(16)), valid=valid))
    e = term(gap, "averaging")
    assert (e.value, e.how, e.reliable) == (0.0, "sampled", False)
    assert "equal" in e.why
    e = term(gap, "generalisation")  # where validation noise dominates, that doubt is none
    assert e.value == pytest.approx(-0.1)
    assert e.reliable


def test_skewed_training_losses_cast_no_doubt_on_a_gap_that_validation_noise_dominates():
    rng = np.random.default_rng(10)
    epoch = make_epoch(10, n_batches=200)
    epoch.scores["end_weights"] = np.where(np.arange(epoch.unit.size) == 5, 0.5, 1e-3 * rng.random(epoch.unit.size))
    epoch.scores["eval_mode"] = 0.9 * epoch.scores["end_weights"]
    gap = build_epoch_gap(epoch.observe(list(range(16)), valid=valid_of(rng.gamma(1.0, 1.0, 1000)), method="plain"))
    assert not gap.rung("eval_mode").reliable
    assert not term(gap, "mode").reliable
    assert "skewness" in term(gap, "mode").why
    assert term(gap, "generalisation").reliable


# ---------------------------------------------------------------------- the two splits


def test_fresh_examples_split_generalisation_into_memorisation_and_shift():
    epoch, valid, fresh = make_epoch(11), valid_of([0.5, 0.9, 0.4, 0.2, 0.6, 0.3]), np.array([0.4, 0.3, 0.2, 0.6, 0.1])
    without = build_epoch_gap(epoch.observe(valid=valid))
    with_fresh = build_epoch_gap(epoch.observe(valid=valid, fresh=fresh))
    assert {t.cause for t in without.terms} == {"averaging", "mode", "generalisation"}
    assert {t.cause for t in with_fresh.terms} == {"averaging", "mode", "memorisation", "shift"}
    memorisation, shift = term(with_fresh, "memorisation"), term(with_fresh, "shift")
    assert memorisation.value == pytest.approx(fresh.mean() - epoch.mean("eval_mode"))
    assert memorisation.se == pytest.approx(fresh.std(ddof=1) / 5**0.5)
    assert shift.value == pytest.approx(valid.score.mean() - fresh.mean())
    assert shift.se == pytest.approx((fresh.var(ddof=1) / 5 + valid.score.var(ddof=1) / 6) ** 0.5)
    assert memorisation.value + shift.value == pytest.approx(term(without, "generalisation").value)


@pytest.mark.parametrize(
    "more",
    [
        {"fresh": np.array([0.4, NAN])},
        {"fresh": np.array([0.4, 0.3]), "not_measured": {"memorisation": "why not"}},
        {"not_measured": {"memorisation": "why not"}},
    ],
)
def test_without_usable_fresh_examples_generalisation_is_measured_as_one(more):
    gap = build_epoch_gap(make_epoch(11).observe(valid=valid_of([0.5, 0.9, 0.4, 0.2, 0.6, 0.3]), **more))
    check_accounts(gap)
    assert term(gap, "generalisation").value == pytest.approx(gap.rung("valid").value - gap.rung("eval_mode").value)
    assert gap.term("shift") is None
    assert reason(gap, "memorisation") in ("why not", "1 of 2 fresh examples have a loss that isn't finite")


@pytest.mark.parametrize("absent", ["shift", "generalisation", "memorisation"])
def test_what_was_measured_on_a_split_is_shown_even_where_it_was_said_not_to_apply(absent):
    epoch, valid = make_epoch(11), valid_of([0.5, 0.9, 0.4, 0.2, 0.6, 0.3])
    said = frozenset({absent, "penalty", "reduction"})
    gap = build_epoch_gap(epoch.observe(valid=valid, absent=said))
    assert term(gap, "generalisation").value == pytest.approx(valid.score.mean() - epoch.mean("eval_mode"))
    assert term(gap, "reduction_valid").value == 0.0


def test_validation_scored_in_part():
    """The part's error is in what is compared with the training side, and not in the reported number."""
    epoch, part = make_epoch(12), np.array([0.5, 0.9, 0.4, 0.2, 0.6, 0.3])
    o = epoch.observe(
        valid=Valid(score=part, n=24), valid_reported=0.6, absent=frozenset({"penalty", "reduction", "penalty_valid"})
    )
    gap = build_epoch_gap(o)
    check_accounts(gap)
    spread = part.var(ddof=1)
    e = term(gap, "generalisation")
    assert (e.se, e.how, e.n) == (pytest.approx((spread / 6) ** 0.5), "sampled", epoch.unit.size)
    e = term(gap, "reduction_valid")
    assert (e.se, e.how) == (pytest.approx((spread / 6 * (1 - 6 / 24)) ** 0.5), "sampled")
    assert gap.gap.se == pytest.approx((spread / 24) ** 0.5)
    known = build_epoch_gap(replace(o, valid=replace(o.valid, mean=0.55)))
    assert term(known, "generalisation").value == pytest.approx(0.55 - epoch.mean("eval_mode"))
    assert term(known, "generalisation").se == pytest.approx((spread / 24) ** 0.5)
    e = term(known, "reduction_valid")
    assert (e.value, e.se) == (pytest.approx(0.05), 0.0)


def test_a_known_mean_that_is_not_finite_is_not_known():
    valid = Valid(score=np.array([0.5, 0.9, 0.4]), n=9, mean=NAN)
    gap = build_epoch_gap(make_epoch(12).observe(valid=valid))
    assert gap.rung("valid").value == pytest.approx(0.6)


def test_one_validation_example_has_no_spread():
    gap = build_epoch_gap(make_epoch(12).observe(valid=valid_of([0.4])))
    check_accounts(gap)
    e = term(gap, "generalisation")
    assert (e.reliable, e.why) == (False, "validation: 1 sampled, and an interval wants at least 5")


def test_a_gap_whose_validation_examples_were_not_scored_has_no_interval_to_trust():
    gap = build_epoch_gap(make_epoch(12).observe())
    assert (gap.gap.reliable, gap.gap.why) == (False, "the validation examples were not scored")


# ---------------------------------------------------------------------- what is missing


def test_a_missing_rung_leaves_its_distance_unattributed_and_is_named():
    epoch, valid = make_epoch(13), valid_of([0.5, 0.9, 0.4, 0.2, 0.6, 0.3])
    del epoch.scores["end_weights"]
    gap = build_epoch_gap(epoch.observe(valid=valid))
    check_accounts(gap)
    assert reason(gap, "averaging") == "it was not measured"
    assert reason(gap, "mode") == "it can't be told apart from averaging"
    assert [t.cause for t in gap.terms] == ["generalisation"]
    assert gap.unattributed == pytest.approx(epoch.mean("eval_mode") - epoch.mean("visited"), rel=1e-9)


@pytest.mark.parametrize(("name", "cause", "after"), [
    ("clean_view", "augmentation", "criterion"),
    ("valid_criterion", "criterion", "weights"),
    ("valid_weights", "weights", "memorisation"),
])  # fmt: skip
def test_an_optional_rung_that_was_spoiled_is_not_passed_over(name, cause, after):
    """Its effect must not turn up in the next cause's term."""
    epoch, o = full_observation()
    spoiled = {**o.sample.on_rung, name: np.where(np.arange(epoch.unit.size) == 5, NAN, epoch.scores[name])[None]}
    gap = build_epoch_gap(replace(o, sample=replace(o.sample, on_rung=spoiled)))
    check_accounts(gap)
    assert reason(gap, cause) == f"1 of {epoch.unit.size} scored examples have a loss that isn't finite"
    assert reason(gap, after) == f"it can't be told apart from {cause}"
    whole = build_epoch_gap(o)
    assert gap.unattributed == pytest.approx(term(whole, cause).value + term(whole, after).value, abs=1e-12)


def test_an_optional_rung_that_nobody_named_does_not_apply():
    gap = build_epoch_gap(make_epoch(13).observe(valid=valid_of([0.5, 0.9, 0.4, 0.2, 0.6, 0.3])))
    assert not gap.not_measured


def test_a_batch_that_is_not_finite_is_named():
    epoch = make_epoch(13)
    recorded = epoch.by_batch("visited")
    recorded[[2, 5]] = NAN, INF
    o = epoch.observe(recorded=recorded, train_reported=0.7, absent=NOTHING_ELSE - {"reduction"})
    gap = build_epoch_gap(o)
    check_accounts(gap)
    assert reason(gap, "reduction") == "2 of 40 batches have a loss that isn't finite"
    assert reason(gap, "averaging") == "it can't be told apart from reduction"
    assert term(gap, "mode").value == pytest.approx(epoch.mean("eval_mode") - epoch.mean("end_weights"))


@pytest.mark.parametrize("bad", [NAN, INF, -INF, 1e300, None])
@pytest.mark.parametrize("side", ["train_reported", "valid_reported"])
def test_a_reported_score_that_is_no_number_leaves_no_gap_but_a_note(side, bad):
    gap = build_epoch_gap(make_epoch(13).observe(valid=valid_of([0.5, 0.9, 0.4, 0.2, 0.6]), **{side: bad}))
    check_accounts(gap)
    assert gap.gap is None
    assert getattr(gap, side) is None
    split = "training" if side == "train_reported" else "validation"
    expected = f"no {split} loss was reported" if bad is None else f"the reported {split} loss is {bad:g}"
    assert gap.notes == (expected,)
    assert gap.term("generalisation") is not None


def test_two_reported_numbers_and_nothing_else():
    gap = build_epoch_gap(Observation(epoch=1, score=LOSS, train_reported=0.7, valid_reported=0.5))
    check_accounts(gap)
    assert not gap.terms
    assert gap.unattributed == gap.gap.value
    named = [m.cause for m in gap.not_measured]
    assert named == ["penalty", "reduction", "averaging", "mode", "generalisation", "reduction_valid", "penalty_valid"]
    assert reason(gap, "penalty_valid") == "it can't be told apart from the 6 causes before it"


@pytest.mark.parametrize("factor", [1e-290, 1e-30, 1e30, 1e95])
def test_the_size_of_scores_does_not_matter(factor):
    _, o = full_observation(batches=[0, 2, 3, 5, 6, 9])
    stretched = replace(
        o,
        train_reported=factor * o.train_reported,
        valid_reported=factor * o.valid_reported,
        visits=replace(o.visits, score=factor * o.visits.score, penalty=factor * o.visits.penalty),
        sample=replace(o.sample, on_rung={name: factor * scores for name, scores in o.sample.on_rung.items()}),
        valid=Valid(score=factor * o.valid.score, n=o.valid.n, penalty=factor * o.valid.penalty),
        fresh=factor * o.fresh,
    )
    gap, big = build_epoch_gap(o), build_epoch_gap(stretched)
    check_accounts(big)
    assert [t.cause for t in big.terms] == [t.cause for t in gap.terms]
    for t in gap.terms:
        e = term(big, t.cause)
        assert e.value / factor == pytest.approx(t.value, rel=1e-9, abs=1e-13)
        if factor > 1e-150:  # the square of a smaller spread is zero
            assert e.se / factor == pytest.approx(t.estimate.se, rel=1e-9, abs=1e-13)


def test_what_does_not_fit_is_refused():
    _, o = full_observation()
    with pytest.raises(InputError, match="epoch 3, loss: "):
        build_epoch_gap(replace(o, level=95.0))


ANOTHER_PROCESS = """
import msgspec, numpy as np
from whygap.ladder import build_epoch_gap
from whygap.observation import Observation, Sample, Valid, Visits
from whygap.records import Score
rng = np.random.default_rng(0)
rows, unit = np.full(30, 4), np.repeat(np.arange(3), 4)
sample = Sample(batch=np.arange(3), unit=unit, on_rung={name: rng.random((2, 12)) for name in ("end_weights", "eval_mode")})
gap = build_epoch_gap(Observation(
    epoch=1, score=Score(), train_reported=0.5, valid_reported=0.4, valid=Valid(score=rng.random(3), n=9), fresh=rng.random(2),
    visits=Visits(score=rng.random(30), rows=rows), sample=sample,
))
print(msgspec.json.encode(gap).decode())
"""


def test_records_are_the_same_in_every_process():
    """Sets of strings have another order in each: what is summed, and what is named, must not follow it."""
    runs = [
        subprocess.run(
            [sys.executable, "-c", ANOTHER_PROCESS], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        )
        for seed in "12345"
    ]
    assert runs[0].stdout
    assert len({run.stdout for run in runs}) == 1


# ---------------------------------------------------------------------- coverage, counted

DRAWS = 1000


def check_coverage(draw, *, most=0.975, **truths):
    """Count how often nominal 95 % intervals hold the truth, by cause, over `DRAWS` observations; `gap` is the gap's own."""
    covered = dict.fromkeys(truths, 0)
    for _ in range(DRAWS):
        gap = build_epoch_gap(draw())
        for cause, truth in truths.items():
            e = gap.gap if cause == "gap" else term(gap, cause)
            covered[cause] += e.low <= truth <= e.high
    for cause, count in covered.items():
        assert 0.93 <= count / DRAWS <= most, f"{cause}: {count} of {DRAWS}"


@pytest.mark.parametrize("method", ["plain", "difference"])
@pytest.mark.parametrize("n_batches", [20, 160])
def test_averaging_is_covered(method, n_batches):
    epoch = make_epoch(20, n_batches=n_batches, last=5)
    truth = epoch.mean("end_weights") - epoch.mean("visited")
    check_coverage(lambda: epoch.observe(16, method=method), averaging=truth)


@pytest.mark.parametrize("batches", [16, None])
@pytest.mark.parametrize("method", ["plain", "difference"])
def test_mode_is_covered_under_random_masks(method, batches):
    """The target is what masks give in the mean; they are drawn per example, and per batch for the company that it keeps."""
    epoch = make_epoch(21, n_batches=20)
    expected = epoch.scores["end_weights"]

    def draw():
        noise = epoch.rng.normal(0.0, 0.5, (2, expected.size)) + epoch.rng.normal(0.0, 0.05, (2, 20))[:, epoch.unit]
        return epoch.observe(batches, method=method, repeats={"end_weights": expected + noise})

    check_coverage(draw, mode=epoch.mean("eval_mode") - expected.mean(), averaging=expected.mean() - epoch.mean("visited"))


@pytest.mark.parametrize("method", ["plain", "difference"])
@pytest.mark.parametrize("source", ["drawn anew", "a fixed pool"])
def test_generalisation_is_covered(method, source):
    """The training side is this epoch's examples; the validation side is what its examples were drawn from."""
    epoch = make_epoch(22, n_batches=60)
    pool = epoch.rng.gamma(2.0, 0.25, 20_000)
    truth = (0.5 if source == "drawn anew" else pool.mean()) - epoch.mean("eval_mode")

    def draw():
        valid = epoch.rng.gamma(2.0, 0.25, 300) if source == "drawn anew" else epoch.rng.choice(pool, 300, replace=False)
        return epoch.observe(16, method=method, valid=valid_of(valid))

    check_coverage(draw, generalisation=truth)


def test_memorisation_and_shift_are_covered():
    epoch = make_epoch(23, n_batches=60)

    def draw():
        return epoch.observe(16, valid=valid_of(epoch.rng.gamma(2.0, 0.25, 200)), fresh=epoch.rng.gamma(2.0, 0.2, 100))

    check_coverage(draw, memorisation=0.4 - epoch.mean("eval_mode"), shift=0.1)


def test_validation_scored_in_part_is_covered():
    epoch = make_epoch(24)
    absent = frozenset({"penalty", "reduction", "penalty_valid"})

    def draw():
        valid = epoch.rng.gamma(4.0, 0.1, 120)
        return epoch.observe(valid=Valid(score=valid[:40], n=120), valid_reported=float(valid.mean()), absent=absent)

    truth = 0.4 - epoch.mean("eval_mode")
    check_coverage(draw, generalisation=truth, reduction_valid=0.0, gap=0.4 - epoch.mean("visited"))


def test_penalty_and_reduction_seen_at_the_sample_alone_are_covered():
    epoch = make_epoch(25, n_batches=50)
    penalty = np.geomspace(0.6, 0.2, 50)
    recorded = 1.3 * epoch.by_batch("visited") + epoch.rng.normal(0.0, 0.05, 50) + penalty

    def draw():
        o = epoch.observe(16, recorded=recorded, is_plain_mean=False, absent=frozenset({"reduction_valid", "penalty_valid"}))
        seen = np.full(50, NAN)
        seen[o.sample.batch] = penalty[o.sample.batch]
        return replace(o, visits=replace(o.visits, penalty=seen))

    data = recorded.mean() - penalty.mean()
    check_coverage(draw, penalty=-penalty.mean(), reduction=epoch.mean("visited") - data)


def test_a_network_that_has_memorised_has_a_gap_that_is_covered():
    """Its training losses are far too skewed for an interval of their own; the gap's holds, as validation noise dominates."""
    epoch = make_epoch(26, n_batches=100)
    epoch.scores["eval_mode"] = np.exp(epoch.rng.normal(-7.0, 2.5, epoch.unit.size))
    epoch.scores["end_weights"] = epoch.scores["eval_mode"] * 1.1

    def draw():
        return epoch.observe(16, method="plain", valid=valid_of(epoch.rng.gamma(1.0, 1.0, 500)))

    check_coverage(draw, generalisation=1.0 - epoch.mean("eval_mode"))


@pytest.mark.parametrize("steps", [2, 5, 20])
def test_a_start_that_most_samples_miss_is_doubted_where_it_was_missed(steps):
    """A few batches at the start fell steeply: the difference method's interval fails where none of them was sampled."""
    epoch = make_epoch(27, n_batches=200)
    epoch.scores["visited"] = epoch.scores["end_weights"] + 2.0 * np.exp(-epoch.unit / steps)
    truth = epoch.mean("end_weights") - epoch.mean("visited")
    held = {True: [], False: []}
    for _ in range(DRAWS):
        gap = build_epoch_gap(epoch.observe(16, method="difference"))
        e = term(gap, "averaging")
        held[e.reliable].append(e.low <= truth <= e.high)
        assert term(gap, "mode").reliable  # both of its rungs are of one sample
    assert np.mean(held[True]) >= 0.93
    assert np.mean(held[False]) <= 0.5
    assert all(term(build_epoch_gap(epoch.observe(16, method="plain")), "averaging").reliable for _ in range(50))


# ---------------------------------------------------------------------- some examples of one batch from each block


def thinned(epoch, o, taken, *, first=None):
    """Keep `taken` random examples of every sampled batch; `first` are the blocks that the batches were drawn from."""
    keep = np.concatenate(
        [epoch.rng.permutation(np.flatnonzero(o.sample.unit == i))[:taken] for i in range(o.sample.batch.size)]
    )
    on_rung = {name: scores[:, keep] for name, scores in o.sample.on_rung.items()}
    return replace(o, sample=replace(o.sample, unit=o.sample.unit[keep], on_rung=on_rung, first=first))


def one_from_each(epoch, u):
    first = np.arange(u) * epoch.rows.size // u
    return first, epoch.rng.integers(first, np.append(first[1:], epoch.rows.size))


@pytest.mark.parametrize(("method", "taken"), [("plain", 2), ("difference", 16), ("regression", 2), ("regression", 16)])
def test_examples_of_one_batch_from_each_block_are_covered(method, taken):
    epoch = make_epoch(30, n_batches=160)
    valid = epoch.rng.gamma(2.0, 0.25, (DRAWS, 200))
    truths = {
        "averaging": epoch.mean("end_weights") - epoch.mean("visited"),
        "mode": epoch.mean("eval_mode") - epoch.mean("end_weights"),
        "generalisation": 0.5 - epoch.mean("eval_mode"),
    }
    turn = iter(range(DRAWS))

    def draw():
        first, batches = one_from_each(epoch, 32)
        o = epoch.observe(batches, method=method, valid=valid_of(valid[next(turn)]))
        return thinned(epoch, o, taken, first=first)

    check_coverage(draw, most=0.975, **truths)


def test_a_regression_is_far_narrower_than_the_plain_mean_where_visits_tell_much():
    epoch = make_epoch(31, n_batches=160)
    se = {}
    for method in ("plain", "regression"):
        first, batches = one_from_each(epoch, 32)
        o = thinned(epoch, epoch.observe(batches, method=method), 4, first=first)
        se[method] = build_epoch_gap(o).rung("eval_mode").se
    assert se["regression"] < se["plain"] / 4


def test_a_regression_is_paired_where_rungs_are_compared():
    """The estimator is linear, so that a term is the difference of its rungs, and sharper than either."""
    epoch = make_epoch(32, n_batches=60)
    gap = build_epoch_gap(thinned(epoch, epoch.observe(20, method="regression"), 4))
    e = term(gap, "mode")
    assert e.value == pytest.approx(gap.rung("eval_mode").value - gap.rung("end_weights").value, abs=1e-14)
    check_interval(e)


@pytest.mark.parametrize("method", ["plain", "difference", "regression"])
def test_a_penalty_seen_at_the_sample_alone_moves_no_rung(method):
    """What was recorded of the batches holds it, what was seen of their examples doesn't."""
    epoch, batches = make_epoch(33), list(range(0, 40, 2))
    seen = np.full(40, NAN)
    seen[batches] = 5.0
    o = epoch.observe(batches, recorded=epoch.by_batch("visited") + 5.0, penalty=seen, absent=frozenset(), method=method)
    e = build_epoch_gap(o).rung("end_weights")
    assert e.value == pytest.approx(epoch.mean("end_weights"), abs=0.1)


def test_one_example_of_every_batch_is_no_full_pass():
    epoch = make_epoch(34)
    e = term(build_epoch_gap(thinned(epoch, epoch.observe(method="plain"), 1)), "averaging")
    spread = epoch.scores["end_weights"].std(ddof=1) / 40**0.5
    assert e.how == "sampled"
    assert 0.5 * spread < e.se < 2.0 * spread


def test_some_examples_of_one_batch_of_several_are_not_trusted_even_where_validation_noise_dominates():
    epoch = make_epoch(35)
    o = thinned(epoch, epoch.observe([11], method="plain", valid=valid_of(epoch.rng.gamma(2.0, 0.25, 30))), 8)
    assert not term(build_epoch_gap(o), "generalisation").reliable


def test_doubt_about_skew_is_told():
    epoch = make_epoch(36, n_batches=200)
    epoch.scores["eval_mode"] = np.where(np.arange(epoch.unit.size) == 5, 9.0, 0.01 * epoch.rng.random(epoch.unit.size))
    e = build_epoch_gap(epoch.observe(list(range(16)), method="plain")).rung("eval_mode")
    assert not e.reliable
    assert "a few scores carry the mean" in e.why
