"""What one epoch teaches the next: variances by formula, the choice in known kinds of run, what choosing late costs."""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from whygap.choice import METHODS, choose_method, compare_known, compare_methods, count_useful, is_known_worth_it
from whygap.observation import Observation, Sample, Valid, Visits
from whygap.records import Score
from whygap.rungs import VALIDATION_DRAW, measure_rungs


def observe(recorded, now, batch, *, method="plain", valid=None, visited=None, taken=None, first=None, spoil=()):
    """An epoch of batches of equal size; `now` (U, m) are all scores at its end, of which `taken` each of `batch` were seen."""
    taken = now.shape[1] if taken is None else taken
    on_rung = {"eval_mode": now[batch, :taken].ravel()[None]}
    if visited is not None:
        on_rung["visited"] = visited[batch, :taken].ravel()[None]
    for name in spoil:
        on_rung[name] = np.full_like(on_rung["eval_mode"], np.nan)
    return Observation(
        epoch=1,
        score=Score(),
        train_reported=0.5,
        valid_reported=0.5,
        visits=Visits(score=recorded, rows=np.full(recorded.size, now.shape[1])),
        sample=Sample(batch=np.asarray(batch), unit=np.repeat(np.arange(len(batch)), taken), on_rung=on_rung, first=first),
        valid=valid,
        method=method,
    )


def compare(o):
    return compare_methods(o, measure_rungs(o))


def smooth(rng, n_batches=200, rows=16):
    """Scores at the visits that tell the present ones but for a constant and a factor."""
    visited = rng.gamma(4.0, 0.25, (n_batches, rows))
    return visited, 0.1 + 0.7 * visited + rng.normal(0.0, 0.02, (n_batches, rows))


