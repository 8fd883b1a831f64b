"""How a sample was drawn: every sample of tiny populations, the algebra that terms rest on, and coverage counted."""

from itertools import combinations, permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whygap.adapters.epoch import Draw, rows_of
from whygap.estimate import Design, Moments, draw_design, estimate_from

SCORES = np.array([0.3, -1.2, 4.0, 0.0, 2.5, 0.9])
MEMBERS = np.array([[0.0, 1.0, 5.0], [2.0, 2.5, 9.0], [-3.0, 4.0, 0.5], [1.0, 0.0, 0.2]])


def over(samples):
    """Return mean and variance of the estimates of all samples, and the mean of the variances that they state."""
    values, stated = np.array([(d.mean(each), d.error(each).variance) for d, each in samples]).T
    return values.mean(), values.var(), stated.mean()


def members_of(values, batch, chosen):
    """Return unit and score of the chosen members of every sampled unit."""
    unit = np.repeat(np.arange(len(batch)), [len(inside) for inside in chosen])
    return unit, np.array([values[b][i] for b, inside in zip(batch, chosen, strict=True) for i in inside])


def two_stage(values, u, taken, first=None, **more):
    """Yield every sample of `taken` members each of `u` units, or of one unit per block."""
    rows = [len(v) for v in values]
    if first is None:
        batches = combinations(range(len(values)), u)
    else:
        batches = product(*(range(a, b) for a, b in zip(first, [*first[1:], len(values)], strict=True)))
    for batch in batches:
        for chosen in product(*(combinations(range(rows[b]), min(taken, rows[b])) for b in batch)):
            unit, each = members_of(values, batch, chosen)
            yield draw_design(rows, batch, unit, first=first, **more), each


