"""W&B's offline runs, `run-....wandb`: records in blocks as LevelDB's logs have them, each a protobuf message.

Of the messages, those of the history have the scores, and that of the run its name.

https://github.com/google/leveldb/blob/main/doc/log_format.md has the blocks, wandb_internal.proto of the wandb package the
messages.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from whygap.errors import InputError
from whygap.logs.json_table import flat
from whygap.logs.json_text import number_in, parse
from whygap.logs.protobuf import BYTES, FIXED64, VARINT, fields_in, signed
from whygap.logs.records import LoggedRun
from whygap.logs.source import Reader, Source
from whygap.logs.table import Gatherer, read_runs

FORMAT = "W&B offline run"
MAGIC = b":W&B\xe1\xbe"
BLOCK = 32_768
HEADER = struct.Struct("<IHB")
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
LONGEST = 64 << 20
HISTORY, RUN = 2, 17
"""Field numbers of a Record."""


class _DamageError(Exception):
    """The file isn't understood from a byte on."""

    def __init__(self, byte: int) -> None:
        super().__init__(f"damaged at byte {byte}")
        self.byte = byte


def _matches(source: Source) -> bool:
    return source.head.startswith(MAGIC)


def _read(source: Source) -> tuple[LoggedRun, ...]:
    gatherer, rows, name = Gatherer(source.name), 0, ""
    notes: list[str] = []
    try:
        with source.path.open("rb") as file:
            for at, record in _records(file):
                try:
                    for number, wire, start, end in fields_in(record, 0, len(record)):
                        if (number, wire) == (HISTORY, BYTES):
                            for key, value in _history(record, start, end):
                                gatherer.add(key, [rows], [value])
                            rows += 1
                        elif (number, wire) == (RUN, BYTES):
                            name = _name(record, start, end) or name
                except (ValueError, struct.error) as error:
                    if isinstance(error, InputError):
                        raise
                    raise _DamageError(at) from error
    except _DamageError as damage:
        notes.append(f"{source.name} is damaged at byte {damage.byte}: it was read up to there")
    except OSError as error:
        raise InputError(f"{source.name}: {error.strerror or error}") from error
    runs = read_runs(gatherer.table(rows, notes), format=FORMAT, name=name)
    if notes and not runs:
        raise InputError(notes[0])
    return runs


def _records(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield where each record begins and its bytes, put together from its parts; raise at the first that isn't in order."""
    at = file.seek(len(MAGIC) + 1)
    block = file.read(BLOCK - at)
    parts: list[bytes] = []
    size = begun = 0
    while block:
        place = 0
        while place + HEADER.size <= len(block):
            crc, length, kind = HEADER.unpack_from(block, place)
            body = block[place + HEADER.size : place + HEADER.size + length]
            if len(body) < length or zlib.crc32(body, zlib.crc32(bytes([kind]))) != crc:
                raise _DamageError(at + place)
            if (kind in (FULL, FIRST)) == bool(parts) or kind not in (FULL, FIRST, MIDDLE, LAST):
                raise _DamageError(at + place)
            begun = begun if parts else at + place
            parts.append(body)
            size += length
            if size > LONGEST:
                raise _DamageError(begun)
            if kind in (FULL, LAST):
                yield begun, b"".join(parts)
                parts, size = [], 0
            place += HEADER.size + length
        if at + len(block) < _end_of_block(at) and place < len(block):
            raise _DamageError(at + place)
        at += len(block)
        block = file.read(BLOCK)
    if parts:
        raise _DamageError(begun)


def _end_of_block(at: int) -> int:
    return (at // BLOCK + 1) * BLOCK


def _history(record: bytes, start: int, end: int) -> Iterator[tuple[str, float]]:
    """Yield the numbers of one record of the history: its items are field 1."""
    for number, wire, a, b in fields_in(record, start, end):
        if (number, wire) == (1, BYTES):
            yield from _item(record, a, b)


def _item(record: bytes, start: int, end: int) -> Iterator[tuple[str, float]]:
    """Yield the numbers of one item: its name is field 1, or in parts 2; its value an integer 5, a number 6 or JSON 8 or 16."""
    names: list[str] = []
    value: float | None = None
    text = ""
    for number, wire, a, b in fields_in(record, start, end):
        if number in (1, 2) and wire == BYTES:
            names.append(record[a:b].decode("utf-8", "replace"))
        elif (number, wire) == (5, VARINT):
            value = float(signed(a))
        elif (number, wire) == (6, FIXED64):
            (value,) = struct.unpack_from("<d", record, a)
        elif number in (8, 16) and wire == BYTES:
            text = record[a:b].decode("utf-8", "replace")
    name = "/".join(part for part in names if part)
    if value is None and text:
        value = number_in(text.strip('"'))
    if value is not None:
        yield name, value
    elif text.startswith("{"):
        for inner, found in flat(parse(text, name)):
            if (number_found := number_in(found)) is not None:
                yield f"{name}/{inner}", number_found


def _name(record: bytes, start: int, end: int) -> str:
    """Return the name of a run that people gave it, field 8, or else its id, field 1."""
    names = {number: record[a:b] for number, wire, a, b in fields_in(record, start, end) if wire == BYTES}
    return (names.get(8) or names.get(1, b"")).decode("utf-8", "replace")


READER = Reader(FORMAT, _matches, _read)
