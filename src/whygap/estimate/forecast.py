"""When validation will turn, from the epochs before it does.

A validation score v is the training score t at the same weights plus the generalisation gap g. While a network learns what all
examples share, t falls and g stays; once it learns single examples by heart, g grows, and v turns where g grows as fast as t
falls. So there are two questions. Does g grow, beyond noise? If not, no turn is expected: so it is where no example comes
twice. And if it does, how far is the turn? That is read from a few signs of the two curves, per unit of the logarithm of the
epoch, as curves of training are straighter on that axis: how fast validation still falls, how training bends, and how sure the
growth of the gap is. What they are worth was fitted to real trainings, and it is not much: the interval says so.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from whygap.errors import InputError
from whygap.estimate.curves import finite, perfect
from whygap.estimate.turning import overfitting_from_curves
from whygap.records import Forecast

Array = npt.NDArray[np.float64]

FEWEST_EPOCHS = 5
GROWS = 2.6
"""How many standard errors the gap must grow by: chosen on fresh examples, where 95 % of cuts show less."""

LEAST_ERROR, LEAST_OF_LEVEL = 0.02, 0.005
"""Added to that standard error, in quadrature: shares of what was learnt, and of the score itself, by which a gap changes for
reasons of its own: another draw of the validation set learns a little more or less than the training set."""

WINDOW, LONG_WINDOW = 1.7, 2.5
"""How far back slopes and bends are taken from, in natural logarithms of the epoch; the nearest count most."""

FEWEST_IN_WINDOW = 5
TOO_NOISY = 0.8
""""No turn" is said only where the gap's growth is known to this share of what was learnt."""

SURE_LEVELS = (0.5, 0.95)
"""Levels that calibration has runs enough for."""


class Signs(NamedTuple):
    """What the curves show at the last epoch seen; no sign has a unit, or knows that of the score.

    Attributes
    ----------
    growth : float
        Of the gap, in standard errors.
    growth_error : float
        That standard error, with what is added to it, per unit of log-epoch, as a share of what was learnt.
    falls : float
        By how much validation falls per unit of log-epoch, as a share of what was learnt.
    bend : float
        Half the second derivative of training in log-epoch, as a share of what was learnt: below 0, its fall still steepens.
    rate : float
        Logarithm of the fall of training per unit of log-epoch relative to training itself: the exponent of its power law.
    """

    growth: float
    growth_error: float
    falls: float
    bend: float
    rate: float


class Calibration(NamedTuple):
    """How signs become a forecast of log(turn / epochs seen).

    `weights` multiply the signs growth, falls, bend and rate, each held within its `limits` first; `start` is added. `errors`
    are quantiles of what was then left, at the probabilities `PROBABILITIES`.
    """

    start: float
    weights: tuple[float, float, float, float]
    errors: tuple[float, ...]


PROBABILITIES = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
LIMITS = ((-5.0, 20.0), (-0.2, 0.6), (-0.5, 0.5), (-4.0, 1.0))
"""Of each sign: beyond them lie few runs, and a straight line would go astray."""

NEAREST, FURTHEST = 0.1, 2.5
"""Bounds of log(turn / epochs seen)."""

CALIBRATED = Calibration(
    0.351, (-0.0108, 0.7511, 0.3123, -0.123), (-0.512, -0.455, -0.383, -0.247, -0.051, 0.173, 0.435, 0.565, 0.671)
)
"""Printed by benchmarks/forecast.py --fit, from settings that its tables don't use."""


