"""Pictures of when validation turns: one case over its epochs with the forecast made halfway, and all cases side by side."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np

from whygap.answers import Turns
from whygap.errors import InputError
from whygap.report.axes import epoch_axis
from whygap.report.figures import percent
from whygap.report.panels import NamedBand, band_layers, end_names, scale_for, size_of, span_layers
from whygap.report.theme import TRAINING
from whygap.report.vega import Layer, Row, as_chart, in_pixels, layer, quantity

_WIDTH, _HEIGHT = 430, 220
_ROW = 30
FORETOLD = "#188cd4"
"""The colour of forecasts."""


def turn_and_forecast(found: Turns) -> alt.LayerChart:
    """Draw the validation and training curves of one case, when validation turned, and what was foretold from the first half.

    Parameters
    ----------
    found
        One case.
    """
    score, epochs, e, told = found.score, found.epoch, found.turn, found.forecast
    last = max(epochs[-1], min(told.high, 1.4 * epochs[-1]) if told else 0)
    x = epoch_axis("x", [epochs[0], round(last)], margin=0.02 * (last - epochs[0]))
    curves = [
        NamedBand("validation", found.valid, {"style": "ink"}),
        NamedBand("training", found.train, {"color": TRAINING}),
    ]
    scale = scale_for(curves, may_be_log=not score.higher_is_better)
    domain = (float(epochs[0]), float(last))
    title, subtitle = _said(found)
    return as_chart(
        [
            *(span_layers(e.low, e.value, e.high, "validation turns", x, domain) if e else []),
            *band_layers(curves, epochs, scale, x, scale.axis("y", score)),
            *_forecast(found, x, last),
            *end_names(curves, scale, width=_WIDTH, height=_HEIGHT),
        ],
        size=(_WIDTH, _HEIGHT),
        title={"text": title, "subtitle": subtitle},
        description=f"Curves of {score.name} over {len(epochs)} epochs. {title}. {' '.join(subtitle)}",
    )


def _forecast(found: Turns, x: Row, last: float) -> list[Layer]:
    """Draw the forecast as a bar above the axis, from where it was made."""
    if found.forecast is None:
        return []
    e, seen, y = found.forecast, _seen(found), _HEIGHT - 12
    row = [{"seen": seen, "x": min(e.value, last), "low": min(e.low, last), "high": min(e.high, last), "label": "forecast"}]
    look = {"color": FORETOLD, "opacity": 1}
    at = {"x": x, "y": y}
    return [
        layer(row, "rule", {**look, "strokeDash": [2, 3]}, x={**x, "field": "seen"}, x2="low", y=y),
        layer(row, "tick", {**look, "orient": "vertical", "size": 12, "thickness": 2}, x={**x, "field": "seen"}, y=y),
        layer(row, "rule", {**look, "strokeWidth": 4}, x={**x, "field": "low"}, x2="high", y=y),
        layer(row, "point", {**look, "filled": True, "size": 80, "shape": "diamond"}, **at),
        layer(row, "text", {"style": "label", "align": "center", "dy": -14}, **at, text={"field": "label"}),
    ]


def _seen(found: Turns) -> float:
    return float(np.median([run.seen for run in found.runs]))


def _said(found: Turns) -> tuple[str, list[str]]:
    what = size_of(found.n_parameters, found.n) + (f", {found.variant}" if found.variant else "")
    runs, e, told = len(found.runs), found.turn, found.forecast
    if e is not None:
        title = f"Validation turns at epoch {e.value:.0f}" + (f" ({e.low:.0f} to {e.high:.0f})" if e.low < e.high else "")
    elif found.n_turned:
        title = f"Validation turns in {found.n_turned} of {runs} runs"
    else:
        title = f"Validation does not turn within {found.epoch[-1]} epochs"
    world = {"once": "reused", "fresh": "fresh"}.get(found.regime, found.regime)
    level = percent(e.level if e else 0.95)
    lines = [f"Bands, and the ground behind the turn, are {level} intervals over {runs} seeds." if runs > 1 else "One seed."]
    if told is not None:
        ends = f"{told.value:.0f} ({told.low:.0f} to {told.high:.0f} at {percent(told.level)})"
        lines.append(f"Foretold from the first {_seen(found):.0f} epochs: {ends}.")
    elif _seen(found) < 1.0:
        lines.append("It turned at the first look: there was nothing before it to tell it from.")
    elif all(run.forecast.state == "no_turn" for run in found.runs):
        lines.append(f"From the first {_seen(found):.0f} epochs, no turn was expected.")
    else:
        lines.append(f"From the first {_seen(found):.0f} epochs, no forecast could be made in most runs.")
    return f"{title}: {what}, {world}", lines


def all_turns(found: Sequence[Turns]) -> alt.LayerChart:
    """Draw the turn of every case that reuses its examples, and the forecast from its first half, below one another.

    Parameters
    ----------
    found
        The cases; those with fresh examples are left out.

    Raises
    ------
    InputError
        If none reuses its examples.
    """
    cases = [t for t in found if t.regime != "fresh"]
    if not cases:
        raise InputError("no case reuses its examples: there is no turn to draw")
    cases.sort(key=lambda t: (t.turn.value if t.turn else 1e9, t.forecast.value if t.forecast else 1e9, -t.ratio))
    last = max(t.epoch[-1] for t in cases)
    starts = [e.low for t in cases for e in (t.turn, t.forecast) if e is not None]
    first = max(1.0, min([*starts, last / 8]) / 1.2)
    far = max([last, *(min(e.high, 2.5 * last) for t in cases if (e := t.forecast))])
    x = _log_epochs(first, far)
    height = float(_ROW * len(cases))
    rows = [_case(t, _ROW * (k + 0.5), first, far) for k, t in enumerate(cases)]
    turned, still = [r for r in rows if "turn" in r], [r for r in rows if "turn" not in r]
    told = [r for r in rows if "told" in r]
    count = sum(t.turn is not None for t in cases)
    text = {"style": "label", "align": "right"}
    look = {"color": FORETOLD, "opacity": 1}
    upper, lower = {"y": in_pixels("upper")}, {"y": in_pixels("lower")}
    layers = [
        layer([{"x": last}], "rule", {"style": "quiet", "strokeDash": [2, 3]}, x={**x, "field": "x"}),
        layer(rows, "text", text, x=-10, y=in_pixels("y"), text={"field": "label"}),
        layer(turned, "rule", {"style": "ink", "strokeWidth": 3}, x={**x, "field": "turn_low"}, x2="turn_high", **upper),
        layer(turned, "point", {"style": "ink", "filled": True, "size": 60, "opacity": 1}, x={**x, "field": "turn"}, **upper),
        layer(
            still,
            "text",
            {"style": "label", "dx": 6, "fontSize": 11},
            x=in_pixels("none_at"),
            y=in_pixels("y"),
            text={"field": "none"},
        ),
        layer(told, "rule", {**look, "strokeWidth": 3}, x={**x, "field": "told_low"}, x2="told_high", **lower),
        layer(told, "point", {**look, "filled": True, "size": 60, "shape": "diamond"}, x={**x, "field": "told"}, **lower),
        *_key(),
    ]
    title = f"Validation turns in {count or 'none'} of {len(cases)} cases within {last} epochs"
    return as_chart(
        layers,
        size=(_WIDTH, height),
        title={"text": title, "subtitle": [
            "The turn with its 95 % interval over seeds, the forecast with its 90 % one; the dotted line is where runs end.",
            "Forecasts are made from half of the epochs before the turn; without one, from half of the run.",
        ]},
        description=f"Epochs of the turn of validation, and forecasts of it, in {len(cases)} cases. {title}.",
    )  # fmt: skip


def _case(t: Turns, y: float, first: float, last: float) -> Row:
    row: Row = {"label": size_of(t.n_parameters, t.n), "y": y, "upper": y - 5, "lower": y + 6, "none_at": 0}

    def clip(value: float) -> float:
        return min(max(value, first), last)

    if (e := t.turn) is not None:
        row |= {"turn": clip(e.value), "turn_low": clip(e.low), "turn_high": clip(e.high)}
    else:
        expects_none = 2 * sum(run.forecast.state == "no_turn" for run in t.runs) > len(t.runs)
        seen = f"turns in {t.n_turned} of {len(t.runs)} runs" if t.n_turned else "no turn"
        row["none"] = f"{seen}, none expected" if expects_none else seen
    if (e := t.forecast) is not None:
        row |= {"told": clip(e.value), "told_low": clip(e.low), "told_high": clip(e.high)}
    return row


def _log_epochs(first: float, last: float) -> Row:
    steps = [s * 10**d for d in range(7) for s in (1, 2, 5)]
    ticks = [t for t in steps if first <= t <= last]
    axis = {"values": ticks, "format": "~d", "grid": True, "labelOverlap": False}
    return quantity("x", title="epoch, log scale", axis=axis, scale={"type": "log", "domain": [first / 1.1, last * 1.1]})


def _key() -> list[Layer]:
    x, y = _WIDTH + 18, in_pixels("y")
    rows = [{"y": 12, "label": "turn"}, {"y": 34, "label": "forecast"}]
    return [
        layer(rows[:1], "point", {"style": "ink", "filled": True, "size": 60, "opacity": 1}, x=x, y=y),
        layer(rows[1:], "point", {"color": FORETOLD, "filled": True, "size": 60, "shape": "diamond", "opacity": 1}, x=x, y=y),
        layer(rows, "text", {"style": "label"}, x=x + 12, y=y, text={"field": "label"}),
    ]
