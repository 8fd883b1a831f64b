"""Numbers as text: as many decimals as what is worth telling apart needs, the same for all numbers shown together."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from whygap.records import EpochGap, Estimate

TRUE_MINUS = "\N{MINUS SIGN}"
_MOST_DECIMALS = 7
_LARGEST_PLAIN = 1e7


def _decimals(size: float) -> int:
    """Return the decimals that show three digits of `size`."""
    return 2 - math.floor(math.log10(size))


def _differences(gap: EpochGap) -> list[float]:
    return [t.value for t in gap.terms] + ([] if gap.gap is None else [gap.gap.value])


@dataclass(frozen=True)
class Figures:
    """How to write the numbers of one ladder, table or picture.

    Parameters
    ----------
    decimals
        Digits after the point, or None for scientific notation (sizes that plain digits can't hold).
    minus
        The minus sign: a hyphen for terminals, where numbers are copied, the true sign for pages and pictures.
    """

    decimals: int | None
    minus: str = "-"

    @classmethod
    def fitting(cls, sizes: Iterable[float], scores: Iterable[float] = (), *, minus: str = "-") -> Figures:
        """Choose decimals for `sizes`: three digits for the largest, and for three quarters of them if two more decimals do it.

        `scores` are the reported numbers shown beside them: they decide where all sizes are nil, and no size below a millionth
        of the largest score asks for digits of its own.
        """
        largest_score = max((abs(s) for s in scores), default=0.0)
        worth = sorted(abs(size) for size in sizes if abs(size) > 1e-6 * largest_score) or [largest_score or 0.01]
        fewest = _decimals(worth[-1])
        wanted = min(max(fewest, _decimals(worth[len(worth) // 4])), fewest + 2)
        if wanted > _MOST_DECIMALS or max(largest_score, worth[-1]) >= _LARGEST_PLAIN:
            return cls(None, minus)
        return cls(max(wanted, 0), minus)

    @classmethod
    def of_gaps(cls, gaps: Iterable[EpochGap], *, minus: str = "-") -> Figures:
        """Choose decimals for all numbers of some epochs, each of which counts by its largest difference."""
        gaps = tuple(gaps)
        sizes = [max((abs(d) for d in _differences(gap)), default=0.0) for gap in gaps]
        return cls.fitting(sizes, [s for g in gaps for s in (g.train_reported, g.valid_reported) if s is not None], minus=minus)

    def plain(self, value: float) -> str:
        """Write a score: no plus sign."""
        text = f"{value:.3e}" if self.decimals is None else f"{value:.{self.decimals}f}"
        if float(text) == 0:
            text = text.removeprefix("-")
        return text.replace("-", self.minus)

    def signed(self, value: float) -> str:
        """Write a difference: always with its sign, but no sign on what rounds to nought."""
        text = self.plain(value)
        return text if text.startswith(self.minus) or float(text.replace(self.minus, "-")) == 0 else f"+{text}"

    def interval(self, estimate: Estimate, *, between: str = ", ") -> str:
        """Write an interval without brackets, or nothing where the value is exact and has none."""
        return self.bounds(estimate.low, estimate.high, between=between)

    def bounds(self, low: float, high: float, *, between: str = ", ") -> str:
        """Write the ends of an interval without brackets, or nothing where they are the same."""
        return "" if low == high else f"{self.signed(low)}{between}{self.signed(high)}"


def percent(share: float) -> str:
    """Write a share of one in per cent: whole numbers, except below one per cent."""
    if 0 < share < 0.01:
        return "<1 %"
    return f"{100 * share:.0f} %"


def duration(seconds: float) -> str:
    """Write a duration in the unit that suits it."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min"
