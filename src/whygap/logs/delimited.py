"""Text in columns with a header: CSV, with commas, semicolons or tabs."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from whygap.errors import InputError
from whygap.logs.lines import lines
from whygap.logs.source import Source, clean
from whygap.logs.table import MOST_COLUMNS, SPLIT_COLUMNS, Gatherer, Table

SEPARATORS = (",", ";", "\t")
CELLS_AT_ONCE = 1 << 16
MOST_LACKING = 1 << 22
"""Cells that rows may lack in all: each takes time to fill, however short the text."""

MISSING = frozenset({"", "na", "n/a", "none", "null", "-", "--", "<na>", "true", "false"})


@dataclass(frozen=True)
class Header:
    """What the first line says, and what stands in the row below it."""

    names: tuple[str, ...]
    separator: str
    line: int
    below: tuple[str, ...]

    def has(self, *names: str) -> bool:
        return set(names) <= set(self.names)


@lru_cache(maxsize=8)
def header_in(text: str) -> Header | None:
    """Return the header of a text in columns, None if it isn't one: names, not numbers, over rows that have numbers.

    Parameters
    ----------
    text : str
        The first lines; comments that begin with "#" may stand before the header.
    """
    numbered = ((i, line) for i, line in enumerate(text.splitlines()[:200]) if line.strip())
    first = next(((i, line) for i, line in numbered if not line.startswith("#")), None)
    if first is None:
        return None
    separator = max(SEPARATORS, key=first[1].count)
    names = _split(first[1], separator)
    if not 2 <= len(names) <= MOST_COLUMNS or any(number_in(name, separator) is not None for name in names) or not any(names):
        return None
    below = next((_split(line, separator) for _, line in numbered), None)
    if below is None or len(below) > len(names) or all(number_in(cell, separator) is None for cell in below):
        return None
    return Header(tuple(names), separator, first[0] + 1, tuple(below))


def header_of(source: Source) -> Header | None:
    """Return the header of a file in columns, None if it isn't one."""
    return header_in(source.text_head)


def _split(line: str, separator: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error:
        return []


def number_in(cell: str, separator: str) -> float | None:
    """Return the number in a cell, None where there is none; a percentage stays one, and a decimal comma is one."""
    text = cell.strip().removesuffix("%")
    try:
        return float(text if separator == "," else text.replace(",", "."))
    except ValueError:
        return None


def read_delimited(source: Source, header: Header) -> Table:
    """Return the numbers of a text in columns. Other cells are passed over, and noted where their column has numbers.

    Of columns with the same name the first counts. A header that comes again is passed over, and so is a last line that ends
    early: its last number may be cut.

    Parameters
    ----------
    source : Source
        A text.
    header : Header
        As found in it.

    Raises
    ------
    InputError
        If a line isn't understood or has more cells than the header, or the whole is larger than a log.
    """
    gatherer = Gatherer(source.name)
    notes: list[str] = []
    odd: dict[str, tuple[int, str]] = {}
    labels: list[str] = []
    rows = 0
    for block in _blocks(source, header, notes):
        at_line = [line for line, _ in block]
        first_named: dict[str, tuple[str, ...]] = {}
        for name, cells in zip(header.names, zip(*(cells for _, cells in block), strict=True), strict=True):
            first_named.setdefault(name, cells)
        for name, cells in first_named.items():
            if name.lower() in SPLIT_COLUMNS:
                labels.extend(cells)
            where, values, strange = _numbers(cells, header.separator)
            if strange:
                odd.setdefault(name, (at_line[strange[0]], cells[strange[0]]))
            if name and values:
                at = range(rows, rows + len(block))
                gatherer.add(name, at if len(values) == len(block) else [at[k] for k in where], values)
        rows += len(block)
    table = gatherer.table(rows)
    notes += [
        f"column {clean(name)}: not all are numbers, the first that isn't stands in line {line}: {clean(text, 40)}"
        for name, (line, text) in odd.items()
        if name in table.columns
    ]
    return replace(table, notes=tuple(notes)).split_by(labels)


def _numbers(cells: tuple[str, ...], separator: str) -> tuple[Sequence[int], list[float], list[int]]:
    """Return which cells have numbers, those numbers, and which cells have what is neither a number nor a sign for none."""
    try:
        return range(len(cells)), [float(cell) for cell in cells], []
    except ValueError:
        found = [(k, cell, number_in(cell, separator)) for k, cell in enumerate(cells) if cell]
    where = [k for k, _, value in found if value is not None]
    odd = [k for k, cell, value in found if value is None and cell.strip().lower() not in MISSING]
    return where, [value for _, _, value in found if value is not None], odd


def _blocks(source: Source, header: Header, notes: list[str]) -> Iterator[list[tuple[int, list[str]]]]:
    """Yield blocks of (line, cells) of the rows below the header, all of its width, and add to `notes` what is said of them."""
    every = _rows(source, header)
    width = len(header.names)
    short = lacking = 0
    row = next(every, None)
    block: list[tuple[int, list[str]]] = []
    while row is not None:
        line, cells = row
        row = next(every, None)
        if len(cells) < width:
            if row is None:
                notes.append(f"line {line}, the last, ends early: it was passed over")
                break
            short += 1
            lacking += width - len(cells)
            if lacking > MOST_LACKING:
                raise InputError(f"{source.name}: line {line}: rows are much shorter than the header")
            cells += [""] * (width - len(cells))
        block.append((line, cells))
        if len(block) * width >= CELLS_AT_ONCE:
            yield block
            block = []
    if block:
        yield block
    if short:
        notes.append(f"{short} rows have fewer cells than the header")


def _rows(source: Source, header: Header) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of the rows below the header, none of them longer than it."""
    reader = csv.reader(itertools.islice(lines(source), header.line, None), delimiter=header.separator)
    width = len(header.names)
    try:
        for cells in reader:
            if len(cells) > width:
                line = header.line + reader.line_num
                if any(cell.strip() for cell in cells[width:]):
                    raise InputError(f"{source.name}: line {line} has {len(cells)} cells, and the header {width}")
                del cells[width:]
            if any(cells) and (cells[0].strip() != header.names[0] or tuple(c.strip() for c in cells) != header.names):
                yield header.line + reader.line_num, cells
    except csv.Error as error:
        raise InputError(f"{source.name}: line {header.line + reader.line_num}: {error}") from error
