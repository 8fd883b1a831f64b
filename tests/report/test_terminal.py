"""The terminal: at 80 columns, without colour, in ASCII where need be, and with the records' own numbers."""

from __future__ import annotations

import io
import itertools
import re

import msgspec
import pytest
from rich.console import Console

from whygap.records import NotMeasured, Overfitting, Problem
from whygap.report import print_epochs, print_ladder, print_looks, print_runs, print_verdict
from whygap.report.bars import Scale
from whygap.report.labels import CAUSE_LABELS
from whygap.verdict import judge

NUMBER = r"[-+]?\d+\.\d+"


def printed(show, *args, width=80, **kwargs):
    stream = io.StringIO()
    show(Console(file=stream, width=width), *args, **kwargs)
    return stream.getvalue()


def decimals(text):
    return len(text.partition(".")[2])


def assert_shows(text, value):
    assert float(text) == pytest.approx(value, abs=0.5000001 * 10.0 ** -decimals(text))


def test_nothing_is_wider_than_80_columns(any_run, build):
    shown = "".join(
        [
            *(printed(print_ladder, gap) for gap in any_run.epochs),
            *(printed(print_epochs, any_run, score.name) for score in any_run.scores),
            printed(print_verdict, build.verdict()),
            printed(print_verdict, judge(any_run)),
            printed(print_looks, judge(any_run)),
            printed(print_runs, [any_run] * 3),
        ]
    )
    assert max(len(line) for line in shown.splitlines()) <= 80
    assert "…" not in shown  # nothing was cut either


def test_there_are_no_colour_codes_on_a_pipe(any_run, build):
    shown = printed(print_ladder, any_run.epochs[0]) + printed(print_verdict, build.verdict())
    assert "\x1b" not in shown


def test_everything_can_be_written_in_ascii(any_run, build):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    console = Console(file=stream, width=80)
    print_ladder(console, any_run.epochs[0])
    print_epochs(console, any_run)
    print_runs(console, [any_run])
    print_verdict(console, build.verdict())
    print_looks(console, judge(any_run))
    stream.flush()
    assert b"->" in stream.buffer.getvalue()


def test_the_ladder_shows_the_records_numbers(any_run):
    for gap in any_run.epochs:
        if gap.gap is None:
            continue
        shown = printed(print_ladder, gap, explain=False)
        assert_shows(re.search(rf"^training, as reported +({NUMBER})", shown, re.M)[1], gap.train_reported)
        assert_shows(re.search(rf"^validation, as reported +({NUMBER})", shown, re.M)[1], gap.valid_reported)
        assert_shows(re.search(rf"^gap ({NUMBER})", shown, re.M)[1], gap.gap.value)
        for term in gap.terms:
            found = re.search(rf"^  {CAUSE_LABELS[term.cause].short} +({NUMBER})(?: \[({NUMBER}), ({NUMBER})\])?", shown, re.M)
            if found is None:
                assert abs(term.value) < 1e-6
                continue
            for text, value in zip(found.groups(), (term.value, term.estimate.low, term.estimate.high), strict=True):
                assert_shows(text, value)


def test_rungs_are_shown_between_terms_in_the_order_of_the_ladder(runs):
    shown = printed(print_ladder, runs.lstm.epochs[0], explain=False)
    names = ["training, as reported", "epoch averaging", "end-of-epoch weights", "train mode", "eval mode", "generalisation"]
    places = [shown.index(name) for name in [*names, "validation, as reported"]]
    assert places == sorted(places)


def test_bars_start_where_the_former_ended(runs):
    shown = printed(print_ladder, runs.many.epochs[3], width=120, explain=False)
    bars = [line for line in shown.splitlines() if line.startswith("  ") and re.search("[█▌▐]$", line)]
    assert len(bars) >= 5
    spans = [(min(m.start() for m in re.finditer("[█▌▐]", b)), len(b)) for b in bars]
    going_down = spans[:1] + spans[2:5]  # penalty, averaging, mode, augmentation: each ends where the next begins
    for (start, _), (_, end) in itertools.pairwise(going_down):
        assert abs(start - end) <= 1


def test_what_is_not_reliable_is_marked_and_explained(runs):
    shown = printed(print_ladder, runs.many.epochs[0])
    assert re.search(r"^  train mode .*sampled 256 \?", shown, re.M)
    assert re.search(r"^\? not reliable +train mode: 4 of 40 batches", shown, re.M)
    assert "?" not in printed(print_ladder, runs.many.epochs[4])


