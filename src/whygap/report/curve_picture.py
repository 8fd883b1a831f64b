"""The picture of a run: training as reported, training as it stood at the end of each epoch, and validation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from whygap.errors import InputError
from whygap.records import EpochGap, Estimate, Run, RungName
from whygap.report.axes import ScoreScale, apart, epoch_axis
from whygap.report.figures import percent
from whygap.report.labels import RUNG_LABELS, TRAIN_RUNGS, Side, validation_side
from whygap.report.theme import TRAINING
from whygap.report.vega import Layer, Row, as_chart, in_pixels, layer

WIDTH, HEIGHT = 540, 280
_MOST_POINTS = 40
_SIDES: dict[Side, str] = {"better": "better", "worse": "worse", "level": "level with training"}
_SCORED: dict[RungName, str] = {
    "data": "without its penalty",
    "visited": "with every visit counted once",
    "end_weights": "with the end-of-epoch weights",
    "eval_mode": "with the end-of-epoch weights in eval mode",
    "clean_view": "in eval mode without augmentation",
    "valid_criterion": "by validation's own criterion",
    "valid_weights": "with validation's own weights",
}


@dataclass(frozen=True)
class _Curve:
    """A named line: its values by epoch, some of them with an interval, and the looks of the line and of its points."""

    label: str
    values: Mapping[int, Estimate | float]
    line: dict[str, Any]
    point: dict[str, Any]

    def value(self, epoch: int) -> float:
        at = self.values[epoch]
        return at.value if isinstance(at, Estimate) else at


def curves(run: Run, score: str | None = None) -> alt.LayerChart:
    """Draw the curves of one score over the epochs.

    Shows training as reported, training on the deepest rung of the ladder that was measured (the fairest to set against
    validation) with its interval as a band, and validation as reported. Where a number is missing, the line has a gap.

    Parameters
    ----------
    run
        The run.
    score
        The score's name; by default the first one recorded.

    Returns
    -------
    altair.LayerChart
        The score is on a log scale where it falls by more than an order of magnitude.

    Raises
    ------
    InputError
        If no epoch of that score has a reported number.
    """
    gaps = run.of(score)
    drawn = [c for c in _curves_of(gaps) if c.values]
    if not drawn:
        raise InputError(f"run {run.id} has no numbers of {score or 'any score'} to draw")
    what = gaps[0].score
    epochs = sorted({e for c in drawn for e in c.values})
    scale = ScoreScale.for_values((c.value(e) for c in drawn for e in c.values), may_be_log=not what.higher_is_better)
    x = epoch_axis("x", epochs, margin=0.02 * (epochs[-1] - epochs[0]))
    layers: list[Layer] = []
    for curve in drawn:
        rows = _rows(curve, gaps, scale)
        layers.append(_band(rows, x, scale.axis("low", what)))
        layers += _line(curve, rows, x, scale.axis("y", what), dots=len(epochs) <= _MOST_POINTS)
    title, subtitle = _said(gaps)
    return as_chart(
        [*layers, *_names(drawn, scale)],
        size=(WIDTH, HEIGHT),
        title={"text": title, "subtitle": subtitle},
        description=f"Curves of {what.name} over {len(epochs)} epochs. {title}. {' '.join(subtitle)}",
    )


def deepest_train_rung(gaps: Sequence[EpochGap]) -> RungName | None:
    """Return the last train-side rung, of those measured in the most epochs: the one to set against validation."""
    counts = Counter(r.name for g in gaps for r in g.rungs if r.name in TRAIN_RUNGS)
    return max(counts, key=lambda name: (counts[name], TRAIN_RUNGS.index(name)), default=None)


def _curves_of(gaps: Sequence[EpochGap]) -> list[_Curve]:
    rung = deepest_train_rung(gaps)
    reported = _Curve(
        "training\nas reported",
        {g.epoch: g.train_reported for g in gaps if g.train_reported is not None},
        {"color": TRAINING, "strokeDash": [5, 4], "strokeWidth": 1.5},
        {"style": "hollow", "stroke": TRAINING, "strokeWidth": 1.5},
    )
    valid = _Curve(
        "validation\nas reported",
        {g.epoch: g.valid_reported for g in gaps if g.valid_reported is not None},
        {"style": "ink", "strokeWidth": 2},
        {"style": "ink"},
    )
    if rung is None:
        return [reported, valid]
    measured = {g.epoch: e for g in gaps if (e := g.rung(rung)) is not None}
    looks = {"color": TRAINING}
    return [reported, _Curve(f"training\n{RUNG_LABELS[rung].short}", measured, {**looks, "strokeWidth": 2}, looks), valid]


def _rows(curve: _Curve, gaps: Sequence[EpochGap], scale: ScoreScale) -> list[Row]:
    """Return a curve's data, its unbroken pieces numbered so that no line bridges an epoch whose number is missing."""
    rows: list[Row] = []
    piece = 0
    for gap in gaps:
        if gap.epoch not in curve.values:
            piece += 1
            continue
        row = {"x": gap.epoch, "y": curve.value(gap.epoch), "piece": piece}
        at = curve.values[gap.epoch]
        if isinstance(at, Estimate) and at.low < at.high:
            row |= {"low": scale.clip(at.low), "high": scale.clip(at.high)}
        rows.append(row)
    return rows


