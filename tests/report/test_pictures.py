"""Pictures: the numbers in them, bars that chain, text that neither overlaps nor is cut, and files that open."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET

import msgspec
import pytest
import vl_convert

from whygap.errors import InputError, WhygapError
from whygap.report import as_png, as_svg, curves, overfitting_over_epochs, terms_over_epochs, waterfall
from whygap.report.axes import ScoreScale, apart, epoch_ticks
from whygap.report.curve_picture import deepest_train_rung
from whygap.verdict import judge

SVG = "{http://www.w3.org/2000/svg}"


class Spec:
    """What a chart says to Vega-Lite, checked against its schema."""

    def __init__(self, chart):
        self.spec = chart.to_dict(validate=True)
        self.title = self.spec["title"]

    def layers(self, mark):
        """Return the rows of every layer of a kind of mark."""
        return [
            self.spec["datasets"][layer["data"]["name"]] if "name" in layer["data"] else layer["data"]["values"]
            for layer in self.spec["layer"]
            if layer["mark"]["type"] == mark
        ]

    def rows(self, mark):
        return [row for rows in self.layers(mark) for row in rows]


def whole_epochs(run):
    return [gap for gap in run.epochs if gap.gap is not None]


def test_waterfall_bars_chain_from_training_to_validation(any_run):
    for gap in whole_epochs(any_run)[:12]:
        spec = Spec(waterfall(gap))
        bars = sorted((bar for bar in spec.rows("bar") if not bar["is_part"]), key=lambda bar: bar["row"])
        first, last = sorted((r for r in spec.rows("tick") if "at" in r), key=lambda r: r["row"])
        assert first["at"] == gap.train_reported
        assert last["at"] == gap.valid_reported
        assert bars[0]["start"] == pytest.approx(first["at"], abs=1e-6)  # nil terms before it are left out
        for former, later in itertools.pairwise(bars):
            assert later["start"] == pytest.approx(former["end"], abs=1e-6)
        assert bars[-1]["end"] == pytest.approx(last["at"], abs=1e-6)


def test_waterfall_whiskers_are_the_intervals(runs):
    gap = runs.many.epochs[1]
    by_label = {bar["label"]: bar for bar in Spec(waterfall(gap)).rows("bar")}
    bar, e = by_label["epoch averaging"], gap.term("averaging").estimate
    assert bar["end"] - bar["start"] == pytest.approx(e.value)
    assert bar["low"] - bar["start"] == pytest.approx(e.low)
    assert bar["high"] - bar["start"] == pytest.approx(e.high)
    assert "low" not in by_label["unattributed"]


def test_parts_are_thin_bars_that_chain_under_their_term(runs):
    gap = runs.parts.epochs[0]
    spec = Spec(waterfall(gap))
    bars = sorted(spec.rows("bar"), key=lambda bar: bar["row"])
    assert [bar["label"] for bar in bars] == [
        "epoch averaging", "time lag", "own update", "train mode", "dropout", "batch norm", "other", "generalisation",
    ]  # fmt: skip
    averaging, lag, update, mode, dropout, *_, other, last = bars
    assert (lag["start"], lag["end"]) == (averaging["start"], update["start"])
    assert update["end"] == pytest.approx(averaging["end"])
    assert dropout["start"] == mode["start"] == averaging["end"]
    assert other["end"] == pytest.approx(mode["end"])
    assert not other["reliable"]
    e = gap.term("mode").parts[0].estimate
    assert (dropout["low"], dropout["high"]) == pytest.approx((mode["start"] + e.low, mode["start"] + e.high))
    assert e.value - e.low > 1.1 * (e.high - e.value)  # it leans, and so do its whiskers
    links = spec.layers("rule")[0]
    assert [link["at"] for link in links] == [gap.train_reported, averaging["end"], mode["end"], last["end"]]
    assert "dropout −0.150" in spec.spec["description"]
    assert "?: not reliable." in spec.title["subtitle"][-1]


def test_waterfall_labels_are_the_values(runs):
    labels = {row["label"]: row["value"] for row in Spec(waterfall(runs.many.epochs[0])).rows("text")}
    assert labels["training, as reported"] == "2.300"
    assert labels["epoch averaging"] == "−0.340"
    assert labels["train mode"] == "−0.100 ?"
    assert labels["validation, as reported"] == "1.866"


def test_waterfall_of_an_epoch_without_a_gap_is_an_error(runs):
    with pytest.raises(InputError, match="epoch 3 of loss has no gap"):
        waterfall(runs.missing.epochs[2])


@pytest.mark.parametrize(
    ("score", "epoch", "title"),
    [
        ("loss", 0, "Epoch 1: validation looks better by 0.310"),
        ("loss", 5, "Epoch 6: validation looks worse by 0.140"),
        ("accuracy", 0, "Epoch 1: validation looks better by 0.131"),
        ("accuracy", 5, "Epoch 6: validation looks worse by 0.0190"),
    ],
)
def test_titles_respect_the_direction_of_the_score(runs, score, epoch, title):
    assert Spec(waterfall(runs.two.of(score)[epoch])).title["text"] == title


def test_a_gap_within_chance_is_called_that(runs, build):
    gap = runs.lstm.epochs[0]
    wide = msgspec.structs.replace(gap, gap=build.estimate(gap.gap.value, 1.0))
    assert "Within chance for a validation set of this size." in Spec(waterfall(wide)).title["subtitle"]


def test_curves_hold_the_reported_numbers_and_the_deepest_rung(runs):
    spec = Spec(curves(runs.lstm))
    gaps = runs.lstm.epochs
    assert [[row["y"] for row in line] for line in spec.layers("line")] == [
        [g.train_reported for g in gaps],
        [g.rung("eval_mode").value for g in gaps],
        [g.valid_reported for g in gaps],
    ]
    (band,) = (rows for rows in spec.layers("area") if rows)
    assert [row["low"] for row in band] == pytest.approx([g.rung("eval_mode").low for g in gaps])


def test_the_curve_beside_validation_is_the_deepest_train_side_rung(runs):
    assert deepest_train_rung(runs.many.epochs) == "clean_view"
    assert deepest_train_rung(runs.lstm.epochs) == "eval_mode"
    assert deepest_train_rung(runs.log.epochs) is None


def test_no_line_bridges_a_missing_number(runs):
    lines = Spec(curves(runs.missing)).layers("line")
    assert [len({row["piece"] for row in line}) for line in lines] == [1, 2, 2]
    assert [row["x"] for row in lines[2]] == [1, 2, 4, 5]


def test_titles_count_no_more_than_the_numbers_bear(runs):
    title = Spec(curves(runs.lstm)).title
    assert title["text"] == "As reported, validation looks better in all 12 epochs"
    assert title["subtitle"][0].endswith("with the end-of-epoch weights in eval mode, it looks better in 6 of 12 epochs.")
    assert Spec(curves(runs.one)).title["text"] == "As reported, validation looks better"
    assert Spec(terms_over_epochs(runs.lstm)).title["text"] == "Epoch averaging is the largest term in all 12 epochs"


def test_stacks_reach_the_reported_gap(any_run):
    spec = Spec(terms_over_epochs(any_run))
    points = {row["x"]: row["gap"] for row in [*spec.rows("point"), *spec.rows("line")] if "gap" in row}
    gaps = [g for g in any_run.of() if g.gap is not None]
    assert points == {g.epoch: g.gap.value for g in gaps}
    bars = spec.rows("bar")
    for gap in gaps:
        own = [b for b in bars if b["left"] < gap.epoch < b["right"] and abs((b["left"] + b["right"]) / 2 - gap.epoch) < 1e-9]
        assert sum(b["top"] - b["bottom"] for b in own) == pytest.approx(gap.gap.value, abs=1e-6)
        for sign in (1, -1):
            pile = [b for b in own if (b["top"] - b["bottom"]) * sign > 0]
            assert [b["bottom"] for b in pile] == [0.0, *(b["top"] for b in pile[:-1])][: len(pile)]


@pytest.mark.parametrize("draw", [curves, terms_over_epochs])
def test_a_score_that_was_not_recorded_is_an_error(runs, draw):
    with pytest.raises(InputError, match=r"run lstm-1 .* f1"):
        draw(runs.lstm, "f1")
    with pytest.raises(InputError, match="run empty-1"):
        draw(runs.empty)


def texts_of(group, x=0.0, y=0.0):
    """Walk a scene and yield the box of every text: left, top, right, bottom, and the text."""
    for item in group.get("items", []):
        if group.get("marktype") == "text":
            if not item.get("text") or item.get("angle"):
                continue
            lines = item["text"] if isinstance(item["text"], list) else str(item["text"]).split("\n")
            size = item.get("fontSize", 11)
            width = max(len(line) for line in lines) * size * 0.43  # less than Arial's mean, so that no alarm is false
            height = (len(lines) - 1) * (item.get("lineHeight") or size + 2) + 0.75 * size
            left = x + item.get("x", 0) + item.get("dx", 0)
            left -= {"center": width / 2, "right": width}.get(item.get("align"), 0)
            top = y + item.get("y", 0) + item.get("dy", 0)
            top -= {"middle": 0.375 * size, "top": 0, "bottom": size}.get(item.get("baseline"), 0.75 * size)
            yield left, top, left + width, top + height, " ".join(lines)
        elif "items" in item:
            yield from texts_of(item, x + (item.get("x") or 0), y + (item.get("y") or 0))


def check_texts(chart):
    scene = vl_convert.vegalite_to_scenegraph(chart.to_dict())
    boxes = list(texts_of(scene["scenegraph"]))
    assert len(boxes) > 5
    origin_x, origin_y = scene["origin"]
    for left, top, right, bottom, text in boxes:
        assert left >= -origin_x - 1, text
        assert top >= -origin_y - 1, text
        assert right <= scene["width"] - origin_x + 1, text
        assert bottom <= scene["height"] - origin_y + 1, text
    for a, b in itertools.combinations(boxes, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (a[4], b[4])


def test_no_text_overlaps_another_or_is_cut(any_run):
    check_texts(curves(any_run))
    check_texts(terms_over_epochs(any_run))
    check_texts(waterfall(any_run.of()[-1]))
    if (verdict := judge(any_run)).overfitting.looks:
        check_texts(overfitting_over_epochs(verdict))


def test_an_svg_is_an_image_with_a_label_in_the_colours_of_its_page(runs):
    svg = as_svg(waterfall(runs.many.epochs[0]))
    root = ET.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert "epoch averaging −0.340" in root.get("aria-label")
    assert "currentColor" in svg
    assert "#1f2328" not in svg
    assert "#ffffff" not in svg


def test_an_svg_escapes_what_a_score_is_called(build):
    hostile = msgspec.structs.replace(build.accuracy, name="<script>\"&'")
    svg = as_svg(waterfall(build.epoch(1, 1.0, {"averaging": -0.1}, score=hostile)))
    assert "<script" not in svg
    assert "<script>\"&'" in ET.fromstring(svg).get("aria-label")


def test_pictures_come_out_the_same_each_time(runs):
    assert as_svg(waterfall(runs.one.epochs[0])) == as_svg(waterfall(runs.one.epochs[0]))


def test_a_png_is_as_large_as_asked(runs, tmp_path):
    widths = []
    for scale in (1, 2):
        content = as_png(waterfall(runs.one.epochs[0]), tmp_path / "x.png", scale=scale).read_bytes()
        assert content.startswith(b"\x89PNG")
        widths.append(int.from_bytes(content[16:20]))
    assert widths[1] == pytest.approx(2 * widths[0], abs=2)
    assert [p.name for p in tmp_path.iterdir()] == ["x.png"]


def test_a_png_that_cannot_be_written_is_one_line_with_the_path(runs, tmp_path):
    path = tmp_path / "no" / "x.png"
    with pytest.raises(WhygapError, match=r"can't write .*x\.png: No such file") as caught:
        as_png(waterfall(runs.one.epochs[0]), path)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="above 0, got 0"):
        as_png(waterfall(runs.one.epochs[0]), tmp_path / "x.png", scale=0)


@pytest.mark.parametrize(("first", "last"), [(1, 1), (1, 2), (1, 12), (0, 14), (1, 200), (7, 31), (1, 123_456)])
def test_epoch_ticks_are_few_whole_numbers_from_the_first_epoch(first, last):
    ticks = epoch_ticks(first, last)
    assert ticks[0] == first
    assert ticks == sorted(set(ticks))
    assert len(ticks) <= 15
    assert ticks[-1] <= last


@pytest.mark.parametrize(
    ("values", "log"),
    [
        ((0.106, 0.003), True),
        ((0.9, 0.3), False),
        ((1.0, 0.0), False),
        ((1.0, -0.1), False),
        ((2.0, 2.0), False),
        ((1e8, 1.0), True),
    ],
)
def test_a_loss_that_falls_by_an_order_of_magnitude_is_on_a_log_scale(values, log):
    scale = ScoreScale.for_values(values, may_be_log=True)
    assert scale.log == log
    assert not ScoreScale.for_values(values, may_be_log=False).log
    assert scale.low < min(values) <= max(values) < scale.high
    assert scale.pixel(scale.low, 100) == pytest.approx(100)
    assert scale.pixel(scale.high, 100) == pytest.approx(0)
    assert (scale.ticks() is None) or 2 <= len(scale.ticks()) <= 10
    assert scale.clip(-1e9) == scale.low


@pytest.mark.parametrize("pixels", [[10, 11, 12], [0, 0, 0], [100, 100, 99], [50, 10, 90], [5], []])
def test_labels_move_apart_keep_their_order_and_stay_inside(pixels):
    placed = apart(pixels, distance=36, height=100)
    assert all(0 <= p <= 100 for p in placed)
    assert all(b - a >= 36 - 1e-9 for a, b in itertools.pairwise(sorted(placed)))
    for (a, pa), (b, pb) in itertools.combinations(zip(pixels, placed, strict=True), 2):
        assert a == b or (a < b) == (pa < pb)