class TestEverySample:
    @pytest.mark.parametrize("u", [2, 3, 5])
    def test_units_drawn_at_random(self, u):
        mean, variance, stated = over(two_stage(SCORES[:, None], u, 1))
        assert mean == pytest.approx(SCORES.mean(), abs=1e-14)
        assert stated == pytest.approx(variance, rel=1e-12)

    @pytest.mark.parametrize(("u", "taken"), [(2, 2), (3, 2), (4, 2), (2, 3), (3, 3)])
    def test_some_members_of_some_units(self, u, taken):
        mean, variance, stated = over(two_stage(MEMBERS, u, taken))
        assert mean == pytest.approx(MEMBERS.mean(), abs=1e-14)
        assert stated == pytest.approx(variance, rel=1e-12)

    def test_units_of_unequal_sizes_weigh_by_their_members(self):
        """A ratio is biased, by far less than it errs; and its linearised variance is near."""
        values = [*MEMBERS, SCORES[:2], SCORES[3:6], MEMBERS[0][:2], SCORES[:3]]
        truth = np.concatenate(values).mean()
        mean, variance, stated = over(two_stage(values, 5, 2))
        assert abs(mean - truth) < 0.2 * variance**0.5
        assert stated == pytest.approx(variance, rel=0.1)

    def test_one_unit_of_every_block_is_unbiased_in_any_order(self):
        for order in ([0, 1, 2, 3, 4, 5], [5, 2, 0, 1, 3, 4]):
            mean, _, _ = over(two_stage(SCORES[order][:, None], None, 1, first=[0, 2, 3]))
            assert mean == pytest.approx(SCORES.mean(), abs=1e-14)

    @pytest.mark.parametrize("first", [[0, 2, 4], [0, 2], [0, 3]])
    def test_one_unit_of_every_block_states_its_variance_over_all_orders_of_a_shuffle(self, first):
        """Which of them meet in a block is chance as well, and the mean square over orders and samples is what is stated."""
        scores = SCORES[:4] if len(first) < 3 and first[-1] == 2 else SCORES
        found = [
            over(two_stage(scores[list(order)][:, None], None, 1, first=first)) for order in permutations(range(scores.size))
        ]
        _, variance, stated = np.mean(found, axis=0)
        assert stated == pytest.approx(variance, rel=1e-12)

    def test_members_of_one_unit_of_every_block_state_their_variance_over_all_orders(self):
        found = [over(two_stage(MEMBERS[list(order)], None, 2, first=[0, 2])) for order in permutations(range(4))]
        mean, variance, stated = np.mean(found, axis=0)
        assert mean == pytest.approx(MEMBERS.mean(), abs=1e-14)
        assert stated == pytest.approx(variance, rel=1e-12)

    def test_one_member_of_every_unit_of_a_shuffle(self):
        """Nothing tells members from their unit then, and yet the variance is known: all of it is between them."""
        flat = MEMBERS[:3, :2].ravel()
        found = [over(two_stage(flat[list(order)].reshape(3, 2), 3, 1)) for order in permutations(range(6))]
        mean, variance, stated = np.mean(found, axis=0)
        assert mean == pytest.approx(flat.mean(), abs=1e-14)
        assert stated == pytest.approx(variance, rel=1e-12)

    @pytest.mark.parametrize(("u", "drawn"), [(2, 1), (2, 2), (3, 2), (4, 2), (4, 1)])
    def test_members_that_are_sure_and_others_drawn_from_the_rest(self, u, drawn):
        values = np.array([[9.0, 0.1, 0.4, 0.2], [7.5, 1.0, 0.3, 0.6], [4.0, 0.2, 0.9, 0.0], [12.0, 0.5, 0.8, 0.7]])
        samples = []
        for batch in combinations(range(4), u):
            for chosen in product(*(combinations(range(1, 4), drawn) for _ in batch)):
                unit, each = members_of(values, batch, [(0, *inside) for inside in chosen])
                chance = np.tile(np.where(np.arange(drawn + 1) == 0, 1.0, drawn / 3), u)
                samples.append((draw_design([4] * 4, batch, unit, chance=chance), each))
        mean, variance, stated = over(samples)
        assert mean == pytest.approx(values.mean(), abs=1e-14)
        if drawn > 1:
            assert stated == pytest.approx(variance, rel=1e-12)
        else:  # nothing tells those drawn from their unit: too large, never too small
            assert stated >= variance

    def test_third_moment_over_all_samples(self):
        """For simple random samples of a large population; what is left of it is the small sample's own."""
        values = np.array([0.0] * 20 + [1.0, 2.0, 6.0])
        samples = list(two_stage(values[:, None], 3, 1))
        errors = np.array([d.mean(each) for d, each in samples]) - values.mean()
        third = np.mean([d.error(each).third for d, each in samples])
        u = 3
        bias = (u - 1) * (u - 2) / u**2  # of the sample's third moment
        assert third == pytest.approx(np.mean(errors**3) * bias, rel=0.02)


