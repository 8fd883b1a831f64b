"""Variance components: by hand, unbiased under interactions, and intervals that hold planted ones as often as they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whygap.errors import InputError
from whygap.estimate import estimate_redraws
from whygap.estimate.redraws import mean_squares

NAMES = ("training set", "validation set", "weights")


def drawn(rng, shape, sd, *, effect=None):
    """Return the values of a design whose effects, by subset of axes, have the standard deviations `sd`."""
    effect = effect or (lambda size: rng.normal(size=size))
    y = np.zeros(shape)
    for subset, s in sd.items():
        y += s * effect(tuple(n if k in subset else 1 for k, n in enumerate(shape)))
    return y


PLANTED = {
    "all": {(0,): 1.0, (1,): 0.5, (2,): 0.7, (0, 1, 2): 0.3},
    "interactions": {(0,): 1.0, (1,): 0.3, (0, 1): 0.6, (0, 2): 0.8, (0, 1, 2): 0.4},
    "one factor does nothing": {(0,): 0.0, (1,): 1.0, (2,): 0.2, (0, 1, 2): 1.0},
}


def truth(sd):
    alone = [sd.get((k,), 0.0) ** 2 for k in range(3)]
    rest = sum(s**2 for subset, s in sd.items() if len(subset) > 1)
    return [*alone, rest, sum(alone) + rest]


@pytest.mark.parametrize("planted", PLANTED)
@pytest.mark.parametrize("shape", [(5, 8, 5), (8, 20, 4)])
def test_intervals_hold_planted_components(planted, shape):
    rng, sd, repeats = np.random.default_rng(0), PLANTED[planted], 2000
    held = np.zeros((repeats, 5))
    for k in range(repeats):
        found = estimate_redraws(drawn(rng, shape, sd), NAMES)
        for j, (e, t) in enumerate(zip([*found.of.values(), found.rest, found.total], truth(sd), strict=True)):
            held[k, j] = e.low <= t <= e.high
    # 0.95 less four standard errors of the count; a component on the edge, 0, is held more often
    assert held.mean(axis=0).min() >= 0.93
    assert held.mean(axis=0)[np.array(truth(sd)) > 0.0].max() <= 0.985


def test_estimates_are_unbiased_under_interactions():
    rng, sd, shape = np.random.default_rng(1), PLANTED["interactions"] | {(0,): 2.0, (1,): 2.0, (2,): 2.0}, (4, 6, 5)
    found = []
    for _ in range(4000):
        c = estimate_redraws(drawn(rng, shape, sd), NAMES)
        found.append([*(e.value for e in c.of.values()), c.rest.value, c.total.value])
    error = np.std(found, axis=0) / len(found) ** 0.5
    assert (np.abs(np.mean(found, axis=0) - truth(sd)) <= 4 * error).all()


def test_the_interval_of_one_mean_square_is_exact():
    y = np.random.default_rng(2).normal(size=12)
    found = estimate_redraws(y, ["training set"])
    assert found.of["training set"].value == pytest.approx(y.var(ddof=1))
    assert found.of["training set"].low == pytest.approx(11 * y.var(ddof=1) / 21.920049, rel=1e-6)  # chi-square tables
    assert found.of["training set"].high == pytest.approx(11 * y.var(ddof=1) / 3.815748, rel=1e-6)
    assert found.rest.value == 0.0


@given(st.lists(st.integers(2, 5), min_size=1, max_size=4), st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_mean_squares_make_up_the_whole_sum_of_squares(shape, seed):
    y = np.random.default_rng(seed).normal(size=shape)
    found = mean_squares(y)
    total = sum(s * np.prod([shape[k] - 1 for k in subset]) for subset, s in found.items())
    assert total == pytest.approx(((y - y.mean()) ** 2).sum())
    c = estimate_redraws(y, [str(k) for k in range(len(shape))])
    for e in [*c.of.values(), c.rest, c.total]:
        assert 0.0 <= e.low <= e.value <= e.high


def test_equal_values_vary_by_nothing():
    found = estimate_redraws(np.full((3, 4), 0.1), ["a", "b"])
    assert (found.total.value, found.total.high, found.mean) == pytest.approx((0.0, 0.0, 0.1), abs=1e-15)


@pytest.mark.parametrize(
    ("values", "names", "level"),
    [
        ([1.0, 2.0], ["a", "b"], 0.95),
        ([[1.0, 2.0]], ["a", "b"], 0.95),
        ([1.0, np.nan], ["a"], 0.95),
        ([1.0, 2.0], ["a"], 1.0),
        ([[1.0, 2.0], [1.0, 2.0]], ["a", "a"], 0.95),
        (1.0, [], 0.95),
    ],
)
def test_what_is_no_design_is_refused(values, names, level):
    with pytest.raises(InputError):
        estimate_redraws(values, names, level=level)
