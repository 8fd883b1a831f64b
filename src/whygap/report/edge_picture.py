"""The picture of the edge: a map of parameters x examples, shaded by memorisation, outlined where it is beyond chance."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence

import altair as alt

from whygap.answers import EdgeCell, EdgeMap
from whygap.report.figures import TRUE_MINUS, Figures, percent
from whygap.report.panels import MEMORISED, short_count
from whygap.report.vega import Layer, Row, as_chart, in_pixels, layer
from whygap.trials import Setting

_WIDTH, _CELL_HEIGHT = 400, 48
_DARKEST = 0.78  # ink must stay legible on it
_ROOM_FOR_INTERVAL = 74  # pixels of a cell's width


def edge(found: EdgeMap, *, mark: Mapping[str, Setting] | None = None) -> alt.LayerChart:
    """Draw the memorisation term over parameters and examples.

    Each cell has the term and its own interval, shaded by its share of the score of unseen examples. A cell is outlined where
    the term is above zero beyond chance with all cells paid for, and dotted where it is a tenth of that score or more.

    Parameters
    ----------
    found
        One map.
    mark
        The case to be marked: "n_parameters" and "n". It is placed between the cells by logarithms.
    """
    ns, sizes = sorted({c.n for c in found.cells}), sorted({c.n_parameters for c in found.cells})
    width = min(108.0, max(44.0, _WIDTH / len(ns)))
    height = _CELL_HEIGHT
    centre = {n: width * (k + 0.5) for k, n in enumerate(ns)}
    middle = {p: height * (len(sizes) - k - 0.5) for k, p in enumerate(sizes)}
    figures = Figures.fitting([max(abs(c.memorisation.value) for c in found.cells)], minus=TRUE_MINUS)
    rows = [_row(c, centre[c.n], middle[c.n_parameters], width, height, figures) for c in found.cells]
    total = (width * len(ns), float(height * len(sizes)))
    title, subtitle = _said(found)
    marked = _mark(mark or {}, ns, sizes, centre, middle, total)
    for row in rows:  # the numbers of a cell that the mark is in make room for it
        row["is_marked"] = any(row["left"] < m["x"] < row["right"] and row["top"] < m["y"] < row["bottom"] for m in marked)
    if marked and marked[0]["is_outside"]:
        subtitle[-1] += " Your case lies outside the map, beyond the edge that it is marked at."
    return as_chart(
        [
            *_cells(rows, has_intervals=width >= _ROOM_FOR_INTERVAL),
            *_axis([{"x": x, "label": short_count(n)} for n, x in centre.items()], "examples", total, is_below=True),
            *_axis([{"y": y, "label": short_count(p)} for p, y in middle.items()], "parameters", total, is_below=False),
            *_marked(marked, total),
        ],
        size=total,
        title={"text": title, "subtitle": subtitle},
        description=f"Memorisation in {found.score.name} over {len(sizes)} numbers of parameters and {len(ns)} of examples. "
        f"{title}. {' '.join(subtitle)}",
    )


def _row(cell: EdgeCell, x: float, y: float, width: float, height: float, figures: Figures) -> Row:
    e = cell.memorisation
    share = min(max(abs(e.value) / abs(cell.unseen) if cell.unseen and e.value > 0.0 else 0.0, 0.0), 1.0)
    ends = f"{figures.plain(e.low)} to {figures.plain(e.high)}" if e.reliable else "one seed"
    return {
        "x": x,
        "y": y,
        "left": x - width / 2 + 2,
        "right": x + width / 2 - 2,
        "top": y - height / 2 + 2,
        "bottom": y + height / 2 - 2,
        "shade": _DARKEST * math.sqrt(share),
        "value": figures.plain(e.value),
        "ends": ends,
        "shows": cell.shows,
        "overfits": cell.overfits == "yes",
    }


def _cells(rows: Sequence[Row], *, has_intervals: bool) -> list[Layer]:
    box = {"x": in_pixels("left"), "x2": "right", "y": in_pixels("top"), "y2": "bottom"}
    at = {"x": in_pixels("x"), "y": in_pixels("y")}
    shade = {"field": "shade", "type": "quantitative", "scale": None, "legend": None}
    shown, dotted = (
        [r for r in rows if r["shows"]],
        [{**r, "x": r["right"] - 8, "y": r["top"] + 8} for r in rows if r["overfits"]],
    )
    free, taken = [r for r in rows if not r["is_marked"]], [r for r in rows if r["is_marked"]]
    text = {"style": "label", "align": "center"}
    layers = [
        layer(rows, "bar", {"color": MEMORISED}, **box, opacity=shade),
        layer(rows, "bar", {"filled": False, "style": "quiet", "strokeWidth": 0.7}, **box),
        layer(shown, "bar", {"filled": False, "style": "ink", "strokeWidth": 2.4}, **box),
        layer(dotted, "point", {"filled": True, "style": "ink", "size": 34, "opacity": 1}, **at),
    ]
    for some, up, down in ((free, -7, 9), (taken, -15, 16)):
        value = {**text, "dy": up if has_intervals or up < -7 else 0, "fontWeight": "bold"}
        layers.append(layer(some, "text", value, **at, text={"field": "value"}))
        if has_intervals:
            layers.append(layer(some, "text", {**text, "dy": down, "fontSize": 10}, **at, text={"field": "ends"}))
    return layers


def _axis(rows: Sequence[Row], name: str, size: tuple[float, float], *, is_below: bool) -> list[Layer]:
    width, height = size
    if is_below:
        look: dict[str, str | float] = {"style": "label", "align": "center"}
        labels = layer(rows, "text", look, x=in_pixels("x"), y=height + 14, text={"field": "label"})
        name_look = {**look, "opacity": 0.8}
        return [labels, layer([{"label": name}], "text", name_look, x=width / 2, y=height + 34, text={"field": "label"})]
    labels = layer(rows, "text", {"style": "label", "align": "right"}, x=-8, y=in_pixels("y"), text={"field": "label"})
    look = {"style": "label", "align": "center", "angle": 270, "opacity": 0.8}
    return [labels, layer([{"label": name}], "text", look, x=-62, y=height / 2, text={"field": "label"})]


def _mark(
    mark: Mapping[str, Setting],
    ns: Sequence[int],
    sizes: Sequence[int],
    centre: Mapping[int, float],
    middle: Mapping[int, float],
    size: tuple[float, float],
) -> list[Row]:
    n, p = mark.get("n"), mark.get("n_parameters")
    if isinstance(n, str | bool) or isinstance(p, str | bool) or n is None or p is None or n <= 0 or p <= 0:
        return []
    x, beyond_n = _between(float(n), ns, centre, (0.0, size[0]))
    y, beyond_p = _between(float(p), sizes, middle, (size[1], 0.0))
    label = f"your case: {short_count(float(p))} on {short_count(float(n))}"
    return [{"x": x, "y": y, "label": label, "is_outside": beyond_n or beyond_p}]


def _between(at: float, known: Sequence[int], places: Mapping[int, float], ends: tuple[float, float]) -> tuple[float, bool]:
    """Return where a number lies among those with places, by logarithms, and whether it is beyond them all."""
    k = bisect.bisect_left(known, at)
    if k < len(known) and known[k] == at:
        return places[known[k]], False
    if k == 0:
        return ends[0], True
    if k == len(known):
        return ends[1], True
    low, high = known[k - 1], known[k]
    share = math.log(at / low) / math.log(high / low)
    return places[low] + share * (places[high] - places[low]), False


def _marked(rows: Sequence[Row], size: tuple[float, float]) -> list[Layer]:
    """Draw the case as a cross in a ring, named beside the map, where no cell's numbers are."""
    at = {"x": in_pixels("x"), "y": in_pixels("y")}
    named = [{**r, "from": size[0] + 8} for r in rows]
    ring = {"shape": "circle", "size": 110, "strokeWidth": 2, "opacity": 1}
    return [
        layer(rows, "point", {**ring, "filled": True, "style": "ground"}, **at),
        layer(rows, "point", {**ring, "filled": False, "style": "ink"}, **at),
        layer(rows, "point", {"shape": "cross", "filled": True, "size": 45, "style": "ink", "opacity": 1}, **at),
        layer(named, "rule", {"style": "quiet", "strokeDash": [2, 3]}, x=in_pixels("x"), x2="from", y=in_pixels("y")),
        layer(named, "text", {"style": "label", "dx": 4}, x=in_pixels("from"), y=in_pixels("y"), text={"field": "label"}),
    ]


def _said(found: EdgeMap) -> tuple[str, list[str]]:
    shown = sum(c.shows for c in found.cells)
    many = len(found.cells)
    what = {"fresh": "fresh examples", "pool": "a pool"}.get(found.regime, "a set that is reused")
    where = f" ({found.variant})" if found.variant else ""
    title = f"After {found.stage.label}{where}: memorisation shows in {shown or 'none'} of {many} cases"
    level = percent(max(c.memorisation.level for c in found.cells))
    return title, [
        f"Unseen {TRUE_MINUS} training {found.score.name} for {what}, with {level} intervals; darker for more of the unseen.",
        "Outlined: above zero beyond chance, all cells paid for. Dotted: a tenth of the unseen score or more.",
    ]