class TestWhole:
    def test_a_full_pass_has_no_error_whatever_is_known(self):
        known = np.stack([MEMBERS.mean(axis=1), np.arange(4.0)], axis=1)
        unit = np.repeat(np.arange(4), 3)
        for more in ({}, {"known": known}, {"known": known, "member_known": MEMBERS.ravel()}, {"first": [0, 1, 2, 3]}):
            design = draw_design([3] * 4, range(4), unit, **more)
            assert design.is_whole
            assert design.mean(MEMBERS.ravel()) == pytest.approx(MEMBERS.mean(), abs=1e-14)
            assert design.error(MEMBERS.ravel()) == Moments(0.0)

    def test_the_variance_goes_to_zero_as_the_rest_is_sampled(self):
        rng = np.random.default_rng(50)
        each = rng.normal(size=64)
        variances = [draw_design(np.ones(n), range(64), range(64)).error(each).variance for n in (65, 128, 640, 10**6)]
        endless = each.var(ddof=1) / 64
        assert variances == pytest.approx([endless * (1 - 64 / n) for n in (65, 128, 640, 10**6)], rel=1e-12)

    def test_every_unit_but_not_every_member_is_no_full_pass(self):
        design = draw_design([3] * 4, range(4), np.repeat(np.arange(4), 2))
        assert not design.is_whole
        each = MEMBERS[:, :2].ravel()
        by_hand = sum(np.var(v[:2], ddof=1) / 2 / 3 for v in MEMBERS) / 16
        assert design.error(each).variance == pytest.approx(by_hand, rel=1e-12)

    def test_equal_scores_have_no_error_and_as_many_degrees_of_freedom_as_others(self):
        for more in ({}, {"first": [0, 4, 9]}, {"known": np.arange(12.0)[:, None]}):
            design = draw_design([3] * 12, [1, 5, 10], np.repeat(np.arange(3), 2), **more)
            error = design.error(np.full(6, 0.1))
            assert error == Moments(0.0, error.df)
            assert error.df > 0.9

    @pytest.mark.parametrize("n_units", [2, 50])
    def test_one_unit_of_several_tells_no_variance(self, n_units):
        """Not even that of its members, which would pass for a small one."""
        for taken in (1, 4, 8):
            design = draw_design([8] * n_units, [1], np.zeros(taken, dtype=int))
            assert design.error(np.arange(taken) ** 2.0) == Moments(0.0, 0.0)


def some_design(rng, *, blocked=False, columns=0, with_members=False, n_units=30, u=10, taken=3):
    """A sample of unequal units, with as much known of them as is asked for."""
    rows = rng.integers(taken + 1, 12, n_units)
    first = np.arange(u) * n_units // u if blocked else None
    batch = np.sort(rng.permutation(n_units)[:u]) if first is None else rng.integers(first, np.append(first[1:], n_units))
    unit = np.repeat(np.arange(u), taken)
    known = rng.normal(2.0, 1.0, (n_units, columns)) if columns else None
    member_known = rng.normal(2.0, 1.0, unit.size) if with_members else None
    return rows, batch, known, draw_design(rows, batch, unit, first=first, known=known, member_known=member_known)


KINDS = [
    {},
    {"blocked": True},
    {"columns": 1},
    {"columns": 3, "blocked": True},
    {"columns": 1, "with_members": True},
    {"columns": 2, "with_members": True, "blocked": True},
]


