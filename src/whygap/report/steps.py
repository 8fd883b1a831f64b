"""The ladder of one epoch as rows: scores, and between them steps that each start where the former ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

from whygap.errors import InputError
from whygap.records import Cause, EpochGap, Rung, RungName, Term
from whygap.report.labels import CAUSE_LABELS, RUNG_AFTER, RUNG_LABELS, UNATTRIBUTED, Label

_ORDER: dict[RungName, int] = {name: place for place, name in enumerate(get_args(RungName))}
_DUST = 1e-9
# Reported scores are often float32, which makes differences of 1e-7 of the score out of nothing.
_NIL = 1e-6


@dataclass(frozen=True)
class Level:
    """A mean score on the ladder."""

    name: RungName
    value: float

    @property
    def label(self) -> Label:
        return RUNG_LABELS[self.name]


@dataclass(frozen=True)
class Step:
    """One difference on the way from training to validation; `term` is None for what no term explains.

    `is_part` says that the term is a part of another.
    """

    start: float
    end: float
    term: Term | None
    is_part: bool = False

    @property
    def value(self) -> float:
        # Not end - start where a record has the number, as the two differ in the last digits.
        return self.end - self.start if self.term is None else self.term.value

    @property
    def label(self) -> Label:
        return UNATTRIBUTED if self.term is None else CAUSE_LABELS[self.term.cause]

    @property
    def name(self) -> str:
        return self.term.name if self.term is not None and self.is_part else self.label.short

    @property
    def reliable(self) -> bool:
        return self.term is None or self.term.estimate.reliable

    @property
    def parts(self) -> tuple[Step, ...]:
        """The parts of the term, each from where the former ended."""
        steps: list[Step] = []
        here = self.start
        for part in () if self.term is None else self.term.parts:
            steps.append(Step(here, here + part.value, part, is_part=True))
            here += part.value
        return tuple(steps)


def scale_of(gap: EpochGap) -> float:
    """Return the size of the largest reported number of an epoch, against which others are dust."""
    numbers = (gap.train_reported, gap.valid_reported, None if gap.gap is None else gap.gap.value)
    return max((abs(x) for x in numbers if x is not None), default=0.0)


def is_dust(difference: float, gap: EpochGap) -> bool:
    """Return whether a difference is rounding alone: at most 1e-9 of the largest number of the epoch."""
    return abs(difference) <= _DUST * scale_of(gap)


def is_nil(difference: float, gap: EpochGap) -> bool:
    """Return whether a difference is at most a millionth of the scores: too small to be worth a row of its own."""
    return abs(difference) <= _NIL * scale_of(gap)


def _is_nil_term(term: Term, gap: EpochGap) -> bool:
    ends = [x for t in (term, *term.parts) for x in (t.value, t.estimate.low, t.estimate.high)]
    return is_nil(max(map(abs, ends)), gap)


@dataclass(frozen=True)
class Shown:
    """What some epochs have to show: `causes` that matter in any, in the order of the ladder, and whether a rest does.

    `nil` names what was measured and is nil in all of them, so that nothing is left out without a word.
    """

    causes: tuple[Cause, ...]
    has_rest: bool
    nil: tuple[str, ...]


def shown_of(gaps: Iterable[EpochGap]) -> Shown:
    """Sort the terms of some epochs into those worth showing and those that are nil."""
    gaps = tuple(gaps)
    matters: dict[Cause, bool] = {}
    for gap in gaps:
        for term in gap.terms:
            matters[term.cause] = matters.get(term.cause, False) or not _is_nil_term(term, gap)
    rests = [(gap.unattributed, gap) for gap in gaps if not is_dust(gap.unattributed, gap)]
    has_rest = any(not is_nil(rest, gap) for rest, gap in rests)
    nil = [CAUSE_LABELS[cause].short for cause in CAUSE_LABELS if matters.get(cause) is False]
    if rests and not has_rest:
        largest = max((rest for rest, _ in rests), key=abs)
        nil.append(f"{UNATTRIBUTED.short} ({'at most ' if len(rests) > 1 else ''}{abs(largest):.0e})")
    return Shown(tuple(cause for cause in CAUSE_LABELS if matters.get(cause)), has_rest, tuple(nil))


def all_rows_of(gap: EpochGap) -> tuple[Level | Step, ...]:
    """Return every level and step from reported training to reported validation, nil ones too.

    Where two measured rungs follow each other and no term joins them, what lies between is an unattributed step at that place.
    An unattributed rest that no rung locates comes last.

    Raises
    ------
    InputError
        If the epoch has no gap, since a reported score is missing.
    """
    if gap.gap is None or gap.train_reported is None or gap.valid_reported is None:
        raise InputError(f"epoch {gap.epoch} of {gap.score.name} has no gap: {missing_reason(gap)}")
    inner = sorted((r for r in gap.rungs if r.name not in ("reported", "valid_reported")), key=lambda r: _ORDER[r.name])
    rows: list[Level | Step] = [Level("reported", gap.train_reported)]
    here = gap.train_reported

    def close_the_distance_to(value: float) -> None:
        nonlocal here
        if not is_dust(value - here, gap):
            rows.append(Step(here, value, None))
            here = value

    def visit(rungs: list[Rung]) -> None:
        for rung in rungs:
            close_the_distance_to(rung.estimate.value)
            rows.append(Level(rung.name, rung.estimate.value))
            inner.remove(rung)

    for term in gap.terms:
        after = RUNG_AFTER.get(term.cause)
        if after is not None:
            visit([r for r in inner if _ORDER[r.name] < _ORDER[after]])
        rows.append(Step(here, here + term.value, term))
        here += term.value
        visit([r for r in inner if r.name == after])
    visit(list(inner))
    close_the_distance_to(gap.valid_reported)
    rows.append(Level("valid_reported", gap.valid_reported))
    return tuple(rows)


def ladder_of(gap: EpochGap) -> tuple[Level | Step, ...]:
    """Return the rows worth showing: no nil steps, and no level that would only repeat the one above or below it.

    Raises
    ------
    InputError
        If the epoch has no gap.
    """
    rows: list[Level | Step] = []
    for row in all_rows_of(gap):
        if isinstance(row, Step) and (is_nil(row.value, gap) if row.term is None else _is_nil_term(row.term, gap)):
            continue
        if isinstance(row, Level) and rows and isinstance(rows[-1], Level) and row.name != "valid_reported":
            continue
        if isinstance(row, Level) and row.name == "valid_reported" and len(rows) > 1 and isinstance(rows[-1], Level):
            rows.pop()
        rows.append(row)
    return tuple(rows)


def steps_of(gap: EpochGap) -> tuple[Step, ...]:
    """Return the steps of `ladder_of` alone.

    Raises
    ------
    InputError
        If the epoch has no gap.
    """
    return tuple(row for row in ladder_of(gap) if isinstance(row, Step))


def missing_reason(gap: EpochGap) -> str:
    """Say why an epoch has no gap, in the record's own words where it has any."""
    return "; ".join(gap.notes) or "a reported score is missing"
