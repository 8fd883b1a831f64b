"""A file, a folder or piped text in, runs out: the reader is found by what is inside."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from whygap.errors import InputError
from whygap.logs.consoles import read_console
from whygap.logs.files import FILES
from whygap.logs.named_table import read_table
from whygap.logs.records import LoggedRun
from whygap.logs.source import Source

STDIN = "-"


def read_log(
    where: str, *, train: str | None = None, valid: str | None = None, epoch: str | None = None
) -> tuple[LoggedRun, ...]:
    """Return the runs of a log, of whatever kind it is.

    Parameters
    ----------
    where : str
        A file, a folder, or "-" for standard input.
    train, valid, epoch : str, optional
        Columns of a table, where their names don't say what they are.

    Returns
    -------
    tuple of LoggedRun
        At least one.

    Raises
    ------
    InputError
        If it can't be read or isn't understood, in one line that says which line or byte.
    """
    with _opened(where) as source:
        if epoch is not None:
            if train is None or valid is None:
                raise InputError("--epoch names a column of a table, together with --train and --valid")
            return _some(source, read_table(source, train=train, valid=valid, epoch=epoch))
        for reader in FILES:
            if reader.matches(source):
                return _some(source, reader.read(source))
        if source.is_folder:
            raise InputError(f"{source.name}: no log of a known kind is in this folder")
        return _some(source, read_console(source))


def _some(source: Source, runs: tuple[LoggedRun, ...]) -> tuple[LoggedRun, ...]:
    if not runs:
        raise InputError(f"{source.name}: there is no score in it")
    return runs


@contextlib.contextmanager
def _opened(where: str) -> Iterator[Source]:
    """Give the source; what is piped goes into a file first, as a reader may look at it twice."""
    if where != STDIN:
        yield Source(Path(where))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "piped"
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield Source(path, "standard input")
