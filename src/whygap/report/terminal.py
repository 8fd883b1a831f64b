"""A run on the terminal: readable at 80 columns, without colour, and on light and dark grounds.

Every word comes from a record or from `labels`, and goes through `Text`, so that square brackets in it are never taken for
markup. Colour only repeats what the words say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from whygap.records import EpochGap, Estimate, NotMeasured, Verdict
from whygap.report.bars import Scale
from whygap.report.figures import Figures, percent
from whygap.report.labels import CAUSE_LABELS, UNATTRIBUTED, Label, direction_in_words, gap_in_words, overfitting_answer
from whygap.report.steps import Level, Step, ladder_of, missing_reason, shown_of
from whygap.report.tables import print_epochs, print_looks, print_runs, print_stretches

__all__ = ["print_epochs", "print_ladder", "print_looks", "print_runs", "print_stretches", "print_verdict"]

_NARROWEST_BAR = 6
_WIDEST_BAR = 40


def print_ladder(console: Console, gap: EpochGap, *, explain: bool = True) -> None:
    """Print how one epoch's score gets from training, as reported, to validation, as reported.

    One row per measured rung and one per term between, with its value, its interval, how it was obtained, and a bar that starts
    where the former one ended; the parts of a term stand under it. A question mark stands by what is not reliable.

    Parameters
    ----------
    console
        Where to print; its width, colours and encoding are respected.
    gap
        One epoch of one score. Where it has no gap, the reason is printed and the terms that there are.
    explain
        Whether to say in a sentence what each term means; what is not reliable or not measured is always said.
    """
    unit = f" in {gap.score.unit}" if gap.score.unit else ""
    console.print(Text(f"Epoch {gap.epoch}: {gap.score.name}{unit}, {direction_in_words(gap.score)}", style="bold"))
    figures = Figures.of_gaps([gap])
    if gap.gap is None:
        console.print(Text(f"no gap: {missing_reason(gap)}"))
        rows: tuple[Level | Step, ...] = tuple(Step(0.0, t.value, t) for t in gap.terms)
    else:
        interval = figures.interval(gap.gap)
        shown = f"gap {figures.signed(gap.gap.value)}" + (f" [{interval}] at {percent(gap.gap.level)}" if interval else "")
        console.print(Text(f"{shown}: {gap_in_words(gap.gap, gap.score)}"))
        rows = ladder_of(gap)
    console.print()
    _print_rows(console, rows, figures)
    _print_notes(console, gap, rows, explain=explain)


@dataclass(frozen=True)
class _Row:
    name: str
    value: str
    interval: str
    how: str
    style: str


def _row(row: Level | Step, figures: Figures) -> _Row:
    if isinstance(row, Level):
        return _Row(row.label.short, figures.plain(row.value), "", "", "bold" if "reported" in row.name else "")
    if row.term is None:
        return _Row(f"  {row.name}", figures.signed(row.value), "", "", "")
    e = row.term.estimate
    interval = figures.interval(e)
    counted = f"{e.how.replace('_', ' ')} {e.n}" if e.n else e.how.replace("_", " ")
    return _Row(
        f"    {row.name}" if row.is_part else f"  {row.name}",
        figures.signed(e.value),
        f"[{interval}]" if interval else "",
        counted if e.reliable else f"{counted} ?",
        "dim" if row.is_part else "",
    )


def _print_rows(console: Console, rows: Sequence[Level | Step], figures: Figures) -> None:
    if not rows:
        return
    shown = [r for row in rows for r in ((row, *row.parts) if isinstance(row, Step) else (row,))]
    cells = [_row(row, figures) for row in shown]
    widths = [max(len(getattr(c, column)) for c in cells) for column in ("name", "value", "interval", "how")]
    left = console.width - sum(widths) - sum(1 for w in widths if w) - 1
    ends = [x for row in shown for x in ((row.value,) if isinstance(row, Level) else (row.start, row.end))]
    scale = Scale(min(ends), max(ends), min(left, _WIDEST_BAR), console.options.ascii_only)
    for cell, row in zip(cells, shown, strict=True):
        line = Text(f"{cell.name:<{widths[0]}} {cell.value:>{widths[1]}}", style=cell.style)
        if widths[2]:
            line.append(f" {cell.interval:<{widths[2]}}")
        if widths[3]:
            line.append(f" {cell.how:<{widths[3]}}", style="dim")
        if left >= _NARROWEST_BAR:
            drawn = scale.tick(row.value) if isinstance(row, Level) else scale.bar(row.start, row.end)
            line.append(f"  {drawn}", style="" if isinstance(row, Level) else row.label.colour)
        line.rstrip()
        console.print(line, no_wrap=True, overflow="ellipsis", crop=True)


def _print_notes(console: Console, gap: EpochGap, rows: tuple[Level | Step, ...], *, explain: bool) -> None:
    grid = _grid()
    shown = shown_of([gap])
    for cause in shown.causes if explain else ():
        grid.add_row(_named(CAUSE_LABELS[cause], cause), Text(CAUSE_LABELS[cause].meaning, style="dim"))
    if explain and any(isinstance(row, Step) and row.term is None for row in rows):
        grid.add_row(Text(UNATTRIBUTED.short), Text(UNATTRIBUTED.meaning, style="dim"))
    for name, e in _estimates(gap):
        if not e.reliable:
            grid.add_row(Text("? not reliable"), Text(f"{name}: {e.why or 'no reason given'}"))
    remarks: dict[str, list[str]] = {}
    for name, e in _estimates(gap) if explain else ():
        if e.reliable and e.why:
            remarks.setdefault(e.why, []).append(name)
    for why, names in remarks.items():
        grid.add_row(Text("interval", style="dim"), Text(f"{', '.join(names)}: {why}", style="dim"))
    if shown.nil:
        grid.add_row(Text("nil", style="dim"), Text(", ".join(shown.nil), style="dim"))
    _add_missing(grid, gap.not_measured, "not measured")
    for note in gap.notes if gap.gap is not None else ():
        grid.add_row(Text("note"), Text(note))
    if grid.row_count:
        console.print()
        console.print(grid)


def _estimates(gap: EpochGap) -> Iterator[tuple[str, Estimate]]:
    """Yield what an epoch's terms and their parts are called, with their estimates."""
    for term in gap.terms:
        name = CAUSE_LABELS[term.cause].short
        yield name, term.estimate
        yield from ((f"{name}, {part.name}", part.estimate) for part in term.parts)