def forecast_turn(
    train: npt.ArrayLike,
    valid: npt.ArrayLike,
    *,
    epoch: npt.ArrayLike | None = None,
    higher_is_better: bool = False,
    level: float = 0.9,
    age: float = 0.5,
    calibration: Calibration = CALIBRATED,
) -> Forecast:
    """Forecast the epoch at which the validation score will be at its best.

    It assumes that training goes on as it did: a change of the learning rate, or of the data, moves the turn. The interval is
    for runs that are between a fifth and four fifths of the way to their turn, and how far a run is can't be seen: of runs
    outside that range it holds fewer (benchmarks/forecast.py counts them, too).

    Parameters
    ----------
    train, valid : array of shape (e,)
        As logged. Epochs where either isn't a usable number are passed over.
    epoch : array of shape (e,), optional
        Which epoch each is of, ascending; 1, 2, ... by default. What was scored before training, at epoch 0, is passed over.
    higher_is_better : bool
        Whether it is a score such as accuracy.
    level : float
        Of the interval, 0.5 to 0.95.
    age : float
        How many epochs before the end of each epoch its training score stands for: 1/2 of a mean over the epoch, 0 where the
        training examples were scored at the end, which forecasts a little better.
    calibration : Calibration
        Another than that of the benchmark.

    Returns
    -------
    Forecast
        "turn" with the epoch and its interval; "no_turn" where the gap doesn't grow beyond noise; "turned" where it overfits
        already, and then the best epoch; "cannot_tell" with the reason.

    Raises
    ------
    InputError
        If the arrays aren't 1-d and of one shape, or `level` or `age` is out of its range.

    Notes
    -----
    Time and memory are of order e.

    Examples
    --------
    >>> e = np.arange(1.0, 21.0)  # training falls by 1, the gap grows by 0.02 e, in each unit of log-epoch
    >>> forecast_turn(4 - np.log(e), 4 - np.log(e) + 0.02 * e, age=0).state  # it turns at epoch 50
    'turn'
    >>> forecast_turn(4 - np.log(e), 4.1 - np.log(e), age=0).state
    'no_turn'
    """
    t, v = finite(train), finite(valid)
    at = np.arange(1.0, v.size + 1.0) if epoch is None else finite(epoch)
    if t.ndim != 1 or not t.shape == v.shape == at.shape:
        raise InputError(f"train, valid and epoch must be 1-d and of one shape, got {t.shape}, {v.shape} and {at.shape}")
    if not SURE_LEVELS[0] <= level <= SURE_LEVELS[1] or not 0.0 <= age <= 1.0:
        raise InputError(f"level must be {SURE_LEVELS[0]} to {SURE_LEVELS[1]} and age 0 to 1, not {level} and {age}")
    kept = np.isfinite(t) & np.isfinite(v) & np.isfinite(at) & (at > 0.0)
    t, v, at = t[kept], v[kept], at[kept]

    def answer(state: str, text: str, **numbers: float) -> Forecast:
        return Forecast(state=state, evidence=text, level=level, **numbers)  # type: ignore[arg-type]  # the numbers of its fields

    unknown = "When validation will turn can't be told"
    if v.size < FEWEST_EPOCHS:
        return answer("cannot_tell", f"{unknown}: {v.size} epochs have both scores, and it takes {FEWEST_EPOCHS}.")
    if not (np.diff(at) > 0.0).all():
        return answer("cannot_tell", f"{unknown}: its epochs don't follow on one another.")
    if higher_is_better:
        top = perfect(np.concatenate([t, v]))
        t, v = top - t, top - v
    found = overfitting_from_curves(t, v, epoch=at)
    if found.state == "yes" and found.since_epoch is not None:
        best = float(at[at < found.since_epoch][-1])
        return answer("turned", f"Validation has turned: it was best in epoch {best:g}.", epoch=best)
    seen = float(at[-1])
    signs = signs_of_turn(t, v, at, age=age)
    if signs is None:
        return answer("cannot_tell", f"{unknown}: neither score has improved since the first epoch.")
    if signs.growth <= GROWS:
        if signs.growth_error > TOO_NOISY:
            return answer("cannot_tell", f"{unknown}: the curves are too noisy to see whether the gap between them grows.")
        how = "doesn't grow" if signs.growth <= 0.0 else "grows by no more than chance gives, or by too little to matter"
        return answer("no_turn", f"No turn of validation is expected: up to epoch {seen:g} its gap to training {how}.")
    middle = expected_log_ratio(signs, calibration)
    below, above = _quantiles(calibration, level)
    epoch_, low, high = (seen * float(np.exp(max(0.0, y))) for y in (middle, middle + below, middle + above))
    shown = f"its gap to training grows, by {signs.growth:.2g} standard errors per unit of log-epoch"
    text = f"Validation will turn at about epoch {epoch_:.0f} ({low:.0f} to {high:.0f} at {level:.0%}): {shown}."
    return answer("turn", text, epoch=epoch_, low=low, high=high)


