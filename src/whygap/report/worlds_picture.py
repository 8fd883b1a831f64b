"""The picture of two worlds: a set that is reused against fresh examples, their gap, and when reuse begins to hurt."""

from __future__ import annotations

import altair as alt

from whygap.answers import Worlds
from whygap.report.axes import ScoreScale, epoch_axis
from whygap.report.figures import TRUE_MINUS, Figures, percent
from whygap.report.panels import MEMORISED, NamedBand, band_layers, end_names, scale_for, size_of, span_layers
from whygap.report.theme import TRAINING
from whygap.report.vega import as_charts, layer

_WIDTH, _HEIGHT, _GAP_HEIGHT = 430, 200, 130


def real_and_ideal(found: Worlds) -> alt.VConcatChart:
    """Draw one network in both worlds, and below it the gap between them.

    Bands are intervals over seeds. The epoch at which reuse begins to hurt is a dashed line, its interval a pale ground.

    Parameters
    ----------
    found
        One network and number of examples.
    """
    score, epochs = found.score, found.epoch
    x = epoch_axis("x", epochs, margin=0.02 * (epochs[-1] - epochs[0]))
    curves = [
        NamedBand("reused set,\nunseen examples", found.real, {"color": MEMORISED}),
        NamedBand("fresh examples,\nunseen ones", found.ideal, {"style": "ink"}),
        NamedBand("reused set,\ntraining examples", found.train, {"color": TRAINING, "strokeDash": [5, 4]}),
    ]
    scale = scale_for(curves, may_be_log=False)
    gap = NamedBand("the gap", found.bootstrap_gap, {"color": MEMORISED})
    gap_scale = _gap_scale(found)
    title, subtitle = _said(found)
    above = [
        *band_layers(curves, epochs, scale, {**x, "title": None}, scale.axis("y", score)),
        *end_names(curves, scale, width=_WIDTH, height=_HEIGHT),
    ]
    side = -1.0 if score.higher_is_better else 1.0
    below = [
        *(
            span_layers(found.since.low, found.since.value, found.since.high, "reuse hurts", x, (epochs[0], epochs[-1]))
            if found.since
            else []
        ),
        layer([{"zero": 0.0}], "rule", {"style": "ink", "strokeWidth": 1}, y="zero"),
        layer([{"margin": side * found.margin}], "rule", {"style": "quiet", "strokeDash": [2, 3]}, y="margin"),
        *band_layers([gap], epochs, gap_scale, x, {**gap_scale.axis("y", score), "title": "gap"}),
        *end_names([gap], gap_scale, width=_WIDTH, height=_GAP_HEIGHT),
    ]
    return as_charts(
        [(above, (_WIDTH, _HEIGHT)), (below, (_WIDTH, _GAP_HEIGHT))],
        title={"text": title, "subtitle": subtitle},
        description=f"{score.name} over {len(epochs)} epochs in both worlds. {title}. {' '.join(subtitle)}",
    )


def _gap_scale(found: Worlds) -> ScoreScale:
    """Return a scale that holds the mean gap, zero and the margin, and of its band as much as leaves those legible."""
    value = [*found.bootstrap_gap.value, 0.0, found.margin, -found.margin]
    low, high = min(value), max(value)
    span = high - low
    low, high = max(min(found.bootstrap_gap.low), low - span), min(max(found.bootstrap_gap.high), high + span)
    low, high = min(low, *value), max(high, *value)
    return ScoreScale(low - 0.05 * (high - low), high + 0.2 * (high - low), log=False)


def _said(found: Worlds) -> tuple[str, list[str]]:
    what = size_of(found.n_parameters, found.n) + (f", {found.variant}" if found.variant else "")
    last, level = found.epoch[-1], percent(found.bootstrap.level)
    if found.hurts == "yes" and found.since is not None:
        e = found.since
        title = f"Reuse hurts from epoch {e.value:.0f} on ({e.low:.0f} to {e.high:.0f})"
    elif found.hurts == "no":
        title = f"Reuse does not hurt within {last} epochs"
    else:
        title = f"Whether reuse hurts within {last} epochs can't be told"
    e = found.bootstrap
    figures = Figures.fitting([max(abs(e.low), abs(e.high))], minus=TRUE_MINUS)
    gap = figures.signed(e.value) + (f" ({figures.interval(e, between=' to ')})" if e.low < e.high else "")
    seeds = "one seed" if found.n_seeds == 1 else f"{found.n_seeds} seeds"
    return f"{title}: {what}", [
        f"Above: both worlds. Below: their gap, averaged over looks; at the end it is {gap}.",
        f"Bands are {level} intervals over {seeds}. It hurts beyond the dotted line, {found.margin:.2g}.",
    ]
