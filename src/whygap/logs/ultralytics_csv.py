"""Ultralytics' results.csv: losses of training and validation, and metrics, which are of validation, once an epoch.

Old versions pad the names with spaces and count epochs from 0. Validation used averaged weights (EMA), training the live ones.
"""

from __future__ import annotations

from collections.abc import Iterable

from whygap.logs.columns import name_of
from whygap.logs.delimited import header_of, read_delimited
from whygap.logs.records import LoggedRun, Split
from whygap.logs.source import Reader, Source
from whygap.logs.table import read_runs

FORMAT = "Ultralytics results.csv"


def _matches(source: Source) -> bool:
    header = header_of(source)
    return (
        header is not None
        and header.names[0] == "epoch"
        and all(any(name.startswith(part) for name in header.names) for part in ("train/", "metrics/", "val/"))
    )


def _names(columns: Iterable[str]) -> dict[str, tuple[str, Split]]:
    return {
        column: (name_of(column.removeprefix("metrics/"))[0], "valid") if column.startswith("metrics/") else name_of(column)
        for column in columns
    }


def _read(source: Source) -> tuple[LoggedRun, ...]:
    header = header_of(source)
    if header is None:
        return ()
    return read_runs(read_delimited(source, header), format=FORMAT, framework="ultralytics", names=_names)


READER = Reader(FORMAT, _matches, _read)
