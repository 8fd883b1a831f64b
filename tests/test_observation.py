"""What does not fit is refused in one line that names the epoch, the score and the fault; values that aren't finite pass."""

import numpy as np
import pytest

from whygap.errors import InputError
from whygap.observation import Observation, Sample, Valid, Visits, check_observation
from whygap.records import Score

NAN = float("nan")
UNITS = np.array([0, 0, 0, 0, 1, 1])


def visits(**changed):
    parts = {"score": np.array([1.0, 2.0, 3.0]), "rows": np.array([4, 4, 2])}
    return Visits(**(parts | changed))


def sample(**changed):
    parts = {"batch": np.array([0, 2]), "unit": np.array([0, 0, 0, 0, 1, 1]), "on_rung": {"eval_mode": np.zeros((1, 6))}}
    return Sample(**(parts | changed))


def observation(**changed):
    parts = {
        "epoch": 7,
        "score": Score(name="accuracy"),
        "train_reported": 2.0,
        "valid_reported": 1.0,
        "visits": visits(),
        "sample": sample(),
        "valid": Valid(score=np.array([1.0, 1.0]), n=2),
        "fresh": np.array([1.0]),
    }
    return Observation(**(parts | changed))


def test_what_fits_passes():
    check_observation(observation())
    check_observation(observation(sample=None, visits=None, valid=None, fresh=None, train_reported=None, valid_reported=None))
    check_observation(observation(visits=visits(weight=np.array([0.0, 0.0, 1.0]), penalty=np.array([NAN, 0.1, NAN]))))


def test_a_sample_in_part_and_one_from_each_block_pass():
    check_observation(observation(sample=sample(unit=np.array([0, 0, 1]), on_rung={"eval_mode": np.zeros((1, 3))})))
    check_observation(observation(sample=sample(first=np.array([0, 1]))))
    check_observation(observation(sample=sample(first=np.array([0, 2]))))


def test_a_rung_that_was_looked_at_in_some_batches_passes():
    check_observation(observation(sample=sample(on_rung={"after_update": np.array([[0.1, 0.2, 0.1, 0.3, NAN, NAN]])})))


def test_validation_scores_that_are_means_of_batches_pass():
    check_observation(observation(valid=Valid(score=np.array([1.0, 2.0]), n=10, rows=np.array([6, 4]))))


def test_a_sample_of_no_batches_passes():
    nothing = np.zeros(0, dtype=np.int64)
    check_observation(observation(sample=Sample(batch=nothing, unit=nothing, on_rung={"eval_mode": np.zeros((1, 0))})))


@pytest.mark.parametrize("bad", [NAN, float("inf"), -float("inf"), 1e300])
def test_scores_that_are_not_finite_pass(bad):
    six = np.full((2, 6), bad)
    check_observation(
        observation(
            train_reported=bad,
            valid_reported=bad,
            visits=visits(score=np.array([1.0, bad, 2.0]), penalty=np.array([bad, 0.0, 0.0])),
            sample=sample(on_rung={"end_weights": six}),
            valid=Valid(score=np.array([bad]), n=3, mean=bad, penalty=bad),
            fresh=np.array([bad]),
        )
    )


