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
    for block in _blocks(table, console.width):
        shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        # Rich would make some narrower than their words
        widths = {k: _length(table, k) for k in block}
        if sum(widths.values()) + 2 * len(block) > console.width:
            least = {k: _least(table, k) for k in block}
            spare = console.width - sum(least.values()) - 2 * len(block)
            widths = least | {block[-1]: min(least[block[-1]] + max(0, spare), widths[block[-1]])}
        for k in block:
            is_text = k == 0 and not table.rows[0][0][:1].isdigit()
            shown.add_column(Text(table.columns[k]), justify="left" if is_text else "right", width=widths[k])
        for row in table.rows:
            shown.add_row(*(Text(row[k]) for k in block))
        console.print(shown)
    if table.note:
        console.print(Text(table.note, style="dim"))


def _blocks(table: TextTable, width: int) -> list[list[int]]:
    """Return the columns that are shown beside one another, the first one in each block: so many that no word is cut."""
    blocks: list[list[int]] = []
    left = 0
    for k in range(1, len(table.columns)):
        needed = 2 + _least(table, k)
        if needed > left:
            blocks.append([0])
            left = width - _least(table, 0) - 2
        blocks[-1].append(k)
        left -= needed
    return blocks or [[0]]


LABEL = 12
"""Characters of what a row is named by that stay together where there is room for no more."""


def _least(table: TextTable, k: int) -> int:
    """Return how narrow a column can be: as its longest word, the first one as a few words."""
    longest = max(len(word) for text in _texts(table, k) for word in (text.split() or [""]))
    return longest if k else max(longest, min(LABEL, _length(table, k)))


def _length(table: TextTable, k: int) -> int:
    """Return how wide a column would like to be."""
    return max(map(len, _texts(table, k)))


def _texts(table: TextTable, k: int) -> list[str]:
    return [table.columns[k], *(row[k] for row in table.rows)]
