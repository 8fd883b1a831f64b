"""The reported side: the user's own numbers, as recorded batch by batch, and whether they are what they seem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from whygap.adapters.epoch import ROUNDING, Reported, ValidSide, VisitLog
from whygap.adapters.session import Session
from whygap.adapters.torch_valid import ValidationWatch
from whygap.adapters.torch_visits import Visit
from whygap.errors import InputError
from whygap.observation import Array
from whygap.records import Cause

Reduction = Literal["batches", "rows", "last"]
Number = torch.Tensor | float


class Reporting:
    """How the user's numbers of an epoch come from what is recorded.

    Parameters
    ----------
    model : torch.nn.Module
        Its precision tells how near two means of the same scores must be.
    reduction : "batches", "rows" or "last"
        As in `Meter`.
    session : Session
        Tells of what doesn't fit.

    Raises
    ------
    InputError
        If the reduction is none of these.
    """

    def __init__(self, model: torch.nn.Module, reduction: Reduction, session: Session) -> None:
        if reduction not in ("batches", "rows", "last"):
            raise InputError(f'reduction must be "batches", "rows" or "last", not {reduction!r}')
        self._model = model
        self._reduction = reduction
        self._session = session
        self._not_plain: dict[str, str] = {}

    def train(
        self, name: str, log: VisitLog[Visit], recorded: dict[str, Array], *, told: float | None, valid: float | None
    ) -> Reported:
        """Return the reported side of one score; `told` and `valid` are the numbers that the user gave or that we know."""
        weight, batches = self._weight(log.rows), recorded[name]
        penalty = recorded["penalty"] if name == "loss" and recorded["penalty"].any() else None
        is_plain, notes = self._is_plain_mean(name, log, batches if penalty is None else batches - penalty)
        absent: set[Cause] = set() if penalty is not None else {"penalty"}
        # where every batch counts by its rows, or all have the same, there is nothing that a reduction could change
        is_by_rows = self._reduction == "rows" or (self._reduction == "batches" and len(set(log.rows)) == 1)
        if is_plain and told is None and is_by_rows:
            absent.add("reduction")
        if valid is None:
            notes = (*notes, "no validation was seen: pass valid=, or wrap your validation loop in meter.validate(...)")
        return Reported(
            train=float(np.dot(weight, batches) / weight.sum()) if told is None else told,
            valid=valid,
            batches=batches,
            weight=weight,
            penalty=penalty,
            is_plain_mean=is_plain,
            absent=absent,
            notes=notes,
        )

    def valid(self, name: str, watch: ValidationWatch | None, side: ValidSide | None) -> float | None:
        """Return the validation number that was not told: as recorded, else the plain mean over the examples."""
        if watch is not None and watch.recorded:
            if len(watch.recorded) != len(watch.rows):
                text = f"{len(watch.rows)} batches were seen and {len(watch.recorded)} recorded"
                self._session.tell("reading the validation", f"{text}: call meter.record(loss) for every batch or for none")
            else:
                recorded = numbers_of(watch.recorded)
                if name in recorded:
                    return float(np.average(recorded[name], weights=self._weight(watch.rows)))
        return None if side is None else side.mean_of(name)

    def _weight(self, rows: list[int]) -> Array:
        """Return the weight of every batch in a number that the user reports."""
        sizes: Array = np.asarray(rows, dtype=np.float64)
        if self._reduction == "rows":
            return sizes
        weight: Array = np.ones_like(sizes)
        if self._reduction == "last":
            weight[:-1] = 0.0
        return weight

    def _is_plain_mean(self, name: str, log: VisitLog[Visit], recorded: Array) -> tuple[bool, tuple[str, ...]]:
        """Compare what was recorded with the mean of the examples' scores, at the visits that were looked at for that."""
        tolerance = max(ROUNDING, 4 * _resolution(self._model))
        for index, visit in [(index, visit) for index, _, visit in log.sample() if visit.is_checked]:
            if name not in visit.told:
                return True, (f"the recorded {name} could not be checked against the model's outputs",)
            mean, told = visit.told[name], float(recorded[index])
            if np.isfinite(told) and abs(mean - told) > tolerance * max(abs(mean), abs(told)):
                text = f"batch {index + 1} was recorded with {name} {told:.6g} and its examples average {mean:.6g}"
                self._not_plain[name] = f"{text}: weights, smoothing, or a penalty that record() was not told of"
                break
        return name not in self._not_plain, (self._not_plain[name],) if name in self._not_plain else ()


def kept_number(key: str, value: Number) -> Number:
    """Return a number that a loop can't change any more by scaling its loss in place.

    Raises
    ------
    InputError
        If it is a tensor with more numbers than one.
    """
    if not isinstance(value, torch.Tensor):
        return float(value)
    if value.numel() != 1:
        raise InputError(f"record() takes the batch's one {key}, got a tensor of shape {tuple(value.shape)}")
    return value.item() if value.is_cpu else value.detach().clone()


def recorded_in(log: VisitLog[Visit]) -> dict[str, Array]:
    """Return what was recorded at every batch of an epoch, as `numbers_of` does.

    Raises
    ------
    InputError
        Unless every batch was recorded, but for a last one in the middle of which the loop was left.
    """
    if len(log.recorded) == len(log.rows) - 1:
        log.drop_last()
    if not log.recorded or len(log.recorded) != len(log.rows):
        text = f"epoch {log.number}: {len(log.rows)} batches were visited and {len(log.recorded)} recorded"
        raise InputError(f"{text}: call meter.record(loss) once for every batch")
    return numbers_of(log.recorded)


def numbers_of(recorded: Sequence[Number | dict[str, Number]]) -> dict[str, Array]:
    """Return what was recorded at every batch, the loss alone or several numbers by name, as arrays of shape (b,)."""
    if all(type(r) is float for r in recorded):
        return {"loss": np.asarray(recorded, dtype=np.float64), "penalty": np.zeros(len(recorded))}
    each = [r if isinstance(r, dict) else {"loss": r, "penalty": 0.0} for r in recorded]
    names = [name for name in each[0] if all(name in r for r in each)]
    return {name: _fetched([r[name] for r in each]) for name in names}


def _fetched(values: list[Number]) -> Array:
    """Return numbers as an array, those on a device in one go."""
    on_device = [k for k, v in enumerate(values) if isinstance(v, torch.Tensor)]
    if on_device:
        fetched = torch.stack([torch.as_tensor(values[k]).reshape(()).double() for k in on_device]).tolist()
        for k, value in zip(on_device, fetched, strict=True):
            values[k] = value
    return np.asarray(values, dtype=np.float64)


def _resolution(model: torch.nn.Module) -> float:
    dtypes = [p.dtype for p in model.parameters() if p.dtype.is_floating_point]
    return float(torch.finfo(dtypes[0] if dtypes else torch.float32).eps)