def _named(label: Label, name: str) -> Text:
    text = Text(label.short)
    return text if label.short == name else text.append(f"\n({name})", style="dim")


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(max_width=22)
    grid.add_column(ratio=1)
    return grid


def _add_missing(grid: Table, missing: tuple[NotMeasured, ...], word: str) -> None:
    for m in missing:
        grid.add_row(Text(word, style="dim"), Text(f"{CAUSE_LABELS[m.cause].short}: {m.why}", style="dim"))


def print_verdict(console: Console, verdict: Verdict) -> None:
    """Print the answer: the headline, whether the run overfits, the causes with advice, what can't be told, warnings."""
    console.print(Text(verdict.headline, style="bold"))
    console.print()
    answer, evidence = overfitting_answer(verdict.overfitting)
    console.print(Text(answer, style="bold").append(f" {evidence}", style="not bold"))
    if verdict.outlook:
        console.print(Text(verdict.outlook))
    if verdict.causes:
        console.print(Text(f"\nWhy the {verdict.score.name} differs, by share of all terms", style="bold"))
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(justify="right", no_wrap=True)
        grid.add_column(max_width=22)
        grid.add_column(ratio=1)
        for cause in verdict.causes:
            told = Text(cause.sentence)
            if cause.advice:
                arrow = "->" if console.options.ascii_only else "→"
                told.append(f"\n{arrow} {cause.advice}" if cause.sentence else f"{arrow} {cause.advice}")
            label = CAUSE_LABELS[cause.cause]
            grid.add_row(Text(percent(cause.share), style="bold"), Text(label.short), told)
        console.print(Padding(grid, (0, 0, 0, 1)))
    if verdict.cannot_tell:
        console.print(Text("\nWhat can't be told", style="bold"))
        grid = _grid()
        for m in verdict.cannot_tell:
            grid.add_row(Text(CAUSE_LABELS[m.cause].short, style="dim"), Text(m.why, style="dim"))
        console.print(Padding(grid, (0, 0, 0, 1)))
    for warning in verdict.warnings:
        console.print(Text("\nWarning: ", style="bold").append(warning, style="not bold"))
    for remark in verdict.remarks:
        console.print(Text(f"\nNote: {remark}", style="dim"))
    if verdict.to_know:
        console.print(Text("\nTo know, add", style="bold"))
        for line in verdict.to_know.splitlines():
            console.print(Text(f"  {line}"), no_wrap=True, overflow="ignore", crop=False)  # to be copied in one go
