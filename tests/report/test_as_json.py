"""`run_as_json` prints the shape that machines were promised, and the records' own numbers."""

from __future__ import annotations

import json

import msgspec
import pytest

from whygap.records import Term
from whygap.report import run_as_json
from whygap.verdict import judge

TOP = {"schema", "run", "source", "score", "epochs", "verdict"}
EPOCH = {"epoch", "train_reported", "valid_reported", "gap", "terms", "unattributed"}
TERM = {"cause", "value", "low", "high", "level", "how", "n", "reliable", "parts"}


def read(content):
    def refuse(name):
        raise AssertionError(f"{name} isn't JSON")

    return json.loads(content, parse_constant=refuse)


def test_the_keys_are_those_of_the_promised_shape(any_run, build):
    shown = read(run_as_json(any_run, build.verdict(any_run.scores[0]), source="a file"))
    assert set(shown) == TOP
    assert shown["schema"] == 1
    assert shown["source"] == "a file"
    assert set(shown["score"]) == {"name", "unit", "higher_is_better"}
    assert set(shown["verdict"]) == {
        "headline", "overfitting", "causes", "cannot_tell", "warnings", "remarks", "ranges", "to_know", "forecast",
    }  # fmt: skip
    assert set(shown["verdict"]["overfitting"]) == {"state", "since_epoch", "evidence", "looks"}
    assert set(shown["verdict"]["forecast"]) == {"state", "evidence", "epoch", "low", "high", "level"}
    assert all(set(c) == {"cause", "share", "sentence", "advice"} for c in shown["verdict"]["causes"])
    assert all(set(c) == {"cause", "why"} for c in shown["verdict"]["cannot_tell"])
    for epoch in shown["epochs"]:
        assert epoch.keys() >= EPOCH
        assert all(term.keys() >= TERM for term in epoch["terms"])


def test_reading_the_numbers_back_gives_the_records_own_floats(any_run, build):
    score = any_run.scores[-1]
    shown = read(run_as_json(any_run, build.verdict(score), source="-"))
    gaps = any_run.of(score.name)
    assert [e["epoch"] for e in shown["epochs"]] == [g.epoch for g in gaps]
    for epoch, gap in zip(shown["epochs"], gaps, strict=True):
        assert epoch["train_reported"] == gap.train_reported
        assert epoch["valid_reported"] == gap.valid_reported
        assert epoch["gap"] == (None if gap.gap is None else gap.gap.value)
        assert epoch["unattributed"] == gap.unattributed
        for printed, term in zip(epoch["terms"], gap.terms, strict=True):
            e = term.estimate
            assert [printed[k] for k in ("cause", "value", "low", "high", "level", "how", "n", "reliable")] == [
                term.cause, e.value, e.low, e.high, e.level, e.how, e.n, e.reliable,
            ]  # fmt: skip


def test_parts_are_printed_like_terms(runs, build):
    shown = read(run_as_json(runs.odd_rungs, build.verdict(), source="-"))
    parts = shown["epochs"][0]["terms"][-1]["parts"]
    assert [(p["name"], p["value"]) for p in parts] == [("duplicates", 0.015), ("the rest", 0.005)]
    assert all(part.keys() >= TERM for part in parts)


def test_looks_are_printed_with_both_intervals(runs):
    verdict = judge(runs.overfit)
    shown = read(run_as_json(runs.overfit, verdict, source="-"))["verdict"]["overfitting"]
    assert (shown["state"], shown["since_epoch"]) == ("yes", verdict.overfitting.since_epoch)
    assert len(shown["looks"]) == 40
    for printed, look in zip(shown["looks"], verdict.overfitting.looks, strict=True):
        e = look.estimate
        assert printed == {
            "epoch": look.epoch, "cause": "memorisation", "value": e.value, "low": e.low, "high": e.high,
            "run_low": look.low, "run_high": look.high, "overfits": look.overfits, "level": e.level, "reliable": e.reliable,
        }  # fmt: skip


def test_only_the_verdicts_score_is_printed(runs, build):
    shown = read(run_as_json(runs.two, build.verdict(build.accuracy), source="-"))
    assert shown["score"] == {"name": "accuracy", "unit": None, "higher_is_better": True}
    assert [e["train_reported"] for e in shown["epochs"]] == [g.train_reported for g in runs.two.of("accuracy")]


def test_an_epoch_without_a_gap_has_null_and_the_reason(runs, build):
    third = read(run_as_json(runs.missing, build.verdict(), source="-"))["epochs"][2]
    assert third["gap"] is third["valid_reported"] is None
    assert third["notes"] == ["no validation loss was reported"]


def test_an_empty_run_has_no_epochs(runs, build):
    assert read(run_as_json(runs.empty, build.verdict(), source="-"))["epochs"] == []


def test_it_is_one_line_of_utf8(runs, build):
    run = msgspec.structs.replace(runs.one, id="naïve")
    content = run_as_json(run, build.verdict(), source="\n<é>")
    assert content.count(b"\n") == 1
    assert content.endswith(b"\n")
    assert read(content)["source"] == "\n<é>"


@pytest.mark.parametrize("field", ["value", "low", "high"])
def test_numbers_are_printed_in_full(runs, build, field):
    awkward = msgspec.structs.replace(runs.one.epochs[0].terms[0].estimate, **{field: 0.1 + 0.2})
    gap = msgspec.structs.replace(runs.one.epochs[0], terms=(Term(cause="averaging", estimate=awkward),))
    run = msgspec.structs.replace(runs.one, epochs=(gap,))
    assert read(run_as_json(run, build.verdict(), source="-"))["epochs"][0]["terms"][0][field] == 0.1 + 0.2
