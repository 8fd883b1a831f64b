"""The marks that causes leave in a log's numbers, and what each is a mark of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from whygap.estimate.signatures import (
    Mark,
    Signature,
    compare_with_metric,
    find_chance_level,
    find_identical,
    find_not_finite,
    find_out_of_range,
    find_ratio,
)
from whygap.estimate.timing import find_never_reset, find_one_epoch_behind
from whygap.logs.pairs import Pair
from whygap.logs.records import LoggedRun
from whygap.records import Cause


class Meaning(NamedTuple):
    """What a mark says: the cause, None where it is no cause of a gap; what it comes from; and what to do."""

    cause: Cause | None
    reason: str
    advice: str = ""


MEANINGS: Mapping[Mark, Meaning] = {
    "constant_ratio": Meaning(
        "reduction",
        "one of the two is summed, weighted or divided by another count than the other",
        "Divide both by the number of examples that they are of.",
    ),
    "near_ratio": Meaning(
        "reduction",
        "one of the two may be summed, weighted or divided by another count than the other",
        "Divide both by the number of examples that they are of, then look again.",
    ),
    "penalty": Meaning(
        "penalty",
        "a regularisation penalty is inside the loss",
        "Harmless; to compare like with like, compare the metric of the same formula.",
    ),
    "never_reset": Meaning(
        "metric_state",
        "the training score is the mean over all epochs so far: its state is never reset",
        "Reset the metric at the start of each epoch.",
    ),
    "one_epoch_behind": Meaning(
        "averaging",
        "the training score is one epoch older than the validation score beside it, as with one batch per epoch",
        "Compare it with the validation score of the epoch before.",
    ),
    "other_unit": Meaning("metric_state", "the two splits are in different units", "Bring both to one unit."),
    "out_of_range": Meaning(
        "metric_state", "the score is computed wrongly, or is another than its name says", "Check how it is computed."
    ),
    "boundary_step": Meaning(
        None, "the training score steps at the boundaries of epochs: each visit has taught the network its very examples"
    ),
    "chance_level": Meaning(None, "the network has learnt nothing", "Look at learning rate, labels and the last layer."),
    "same_as_metric": Meaning(None, "no penalty is inside the loss"),
    "identical": Meaning(None, "the same set was scored, or the same number logged, twice", "Log the validation score itself."),
    "not_finite": Meaning(None, "the training has diverged", "A lower learning rate, or clipped gradients."),
}

FORMULAS = (
    "mse", "mean_squared_error", "mae", "mean_absolute_error", "rmse", "huber", "poisson", "cosine_similarity",
    "logloss", "log_loss", "crossentropy", "binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy",
)  # fmt: skip
"""Metrics that may have the very formula of a loss."""


def marks_of(run: LoggedRun, pair: Pair) -> tuple[Signature, ...]:
    """Return the marks in one score of a run, the most telling first."""
    return tuple(_found(run, pair))


def _found(run: LoggedRun, pair: Pair) -> Iterator[Signature]:
    t, v = pair.train, pair.valid
    fine = {"resolution_train": pair.train_series.resolution, "resolution_valid": pair.valid_series.resolution}
    identical = find_identical(t, v)
    candidates = [
        identical,
        None if identical else find_ratio(t, v, suspected=_suspected(run), **fine),
        find_out_of_range(pair.score, t, v),
        find_out_of_range(pair.score, v, t),
        find_not_finite(pair.train_series.value, pair.train_series.epoch),
    ]
    if pair.rule.how not in ("no_lag", "last_batch") and pair.steps is None:
        candidates += [find_one_epoch_behind(t, v), find_never_reset(t, v)]
    if pair.rule.how == "steps":
        candidates.append(pair.boundary)
    if pair.score == "loss":
        classes = int(run.facts["n_classes"]) if "n_classes" in run.facts else None
        candidates.append(find_chance_level(t, n_classes=classes, resolution=fine["resolution_train"]))
        candidates += [_beside_metric(pair, run, metric) for metric in FORMULAS]
    seen: set[Mark] = set()
    for mark in candidates:
        if mark is not None and mark.mark not in seen:
            seen.add(mark.mark)
            yield mark


def _suspected(run: LoggedRun) -> dict[str, float]:
    facts, suspected = run.facts, dict[str, float]()
    if facts.get("n_train", 0.0) > 0.0 and facts.get("n_valid", 0.0) > 0.0:
        suspected["n_train / n_valid"] = facts["n_train"] / facts["n_valid"]
    for name, fact in (("gradient accumulation", "gradient_accumulation"), ("the batch size", "batch_size")):
        if facts.get(fact, 0.0) > 1.0:
            suspected[name] = facts[fact]
    return suspected


def _beside_metric(pair: Pair, run: LoggedRun, metric: str) -> Signature | None:
    other = run.of(metric, "train")
    if other is None or other.grain != "epoch" or other.value.size != pair.train_series.value.size:
        return None
    resolution = max(pair.train_series.resolution, other.resolution)
    return compare_with_metric(pair.train_series.value, other.value, resolution=resolution, name=metric)
