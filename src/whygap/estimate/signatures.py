"""Marks that a cause leaves in logged numbers themselves: a factor, a level, a range, an equality.

Each function looks for one mark in the curves of a run and returns it with the numbers behind it, or None. A mark tells of a
cause; its absence tells nothing. benchmarks/log_signatures.py counts how often each is found where it was planted, and in runs
without it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from whygap.estimate.curves import finite

Array = npt.NDArray[np.float64]
Mark = Literal[
    "constant_ratio", "near_ratio", "chance_level", "same_as_metric", "penalty", "out_of_range", "other_unit", "not_finite",
    "identical", "one_epoch_behind", "never_reset", "running_average", "boundary_step",
]  # fmt: skip


class Signature(NamedTuple):
    """A mark, the number that it hinges on (a factor, a level, an epoch), the records that show it, and a sentence."""

    mark: Mark
    value: float
    n: int
    evidence: str


FEWEST = 3
EXACT = 1e-6
"""Relative difference up to which numbers printed in full are equal: single precision."""

APART = 1.5
"""Factor between two scores below which many things can be its cause."""

NEAR = 0.15
"""How far the typical ratio may be from a suspected factor, in logarithms: lag and generalisation are of that size."""

STEADY = 0.15
"""How far the ratio may spread over epochs, between its quartiles."""

STUCK = 0.02
"""Share of its level within which a loss that learns nothing stays."""

AT_LEVEL = 0.002
"""How near ln k a loss at chance comes, but for noise; a network's first guesses are not quite even."""


def find_ratio(
    train: npt.ArrayLike,
    valid: npt.ArrayLike,
    *,
    suspected: Mapping[str, float] | None = None,
    resolution_train: float = 0.0,
    resolution_valid: float = 0.0,
) -> Signature | None:
    """Look for a constant factor train / valid, without unit: scores summed or divided by the wrong count.

    A factor that is the same in every epoch, to the last printed digit, while the scores change, can't come from learning:
    "constant_ratio". Else one that is steady and near a suspected factor is "near_ratio": lag, dropout and generalisation
    blur it.

    Parameters
    ----------
    train, valid : array of shape (e,)
        As logged.
    suspected : mapping of str to float, optional
        Factors by name: n_train / n_valid, a class weight, gradient accumulation. Each and its inverse are tried; those within
        `APART` of 1 only serve to name an exact one.
    resolution_train, resolution_valid : float
        Unit of the last printed digit; 0 where numbers are printed in full.

    Returns
    -------
    Signature or None
        `value` is train / valid.

    Examples
    --------
    >>> find_ratio([8.0, 4.0, 2.0], [2.0, 1.0, 0.5], suspected={"n_train / n_valid": 4.0}).evidence
    'train / valid is 4 in all 3 epochs, which is n_train / n_valid'
    """
    t, v = _pairs(train, valid)
    kept = (t * v > 0.0) & (np.abs(t) > 2.0 * resolution_train) & (np.abs(v) > 2.0 * resolution_valid)
    t, v = np.abs(t[kept]), np.abs(v[kept])
    if t.size < FEWEST or t.size < 0.5 * kept.size:
        return None
    ratio = np.log(t) - np.log(v)
    blur = 0.5 * resolution_train / t + 0.5 * resolution_valid / v + EXACT
    low, high = float((ratio - blur).max()), float((ratio + blur).min())
    typical = float(np.median(ratio))
    named = [(name, sign * math.log(k)) for name, k in (suspected or {}).items() if 0.0 < k < math.inf for sign in (1.0, -1.0)]
    changed = np.ptp(np.log(v)) > 4.0 * float(blur.max()) + 1e-3
    if changed and low <= high and not low <= 0.0 <= high:
        centre = 0.5 * (low + high)
        which = next((f", which is {_named(name, k)}" for name, k in named if low <= k <= high), "")
        text = f"train / valid is {math.exp(centre):.4g} in all {t.size} epochs{which}"
        return Signature("constant_ratio", math.exp(centre), t.size, text)
    spread = float(np.subtract(*np.quantile(ratio, [0.75, 0.25])))
    for name, k in sorted(named, key=lambda x: abs(typical - x[1])):
        if abs(k) > math.log(APART) and abs(typical - k) < NEAR and spread < STEADY:
            text = f"train / valid stays near {math.exp(typical):.3g}, and {_named(name, k)} is {math.exp(k):.3g}"
            return Signature("near_ratio", math.exp(typical), t.size, text)
    return None


