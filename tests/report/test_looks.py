"""The looks at overfitting: the same numbers in table and picture, and what each epoch says."""

from __future__ import annotations

import io

import msgspec
import pytest
from rich.console import Console

from whygap.errors import InputError
from whygap.records import Estimate, Look, Overfitting
from whygap.report import overfitting_over_epochs, print_looks
from whygap.report.looks import look_table, why_two_intervals
from whygap.verdict import judge


def drawn(verdict):
    """Return the chart's spec, checked against the schema, and the rows of the line: one a look."""
    spec = overfitting_over_epochs(verdict).to_dict(validate=True)
    rows = {}
    for layer in spec["layer"]:
        values = spec["datasets"][layer["data"]["name"]] if "name" in layer["data"] else layer["data"]["values"]
        rows.setdefault(layer["mark"]["type"], []).append(values)
    return spec, rows


def line_of(rows):
    return rows["line"][-1]  # drawn after both ends of the outer band


def a_look(epoch, low, high, *, reliable=True, cause="memorisation"):
    e = Estimate(value=(low + high) / 2, low=low / 2, high=high / 2, reliable=reliable)
    return Look(epoch=epoch, cause=cause, estimate=e, low=low, high=high)


def with_looks(verdict, *looks):
    return msgspec.structs.replace(
        verdict, overfitting=Overfitting(state="cannot_tell", since_epoch=None, evidence="x", looks=looks)
    )


@pytest.mark.parametrize("accuracy", [False, True])
def test_what_the_epochs_say_agrees_with_the_verdict(build, accuracy):
    """The answer "since" is the first of the last unbroken stretch of epochs that say so."""
    run = build.overfit(40, **({"score": build.accuracy} if accuracy else {}))
    verdict = judge(run)
    rows = look_table(verdict).rows
    since = verdict.overfitting.since_epoch
    assert since is not None
    assert [row.epoch for row in rows if row.is_since] == [str(since)]
    assert all(row.says == "yes" for row in rows[since - 1 :])
    assert rows[since - 2].says == "no"


def test_the_table_names_the_term_where_it_changes(build):
    verdict = with_looks(build.verdict(), a_look(1, -0.1, 0.2, cause="generalisation"), a_look(2, -0.1, 0.3, reliable=False))
    table = look_table(verdict)
    assert table.name == "generalisation or memorisation"
    assert [(row.epoch, row.says) for row in table.rows] == [("1, generalisation", "no"), ("2, memorisation", "unsure")]
    assert look_table(judge(build.overfit(2))).name == "memorisation"


def test_an_exact_estimate_has_no_intervals(build):
    exact = Look(epoch=1, cause="memorisation", estimate=Estimate(value=0.1, low=0.1, high=0.1), low=0.1, high=0.1)
    (row,) = look_table(with_looks(build.verdict(), exact)).rows
    assert (row.value, row.alone, row.together) == ("+0.100", "", "")


def test_two_intervals_are_explained_where_there_are_two_looks(build):
    verdict = judge(build.overfit(12))
    assert why_two_intervals(verdict.overfitting.looks).count("12") == 1
    assert why_two_intervals(verdict.overfitting.looks[:1]) == ""


