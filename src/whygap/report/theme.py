"""How pictures look: one ink at a few strengths on the ground of the page, so that one picture suits light and dark."""

from __future__ import annotations

from typing import Any

# vl-convert measures text with Liberation Sans, whose widths are Arial's: with this stack nothing is cut in a browser.
FONT = "Arial, 'Liberation Sans', Helvetica, sans-serif"

TRAINING = "#1f86c7"
"""The colour of training curves. Validation is drawn in ink."""


def config(*, ink: str, paper: str | None) -> dict[str, Any]:
    """Return the Vega-Lite configuration of all pictures: no frames, no decoration, ink at a few strengths.

    Parameters
    ----------
    ink
        Colour of text and lines.
    paper
        Colour of the ground, or None to let the page shine through.
    """
    ground = paper or "Canvas"  # the system colour of a page's ground: white, or nearly black in dark mode
    return {
        "aria": False,  # a picture is one image with one label; the table beside it has the numbers
        "background": paper,
        "font": FONT,
        "padding": 4,
        "view": {"stroke": None},
        "axis": {
            "domain": False,
            "gridColor": ink,
            "gridOpacity": 0.13,
            "tickColor": ink,
            "tickOpacity": 0.4,
            "labelColor": ink,
            "labelOpacity": 0.8,
            "labelFontSize": 12,
            "labelLimit": 0,
            "titleColor": ink,
            "titleOpacity": 0.8,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "titleLimit": 0,
            "titlePadding": 8,
        },
        "title": {
            "anchor": "start",
            "frame": "bounds",
            "offset": 14,
            "limit": 0,
            "color": ink,
            "fontSize": 15,
            "fontWeight": "bold",
            "lineHeight": 19,
            "subtitleColor": ink,
            "subtitleFontSize": 12,
            "subtitleLineHeight": 16,
            "subtitlePadding": 5,
        },
        "style": {
            # "color" is what Vega-Lite looks up for the marks' main colour; a "fill" here would lose against its default.
            "label": {"color": ink, "fontSize": 12, "align": "left", "baseline": "middle"},
            "ink": {"color": ink},
            "quiet": {"color": ink, "opacity": 0.45},
            "apart": {"stroke": ground},
            "ground": {"color": ground},
            "hollow": {"color": ground, "fill": ground},
        },
    }


def on_white() -> dict[str, Any]:
    """Return the configuration that a picture carries by itself: for notebooks, PNG and print."""
    return config(ink="#1f2328", paper="#ffffff")
