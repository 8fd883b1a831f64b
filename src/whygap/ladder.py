"""Rungs in, `EpochGap` out: the accounting identity.

A term is the difference of two neighbouring rungs: what was seen of each sampled example is subtracted before any variance is
taken, which is what pairing means, and an error that both share cancels. The values telescope, so that the terms add up to the
reported gap whatever the estimates are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from whygap.observation import Observation
from whygap.parts import split_term
from whygap.records import Cause, EpochGap, NotMeasured, Rung, RungName, Term
from whygap.rungs import Level, Rungs, draw_of_training, measure_rungs

LADDER: tuple[tuple[RungName, Cause | None], ...] = (
    ("reported", None),
    ("data", "penalty"),
    ("visited", "reduction"),
    ("end_weights", "averaging"),
    ("eval_mode", "mode"),
    ("clean_view", "augmentation"),
    ("valid_criterion", "criterion"),
    ("valid_weights", "weights"),
    ("fresh", "memorisation"),
    ("valid", "shift"),
    ("valid_reduced", "reduction_valid"),
    ("valid_reported", "penalty_valid"),
)
"""Every rung from training as reported to validation as reported, with the cause that leads to it from the rung above."""

OPTIONAL: tuple[RungName, ...] = ("clean_view", "valid_criterion", "valid_weights")
"""The rungs that need a view, a criterion or weights which only the user can name: where nobody did, they don't apply."""


def build_epoch_gap(observation: Observation, rungs: Rungs | None = None) -> EpochGap:
    """Split the reported gap of one epoch into terms.

    Answers "which rung of the ladder did the two scores part at, and by how much?". It does not tell why a term is what it is.

    Parameters
    ----------
    observation : Observation
        Scores in the unit of `observation.score`. What isn't finite counts as not measured.
    rungs : Rungs, optional
        What `measure_rungs` gives for it, where that is at hand.

    Returns
    -------
    EpochGap
        `gap` and terms are valid - train in the score's unit. Intervals of terms up to `weights` are for this epoch's very
        examples: a full pass makes them exact, up to the noise of random masks. From `memorisation` on they are for what the
        fresh and the validation examples were drawn from. Every cause that applies is a term or named in `not_measured`.

    Raises
    ------
    InputError
        If the arrays of the observation don't fit one another.
    """
    o = observation
    rungs = rungs or measure_rungs(o)
    measured, terms, not_measured = _climb(o, rungs)
    first, last = rungs.levels.get("reported"), rungs.levels.get("valid_reported")
    gap = rungs.between(first, last, o.level) if first and last else None
    return EpochGap(
        epoch=o.epoch,
        score=o.score,
        train_reported=first.value if first else None,
        valid_reported=last.value if last else None,
        gap=gap,
        terms=tuple(terms),
        unattributed=gap.value - math.fsum(t.value for t in terms) if gap else 0.0,
        rungs=tuple(measured),
        not_measured=tuple(NotMeasured(cause=c, why=w) for c, w in not_measured.items()),
        notes=(*o.notes, *(rungs.lost[end] for end in ("reported", "valid_reported") if end in rungs.lost)),
        draw_train=draw_of_training(o, rungs),
        spent_s=o.spent_s,
        evaluations=o.evaluations,
    )


def _climb(o: Observation, rungs: Rungs) -> tuple[list[Rung], list[Term], dict[Cause, str]]:
    """Walk the ladder: a term joins two neighbouring rungs, and what lies across a missing one stays unattributed."""
    measured: list[Rung] = []
    terms: list[Term] = []
    missing = dict(o.not_measured)
    if "fresh" in rungs.lost:
        missing.setdefault("memorisation", rungs.lost["fresh"])
    above: Level | None = None
    hidden: list[Cause] = []  # those whose rungs are missing between `above` and here
    for name, cause in _applicable(o, rungs):
        here = rungs.levels.get(name)
        if here is None:
            if cause is not None:
                hidden.append(cause)
                missing.setdefault(cause, rungs.lost.get(name, "it was not measured"))
            continue
        measured.append(Rung(name=name, estimate=rungs.between(None, here, o.level)))
        if cause is None:
            pass
        elif hidden:
            others = " and ".join(hidden) if len(hidden) < 3 else f"the {len(hidden)} causes before it"
            missing.setdefault(cause, f"it can't be told apart from {others}")
        elif above is None:
            missing.setdefault(cause, rungs.lost["reported"])
        elif cause not in missing:
            estimate = rungs.between(above, here, o.level)
            terms.append(Term(cause=cause, estimate=estimate, parts=split_term(cause, estimate, o, rungs)))
        above, hidden = here, []
    return measured, terms, missing


def _applicable(o: Observation, rungs: Rungs) -> Iterator[tuple[RungName, Cause | None]]:
    """Yield the rungs that apply in this run, measured or missing, each with the cause that leads to it."""
    has_fresh = "fresh" in rungs.levels and "memorisation" not in o.not_measured
    for name, cause in LADDER:
        if name == "fresh":
            if has_fresh:
                yield name, cause
        elif name == "valid":
            yield name, cause if has_fresh else "generalisation"
        elif cause in o.absent:
            continue
        elif name not in OPTIONAL or name in rungs.levels or name in rungs.lost or cause in o.not_measured:
            yield name, cause
