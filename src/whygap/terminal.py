"""What all commands share: their exit codes, their options, and the console that they print on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from whygap.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

DONE, FAILED_CHECK, WRONG_USE, INTERRUPTED = 0, 1, 2, 130

StoreOption = Annotated[Path | None, Parameter(help="The store of runs; default $WHYGAP_STORE or ./whygap.db.")]
JsonOption = Annotated[bool, Parameter(negative="", help="Print JSON for machines instead.")]


def open_console(*, stderr: bool = False) -> Console:
    """Return the console on standard output, or on standard error."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def open_progress(console: Console) -> Progress:
    """Return a bar with the time gone and the time left; it is drawn on a terminal alone."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def check_writable(path: Path) -> None:
    """Check, before anything long begins, that a file can be written there.

    Raises
    ------
    InputError
        If it is a folder, or in none.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder: name a file with --output")
    if not path.absolute().parent.is_dir():
        raise InputError(f"the folder {path.absolute().parent} doesn't exist: name another file with --output")
