"""Tables whose columns people name, because their names say nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from whygap.errors import InputError
from whygap.logs import json_lines, json_log
from whygap.logs.columns import name_of
from whygap.logs.delimited import header_of, read_delimited
from whygap.logs.json_table import tables_in
from whygap.logs.json_text import load
from whygap.logs.records import LoggedRun, Split
from whygap.logs.source import Source, clean
from whygap.logs.table import Table, read_runs

FORMAT = "table"
MOST_SHOWN = 20


def read_table(source: Source, *, train: str, valid: str, epoch: str | None = None) -> tuple[LoggedRun, ...]:
    """Return the runs of a CSV or JSON table of which the columns are named.

    Parameters
    ----------
    source : Source
        A file.
    train, valid : str
        The columns with the training and the validation score.
    epoch : str, optional
        The column with the epochs, where it isn't called so.

    Raises
    ------
    InputError
        If it isn't a table, isn't understood, or has no such columns.
    """
    tables = _tables(source)
    asked = [column for column in (train, valid, epoch) if column is not None]
    fitting = [(name, table) for name, table in tables if all(column in table.columns for column in asked)]
    if not fitting:
        raise _missing(source.name, asked, [column for _, table in tables for column in table.columns])

    def names(columns: Iterable[str]) -> Mapping[str, tuple[str, Split]]:
        return {**{column: name_of(column) for column in columns}, **_named(train, valid)}

    return tuple(run for name, table in fitting for run in read_runs(table, format=FORMAT, name=name, names=names, epoch=epoch))


def _named(train: str, valid: str) -> dict[str, tuple[str, Split]]:
    score = name_of(train)[0]
    return {train: (score, "train"), valid: (score, "valid")}


def _missing(where: str, asked: list[str], columns: list[str]) -> InputError:
    lacks = next((column for column in asked if column not in columns), asked[0])
    shown = ", ".join(map(clean, columns[:MOST_SHOWN])) + (", ..." if len(columns) > MOST_SHOWN else "")
    return InputError(f"{where}: no column {clean(lacks)!r}; there are: {shown or 'none'}")


def _tables(source: Source) -> list[tuple[str, Table]]:
    if (header := header_of(source)) is not None:
        return [("", read_delimited(source, header))]
    if json_lines.READER.matches(source):
        return [("", json_lines.read_lines(source))]
    if json_log.READER.matches(source):
        return [(name, table) for name, table, _ in tables_in(load(source), source.name)]
    raise InputError(f"{source.name}: not a CSV or JSON table")
