"""The answer of a probe as one self-contained page: no network, no scripts, light and dark."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import altair as alt
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from whygap.probe.answer import ProbeAnswer
from whygap.probe.pictures import draw_curves, draw_gaps, draw_random_labels
from whygap.probe.printing import COLUMNS, headings_of, rows_of
from whygap.report.atomic import write_atomically
from whygap.report.figures import duration
from whygap.report.rendering import as_svg


def write_answer(answer: ProbeAnswer, path: str | os.PathLike[str]) -> Path:
    """Write a page about a probe.

    Raises
    ------
    WhygapError
        If the file can't be written.
    """
    environment = Environment(
        loader=PackageLoader("whygap.probe"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    charts = [draw_curves(answer), draw_gaps(answer), draw_random_labels(answer)]
    page = environment.get_template("probe.html.j2").render(
        answer=answer,
        headings=headings_of(answer),
        pictures=[_picture(chart) for chart in charts if chart is not None],
        columns=COLUMNS,
        rows=rows_of(answer),
        spent=duration(answer.spent_s),
        seconds=duration(answer.seconds),
    )
    return write_atomically(path, page.encode())


def _picture(chart: alt.LayerChart) -> dict[str, Any]:
    title = chart.to_dict(validate=False)["title"]
    # Safe without escaping: Vega escapes every text that it draws, and `as_svg` the label.
    return {"title": title["text"], "line": title["subtitle"], "svg": Markup(as_svg(chart, titled=False))}
