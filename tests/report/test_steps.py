"""The rows of a ladder: each step starts where the former ended, and together they are the reported gap."""

from __future__ import annotations

import itertools
import math

import msgspec
import pytest

from whygap.errors import InputError
from whygap.records import Term
from whygap.report.steps import Level, Step, all_rows_of, ladder_of, shown_of, steps_of


def whole_epochs(run):
    return [gap for gap in run.epochs if gap.gap is not None]


def test_steps_chain_from_reported_training_to_reported_validation(any_run):
    for gap in whole_epochs(any_run):
        rows = all_rows_of(gap)
        steps = [row for row in rows if isinstance(row, Step)]
        assert steps[0].start == gap.train_reported
        for former, later in itertools.pairwise(steps):
            assert later.start == former.end
        assert steps[-1].end == pytest.approx(gap.valid_reported, rel=1e-9)
        assert math.fsum(s.value for s in steps) == pytest.approx(gap.gap.value, abs=1e-9)
        for step in steps:
            assert step.end - step.start == pytest.approx(step.value, abs=1e-12)


def test_every_term_is_one_step_with_the_records_own_value(any_run):
    for gap in whole_epochs(any_run):
        steps = [row for row in all_rows_of(gap) if isinstance(row, Step) and row.term is not None]
        assert [s.term for s in steps] == list(gap.terms)
        assert [s.value for s in steps] == [t.value for t in gap.terms]


def test_rungs_stand_where_the_steps_lead(runs):
    for gap in whole_epochs(runs.many):
        here = None
        for row in all_rows_of(gap):
            if isinstance(row, Step):
                here = row.end
            elif here is not None:
                assert row.value == pytest.approx(here, rel=1e-9)


def test_what_lies_across_a_missing_rung_is_unattributed_at_that_place(runs):
    (gap,) = runs.odd_rungs.epochs
    rows = ladder_of(gap)
    assert [row.label.short for row in rows] == [
        "training, as reported", "unattributed", "eval mode", "generalisation", "validation, as reported",
    ]  # fmt: skip
    assert rows[1].value == pytest.approx(-0.15)


def test_nil_terms_are_left_out_of_the_ladder_but_named(runs):
    (gap,) = runs.odd_rungs.epochs
    shown = shown_of([gap])
    assert shown.causes == ("generalisation",)
    assert shown.nil == ("loss penalty", "batch weighting")
    assert shown.has_rest


def test_a_rest_that_no_rung_locates_comes_last(runs):
    gap = runs.log.epochs[0]
    assert [s.label.short for s in steps_of(gap)] == ["epoch averaging", "unattributed"]
    assert steps_of(gap)[-1].value == pytest.approx(gap.unattributed)


def test_the_parts_of_a_step_chain_from_its_start_to_its_end(runs):
    for gap in runs.parts.epochs:
        averaging, mode, generalisation = steps_of(gap)
        assert [part.name for part in averaging.parts] == ["time lag", "own update"]
        assert [part.name for part in mode.parts] == ["dropout", "batch norm", "other"]
        assert generalisation.parts == ()
        for step in (averaging, mode):
            assert step.name == step.label.short
            assert step.parts[0].start == step.start
            assert all(later.start == former.end for former, later in itertools.pairwise(step.parts))
            assert step.parts[-1].end == pytest.approx(step.end, abs=1e-12)
            assert all(part.label == step.label for part in step.parts)


def test_a_term_whose_parts_cancel_is_not_nil(build):
    gap = build.epoch(1, 0.5, {"averaging": -0.1, "mode": 0.0})
    averaging, mode = gap.terms
    assert shown_of([gap]).nil == ("train mode",)
    parts = tuple(Term(cause="mode", name=n, estimate=build.estimate(v, 0.01)) for n, v in (("dropout", 0.1), ("other", -0.1)))
    gap = msgspec.structs.replace(gap, terms=(averaging, msgspec.structs.replace(mode, parts=parts)))
    assert shown_of([gap]).nil == ()
    assert [step.label.short for step in steps_of(gap)] == ["epoch averaging", "train mode"]


def test_float_dust_is_not_a_step(build):
    gap = build.epoch(1, 0.5, {"averaging": -0.1}, unattributed=1e-17)
    assert all(step.term is not None for step in steps_of(gap))
    assert shown_of([gap]).nil == ()


def test_a_rest_within_the_rounding_of_float32_has_no_row_but_is_named(build):
    gap = build.epoch(1, 0.5, {"averaging": -0.1}, unattributed=3e-8)
    assert all(step.term is not None for step in steps_of(gap))
    assert shown_of([gap]).nil == ("unattributed (3e-08)",)
    assert shown_of([gap, gap]).nil == ("unattributed (at most 3e-08)",)
    assert shown_of([gap, build.epoch(2, 0.5, {"averaging": -0.1}, unattributed=0.01)]).has_rest


def test_no_number_is_said_twice_in_a_row(any_run):
    for gap in whole_epochs(any_run):
        rows = ladder_of(gap)
        assert isinstance(rows[0], Level)
        assert isinstance(rows[-1], Level)
        if len(rows) > 2:
            assert not any(isinstance(a, Level) and isinstance(b, Level) for a, b in itertools.pairwise(rows))


def test_an_epoch_in_which_nothing_was_measured_is_one_unattributed_step(build):
    gap = build.epoch(1, 1.0, {}, unattributed=-0.2)
    (step,) = steps_of(gap)
    assert step.term is None
    assert step.value == pytest.approx(-0.2)


def test_two_equal_scores_without_terms_are_two_levels(build):
    assert [row.value for row in ladder_of(build.epoch(1, 1.0, {}))] == [1.0, 1.0]


def test_no_gap_is_an_error_that_says_why(runs):
    with pytest.raises(InputError, match="epoch 3 of loss has no gap: no validation loss was reported"):
        ladder_of(runs.missing.epochs[2])
