"""The picture of redraws: how far the gap moves with each thing that is drawn again, once beside fresh."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from whygap.answers import Redrawn
from whygap.errors import InputError
from whygap.report.axes import score_title
from whygap.report.panels import MEMORISED, size_of
from whygap.report.vega import Layer, as_chart, in_pixels, layer, quantity

_WIDTH, _ROW, _BAR = 430, 46, 15
_FRESH = "#0072b2"
_MOST = 3.0  # how far whiskers may stretch the picture, in lengths of the longest bar


def deviations(found: Sequence[Redrawn]) -> alt.LayerChart:
    """Draw the standard deviations of the reported gap by what was redrawn, one bar for each regime.

    Parameters
    ----------
    found
        One network and number of examples in one regime or more.

    Raises
    ------
    InputError
        If there is nothing to draw.
    """
    if not found:
        raise InputError("nothing was redrawn: there is nothing to draw")
    regimes = sorted(found, key=lambda r: (r.regime == "fresh", r.regime))
    names = list(dict.fromkeys(name for r in regimes for name in r.of))
    longest = max(e.value for r in regimes for e in r.of.values()) or 1.0
    most = min(max(e.high for r in regimes for e in r.of.values()), _MOST * longest)
    x = quantity(
        "x",
        title=f"standard deviation of the gap in {score_title(found[0].score)}",
        axis={"tickCount": 6},
        scale={"domain": [0.0, 1.03 * most]},
    )
    row_height = _ROW if len(regimes) > 1 else 30
    height = float(row_height * len(names))
    layers: list[Layer] = []
    for k, r in enumerate(regimes):
        colour = _FRESH if r.regime == "fresh" else MEMORISED
        shift = (k - (len(regimes) - 1) / 2) * (_BAR + 3)
        rows = [
            {
                "x": e.value,
                "zero": 0.0,
                "low": min(e.low, most),
                "high": min(e.high, most),
                "y": (names.index(name) + 0.5) * row_height + shift,
            }
            for name, e in r.of.items()
        ]
        at = {"y": in_pixels("y")}
        layers.append(layer(rows, "bar", {"color": colour, "opacity": 0.55, "height": _BAR}, x=x, x2="zero", **at))
        layers.append(layer(rows, "rule", {"style": "ink", "strokeWidth": 1.5}, x={**x, "field": "low"}, x2="high", **at))
        key = [{"y": 10 + 22 * k, "label": r.regime}]
        layers.append(layer(key, "square", {"color": colour, "opacity": 0.55, "size": 160}, x=_WIDTH + 20, y=in_pixels("y")))
        layers.append(layer(key, "text", {"style": "label"}, x=_WIDTH + 34, y=in_pixels("y"), text={"field": "label"}))
    labels = [{"y": (k + 0.5) * row_height, "label": name} for k, name in enumerate(names)]
    layers.append(layer(labels, "text", {"style": "label", "align": "right"}, x=-10, y=in_pixels("y"), text={"field": "label"}))
    title, subtitle = _said(regimes)
    return as_chart(
        layers,
        size=(_WIDTH, height),
        title={"text": title, "subtitle": subtitle},
        description=f"Standard deviations of the gap by what is redrawn. {title}. {' '.join(subtitle)}",
    )


def _said(found: Sequence[Redrawn]) -> tuple[str, list[str]]:
    one = found[0]
    what = size_of(one.n_parameters, one.n) + (f", {one.variant}" if one.variant else "")
    gaps = " and ".join(f"{r.gap.value:+.3g} {r.regime}" for r in found).replace("-", "\N{MINUS SIGN}")
    return f"How far the gap is the luck of the draw: {what}", [
        f"After {one.epochs} epochs the gap as reported is {gaps}, in the mean.",
        "Lines are 95 % intervals. From look to look: in the second half, what drifts left out.",
    ]
