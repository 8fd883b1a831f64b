"""TensorBoard's event files: records with checksums, of which those with scalars are read, all of them.

A scalar is written as a plain number (TensorFlow 1, PyTorch, tensorboardX) or as a tensor of one element (TensorFlow 2, Keras).

https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/lib/io/record_writer.h, .../core/util/event.proto and
.../core/framework/summary.proto have the format.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from whygap.errors import InputError
from whygap.logs.crc32c import Places, Words, crc32c
from whygap.logs.protobuf import BYTES, FIXED32, FIXED64, VARINT, fields_in, signed
from whygap.logs.source import Source

VERSION = b"brain.Event:"
FRAME = struct.Struct("<QI")
PIECE = 32 << 20
LONGEST = 256 << 20
MOST_POINTS = 8_000_000
DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 19: "<f2", 22: "<u4", 23: "<u8"}
VALUES = {5: "<f4", 6: "<f8"}
"""Fields of a tensor that hold its numbers one by one; of whole numbers they are varints, in 7 and 10."""


@dataclass
class Points:
    """The scalars of one file, in its order.

    Parameters
    ----------
    tag, step, value : list
        One each for every scalar.
    damage : int or None
        The byte from which on the file isn't understood.
    """

    tag: list[str] = field(default_factory=list)
    step: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    damage: int | None = None


def is_event_file(source: Source) -> bool:
    """Return whether a file begins as an event file does: the first record has the format's version, or a length that fits."""
    if source.is_folder or len(source.head) < FRAME.size:
        return False
    if VERSION in source.head[: FRAME.size + 64]:
        return True
    return FRAME.unpack_from(source.head)[0] > 0 and not _is_broken(source.head)


def read_points(source: Source) -> Points:
    """Return all scalars of a file, up to the first damage.

    Raises
    ------
    InputError
        If it can't be read, or has more scalars than a log.
    """
    points = Points()
    try:
        with source.path.open("rb") as file:
            _read(file, points)
    except OSError as error:
        raise InputError(f"{source.name}: {error.strerror or error}") from error
    if len(points.tag) > MOST_POINTS:
        raise InputError(f"{source.name}: more than {MOST_POINTS:,} scalars")
    return points


def _read(file: BinaryIO, points: Points) -> None:
    """Add the scalars of an open file to `points`, a piece of the file at a time."""
    offset, rest = 0, b""
    while len(points.tag) <= MOST_POINTS:
        more = file.read(PIECE)
        text = rest + more
        starts, ends, used = _frames(text)
        whole = _undamaged(text, starts, ends)
        for start, end in zip(starts[:whole], ends[:whole], strict=True):
            try:
                _add(points, text, start, end)
            except ValueError:
                points.damage = offset + start - FRAME.size
                return
        if whole < len(starts):
            points.damage = offset + starts[whole] - FRAME.size
            return
        rest, offset = text[used:], offset + used
        if rest and (not more or _is_broken(rest)):
            points.damage = offset
        if not more or points.damage is not None:
            return


def _frames(text: bytes) -> tuple[list[int], list[int], int]:
    """Return where each record's message begins and ends, by the lengths alone, and up to where the records are complete."""
    starts: list[int] = []
    ends: list[int] = []
    at, size = 0, len(text)
    while at + FRAME.size <= size:
        end = at + FRAME.size + FRAME.unpack_from(text, at)[0]
        if end + 4 > size:
            break
        starts.append(at + FRAME.size)
        ends.append(end)
        at = end + 4
    return starts, ends, at


def _is_broken(rest: bytes) -> bool:
    """Return whether no more bytes can make a record of what begins here."""
    if len(rest) < FRAME.size:
        return False
    length, said = FRAME.unpack_from(rest)
    return bool(length > LONGEST or said != _masked(np.frombuffer(rest, np.uint8), np.array([0]), np.array([8]))[0])


def _undamaged(text: bytes, starts: list[int], ends: list[int]) -> int:
    """Return how many records there are before the first with a checksum that doesn't fit."""
    octets, start, end = np.frombuffer(text, np.uint8), np.array(starts, dtype=np.int64), np.array(ends, dtype=np.int64)
    fits = _word_at(octets, start - 4) == _masked(octets, start - FRAME.size, np.full(start.size, 8))
    kept = int(np.argmin(fits)) if not fits.all() else fits.size  # behind a wrong length, lengths and places mean nothing
    fits = _word_at(octets, end[:kept]) == _masked(octets, start[:kept], end[:kept] - start[:kept])
    return int(np.argmin(fits)) if not fits.all() else kept


def _word_at(octets: npt.NDArray[np.uint8], at: Places) -> Words:
    """Return the little-endian words that begin at each of some places."""
    word = np.zeros(at.size, dtype=np.uint32)
    for k in range(4):
        word |= octets[at + k].astype(np.uint32) << np.uint32(8 * k)
    return word


def _masked(octets: npt.NDArray[np.uint8], start: Places, length: Places) -> Words:
    """Return checksums as record files have them: turned and shifted, so that a checksum of checksums isn't a special one."""
    crc = crc32c(octets, start, length)
    return ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(0xA282EAD8)


def _add(points: Points, text: bytes, start: int, end: int) -> None:
    """Add the scalars of one event: its step is field 2, its summary 5, each value of which is field 1."""
    step = 0
    for number, wire, a, b in fields_in(text, start, end):
        if (number, wire) == (2, VARINT):
            step = signed(a)
        elif (number, wire) == (5, BYTES):
            for inner, kind, low, high in fields_in(text, a, b):
                if (inner, kind) == (1, BYTES):
                    _add_value(points, step, text, low, high)


def _add_value(points: Points, step: int, text: bytes, start: int, end: int) -> None:
    """Add one value of a summary: its tag is field 1, a plain number 2, a tensor 8."""
    tag, value = "", None
    for number, wire, a, b in fields_in(text, start, end):
        if (number, wire) == (1, BYTES):
            tag = text[a:b].decode("utf-8", "replace")
        elif (number, wire) == (2, FIXED32):
            (value,) = struct.unpack_from("<f", text, a)
        elif (number, wire) == (8, BYTES):
            value = _scalar(text, a, b)
    if value is not None:
        points.tag.append(tag)
        points.step.append(step)
        points.value.append(value)


def _scalar(text: bytes, start: int, end: int) -> float | None:
    """Return the number in a tensor of one element, None for all other tensors."""
    dtype, found = 0, []
    for number, wire, a, b in fields_in(text, start, end):
        if (number, wire) == (1, VARINT):
            dtype = a
        elif number in (4, 5, 6) and wire in (BYTES, FIXED32, FIXED64):
            as_dtype = np.dtype(VALUES.get(number) or DTYPES.get(dtype, "V"))
            if as_dtype.kind == "V" or b - a != as_dtype.itemsize:
                return None
            found.append(float(np.frombuffer(text, as_dtype, 1, a)[0]))
        elif number in (7, 10) and wire == VARINT:
            found.append(float(signed(a)))
    return found[0] if len(found) == 1 else None
