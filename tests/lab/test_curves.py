"""The ladder of a run of the lab: exact on the training side, and the same as the ladder of an adapter's arrays."""

import math

import numpy as np
import pytest

from whygap.errors import InputError
from whygap.lab import Classification, Curves
from whygap.ladder import build_epoch_gap
from whygap.observation import Observation, Valid

SCORES = Classification().scores


def moments(each):
    """Return mean, variance and third moment, of shape (3, 1, s), of scores (s, n)."""
    mean = each.mean(axis=1)
    third = ((each - mean[:, None]) ** 3).mean(axis=1)
    return np.stack([mean, each.var(axis=1, ddof=1), third])[:, None].astype(np.float32)


def curves_of(rng, *, with_fresh=True, looks=2):
    each = [[rng.gamma(0.5, size=(3, n)) for n in (400, 300)] for _ in range(looks)]
    curves = Curves(
        epoch=np.arange(1, looks + 1), scores=SCORES, reported=np.full((looks, 3), 0.9, np.float32),
        train=np.full((looks, 3), 0.3, np.float32), valid=np.stack([moments(v) for v, _ in each]),
        fresh=np.stack([moments(f) for _, f in each]) if with_fresh else None, n=1000, n_valid=400, n_fresh=300,
    )  # fmt: skip
    return curves, each


def test_the_terms_add_up_and_have_the_intervals_of_the_examples_themselves():
    curves, each = curves_of(np.random.default_rng(0))
    for r, gap in enumerate(curves.gaps()):
        valid, fresh = (scores[0] for scores in each[r])
        assert gap.gap.value == pytest.approx(valid.mean() - 0.9, abs=1e-6)
        assert sum(t.value for t in gap.terms) == pytest.approx(gap.gap.value, abs=1e-12)
        averaging, memorisation, shift = (gap.term(c).estimate for c in ("averaging", "memorisation", "shift"))
        assert averaging.value == pytest.approx(-0.6, abs=1e-6)
        assert (averaging.low, averaging.how) == (averaging.high, "exact")
        assert memorisation.value == pytest.approx(fresh.mean() - 0.3, abs=1e-6)
        assert memorisation.se == pytest.approx(fresh.std(ddof=1) / math.sqrt(300), rel=1e-5)
        assert shift.se == pytest.approx(math.hypot(fresh.std(ddof=1) / 300**0.5, valid.std(ddof=1) / 20), rel=1e-5)


def test_the_gap_has_the_interval_that_an_adapter_gives_it():
    curves, each = curves_of(np.random.default_rng(1), with_fresh=False)
    (gap, _) = curves.gaps()
    valid = each[0][0][0]
    theirs = build_epoch_gap(
        Observation(
            epoch=1, score=SCORES[0], train_reported=0.9, valid_reported=float(valid.mean()), valid=Valid(score=valid, n=400)
        )
    )
    assert (gap.gap.low, gap.gap.high) == pytest.approx((theirs.gap.low, theirs.gap.high), abs=2e-3)
    assert [t.cause for t in gap.terms] == ["averaging", "generalisation"]


def test_every_score_has_its_curves():
    curves, _ = curves_of(np.random.default_rng(2))
    assert set(curves.of("soft_error")) == {"reported", "train", "valid", "fresh"}
    assert curves.gaps("error")[1].score.name == "error"
    with pytest.raises(InputError, match="there is no score 'accuracy': these are loss, error, soft_error"):
        curves.of("accuracy")
    with pytest.raises(InputError, match="no validation set 1"):
        curves.gaps(valid_set=1)


def test_equal_scores_and_lost_runs_are_not_relied_on():
    curves, _ = curves_of(np.random.default_rng(3), with_fresh=False)
    curves.valid[0, 1:] = 0.0
    curves.train[1] = np.nan
    first, second = curves.gaps()
    assert not first.term("generalisation").estimate.reliable
    assert "equal" in first.term("generalisation").estimate.why
    assert second.term("averaging") is None
    assert "nan" in next(m.why for m in second.not_measured if m.cause == "averaging")
