"""Does the run overfit? Only an interval that excludes zero says yes, and looking every epoch is paid for."""

from __future__ import annotations

import math
from collections.abc import Sequence

from whygap.estimate import student_quantile
from whygap.records import EpochGap, Estimate, Overfitting

FALSE_ALARMS = 0.05
"""At most this share of runs that never overfit is accused, at any time during the run."""

PRECISE_ENOUGH = 0.25
""""No" is said only where the interval rules out harm above this share of the validation score; else it can't be told."""


def judge_overfitting(gaps: Sequence[EpochGap]) -> Overfitting:
    """Say whether the network scores its training examples better than unseen ones, beyond chance, and since when.

    The k-th look is taken at the level 1 - 0.05 * 6 / (pi^2 k^2), so that a run that never overfits is accused at any time with
    a probability of at most 5 % (Bonferroni over the epochs: the errors sum to 0.05). "Since" is the first epoch of the last
    unbroken stretch of such epochs, which must reach the end of the run; an unreliable interval neither starts nor ends it.

    Parameters
    ----------
    gaps : sequence of EpochGap
        The epochs of one score, in order; those where unseen examples were not scored are passed over.
    """
    looks = [(gap, e) for gap in gaps if (e := measured_gap(gap)) is not None]
    unknown = "Whether it overfits can't be told"
    if not looks:
        return Overfitting(state="cannot_tell", since_epoch=None, evidence=f"{unknown}: unseen examples were not scored.")
    since: int | None = None
    for k, (gap, e) in enumerate(looks, start=1):
        low, _ = harm_at(e, 1.0 - FALSE_ALARMS * 6.0 / (math.pi * k) ** 2, gap)
        if e.reliable and low <= 0.0:
            since = None
        elif e.reliable and since is None:
            since = gap.epoch
    last, estimate = looks[-1]
    cause, unseen = ("memorisation", "fresh") if last.term("memorisation") else ("generalisation", "validation")
    shown = f"{cause.capitalize()} is {estimate} in epoch {last.epoch}"
    low, high = harm_at(estimate, estimate.level, last)
    if not estimate.reliable:
        evidence = f"{unknown}: its interval isn't reliable ({estimate.why}). {shown}."
        return Overfitting(state="cannot_tell", since_epoch=None, evidence=evidence)
    if since is not None:
        evidence = f"It overfits: training examples score better than {unseen} ones since epoch {since}, beyond chance."
        return Overfitting(state="yes", since_epoch=since, evidence=f"{evidence} {shown}.")
    if high > PRECISE_ENOUGH * abs(last.valid_reported or 0.0):
        evidence = f"{unknown}: the interval is too wide; score more {unseen} examples. {shown}."
        return Overfitting(state="cannot_tell", since_epoch=None, evidence=evidence)
    evidence = f"It does not overfit: training examples score no better than {unseen} ones, but for chance. {shown}"
    looked = f", which chance can give in {len(looks)} looks" if low > 0.0 else ""
    return Overfitting(state="no", since_epoch=None, evidence=f"{evidence}{looked}.")


def measured_gap(gap: EpochGap) -> Estimate | None:
    """Return the memorisation term where it was measured, else generalisation, else None."""
    term = gap.term("memorisation") or gap.term("generalisation")
    return None if term is None else term.estimate


def harm_at(estimate: Estimate, level: float, gap: EpochGap) -> tuple[float, float]:
    """Return the interval at `level` of how much worse unseen examples score, in the score's unit: positive is overfitting."""
    harm = -estimate.value if gap.score.higher_is_better else estimate.value
    half = student_quantile(level, estimate.df) * estimate.se if estimate.se > 0.0 else 0.0
    return harm - half, harm + half
