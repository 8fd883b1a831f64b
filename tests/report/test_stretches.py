"""Ranges of epochs of a logged run: the same text on the terminal and on the page, and numbers for machines."""

import io
import json

import pytest
from rich.console import Console

from whygap.records import Estimate, Overfitting, Run, Score, Stretch, Verdict
from whygap.report import print_stretches, print_verdict, run_as_json
from whygap.report.page import page_of
from whygap.report.stretches import stretch_rows

LAG = Estimate(value=-0.2, low=-0.3, high=-0.1, level=0.9, n=3, how="inferred")
REST = Estimate(value=0.01, low=-0.09, high=0.11, level=0.9, n=3, how="inferred")
STRETCHES = (
    Stretch(first=1, last=3, gap=-0.19, leading="averaging", averaging=LAG, rest=REST),
    Stretch(first=4, last=4, gap=0.05, leading="cannot_tell"),
)


@pytest.fixture
def verdict():
    unknown = Overfitting(state="cannot_tell", since_epoch=None, evidence="Whether it overfits can't be told: it is short.")
    return Verdict(
        score=Score(),
        headline="It lags [markup] & <tags>.",
        overfitting=unknown,
        stretches=STRETCHES,
        to_know="first line <of> code\nmodel.fit(..., callbacks=[GapCallback()])  # a long line, which must stay in one piece",
    )


def test_rows():
    lagging, unknown = stretch_rows(STRETCHES)
    assert (lagging.epochs, lagging.gap, lagging.averaging, lagging.rest, lagging.leading) == (
        "1-3", "-0.1900", "-0.2000 [-0.3000, -0.1000]", "+0.0100", "averaging",
    )  # fmt: skip
    assert (unknown.epochs, unknown.averaging, unknown.rest, unknown.leading) == (
        "4",
        "no bounds",
        "no bounds",
        "can't be told",
    )


def shown(function, *arguments, width=80):
    console = Console(file=io.StringIO(), width=width, highlight=False)
    function(console, *arguments)
    return console.file.getvalue()


def test_the_terminal_shows_them_and_keeps_code_in_one_piece(verdict):
    text = shown(print_stretches, verdict)
    assert "-0.2000 [-0.3000, -0.1000]" in text
    assert "can't be told" in text
    told = shown(print_verdict, verdict)
    assert "To know, add" in told
    for line in verdict.to_know.splitlines():
        assert line in told
    assert "It lags [markup] & <tags>." in told


def test_nothing_is_shown_of_a_run_without_them(verdict):
    assert shown(print_stretches, Verdict(score=Score(), headline="", overfitting=verdict.overfitting)) == ""


def test_json_has_the_numbers_in_full(verdict):
    run = Run(id="a", source="b", started="")
    told = json.loads(run_as_json(run, verdict, source="b"))["verdict"]
    assert told["to_know"] == verdict.to_know
    assert [(r["first"], r["last"], r["leading"]) for r in told["ranges"]] == [(1, 3, "averaging"), (4, 4, "cannot_tell")]
    assert told["ranges"][0]["averaging"]["low"] == -0.3
    assert told["ranges"][1]["rest"] is None


def test_the_page_has_them_escaped(verdict):
    page = page_of(Run(id="a", source="b", started=""), verdict)
    assert "first line &lt;of&gt; code" in page
    assert "<of>" not in page
