"""The lines of a text of any size, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

from whygap.errors import InputError
from whygap.logs.source import Source

LONGEST = 16 << 20


def split_lines(text: str) -> list[str]:
    r"""Return the lines of a text, which end with "\n", "\r\n" or "\r": `splitlines` knows of more."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def lines(source: Source) -> Iterator[str]:
    r"""Yield the lines of a text without their ends, which may be "\n", "\r\n" or "\r".

    Parameters
    ----------
    source : Source
        A text.

    Raises
    ------
    InputError
        If it can't be read, or has a line longer than 16 MiB.
    """
    held: list[str] = []
    length = number = 0
    ends_in_return = False
    for chunk in source.chunks():
        text = chunk[1:] if ends_in_return and chunk.startswith("\n") else chunk
        ends_in_return = chunk.endswith("\r")
        first, *rest = split_lines(text)
        held.append(first)
        length += len(first)
        if length > LONGEST:
            raise InputError(f"{source.name}: line {number + 1} is longer than {LONGEST >> 20} MiB")
        if rest:
            yield "".join(held)
            yield from rest[:-1]
            number += len(rest)
            held, length = [rest[-1]], len(rest[-1])
    if length:
        yield "".join(held)