def _band(rows: Sequence[Row], x: Row, y: Row) -> Layer:
    banded = [row for row in rows if "low" in row]
    looks = {"color": TRAINING, "opacity": 0.22}
    if len(rows) == 1:
        return layer(banded, "rule", {**looks, "strokeWidth": 6}, x=x, y=y, y2="high")
    return layer(banded, "area", looks, x=x, y=y, y2="high", detail={"field": "piece", "type": "nominal"})


def _line(curve: _Curve, rows: Sequence[Row], x: Row, y: Row, *, dots: bool) -> tuple[Layer, Layer]:
    length = Counter(row["piece"] for row in rows)
    dotted = [row for row in rows if dots or length[row["piece"]] == 1]
    return (
        layer(rows, "line", curve.line, x=x, y=y, detail={"field": "piece", "type": "nominal"}),
        layer(dotted, "point", {**curve.point, "filled": True, "size": 36, "opacity": 1}, x=x, y=y),
    )


def _names(drawn: Sequence[_Curve], scale: ScoreScale) -> list[Layer]:
    """Name each curve at its right end, with a stroke of its own kind, rather than in a legend."""
    places = apart([scale.pixel(c.value(max(c.values)), HEIGHT) for c in drawn], distance=36, height=HEIGHT)
    layers = []
    for curve, place in zip(drawn, places, strict=True):
        row = [{"label": curve.label, "from": WIDTH + 12, "to": WIDTH + 32}]
        text = {"style": "label", "lineBreak": "\n", "lineHeight": 15, "dy": -7}
        layers.append(layer(row, "rule", curve.line, x=in_pixels("from"), x2="to", y=place))
        layers.append(layer(row, "text", text, x=WIDTH + 38, y=place, text={"field": "label"}))
    return layers


def _said(gaps: Sequence[EpochGap]) -> tuple[str, list[str]]:
    """Say the point of the picture by counting: no more than the numbers bear."""
    what = gaps[0].score
    sides = [validation_side(g.gap.value, what) for g in gaps if g.gap is not None]
    if not sides:
        return f"The {what.name} as reported; no epoch has both numbers", []
    side = max(_SIDES, key=sides.count)
    title = f"As reported, validation looks {_SIDES[side]}{counted(sides.count(side), len(sides))}"
    rung = deepest_train_rung(gaps)
    if rung is None:
        return title, ["How training stood at the end of each epoch was not measured."]
    pairs = [(g.valid_reported - e.value) for g in gaps if (e := g.rung(rung)) is not None and g.valid_reported is not None]
    again = [validation_side(difference, what) for difference in pairs]
    subtitle = []
    if again:
        side = again[0] if len(again) == 1 else side
        count = counted(again.count(side), len(again))
        subtitle.append(f"Beside training scored {_SCORED[rung]}, it looks {_SIDES[side]}{count}.")
    levels = {e.level for g in gaps if (e := g.rung(rung)) is not None and e.low < e.high}
    if levels:
        subtitle.append(f"The band is that score's {percent(max(levels))} interval.")
    return title, subtitle


def counted(part: int, whole: int) -> str:
    """Say in how many epochs something holds, or nothing where there is only one."""
    if whole == 1:
        return ""
    return f" in all {whole} epochs" if part == whole else f" in {part or 'none'} of {whole} epochs"
