"""The ranges of epochs of a logged run as rows: the gap, how much of it is averaging, and which part leads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whygap.records import Estimate, Stretch
from whygap.report.figures import Figures

LEADING = {"averaging": "averaging", "rest": "the rest", "cannot_tell": "can't be told"}


@dataclass(frozen=True)
class StretchRow:
    """One range: its epochs, mean gap, averaging with its interval, the rest, which mirrors it, and the larger of the two."""

    epochs: str
    gap: str
    averaging: str
    rest: str
    leading: str


def stretch_rows(stretches: Sequence[Stretch], *, minus: str = "-", between: str = ", ") -> tuple[StretchRow, ...]:
    """Return the ranges of a logged run as text ready to be shown."""
    sizes = [abs(s.gap) for s in stretches] + [abs(s.averaging.value) for s in stretches if s.averaging]
    figures = Figures.fitting(sizes, minus=minus)

    def shown(e: Estimate | None) -> str:
        if e is None:
            return "no bounds"
        interval = figures.interval(e, between=between)
        return f"{figures.signed(e.value)} [{interval}]" if interval else figures.signed(e.value)

    return tuple(
        StretchRow(
            epochs=str(s.first) if s.first == s.last else f"{s.first}-{s.last}",
            gap=figures.signed(s.gap),
            averaging=shown(s.averaging),
            rest="no bounds" if s.rest is None else figures.signed(s.rest.value),
            leading=LEADING[s.leading],
        )
        for s in stretches
    )
