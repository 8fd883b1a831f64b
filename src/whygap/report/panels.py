"""Parts that pictures of experiments share: curves with bands that are named at their ends, and spans on an axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from whygap.answers import Band
from whygap.report.axes import ScoreScale, apart
from whygap.report.vega import Layer, Row, in_pixels, layer

MEMORISED = "#d55e00"
"""The colour of reused examples and what is memorised of them."""

_BAND = {"opacity": 0.22}


@dataclass(frozen=True)
class NamedBand:
    """A curve with its band: a label of one or two lines, and the looks of the line."""

    label: str
    band: Band
    line: dict[str, Any] = field(default_factory=dict)


def scale_for(curves: Sequence[NamedBand], *, may_be_log: bool) -> ScoreScale:
    """Return a scale that holds all curves, and as much of their bands as leaves the curves half of the height."""
    means = [v for curve in curves for v in curve.band.value]
    scale = ScoreScale.for_values(means, may_be_log=may_be_log)
    if scale.log:
        return scale
    room = (scale.high - scale.low) / 2
    lows, highs = [v for curve in curves for v in curve.band.low], [v for curve in curves for v in curve.band.high]
    low, high = max(min(lows), scale.low - room), min(max(highs), scale.high + room)
    return ScoreScale(min(low, scale.low), max(high, scale.high), log=False)


def band_layers(curves: Sequence[NamedBand], epoch: Sequence[int], scale: ScoreScale, x: Row, y: Row) -> list[Layer]:
    """Draw curves over epochs, bands below all lines; what reaches beyond the scale is cut."""
    bands, lines = [], []
    for curve in curves:
        band = curve.band
        rows = [
            {"x": e, "y": scale.clip(v), "low": scale.clip(low), "high": scale.clip(high)}
            for e, v, low, high in zip(epoch, band.value, band.low, band.high, strict=True)
        ]
        ground = {k: v for k, v in curve.line.items() if k in ("color", "style")}
        bands.append(layer(rows, "area", {**ground, **_BAND}, x=x, y={**y, "field": "low"}, y2="high"))
        lines.append(layer(rows, "line", {"strokeWidth": 2, **curve.line}, x=x, y=y))
        if len(rows) == 1:
            lines.append(layer(rows, "point", {**ground, "filled": True, "size": 36, "opacity": 1}, x=x, y=y))
    return [*bands, *lines]


def end_names(curves: Sequence[NamedBand], scale: ScoreScale, *, width: float, height: float) -> list[Layer]:
    """Name each curve at its right end, with a stroke of its own kind."""
    lines = [curve.label.count("\n") + 1 for curve in curves]
    at = [scale.pixel(scale.clip(curve.band.value[-1]), height) for curve in curves]
    places = apart(at, distance=6 + 15 * max(lines), height=height)
    layers = []
    for curve, place in zip(curves, places, strict=True):
        row = [{"label": curve.label, "from": width + 10, "to": width + 30}]
        text = {"style": "label", "lineBreak": "\n", "lineHeight": 15, "dy": -7 * curve.label.count("\n")}
        layers.append(layer(row, "rule", {"strokeWidth": 2, **curve.line}, x=in_pixels("from"), x2="to", y=place))
        layers.append(layer(row, "text", text, x=width + 36, y=place, text={"field": "label"}))
    return layers


def span_layers(
    low: float, value: float, high: float, label: str, x: Row, domain: tuple[float, float], *, y: float = 8
) -> list[Layer]:
    """Mark a place on the horizontal axis by a rule and its interval by a pale ground, named on the side that has room."""
    first, last = domain
    ends = {"low": min(max(low, first), last), "high": max(min(high, last), first), "x": min(max(value, first), last)}
    is_left = 2 * ends["x"] <= first + last
    ends["text"] = ends["high"] if is_left else ends["low"]
    text = {"style": "label", "align": "left" if is_left else "right", "dx": 6 if is_left else -6}
    return [
        layer(
            [ends], "bar", {"style": "ink", "opacity": 0.09}, x={**x, "field": "low"}, x2="high", y=0, y2={"value": "height"}
        ),
        layer([ends], "rule", {"style": "ink", "strokeWidth": 1.2, "strokeDash": [5, 3]}, x=x),
        layer([{**ends, "label": label}], "text", text, x={**x, "field": "text"}, y=y, text={"field": "label"}),
    ]


def size_of(n_parameters: int, n: int) -> str:
    """Name a case by its size."""
    return f"{n_parameters:,} parameters, {n:,} examples"


def short_count(number: float) -> str:
    """Return a count in few signs: 16,000, 160k, 2.5M."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= max(unit, 1e5):
            return f"{number / unit:.4g}{name}"
    return f"{number:,.0f}"
