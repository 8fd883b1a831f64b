"""A run and its verdict as JSON for machines: what `whygap explain --json` prints."""

from __future__ import annotations

from typing import Any

import msgspec

from whygap.records import EpochGap, Estimate, Look, Overfitting, Run, Stretch, Term, Verdict

SCHEMA = 1
"""The version of the printed shape. Keys may be added under the same number; none is renamed or dropped."""


def run_as_json(run: Run, verdict: Verdict, *, source: str) -> bytes:
    """Print a run and its verdict as one line of JSON.

    Numbers are printed in full, so that reading them back gives the records' own floats.

    Parameters
    ----------
    run
        Only the epochs of the verdict's score are printed.
    verdict
        The answer for one score of `run`.
    source
        Where the run came from, as the user named it: a run id, a file, or "-".

    Returns
    -------
    bytes
        UTF-8, ending in a newline. A score that is missing is null, with the reason among the epoch's notes.
    """
    shape = {
        "schema": SCHEMA,
        "run": run.id,
        "source": source,
        "score": verdict.score,
        "epochs": [_epoch(gap) for gap in run.of(verdict.score.name)],
        "verdict": {
            "headline": verdict.headline,
            "overfitting": _overfitting(verdict.overfitting),
            "causes": verdict.causes,
            "cannot_tell": verdict.cannot_tell,
            "warnings": verdict.warnings,
            "remarks": verdict.remarks,
            "ranges": [_stretch(stretch) for stretch in verdict.stretches],
            "to_know": verdict.to_know,
            "forecast": verdict.forecast,
        },
    }
    return msgspec.json.encode(shape) + b"\n"


def _epoch(gap: EpochGap) -> dict[str, Any]:
    return {
        "epoch": gap.epoch,
        "train_reported": gap.train_reported,
        "valid_reported": gap.valid_reported,
        "gap": None if gap.gap is None else gap.gap.value,
        "gap_low": None if gap.gap is None else gap.gap.low,
        "gap_high": None if gap.gap is None else gap.gap.high,
        "gap_level": None if gap.gap is None else gap.gap.level,
        "terms": [_term(term) for term in gap.terms],
        "unattributed": gap.unattributed,
        "rungs": [
            {"name": r.name, "value": r.estimate.value, "low": r.estimate.low, "high": r.estimate.high} for r in gap.rungs
        ],
        "not_measured": gap.not_measured,
        "notes": gap.notes,
        "spent_s": gap.spent_s,
        "evaluations": gap.evaluations,
    }


def _term(term: Term) -> dict[str, Any]:
    return {
        "cause": term.cause,
        **_estimate(term.estimate),
        "parts": [{"name": part.name, **_term(part)} for part in term.parts],
    }


def _estimate(e: Estimate) -> dict[str, Any]:
    return {
        "value": e.value,
        "low": e.low,
        "high": e.high,
        "level": e.level,
        "how": e.how,
        "n": e.n,
        "reliable": e.reliable,
        "why": e.why,
    }


def _stretch(stretch: Stretch) -> dict[str, Any]:
    parts = {"averaging": stretch.averaging, "rest": stretch.rest}
    return {
        "first": stretch.first,
        "last": stretch.last,
        "gap": stretch.gap,
        "leading": stretch.leading,
        **{name: None if e is None else _estimate(e) for name, e in parts.items()},
    }


def _overfitting(overfitting: Overfitting) -> dict[str, Any]:
    return {
        "state": overfitting.state,
        "since_epoch": overfitting.since_epoch,
        "evidence": overfitting.evidence,
        "looks": [_look(look) for look in overfitting.looks],
    }


def _look(look: Look) -> dict[str, Any]:
    """Return a look: `low` and `high` are the epoch's own interval, those with `run_` hold for all epochs together."""
    e = look.estimate
    return {
        "epoch": look.epoch,
        "cause": look.cause,
        "value": e.value,
        "low": e.low,
        "high": e.high,
        "run_low": look.low,
        "run_high": look.high,
        "overfits": look.overfits,
        "level": e.level,
        "reliable": e.reliable,
    }
