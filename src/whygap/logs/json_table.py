"""Tables as JSON that no known tool wrote: a list of records, or lists of numbers by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from whygap.errors import InputError
from whygap.logs.columns import split_of
from whygap.logs.json_text import number_in, numbers_in
from whygap.logs.records import LoggedRun
from whygap.logs.table import MOST_RUNS, SPLIT_COLUMNS, Gatherer, Table, read_runs

FORMAT = "JSON table"
SKORCH = {"dur", "train_batch_count", "train_loss_best"}
DEEPEST = 3
"""How deep a table may lie in a document."""


def runs_in(document: Any, source_name: str) -> tuple[LoggedRun, ...]:
    """Return the runs of the tables in a JSON document, none if there is none with scores.

    Raises
    ------
    InputError
        If it is larger than a log.
    """
    runs: list[LoggedRun] = []
    for name, table, framework in tables_in(document, source_name):
        runs += read_runs(table, format=FORMAT, framework=framework, name=name)
        if len(runs) > MOST_RUNS:
            raise InputError(f"{source_name}: more than {MOST_RUNS:,} tables")
    return tuple(runs)


def tables_in(document: Any, source_name: str, name: str = "", depth: int = 0) -> Iterator[tuple[str, Table, str]]:
    """Yield (name, table, framework) of the tables in a JSON document, named by the keys that lead to them.

    Raises
    ------
    InputError
        If one is larger than a log.
    """
    if isinstance(document, list) and document and all(isinstance(record, dict) for record in document):
        framework = "skorch" if SKORCH & document[0].keys() else ""
        records = Records(source_name)
        for record in document:
            records.add(record)
        if records.gatherer.numbers:
            yield name, records.table(), framework
            return
    if isinstance(document, dict):
        if any(split_of(key) != "unknown" for key in document):
            document = dict(flat(document))
        columns = {key: numbers for key, value in document.items() if (numbers := numbers_in(value)) is not None}
        if columns:
            gatherer = Gatherer(source_name)
            for key, numbers in columns.items():
                gatherer.add(key, *numbers)
            yield name, gatherer.table(max(places[-1] for places, _ in columns.values()) + 1), ""
            return
    if depth < DEEPEST:
        parts = document.items() if isinstance(document, dict) else enumerate(document, 1) if isinstance(document, list) else ()
        for key, part in parts:
            yield from tables_in(part, source_name, f"{name} {key}".strip(), depth + 1)


class Records:
    """Gathers records, one row each, into a table; a record within a record gives columns "outer/inner".

    Parameters
    ----------
    source_name : str
        For errors.
    """

    def __init__(self, source_name: str) -> None:
        self.gatherer = Gatherer(source_name)
        self.rows = 0
        self.labels: list[str] = []

    def add(self, record: Mapping[str, Any]) -> None:
        """Add a row.

        Raises
        ------
        InputError
            If there are more columns or numbers than a log has.
        """
        for name, value in flat(record):
            number = number_in(value)
            if number is not None:
                self.gatherer.add(name, [self.rows], [number])
            elif name in SPLIT_COLUMNS and isinstance(value, str) and len(value) <= 20:
                self.labels.append(value)
        self.rows += 1

    def table(self, notes: tuple[str, ...] = ()) -> Table:
        """Return the table of all records."""
        return self.gatherer.table(self.rows, notes).split_by(self.labels)


def flat(record: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield names and values of a record and of those in it."""
    for name, value in record.items():
        if isinstance(value, dict):
            if depth < DEEPEST:
                yield from ((f"{name}/{inner}", found) for inner, found in flat(value, depth + 1))
        else:
            yield name, value
