"""Bars made of characters: a piece of a scale, drawn to half a character."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Maps `low`..`high` onto `width` characters.

    `ascii_only` draws with characters that every pipe and terminal can show.
    """

    low: float
    high: float
    width: int
    ascii_only: bool = False

    def _halves(self, value: float) -> int:
        if self.high <= self.low:
            return 0
        return round((value - self.low) / (self.high - self.low) * (2 * self.width))

    def bar(self, start: float, end: float) -> str:
        """Draw the piece from `start` to `end`; what is thinner than half a character is drawn as a tick."""
        left, right = sorted((self._halves(start), self._halves(end)))
        if left == right:
            return self.tick(start)
        cells = []
        for cell in range((right + 1) // 2):
            first, second = left <= 2 * cell < right, left <= 2 * cell + 1 < right
            if self.ascii_only:
                cells.append("#" if first or second else " ")
            else:
                cells.append({(True, True): "█", (True, False): "▌", (False, True): "▐"}.get((first, second), " "))
        return "".join(cells)

    def tick(self, value: float) -> str:
        """Draw a mark at `value`."""
        cell = min(self._halves(value) // 2, self.width - 1)
        return " " * max(cell, 0) + ("|" if self.ascii_only else "│")
