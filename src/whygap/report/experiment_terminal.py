"""An experiment on the terminal: its answers first, then a table for each question; readable at 80 columns, without colour."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from whygap.answers import Findings, findings_of
from whygap.report.experiment_tables import (
    TextTable,
    capacity_table,
    edge_grid,
    redraws_table,
    turns_table,
    worlds_table,
)
from whygap.report.labels import QUESTIONS, STATES
from whygap.trials import Answer, Experiment


def print_experiment(console: Console, experiment: Experiment, answers: Sequence[Answer]) -> None:
    """Print what an experiment says, and the numbers that it says it from.

    Parameters
    ----------
    console
        Where to print; its width, colours and encoding are respected.
    experiment
        Finished or not.
    answers
        What `whygap.answers.answer` says of it.
    """
    console.print(Text(experiment.title, style="bold"))
    left = "" if experiment.is_finished else f" of {experiment.wanted}"
    console.print(Text(f"{experiment.id}: {len(experiment.trials)}{left} runs", style="dim"))
    print_answers(console, answers)
    found = findings_of(experiment, answers)
    for table in tables_of(found):
        console.print()
        _print(console, table)


def print_answers(console: Console, answers: Sequence[Answer]) -> None:
    """Print answers, each with what must be said of it: the claims and their state first.

    Parameters
    ----------
    console
        Where to print.
    answers
        In the order in which they are printed.
    """
    for one in answers:
        console.print()
        head = f"{one.claim}: {STATES[one.state]}" if one.claim else QUESTIONS[one.question]
        console.print(Text(head, style="bold"))
        console.print(Padding(Text(one.sentence), (0, 0, 0, 2)))
        for caveat in one.caveats:
            console.print(Padding(Text(f"({caveat})", style="dim"), (0, 0, 0, 2)))


def tables_of(found: Findings) -> list[TextTable]:
    """Return the tables of an experiment, one for each question; of several stages, the last."""
    tables = []
    last = {(m.variant, m.regime): m for m in found.edge if m.regime != "fresh"}
    tables += [edge_grid(m) for m in last.values()]
    if found.worlds:
        tables.append(worlds_table(found.worlds))
    if found.epochs:
        tables.append(turns_table([t for t in found.epochs if t.regime != "fresh"] or found.epochs))
    if found.capacity is not None:
        tables.append(capacity_table(found.capacity))
    if found.redraws:
        tables.append(redraws_table(found.redraws))
    return tables


def _print(console: Console, table: TextTable) -> None:
    console.print(Text(table.title, style="bold"))
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for k, name in enumerate(table.columns):
        shown.add_column(Text(name), justify="left" if k == 0 and not table.rows[0][0][:1].isdigit() else "right")
    for row in table.rows:
        shown.add_row(*(Text(cell) for cell in row))
    console.print(shown)
    if table.note:
        console.print(Text(table.note, style="dim"))
