"""Logs with one JSON record a line."""

from __future__ import annotations

from whygap.errors import InputError
from whygap.logs.json_table import FORMAT, Records
from whygap.logs.json_text import parse
from whygap.logs.lines import lines, split_lines
from whygap.logs.records import LoggedRun
from whygap.logs.source import Reader, Source
from whygap.logs.table import Table, read_runs


def _matches(source: Source) -> bool:
    """Return whether the first line is a record by itself, and the second another."""
    first, *rest = [line for line in split_lines(source.text_head) if line.strip()][:2] or [""]
    if not (first.startswith("{") and rest and rest[0].startswith("{")):
        return False
    try:
        return isinstance(parse(first, source.name), dict)
    except InputError:
        return False


def read_lines(source: Source) -> Table:
    """Return the table of a file with a record a line. A last line that is cut is passed over and noted.

    Raises
    ------
    InputError
        If another line is no record, or the whole is larger than a log.
    """
    records = Records(source.name)
    broken: InputError | None = None
    number = 0
    for number, line in enumerate(lines(source), start=1):
        if not line.strip():
            continue
        if broken is not None:
            raise broken
        try:
            record = parse(line, f"{source.name}: line {number}")
        except InputError as error:
            broken = error
            continue
        if not isinstance(record, dict):
            raise InputError(f"{source.name}: line {number} is JSON, and no record")
        records.add(record)
    return records.table((f"line {number}, the last, is broken: it was passed over",) if broken else ())


def _read(source: Source) -> tuple[LoggedRun, ...]:
    return read_runs(read_lines(source), format=FORMAT)


READER = Reader("JSON lines", _matches, _read)
