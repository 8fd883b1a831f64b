"""The file of Keras's CSVLogger: the epoch from 0, then the scores sorted by name, those of validation with "val_" before them.

Training scores are means over the epoch while the weights moved; validation scores were computed at its end. Epochs without
validation have "NA". Appending fits to one file gives several runs.
"""

from __future__ import annotations

from whygap.logs.delimited import Header, header_of, read_delimited
from whygap.logs.records import LoggedRun
from whygap.logs.source import Reader, Source
from whygap.logs.table import read_runs

FORMAT = "Keras CSVLogger"


def is_keras(header: Header | None) -> bool:
    """Return whether a header is of CSVLogger: "epoch", then sorted names, of which each "val_x" has its "x".

    A table that begins with epoch 1 is taken as another's: a fit that went on from its second epoch writes the same.
    """
    if header is None or len(header.names) < 2:
        return False
    first, *names = header.names
    valid = [name.removeprefix("val_") for name in names if name.startswith("val_")]
    is_named_so = first == "epoch" and "loss" in names and names == sorted(names)
    return is_named_so and bool(valid) and set(valid) <= set(names) and header.below[0] != "1"


def _matches(source: Source) -> bool:
    return is_keras(header_of(source))


def _read(source: Source) -> tuple[LoggedRun, ...]:
    header = header_of(source)
    if header is None:
        return ()
    return read_runs(read_delimited(source, header), format=FORMAT, framework="keras", counts_from=0)


READER = Reader(FORMAT, _matches, _read)
