"""How often examples were presented, on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from whygap.audit.findings import percent
from whygap.records import Estimate, Repetition

__all__ = ["print_repetition"]


def print_repetition(console: Console, repetition: Repetition) -> None:
    """Print what was found, problems first among what follows the regime, and the numbers behind it."""
    regime, *others = repetition.findings
    console.print(Text(regime.sentence, style="bold").append(f" {regime.advice}".rstrip(), style="not bold"))
    for finding in sorted(others, key=lambda f: not f.is_problem):
        told = Text("\nWarning: " if finding.is_problem else "\n", style="bold").append(finding.sentence, style="not bold")
        if finding.advice:
            arrow = "->" if console.options.ascii_only else "→"
            told.append(f"\n{arrow} {finding.advice}", style="not bold")
        console.print(told)
    console.print()
    console.print(_numbers(repetition))


def _numbers(r: Repetition) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(max_width=34)
    grid.add_column(ratio=1)
    rows = [
        ("presentations", f"{r.looked_at:,}" if r.looked_at == r.presentations else f"{r.looked_at:,} of {r.presentations:,}")
    ]
    if r.distinct is not None:
        rows.append(("distinct examples", _counted(r.distinct)))
    if r.per_example is not None:
        rows.append(("presentations of each", _shown(r.per_example)))
    if r.once is not None:
        rows.append(("presented exactly once", _shown(r.once, in_percent=True)))
    rows += [
        ("again in the same epoch", percent(r.within)),
        ("again from another worker", percent(r.across_workers)),
        ("again in another epoch", percent(r.across_epochs)),
    ]
    if r.valid is not None:
        rows.append(("validation that is training, too", _shown(r.valid, in_percent=True)))
    for name, value in rows:
        grid.add_row(Text(name, style="dim"), Text(value))
    return grid


def _counted(e: Estimate) -> str:
    return f"{e.value:,.0f}" if e.low == e.high else f"{e.value:,.0f} [{e.low:,.0f}, {e.high:,.0f}]"


def _shown(e: Estimate, *, in_percent: bool = False) -> str:
    form = percent if in_percent else "{:.3g}".format
    return form(e.value) if e.low == e.high else f"{form(e.value)} [{form(e.low)}, {form(e.high)}]"
