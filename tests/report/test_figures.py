"""Numbers as text: enough digits, one precision per table, honest signs."""

from __future__ import annotations

import pytest

from whygap.records import Estimate
from whygap.report.figures import TRUE_MINUS, Figures, duration, percent


@pytest.mark.parametrize(
    ("sizes", "scores", "shown"),
    [
        ([0.039], [0.106], "0.0123"),
        ([0.001], [0.004], "0.01235"),
        ([12.0], [200.0], "0.0"),
        ([250.0], [900.0], "0"),
        ([], [], "0.0123"),
        ([0.0], [0.5], "0.012"),
        ([1e-12], [0.5], "0.012"),  # dust beside the scores
    ],
)
def test_the_largest_difference_has_three_digits(sizes, scores, shown):
    assert Figures.fitting(sizes, scores).plain(0.012345) == shown


def test_small_epochs_get_up_to_two_decimals_more():
    assert Figures.fitting([0.3] + [0.002] * 9).decimals == 5
    assert Figures.fitting([0.3] + [0.0000002] * 9).decimals == 5


@pytest.mark.parametrize("size", [1e-9, 1e9])
def test_sizes_that_plain_digits_cannot_hold_are_written_with_an_exponent(size):
    assert float(Figures.fitting([size]).signed(-size)) == -size


def test_a_sign_is_shown_on_every_difference_and_never_on_nought():
    figures = Figures(3)
    assert [figures.signed(x) for x in (0.5, -0.5, 0.0, -0.0, -0.0004, 0.0004)] == [
        "+0.500", "-0.500", "0.000", "0.000", "0.000", "0.000",
    ]  # fmt: skip


def test_the_true_minus_is_used_throughout():
    figures = Figures(None, TRUE_MINUS)
    assert figures.signed(-1e-9) == "−1.000e−09"
    assert "-" not in figures.signed(-1e-9)


def test_an_exact_value_has_no_interval(build):
    assert Figures(2).interval(build.estimate(0.5)) == ""
    assert Figures(2).interval(build.estimate(0.5, 0.1)) == "+0.40, +0.60"


def test_an_interval_shows_its_own_ends_however_it_leans():
    leaning = Estimate(value=0.5, low=0.48, high=0.9)
    assert Figures(2).interval(leaning) == "+0.48, +0.90"
    assert Figures(2).interval(leaning, between=" to ") == Figures(2).bounds(0.48, 0.9, between=" to ") == "+0.48 to +0.90"
    assert Figures(2).bounds(0.5, 0.5) == ""


def test_shares_and_durations():
    assert [percent(x) for x in (0.0, 0.004, 0.04, 0.946, 1.0)] == ["0 %", "<1 %", "4 %", "95 %", "100 %"]
    assert [duration(x) for x in (0.0312, 1.26, 600.0)] == ["31 ms", "1.3 s", "10.0 min"]