FAULTS = {
    "batches without rows": ({"visits": visits(rows=np.array([4, 0, 2]))}, "at least one row"),
    "negative rows": ({"visits": visits(rows=np.array([4, -1, 2]))}, "at least one row"),
    "rows of another shape": ({"visits": visits(rows=np.array([4, 4]))}, "at least one row"),
    "no batch": ({"visits": visits(score=np.zeros(0), rows=np.zeros(0, dtype=int)), "sample": None}, "at least one row"),
    "2-d visits": ({"visits": visits(score=np.ones((3, 1)), rows=np.ones((3, 1), dtype=int)), "sample": None}, "shapes"),
    "weight of another shape": ({"visits": visits(weight=np.ones(2))}, "weight of the batches has shape"),
    "penalty of another shape": ({"visits": visits(penalty=np.ones(4))}, "penalty of the batches has shape"),
    "weights that add up to nothing": ({"visits": visits(weight=np.zeros(3))}, "weights of the batches"),
    "a negative weight": ({"visits": visits(weight=np.array([3.0, -1.0, 1.0]))}, "weights of the batches"),
    "a weight that is no number": ({"visits": visits(weight=np.array([3.0, NAN, 1.0]))}, "weights of the batches"),
    "an endless weight": ({"visits": visits(weight=np.array([3.0, float("inf"), 1.0]))}, "weights of the batches"),
    "a sample of nothing": ({"visits": None}, "without the visits"),
    "a batch sampled twice": ({"sample": sample(batch=np.array([0, 0]))}, "distinct"),
    "a batch that was not visited": ({"sample": sample(batch=np.array([0, 3]))}, "among the 3 visited"),
    "a batch before the first": ({"sample": sample(batch=np.array([-1, 2]))}, "batch of the sample"),
    "batches that are no indices": ({"sample": sample(batch=np.array([0.0, 2.0]))}, "batch of the sample"),
    "a batch of which nothing was scored": ({"sample": sample(unit=np.zeros(4, dtype=int), on_rung={})}, "at least one scored"),
    "more examples than rows": ({"sample": sample(unit=np.array([0, 0, 0, 1, 1, 1]))}, "no more than it has rows"),
    "an example of no batch": ({"sample": sample(unit=np.array([0, 0, 0, 0, 1, 2]))}, "at least one scored"),
    "chances of another number": ({"sample": sample(chance=np.ones(5))}, "chances must be 6 probabilities"),
    "a chance of nothing": ({"sample": sample(chance=np.arange(6) / 6)}, "chances must be 6 probabilities"),
    "chances that are none": ({"sample": sample(chance=np.arange(1.0, 7.0))}, "chances must be 6 probabilities"),
    "means of another number": ({"sample": sample(visited_mean=np.ones(3))}, "mean scores at the visit have shape"),
    "columns without means": ({"sample": sample(known=np.ones((6, 1)))}, "what is known of the examples has shape"),
    "means of other columns": (
        {"sample": sample(known=np.ones((6, 2)), known_mean=np.ones((2, 1)))},
        "what is known of the examples has shape",
    ),
    "a batch with nobody for the rest": (
        {"sample": sample(unit=np.array([0, 0, 1, 1]), chance=np.array([1.0, 1.0, 0.5, 1.0]), on_rung={})},
        "at least one example must be drawn at random",
    ),
    "a batch outside its block": ({"sample": sample(first=np.array([0, 0]))}, "block of visits"),
    "a block of another's batch": (
        {"sample": sample(batch=np.array([1, 2]), unit=UNITS, first=np.array([0, 1]))},
        "block of visits",
    ),
    "visits in no block": ({"sample": sample(batch=np.array([1, 2]), unit=UNITS, first=np.array([1, 2]))}, "block of visits"),
    "blocks of another number": ({"sample": sample(first=np.array([0]))}, "block of visits"),
    "examples that are no indices": ({"sample": sample(unit=np.zeros(6))}, "unit of the sample"),
    "2-d examples": ({"sample": sample(unit=np.zeros((1, 6), dtype=int))}, "unit of the sample"),
    "scores without an axis of repeats": ({"sample": sample(on_rung={"eval_mode": np.zeros(6)})}, "rung eval_mode"),
    "no repeat": ({"sample": sample(on_rung={"clean_view": np.zeros((0, 6))})}, "rung clean_view"),
    "scores of other examples": ({"sample": sample(on_rung={"visited": np.zeros((1, 5))})}, "rung visited"),
    "no validation score": ({"valid": Valid(score=np.zeros(0), n=3)}, "0 validation scores"),
    "more scores than validation examples": ({"valid": Valid(score=np.zeros(4), n=3)}, "4 validation scores"),
    "2-d validation scores": ({"valid": Valid(score=np.zeros((2, 1)), n=3)}, "validation scores of shape"),
    "rows of other validation scores": (
        {"valid": Valid(score=np.ones(2), n=9, rows=np.array([3, 3, 3]))},
        "rows of the validation",
    ),
    "more rows than validation examples": (
        {"valid": Valid(score=np.ones(2), n=9, rows=np.array([5, 5]))},
        "10 validation scores",
    ),
    "a validation score of no rows": ({"valid": Valid(score=np.ones(2), n=9, rows=np.array([5, 0]))}, "rows of the validation"),
    "2-d fresh scores": ({"fresh": np.zeros((2, 1))}, "fresh scores"),
    "a level in per cent": ({"level": 95.0}, "level"),
    "no level": ({"level": NAN}, "level"),
}


@pytest.mark.parametrize(("changed", "says"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_in_one_line(changed, says):
    with pytest.raises(InputError, match=says) as caught:
        check_observation(observation(**changed))
    text = str(caught.value)
    assert text.startswith("epoch 7, accuracy: ")
    assert "\n" not in text
