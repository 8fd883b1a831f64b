"""When validation will turn, from the epochs before it does.

A validation score v is the training score t at the same weights plus the generalisation gap g. While a network learns what all
examples share, t falls and g stays; once it learns single examples by heart, g grows, and v turns where g grows as fast as t
falls. So there are two questions. Does g grow, beyond noise? If not, no turn is expected: so it is where no example comes
twice. And if it does, how far is the turn? The faster g grows relative to the score itself, the nearer. Growth is per unit of
the logarithm of the epoch, as curves of training are straighter on that axis. What it is worth was fitted to real trainings,
and of the distance it tells little: the interval says so.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from whygap.errors import InputError
from whygap.estimate.curves import finite, mean_around, perfect
from whygap.estimate.turning import SMOOTHED, overfitting_from_curves
from whygap.records import Forecast

Array = npt.NDArray[np.float64]

FEWEST_EPOCHS = 5
GROWS = 3.8
"""How many standard errors the gap must grow by: chosen on fresh examples, where 97 % of cuts show less."""

LEAST_ERROR = 0.003
"""Added to that standard error, in quadrature, as a share of what was learnt: smooth curves would tell of any trifle."""

LEAST_LEARNT = 1e-300
"""Less than this can't be divided by."""

WINDOW = 1.5
"""How far back the growth is taken from, in natural logarithms of the epoch; the nearest epochs count most."""

MISSED = "About one in five runs that do turn still looked like this between a fifth and four fifths of the way."
"""Counted by benchmarks/forecast.py."""

RECENT, RISES = 0.5, 1.0
"""Validation has turned where the gap grows and validation rises by so many standard errors over so short a window."""

FEWEST_IN_WINDOW = 5
TOO_NOISY = 0.8
""""No turn" is said only where the gap's growth is known to this share of what was learnt."""

SURE_LEVELS = (0.5, 0.95)
"""Levels that calibration has runs enough for."""


class Signs(NamedTuple):
    """What the curves show at the last epoch seen, for scores that are better when lower; no sign has a unit.

    Attributes
    ----------
    growth : float
        Of the gap per unit of log-epoch, in standard errors.
    growth_error : float
        That standard error as a share of what was learnt, with `LEAST_ERROR` in it.
    pace : float
        Logarithm of the gap's growth per unit of log-epoch relative to the validation score, within `PACES`.
    rise : float
        Of validation over the window `RECENT`, in standard errors.
    """

    growth: float
    growth_error: float
    pace: float
    rise: float


PACES = (-6.0, 0.0)
"""Beyond them lie few runs, and a straight line would go astray; a gap that shrinks has the lowest."""


class Calibration(NamedTuple):
    """How the pace becomes a forecast of log(turn / epochs seen): `start + slope * pace`.

    `errors` are quantiles of what was then left, at the probabilities `PROBABILITIES`.
    """

    start: float
    slope: float
    errors: tuple[float, ...]


PROBABILITIES = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)

NEAREST, FURTHEST = 0.1, 2.5
"""Bounds of log(turn / epochs seen)."""

CALIBRATED = Calibration(0.265, -0.16, (-0.511, -0.437, -0.359, -0.237, -0.055, 0.206, 0.443, 0.571, 0.674))
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
        How many epochs before the end of each epoch its training score stands for, 0 or more: 1/2 of a mean over the epoch, 0
        where the training examples were scored at the end of it, as `Curves.train` of the lab was. `Averaging.age` knows it of
        other means.
    calibration : Calibration
        Another than that of the benchmark.

    Returns
    -------
    Forecast
        "turn" with the epoch and its interval; "no_turn" where the gap doesn't grow beyond noise; "turned" where it has
        turned already, and then the best epoch so far; "cannot_tell" with the reason.

    Raises
    ------
    InputError
        If the arrays aren't 1-d and of one shape, `level` is out of its range, or `age` is below 0 or not finite.

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
    if not SURE_LEVELS[0] <= level <= SURE_LEVELS[1] or not 0.0 <= age < np.inf:
        raise InputError(f"level must be {SURE_LEVELS[0]} to {SURE_LEVELS[1]} and age 0 or more, not {level} and {age}")
    kept = np.isfinite(t) & np.isfinite(v) & np.isfinite(at) & (at > 0.0)
    t, v, at = t[kept], v[kept], at[kept]

    as_before = " if training goes on as it did"

    def answer(state: str, text: str, **numbers: float) -> Forecast:
        return Forecast(state=state, evidence=text, level=level, **numbers)  # type: ignore[arg-type]  # the numbers of its fields

    unknown = "When validation will turn can't be told"
    if not (np.diff(at) > 0.0).all():
        return answer("cannot_tell", f"{unknown}: its epochs don't follow on one another.")
    if v.size < FEWEST_EPOCHS or np.count_nonzero(at - age >= at[0]) < FEWEST_EPOCHS - 1:
        fewest = FEWEST_EPOCHS + max(0, int(np.ceil(age)) - 1)
        return answer("cannot_tell", f"{unknown}: {v.size} epochs have both scores, and it takes {fewest} or more.")
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
            return answer("cannot_tell", f"{unknown}: more was noise than was learnt, up to epoch {seen:g}.")
        how = "doesn't grow" if signs.growth <= 0.0 else "grows by no more than chance gives, or by too little to matter"
        text = f"No turn of validation is expected{as_before}: up to epoch {seen:g} its gap to training {how}. {MISSED}"
        return answer("no_turn", text)
    if signs.rise > RISES:
        best = float(at[mean_around(v, int(v.size * SMOOTHED / 2)).argmin()])
        text = f"Validation has turned: it was best in about epoch {best:g}, and its gap to training grows."
        return answer("turned", text, epoch=best)
    middle = expected_log_ratio(signs, calibration)
    below, above = _quantiles(calibration, level)
    epoch_, low, high = (seen * float(np.exp(max(0.0, y))) for y in (middle, middle + below, middle + above))
    shown = f"its gap to training grows, by {signs.growth:.2g} standard errors per unit of log-epoch"
    text = f"Validation will turn at about epoch {epoch_:.0f} ({low:.0f} to {high:.0f} at {level:.0%}){as_before}: {shown}."
    return answer("turn", text, epoch=epoch_, low=low, high=high)