def _named(name: str, k: float) -> str:
    return name if k > 0.0 or "/" not in name else " / ".join(part.strip() for part in reversed(name.split("/", 1)))


def find_chance_level(loss: npt.ArrayLike, *, n_classes: int | None = None, resolution: float = 0.0) -> Signature | None:
    """Look for a cross entropy that stays at ln k, in nats: as good as guessing among k classes.

    Parameters
    ----------
    loss : array of shape (e,)
        Of either split.
    n_classes : int, optional
        k where it is known; else any from 2 to 1000 that the noise tells from its neighbours.
    resolution : float
        Unit of the last printed digit.

    Returns
    -------
    Signature or None
        `value` is k.

    Examples
    --------
    >>> find_chance_level([2.3031, 2.3027, 2.3025, 2.3026]).evidence
    'the loss stays at 2.3026 over 3 epochs, and ln 10 is 2.3026: no better than guessing among 10 classes'
    """
    y = _seen(loss)[1:]  # the first epoch may still come down to it
    if y.size < FEWEST or y.min() <= 0.5 or np.ptp(y) > STUCK * float(y.mean()) or not y.max() < 8.0:
        return None
    level = float(np.median(y))
    allowed = AT_LEVEL + resolution + 2.0 * float(y.std()) / math.sqrt(y.size)
    k = round(math.exp(level)) if n_classes is None else n_classes
    if not 2 <= k <= 1000 or abs(level - math.log(k)) > allowed:
        return None
    if n_classes is None and allowed > 0.1 / k:  # ln(k + 1) - ln k is 1 / k: a fifth of all levels would do
        return None
    text = f"the loss stays at {level:.5g} over {y.size} epochs, and ln {k} is {math.log(k):.5g}"
    return Signature("chance_level", float(k), y.size, f"{text}: no better than guessing among {k} classes")


def compare_with_metric(
    loss: npt.ArrayLike, metric: npt.ArrayLike, *, resolution: float = 0.0, name: str = "the metric"
) -> Signature | None:
    """Compare a loss with the metric of the same name and split: equal, or above it by a penalty, in the score's unit.

    Parameters
    ----------
    loss, metric : array of shape (e,)
        Columns such as loss and mse of one split.
    resolution : float
        The coarser unit of the last printed digits.
    name : str
        What the metric is called in the sentence.

    Returns
    -------
    Signature or None
        "same_as_metric": `value` is 0; "penalty": `value` is the last difference. None where the difference changes its sign,
        or varies so much that it is no penalty but another score.

    Examples
    --------
    >>> compare_with_metric([0.91, 0.62, 0.51], [0.61, 0.33, 0.23], name="mse", resolution=0.01).evidence
    'the loss is above mse by 0.3 first and 0.28 last: something is added to it'
    """
    y, m = _pairs(loss, metric)
    if y.size < FEWEST:
        return None
    added = y - m
    blur = resolution + EXACT * np.abs(y)
    if (np.abs(added) <= blur).all():
        return Signature(
            "same_as_metric", 0.0, y.size, f"the loss equals {name} in all {y.size} epochs: nothing is added to it"
        )
    steps = np.abs(np.diff(added))
    is_smooth = float(np.median(steps)) <= 0.1 * float(np.median(np.abs(added))) + 2.0 * resolution
    if (added > 2.0 * blur).all() and is_smooth:
        text = f"the loss is above {name} by {added[0]:.3g} first and {added[-1]:.3g} last: something is added to it"
        return Signature("penalty", float(added[-1]), y.size, text)
    return None


_FRACTIONS = ("acc", "auc", "f1", "precision", "recall", "iou", "dice", "map50", "map_50", "top1", "top5", "specificity")
_NOT_NEGATIVE = ("mse", "mae", "rmse", "mape", "squared", "absolute", "entropy", "logloss", "log_loss", "hinge", "error")


