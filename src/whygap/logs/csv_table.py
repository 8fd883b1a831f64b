"""Tables as CSV that no known tool wrote: what a column is, its name says."""

from __future__ import annotations

from whygap.logs.delimited import header_of, read_delimited
from whygap.logs.records import LoggedRun
from whygap.logs.source import Reader, Source
from whygap.logs.table import read_runs


def _matches(source: Source) -> bool:
    return header_of(source) is not None


def _read(source: Source) -> tuple[LoggedRun, ...]:
    header = header_of(source)
    return () if header is None else read_runs(read_delimited(source, header), format="CSV table")


READER = Reader("CSV table", _matches, _read)