class TestAlgebra:
    @pytest.mark.parametrize("kind", KINDS)
    @given(st.integers(0, 2**32), st.floats(-1e3, 1e3))
    def test_a_difference_of_means_is_the_mean_of_the_differences(self, kind, seed, factor):
        rng = np.random.default_rng(seed)
        *_, design = some_design(rng, **kind)
        a, b = rng.normal(size=(2, 30))
        assert design.mean(a + factor * b) == pytest.approx(
            design.mean(a) + factor * design.mean(b), abs=1e-9 * (1 + abs(factor))
        )
        assert design.mean(np.ones(30)) == pytest.approx(1.0, abs=1e-12)
        for of_both, of_a, of_b in zip(*map(design.shocks, (a - factor * b, a, b)), strict=True):
            np.testing.assert_allclose(of_both, of_a - factor * of_b, atol=1e-9)

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_error_has_the_unit_of_the_scores_and_does_not_feel_a_shift(self, kind):
        rng = np.random.default_rng(51)
        *_, design = some_design(rng, **kind)
        each = rng.gamma(1.0, size=30)
        one, other = design.error(each), design.error(5.0 - 2.0 * each)
        assert one.variance > 0.0
        assert other.variance == pytest.approx(4.0 * one.variance, rel=1e-9)
        assert other.third == pytest.approx(-8.0 * one.third, rel=1e-6, abs=1e-12)
        assert other.df == pytest.approx(one.df, rel=1e-9)

    @pytest.mark.parametrize("kind", [k for k in KINDS if "columns" in k])
    def test_calibrated_weights_have_the_known_means_exactly(self, kind):
        rng = np.random.default_rng(52)
        rows, batch, known, design = some_design(rng, **kind)
        assert design.calibrated.sum() == pytest.approx(1.0, abs=1e-12)
        assert design.calibrated @ known[batch] == pytest.approx(np.average(known, axis=0, weights=rows), abs=1e-12)

    def test_without_anything_known_weights_are_the_shares(self):
        *_, design = some_design(np.random.default_rng(53), blocked=True)
        assert np.array_equal(design.calibrated, design.weight)
        assert design.weight.sum() == pytest.approx(1.0, abs=1e-14)

    @pytest.mark.parametrize("kind", [{"columns": 2}, {"columns": 2, "blocked": True}])
    def test_planted_units_that_are_linear_in_what_is_known_leave_no_error(self, kind):
        rng = np.random.default_rng(54)
        rows, batch, known, design = some_design(rng, **kind)
        truth = 3.0 + known @ [1.0, -2.0]
        each = np.repeat(truth[batch], 3)
        assert design.mean(each) == pytest.approx(np.average(truth, weights=rows), abs=1e-12)
        assert design.error(each).variance < 1e-24

    def test_planted_members_that_are_linear_in_what_is_known_of_them_leave_no_error(self):
        rng = np.random.default_rng(55)
        at_visit = rng.gamma(2.0, size=(30, 8))
        now = 0.1 + 0.7 * at_visit
        batch = np.sort(rng.permutation(30)[:10])
        unit = np.repeat(np.arange(10), 3)
        design = draw_design(
            [8] * 30, batch, unit, known=at_visit.mean(axis=1)[:, None], member_known=at_visit[batch, :3].ravel()
        )
        each = now[batch, :3].ravel()
        assert design.mean(each) == pytest.approx(now.mean(), abs=1e-12)
        assert design.error(each).variance < 1e-24

    @pytest.mark.parametrize("taken", [1, 2, 3, 4])
    @pytest.mark.parametrize("u", [10, 30])
    @pytest.mark.parametrize("has_chances", [False, True])
    def test_shocks_square_and_sum_to_the_variance(self, taken, u, has_chances):
        rng = np.random.default_rng(56)
        chance = rng.uniform(0.1, 1.0, u * taken) if has_chances and taken < 4 else None
        design = draw_design([4] * 30, range(u), np.repeat(np.arange(u), taken), chance=chance)
        each = rng.normal(size=u * taken)
        units, members = design.shocks(each)
        assert units @ units + members @ members == pytest.approx(design.error(each).variance, rel=1e-12)

    @pytest.mark.parametrize("factor", [1e-90, 1e90])
    @pytest.mark.parametrize("kind", KINDS)
    def test_huge_and_tiny_scores_and_knowledge(self, kind, factor):
        rng = np.random.default_rng(57)
        *_, plain = some_design(rng, **kind)
        more = {"known": factor * plain.known, "known_mean": factor * plain.known_mean}
        for name in ("member_known", "member_mean"):
            more[name] = None if getattr(plain, name) is None else factor * getattr(plain, name)
        parts = {name: getattr(plain, name) for name in ("weight", "fraction", "size", "unit", "is_blocked")}
        design = Design(**parts, **more)
        each = rng.gamma(1.0, size=30)
        error, usual = design.error(factor * each), plain.error(each)
        assert design.mean(factor * each) / factor == pytest.approx(plain.mean(each), rel=1e-9)
        assert error.variance / factor**2 == pytest.approx(usual.variance, rel=1e-9)
        assert error.skew == pytest.approx(usual.skew, rel=1e-6)


# ---------------------------------------------------------------------- coverage, counted


