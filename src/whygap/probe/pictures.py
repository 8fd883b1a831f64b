"""Pictures of a probe: the gap in each training, the curves of the training as given, and what is learnt of random labels."""

from __future__ import annotations

import altair as alt

from whygap.probe.answer import ProbeAnswer
from whygap.records import Estimate, Score
from whygap.report.axes import ScoreScale, apart, epoch_axis
from whygap.report.figures import TRUE_MINUS
from whygap.report.theme import TRAINING
from whygap.report.vega import Layer, Row, as_chart, in_pixels, layer, quantity
from whygap.trials import Trial

WIDTH, HEIGHT, ROW = 420, 240, 28


def draw_gaps(answer: ProbeAnswer) -> alt.LayerChart:
    """Draw the gap of every training on true labels, with its interval: what was changed is what makes the difference."""
    named = [(t, answer.gaps[str(t.settings["training"])]) for t in answer.trials if "labels" not in t.settings]
    low, high = min(0.0, *(g.low for _, g in named)), max(0.0, *(g.high for _, g in named))
    margin = 0.05 * (high - low) or 1.0
    scale = {"domain": [low - margin, high + margin]}
    x = quantity("low", title=f"validation {TRUE_MINUS} training loss", axis={"tickCount": 6}, scale=scale)
    rows = [_gap_row(t, g, place) for place, (t, g) in enumerate(named)]
    y, size = in_pixels("y"), (WIDTH, ROW * len(rows))
    names = [{"label": r["label"], "y": r["y"]} for r in rows]
    return as_chart(
        [
            layer([{"low": 0.0}], "rule", {"style": "ink", "strokeWidth": 1, "opacity": 0.5}, x=x),
            layer(rows, "rule", {"color": TRAINING, "strokeWidth": 5, "opacity": 0.35}, x=x, x2="high", y=y),
            layer(rows, "point", {"color": TRAINING, "filled": True, "size": 60, "opacity": 1}, x={**x, "field": "value"}, y=y),
            layer(names, "text", {"style": "label"}, x=WIDTH + 12, y=y, text={"field": "label"}),
        ],
        size=size,
        title={
            "text": "The gap with one thing changed at a time",
            "subtitle": "Bars are 95 % intervals, for other draws of both sets.",
        },
        description="; ".join(f"{r['label']}: {g}" for r, (_, g) in zip(rows, named, strict=True)),
    )


def draw_curves(answer: ProbeAnswer) -> alt.LayerChart:
    """Draw training and validation loss of the training as given, and what it was taken further to."""
    trial = answer.trials[0]
    curve = trial.curve()
    assert curve is not None
    scale = ScoreScale.for_values((*curve.train, *curve.valid), may_be_log=True)
    is_further = trial.epoch[-1] > answer.epochs
    looks = {"training": {"color": TRAINING, "strokeWidth": 2}, "validation": {"style": "ink", "strokeWidth": 2}}
    values = {"training": curve.train, "validation": curve.valid}
    x = epoch_axis("x", trial.epoch, margin=0.02 * (trial.epoch[-1] - trial.epoch[0]))
    layers: list[Layer] = []
    if is_further:
        end = [{"x": answer.epochs, "low": scale.low, "high": scale.high}]
        dashed = {"style": "quiet", "strokeDash": [3, 3], "strokeWidth": 1}
        layers.append(layer(end, "rule", dashed, x=x, y=scale.axis("low", curve.score), y2="high"))
    for name, row in values.items():
        rows = [{"x": epoch, "y": value} for epoch, value in zip(trial.epoch, row, strict=True)]
        mark = "line" if len(rows) > 1 else "point"
        layers.append(layer(rows, mark, looks[name], x=x, y=scale.axis("y", curve.score)))  # type: ignore[arg-type]  # one of two
    places = apart([scale.pixel(row[-1], HEIGHT) for row in values.values()], distance=18, height=HEIGHT)
    layers += [
        layer([{"label": name}], "text", {"style": "label"}, x=WIDTH + 12, y=place, text={"field": "label"})
        for name, place in zip(values, places, strict=True)
    ]
    beyond = f"As given it ends at epoch {answer.epochs}, at the dashed line." if is_further else ""
    subtitle = " ".join(filter(None, ["Both are scored at the end of each epoch, in eval mode.", beyond]))
    return as_chart(
        layers,
        size=(WIDTH, HEIGHT),
        title={"text": "The training as given" + (", and taken further" if is_further else ""), "subtitle": subtitle},
        description=f"Training loss ends at {curve.train[-1]:.4g}, validation loss at {curve.valid[-1]:.4g}. {subtitle}",
    )


def draw_random_labels(answer: ProbeAnswer) -> alt.LayerChart | None:
    """Draw the training score on random labels over the epochs: errors of classes, else the loss; None if none were learnt."""
    trials = [t for t in answer.trials if "labels" in t.settings]
    if not trials:
        return None
    name = "error" if all(t.curve("error") is not None for t in trials) else "loss"
    drawn = sorted(((int(t.settings["n"]), t.epoch, _train(t, name)) for t in trials), reverse=True)
    highest = max(v for _, _, row in drawn for v in row)
    scale = ScoreScale(0.0, 1.05 * highest or 1.0, False)
    epochs = sorted({e for _, epoch, _ in drawn for e in epoch})
    x = epoch_axis("x", epochs, margin=0.02 * (epochs[-1] - epochs[0]))
    layers: list[Layer] = []
    places = apart([scale.pixel(row[-1], HEIGHT) for _, _, row in drawn], distance=18, height=HEIGHT)
    for (n, epoch, row), place, strength in zip(drawn, places, (1.0, 0.65, 0.4), strict=False):
        rows = [{"x": e, "y": v} for e, v in zip(epoch, row, strict=True)]
        y = scale.axis("y", Score(name="training error" if name == "error" else "training loss"))
        layers.append(layer(rows, "line" if len(rows) > 1 else "point", {"color": TRAINING, "opacity": strength}, x=x, y=y))
        label = [{"label": f"{n:,} examples"}]
        layers.append(layer(label, "text", {"style": "label"}, x=WIDTH + 12, y=place, text={"field": "label"}))
    title = {"text": "Random labels", "subtitle": "What is learnt of them is learnt by heart: at 0, all of it."}
    ends = "; ".join(f"{n:,} examples: {row[-1]:.3g}" for n, _, row in drawn)
    return as_chart(
        layers, size=(WIDTH, HEIGHT), title=title, description=f"Training {name} on random labels at the end: {ends}"
    )


def _gap_row(trial: Trial, gap: Estimate, place: int) -> Row:
    y = ROW * (place + 0.5)
    return {"label": trial.settings["training"], "value": gap.value, "low": gap.low, "high": gap.high, "y": y}


def _train(trial: Trial, name: str) -> tuple[float, ...]:
    curve = trial.curve(name)
    assert curve is not None
    return curve.train