def test_the_unattributed_rest_is_shown_unless_it_is_dust(runs):
    assert re.search(rf"^  unattributed +{NUMBER}", printed(print_ladder, runs.log.epochs[0]), re.M)
    assert "unattributed" not in printed(print_ladder, runs.lstm.epochs[0])


def test_what_was_not_measured_is_told_with_the_reason(runs):
    shown = " ".join(printed(print_ladder, runs.lstm.epochs[0]).split())
    assert "not measured memorisation: there are no fresh examples of the training process" in shown


def test_nil_terms_are_named_and_parts_are_listed(runs):
    shown = printed(print_ladder, runs.odd_rungs.epochs[0])
    assert re.search(r"^nil +loss penalty, batch weighting", shown, re.M)
    assert re.search(r"^    duplicates +\+0.015 ", shown, re.M)


def test_parts_stand_under_their_term_with_interval_and_bar(runs):
    gap = runs.parts.epochs[0]
    lines = printed(print_ladder, gap, width=100, explain=False).splitlines()
    names = [re.split(r"  +", line.strip())[0] for line in lines[3:]]
    assert names[:10] == [
        "training, as reported", "epoch averaging", "time lag", "own update", "end-of-epoch weights",
        "train mode", "dropout", "batch norm", "other", "eval mode",
    ]  # fmt: skip
    by_name = {
        part.name: (part, line)
        for term in gap.terms
        for part in term.parts
        for line in lines
        if line.startswith(f"    {part.name} ")
    }
    for part, line in by_name.values():
        found = re.search(rf"^    {part.name} +({NUMBER}) \[({NUMBER}), ({NUMBER})\] sampled 256", line)
        for text, value in zip(found.groups(), (part.value, part.estimate.low, part.estimate.high), strict=True):
            assert_shows(text, value)
        assert re.search("[█▌▐│]$", line)
    assert "sampled 256 ?" in by_name["other"][1]


def test_a_part_that_is_not_reliable_has_its_reason(runs):
    assert re.search(r"^\? not reliable +train mode, other: 2 of 40 batches", printed(print_ladder, runs.parts.epochs[0]), re.M)


def test_what_makes_a_reliable_interval_is_told_once_in_the_detailed_view(runs, build):
    gap = runs.parts.epochs[0]
    shown = " ".join(printed(print_ladder, gap).split())
    assert f"interval generalisation: {build.dominated}" in shown
    assert build.dominated not in " ".join(printed(print_ladder, gap, explain=False).split())
    terms = tuple(
        msgspec.structs.replace(t, estimate=msgspec.structs.replace(t.estimate, why="every example was scored"))
        for t in gap.terms
    )
    shown = " ".join(printed(print_ladder, msgspec.structs.replace(gap, terms=terms)).split())
    assert "interval epoch averaging, train mode, generalisation: every example was scored" in shown


def test_looks_are_listed_with_both_intervals_and_what_they_say(runs):
    o = judge(runs.overfit).overfitting
    shown = printed(print_looks, judge(runs.overfit))
    rows = re.findall(rf"^ +(\d+) +({NUMBER}) +\[({NUMBER}), ({NUMBER})\] +\[({NUMBER}), ({NUMBER})\] +(\S.*?) *$", shown, re.M)
    assert [int(row[0]) for row in rows] == list(range(1, 41))
    for row, look in zip(rows, o.looks, strict=True):
        for text, value in zip(
            row[1:6], (look.estimate.value, look.estimate.low, look.estimate.high, look.low, look.high), strict=True
        ):
            assert_shows(text, value)
        assert row[6].startswith("yes" if look.overfits else "no")
    assert [int(row[0]) for row in rows if "since here" in row[6]] == [o.since_epoch]
    assert "all 40 of the wider ones hold together at 95 %" in " ".join(shown.split())


def test_without_looks_nothing_is_printed(runs, build):
    assert printed(print_looks, judge(runs.log)) == ""


def test_an_epoch_without_a_gap_says_why(runs):
    shown = printed(print_ladder, runs.missing.epochs[2])
    assert "no gap: no validation loss was reported" in shown