class TestCompare:
    def test_the_ratios_are_those_of_the_variances_over_all_samples(self):
        """Enumerated: every sample of 9 of 12 batches, by each estimator."""
        rng = np.random.default_rng(0)
        visited = rng.gamma(4.0, 0.25, (12, 1))
        now = 0.6 * visited + rng.normal(0.0, 0.05, (12, 1))
        recorded = visited.mean(axis=1)
        estimates = {"plain": [], "regression": [], "difference": []}
        stated = []
        for batch in combinations(range(12), 9):
            stated.append(compare(observe(recorded, now, list(batch))))
            for method, values in estimates.items():
                o = observe(recorded, now, list(batch), method=method)
                values.append(measure_rungs(o).levels["eval_mode"].value)
        true = {name: np.mean((np.array(values) - now.mean()) ** 2) for name, values in estimates.items()}
        for name in METHODS:
            found = math.exp(np.mean([math.log(ratios[name]) for ratios in stated]))
            assert found == pytest.approx(true[name] / true["plain"], rel=0.35)
        assert true["regression"] < true["plain"] / 4

    def test_difference_by_its_formula(self):
        rng = np.random.default_rng(1)
        visited, now = smooth(rng, 60, 1)
        recorded, batch = visited.mean(axis=1), np.arange(0, 60, 5)
        expected = np.var(now[batch] - visited[batch]) / np.var(now[batch])
        assert compare(observe(recorded, now, batch))["difference"] == pytest.approx(expected, rel=1e-9)

    def test_what_a_few_whole_batches_are_compared_with_is_told_by_their_rows(self):
        """Not by their own means, which tell it to a factor of two; of twenty batches or more the means tell."""
        rng = np.random.default_rng(5)
        visited, now = smooth(rng, 200, 32)
        recorded = visited.mean(axis=1)
        for u, is_by_rows in ((5, True), (40, False)):
            batch = np.sort(rng.choice(200, u, replace=False))
            means = now[batch].mean(axis=1)
            plain = now[batch].var(axis=1, ddof=1).mean() / 32 if is_by_rows else means.var(ddof=1)
            found = compare(observe(recorded, now, batch))["difference"]
            assert found == pytest.approx((means - recorded[batch]).var(ddof=1) / plain, rel=1e-9)

    def test_batches_that_were_not_drawn_at_random_tell_themselves_how_far_they_differ(self):
        """Sorted examples: within a batch they are alike, and what was recorded tells all that lies between batches."""
        rng = np.random.default_rng(6)
        visited, _ = smooth(rng, 200, 32)
        visited = np.sort(visited.ravel()).reshape(200, 32)
        now = 0.1 + visited + rng.normal(0.0, 0.02, visited.shape)
        batch = np.array([20, 60, 100, 140, 180])
        assert compare(observe(visited.mean(axis=1), now, batch))["difference"] < 1e-3

    def test_null_visits_that_tell_nothing_gain_nothing(self):
        rng = np.random.default_rng(2)
        found = [
            compare(observe(rng.normal(1.0, 0.1, 200), rng.normal(1.0, 0.4, (200, 16)), np.arange(0, 200, 4)))
            for _ in range(50)
        ]
        assert np.median([ratios["regression"] for ratios in found]) == pytest.approx(1.0, abs=0.1)
        assert np.median([ratios["difference"] for ratios in found]) > 1.5

    def test_which_estimator_was_in_use_does_not_matter(self):
        rng = np.random.default_rng(3)
        visited, now = smooth(rng)
        recorded, batch = visited.mean(axis=1), np.arange(0, 200, 10)
        found = [compare(observe(recorded, now, batch, method=method)) for method in ("plain", "difference", "regression")]
        assert found[0] == found[1] == found[2]

    def test_what_can_not_be_told_is_left_out(self):
        rng = np.random.default_rng(4)
        visited, now = smooth(rng, 20)
        recorded, batch = visited.mean(axis=1), np.arange(10)
        assert "regression" not in compare(observe(recorded, now, batch[:7]))  # too few for it
        assert compare(observe(recorded, now, np.arange(20))) == {}  # all was scored
        assert compare(observe(recorded, now, batch, spoil=["eval_mode"])) == {}
        assert compare(observe(np.where(np.arange(20) == 2, np.nan, recorded), now, batch)) == {}
        assert compare(observe(recorded, np.full((20, 16), 0.3), batch)) == {}  # no spread to compare
        o = observe(recorded, now, batch)
        assert (
            compare_methods(Observation(epoch=1, score=Score(), train_reported=0.5, valid_reported=0.5), measure_rungs(o)) == {}
        )


class TestChoose:
    def test_nothing_known_is_plain(self):
        assert choose_method([]) == "plain"
        assert choose_method([{}, {}]) == "plain"

    def test_a_gain_below_a_half_is_none(self):
        for epochs in (2, 3):
            assert choose_method([{"regression": 0.51, "difference": 0.6}] * epochs) == "plain"
            assert choose_method([{"regression": 0.49, "difference": 0.6}] * epochs) == "regression"
            assert choose_method([{"regression": 0.49, "difference": 0.2}] * epochs) == "difference"

    def test_after_a_single_epoch_a_smaller_gain_will_do(self):
        assert choose_method([{"regression": 0.59, "difference": 0.7}]) == "regression"
        assert choose_method([{"regression": 0.61, "difference": 0.7}]) == "plain"

    def test_that_the_first_epoch_is_worse_has_no_say(self):
        assert choose_method([{"difference": 30.0}]) == "plain"
        assert choose_method([{"difference": 30.0}, {"difference": 0.2}]) == "difference"
        assert choose_method([{"difference": 0.9}, {"difference": 0.2}]) == "difference"
        assert choose_method([{"difference": 0.9}, {"difference": 0.2}, {"difference": 5.0}]) == "plain"

    def test_of_two_alike_the_better_liked(self):
        assert choose_method([{"difference": 0.1, "regression": 0.1}]) == "regression"

    def test_of_batches_too_few_for_a_regression_there_is_none(self):
        epochs = [{"regression": 0.05, "difference": 0.2}] * 2
        assert [choose_method(epochs, units=units) for units in (5, 7, 8)] == ["difference", "difference", "regression"]
        assert choose_method([{"regression": 0.05, "difference": 0.6}] * 2, units=7) == "plain"

    def test_one_odd_epoch_changes_nothing_and_a_lasting_change_does(self):
        good, bad = {"regression": 0.05}, {"regression": 1.2}
        assert choose_method([good, good, good, bad]) == "regression"
        assert choose_method([good, good, good, bad, bad, bad]) == "plain"
        assert choose_method([bad, bad, {"regression": 0.45}]) == "plain"
        assert choose_method([bad, *[good] * 3]) == "regression"

    def test_an_epoch_that_could_not_tell_leaves_the_choice_as_it_was(self):
        assert choose_method([{"regression": 0.1}, {}, {}]) == "regression"

    def test_planted_a_smooth_run(self):
        rng = np.random.default_rng(5)
        epochs = []
        for _ in range(3):
            visited, now = smooth(rng)
            epochs.append(compare(observe(visited.mean(axis=1), now, np.arange(0, 200, 6), visited=visited, taken=2)))
        assert choose_method(epochs) == "regression"
        assert epochs[-1]["regression"] < 0.1

    def test_planted_a_network_that_memorises(self):
        """The loss at the visit, before the step on the example, says little of the loss that the step left."""
        rng = np.random.default_rng(6)
        epochs = []
        for _ in range(5):
            visited = rng.exponential(1.0, (200, 16))
            now = np.exp(rng.normal(-6.0, 2.0, (200, 16)))
            epochs.append(compare(observe(visited.mean(axis=1), now, np.arange(0, 200, 6), visited=visited)))
        assert choose_method(epochs) == "plain"


