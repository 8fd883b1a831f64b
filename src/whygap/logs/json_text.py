"""JSON from anybody: bounded in size and depth before it is parsed, and every number a float."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from whygap.errors import InputError
from whygap.logs.source import Source

MOST_BYTES = 32 << 20
"""Of one document, which takes up to 25 times as much memory; JSON lines may be of any size."""

MOST_DEPTH = 64
STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
"""Matches whatever a quote begins, closed or not, so that no text is looked at twice."""

NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def depth_of(text: bytes) -> int:
    """Return how deep brackets are nested in a JSON text, those in strings left out."""
    brackets = np.frombuffer(STRING.sub(b"", text).translate(None, NO_BRACKETS), dtype=np.uint8)
    opens = (brackets == ord("[")) | (brackets == ord("{"))
    return int(np.cumsum(np.where(opens, 1, -1)).max(initial=0))


def parse(text: str, where: str) -> Any:
    """Return what a JSON text says, with every number as a float: "1e999" is infinite, and so is an integer of 5,000 digits.

    Parameters
    ----------
    text : str
        One document.
    where : str
        The source's name, and the line where it is one of many: for errors.

    Raises
    ------
    InputError
        If it is no JSON, or nested deeper than any log.
    """
    brackets = text.count("[") + text.count("{")
    if brackets > MOST_DEPTH and depth_of(text.encode("utf-8", "replace")) > MOST_DEPTH:
        raise InputError(f"{where}: JSON nested deeper than {MOST_DEPTH} levels")
    try:
        return json.loads(text, parse_int=float)
    except json.JSONDecodeError as error:
        line = "" if error.lineno == 1 else f"line {error.lineno}, "
        raise InputError(f"{where}: {line}column {error.colno}: not JSON: {error.msg}") from error
    except RecursionError as error:
        raise InputError(f"{where}: JSON nested too deep") from error


def load(source: Source) -> Any:
    """Return what a file says that is one JSON document.

    Raises
    ------
    InputError
        If it is no JSON, nested deeper than any log, larger than 32 MiB, or can't be read.
    """
    pieces: list[str] = []
    size = 0
    for piece in source.chunks():
        size += len(piece)
        if size > MOST_BYTES:
            raise InputError(f"{source.name}: one JSON document of more than {MOST_BYTES >> 20} MiB; JSON lines may be larger")
        pieces.append(piece)
    return parse("".join(pieces), source.name)


def number_in(value: Any) -> float | None:
    """Return the number that a JSON value is, None if it isn't one; some tools write infinities and NaN as strings.

    Examples
    --------
    >>> number_in(0.5), number_in("NaN"), number_in("0.5"), number_in(True), number_in([0.5])
    (0.5, nan, 0.5, None, None)
    """
    if isinstance(value, float):
        return value
    if isinstance(value, str) and len(value) <= 400:
        try:
            return float(value)
        except ValueError:
            return None
    return None


def numbers_in(value: Any) -> tuple[Sequence[int], list[float]] | None:
    """Return the numbers in a list and their places, or in a mapping "0", "1", ... as pandas writes one; None if it is neither.

    Nulls have no place in it: there was nothing to log.
    """
    if isinstance(value, dict) and list(value) == [str(i) for i in range(len(value))]:
        value = list(value.values())
    if not isinstance(value, list) or not value:
        return None
    if set(map(type, value)) == {float}:
        return range(len(value)), value
    found = [number_in(item) for item in value]
    if any(number is None and item is not None for number, item in zip(found, value, strict=True)):
        return None
    places = [k for k, number in enumerate(found) if number is not None]
    return (places, [number for number in found if number is not None]) if places else None
