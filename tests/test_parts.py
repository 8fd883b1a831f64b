"""Terms split by their reasons: exact where all was scored, adding up always, and covered where a part was."""

from dataclasses import replace

import numpy as np
import pytest

from whygap.ladder import build_epoch_gap
from whygap.observation import Observation, Sample, Visits
from whygap.records import Score

NAN = float("nan")
ROWS = 8
DRAWS = 500


class Epoch:
    """All visited examples, (U, rows), at the visit, after the step on their own batch, and at the end in several modes."""

    def __init__(self, seed, n_batches=40):
        self.rng = rng = np.random.default_rng(seed)
        shape = (n_batches, ROWS)
        visited = rng.gamma(4.0, 0.25, shape) + np.linspace(0.5, 0.0, n_batches)[:, None]
        after = visited - 0.05 - 0.1 * rng.random(shape)
        end = 0.8 * after + 0.05 * rng.random(shape)
        undropped = end - 0.2 * rng.random(shape)
        normed = undropped + 0.1 * rng.random(shape)
        self.scores = {
            "visited": visited,
            "after_update": after,
            "end_weights": end,
            "without_dropout": undropped,
            "without_batch_norm": normed,
            "eval_mode": normed + 0.03 * rng.random(shape),
        }

    def mean(self, name):
        return self.scores[name].mean()

    def observe(self, batches=None, *, taken=ROWS, looked=None, drop=(), blocked=False, noise=0.0, **more):
        """Observe `batches` (a number of them, at random), `taken` examples of each, `looked` of them after the update."""
        n_batches, first = self.scores["visited"].shape[0], None
        u = n_batches if batches is None else batches
        if blocked:
            first = np.arange(u) * n_batches // u
            batch = self.rng.integers(first, np.append(first[1:], n_batches))
        else:
            batch = np.sort(self.rng.permutation(n_batches)[:u])
        chosen = np.stack([self.rng.permutation(ROWS)[:taken] for _ in batch])
        on_rung = {name: s[batch[:, None], chosen] for name, s in self.scores.items() if name not in drop}
        if looked is not None:
            missed = self.rng.permutation(u)[looked:]
            on_rung["after_update"] = on_rung["after_update"].copy()
            on_rung["after_update"][missed] = NAN
        flat = {name: s.ravel()[None] for name, s in on_rung.items()}
        if noise:
            flat["end_weights"] = flat["end_weights"] + self.rng.normal(0.0, noise, (2, u * taken))
            flat["after_update"] = flat["after_update"] + self.rng.normal(0.0, noise, (1, u * taken))
        recorded = self.scores["visited"].mean(axis=1)
        parts = {
            "epoch": 1,
            "score": Score(),
            "train_reported": float(recorded.mean()),
            "valid_reported": 0.5,
            "visits": Visits(score=recorded, rows=np.full(n_batches, ROWS)),
            "sample": Sample(batch=batch, unit=np.repeat(np.arange(u), taken), on_rung=flat, first=first),
            "absent": frozenset({"penalty"}),
        }
        return Observation(**(parts | more))


def split(o, cause):
    """Return the term's estimate, and those of its parts by name."""
    term = build_epoch_gap(o).term(cause)
    assert all(p.cause == cause and p.parts == () for p in term.parts)
    return term.estimate, {p.name: p.estimate for p in term.parts}


def check_sum(whole, parts):
    assert sum(e.value for e in parts.values()) == pytest.approx(whole.value, abs=1e-12)
    assert all(e.low <= e.value <= e.high for e in parts.values())


METHODS = pytest.mark.parametrize("method", ["plain", "difference", "regression"])


