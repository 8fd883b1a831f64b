"""Lightning's metrics.csv: a row for each time that something was logged, with gaps where other things weren't.

`epoch` counts from 0; `step` is the optimiser's step, from 0. A score logged per step and per epoch has two columns, "_step"
and "_epoch"; one without either ending is, in training, the last batch before the logging, unless `on_epoch` was asked for.
"""

from __future__ import annotations

from whygap.logs.delimited import Header, header_of, read_delimited
from whygap.logs.lines import split_lines
from whygap.logs.records import LoggedRun
from whygap.logs.source import Reader, Source
from whygap.logs.table import read_runs

FORMAT = "Lightning metrics.csv"


def _is_lightning(header: Header | None, source: Source) -> bool:
    if header is None or not header.has("epoch", "step") or header.separator != ",":
        return False
    rows = [line.split(",") for line in split_lines(source.text_head)[header.line : header.line + 200]]
    return any(len(row) == len(header.names) and "" in row for row in rows[:-1] or rows)


def _matches(source: Source) -> bool:
    return _is_lightning(header_of(source), source)


def _read(source: Source) -> tuple[LoggedRun, ...]:
    header = header_of(source)
    if header is None:
        return ()
    return read_runs(read_delimited(source, header), format=FORMAT, framework="lightning", counts_from=0)


READER = Reader(FORMAT, _matches, _read)
