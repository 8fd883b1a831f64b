"""The tables of the page, as text ready to be shown: every number of a picture, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whygap.records import EpochGap, Estimate
from whygap.report.figures import TRUE_MINUS, Figures, percent
from whygap.report.labels import CAUSE_LABELS, UNATTRIBUTED, Label
from whygap.report.steps import Level, Step, ladder_of, missing_reason, shown_of


@dataclass(frozen=True)
class Cell:
    """A number, its interval below it, and whether it is reliable; an empty text where there is none."""

    text: str
    interval: str = ""
    reliable: bool = True


@dataclass(frozen=True)
class EpochTable:
    """All epochs of a score: a column per cause that matters, and a row per epoch with its remarks."""

    columns: tuple[Label, ...]
    rows: tuple[tuple[int, str, str, Cell, tuple[Cell, ...], str], ...]
    nil: tuple[str, ...]
    level: str
    has_unreliable: bool


@dataclass(frozen=True)
class LadderRow:
    """A rung (`is_rung`), a term between two rungs, or a part of a term."""

    name: str
    value: str
    interval: str
    how: str
    why: str
    is_rung: bool
    is_part: bool = False
    colour: str = ""


@dataclass(frozen=True)
class LadderTable:
    """One epoch's ladder, top to bottom, and what could not be measured in it."""

    rows: tuple[LadderRow, ...]
    nil: tuple[str, ...]
    not_measured: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    level: str


def epoch_table(gaps: Sequence[EpochGap]) -> EpochTable:
    """Return the table of all epochs of one score."""
    figures = Figures.of_gaps(gaps, minus=TRUE_MINUS)
    shown = shown_of(gaps)
    columns = [CAUSE_LABELS[cause] for cause in shown.causes]
    rows = []
    for gap in gaps:
        cells = [_cell(t.estimate if (t := gap.term(cause)) else None, figures) for cause in shown.causes]
        if shown.has_rest:
            cells.append(Cell("" if gap.gap is None else figures.signed(gap.unattributed)))
        remark = missing_reason(gap) if gap.gap is None else "; ".join(gap.notes)
        train, valid = ("" if x is None else figures.plain(x) for x in (gap.train_reported, gap.valid_reported))
        rows.append((gap.epoch, train, valid, _cell(gap.gap, figures), tuple(cells), remark))
    return EpochTable(
        columns=(*columns, *((UNATTRIBUTED,) if shown.has_rest else ())),
        rows=tuple(rows),
        nil=shown.nil,
        level=_level([e for g in gaps for e in (g.gap, *(t.estimate for t in g.terms)) if e is not None]),
        has_unreliable=any(not t.estimate.reliable for g in gaps for t in g.terms),
    )


def _cell(estimate: Estimate | None, figures: Figures) -> Cell:
    if estimate is None:
        return Cell("")
    return Cell(figures.signed(estimate.value), figures.interval(estimate, between=" to "), estimate.reliable)


def _level(estimates: Sequence[Estimate]) -> str:
    levels = {e.level for e in estimates if e.low < e.high}
    return " or ".join(percent(level) for level in sorted(levels))


def ladder_table(gap: EpochGap, figures: Figures) -> LadderTable:
    """Return one epoch's ladder as a table.

    Raises
    ------
    InputError
        If the epoch has no gap.
    """
    rows: list[LadderRow] = []
    for row in ladder_of(gap):
        if isinstance(row, Level):
            interval = ""
            if (rung := gap.rung(row.name)) is not None and rung.low < rung.high:
                interval = f"{figures.plain(rung.low)} to {figures.plain(rung.high)}"
            rows.append(LadderRow(row.label.short, figures.plain(row.value), interval, "", "", is_rung=True))
        else:
            rows += [_step_row(step, figures) for step in (row, *row.parts)]
    return LadderTable(
        rows=tuple(rows),
        nil=shown_of([gap]).nil,
        not_measured=tuple((CAUSE_LABELS[m.cause].short, m.why) for m in gap.not_measured),
        notes=gap.notes,
        level=_level([t.estimate for t in gap.terms]),
    )


def _step_row(step: Step, figures: Figures) -> LadderRow:
    value = figures.signed(step.value) + ("" if step.reliable else " ?")
    interval, how, why = "", "", ""
    if step.term is not None:
        e = step.term.estimate
        interval = figures.interval(e, between=" to ")
        how = e.how.replace("_", " ") + (f", {e.n:,} examples" if e.n else "")
        why = e.why if e.reliable else f"not reliable: {e.why}"
    colour = step.label.colour
    return LadderRow(step.name, value, interval, how, why, is_rung=False, is_part=step.is_part, colour=colour)
