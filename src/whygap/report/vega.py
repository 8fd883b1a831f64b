"""Vega-Lite in a few words: a layer is data with a mark and channels, and layers on each other make a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import altair as alt

from whygap.report.theme import on_white

Row = dict[str, Any]
Mark = Literal["area", "bar", "line", "point", "rule", "square", "text", "tick"]
Layer = alt.Chart

RAW_COLOUR = {"field": "colour", "type": "nominal", "scale": None, "legend": None}
"""A channel whose field holds the colour itself. Pictures name their colours beside the plot, so no legend is made."""


def layer(rows: Iterable[Row], mark: Mark, style: dict[str, Any] | None = None, /, **channels: Any) -> Layer:
    """Return one layer.

    Parameters
    ----------
    rows
        The data, one mark a row.
    mark
        The kind of mark.
    style
        Further properties of the mark; its "style" may name one of the theme's styles.
    channels
        From channel to its definition: a field's name for numbers, a number for a place in pixels, or a whole definition.
    """
    encoding = {name: _channel(name, definition) for name, definition in channels.items()}
    # Not `from_dict`, which searches the schema for a class for every value: 0.2 to 0.9 s a picture.
    return alt.Chart(alt.InlineData(values=list(rows)), alt.FacetedEncoding(**encoding), alt.MarkDef(mark, **(style or {})))


def _channel(name: str, definition: Any) -> dict[str, Any]:
    if isinstance(definition, str):
        # a second end shares the kind of its first
        return {"field": definition} if name in ("x2", "y2") else {"field": definition, "type": "quantitative"}
    return {"value": definition} if isinstance(definition, int | float) else dict(definition)


def quantity(
    field: str, *, title: str | None = None, axis: dict[str, Any] | None = None, scale: dict[str, Any] | None = None
) -> Row:
    """Return a channel for numbers on a scale that starts and ends where it is told to; without `axis` none is drawn."""
    exact = None if scale is None else {"nice": False, "zero": False, "padding": 0, **scale}
    return {"field": field, "type": "quantitative", "title": title, "axis": axis, "scale": exact}


def in_pixels(field: str) -> Row:
    """Return a channel whose field holds places in pixels."""
    return quantity(field)


def as_chart(layers: Sequence[Layer], *, size: tuple[float, float], title: dict[str, Any], description: str) -> alt.LayerChart:
    """Put layers on each other, the first at the bottom.

    Parameters
    ----------
    layers
        At least one.
    size
        Width and height in pixels of the plot, without axes, labels and title.
    title
        Vega-Lite's title: "text", "subtitle" and their looks.
    description
        What the picture says, for those who can't see it.
    """
    width, height = size
    looks: dict[str, Any] = {"title": title, "description": description, "config": on_white()}
    return alt.LayerChart(layer=list(layers), width=width, height=height, **looks)


def as_charts(
    parts: Sequence[tuple[Sequence[Layer], tuple[float, float]]], *, title: dict[str, Any], description: str
) -> alt.VConcatChart:
    """Put pictures below one another, each its layers and the size of its plot, under one title; otherwise as `as_chart`."""
    looks: dict[str, Any] = {"title": title, "description": description, "config": on_white()}
    charts = [alt.LayerChart(layer=list(layers), width=width, height=height) for layers, (width, height) in parts]
    return alt.VConcatChart(vconcat=charts, spacing=18, **looks)
