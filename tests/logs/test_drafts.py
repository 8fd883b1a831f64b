"""Columns grow, and are series with their unit and grain when the run has ended."""

import math

import pytest

from whygap.logs.console_lines import ConsoleLines
from whygap.logs.drafts import DraftColumn, DraftRun, Drafts
from whygap.logs.printed import read_number, unit_of


def ended(text=""):
    lines = ConsoleLines([text])
    list(lines)
    return lines


def drafts(framework=""):
    return Drafts(lambda: DraftRun("format", framework, lambda name: (name, "train")))


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("0.5", 0.1),
        ("0.4330", 1e-4),
        ("88.78", 0.01),
        ("1.1921e-07", 1e-11),
        ("12", 1.0),
        ("1e3", 1e3),
        ("-0.25", 0.01),
        ("0.7577340602874756", 0.0),
        ("1.2459016393442624e-05", 0.0),
        ("1e-999", 0.0),
        ("1e999", 0.0),
    ],
)
def test_the_unit_of_the_last_digit(text, unit):
    assert unit_of(text) == unit


def test_numbers_of_windows():
    assert read_number("1.#INF") == math.inf
    assert math.isnan(read_number("-1.#IND"))
    assert read_number("0.5x") is None


def test_the_unit_of_a_column_is_that_of_most_numbers_and_of_the_finer_half():
    column = DraftColumn()
    for text in ("0.5", "0.25", "nan", "0.125", "0.250", "inf"):
        column.add(text, 1.0)
    assert column.resolution == 0.001


@pytest.mark.parametrize(
    ("epochs", "grain"),
    [([1, 2, 3], "epoch"), ([1, 2, 2], "step"), ([0.5, 1], "step"), ([math.nan] * 2, "epoch"), ([3], "epoch")],
)
def test_grain(epochs, grain):
    column = DraftColumn()
    for epoch in epochs:
        column.add("0.5", epoch)
    assert column.to_series("loss", "loss", "train").grain == grain


def test_a_log_that_counts_from_0_is_shifted_in_all_its_runs():
    runs = drafts()
    for first in (0, 3):
        for epoch in (first, first + 1):
            runs.current.reach(epoch)
            runs.current.add("loss", "0.5", epoch)
        if first == 0:
            runs.begin()
    assert [r.series[0].epoch.tolist() for r in runs.finish(ended())] == [[1, 2], [4, 5]]


def test_runs_are_called_by_their_place_where_there_are_several():
    runs = drafts()
    runs.current.add("loss", "0.5", 1)
    runs.begin()
    assert [r.name for r in runs.finish(ended())] == [""]
    runs.current.add("loss", "0.5", 1)
    assert [r.name for r in runs.finish(ended())] == ["run 1", "run 2"]


@pytest.mark.parametrize(
    ("framework", "before", "last", "end", "left"),
    [
        ("keras", ["0.5123"], "0.4", "", 1),
        ("keras", ["0.5123"], "0.4", "\n", 2),
        ("keras", ["0.5123"], "0.4321", "", 2),
        ("keras", [], "0.4", "", 1),
        ("", ["0.5123"], "0.4", "", 2),
        ("", ["0.5123"] * 10, "0.4", "", 10),
        ("", ["0.5123", "0.51"] * 10, "0.4", "", 21),
    ],
)
def test_a_number_that_the_end_of_the_text_cut_is_left_out(framework, before, last, end, left):
    runs = drafts(framework)
    for i, text in enumerate([*before, last]):
        runs.current.add("loss", text, i + 1)
    (run,) = runs.finish(ended(f"loss: {last}{end}"))
    assert len(run.series[0].value) == len(run.series[0].epoch) == left
    assert ("the text ends within a number, which is left out" in run.notes) == (left < len(before) + 1)
