"""Many tests at once: false calls stay as rare as promised, and nothing is paid where there is one test."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whygap.errors import InputError
from whygap.estimate import holm

P = st.lists(st.floats(0.0, 1.0), min_size=0, max_size=12)


def slow(p):
    """By the definition: go through the p-values from the smallest, until one is too large for those that are left."""
    found = [1.0] * len(p)
    largest = 0.0
    for rank, k in enumerate(sorted(range(len(p)), key=lambda k: p[k])):
        largest = max(largest, min(1.0, p[k] * (len(p) - rank)))
        found[k] = largest
    return found


@given(P)
def test_it_is_the_step_down_procedure(p):
    assert holm(p).tolist() == pytest.approx(slow(p))
    assert (holm(p) >= np.asarray(p) - 1e-15).all()


def test_one_test_costs_nothing():
    assert holm([0.03]).tolist() == [0.03]
    assert holm([]).size == 0


def test_any_false_call_is_as_rare_as_promised():
    rng = np.random.default_rng(0)
    some_false = [(holm(rng.uniform(size=20)) <= 0.05).any() for _ in range(2000)]
    assert 0.035 < np.mean(some_false) < 0.065


@pytest.mark.parametrize("p", [[1.1], [-0.1], [np.nan], [[0.1]]])
def test_what_is_no_p_value_is_refused(p):
    with pytest.raises(InputError, match="p-values"):
        holm(p)