def count(draw, *, draws=1500, seed=60):
    """Return the share of intervals that hold the truth, and the mean stated variance relative to the true one."""
    rng = np.random.default_rng(seed)
    covered, errors, stated = 0, [], []
    for _ in range(draws):
        design, each, truth = draw(rng)
        moments = design.error(each)
        e = estimate_from(design.mean(each), moments)
        covered += e.low <= truth <= e.high
        errors.append(e.value - truth)
        stated.append(moments.variance)
    return covered / draws, np.mean(stated) / np.var(errors)


def draw_units(rng, n_units, u, blocked):
    first = np.arange(u) * n_units // u if blocked else None
    batch = np.sort(rng.permutation(n_units)[:u]) if first is None else rng.integers(first, np.append(first[1:], n_units))
    return first, batch


def draw_members(rng, values, batch, taken):
    chosen = np.stack([rng.permutation(values.shape[1])[:taken] for _ in batch])
    return np.repeat(np.arange(batch.size), taken), values[batch[:, None], chosen].ravel(), chosen


@pytest.mark.parametrize("blocked", [False, True])
@pytest.mark.parametrize(
    ("n_units", "u", "taken"), [(20, 16, 8), (100, 16, 8), (100, 16, 2), (100, 64, 1), (64, 64, 1), (64, 64, 2)]
)
def test_coverage_of_two_stages(blocked, n_units, u, taken):
    def draw(rng):
        values = rng.normal(0.0, 1.0, (n_units, 8)) + rng.normal(0.0, 0.3, n_units)[:, None]
        first, batch = draw_units(rng, n_units, u, blocked)
        unit, each, _ = draw_members(rng, values, batch, taken)
        return draw_design([8] * n_units, batch, unit, first=first), each, values.mean()

    covered, ratio = count(draw)
    assert 0.935 <= covered <= 0.97
    assert 0.93 <= ratio <= (1.07 if taken > 1 else 1.15)  # of one each nothing tells how little their units differ


@pytest.mark.parametrize(("last", "least"), [(1, 0.91), (4, 0.93), (16, 0.935)])
def test_coverage_with_a_short_last_batch_in_a_block_of_whole_ones(last, least):
    """Where it is drawn it stands for all of them; where it holds a single example, that is the worst that can be drawn."""

    def draw(rng):
        rows = np.full(112, 32)
        rows[-1] = last
        means = rng.normal(0.0, 1.0 / np.sqrt(rows))
        first, batch = draw_units(rng, 112, 16, True)
        design = draw_design(rows, batch, np.repeat(np.arange(16), rows[batch]), first=first)
        return design, np.repeat(means[batch], rows[batch]), np.average(means, weights=rows)

    covered, _ = count(draw)
    assert least <= covered <= 0.97


@pytest.mark.parametrize(("u", "columns"), [(12, 1), (16, 2), (64, 2)])
@pytest.mark.parametrize("blocked", [False, True])
def test_coverage_of_a_regression(u, columns, blocked):
    def draw(rng):
        position = np.linspace(0.0, 1.0, 300)
        known = np.stack([rng.normal(1.0, 0.3, 300), position], axis=1)[:, :columns]
        values = (0.5 * known[:, 0] - 0.1 * position + rng.normal(0.0, 0.05, 300))[:, None]
        first, batch = draw_units(rng, 300, u, blocked)
        return draw_design([1] * 300, batch, np.arange(u), first=first, known=known), values[batch, 0], values.mean()

    covered, ratio = count(draw, draws=4000)
    assert 0.93 <= covered <= 0.97
    assert 0.93 <= ratio <= 1.15


