"""The wire format of Protocol Buffers: enough to walk through messages whose field numbers are known.

https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

Field = tuple[int, int, int, int]
"""Number, wire type, and then: of a varint its value and 0; of all else where its bytes begin and end."""


def fields_in(text: bytes, at: int, end: int) -> list[Field]:
    """Return the fields of the message in `text[at:end]`.

    Parameters
    ----------
    text : bytes
        The message and what stands around it.
    at, end : int
        Where it begins and ends.

    Raises
    ------
    ValueError
        If that is no message.

    Examples
    --------
    >>> fields_in(bytes.fromhex("089601120161"), 0, 6)
    [(1, 0, 150, 0), (2, 2, 5, 6)]
    """
    found: list[Field] = []
    while at < end:
        key = text[at]
        at += 1
        if key > 127:
            key, at = _varint(text, at - 1, end)
        wire = key & 7
        if wire == BYTES:
            size, at = _varint(text, at, end)
            found.append((key >> 3, wire, at, at + size))
            at += size
        elif wire == VARINT:
            value, at = _varint(text, at, end)
            found.append((key >> 3, wire, value, 0))
        elif wire in (FIXED64, FIXED32):
            size = 8 if wire == FIXED64 else 4
            found.append((key >> 3, wire, at, at + size))
            at += size
        else:
            raise ValueError(f"no wire type {wire}")
        if at > end:
            raise ValueError("a field ends behind its message")
    return found


def signed(value: int) -> int:
    """Return a varint's value as an int64."""
    return value - (1 << 64) if value >> 63 else value


def _varint(text: bytes, at: int, end: int) -> tuple[int, int]:
    """Return the number that begins at `at`, and where it ends."""
    value = shift = 0
    while at < end and shift < 70:
        byte = text[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (1 << 64) - 1, at
        shift += 7
    raise ValueError("a number without an end")
