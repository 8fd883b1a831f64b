"""Overfitting from curves: planted turns, healthy runs and noise that must not be accused, and labelled logs where they are."""

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whygap.errors import InputError
from whygap.estimate.turning import overfitting_from_curves

E = np.arange(1.0, 41.0)
FALLING = 0.2 + np.exp(-E / 8)
TURNING = np.exp(-E / 8) + 0.3 + 0.02 * np.maximum(E - 15.0, 0.0)
NUMBERS = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.floats(-2.0, 2.0), st.sampled_from([0.0, 1.0]))


def noisy(y, seed, size=0.01, rho=0.0):
    rng = np.random.default_rng(seed)
    shocks, noise = rng.normal(size=y.size), np.empty(y.size)
    noise[0] = shocks[0]
    for k in range(1, y.size):
        noise[k] = rho * noise[k - 1] + np.sqrt(1 - rho**2) * shocks[k]
    return y * (1.0 + size * noise)


def labelled_logs():
    """Return the file of labelled logs, or None."""
    folders = [os.environ.get("WHYGAP_SHARED", ""), str(Path(__file__).parents[3] / "shared")]
    files = [Path(f) / "data" / "overfit_logs.json.gz" for f in folders if f]
    return next((f for f in files if f.is_file()), None)


class TestPlanted:
    @pytest.mark.parametrize("seed", range(20))
    def test_a_turn_is_found_and_dated(self, seed):
        found = overfitting_from_curves(noisy(FALLING, seed), noisy(TURNING, 99 + seed))
        lowest = int(np.argmin(TURNING)) + 1
        assert found.state == "yes"
        assert abs(found.since_epoch - 1 - lowest) <= 5

    def test_accuracy(self):
        found = overfitting_from_curves(1.0 - 0.3 * FALLING, 1.0 - 0.3 * TURNING, higher_is_better=True)
        assert (found.state, found.since_epoch) == ("yes", overfitting_from_curves(FALLING, TURNING).since_epoch)

    def test_percent_and_negative_scores(self):
        assert overfitting_from_curves(100 - 30 * FALLING, 100 - 30 * TURNING, higher_is_better=True).state == "yes"
        assert overfitting_from_curves(FALLING - 0.7, TURNING - 0.7).state == "yes"

    def test_a_first_epoch_that_is_off_by_orders_of_magnitude(self):
        train, valid = np.append(1e6, FALLING), np.append(1e6, TURNING)
        assert overfitting_from_curves(train, valid).state == "yes"

    def test_epochs_that_were_not_validated_are_passed_over(self):
        valid = np.where(E % 2 == 0, TURNING, np.nan)
        found = overfitting_from_curves(FALLING, valid)
        assert found.state == "yes"
        assert found.since_epoch % 2 == 0

    def test_the_log_counts_its_own_epochs(self):
        shifted = overfitting_from_curves(FALLING, TURNING, epoch=E + 100)
        assert shifted.since_epoch == overfitting_from_curves(FALLING, TURNING).since_epoch + 100


class TestInnocent:
    @pytest.mark.parametrize("valid", [FALLING + 0.5, 3.0 * FALLING, 0.5 * FALLING, FALLING])
    def test_curves_apart_are_no_proof(self, valid):
        assert overfitting_from_curves(FALLING, valid).state == "no"

    def test_validation_that_gets_worse_with_training_is_not_overfitting(self):
        assert overfitting_from_curves(TURNING, TURNING).state == "cannot_tell"

    def test_a_gap_that_grows_while_validation_stalls_cannot_be_told(self):
        found = overfitting_from_curves(np.exp(-E / 20), np.maximum(np.exp(-E / 20), 0.5))
        assert found.state == "cannot_tell"
        assert "stalled" in found.evidence

    def test_two_last_epochs_are_too_few(self):
        valid = np.append(FALLING[:20], [0.5, 0.7])
        assert overfitting_from_curves(FALLING[:22], valid).state == "cannot_tell"

    @pytest.mark.parametrize("rho", [0.0, 0.6, 0.95])
    @pytest.mark.parametrize("n", [6, 30, 200])
    def test_noise_is_rarely_accused(self, rho, n):
        flat = np.ones(n)
        said = [
            overfitting_from_curves(noisy(flat, k, 0.05, rho), noisy(flat, 10_000 + k, 0.05, rho)).state == "yes"
            for k in range(400)
        ]
        assert np.mean(said) <= 0.02

    @pytest.mark.parametrize("rho", [0.0, 0.9])
    def test_a_plateau_with_noise_is_rarely_accused(self, rho):
        curve = 0.5 + np.exp(-np.arange(1.0, 101.0) / 10)
        said = [
            overfitting_from_curves(noisy(curve, k, 0.003), noisy(curve, 10_000 + k, 0.05, rho)).state == "yes"
            for k in range(400)
        ]
        assert np.mean(said) <= 0.02


class TestShape:
    def test_few_epochs(self):
        assert overfitting_from_curves([3.0, 2.0, 1.0], [1.0, 2.0, 3.0]).state == "cannot_tell"
        assert overfitting_from_curves([], []).state == "cannot_tell"

    def test_wrong_shapes(self):
        with pytest.raises(InputError):
            overfitting_from_curves([1.0, 2.0], [1.0])

    @settings(deadline=None, max_examples=300)
    @given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=30), st.booleans())
    def test_whatever_is_logged(self, rows, higher_is_better):
        train, valid = ([r[k] for r in rows] for k in (0, 1))
        found = overfitting_from_curves(train, valid, higher_is_better=higher_is_better)
        assert (found.since_epoch is not None) == (found.state == "yes")

    @given(st.floats(1e-3, 1e3))
    def test_units_do_not_matter(self, unit):
        assert overfitting_from_curves(unit * FALLING, unit * TURNING).state == "yes"


@pytest.mark.skipif(labelled_logs() is None, reason="the labelled logs aren't here")
def test_labelled_logs():
    runs = json.loads(gzip.decompress(labelled_logs().read_bytes()))["runs"]
    said = np.array([overfitting_from_curves(r["train"], r["valid"]).state == "yes" for r in runs])
    label = np.array([r["overfit"] for r in runs])
    assert 2 * (said & label).sum() / (said.sum() + label.sum()) >= 0.95
