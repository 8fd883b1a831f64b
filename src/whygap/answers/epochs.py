"""When validation turns, that is, is at its best; and what the first half of the curve foretells of it."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from whygap.answers.cells import Cell, Cells, cells_of, means_over, sign_of
from whygap.answers.worlds import Band
from whygap.estimate.forecast import forecast_turn
from whygap.estimate.turning import overfitting_from_curves
from whygap.records import Estimate, Forecast, Record, Score
from whygap.trials import Trial

FIRST = 0.5
"""Share of the epochs before the turn, or of all where there is none, that a forecast is made from."""


class Turn(Record, frozen=True):
    """One run: the epoch at which validation was best (None: it had not turned), and the forecast from epochs up to `seen`."""

    epoch: int | None
    seen: int
    forecast: Forecast

    @property
    def is_held(self) -> bool | None:
        """Whether the forecast's interval holds the turn, or it rightly expects none; None where nothing was said."""
        f = self.forecast
        if f.state == "no_turn":
            return self.epoch is None
        if f.state != "turn" or f.low is None or f.high is None:
            return None
        return self.epoch is not None and f.low <= self.epoch <= f.high


class Turns(Record, frozen=True):
    """One cell: its validation and training curves over seeds, the turn of each run, and the middle of both turn and forecast.

    `turn` is the median of the turns with Student's interval, taken on logarithms, over the `n_turned` of `runs` that turned;
    None where fewer than half did. The interval reaches to the looks on either side, between which the best epoch may lie.
    `forecast` is the median over the runs that a turn was foretold of, with the medians of their ends.
    """

    n_parameters: int
    n: int
    regime: str
    variant: str
    score: Score
    epoch: tuple[int, ...]
    train: Band
    valid: Band
    runs: tuple[Turn, ...]
    n_turned: int
    turn: Estimate | None
    forecast: Estimate | None

    @property
    def ratio(self) -> float:
        """Parameters per example."""
        return self.n_parameters / self.n


def turns(trials: Iterable[Trial], *, score: str | None = None, level: float = 0.95) -> tuple[Turns, ...]:
    """Return when validation turned in every cell, and what was foretold of it halfway.

    A run has turned where `whygap.estimate.turning` says that it overfits: validation got worse by more than chance has it
    while training went on. The forecast sees the training score at the end of each epoch, and validation.

    Parameters
    ----------
    trials : iterable of Trial
        Any settings.
    score : str, optional
        By default the loss.
    level : float
        Of the intervals of curves and turns; a forecast's is 90 %.
    """
    return turns_of(cells_of(trials, score=score), score=score, level=level)


def turns_of(grouped: Cells, *, score: str | None = None, level: float = 0.95) -> tuple[Turns, ...]:
    """Return the turns of cells, as `turns`."""
    return tuple(_turns(cell, score, level) for cell in grouped.cells)


def _turns(cell: Cell, score: str | None, level: float) -> Turns:
    kind = cell.trials[0].curve(score)
    assert kind is not None
    train, valid, own = (cell.curves(what, score) for what in ("train", "valid", "valid_se"))
    runs = tuple(_turn(cell, t, v, higher_is_better=sign_of(kind.score) < 0.0) for t, v in zip(train, valid, strict=True))
    turned = [k for k, run in enumerate(runs) if run.epoch is not None]
    turn = None
    if 2 * len(turned) > len(runs):
        at = np.array([[float(runs[k].epoch or 1)] for k in turned])
        means = means_over(np.log(at), [cell.trials[k] for k in turned])
        turn = _from_logs(means.estimate(level=level), float(np.median(at)), cell.epoch)
    return Turns(
        n_parameters=cell.n_parameters,
        n=cell.n,
        regime=cell.regime,
        variant=cell.variant,
        score=kind.score,
        epoch=tuple(cell.epoch.tolist()),
        train=_band(cell, train, None, level),
        valid=_band(cell, valid, own, level),
        runs=runs,
        n_turned=len(turned),
        turn=turn,
        forecast=_middle([run.forecast for run in runs if run.forecast.state == "turn"], len(runs)),
    )


def _turn(cell: Cell, train: np.ndarray, valid: np.ndarray, *, higher_is_better: bool) -> Turn:
    epoch = cell.epoch
    found = overfitting_from_curves(train, valid, epoch=epoch, higher_is_better=higher_is_better)
    best = None
    if found.state == "yes" and found.since_epoch is not None:
        best = int(epoch[np.searchsorted(epoch, found.since_epoch) - 1])
    seen = int(np.searchsorted(epoch, FIRST * (best or int(epoch[-1])), side="right"))
    forecast = forecast_turn(train[:seen], valid[:seen], epoch=epoch[:seen], higher_is_better=higher_is_better, age=0.0)
    return Turn(epoch=best, seen=int(epoch[seen - 1]) if seen else 0, forecast=forecast)


def _from_logs(logs: Estimate, value: float, epoch: npt.NDArray[np.int64]) -> Estimate:
    """Return an estimate at the median from one of logarithms; between looks nobody knows where the best epoch was."""
    far = 700.0  # beyond it, floats end; two seeds may reach there
    before, after = epoch[epoch < value], epoch[epoch > value]
    low = min(value, math.exp(logs.low), float(before[-1]) if before.size else 0.0)
    high = max(value, math.exp(min(logs.high, far)), float(after[0]) if after.size else value)
    return Estimate(
        value=value, low=low, high=high, level=logs.level, n=logs.n, how="sampled", reliable=logs.reliable, why=logs.why
    )


def _middle(forecasts: list[Forecast], runs: int) -> Estimate | None:
    told = [(f.epoch, f.low, f.high) for f in forecasts if f.epoch is not None and f.low is not None and f.high is not None]
    if 2 * len(told) <= runs:
        return None
    value, low, high = (float(m) for m in np.median(told, axis=0))
    return Estimate(value=value, low=low, high=high, level=forecasts[0].level, n=len(told), how="inferred")


def _band(cell: Cell, values: np.ndarray, own: np.ndarray | None, level: float) -> Band:
    means = cell.over_seeds(values, own)
    low, high = means.bounds(level)
    return Band(value=tuple(means.value.tolist()), low=tuple(low.tolist()), high=tuple(high.tolist()))