def signs_of_turn(train: Array, valid: Array, epoch: Array, *, age: float) -> Signs | None:
    """Return the signs that a forecast is made of, for scores that are better when lower; None where nothing was learnt.

    Parameters
    ----------
    train, valid, epoch : array of shape (e,)
        Finite, e at least `FEWEST_EPOCHS`, and all but one at least `age` after the first epoch.
    age : float
        As in `forecast_turn`.
    """
    learnt = max(float(valid[0] - valid.min()), float(train[0] - train.min()))
    if not learnt > max(1e-12 * max(float(np.abs(valid).max()), float(np.abs(train).max())), LEAST_LEARNT):
        return None
    score = max(abs(float(valid[-1])), 1e-6 * learnt)
    at = epoch - age
    between = at >= epoch[0]
    # validation is moved to where training stands, as the reverse would have to guess where training goes in the last epoch
    at, gap = at[between], np.interp(at[between], epoch, valid) - train[between]
    growth, error = _growth(np.log(at / at[-1]), gap / learnt, WINDOW)
    error = float(np.hypot(error, LEAST_ERROR))
    rise, rise_error = _growth(np.log(epoch / epoch[-1]), valid / learnt, RECENT)
    pace = float(np.log(max(growth * learnt / score, np.exp(PACES[0]))))
    pace = min(pace, PACES[1])
    return Signs(growth=growth / error, growth_error=error, pace=pace, rise=rise / float(np.hypot(rise_error, LEAST_ERROR)))


def expected_log_ratio(signs: Signs, calibration: Calibration) -> float:
    """Return the expected log(turn / epochs seen)."""
    return float(np.clip(calibration.start + calibration.slope * signs.pace, NEAREST, FURTHEST))


def _quantiles(calibration: Calibration, level: float) -> tuple[float, float]:
    """Return the quantiles that leave out as much on either side, straight lines between the known ones on a normal's axis."""
    tails = ndtri([0.5 - level / 2, 0.5 + level / 2])
    below, above = np.interp(tails, ndtri(PROBABILITIES), calibration.errors)
    return float(below), float(above)


def _growth(x: Array, y: Array, window: float) -> tuple[float, float]:
    """Return the slope of a straight line through the last points, x up to 0, and its standard error.

    Points are weighted by (1 - (x / window)^3)^3; where too few lie within, the window is widened.
    """
    if np.count_nonzero(-x < 0.85 * window) < FEWEST_IN_WINDOW:
        window = 1.15 * float(-x[-min(FEWEST_IN_WINDOW, x.size)]) + 1e-9
    weight = np.clip(1.0 - (-x / window) ** 3, 0.0, None) ** 3
    used = weight > 0.0
    x, y, weight = x[used], y[used], weight[used]
    total = float(weight.sum())
    x = x - float(weight @ x) / total
    spread = float(weight @ x**2)
    slope = float(weight @ (x * y)) / spread
    off = y - float(weight @ y) / total - slope * x
    variance = float(weight @ off**2) / total * x.size / max(1, x.size - 2)
    return slope, float(np.sqrt(variance * float((weight**2) @ x**2))) / spread