@pytest.mark.parametrize("blocked", [False, True])
def test_coverage_and_gain_of_what_is_known_of_members(blocked):
    gains = []

    def draw(rng):
        at_visit = rng.gamma(4.0, 0.25, (200, 16))
        now = 0.8 * at_visit + rng.normal(0.0, 0.05, (200, 16))
        first, batch = draw_units(rng, 200, 32, blocked)
        unit, each, chosen = draw_members(rng, now, batch, 3)
        known = np.stack([at_visit.mean(axis=1), np.linspace(0.0, 1.0, 200)], axis=1)
        design = draw_design(
            [16] * 200, batch, unit, first=first, known=known, member_known=at_visit[batch[:, None], chosen].ravel()
        )
        by_units = draw_design([16] * 200, batch, unit, first=first, known=known)
        gains.append(design.error(each).variance / by_units.error(each).variance)
        return design, each, now.mean()

    covered, ratio = count(draw)
    assert 0.935 <= covered <= 0.97
    assert 0.93 <= ratio <= 1.1
    assert np.mean(gains) < 0.1


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(("top", "drawn"), [(4, 4), (8, 3), (4, 8)])
def test_coverage_and_gain_where_those_that_were_worst_at_the_visit_are_sure(top, drawn, known):
    """What has changed most since is among them; whoever is drawn beside them stands for all others."""
    spread = {"sure": [], "random": []}

    def draw(rng):
        at_visit = rng.lognormal(0.0, 1.0, (200, 32))
        now = 0.8 * at_visit * rng.uniform(0.7, 1.3, (200, 32))
        first, batch = draw_units(rng, 200, 24, True)
        order = np.argsort(-at_visit[batch], axis=1)
        worst, rest = order[:, :top], np.stack([rng.permutation(inside)[:drawn] for inside in order[:, top:]])
        anyone = np.stack([rng.permutation(32)[: top + drawn] for _ in batch])
        unit = np.repeat(np.arange(24), top + drawn)
        designs = {}
        for kind, chosen in (("sure", np.concatenate([worst, rest], axis=1)), ("random", anyone)):
            at = batch[:, None], chosen
            more = {"known": at_visit.mean(axis=1)[:, None], "member_known": at_visit[at].ravel()} if known else {}
            chance = np.where(np.tile(np.arange(top + drawn) < top, 24), 1.0, drawn / (32 - top)) if kind == "sure" else None
            designs[kind] = draw_design([32] * 200, batch, unit, first=first, chance=chance, **more), now[at].ravel()
            spread[kind].append(designs[kind][0].mean(designs[kind][1]) - now.mean())
        return *designs["sure"], now.mean()

    covered, ratio = count(draw)
    assert 0.935 <= covered <= 0.97
    assert 0.93 <= ratio <= 1.1
    if known:  # without, most of the error is which batches were drawn
        assert np.var(spread["sure"]) < 0.7 * np.var(spread["random"])


@pytest.mark.parametrize("n_classes", [0, 5])
@pytest.mark.parametrize(("u", "drawn"), [(24, 12), (60, 6), (200, 7)])
def test_coverage_and_gain_where_chances_follow_what_is_known_of_members(u, drawn, n_classes):
    """Drawn in order of it, from every unit or from some; and members of one class have changed together."""
    spread = {"by size": [], "random": []}

    def draw(rng):
        at_visit, kind = rng.lognormal(0.0, 1.0, (200, 32)), rng.integers(0, max(1, n_classes), (200, 32))
        now = 0.7 * at_visit + np.sqrt(at_visit) * rng.normal(0.0, 0.3, at_visit.shape) + 0.3 * kind
        first, batch = draw_units(rng, 200, u, True)
        draws = [Draw(rng.permutation(32), drawn, rng.random()) for _ in batch]
        by_size, chance = rows_of(draws, at_visit[batch])
        anyone = np.stack([rng.permutation(32)[:drawn] for _ in batch])
        designs = {}
        for name, chosen in (("by size", by_size), ("random", anyone)):
            where = batch[:, None], chosen
            told, means = [at_visit[where].ravel()], [at_visit[batch].mean(axis=1)]
            for k in range(1, n_classes):
                told.append(1.0 * (kind[where] == k).ravel())
                means.append((kind[batch] == k).mean(axis=1))
            more = {"member_known": np.stack(told, axis=1), "member_mean": np.stack(means, axis=1)}
            more |= {"chance": chance.ravel() if name == "by size" else None, "first": first}
            known = np.stack([at_visit.mean(axis=1), np.linspace(0.0, 1.0, 200)], axis=1)
            designs[name] = draw_design([32] * 200, batch, np.repeat(np.arange(u), drawn), known=known, **more)
            spread[name].append(designs[name].mean(now[where].ravel()) - now.mean())
        return designs["by size"], now[batch[:, None], by_size].ravel(), now.mean()

    covered, ratio = count(draw)
    assert 0.93 <= covered <= 0.975
    assert 0.93 <= ratio <= 1.25
    assert abs(np.mean(spread["by size"])) < 4.0 * np.std(spread["by size"]) / np.sqrt(len(spread["by size"]))
    assert np.var(spread["by size"]) < np.var(spread["random"])


