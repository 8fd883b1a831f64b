"""Columns of numbers with gaps in them, as every tabular log comes, and the runs that they tell of."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from whygap.errors import InputError
from whygap.logs.columns import resolve, split_of
from whygap.logs.places import Places, near_ends, place
from whygap.logs.records import Array, LoggedRun, Series, Split
from whygap.logs.source import clean

MOST_COLUMNS = 10_000
MOST_RUNS = 10_000
MOST_NUMBERS = 32_000_000
"""In one source: 384 MB of memory."""

EPOCH_COLUMNS = ("epoch", "epochs", "epoch_idx", "epoch_num", "train/epoch", "current_epoch")
ITERATION_COLUMNS = ("iteration", "iter")
LOGGINGS = "_step"
"""What W&B calls the number of the logging: rows are in its order, but several may be logged in one step of the optimiser."""

STEP_COLUMNS = ("global_step", "train/global_step", "trainer/global_step", "step", "steps", LOGGINGS, *ITERATION_COLUMNS)
SPLIT_COLUMNS = frozenset({"split", "phase", "mode", "stage", "set", "subset", "dataset"})
"""That say of whole rows whose scores they are."""

Names = Callable[[Iterable[str]], Mapping[str, tuple[str, Split]]]


@dataclass(frozen=True, eq=False)
class Column:
    """The numbers of one column and the rows that they stand in, which don't decrease."""

    row: npt.NDArray[np.int64]
    value: Array


@dataclass(frozen=True, eq=False)
class Table:
    """Columns by name, over `rows` rows of the source `name`."""

    columns: Mapping[str, Column]
    rows: int
    source_name: str
    notes: tuple[str, ...] = ()

    def over_rows(self, name: str) -> Array:
        """Return a column's numbers for every row, NaN where it has none."""
        values = np.full(self.rows, np.nan)
        if name in self.columns:
            values[self.columns[name].row] = self.columns[name].value
        return values

    def cut(self, bounds: Sequence[int]) -> list[Table]:
        """Return the rows between each two bounds as tables; columns without a number there are left out."""
        parts: list[dict[str, Column]] = [{} for _ in bounds[1:]]
        for name, column in self.columns.items():
            edges = np.searchsorted(column.row, bounds)
            for k in np.flatnonzero(np.diff(edges)).tolist():
                kept = slice(edges[k], edges[k + 1])
                parts[k][name] = Column(column.row[kept] - bounds[k], column.value[kept])
        return [
            Table(columns, high - low, self.source_name, self.notes)
            for columns, (low, high) in zip(parts, itertools.pairwise(bounds), strict=True)
        ]

    def split_by(self, labels: Sequence[str]) -> Table:
        """Return the table with the columns of scores split by the label of each row, if all labels are words for splits."""
        words = {label: label.strip() for label in set(labels) if label.strip()}
        if not words or len(labels) != self.rows or any(split_of(word) == "unknown" for word in words.values()):
            return self
        label_of = np.array([words.get(label, "") for label in labels])
        columns: dict[str, Column] = {}
        for name, column in self.columns.items():
            if name.lower() in (*EPOCH_COLUMNS, *STEP_COLUMNS):
                columns[name] = column
                continue
            for word in dict.fromkeys(words.values()):
                at = label_of[column.row] == word
                if at.any():
                    columns[f"{word}/{name}"] = Column(column.row[at], column.value[at])
        return replace(self, columns=columns)

    def first_named(self, names: Iterable[str]) -> str | None:
        """Return the column whose name is the first of `names`, in any case; None if there is none."""
        by_name = {name.strip().lower(): name for name in reversed(list(self.columns))}
        return next((by_name[name] for name in names if name in by_name), None)


class Gatherer:
    """Gathers numbers into columns, compactly, and refuses to gather without bounds.

    Parameters
    ----------
    source_name : str
        For errors.
    """

    def __init__(self, source_name: str) -> None:
        self.source_name = source_name
        self.numbers = 0
        self._rows: dict[str, array[int]] = {}
        self._values: dict[str, array[float]] = {}

    def add(self, name: str, rows: Iterable[int], values: list[float]) -> None:
        """Add numbers of the column `name`, one for each of `rows`.

        Raises
        ------
        InputError
            If there are more columns or numbers than a log has.
        """
        if name not in self._rows:
            if len(self._rows) >= MOST_COLUMNS:
                raise InputError(f"{self.source_name}: more than {MOST_COLUMNS:,} columns")
            self._rows[name], self._values[name] = array("i"), array("d")
        self.numbers += len(values)
        if self.numbers > MOST_NUMBERS:
            raise InputError(f"{self.source_name}: more than {MOST_NUMBERS:,} numbers")
        self._rows[name].extend(rows)
        self._values[name].extend(values)

    def table(self, rows: int, notes: Iterable[str] = ()) -> Table:
        """Return what was gathered, of `rows` rows."""
        columns = {name: self._column(name) for name, gathered in self._rows.items() if gathered}
        return Table(columns, rows, self.source_name, tuple(notes))

    def _column(self, name: str) -> Column:
        row, value = np.array(self._rows[name], dtype=np.int64), np.array(self._values[name])
        if (np.diff(row) < 0).any():  # two columns of the log have come by the same name
            order = np.argsort(row, kind="stable")
            row, value = row[order], value[order]
        return Column(row, value)