def test_the_picture_holds_the_intervals_as_they_lean(build):
    verdict = judge(build.overfit(12, turn=4))
    spec, rows = drawn(verdict)
    for row, look in zip(line_of(rows), verdict.overfitting.looks, strict=True):
        e = look.estimate
        assert (row["x"], row["y"]) == (look.epoch, e.value)
        assert (row["low"], row["high"], row["lowest"], row["highest"]) == (e.low, e.high, look.low, look.high)
        assert row["lowest"] < row["low"] < row["y"] < row["high"] < row["highest"]
        assert row["high"] - row["y"] > 1.1 * (row["y"] - row["low"])
    assert [{"zero": 0}] in rows["rule"]
    low, high = spec["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert low < 0 < high
    assert all(low <= row["lowest"] and row["highest"] <= high for row in line_of(rows))


def test_the_epoch_since_when_it_overfits_is_marked(build):
    verdict = judge(build.overfit(40))
    since = verdict.overfitting.since_epoch
    spec, rows = drawn(verdict)
    assert [{"x": since, "label": f"since epoch {since}"}] in rows["rule"]
    assert spec["title"]["text"] == f"Overfitting shows since epoch {since}"
    _, rows = drawn(judge(build.overfit(12, turn=99)))
    assert not [row for layer in rows["rule"] for row in layer if "label" in row and "since" in row["label"]]


@pytest.mark.parametrize(
    ("more", "title"),
    [
        ({"epochs": 12, "turn": 99}, "Overfitting shows in none of 12 epochs"),
        ({"epochs": 1}, "Overfitting doesn't show"),
        ({"epochs": 40, "turn": -100}, "Overfitting shows in all 40 epochs"),
    ],
)
def test_the_title_counts_no_more_than_the_looks_bear(build, more, title):
    spec, _ = drawn(judge(build.overfit(**more)))
    assert spec["title"]["text"] == title
    assert title in spec["description"]


@pytest.mark.parametrize(("accuracy", "side"), [(False, "above"), (True, "below")])
def test_the_side_of_harm_and_the_unseen_examples_are_named(build, accuracy, side):
    more = {"score": build.accuracy} if accuracy else {}
    spec, _ = drawn(judge(build.overfit(6, **more)))
    assert f"wholly {side} zero" in spec["title"]["subtitle"][0]
    name = "accuracy" if accuracy else "loss"
    assert spec["layer"][0]["encoding"]["y"]["title"] == f"fresh − training {name}"
    spec, _ = drawn(judge(build.overfit(6, cause="generalisation")))
    assert spec["layer"][0]["encoding"]["y"]["title"] == "validation − training loss"


def test_an_outer_band_of_few_degrees_of_freedom_leaves_the_rest_legible(build):
    verdict = judge(build.overfit(30, df=2.0))
    spec, rows = drawn(verdict)
    low, high = spec["layer"][0]["encoding"]["y"]["scale"]["domain"]
    inner = [x for look in verdict.overfitting.looks for x in (look.estimate.low, look.estimate.high)]
    assert low < min(inner)
    assert max(inner) < high < min(inner) + 3 * (max(inner) - min(inner))
    assert max(row["highest"] for row in line_of(rows)) > high
    assert "Bands that reach beyond the picture are cut." in spec["title"]["subtitle"][-1]


def test_epochs_that_were_not_looked_at_break_the_bands(build):
    run = build.overfit(12)
    kept = tuple(g for g in run.epochs if g.epoch not in (4, 6))
    _, rows = drawn(judge(msgspec.structs.replace(run, epochs=kept)))
    assert [row["piece"] for row in line_of(rows)] == [0, 0, 0, 1, 2, 2, 2, 2, 2, 2]
    singles = [layer for layer in rows["rule"] if layer and "lowest" in layer[0]]
    assert [[row["x"] for row in layer] for layer in singles] == [[5], [5]]  # no area has one epoch alone
    _, rows = drawn(judge(build.overfit(40, every=5)))  # looked at every fifth epoch: nothing is missing
    assert {row["piece"] for row in line_of(rows)} == {0}


def test_unreliable_looks_are_hollow_points(build):
    spec, rows = drawn(judge(build.overfit(12, unreliable=(3, 7))))
    sure, unsure = rows["point"]
    assert [row["x"] for row in unsure] == [3, 7]
    assert len(sure) == 10
    assert "Hollow points aren't reliable." in spec["title"]["subtitle"][-1]


def test_without_looks_there_is_nothing_to_draw(runs, build):
    with pytest.raises(InputError, match="unseen examples were scored in no epoch of loss"):
        overfitting_over_epochs(build.verdict())


def test_the_terminal_shows_a_changing_term_within_80_columns(build):
    looks = (a_look(101, -0.1, 0.2, cause="generalisation"), a_look(102, -1e-9, 3e8, reliable=False))
    stream = io.StringIO()
    print_looks(Console(file=stream, width=80), with_looks(build.verdict(), *looks))
    assert max(map(len, stream.getvalue().splitlines())) <= 80
    assert "unsure" in stream.getvalue()
