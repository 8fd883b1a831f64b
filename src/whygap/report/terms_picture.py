"""The picture of all epochs: what each cause adds to the gap, and the reported gap over it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import altair as alt

from whygap.errors import InputError
from whygap.records import EpochGap, Run
from whygap.report.axes import epoch_axis, score_title
from whygap.report.curve_picture import HEIGHT, WIDTH, counted
from whygap.report.labels import CAUSE_LABELS, UNATTRIBUTED, Label
from whygap.report.steps import Shown, shown_of
from whygap.report.vega import RAW_COLOUR, Layer, Row, as_chart, in_pixels, layer

_MARGIN = 0.6
_MOST_SEPARATE = 60
_DIAMOND = {"style": ["ink", "apart"], "filled": True, "shape": "diamond", "size": 80, "strokeWidth": 1, "opacity": 1}
_LINE = {"style": "ink", "strokeWidth": 1.8}


def terms_over_epochs(run: Run, score: str | None = None) -> alt.LayerChart:
    """Draw every epoch's terms as a stack, up and down from nought, with the reported gap as a point over it.

    Terms that push the gap up stand on each other above nought, those that pull it down hang below; the point lies at their
    sum. Many epochs get a line rather than points.

    Parameters
    ----------
    run
        The run.
    score
        The score's name; by default the first one recorded.

    Returns
    -------
    altair.LayerChart
        In each stack the causes lie in the order of the ladder, from nought outwards.

    Raises
    ------
    InputError
        If no epoch of that score has a gap.
    """
    gaps = [g for g in run.of(score) if g.gap is not None]
    if not gaps:
        raise InputError(f"run {run.id} has no epoch with a gap of {score or 'any score'} to draw")
    what = gaps[0].score
    shown = shown_of(gaps)
    bars = stack_rows(gaps, shown)
    x, left = (epoch_axis(field, [g.epoch for g in gaps], margin=_MARGIN) for field in ("x", "left"))
    y = {"field": "bottom", "type": "quantitative", "axis": {"tickCount": 6}}
    y["title"] = f"validation \N{MINUS SIGN} training {score_title(what)}"
    few = len(gaps) <= _MOST_SEPARATE
    looks = {"style": "apart", "strokeWidth": 0.7} if few else {}
    labels = [*(CAUSE_LABELS[cause] for cause in shown.causes), *((UNATTRIBUTED,) if shown.has_rest else ())]
    title, subtitle = _said(gaps, few=few)
    return as_chart(
        [
            layer(bars, "bar", {"binSpacing": 0, **looks}, x=left, x2="right", y=y, y2="top", color=RAW_COLOUR),
            layer([{"zero": 0}], "rule", {"style": "ink", "strokeWidth": 1}, y="zero"),
            *_gap_layers(gaps, x, few=few),
            *_key(labels, few=few),
        ],
        size=(WIDTH, HEIGHT),
        title={"text": title, "subtitle": subtitle},
        description=f"Terms of the gap in {what.name} over {len(gaps)} epochs. {title}. {subtitle}",
    )


def stack_rows(gaps: Sequence[EpochGap], shown: Shown) -> list[Row]:
    """Return the data of the stacked bars: per epoch and cause a piece from `bottom` to `top`, both counted from nought."""
    rows = []
    half = _half_bar([g.epoch for g in gaps])
    for gap in gaps:
        pieces = [(CAUSE_LABELS[t.cause], t.value) for c in shown.causes if (t := gap.term(c)) is not None]
        if shown.has_rest:
            pieces.append((UNATTRIBUTED, gap.unattributed))
        reached = {True: 0.0, False: 0.0}
        for label, value in pieces:
            bottom = reached[value > 0]
            reached[value > 0] = top = bottom + value
            place = {"left": gap.epoch - half, "right": gap.epoch + half}
            rows.append({**place, "bottom": bottom, "top": top, "label": label.short, "colour": label.colour})
    return rows


def _half_bar(epochs: Sequence[int]) -> float:
    """Return half a bar's width in epochs: slim where epochs are few, overlapping without seams where they are many."""
    if len(epochs) > _MOST_SEPARATE:
        return 0.53
    return min(0.38, 0.07 * (max(epochs) - min(epochs) + 2 * _MARGIN))


def _gap_layers(gaps: Sequence[EpochGap], x: Row, *, few: bool) -> list[Layer]:
    # the piece of an unbroken run of epochs is the same number: no line bridges an epoch without a gap
    rows = [{"x": g.epoch, "gap": g.gap.value, "piece": g.epoch - place} for place, g in enumerate(gaps) if g.gap is not None]
    if few:
        return [layer(rows, "point", _DIAMOND, x=x, y="gap")]
    pieces = {"field": "piece", "type": "nominal"}
    halo = {"style": "ground", "strokeWidth": 4}
    return [layer(rows, "line", looks, x=x, y="gap", detail=pieces) for looks in (halo, _LINE)]


def _key(labels: Sequence[Label], *, few: bool) -> list[Layer]:
    """Name the colours beside the picture, in the order of the ladder, the reported gap first."""
    gap: Row = {"label": "reported gap", "y": 8, "from": WIDTH + 13, "to": WIDTH + 27}
    rows = [{"label": label.short, "colour": label.colour, "y": 8 + 22 * place} for place, label in enumerate(labels, 1)]
    y = in_pixels("y")
    return [
        layer([gap], "point", _DIAMOND, x=WIDTH + 20, y=y)
        if few
        else layer([gap], "rule", _LINE, x=in_pixels("from"), x2="to", y=y),
        layer(rows, "square", {"size": 130, "opacity": 1}, x=WIDTH + 20, y=y, color=RAW_COLOUR),
        layer([gap, *rows], "text", {"style": "label"}, x=WIDTH + 34, y=y, text={"field": "label"}),
    ]


def _said(gaps: Sequence[EpochGap], *, few: bool) -> tuple[str, str]:
    direction = "Above" if gaps[0].score.higher_is_better else "Below"
    marks = ("The diamond is" if len(gaps) == 1 else "The diamonds are") if few else "The line is"
    subtitle = f"{direction} zero, validation looks better. {marks} the reported gap, the sum of each epoch's bars."
    largest = Counter(max(g.terms, key=lambda t: abs(t.value)).cause for g in gaps if g.terms)
    if not largest:
        return "No term was measured", subtitle
    cause, count = largest.most_common(1)[0]
    name = CAUSE_LABELS[cause].short
    return f"{name[0].upper()}{name[1:]} is the largest term{counted(count, len(gaps))}", subtitle
