"""The answer of a probe on the terminal: what it says, why, and every training behind it."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from whygap.probe.answer import ProbeAnswer
from whygap.records import Estimate
from whygap.report.figures import duration
from whygap.trials import Trial


def print_answer(console: Console, answer: ProbeAnswer) -> None:
    """Print the answer in one sentence, the reasons by their effect, and a line for every training."""
    console.print(Text(answer.headline, style="bold"))
    if answer.headline != answer.overfitting.evidence:
        console.print(Text(answer.overfitting.evidence))
    for state, heading in headings_of(answer).items():
        console.print(Text(f"\n{heading}", style="bold"))
        for reason in (r for r in answer.reasons if r.state == state):
            _print_item(console, reason.sentence)
    for note in answer.notes:
        console.print(Text(f"\n{note}"))
    console.print()
    console.print(_table(answer))
    if answer.left_out:
        console.print(Text("\nLeft out", style="bold"))
        for one in answer.left_out:
            _print_item(console, f"{one.what}: {one.why}")
    time = f"{duration(answer.spent_s)} of {duration(answer.seconds)}{', stopped' if answer.is_interrupted else ''}"
    legend = "n examples; gap is validation - training loss, in eval mode; error is that of training"
    console.print(Text(f"\n{answer.framework}; {time}. {legend}.", style="dim"))


def headings_of(answer: ProbeAnswer) -> dict[str, str]:
    """Return a heading for each state that a reason of the answer has, in the order in which they are shown."""
    names = {
        "yes": {"yes": "Because", "cannot_tell": "What can't be told", "no": "Besides"},
        "no": {"yes": "Because", "cannot_tell": "What can't be told", "no": "Not because"},
        "cannot_tell": {"yes": "What makes it overfit", "cannot_tell": "What can't be told", "no": "What does not"},
    }[answer.overfitting.state]
    present = {r.state for r in answer.reasons}
    return {state: name for state, name in names.items() if state in present}


def rows_of(answer: ProbeAnswer) -> list[tuple[str, ...]]:
    """Return the `COLUMNS` of each training."""
    return [_row(t, answer.gaps.get(str(t.settings["training"])), answer) for t in answer.trials]


COLUMNS = ("training", "n", "epochs", "train", "valid", "gap", "error")


def _row(trial: Trial, gap: Estimate | None, answer: ProbeAnswer) -> tuple[str, ...]:
    loss, error = trial.curve(), trial.curve("error")
    assert loss is not None
    at = -1
    epochs = trial.epoch[-1]
    if trial is answer.trials[0]:  # what it was taken further to stands apart
        at = max(i for i, epoch in enumerate(trial.epoch) if epoch <= answer.epochs)
        epochs = trial.epoch[at]
    return (
        str(trial.settings["training"]),
        f"{trial.settings['n']:,}",
        f"{epochs:,}",
        f"{loss.train[at]:.3g}",
        f"{loss.valid[at]:.3g}",
        "" if gap is None or "labels" in trial.settings else str(gap),
        "" if error is None else f"{100 * error.train[at]:.1f} %",
    )


def _table(answer: ProbeAnswer) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), show_edge=False, header_style="dim")
    rows = rows_of(answer)
    columns = COLUMNS if any(row[-1] for row in rows) else COLUMNS[:-1]
    for column in columns:
        table.add_column(column, justify="left" if column in ("training", "gap") else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row[: len(columns)]))
    return table


def _print_item(console: Console, text: str) -> None:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=1)
    grid.add_column(ratio=1)
    grid.add_row("-", Text(text))
    console.print(grid)