class TestExact:
    @METHODS
    def test_parts_are_plain_differences_of_means(self, method):
        epoch = Epoch(1)
        o = epoch.observe(method=method)
        whole, parts = split(o, "averaging")
        check_sum(whole, parts)
        assert list(parts) == ["time lag", "own update"]
        assert parts["own update"].value == pytest.approx(epoch.mean("after_update") - epoch.mean("visited"), abs=1e-12)
        assert parts["time lag"].value == pytest.approx(epoch.mean("end_weights") - epoch.mean("after_update"), abs=1e-12)
        whole, of_mode = split(o, "mode")
        check_sum(whole, of_mode)
        names = ("end_weights", "without_dropout", "without_batch_norm", "eval_mode")
        expected = np.diff([epoch.mean(name) for name in names])
        assert {name: e.value for name, e in of_mode.items()} == pytest.approx(
            dict(zip(("dropout", "batch norm", "other"), expected, strict=True)), abs=1e-12
        )
        for e in (*parts.values(), *of_mode.values()):
            assert (e.low, e.high, e.how, e.reliable) == (e.value, e.value, "exact", True)

    def test_signs_of_a_model_that_improves(self):
        """Losses fall by the step on the own batch and by all later ones: both parts are negative, as the gap is."""
        _, parts = split(Epoch(2).observe(), "averaging")
        assert parts["own update"].value < 0.0
        assert parts["time lag"].value < 0.0

    def test_null_weights_that_stood_still_lag_by_nothing(self):
        epoch = Epoch(3)
        epoch.scores["after_update"] = epoch.scores["end_weights"] = epoch.scores["visited"]
        _, parts = split(epoch.observe(), "averaging")
        assert {name: e.value for name, e in parts.items()} == {"time lag": 0.0, "own update": 0.0}


class TestInPart:
    @METHODS
    @pytest.mark.parametrize(
        "more", [{}, {"taken": 3}, {"looked": 7}, {"looked": 7, "taken": 3}, {"blocked": True, "taken": 3}]
    )
    def test_parts_add_up_to_the_term(self, method, more):
        o = Epoch(4).observe(16, method=method, **more)
        for cause in ("averaging", "mode"):
            whole, parts = split(o, cause)
            assert len(parts) == (2 if cause == "averaging" else 3)
            check_sum(whole, parts)

    @pytest.mark.parametrize(("method", "more"), [
        ("plain", {"taken": 3, "looked": 10}),
        ("difference", {}),
        ("difference", {"noise": 0.5, "taken": 3}),
        ("regression", {"taken": 3}),
        ("regression", {"blocked": True, "taken": 3, "looked": 12}),
        ("regression", {"noise": 0.5, "looked": 10}),
    ])  # fmt: skip
    def test_parts_are_covered(self, method, more):
        epoch = Epoch(5)
        truths = {
            "own update": epoch.mean("after_update") - epoch.mean("visited"),
            "time lag": epoch.mean("end_weights") - epoch.mean("after_update"),
            "dropout": epoch.mean("without_dropout") - epoch.mean("end_weights"),
            "batch norm": epoch.mean("without_batch_norm") - epoch.mean("without_dropout"),
        }
        covered = dict.fromkeys(truths, 0)
        for _ in range(DRAWS):
            o = epoch.observe(16, method=method, **more)
            parts = split(o, "averaging")[1] | split(o, "mode")[1]
            for name, truth in truths.items():
                covered[name] += parts[name].low <= truth <= parts[name].high
        for name, count in covered.items():
            assert 0.92 <= count / DRAWS <= 0.985, f"{name}: {count} of {DRAWS}"

    def test_own_update_is_paired_with_the_visit_of_the_very_examples(self):
        epoch = Epoch(6)
        whole, parts = split(epoch.observe(16, method="plain"), "averaging")
        assert parts["own update"].se < whole.se / 5

    def test_few_looks_are_told(self):
        _, parts = split(Epoch(7).observe(16, looked=3), "averaging")
        for e in parts.values():
            assert (e.reliable, "3 sampled" in e.why) == (False, True)
        _, parts = split(Epoch(7).observe(16, looked=5), "averaging")
        assert all(e.reliable for e in parts.values())

    def test_looked_at_in_part_where_all_was_scored_has_an_interval(self):
        epoch = Epoch(8)
        whole, parts = split(epoch.observe(looked=12), "averaging")
        assert whole.se == 0.0
        for e in parts.values():
            assert e.how == "sampled"
            assert e.se > 0.0
        assert parts["time lag"].se == pytest.approx(parts["own update"].se, rel=1e-6)  # one is the rest of the other

    @pytest.mark.parametrize("method", ["plain", "difference"])
    def test_visits_that_are_no_plain_mean_are_in_the_error_of_the_time_lag(self, method):
        """What was recorded is twice the mean: the visits themselves are known of the sample alone."""
        epoch = Epoch(9)
        truth = epoch.mean("end_weights") - epoch.mean("after_update")
        covered = 0
        for _ in range(DRAWS):
            o = epoch.observe(16, method=method)
            o = replace(o, visits=replace(o.visits, score=2.0 * o.visits.score, is_plain_mean=False))
            e = split(o, "averaging")[1]["time lag"]
            covered += e.low <= truth <= e.high
        assert 0.92 <= covered / DRAWS <= 0.985


