"""trackio's database: a row for each time that something was logged, with its scores as JSON."""

from __future__ import annotations

import sqlite3

from whygap.errors import InputError
from whygap.logs.json_table import Records
from whygap.logs.json_text import parse
from whygap.logs.records import LoggedRun
from whygap.logs.sqlite_file import columns_of
from whygap.logs.table import LOGGINGS, MOST_RUNS, read_runs

FORMAT = "trackio"
NEEDED = {"run_name", "step", "metrics"}


def runs_in(db: sqlite3.Connection, source_name: str) -> tuple[LoggedRun, ...]:
    """Return the runs in an open database, none if it isn't trackio's.

    Raises
    ------
    InputError
        If a row isn't understood, or it is larger than a log.
    """
    columns = columns_of(db, "metrics")
    if not columns >= NEEDED:
        return ()
    run_id = "run_id" if "run_id" in columns else "run_name"
    found: dict[str, tuple[str, Records]] = {}
    rows = db.execute(f"SELECT {run_id}, run_name, step, metrics FROM metrics")
    for number, (run, name, step, metrics) in enumerate(rows, start=1):
        text = metrics.decode("utf-8", "replace") if isinstance(metrics, bytes) else metrics
        record = parse(text, f"{source_name}: metrics, row {number}") if isinstance(text, str) else None
        if isinstance(record, dict) and isinstance(step, int):
            if str(run) not in found and len(found) == MOST_RUNS:
                raise InputError(f"{source_name}: more than {MOST_RUNS:,} runs")
            found.setdefault(str(run), (str(name), Records(source_name)))[1].add({LOGGINGS: float(step), **record})
    return tuple(logged for name, records in found.values() for logged in read_runs(records.table(), format=FORMAT, name=name))