def find_out_of_range(score: str, value: npt.ArrayLike, other: npt.ArrayLike | None = None) -> Signature | None:
    """Look for numbers that a score of that name can't have: a fraction above 1, a squared error below 0, two units mixed.

    Parameters
    ----------
    score : str
        Its name: "accuracy", "mse".
    value : array of shape (e,)
        Of one split.
    other : array of shape (e,), optional
        Of the other split: where one is in percent and the other a fraction, that is "other_unit".

    Returns
    -------
    Signature or None
        `value` is the number furthest outside, or the ratio of the two units. Accuracies up to 100 in both are percentages.

    Examples
    --------
    >>> find_out_of_range("val_acc", [81.0, 84.0], [0.8, 0.85]).evidence
    'one split is in percent and the other a fraction: 84 against 0.85'
    """
    name, y = score.lower(), _seen(value)
    o = _seen([] if other is None else other)
    if y.size == 0:
        return None
    if any(part in name for part in _FRACTIONS):
        for one, two in ((y, o), (o, y)):
            if one.size and two.size and one.max() > 2.0 and one.max() <= 100.0 and two.min() >= 0.0 and two.max() <= 1.0:
                text = f"one split is in percent and the other a fraction: {one[-1]:g} against {two[-1]:g}"
                return Signature("other_unit", 100.0, one.size, text)
        is_percent = 2.0 < y.max() <= 100.0
        wrong = (y < 0.0) | (y > (100.0 if is_percent else 1.0) * (1.0 + EXACT))
    elif any(part in name for part in _NOT_NEGATIVE):
        wrong = y < 0.0
    else:
        return None
    if not wrong.any():
        return None
    worst = float(y[np.argmax(np.where(wrong, np.abs(y), -1.0))])
    return Signature("out_of_range", worst, int(wrong.sum()), f"{score} is {worst:g}, which no {score} can be")


def find_not_finite(value: npt.ArrayLike, epoch: npt.ArrayLike | None = None) -> Signature | None:
    """Look for the epoch from which on a score is NaN or infinite to the end of the log.

    Examples
    --------
    >>> find_not_finite([1.0, 2.0, float("inf"), float("nan")]).evidence
    'not finite from epoch 3 to the end'
    """
    y = np.asarray(value, dtype=np.float64).ravel()
    at = np.arange(1.0, y.size + 1.0) if epoch is None else np.asarray(epoch, dtype=np.float64).ravel()
    if y.size == 0 or at.shape != y.shape or np.isfinite(y[-1]):
        return None
    seen = np.flatnonzero(np.isfinite(y))
    if seen.size == 0:
        return None  # an empty column tells of no onset
    since = float(at[seen[-1] + 1])
    return Signature("not_finite", since, y.size - 1 - int(seen[-1]), f"not finite from epoch {since:g} to the end")


def find_identical(train: npt.ArrayLike, valid: npt.ArrayLike) -> Signature | None:
    """Look for training and validation columns that are the same numbers, while they change: one set scored, or logged, twice.

    Examples
    --------
    >>> find_identical([3.0, 2.0, 1.5], [3.0, 2.0, 1.5]).evidence
    'training and validation are the same numbers in all 3 epochs'
    """
    t, v = _pairs(train, valid)
    if t.size < FEWEST or not np.array_equal(t, v) or np.unique(t).size < FEWEST:
        return None
    return Signature("identical", 1.0, t.size, f"training and validation are the same numbers in all {t.size} epochs")


def _seen(values: npt.ArrayLike) -> Array:
    y = finite(values).ravel()
    return y[~np.isnan(y)]


def _pairs(one: npt.ArrayLike, other: npt.ArrayLike) -> tuple[Array, Array]:
    """Return both scores of the epochs that have both; what is longer is cut off."""
    a, b = finite(one).ravel(), finite(other).ravel()
    n = min(a.size, b.size)
    a, b = a[:n], b[:n]
    kept = ~(np.isnan(a) | np.isnan(b))
    return a[kept], b[kept]