class TestUseful:
    def test_at_that_number_sampling_has_a_fifth_of_the_variance_of_the_validation_set(self):
        rng = np.random.default_rng(7)
        now = rng.gamma(2.0, 0.2, (5000, 16))
        valid = Valid(score=rng.gamma(2.0, 0.2, 300), n=300)
        o = observe(now.mean(axis=1), now, np.arange(0, 5000, 100), valid=valid, taken=4)
        n = count_useful(o, measure_rungs(o))
        assert n == pytest.approx(300 / 0.2, rel=0.5)  # alike examples on both sides
        train = measure_rungs(o).sampling.design.error(o.sample.on_rung["eval_mode"][0]).variance
        draw = measure_rungs(o).levels["valid"].errors[VALIDATION_DRAW].moments.variance
        assert n == math.ceil(200 * train / (0.2 * draw))
        more = observe(now.mean(axis=1), now, np.arange(0, 5000, 5000 // (n // 4))[: n // 4], valid=valid, taken=4)
        at_n = measure_rungs(more)
        train = at_n.sampling.design.error(more.sample.on_rung["eval_mode"][0]).variance
        assert train == pytest.approx(0.2 * draw, rel=0.25)

    def test_a_better_estimator_wants_fewer(self):
        rng = np.random.default_rng(8)
        visited, now = smooth(rng)
        valid = Valid(score=rng.gamma(4.0, 0.25, 300), n=300)
        batch = np.arange(0, 200, 6)
        counts = {}
        for method in ("plain", "regression"):
            o = observe(visited.mean(axis=1), now, batch, valid=valid, visited=visited, method=method, taken=4)
            counts[method] = count_useful(o, measure_rungs(o))
        assert counts["regression"] < counts["plain"] / 10

    def test_where_it_can_not_be_told_there_is_no_limit(self):
        rng = np.random.default_rng(9)
        visited, now = smooth(rng, 20)
        recorded, valid = visited.mean(axis=1), Valid(score=rng.random(50), n=50)

        def count(*args, **more):
            o = observe(recorded, now, *args, **more)
            return count_useful(o, measure_rungs(o))

        assert count(np.arange(10), valid=valid) is not None
        assert count(np.arange(10)) is None
        assert count(np.arange(20), valid=valid) is None
        assert count(np.arange(10), valid=valid, spoil=["eval_mode"]) is None
        assert count(np.arange(10), valid=Valid(score=np.full(50, 0.5), n=50)) is None
        assert count([3], valid=valid) is None


def test_a_choice_made_by_earlier_epochs_keeps_the_coverage_that_one_made_on_the_sample_itself_loses():
    """Where three estimators are about as good, the one that looks best on a sample looks better than it is."""
    rng = np.random.default_rng(10)
    held = {"before": 0, "after": 0}
    stated = {"before": [], "after": []}
    previous, draws = [], 1500
    methods = ("plain", "regression", "difference")
    for _ in range(draws):
        visited = rng.normal(1.0, 0.5, (60, 1))
        now = 0.5 * visited + rng.normal(0.0, 0.43, (60, 1))
        batch = np.sort(rng.permutation(60)[:8])
        found = {}
        for method in methods:
            rungs = measure_rungs(observe(visited[:, 0], now, batch, method=method))
            found[method] = rungs.between(None, rungs.levels["eval_mode"], 0.95)
        picks = {"before": choose_method(previous[-4:]), "after": min(methods, key=lambda m: found[m].high - found[m].low)}
        for when, method in picks.items():
            e = found[method]
            held[when] += e.low <= now.mean() <= e.high
            stated[when].append(e.high - e.low)
        previous.append(compare(observe(visited[:, 0], now, batch)))
    assert 0.93 <= held["before"] / draws <= 0.97
    assert held["after"] / draws < held["before"] / draws - 0.02
    assert np.mean(stated["after"]) < np.mean(stated["before"])


class TestKnown:
    """Whether what is known of examples besides their scores is worth its time."""

    @staticmethod
    def compare(now, kind, *, taken=8, visited=None, method="regression"):
        batch = np.arange(0, len(now), 2)
        visited = np.ones_like(now) if visited is None else visited
        o = observe(visited.mean(axis=1), now, batch, visited=visited, taken=taken, method=method)
        if kind is not None:
            sample = replace(
                o.sample, known=1.0 * kind[batch, :taken].reshape(-1, 1), known_mean=kind[batch].mean(axis=1)[:, None]
            )
            o = replace(o, sample=sample)
        return compare_known(o, measure_rungs(o))

    def test_the_ratio_is_that_of_the_variances_of_both_means(self):
        """Drawn many times from each batch, with and without the difference between the two kinds taken out."""
        rng = np.random.default_rng(7)
        kind = rng.random((400, 32)) < 0.5
        own = rng.normal(0.0, 0.5, kind.shape)
        now = own + 1.0 * kind
        errors = {"with": [], "without": []}
        for _ in range(200):
            some = rng.permutation(32)[:8]
            errors["without"].append(now[:, some].mean(axis=1) - now.mean(axis=1))
            errors["with"].append(own[:, some].mean(axis=1) - own.mean(axis=1))
        within = {name: np.mean(np.square(each)) for name, each in errors.items()}
        between = now.mean(axis=1).var()  # half of the batches are left out, whatever is known of the others
        true = (0.5 * between + within["with"]) / (0.5 * between + within["without"])
        assert self.compare(now, kind, taken=8) == pytest.approx(true, rel=0.15)

    def test_null_kinds_that_are_alike_gain_nothing(self):
        rng = np.random.default_rng(8)
        now, kind = rng.normal(1.0, 0.3, (200, 32)), rng.random((200, 32)) < 0.5
        ratio = self.compare(now, kind)
        assert ratio == pytest.approx(1.0, abs=0.02)
        assert not is_known_worth_it([ratio])

    def test_it_can_not_be_told_where_nothing_is_known(self):
        assert self.compare(np.random.default_rng(9).normal(size=(40, 8)), None, taken=4) is None

    def test_at_first_it_is_and_then_the_last_epochs_weigh_most(self):
        assert is_known_worth_it([])
        assert is_known_worth_it([0.9])
        assert not is_known_worth_it([0.8, 1.0, 1.02])
        assert is_known_worth_it([1.0, 1.0, 0.7])
