"""Rungs in, `EpochGap` out: the accounting identity.

A term is the difference of two neighbouring rungs: what was seen of each sampled example is subtracted before any variance is
taken, which is what pairing means, and an error that both share cancels. The values telescope, so that the terms add up to the
reported gap whatever the estimates are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from whygap.estimate import add_variances, estimate_from, is_minor
from whygap.observation import Observation, check_observation
from whygap.records import Cause, EpochGap, Estimate, NotMeasured, Rung, RungName, Term
from whygap.rungs import Level, Rungs, Sampling, measure_rungs

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


def build_epoch_gap(observation: Observation) -> EpochGap:
    """Split the reported gap of one epoch into terms.

    Answers "which rung of the ladder did the two scores part at, and by how much?". It does not tell why a term is what it is.

    Parameters
    ----------
    observation : Observation
        Scores in the unit of `observation.score`. What isn't finite counts as not measured.

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
    check_observation(o)
    rungs = measure_rungs(o)
    measured, terms, not_measured = _climb(o, rungs)
    first, last = rungs.levels.get("reported"), rungs.levels.get("valid_reported")
    gap = _between(first, last, rungs.sampling, o.level) if first and last else None
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
        measured.append(Rung(name=name, estimate=_between(None, here, rungs.sampling, o.level)))
        if cause is None:
            pass
        elif hidden:
            others = " and ".join(hidden) if len(hidden) < 3 else f"the {len(hidden)} causes before it"
            missing.setdefault(cause, f"it can't be told apart from {others}")
        elif above is None:
            missing.setdefault(cause, rungs.lost["reported"])
        elif cause not in missing:
            terms.append(Term(cause=cause, estimate=_between(above, here, rungs.sampling, o.level)))
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


def _between(above: Level | None, here: Level, sampling: Sampling | None, level: float) -> Estimate:
    """Return the difference of two rungs, or the rung itself with `above` None."""
    above = above or Level(0.0)
    errors = {s: here.errors.get(s) or above.errors[s] for s in sorted(here.errors.keys() ^ above.errors.keys())}
    if sampling is not None and not sampling.is_whole and here.each is not above.each:
        zero = 0.0 * sampling.unit
        change = (zero if here.each is None else here.each) - (zero if above.each is None else above.each)
        errors["batches that were not sampled"] = sampling.error_of_mean(change)
    total = add_variances(e.variance for e in errors.values())
    doubts = dict.fromkeys(e.doubt for e in errors.values() if e.doubt and not is_minor(e.variance, total))
    is_sampled = any(e.is_sampling for e in errors.values())
    noise = "" if is_sampled or not errors else f"every example was scored; the interval is the noise of {' and '.join(errors)}"
    return estimate_from(
        here.value - above.value,
        total,
        level=level,
        n=max(here.n, above.n),
        how="sampled" if is_sampled else "exact",
        not_reliable="; ".join(doubts),
        why=noise,
    )