class TestAbsent:
    def test_a_term_of_which_nothing_more_was_seen_has_no_parts(self):
        o = Epoch(10).observe(16, drop=("after_update", "without_dropout", "without_batch_norm"))
        for cause in ("averaging", "mode"):
            assert split(o, cause)[1] == {}

    def test_nobody_looked_after_any_update(self):
        assert split(Epoch(11).observe(16, looked=0), "averaging")[1] == {}

    @pytest.mark.parametrize("bad", [NAN, np.inf, 1e300])
    def test_looks_that_are_not_finite_count_as_none_for_their_batch_or_for_all(self, bad):
        o = Epoch(12).observe(16)
        spoiled = o.sample.on_rung["after_update"].copy()
        spoiled[0, 3] = bad
        o = replace(o, sample=replace(o.sample, on_rung={**o.sample.on_rung, "after_update": spoiled}))
        whole, parts = split(o, "averaging")
        if bad == 1e300:
            assert parts == {}
        else:
            check_sum(whole, parts)
            assert parts["own update"].n == 15 * ROWS

    def test_the_recorded_mean_serves_where_whole_batches_were_scored_and_only_there(self):
        """A mean over batches is the same from batch means."""
        epoch = Epoch(13)
        seen = split(epoch.observe(), "averaging")[1]
        recorded = split(epoch.observe(drop=("visited",)), "averaging")[1]
        assert {n: e.value for n, e in recorded.items()} == pytest.approx({n: e.value for n, e in seen.items()}, abs=1e-12)
        assert split(epoch.observe(16, taken=3, drop=("visited",)), "averaging")[1] == {}

    def test_the_penalty_in_what_was_recorded_is_no_part_of_the_own_update(self):
        epoch = Epoch(14)
        o = epoch.observe(drop=("visited",), absent=frozenset())
        penalty = np.linspace(5.0, 4.0, 40)
        o = replace(o, visits=replace(o.visits, score=o.visits.score + penalty, penalty=penalty))
        _, parts = split(o, "averaging")
        assert parts["own update"].value == pytest.approx(epoch.mean("after_update") - epoch.mean("visited"), abs=1e-12)

    @pytest.mark.parametrize(("drop", "names"), [
        (("without_batch_norm",), ["dropout", "other"]),
        (("without_dropout",), ["batch norm", "other"]),
    ])  # fmt: skip
    def test_a_kind_of_layer_that_is_absent_leaves_its_neighbours_to_add_up(self, drop, names):
        whole, parts = split(Epoch(15).observe(16, drop=drop), "mode")
        assert list(parts) == names
        check_sum(whole, parts)

    def test_parts_that_are_zero_are_dropped(self):
        epoch = Epoch(16)
        epoch.scores["eval_mode"] = epoch.scores["without_batch_norm"]
        whole, parts = split(epoch.observe(16), "mode")
        assert list(parts) == ["dropout", "batch norm"]
        check_sum(whole, parts)
        epoch.scores["without_dropout"] = epoch.scores["end_weights"]
        whole, parts = split(epoch.observe(16), "mode")
        assert list(parts) == ["batch norm"]
        check_sum(whole, parts)

    @pytest.mark.parametrize("absent", [{"averaging"}, {"averaging", "reduction"}])
    def test_where_the_term_starts_from_another_rung_it_has_no_parts(self, absent):
        o = Epoch(17).observe(16, absent=frozenset(absent | {"penalty"}))
        assert split(o, "mode")[1] == {}
        assert (
            split(replace(o, sample=replace(o.sample, on_rung={"eval_mode": o.sample.on_rung["eval_mode"]})), "mode")[1] == {}
        )
