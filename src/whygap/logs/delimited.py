"""Text in columns with a header: CSV, with commas, semicolons or tabs."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from whygap.errors import InputError
from whygap.logs.lines import lines, split_lines
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
    numbered = ((i, line) for i, line in enumerate(split_lines(text)[:200]) if line.strip())
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
    for at_line, block in _blocks(source, header, notes):
        first_named: dict[str, tuple[str, ...]] = {}
        for name, cells in zip(header.names, zip(*block, strict=True), strict=True):
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


def _blocks(source: Source, header: Header, notes: list[str]) -> Iterator[tuple[list[int], list[list[str]]]]:
    """Yield the rows below the header in blocks, all of its width, with their lines; `notes` gets what is said of them."""
    width = len(header.names)
    taken: list[int] = []

    def filled() -> Iterator[str]:
        for number, line in enumerate(lines(source), start=1):
            if line and number > header.line:
                taken.append(number)
                yield line

    reader = csv.reader(filled(), delimiter=header.separator)

    def take() -> tuple[list[int], list[list[str]]]:
        taken.clear()
        try:
            block = list(itertools.islice(reader, max(1, CELLS_AT_ONCE // width)))
        except csv.Error as error:
            raise InputError(f"{source.name}: line {taken[-1]}: {error}") from error
        return taken[: len(block)], block  # a quoted cell over several lines makes later lines of its block appear too low

    short = lacking = 0
    at_line, block = take()
    while block:
        following = take()
        if set(map(len, block)) != {width} or header.names[0] in (row[0].strip() for row in block):
            numbered = _rows(source, header, at_line, block)
            if numbered and not following[1] and len(numbered[-1][1]) < width:
                notes.append(f"line {numbered.pop()[0]}, the last, ends early: it was passed over")
            for line, row in numbered:
                short += len(row) < width
                lacking += width - len(row)
                if lacking > MOST_LACKING:
                    raise InputError(f"{source.name}: line {line}: rows are much shorter than the header")
                row += [""] * (width - len(row))
            at_line, block = [line for line, _ in numbered], [row for _, row in numbered]
        if block:
            yield at_line, block
        at_line, block = following
    if short:
        notes.append(f"{short} rows have fewer cells than the header")


def _rows(source: Source, header: Header, at_line: list[int], block: list[list[str]]) -> list[tuple[int, list[str]]]:
    """Return the rows of a block with their lines: none empty, a header or longer than it."""
    width = len(header.names)
    kept = []
    for line, row in zip(at_line, block, strict=True):
        if any(cell.strip() for cell in row[width:]):
            raise InputError(f"{source.name}: line {line} has {len(row)} cells, and the header {width}")
        if any(row) and tuple(cell.strip() for cell in row) != header.names:
            kept.append((line, row[:width]))
    return kept
