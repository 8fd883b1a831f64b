"""Runs while they are read: columns that grow, and become series when the run has ended."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable

import numpy as np

from whygap.logs.console_lines import ConsoleLines
from whygap.logs.printed import read_number, unit_of
from whygap.logs.records import Grain, LoggedRun, Series, Split

_LOOKED_AT = 500
"""Numbers of a column whose last digits are looked at: most of a million have the unit that most of these have."""


MOST_RUNS = 1000
"""Runs of a source that are kept, so that memory is bounded whatever the text."""

MOST_COLUMNS = 2000
"""Columns of a run that are kept."""


class DraftColumn:
    """The numbers of one column so far, packed: a log of 100 MB has some millions."""

    def __init__(self) -> None:
        self.value = array("d")
        self.epoch = array("d")
        self.step = array("d")
        self._units: Counter[float] = Counter()

    def add(self, text: str, epoch: float, step: float = math.nan) -> None:
        """Add a number as it was printed."""
        try:
            value = float(text)
        except ValueError:
            odd = read_number(text)
            if odd is None:
                return
            value = odd
        self.value.append(value)
        self.epoch.append(epoch)
        self.step.append(step)
        if len(self.value) <= _LOOKED_AT and math.isfinite(value):
            self._units[unit_of(text)] += 1

    def drop_if_cut(self, text: str, *, least: int) -> bool:
        """Take the last number away if it has fewer digits than all the others, which are `least` and have the same; say so."""
        unit = unit_of(text) if math.isfinite(self.value[-1]) else 0.0
        others = {u: n for u, n in self._units.items() if u != unit}
        is_cut = (
            len(self._units) == 2 and self._units[unit] == 1 and all(0 < u < unit and n >= least for u, n in others.items())
        )
        if is_cut:
            del self._units[unit]
            for numbers in (self.value, self.epoch, self.step):
                numbers.pop()
        return is_cut

    @property
    def resolution(self) -> float:
        """Unit of the last digit of most numbers; of two as frequent ones the finer: zeros at the end may be left out."""
        return max(self._units, key=lambda unit: (self._units[unit], -unit), default=0.0)

    def to_series(self, column: str, score: str, split: Split, *, shift: float = 0.0) -> Series:
        """Return the column as a series, its epochs counted `shift` later."""
        epoch = np.array(self.epoch) + shift
        step = np.array(self.step)
        return Series(
            column=column,
            score=score,
            split=split,
            value=np.array(self.value),
            epoch=epoch,
            step=None if np.isnan(step).all() else step,
            grain=_grain(epoch, step),
            resolution=self.resolution,
        )


def _grain(epoch: np.ndarray, step: np.ndarray) -> Grain:
    """Return "epoch" where there is at most one number for each."""
    if np.isnan(epoch).all():
        return "epoch" if np.isnan(step).all() else "step"
    known = epoch[~np.isnan(epoch)]
    return "epoch" if bool((known == np.round(known)).all() and (np.diff(known) > 0).all()) else "step"


class DraftRun:
    """A run while it is read.

    Parameters
    ----------
    console, framework : str
        The format and the framework, as in `LoggedRun`.
    meaning : callable
        Gives the score and the split of a column by its name.
    """

    def __init__(self, console: str, framework: str, meaning: Callable[[str], tuple[str, Split]]) -> None:
        self.format = console
        self.framework = framework
        self.meaning = meaning
        self.columns: dict[str, DraftColumn] = {}
        self.facts: dict[str, float] = {}
        self.notes: list[str] = []
        self.last = math.nan
        self.first = math.nan
        self.latest: tuple[DraftColumn, str] | None = None
        self._apart: list[Series] = []

    def add(self, name: str, text: str, epoch: float, step: float = math.nan) -> None:
        """Add a number to a column."""
        column = self.columns.get(name)
        if column is None:
            if len(self.columns) >= MOST_COLUMNS:
                return
            column = self.columns[name] = DraftColumn()
        column.add(text, epoch, step)
        self.latest = column, text

    def reach(self, epoch: float) -> None:
        """Say which epoch the log has come to."""
        if math.isnan(self.first):
            self.first = epoch
        self.last = epoch

    def add_apart(self, name: str, text: str, split: Split = "unknown") -> None:
        """Add a score of an evaluation that is no epoch's."""
        column = DraftColumn()
        column.add(text, math.nan)
        if column.value and len(self._apart) < _LOOKED_AT:
            score = self.meaning(name)[0]
            self._apart.append(column.to_series(f"{name} (evaluation)", score, split))

    @property
    def is_empty(self) -> bool:
        """Whether no number has come yet."""
        return not self.columns and not self._apart

    def finish(self, *, shift: float, name: str) -> LoggedRun:
        """Return the run, its epochs counted `shift` later."""
        series = [c.to_series(n, *self.meaning(n), shift=shift) for n, c in self.columns.items() if c.value]
        if self._apart:
            self.notes.append(f"scores of evaluations, which are no epoch's, stand apart: {len(self._apart)}")
        return LoggedRun(
            format=self.format,
            framework=self.framework,
            name=name,
            series=(*series, *self._apart),
            facts=dict(self.facts),
            notes=tuple(self.notes),
        )


class Drafts:
    """The runs of a source while it is read.

    Parameters
    ----------
    make : callable
        Gives an empty run.
    """

    def __init__(self, make: Callable[[], DraftRun]) -> None:
        self.make = make
        self.runs = [make()]
        self.current = self.runs[0]
        self._passed_over = 0

    def begin(self) -> DraftRun:
        """Begin another run and return it; beyond a number that no log of one's own has, it won't be kept."""
        self.current = self.make()
        if len(self.runs) < MOST_RUNS:
            self.runs.append(self.current)
        else:
            self._passed_over += 1
        return self.current

    @property
    def full(self) -> list[DraftRun]:
        """Those that have numbers."""
        return [run for run in self.runs if not run.is_empty]

    def finish(self, lines: ConsoleLines, *, shift: float | None = None) -> tuple[LoggedRun, ...]:
        """Return the runs that have numbers, called by their place where there are several.

        Parameters
        ----------
        lines : ConsoleLines
            That were read to their end: what was passed over in them is said of every run.
        shift : float, optional
            Added to every epoch; by default 1 where one of the runs counts from 0.
        """
        notes = lines.notes
        if self._ends_within_a_number(lines):
            notes = (*notes, "the text ends within a number, which is left out")
        full = self.full
        if shift is None:
            shift = 1.0 if any(run.first == 0 for run in full) else 0.0
        if self._passed_over:
            notes = (*notes, f"the first {MOST_RUNS:,} runs are read, {self._passed_over:,} more are not")
        for run in full:
            run.notes.extend(notes)
        return tuple(run.finish(shift=shift, name=f"run {i}" if len(full) > 1 else "") for i, run in enumerate(full, 1))

    def _ends_within_a_number(self, lines: ConsoleLines) -> bool:
        """Take the last number away, and say so, if the text breaks off in it: it has fewer digits than all before it have."""
        latest = self.current.latest
        if not (lines.ends_in_the_middle and lines.last and latest and lines.last.text.endswith(latest[1])):
            return False
        column, text = latest
        # Keras prints four decimals whatever they are; others may leave out zeros at the end.
        return column.drop_if_cut(text, least=1 if self.current.framework == "keras" else 10)
