"""The picture of overfitting: how much better training examples score than unseen ones, epoch by epoch, with both bands."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

import altair as alt

from whygap.errors import InputError
from whygap.records import Look, Score, Verdict
from whygap.report.axes import ScoreScale, epoch_axis, score_title
from whygap.report.curve_picture import WIDTH, counted
from whygap.report.labels import CAUSE_LABELS
from whygap.report.looks import level_of, name_of
from whygap.report.vega import Layer, Row, as_chart, in_pixels, layer

HEIGHT = 220
_HEADROOM = 26  # pixels above the bands, for the name of the mark
_MOST_POINTS = 40
_MOST_SPANS = 1.0  # how far outer bands may stretch the picture to either side, in heights of all that is inside them
_ALONE, _TOGETHER, _EDGE = {"opacity": 0.36}, {"opacity": 0.15}, {"strokeDash": [2, 2], "strokeWidth": 1}
_INSIDE = {"clip": True}
_SINCE = {"style": "ink", "strokeWidth": 1.2, "strokeDash": [5, 3]}


def overfitting_over_epochs(verdict: Verdict) -> alt.LayerChart:
    """Draw the looks behind a verdict's answer on overfitting.

    The inner band is each epoch's interval for that epoch alone, the outer one holds for all epochs together. Overfitting is
    where the outer one leaves zero out. The epoch since when it does is marked.

    Parameters
    ----------
    verdict
        The answer for one score of a run.

    Returns
    -------
    altair.LayerChart
        Bands that are very wide, as with few degrees of freedom, are cut at the picture's edge.

    Raises
    ------
    InputError
        If unseen examples were scored in no epoch, so that there are no looks.
    """
    looks, score = verdict.overfitting.looks, verdict.score
    if not looks:
        raise InputError(f"unseen examples were scored in no epoch of {score.name}: there is nothing to draw")
    scale = _scale(looks)
    epochs = [look.epoch for look in looks]
    x = epoch_axis("x", epochs, margin=0.02 * (epochs[-1] - epochs[0]))
    y = {**scale.axis("y", score), "title": _difference(looks, score)}
    rows = look_rows(looks, scale)
    colour = CAUSE_LABELS[looks[-1].cause].colour
    title, subtitle = _said(verdict, rows)
    return as_chart(
        [
            *_bands(rows, x, y, colour),
            layer([{"zero": 0}], "rule", {"style": "ink", "strokeWidth": 1}, y="zero"),
            *_since(verdict.overfitting.since_epoch, epochs, x),
            *_values(rows, x, y, colour),
            *_key(colour),
        ],
        size=(WIDTH, HEIGHT),
        title={"text": title, "subtitle": subtitle},
        description=f"{name_of(looks).capitalize()} in {score.name} over {len(looks)} epochs. {title}. {' '.join(subtitle)}",
    )


def _scale(looks: Sequence[Look]) -> ScoreScale:
    """Return a scale that holds zero and every epoch's own interval, and as much of the outer ones as leaves those legible."""
    sure = [look for look in looks if look.estimate.reliable] or list(looks)
    ends = [0.0, *(look.estimate.value for look in looks), *(x for o in sure for x in (o.estimate.low, o.estimate.high))]
    low, high = min(ends), max(ends)
    span = _MOST_SPANS * (high - low)
    low, high = max(min(low, *(o.low for o in looks)), low - span), min(max(high, *(o.high for o in looks)), high + span)
    margin = 0.05 * (high - low) or 1.0
    return ScoreScale(low - margin, high + max(margin, (high - low) * _HEADROOM / HEIGHT), log=False)


def look_rows(looks: Sequence[Look], scale: ScoreScale) -> list[Row]:
    """Return the picture's data, a row a look; no band bridges epochs without a look, which `piece` numbers."""
    rows: list[Row] = []
    steps = [b.epoch - a.epoch for a, b in itertools.pairwise(looks)]
    piece = 0
    for place, look in enumerate(looks):
        piece += place > 0 and steps[place - 1] > min(steps)
        e = look.estimate
        ends = {"low": e.low, "high": e.high, "lowest": look.low, "highest": look.high}
        is_cut = min(ends.values()) < scale.low or max(ends.values()) > scale.high
        rows.append({"x": look.epoch, "y": e.value, **ends, "piece": piece, "reliable": e.reliable, "is_cut": is_cut})
    return rows


