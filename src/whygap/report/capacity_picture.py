"""The picture of capacity: training error on random labels over examples per parameter, a curve for each network."""

from __future__ import annotations

import altair as alt

from whygap.answers import Capacities, Capacity
from whygap.report.axes import apart
from whygap.report.figures import percent
from whygap.report.vega import Layer, Row, as_chart, in_pixels, layer, quantity

_WIDTH, _HEIGHT = 430, 260
# told apart by lightness and by shape, not by hue alone
_COLOURS = ("#0072b2", "#d55e00", "#8c5aff", "#00704d", "#b91a90", "#7d7d7d")
_SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down")


def learnt_by_heart(found: Capacities) -> alt.LayerChart:
    """Draw the training error on random labels over the number of examples per parameter.

    Parameters
    ----------
    found
        All networks.
    """
    every = [1.0 / one.ratio for w in found.widths for one in w.learnt]
    low, high = min([*every, 1.0]) / 1.3, max([*every, 1.0]) * 1.3
    axis = {"values": _ticks(low, high), "format": "~g", "grid": False, "labelOverlap": False}
    x = quantity("x", title="examples per parameter, log scale", axis=axis, scale={"type": "log", "domain": [low, high]})
    y = quantity("y", title="training error", axis={"tickCount": 6, "format": "~%"}, scale={"domain": [-0.03, 1.0]})
    chance = [{"y": found.chance, "label": f"chance, {percent(found.chance)}"}]
    most = max((w.most or 0 for w in found.widths), default=0)
    title = f"Of random labels, up to {most:,} are learnt by heart" if most else "No set of random labels is learnt by heart"
    unseen = found.unseen
    subtitle = [
        "Training error at the end, with its 95 % interval over seeds. The dashed line: as many parameters as examples.",
        f"Error on unseen examples: {percent(unseen.value)} ({100 * unseen.low:.1f} to {100 * unseen.high:.1f} %).",
    ]
    return as_chart(
        [
            layer([{"x": 1.0}], "rule", {"style": "quiet", "strokeDash": [5, 3]}, x=x),
            layer(chance, "rule", {"style": "quiet", "strokeDash": [2, 3]}, y=y),
            layer(chance, "text", {"style": "label", "dy": -9, "dx": 4}, x=0, y=y, text={"field": "label"}),
            *(part for k, width in enumerate(found.widths) for part in _curve(width, k, x, y)),
            *_names(found),
        ],
        size=(_WIDTH, _HEIGHT),
        title={"text": title, "subtitle": subtitle},
        description=f"Training error on random labels of {len(found.widths)} networks. {title}. {' '.join(subtitle)}",
    )


def _curve(width: Capacity, place: int, x: Row, y: Row) -> list[Layer]:
    rows = [
        {
            "x": 1.0 / one.ratio,
            "y": one.train.value,
            "low": min(max(one.train.low, 0.0), 1.0),
            "high": min(max(one.train.high, 0.0), 1.0),
        }
        for one in width.learnt
    ]
    colour = {"color": _COLOURS[place % len(_COLOURS)]}
    point = {**colour, "filled": True, "size": 60, "opacity": 1, "shape": _SHAPES[place % len(_SHAPES)]}
    return [
        layer(rows, "rule", {**colour, "strokeWidth": 2, "opacity": 0.5}, x=x, y={**y, "field": "low"}, y2="high"),
        layer(rows, "line", {**colour, "strokeWidth": 1.5}, x=x, y=y),
        layer(rows, "point", point, x=x, y=y),
    ]


def _names(found: Capacities) -> list[Layer]:
    """Name the curves beside the picture, from top to bottom as they end."""
    ends = [_HEIGHT * (1.0 - (w.learnt[-1].train.value + 0.03) / 1.03) for w in found.widths]
    order = sorted(range(len(ends)), key=lambda k: (ends[k], found.widths[k].n_parameters))
    places = apart([ends[k] + 0.01 * rank for rank, k in enumerate(order)], distance=21, height=_HEIGHT)
    layers = []
    for k, y in zip(order, places, strict=True):
        w = found.widths[k]
        row = [{"y": y, "label": f"{w.n_parameters:,} parameters{f', {w.variant}' if w.variant else ''}"}]
        point = {
            "color": _COLOURS[k % len(_COLOURS)],
            "filled": True,
            "size": 60,
            "opacity": 1,
            "shape": _SHAPES[k % len(_SHAPES)],
        }
        layers.append(layer(row, "point", point, x=_WIDTH + 16, y=in_pixels("y")))
        layers.append(layer(row, "text", {"style": "label"}, x=_WIDTH + 26, y=in_pixels("y"), text={"field": "label"}))
    return layers


def _ticks(low: float, high: float) -> list[float]:
    steps = [float(f"{s}e{d}") for d in range(-6, 7) for s in (1, 2, 5)]
    ticks = [t for t in steps if low <= t <= high]
    return ticks if len(ticks) <= 9 else [t for t in ticks if f"{t:e}"[0] == "1"]
