"""Pictures leave the house: as SVG that takes on the colours of the page around it, or as PNG on white."""

from __future__ import annotations

import os
from pathlib import Path
from xml.sax.saxutils import quoteattr

import altair as alt
import vl_convert

from whygap.errors import InputError
from whygap.report.atomic import write_atomically
from whygap.report.theme import config

Chart = alt.LayerChart | alt.VConcatChart


def as_svg(chart: Chart, *, titled: bool = True) -> str:
    """Turn a picture into an SVG element that can stand inside a page.

    Text and lines take the page's text colour and the ground is transparent, so that it suits light and dark pages. To
    assistive technology the element is one image, labelled with the picture's description.

    Parameters
    ----------
    chart
        A picture made by this room.
    titled
        Whether the picture carries its title. A page that sets the title as text of its own leaves it out.

    Returns
    -------
    str
        The `<svg>` element.
    """
    spec = chart.to_dict()
    if not titled:
        spec.pop("title", None)
    spec["config"] = config(ink="currentColor", paper=None)
    svg: str = vl_convert.vegalite_to_svg(spec, vl_version=_version())
    label = quoteattr(spec.get("description") or "chart")
    return svg.replace("<svg ", f'<svg role="img" aria-label={label} ', 1)


def as_png(chart: Chart, path: str | os.PathLike[str], scale: float = 2) -> Path:
    """Write a picture to a PNG file, on white.

    Parameters
    ----------
    chart
        A picture made by this room.
    path
        The file to write; it is replaced as a whole or left as it was.
    scale
        Pixels per unit of the picture; 2 is sharp on most screens.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    InputError
        If `scale` isn't above 0.
    WhygapError
        If the file can't be written.
    """
    if not scale > 0:
        raise InputError(f"the scale of a picture must be above 0, got {scale}")
    png: bytes = vl_convert.vegalite_to_png(chart.to_dict(), vl_version=_version(), scale=scale)
    return write_atomically(path, png)


def _version() -> str:
    return ".".join(alt.SCHEMA_VERSION.split(".")[:2])