@pytest.mark.parametrize("n_units", [64, 100, 400])
@pytest.mark.parametrize("u", [5, 8, 32])
def test_a_trend_is_no_noise_where_every_block_was_looked_at(n_units, u):
    """At random from all, batches leave the trend in the error, and say so; within blocks only its slope is left."""
    spread = {False: [], True: []}
    for blocked in (False, True):

        def draw(rng, blocked=blocked):
            values = np.linspace(1.0, 0.0, n_units) + rng.normal(0.0, 0.05, n_units)
            first, batch = draw_units(rng, n_units, u, blocked)
            design = draw_design([1] * n_units, batch, np.arange(u), first=first)
            spread[blocked].append(design.error(values[batch]).variance)
            return design, values[batch], values.mean()

        covered, ratio = count(draw, draws=4000)
        assert 0.93 <= covered <= 0.97
        assert 0.93 <= ratio <= 1.07
    assert np.mean(spread[True]) < np.mean(spread[False]) / (10 if u > 8 else 5)


@pytest.mark.parametrize(
    ("blocks", "is_trend"), [((1, 1, 2), False), ((1, 1, 1, 1, 3), False), ((1, 2, 1), True), ((2, 1, 2), True)]
)
def test_a_trend_is_left_in_where_one_step_alone_tells_of_batches_that_were_left_out(blocks, is_trend):
    first = np.cumsum((0, *blocks[:-1]))
    design = draw_design([4] * sum(blocks), first, np.repeat(np.arange(len(blocks)), 4), first=first)
    error = design.error(np.repeat(np.arange(len(blocks), dtype=float), 4))
    assert error.df > 0.4
    assert (error.variance < 1e-18) == is_trend


def test_coverage_where_the_scores_at_the_visits_were_taken_from_whole_batches():
    """The members' spread is in the differences, and nowhere in their error; no long tail of theirs may pass for its own."""

    def draw(rng):
        at_visit = rng.gamma(1.0, 1.0, (100, 32))
        each = 0.9 * at_visit - at_visit.mean(axis=1, keepdims=True)
        batch = np.sort(rng.permutation(100)[:16])
        return draw_design([32] * 100, batch, np.repeat(np.arange(16), 32)), each[batch].ravel(), each.mean()

    covered, ratio = count(draw)
    assert 0.935 <= covered <= 0.965
    assert 0.92 <= ratio <= 1.08
    rng = np.random.default_rng(61)
    skews = [abs(design.error(each).skew) for design, each, _ in (draw(rng) for _ in range(200))]
    assert np.mean(skews) < 0.2


def test_of_few_units_and_a_regression_the_members_tell_how_skewed_the_error_is():
    """Eight whole batches are too few to tell it from, and a long tail that nothing known explains leans the error."""
    rng = np.random.default_rng(62)
    stated, errors = [], []
    for _ in range(4000):
        known = rng.normal(0.0, 1.0, 40)
        each = known[:, None] + rng.gamma(0.1, 1.0, (40, 100))
        batch = np.sort(rng.permutation(40)[:8])
        design = draw_design([100] * 40, batch, np.repeat(np.arange(8), 100), known=known[:, None])
        sampled = each[batch].ravel()
        errors.append(each.mean() - design.mean(sampled))
        stated.append(design.error(sampled).skew)
    assert np.mean(stated) == pytest.approx(-np.mean(np.power(errors, 3)) / np.std(errors) ** 3, rel=0.3)
    assert np.mean(stated) > 0.1


