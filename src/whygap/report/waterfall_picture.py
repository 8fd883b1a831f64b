"""The picture of one epoch: how the score gets from training, as reported, to validation, as reported."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import altair as alt

from whygap.records import EpochGap
from whygap.report.axes import score_title
from whygap.report.figures import TRUE_MINUS, Figures, percent
from whygap.report.labels import Side, validation_side
from whygap.report.steps import Level, Step, ladder_of
from whygap.report.vega import RAW_COLOUR, Layer, Row, as_chart, layer, quantity

WIDTH, ROW, THICK = 190, 30, 18
_HALF_BAR = THICK / ROW / 2
_PART_ROW, _PART_THICK = 0.67, 7  # of a row, and in pixels

Channel = Callable[[str], Row]


def waterfall(gap: EpochGap) -> alt.LayerChart:
    """Draw one epoch's terms as bars that each start where the former ended.

    The first and the last row mark the two reported numbers. Whiskers are the terms' intervals, set at the ends of their bars.
    A pale, dashed bar with a question mark is not reliable. The parts of a term are thin bars under its own.

    Parameters
    ----------
    gap
        One epoch of one score. Terms that are nil are left out.

    Returns
    -------
    altair.LayerChart

    Raises
    ------
    InputError
        If the epoch has no gap.
    """
    rows = ladder_of(gap)
    steps = [row for row in rows if isinstance(row, Step)]
    figures = Figures.of_gaps([gap], minus=TRUE_MINUS)
    bars = bar_rows(steps, figures)
    bottom = bars[-1]["row"] + 1 if bars else 1
    ends = [_end(row, place, figures) for place, row in ((0, rows[0]), (bottom, rows[-1])) if isinstance(row, Level)]
    title, subtitle = _said(gap, steps, figures)
    described = "; ".join(f"{row['label']} {row['value']}" for row in (ends[0], *bars, ends[1]))
    return as_chart(
        _layers(bars, ends, score_title(gap.score)),
        size=(WIDTH, ROW * (bottom + 1)),
        title={"text": title, "subtitle": subtitle, "fontSize": 14},
        description=f"Waterfall of {gap.score.name} in epoch {gap.epoch}: {described}.",
    )


def bar_rows(steps: Sequence[Step], figures: Figures) -> list[Row]:
    """Return the data of the floating bars, one a step and one a part of it, top to bottom."""
    rows: list[Row] = []
    place = 0.0
    for step in (s for whole in steps for s in (whole, *whole.parts)):
        place += _PART_ROW if step.is_part else 1.0
        row = {
            "row": place,
            "start": step.start,
            "end": step.end,
            "label": step.name,
            "value": figures.signed(step.value) + ("" if step.reliable else " ?"),
            "colour": step.label.colour,
            "reliable": step.reliable,
            "is_part": step.is_part,
        }
        if step.term is not None and step.term.estimate.low < step.term.estimate.high:
            row |= {"low": step.start + step.term.estimate.low, "high": step.start + step.term.estimate.high}
        rows.append(row)
    return rows


def _end(level: Level, place: float, figures: Figures) -> Row:
    return {"row": place, "at": level.value, "label": level.label.short, "value": figures.plain(level.value)}


def _layers(bars: Sequence[Row], ends: Sequence[Row], title: str) -> list[Layer]:
    numbers = [float(row[key]) for row in (*ends, *bars) for key in ("at", "start", "end", "low", "high") if key in row]
    margin = 0.05 * (max(numbers) - min(numbers)) or 0.05 * abs(numbers[0]) or 1.0

    def x(field: str) -> Row:
        axis = {"tickCount": 3, "labelOverlap": "parity", "labelSeparation": 8}
        return quantity(field, title=title, axis=axis, scale={"domain": [min(numbers) - margin, max(numbers) + margin]})

    def y(field: str) -> Row:
        return quantity(field, scale={"domain": [-0.5, ends[1]["row"] + 0.5], "reverse": True})

    whole, parts = ([bar for bar in bars if bar["is_part"] == is_part] for is_part in (False, True))
    rows = [*whole, ends[1]]
    links = [
        {"from": above["row"] + _HALF_BAR, "to": below["row"] - _HALF_BAR, "at": above.get("end", above.get("at"))}
        for above, below in itertools.pairwise([ends[0], *rows])
    ]
    reported = {"style": "ink", "orient": "vertical", "size": THICK, "thickness": 3, "opacity": 1}
    return [
        layer(links, "rule", {"style": "quiet", "strokeWidth": 1}, x=x("at"), y=y("from"), y2="to"),
        *_bars(whole, x, y, thick=THICK),
        *_bars(parts, x, y, thick=_PART_THICK),
        layer(ends, "tick", reported, x=x("at"), y=y("row")),
        *_texts(ends, y, {"fontWeight": "bold"}),
        *_texts(whole, y, {}),
        *_texts(parts, y, {"fontSize": 11, "opacity": 0.8}),
    ]


def _bars(bars: Sequence[Row], x: Channel, y: Channel, *, thick: float) -> list[Layer]:
    """Draw bars with their whiskers, those that are not reliable pale and dashed."""
    whiskers = [bar for bar in bars if "low" in bar]
    sure = [bar for bar in bars if bar["reliable"]]
    unsure = [bar for bar in bars if not bar["reliable"]]
    span = {"x": x("start"), "x2": "end", "y": y("row")}
    dashed = {"size": thick, "fillOpacity": 0.3, "strokeDash": [3, 2], "strokeWidth": 1}
    cap = {"style": "ink", "orient": "vertical", "size": 0.4 * thick, "thickness": 1.2, "opacity": 1}
    return [
        layer(sure, "bar", {"size": thick}, **span, color=RAW_COLOUR),
        layer(unsure, "bar", dashed, **span, fill=RAW_COLOUR, stroke=RAW_COLOUR),
        layer(whiskers, "rule", {"style": "ink", "strokeWidth": 1.2}, x=x("low"), x2="high", y=y("row")),
        *(layer(whiskers, "tick", cap, x=x(end), y=y("row")) for end in ("low", "high")),
    ]


def _texts(rows: Sequence[Row], y: Channel, looks: Row) -> list[Layer]:
    return [
        layer(rows, "text", {"style": "label", "align": align, **looks}, x=place, y=y("row"), text={"field": what})
        for what, place, align in (("label", -10, "right"), ("value", WIDTH + 10, "left"))
    ]


def _said(gap: EpochGap, steps: Sequence[Step], figures: Figures) -> tuple[str, list[str]]:
    by = gap.gap.value if gap.gap is not None else 0.0
    side: Side = validation_side(by, gap.score)
    title = f"Epoch {gap.epoch}: " + (
        "both are level" if side == "level" else f"validation looks {side} by {figures.plain(abs(by))}"
    )
    subtitle = []
    if gap.gap is not None and gap.gap.low <= 0 <= gap.gap.high and gap.gap.low < gap.gap.high:
        subtitle.append("Within chance for a validation set of this size.")
    if steps:
        largest = max(steps, key=lambda step: abs(step.value))
        subtitle.append(f"Largest term: {largest.label.short}, {figures.signed(largest.value)}.")
    every = [s for step in steps for s in (step, *step.parts)]
    levels = {s.term.estimate.level for s in steps if s.term is not None and s.term.estimate.low < s.term.estimate.high}
    said = [f"Whiskers: {percent(max(levels))} intervals."] if levels else []
    said += [] if all(s.reliable for s in every) else ["?: not reliable."]
    return title, [*subtitle, *([" ".join(said)] if said else [])]
