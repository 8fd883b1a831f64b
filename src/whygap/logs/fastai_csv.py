"""fastai's history.csv: epoch from 0, train_loss, valid_loss, metrics, and the time as minutes and seconds.

The training loss is a moving average over batches that goes on across epochs; metrics are of the validation set.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from whygap.logs.columns import name_of
from whygap.logs.delimited import header_of, read_delimited
from whygap.logs.records import LoggedRun, Split
from whygap.logs.source import Reader, Source
from whygap.logs.table import read_runs

FORMAT = "fastai history.csv"
FIRST = ("epoch", "train_loss", "valid_loss")
TIME = re.compile(r"(?:\d+:)?\d+:\d\d")


def _matches(source: Source) -> bool:
    header = header_of(source)
    if header is None or header.names[:3] != FIRST or header.names[-1] != "time":
        return False
    return len(header.below) == len(header.names) and TIME.fullmatch(header.below[-1]) is not None


def _names(columns: Iterable[str]) -> dict[str, tuple[str, Split]]:
    said = {column: name_of(column) for column in columns}
    return {column: (score, "valid" if split == "unknown" else split) for column, (score, split) in said.items()}


def _read(source: Source) -> tuple[LoggedRun, ...]:
    header = header_of(source)
    if header is None:
        return ()
    table = read_delimited(source, header)
    return read_runs(table, format=FORMAT, framework="fastai", names=_names, counts_from=0)


READER = Reader(FORMAT, _matches, _read)