# ---------------------------------------------------------------------- random masks


class TestMasks:
    def test_slow_twin(self):
        repeats = np.array([[0.0, 1.0, 4.0, 1.0], [2.0, 1.0, 3.0, 0.0], [1.0, 4.0, 2.0, 2.0]])
        total, share = 0.0, [5 / 11, 3 / 11, 3 / 11]
        for at, w in zip(([0, 1], [2], [3]), share, strict=True):
            means = [row[at].mean() for row in repeats]
            total += w**2 * sum((m - sum(means) / 3) ** 2 for m in means) / 2 / 3
        design = draw_design([5, 3, 3] * 4, [0, 1, 2], [0, 0, 1, 2])
        assert design.noise(repeats).variance == pytest.approx(total * 4 / 11 * 3 / 12, rel=1e-12)
        assert design.noise(repeats).df == 6.0

    @pytest.mark.parametrize("u", [2, 3, 4])
    def test_with_the_sampling_error_it_is_the_whole_error_over_every_sample_and_every_mask(self, u):
        """Masks add +-1 times an amount of the unit's own; both evaluations of each unit are enumerated."""
        truth, amount = np.array([0.0, 1.0, 3.0, 7.0]), np.array([0.5, 1.0, 0.0, 2.0])
        values, stated = [], []
        for chosen in combinations(range(4), u):
            at = list(chosen)
            design = draw_design([1] * 4, at, np.arange(u))
            for signs in product((-1.0, 1.0), repeat=2 * u):
                repeats = truth[at] + amount[at] * np.array(signs).reshape(2, u)
                values.append(design.mean(repeats.mean(axis=0)))
                stated.append(design.error(repeats.mean(axis=0)).variance + design.noise(repeats).variance)
        assert np.mean(values) == pytest.approx(truth.mean(), rel=1e-12)
        assert np.mean(stated) == pytest.approx(np.var(values), rel=1e-12)

    def test_masks_of_members_of_whom_some_were_scored(self):
        rng = np.random.default_rng(62)
        truth = rng.normal(size=(6, 4))
        values, stated = [], []
        for _ in range(6000):
            _, batch = draw_units(rng, 6, 4, False)
            unit, each, _ = draw_members(rng, truth, batch, 3)
            repeats = each + rng.normal(0.0, 1.0, (2, 12))
            design = draw_design([4] * 6, batch, unit)
            values.append(design.mean(repeats.mean(axis=0)))
            stated.append(design.error(repeats.mean(axis=0)).variance + design.noise(repeats).variance)
        assert np.mean(stated) == pytest.approx(np.var(values), rel=0.06)

    def test_null_no_masks_no_noise(self):
        design = draw_design([4] * 9, [1, 5], [0, 0, 1])
        assert design.noise(np.array([[1.0, 2.0, 3.0]] * 2)).variance == 0.0

    def test_one_evaluation_can_not_tell(self):
        design = draw_design([4] * 9, [1, 5], [0, 0, 1])
        assert design.noise(np.array([[1.0, 2.0, 3.0]])) == Moments(0.0, 0.0)

    def test_it_falls_with_the_number_of_repeats_and_of_units(self):
        rng = np.random.default_rng(63)
        for k, u in ((2, 8), (2, 32), (8, 8), (8, 32)):
            design = draw_design([1] * u, range(u), range(u))
            found = np.mean([design.noise(rng.normal(size=(k, u))).variance for _ in range(300)])
            assert found == pytest.approx(1.0 / (k * u), rel=0.1)
