"""Axes that pictures share: epochs as whole numbers, and a score on the scale that suits its curve."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from whygap.records import Score
from whygap.report.vega import Row, quantity

_MOST_EPOCH_TICKS = 14
# A curve that falls by more than this factor is flat for most of its length on a linear scale.
_LOG_FROM = 12.0


def epoch_axis(field: str, epochs: Sequence[int], *, margin: float) -> Row:
    """Return the epoch axis for `field` of a picture's data: whole numbers at even steps, the first epoch always named."""
    first, last = min(epochs), max(epochs)
    if first == last:
        margin = max(margin, 1.0)
    axis = {"values": epoch_ticks(first, last), "format": "d", "grid": False, "labelOverlap": False}
    return quantity(field, title="epoch", axis=axis, scale={"domain": [first - margin, last + margin]})


def epoch_ticks(first: int, last: int) -> list[int]:
    """Return at most 15 whole numbers from `first` to `last`, at steps of 1, 2 or 5 times a power of ten."""
    steps = (s * 10**power for power in range(12) for s in (1, 2, 5))
    step = next(s for s in steps if (last - first) / s <= _MOST_EPOCH_TICKS - 1)
    ticks = [t for t in range(first + (-first) % step, last + 1, step) if t - first >= step / 2]
    return [first, *ticks]


def score_title(score: Score) -> str:
    """Return the score's name, with its unit where it has one."""
    return f"{score.name} ({score.unit})" if score.unit else score.name


@dataclass(frozen=True)
class ScoreScale:
    """A vertical scale over `low`..`high`, whose pixels are known, so that labels can be placed beside curves."""

    low: float
    high: float
    log: bool

    @classmethod
    def for_values(cls, values: Iterable[float], *, may_be_log: bool) -> ScoreScale:
        """Choose a log scale where all values are positive and span more than an order of magnitude, else a linear one."""
        values = tuple(values)
        low, high = min(values), max(values)
        if may_be_log and low > 0 and high / low >= _LOG_FROM:
            return cls(low / 1.2, high * 1.2, True)
        margin = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
        return cls(low - margin, high + margin, False)

    def clip(self, value: float) -> float:
        """Return `value`, or the end of the scale that it lies beyond: on a log scale an interval may reach below zero."""
        return min(max(value, self.low), self.high)

    def pixel(self, value: float, height: float) -> float:
        """Return the distance in pixels of `value` from the top of a picture of `height`."""
        if self.log:
            return height * (1 - math.log(value / self.low) / math.log(self.high / self.low))
        return height * (1 - (value - self.low) / (self.high - self.low))

    def ticks(self) -> list[float] | None:
        """Return round numbers for a log scale, at most about ten; None leaves a linear one to Vega."""
        if not self.log:
            return None
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        span = math.log10(self.high / self.low)
        steps = (1, 2, 5) if span < 2.5 else (1, 3) if span < 4.5 else (1,)
        every = max(1, math.ceil(span / 9))
        ticks = [float(f"{s}e{d}") for d in decades if d % every == 0 for s in steps]
        return [t for t in ticks if self.low <= t <= self.high]

    def axis(self, field: str, score: Score) -> Row:
        """Return the axis for `field` of a picture's data."""
        axis: dict[str, Any] = {"values": self.ticks(), "format": "~g"} if self.log else {"tickCount": 6}
        scale = {"type": "log" if self.log else "linear", "domain": [self.low, self.high]}
        return quantity(field, title=score_title(score) + (", log scale" if self.log else ""), axis=axis, scale=scale)


def apart(pixels: Sequence[float], *, distance: float, height: float) -> list[float]:
    """Move labels apart vertically until neighbours are `distance` pixels from each other, as near to their place as possible.

    Labels keep their order from top to bottom, and stay within 0..`height` if they fit.
    """
    order = sorted(range(len(pixels)), key=lambda i: pixels[i])
    groups: list[tuple[float, int]] = []  # centre and number of labels
    for i in order:
        groups.append((pixels[i], 1))
        while len(groups) > 1 and groups[-1][0] - groups[-2][0] < distance * (groups[-1][1] + groups[-2][1]) / 2:
            centre, count = groups.pop()
            before, n = groups.pop()
            groups.append(((before * n + centre * count) / (n + count), n + count))
    placed = [centre + distance * (k - (count - 1) / 2) for centre, count in groups for k in range(count)]
    for k in reversed(range(len(placed))):
        placed[k] = min(placed[k], height - distance * (len(placed) - 1 - k))
    for k in range(len(placed)):
        placed[k] = max(placed[k], distance * k)
    result = [0.0] * len(pixels)
    for place, i in zip(placed, order, strict=True):
        result[i] = place
    return result
