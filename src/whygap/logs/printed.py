"""Numbers as they were printed: finding them in a line, reading them, and the unit of their last digit."""

from __future__ import annotations

import math

NUMBER = r"[-+]?(?:(?:[0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})(?:[eE][-+]?[0-9]{1,3})?|nan|inf|NaN|NAN|Inf|INF)"
"""A regular expression for a printed score; its repeats are bounded, so that no text makes it slow."""

_ODD = {"1.#qnan": math.nan, "-1.#ind": math.nan, "1.#ind": math.nan, "1.#inf": math.inf, "-1.#inf": -math.inf}

_ZEROS = bytes.maketrans(b"123456789", b"000000000")

_FULL = 15
"""Significant digits from which on a number is printed in full: a double has no more to tell."""


def shape_of(line: str) -> bytes:
    """Return a line with every digit made a zero.

    Lines of one shape have their numbers at the same places: what the places mean is found once per shape and kept, and a log
    of a million lines has some dozens of shapes.
    """
    return line.encode().translate(_ZEROS)


def read_number(text: str) -> float | None:
    """Return the value of a printed number, None if it isn't one."""
    try:
        return float(text)
    except ValueError:
        return _ODD.get(text.lower())


def unit_of(text: str) -> float:
    """Return the unit of the last printed digit, 0 where the number is printed in full.

    Examples
    --------
    >>> unit_of("0.4330"), unit_of("1.1921e-07"), unit_of("88"), unit_of("0.7577340602874756")
    (0.0001, 1e-11, 1.0, 0.0)
    """
    mantissa, _, exponent = text.lower().lstrip("+-").partition("e")
    whole, _, decimals = mantissa.partition(".")
    if len((whole + decimals).lstrip("0")) >= _FULL:
        return 0.0
    unit = read_number(f"1e{int(exponent or 0) - len(decimals)}")
    return unit if unit is not None and math.isfinite(unit) else 0.0