@pytest.mark.parametrize(("score", "words"), [("loss", "lower is better"), ("accuracy", "higher is better")])
def test_words_respect_the_direction_of_the_score(runs, score, words):
    first = runs.two.of(score)[0]  # validation looks better in both
    shown = printed(print_ladder, first)
    assert words in shown
    assert "validation looks better" in shown
    assert (first.gap.value > 0) == (score == "accuracy")


def test_the_table_has_a_row_per_epoch_and_a_column_per_cause(runs):
    shown = printed(print_epochs, runs.many)
    for word in ("penalty", "weighting", "averaging", "mode", "augmentation", "generalisation", "unattri-"):
        assert word in shown
    first_block, second_block = shown.split("epoch  augmentation")
    for block in (first_block, second_block):
        assert [int(m) for m in re.findall(r"^ +(\d+) ", block, re.M)] == list(range(1, 9))
    cells = re.search(r"^ +1 +(.*)$", first_block, re.M)[1].replace(" ?", "").split()
    gap = runs.many.epochs[0]
    expected = [gap.train_reported, gap.valid_reported, gap.gap.value, *(t.value for t in gap.terms)]
    for text, value in zip(cells, expected, strict=False):
        assert_shows(text, value)


def test_the_table_of_a_run_without_epochs_says_so(runs):
    assert "has no epochs" in printed(print_epochs, runs.empty)
    assert "has no epochs of f1" in printed(print_epochs, runs.lstm, "f1")


def test_the_verdict_says_everything_that_the_record_does(build):
    verdict = build.verdict()
    shown = " ".join(printed(print_verdict, verdict).split())
    evidence = (verdict.overfitting.evidence, verdict.forecast.evidence)
    for text in (verdict.headline, *evidence, *verdict.warnings, *(m.why for m in verdict.cannot_tell)):
        assert text in shown
    for cause in verdict.causes:
        assert cause.advice in shown
    assert "94 % epoch averaging" in shown


def test_overfitting_names_its_first_epoch(build):
    verdict = msgspec.structs.replace(build.verdict(), overfitting=Overfitting(state="yes", since_epoch=7, evidence="It grew."))
    assert "Overfitting since epoch 7. It grew." in printed(print_verdict, verdict)


def test_evidence_that_names_the_answer_is_not_given_it_twice(build):
    verdict = msgspec.structs.replace(
        build.verdict(), overfitting=Overfitting(state="no", since_epoch=None, evidence="It does not overfit: none of 12.")
    )
    shown = printed(print_verdict, verdict)
    assert "It does not overfit: none of 12." in shown
    assert "No overfitting" not in shown


def test_square_brackets_are_text_not_markup(runs, build):
    why = "[red]no[/red] [/] [bold"
    gap = msgspec.structs.replace(runs.lstm.epochs[0], not_measured=(NotMeasured(cause="mode", why=why),), notes=(why,))
    assert printed(print_ladder, gap).count(why) == 2
    assert why in printed(print_verdict, msgspec.structs.replace(build.verdict(), headline=why))
    run = msgspec.structs.replace(runs.one, id="[red]", source="[/]")
    assert "[red]" in printed(print_runs, [run])


def test_runs_are_listed_with_their_state(runs):
    problem = Problem(epoch=None, text="x")
    broken = msgspec.structs.replace(runs.one, id="broken", problems=(problem, problem))
    shown = printed(print_runs, [runs.two, broken], width=100)
    assert re.search(r"two-1 +keras +2026-03-03 09:30 +12 +loss, accuracy +finished", shown)
    assert re.search(r"broken .* not finished, 2 problems", shown)
    assert "No runs" in printed(print_runs, [])


@pytest.mark.parametrize("ascii_only", [False, True])
def test_a_bar_fills_its_part_of_the_scale(ascii_only):
    scale = Scale(0.0, 10.0, 10, ascii_only)
    full = "#" if ascii_only else "█"
    assert scale.bar(0.0, 10.0) == full * 10
    assert scale.bar(7.0, 3.0) == scale.bar(3.0, 7.0) == "   " + full * 4
    assert len(scale.bar(2.5, 2.5)) == 3  # a tick, so that a nil term is seen
    assert len(scale.tick(10.0)) == 10


def test_a_scale_without_length_draws_ticks():
    assert Scale(1.0, 1.0, 10).bar(1.0, 1.0) == "│"
