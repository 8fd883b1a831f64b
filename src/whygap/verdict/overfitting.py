"""Does the run overfit? Only an interval that excludes zero says yes, and looking every epoch is paid for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from whygap.estimate import Moments, add_moments, reach
from whygap.records import EpochGap, Look, Overfitting, OverfittingState, Term, bounds

WORTH = 0.1
"""Overfitting is said from this share of the validation score on; of accuracy, of its errors."""

PRECISE_ENOUGH = 0.25
""""No" is said only where the interval rules out harm above this share of the validation score; else it can't be told."""


def judge_overfitting(gaps: Sequence[EpochGap]) -> Overfitting:
    """Say whether the network scores its training examples better than unseen ones, beyond chance, and since when.

    At an interval's level of 0.95 the k-th look is taken at 1 - 0.05 * 6 / (pi^2 k^2), so that a run that never overfits is
    accused at any time with a probability of at most 5 % (Bonferroni over the epochs: the errors sum to 0.05). Chance has also
    drawn the training set, of which the examples may be easier than most before anything is learnt from them. "Since" is the
    first epoch of the last unbroken stretch of such epochs, which must reach the end of the run; an unreliable interval neither
    starts nor ends it.

    Parameters
    ----------
    gaps : sequence of EpochGap
        The epochs of one score, in order; those where unseen examples were not scored are passed over.
    """
    looks = tuple(_look(gap, e, k) for k, (gap, e) in enumerate(_measured(gaps), start=1))
    unknown = "Whether it overfits can't be told"
    if not looks:
        return Overfitting(state="cannot_tell", since_epoch=None, evidence=f"{unknown}: unseen examples were not scored.")
    sign = -1.0 if gaps[0].score.higher_is_better else 1.0  # how much worse unseen examples score, whatever the score
    since: int | None = None
    for look in looks:
        if look.overfits:
            since = look.epoch if since is None else since
        elif look.estimate.reliable:
            since = None
    last = looks[-1]
    e, unseen = last.estimate, "fresh" if last.cause == "memorisation" else "validation"
    shown = f"{last.cause.capitalize()} is {e} in epoch {last.epoch}"
    paid = [f"{len(looks)} looks"] * (len(looks) > 1) + ["the draw of the training set"] * (gaps[-1].draw_train is not None)
    if paid:
        shown += f"; {bounds(last.low, last.high)}, paying for {' and '.join(paid)}"

    def answer(state: OverfittingState, text: str) -> Overfitting:
        return Overfitting(state=state, since_epoch=since if state == "yes" else None, evidence=text, looks=looks)

    if not e.reliable:
        return answer("cannot_tell", f"{unknown}: its interval isn't reliable ({e.why}). {shown}.")
    if since is not None:
        text = f"It overfits: training examples score better than {unseen} ones since epoch {since}, beyond chance."
        return answer("yes", f"{text} {shown}.")
    valid = next(g.valid_reported for g in reversed(gaps) if g.epoch == last.epoch)
    if max(sign * e.low, sign * e.high) > PRECISE_ENOUGH * abs(valid or 0.0):
        return answer("cannot_tell", f"{unknown}: the interval is too wide; score more {unseen} examples. {shown}.")
    if min(sign * last.low, sign * last.high) > 0.0:
        text = f"It does not overfit: training examples score better than {unseen} ones by too little to matter. {shown}."
        return answer("no", text)
    text = f"It does not overfit: training examples score no better than {unseen} ones, but for chance. {shown}"
    return answer("no", f"{text}{', which chance gives' if min(sign * e.low, sign * e.high) > 0.0 else ''}.")


def _worth(gap: EpochGap) -> float:
    """Return how much worse unseen examples must score: a single visit leaves a trace too, on examples never seen again."""
    valid = gap.valid_reported or 0.0
    return WORTH * (1.0 - valid if gap.score.higher_is_better and 0.0 <= valid <= 1.0 else abs(valid))


def _measured(gaps: Sequence[EpochGap]) -> Iterator[tuple[EpochGap, Term]]:
    """Yield the epochs in which unseen examples were scored, with the memorisation term or, without it, generalisation."""
    for gap in gaps:
        term = gap.term("memorisation") or gap.term("generalisation")
        if term is not None:
            yield gap, term


def _look(gap: EpochGap, term: Term, k: int) -> Look:
    e = term.estimate
    own = Moments(e.se**2, e.df, e.skew * e.se**3)
    error = add_moments((own, Moments((gap.draw_train or 0.0) ** 2)))
    se, level = math.sqrt(error.variance), 1.0 - (1.0 - e.level) * 6.0 / (math.pi * k) ** 2
    below, above = reach(level, error.df, error.skew) if se > 0.0 else (0.0, 0.0)
    low, high = e.value - below * se, e.value + above * se
    least = -high if gap.score.higher_is_better else low
    return Look(epoch=gap.epoch, cause=term.cause, estimate=e, low=low, high=high, overfits=e.reliable and least > _worth(gap))
