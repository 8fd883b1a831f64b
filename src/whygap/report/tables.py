"""Tables on the terminal: all epochs of a run, what they say of overfitting, all runs of a store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized
from typing import Protocol

from rich.console import Console
from rich.table import Table
from rich.text import Text

from whygap.records import Cause, EpochGap, Run, Score, Verdict
from whygap.report.figures import Figures
from whygap.report.labels import CAUSE_LABELS, direction_in_words
from whygap.report.looks import look_table, why_two_intervals
from whygap.report.steps import missing_reason, shown_of
from whygap.report.stretches import stretch_rows


class RunSummary(Protocol):
    """What the store tells about a run without reading its epochs."""

    @property
    def id(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def started(self) -> str: ...
    @property
    def finished(self) -> bool: ...
    @property
    def epochs(self) -> int | Sized: ...
    @property
    def scores(self) -> Sequence[str | Score]: ...
    @property
    def problems(self) -> int | Sized: ...


def print_runs(console: Console, summaries: Iterable[RunSummary]) -> None:
    """Print one line per stored run.

    Parameters
    ----------
    console
        Where to print.
    summaries
        Anything with a run's id, source, started, finished, epochs, scores and problems; a `Run` will do.
    """
    table = _table()
    table.add_column("run", no_wrap=True, overflow="fold")  # to be copied in one go
    table.add_column("source", overflow="fold")
    table.add_column("started", overflow="fold")
    table.add_column("epochs", justify="right")
    table.add_column("scores", overflow="fold")
    table.add_column("state", overflow="fold")
    for s in summaries:
        scores = ", ".join(x.name if isinstance(x, Score) else x for x in dict.fromkeys(s.scores))
        problems = _count(s.problems)
        state = "finished" if s.finished else "not finished"
        if problems:
            state += f", {problems} problem{'s' if problems > 1 else ''}"
        cells = (s.id, s.source, s.started[:16].replace("T", " "), str(_count(s.epochs)), scores, state)
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table if table.row_count else Text("No runs in the store."))


def _count(number_or_sized: int | Sized) -> int:
    return number_or_sized if isinstance(number_or_sized, int) else len(number_or_sized)


def _table() -> Table:
    return Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")


def print_epochs(console: Console, run: Run, score: str | None = None) -> None:
    """Print all epochs of one score: the reported numbers, the gap, and what each cause adds to it.

    Columns that don't fit beside each other go into a further table under the first, with the epoch in front again. Intervals
    are left out for room: `print_ladder` and the page show them.

    Parameters
    ----------
    console
        Where to print.
    run
        The run.
    score
        The score's name; by default the first one recorded.
    """
    gaps = run.of(score)
    if not gaps:
        named = f" of {score}" if score else ""
        console.print(Text(f"Run {run.id} has no epochs{named}."))
        return
    figures = Figures.of_gaps(gaps)
    shown = shown_of(gaps)
    columns = [
        ("train\nreported", [_plain(figures, g.train_reported) for g in gaps]),
        ("valid\nreported", [_plain(figures, g.valid_reported) for g in gaps]),
        ("\ngap", ["none" if g.gap is None else figures.signed(g.gap.value) for g in gaps]),
        *((_broken(CAUSE_LABELS[cause].short), _terms(figures, gaps, cause)) for cause in shown.causes),
    ]
    if shown.has_rest:
        columns.append(("unattri-\nbuted", ["" if g.gap is None else figures.signed(g.unattributed) for g in gaps]))
    unit = f" in {gaps[0].score.unit}" if gaps[0].score.unit else ""
    console.print(Text(f"{gaps[0].score.name}{unit}, {direction_in_words(gaps[0].score)}; gap = valid - train", style="bold"))
    epochs = ("\nepoch", [str(g.epoch) for g in gaps])
    for block in _blocks(columns, console.width - _width(epochs)):
        console.print()
        table = _table()
        for title, _ in (epochs, *block):
            table.add_column(Text(title), justify="right", no_wrap=True)
        for cells in zip(*(cells for _, cells in (epochs, *block)), strict=True):
            table.add_row(*(Text(cell) for cell in cells))
        console.print(table)
    if any(not t.estimate.reliable for g in gaps for t in g.terms):
        console.print(Text("\n? not reliable", style="dim"))
    if shown.nil:
        console.print(Text(f"\nnil in every epoch: {', '.join(shown.nil)}", style="dim"))
    for g in gaps:
        if g.gap is None:
            console.print(Text(f"epoch {g.epoch} has no gap: {missing_reason(g)}", style="dim"))


def print_looks(console: Console, verdict: Verdict) -> None:
    """Print what every epoch says of overfitting: by itself, and once all looks of the run are paid for.

    Parameters
    ----------
    console
        Where to print.
    verdict
        The answer for one score of a run. Where unseen examples were never scored, nothing is printed.
    """
    looks = verdict.overfitting.looks
    if not looks:
        return
    shown = look_table(verdict)
    console.print(
        Text(f"Does it overfit? {shown.name.capitalize()} of the {verdict.score.name}, {shown.level} intervals\n", style="bold")
    )
    table = _table()
    titles = ("\nepoch", "\nestimate", "this epoch\nalone", "all epochs\ntogether", "over-\nfits")
    for place, title in enumerate(titles):
        table.add_column(Text(title), justify="left" if place == len(titles) - 1 else "right", overflow="fold")
    for row in shown.rows:
        since = " (since here)" if row.is_since else ""
        alone, together = (f"[{ends}]" if ends else "" for ends in (row.alone, row.together))
        table.add_row(*(Text(cell) for cell in (row.epoch, row.value, alone, together, f"{row.says}{since}")))
    console.print(table)
    if why := why_two_intervals(looks):
        console.print(Text(f"\n{why}", style="dim"))


def print_stretches(console: Console, verdict: Verdict) -> None:
    """Print the ranges of epochs into which a logged run falls; nothing where there are none.

    Parameters
    ----------
    console
        Where to print.
    verdict
        The answer for one score of a run.
    """
    if not verdict.stretches:
        return
    console.print(Text(f"The {verdict.score.name} gap, valid - train, in ranges of epochs (means over them)\n", style="bold"))
    table = _table()
    for title in ("epochs", "gap", "averaging", "the rest", "larger part"):
        table.add_column(Text(title), justify="left" if title == "larger part" else "right", overflow="fold")
    for row in stretch_rows(verdict.stretches):
        table.add_row(*(Text(cell) for cell in (row.epochs, row.gap, row.averaging, row.rest, row.leading)))
    console.print(table)


_Column = tuple[str, list[str]]


def _blocks(columns: list[_Column], width: int) -> list[list[_Column]]:
    blocks: list[list[_Column]] = [[]]
    left = width
    for column in columns:
        needed = _width(column)
        if needed > left and blocks[-1]:
            blocks.append([])
            left = width
        blocks[-1].append(column)
        left -= needed
    return blocks


def _width(column: _Column) -> int:
    title, cells = column
    return 2 + max(len(text) for text in (*title.split("\n"), *cells))


def _broken(label: str) -> str:
    words = label.split(" ", 1)
    return "\n".join(words) if len(words) == 2 else f"\n{label}"


def _plain(figures: Figures, value: float | None) -> str:
    return "none" if value is None else figures.plain(value)


def _terms(figures: Figures, gaps: Sequence[EpochGap], cause: Cause) -> list[str]:
    terms = [gap.term(cause) for gap in gaps]
    blank = "" if all(t is None or t.estimate.reliable for t in terms) else "  "  # keeps the digits below each other
    return ["" if t is None else figures.signed(t.value) + (blank if t.estimate.reliable else " ?") for t in terms]