def read_runs(
    table: Table,
    *,
    format: str,  # noqa: A002 - as LoggedRun has it
    framework: str = "",
    name: str = "",
    names: Names = resolve,
    counts_from: int | None = None,
    epoch: str | None = None,
) -> tuple[LoggedRun, ...]:
    """Return the runs of a table, none if it has no score: a new one begins where the epochs start again.

    Parameters
    ----------
    table : Table
        With the columns of scores, and of epochs and steps if there are any.
    format, framework, name : str
        Of the runs; several are numbered.
    names : callable
        From the columns' names to their scores and splits.
    counts_from : 0 or 1, optional
        What the first epoch's number is; by default 0 if there is an epoch 0.
    epoch : str, optional
        The column of the epochs, where it has a name of its own.

    Raises
    ------
    InputError
        If they start again more often than any log's.
    """
    epoch = epoch or table.first_named(EPOCH_COLUMNS)
    step = table.first_named(STEP_COLUMNS)
    if epoch is None and step is not None and step.lower() in ITERATION_COLUMNS:
        epoch, step = step, None
    said = names([c for c in table.columns if c not in (epoch, step)])
    if all(split == "none" for _, split in said.values()):
        return ()
    bounds = [0, *(_restarts(table, epoch) if epoch else ()), table.rows]
    if len(bounds) > MOST_RUNS:
        raise InputError(f"{table.source_name}: epochs start again more than {MOST_RUNS:,} times")
    runs = []
    for k, part in enumerate(table.cut(bounds), start=1):
        with np.errstate(all="ignore"):  # a log may say epoch 1e308
            run = _run(part, said, epoch, step, counts_from)
        number = f"{name} {k}".strip() if len(bounds) > 2 else name
        runs.append(replace(run, format=format, framework=framework, name=clean(number)))
    return tuple(run for run in runs if any(s.split != "none" for s in run.series))


def _restarts(table: Table, epoch: str) -> list[int]:
    """Return the rows at which the epoch is lower than before."""
    column = table.columns[epoch]
    return [int(row) for row in column.row[1:][column.value[1:] < column.value[:-1]]]


def _run(
    table: Table, said: Mapping[str, tuple[str, Split]], epoch: str | None, step: str | None, counts_from: int | None
) -> LoggedRun:
    scores = {name: said[name] for name in table.columns if name in said}
    places = place(
        epoch=None if epoch is None else table.over_rows(epoch),
        step=None if step is None else table.over_rows(step),
        scores=[(*scores[name], table.columns[name].row) for name in scores],
        rows=table.rows,
        counts_from=counts_from,
    )
    in_full = any(are_in_full(table.columns[name].value) for name in scores)
    series = tuple(series_of(name, *scores[name], table.columns[name], places, in_full) for name in scores)
    facts = {}
    if places.steps_per_epoch is not None and places.steps_per_epoch > 1 and step != LOGGINGS:
        facts["steps_per_epoch"] = places.steps_per_epoch
    return LoggedRun(format="", framework="", series=series, facts=facts, notes=(*table.notes, *places.notes))


def series_of(name: str, score: str, split: Split, column: Column, places: Places, in_full: bool) -> Series:
    """Return a column as a series, with the places in the run at which its numbers were logged."""
    at = places.epoch[column.row]
    return Series(
        column=clean(name),
        score=clean(score),
        split=split,
        value=column.value,
        epoch=at,
        step=None if places.step is None else places.step[column.row],
        grain="epoch" if near_ends(at) else "step",
        resolution=0.0 if in_full else resolution_of(column.value),
    )


def are_in_full(values: Array) -> bool:
    """Return whether some number has as many digits as a double needs: then none was rounded for print."""
    return any(digits >= 15 for digits, _ in _digits(values))


def resolution_of(values: Array) -> float:
    """Return the unit of the last digit that most numbers have, by their shortest decimal form; 0.0 if there are none.

    Parameters
    ----------
    values : array of shape (k,)
        The first 200 finite ones count.

    Examples
    --------
    >>> resolution_of(np.array([0.52, 0.5, 0.48]))
    0.01
    """
    decimals = sorted(decimals for _, decimals in _digits(values))
    most = max(decimals, key=lambda d: (decimals.count(d), d), default=None)
    return 0.0 if most is None else float(f"1e{-most}")


def _digits(values: Array) -> list[tuple[int, int]]:
    """Return of each number how many significant digits it has, and how many of them come after the point."""
    found = []
    for value in values[np.isfinite(values)][:200].tolist():
        mantissa, _, exponent = repr(value).lstrip("-").partition("e")
        whole, _, fraction = mantissa.partition(".")
        fraction = fraction.rstrip("0")
        found.append((len((whole + fraction).strip("0")), len(fraction) - int(exponent or 0)))
    return found
