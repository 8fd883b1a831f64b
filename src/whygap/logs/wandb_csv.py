"""A chart that W&B exported as CSV: a column "run - score" for each line drawn, and its extremes, which are left out."""

from __future__ import annotations

from dataclasses import replace

from whygap.logs.delimited import Header, header_of, read_delimited
from whygap.logs.records import LoggedRun
from whygap.logs.source import Reader, Source
from whygap.logs.table import Column, read_runs

FORMAT = "W&B CSV export"
BETWEEN = " - "
EXTREMES = ("__MIN", "__MAX")


def _is_export(header: Header | None) -> bool:
    """Return whether a header is of an export: an axis, then "run - score" with both extremes of each."""
    names = header.names[1:] if header is not None else ()
    scores = [name for name in names if not name.endswith(EXTREMES)]
    return bool(scores) and all(BETWEEN in name for name in names) and {s + e for s in scores for e in EXTREMES} <= set(names)


def _matches(source: Source) -> bool:
    return _is_export(header_of(source))


def _read(source: Source) -> tuple[LoggedRun, ...]:
    header = header_of(source)
    if header is None:
        return ()
    table = read_delimited(source, header)
    axis = header.names[0]
    of_run: dict[str, dict[str, Column]] = {}
    for name, column in table.columns.items():
        if BETWEEN in name and not name.endswith(EXTREMES):
            run, score = name.rsplit(BETWEEN, 1)
            of_run.setdefault(run, {axis: table.columns[axis]} if axis in table.columns else {})[score] = column
    return tuple(
        logged
        for run, columns in of_run.items()
        for logged in read_runs(replace(table, columns=columns), format=FORMAT, name=run)
    )


READER = Reader(FORMAT, _matches, _read)
