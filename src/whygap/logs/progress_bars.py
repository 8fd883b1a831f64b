"""Progress bars of tqdm: what stands before one, how far it is, and what it shows behind."""

from __future__ import annotations

import re
from typing import NamedTuple

_BAR = re.compile(
    r"(?:([0-9]{1,3})%\s?\|[^|\n]{0,400}\|\s{0,4})"
    r"([0-9][0-9.,kMG]{0,15})/([0-9][0-9.,kMG]{0,15})\s{0,4}\[([^\]\n]{0,4000})(?:\]|$)"
)
_UNITS = re.compile(r"[0-9.?]{1,12}\s?(\w{1,20}/s|s/\w{1,20})")


class ProgressBar(NamedTuple):
    """A state of a bar.

    Parameters
    ----------
    before, after : str
        What stands before it, and what it shows behind its speed: "loss=0.3, val_loss=0.4".
    done, total : str
        How far it is, as printed.
    unit : str
        What it counts: "it", "epoch".
    start, end : int
        Where it stands in its line.
    """

    before: str
    after: str
    done: str
    total: str
    unit: str
    start: int
    end: int

    @property
    def is_full(self) -> bool:
        """Whether it has come to its end."""
        return self.done == self.total


def find_bar(text: str) -> ProgressBar | None:
    """Return the last bar of a line, None if there is none."""
    if "%|" not in text and "% |" not in text:
        return None
    found = None
    for found in _BAR.finditer(text):  # noqa: B007 -- the last state is what counts
        pass
    if found is None:
        return None
    times, _, after = found[4].partition(", ")
    if "<" not in times:
        after = found[4]
    if unit := _UNITS.match(after.strip()):
        after = after.strip()[unit.end() :].lstrip(", ")
    name = unit[1].replace("s/", "").replace("/s", "") if unit else ""
    before_start = text.rfind("]", 0, found.start()) + 1 if text.count("%|", 0, found.start()) else 0
    return ProgressBar(text[before_start : found.start()], after, found[2], found[3], name, found.start(), found.end())
