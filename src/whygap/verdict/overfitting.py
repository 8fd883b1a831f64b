"""Does the run overfit? Only an interval that excludes zero says yes, and looking every epoch is paid for."""

from __future__ import annotations

import math
from collections.abc import Sequence

from whygap.estimate import student_quantile
from whygap.records import EpochGap, Estimate, Overfitting

PRECISE_ENOUGH = 0.25
""""No" is said only where the interval's half-width is at most this share of the validation score; else it can't be told."""


def judge_overfitting(gaps: Sequence[EpochGap]) -> Overfitting:
    """Say whether the network scores its training examples better than unseen ones, beyond noise, and since when.

    The k-th look is taken at the level 1 - 0.05 * 6 / (pi^2 k^2), so that a run that never overfits is accused at any time with
    a probability of at most 5 % (Bonferroni over the epochs). "Since" is the first epoch of the last unbroken stretch of such
    epochs, and the stretch must reach the end of the run.

    Parameters
    ----------
    gaps : sequence of EpochGap
        The measured epochs of one score, in order.
    """
    looks = [(g, e) for g in gaps if (e := measured_gap(g)) is not None]
    if not looks:
        return Overfitting(
            state="cannot_tell", since_epoch=None, evidence="Whether it overfits can't be told: unseen examples were not scored."
        )
    since: int | None = None
    last, estimate = looks[-1]
    harm = -1.0 if last.score.higher_is_better else 1.0
    for k, (gap, e) in enumerate(looks, start=1):
        low = bound(e, 1.0 - 0.05 * 6.0 / (math.pi * k) ** 2, harm)
        if not (e.reliable and low > 0.0):
            since = None
        elif since is None:
            since = gap.epoch
    name = "memorisation" if last.term("memorisation") else "generalisation"
    shown = f"the {name} term in epoch {last.epoch} is {estimate} at {estimate.level:.0%}"
    if since is not None:
        return Overfitting(state="yes", since_epoch=since, evidence=f"It overfits since epoch {since}: {shown}.")
    if not estimate.reliable:
        return Overfitting(
            state="cannot_tell",
            since_epoch=None,
            evidence=f"Whether it overfits can't be told: {shown}, which is not reliable ({estimate.why}).",
        )
    half = (estimate.high - estimate.low) / 2
    scale = abs(last.valid_reported or 0.0)
    if half > PRECISE_ENOUGH * scale:
        return Overfitting(
            state="cannot_tell",
            since_epoch=None,
            evidence=f"Whether it overfits can't be told: {shown}, too wide; score more validation examples.",
        )
    return Overfitting(state="no", since_epoch=None, evidence=f"No overfitting: {shown}.")


def measured_gap(gap: EpochGap) -> Estimate | None:
    """Return the memorisation term where it was measured, else generalisation, else None."""
    term = gap.term("memorisation") or gap.term("generalisation")
    return None if term is None else term.estimate


def bound(estimate: Estimate, level: float, direction: float) -> float:
    """Return the near end, towards zero, of the two-sided interval at `level`, counted positive in `direction` (+1 or -1)."""
    half = student_quantile(level, estimate.df) * estimate.se if estimate.se > 0.0 else 0.0
    return direction * estimate.value - half
