"""Logs in SQLite files: which tool's it is, its tables tell."""

from __future__ import annotations

from whygap.logs import mlflow, trackio
from whygap.logs.records import LoggedRun
from whygap.logs.source import Reader, Source
from whygap.logs.sqlite_file import MAGIC, opened

KINDS = (mlflow, trackio)


def _matches(source: Source) -> bool:
    return source.head.startswith(MAGIC)


def _read(source: Source) -> tuple[LoggedRun, ...]:
    with opened(source) as db:
        return next((runs for kind in KINDS if (runs := kind.runs_in(db, source.name))), ())


READER = Reader("SQLite", _matches, _read)