def signs_of_turn(train: Array, valid: Array, epoch: Array, *, age: float) -> Signs | None:
    """Return the signs that a forecast is made of, for scores that are better when lower; None where nothing was learnt.

    Parameters
    ----------
    train, valid, epoch : array of shape (e,)
        Finite, e at least `FEWEST_EPOCHS`.
    age : float
        As in `forecast_turn`.
    """
    ends, seen = epoch, float(epoch[-1])
    if age > 0.0:  # what the training score was at the ends of epochs, but of the last
        ends = epoch[:-1]
        train, valid = np.interp(ends, epoch - age, train), valid[:-1]
    learnt = max(float(valid[0] - valid.min()), float(train[0] - train.min()))
    if not learnt > 1e-12 * max(float(np.abs(valid).max()), float(np.abs(train).max())):
        return None
    x = np.log(ends / seen)
    t, v = train / learnt, valid / learnt
    (_, growth), (_, error) = _fit(x, v - t, WINDOW, 1)
    (_, falling), _ = _fit(x, v, WINDOW, 1)
    (_, slope, bend), _ = _fit(x, t, LONG_WINDOW, 2)
    level = max(abs(float(t[-1])), 1e-6)
    error = float(np.linalg.norm([error, LEAST_ERROR, LEAST_OF_LEVEL * level]))
    return Signs(
        growth=growth / error,
        growth_error=error,
        falls=-falling,
        bend=bend,
        rate=float(np.log(max(-slope / level, 1e-6))),
    )


def expected_log_ratio(signs: Signs, calibration: Calibration) -> float:
    """Return the expected log(turn / epochs seen)."""
    bounded = bounded_signs(signs)
    return float(np.clip(calibration.start + np.dot(bounded, calibration.weights), NEAREST, FURTHEST))


def bounded_signs(signs: Signs) -> Array:
    """Return growth, falls, bend and rate, each within its `LIMITS`."""
    low, high = np.array(LIMITS).T
    return np.clip([signs.growth, signs.falls, signs.bend, signs.rate], low, high)


def _quantiles(calibration: Calibration, level: float) -> tuple[float, float]:
    """Return the quantiles that leave out as much on either side, straight lines between the known ones on a normal's axis."""
    tails = ndtri([0.5 - level / 2, 0.5 + level / 2])
    below, above = np.interp(tails, ndtri(PROBABILITIES), calibration.errors)
    return float(below), float(above)


def _fit(x: Array, y: Array, window: float, degree: int) -> tuple[list[float], list[float]]:
    """Return the coefficients at x = 0 of a polynomial through the last points, and their standard errors.

    Points are weighted by (1 - (x / window)^3)^3; where too few lie within, the window is widened.
    """
    if np.count_nonzero(-x < 0.85 * window) < FEWEST_IN_WINDOW:
        window = 1.15 * float(-x[-min(FEWEST_IN_WINDOW, x.size)]) + 1e-9
    weight = np.clip(1.0 - (-x / window) ** 3, 0.0, None) ** 3
    used = weight > 0.0
    a, w = np.vander(x[used], degree + 1, increasing=True), np.sqrt(weight[used])
    solve = np.linalg.pinv(a * w[:, None]) * w
    coefficients = solve @ y[used]
    off = w * (y[used] - a @ coefficients)
    variance = float(off @ off) / float(weight.sum()) * used.sum() / max(1, int(used.sum()) - degree - 1)
    return coefficients.tolist(), np.sqrt(variance * (solve**2).sum(axis=1)).tolist()