def _bands(rows: Sequence[Row], x: Row, y: Row, colour: str) -> list[Layer]:
    """Draw both bands, and the ends of the outer one as fine lines, since a pale ground alone is hard to see."""
    length = Counter(row["piece"] for row in rows)
    long = [row for row in rows if length[row["piece"]] > 1]
    single = [row for row in rows if length[row["piece"]] == 1]
    pieces = {"field": "piece", "type": "nominal"}
    layers = []
    for low, high, looks in (("lowest", "highest", _TOGETHER), ("low", "high", _ALONE)):
        ends = {"x": x, "y": {**y, "field": low}, "y2": high}
        layers.append(layer(long, "area", {"color": colour, **looks, **_INSIDE}, **ends, detail=pieces))
        layers.append(layer(single, "rule", {"color": colour, "strokeWidth": 10, **looks, **_INSIDE}, **ends))
    for end in ("lowest", "highest"):
        at = {"x": x, "y": {**y, "field": end}}
        layers.append(layer(long, "line", {"color": colour, **_EDGE, **_INSIDE}, **at, detail=pieces))
        tick = {"color": colour, "orient": "horizontal", "size": 10, "thickness": 1, "opacity": 1, **_INSIDE}
        layers.append(layer(single, "tick", tick, **at))
    return layers


def _values(rows: Sequence[Row], x: Row, y: Row, colour: str) -> list[Layer]:
    line = layer(rows, "line", {"color": colour, "strokeWidth": 2}, x=x, y=y, detail={"field": "piece", "type": "nominal"})
    point = {"filled": True, "size": 36, "opacity": 1}
    length = Counter(row["piece"] for row in rows)
    sure = [row for row in rows if row["reliable"] and (len(rows) <= _MOST_POINTS or length[row["piece"]] == 1)]
    unsure = [row for row in rows if not row["reliable"]]
    hollow = {**point, "style": "hollow", "stroke": colour, "strokeWidth": 1.5}
    return [line, layer(sure, "point", {**point, "color": colour}, x=x, y=y), layer(unsure, "point", hollow, x=x, y=y)]


def _since(since: int | None, epochs: Sequence[int], x: Row) -> list[Layer]:
    """Mark the epoch since when it overfits, named on the side that has room."""
    if since is None:
        return []
    is_left = 2 * since <= epochs[0] + epochs[-1]
    row = [{"x": since, "label": f"since epoch {since}"}]
    text = {"style": "label", "align": "left" if is_left else "right", "dx": 6 if is_left else -6}
    return [layer(row, "rule", _SINCE, x=x), layer(row, "text", text, x=x, y=8, text={"field": "label"})]


def _key(colour: str) -> list[Layer]:
    """Name the bands beside the picture."""
    rows = [{"y": 14, "label": "each epoch\nalone"}, {"y": 56, "label": "all epochs\ntogether"}]
    x, y = WIDTH + 20, in_pixels("y")
    swatch = {"color": colour, "size": 200}
    text = {"style": "label", "lineBreak": "\n", "lineHeight": 15, "dy": -7}
    return [
        layer(rows[:1], "square", {**swatch, **_ALONE}, x=x, y=y),
        layer(rows, "square", {**swatch, **_TOGETHER}, x=x, y=y),
        layer(rows[1:], "square", {**swatch, **_EDGE, "filled": False, "opacity": 1}, x=x, y=y),
        layer(rows, "text", text, x=WIDTH + 38, y=y, text={"field": "label"}),
    ]


def _said(verdict: Verdict, rows: Sequence[Row]) -> tuple[str, list[str]]:
    """Say the point of the picture by counting: no more than the looks bear."""
    looks, since = verdict.overfitting.looks, verdict.overfitting.since_epoch
    count = sum(look.overfits for look in looks)
    if since is not None and count < len(looks):
        title = f"Overfitting shows since epoch {since}"
    elif len(looks) == 1:
        title = "Overfitting shows" if count else "Overfitting doesn't show"
    else:
        title = f"Overfitting shows{counted(count, len(looks))}"
    side = "below" if verdict.score.higher_is_better else "above"
    subtitle = [f"It shows where the outer band lies wholly {side} zero: unseen examples then score worse than training ones."]
    subtitle.append(f"Both bands are {level_of(looks)} intervals: the inner for each epoch alone, the outer for all together.")
    said = [] if all(row["reliable"] for row in rows) else ["Hollow points aren't reliable."]
    said += ["Bands that reach beyond the picture are cut."] if any(row["is_cut"] for row in rows) else []
    return title, [*subtitle, *([" ".join(said)] if said else [])]


def _difference(looks: Sequence[Look], score: Score) -> str:
    unseen = {"memorisation": "fresh", "generalisation": "validation"}
    names = {unseen[look.cause] for look in looks}
    return f"{names.pop() if len(names) == 1 else 'unseen'} \N{MINUS SIGN} training {score_title(score)}"
