"""A run in, a `Verdict` out: which causes make the gap, what to do, and what can't be told."""

from __future__ import annotations

import math
from collections.abc import Sequence

from whygap.records import Cause, EpochGap, NotMeasured, Overfitting, RankedCause, Run, Score, Verdict
from whygap.verdict.overfitting import judge_overfitting
from whygap.verdict.sentences import WORDS

NEGLIGIBLE = 0.02
"""Causes with less than this share of the gap's parts are left out of the ranking."""


def judge(run: Run, *, score: str | None = None) -> Verdict:
    """Say why the two scores of a run differ.

    Parameters
    ----------
    run : Run
        Finished or not.
    score : str, optional
        Which score; by default the first one recorded, the loss.

    Returns
    -------
    Verdict
        Never accuses from curves alone: "overfitting" needs an interval that excludes zero, and a leak is never claimed here.
    """
    gaps = [g for g in run.of(score) if g.gap is not None]
    warnings = [p.text for p in run.problems]
    every = run.of(score)
    kind = every[0].score if every else Score(name=score or "loss")
    for note in dict.fromkeys(n for g in every for n in g.notes):
        epochs = [g.epoch for g in every if note in g.notes]
        if note not in warnings:
            warnings.append(f"{note} ({_epochs(epochs)})")
    cannot = list({m.cause: m for g in every for m in g.not_measured}.values())
    overfitting = judge_overfitting(gaps)
    if not gaps:
        headline = f"No epoch of this run has both a training and a validation {kind.name}: the gap can't be explained."
        return Verdict(
            score=kind, headline=headline, overfitting=overfitting, cannot_tell=tuple(cannot), warnings=tuple(warnings)
        )
    causes = _ranked(gaps)
    warnings += _doubts(gaps)
    return Verdict(
        score=kind,
        headline=_headline(gaps, causes, overfitting),
        overfitting=overfitting,
        causes=causes,
        cannot_tell=tuple(cannot) + _together(gaps),
        warnings=tuple(warnings),
    )


def explains_most(gap: EpochGap) -> Cause | None:
    """Return the cause whose term has the gap's sign and more than half of the summed size of all terms; None where none has."""
    if gap.gap is None:
        return None
    total = math.fsum(abs(t.value) for t in gap.terms) + abs(gap.unattributed)
    for term in gap.terms:
        if term.value * gap.gap.value > 0.0 and 2.0 * abs(term.value) > total:
            return term.cause
    return None


def _ranked(gaps: Sequence[EpochGap]) -> tuple[RankedCause, ...]:
    sizes: dict[Cause, float] = {}
    for gap in gaps:
        for term in gap.terms:
            sizes[term.cause] = sizes.get(term.cause, 0.0) + abs(term.value)
    total = math.fsum(sizes.values()) + math.fsum(abs(g.unattributed) for g in gaps)
    if total == 0.0:
        return ()
    ranked = sorted(sizes, key=lambda c: -sizes[c])
    return tuple(
        RankedCause(cause=c, share=sizes[c] / total, sentence=_sentence(gaps, c), advice=WORDS[c].advice)
        for c in ranked
        if sizes[c] / total >= NEGLIGIBLE
    )


def _sentence(gaps: Sequence[EpochGap], cause: Cause) -> str:
    present = [(g.epoch, t.estimate) for g in gaps if (t := g.term(cause)) is not None]
    most = sum(explains_most(g) == cause for g in gaps)
    first, last = present[0], present[-1]
    span = f"{first[1]} in epoch {first[0]}" + (f", {last[1]} in epoch {last[0]}" if last[0] != first[0] else "")
    reason = WORDS[cause].reason
    return f"{reason[0].upper()}{reason[1:]}: {span}; most of the gap in {most} of {len(gaps)} epochs."


def _headline(gaps: Sequence[EpochGap], causes: Sequence[RankedCause], overfitting: Overfitting) -> str:
    sign = 1.0 if gaps[0].score.higher_is_better else -1.0
    better = sum(sign * g.gap.value > 0.0 for g in gaps if g.gap)
    worse = sum(sign * g.gap.value < 0.0 for g in gaps if g.gap)
    direction, count = ("better", better) if better >= worse else ("worse", worse)
    name = gaps[0].score.name
    if not causes:
        why = "why was not measured" if better or worse else "the two are equal"
        return f"Validation {name} looks {direction} than training in {count} of {len(gaps)} epochs; {why}."
    top = causes[0].cause
    seen = f"Validation {name} looks {direction} than training in {count} of {len(gaps)} epochs, mostly because {WORDS[top].reason}"
    if overfitting.state == "yes":
        return f"{seen}. {_after_overfitting(gaps, overfitting)}"
    if all(WORDS[c.cause].is_harmless for c in causes if c.share >= 0.5) and causes[0].share >= 0.5:
        return f"{seen}. There is nothing to fix." if overfitting.state == "no" else f"{seen}."
    return f"{seen}."


def _after_overfitting(gaps: Sequence[EpochGap], overfitting: Overfitting) -> str:
    """Memorising is harmful only once validation itself turns: say whether it has."""
    last = gaps[-1]
    sign = 1.0 if last.score.higher_is_better else -1.0
    best = max(gaps, key=lambda g: sign * (g.valid_reported or 0.0))
    text = f"It memorises training examples since epoch {overfitting.since_epoch}"
    if best.epoch == last.epoch:
        return f"{text}, and validation was still improving in the last epoch."
    return f"{text}; validation was best in epoch {best.epoch}."


def _doubts(gaps: Sequence[EpochGap]) -> list[str]:
    doubts = []
    shaky: dict[tuple[Cause, str], list[int]] = {}
    for gap in gaps:
        for term in gap.terms:
            if not term.estimate.reliable:
                shaky.setdefault((term.cause, ""), []).append(gap.epoch)
    for (cause, _), epochs in shaky.items():
        doubts.append(f"the interval of {cause} isn't reliable in {_epochs(epochs)}")
    noise = [g.epoch for g in gaps if g.gap and g.gap.low < 0.0 < g.gap.high]
    if noise:
        doubts.append(f"in {_epochs(noise)} the gap is within what another validation set of this size would give")
    lost = [g.epoch for g in gaps if g.gap and abs(g.unattributed) > 0.1 * max(abs(t.value) for t in (*g.terms, g.gap))]
    if lost:
        doubts.append(f"in {_epochs(lost)} more than a tenth of the gap is not attributed to any cause")
    return doubts


def _together(gaps: Sequence[EpochGap]) -> tuple[NotMeasured, ...]:
    if any(g.term("generalisation") for g in gaps) and not any(g.term("memorisation") for g in gaps):
        why = "no training-like examples that were never trained on; memorisation and shift are measured together as generalisation"
        return (NotMeasured(cause="memorisation", why=why), NotMeasured(cause="shift", why=why))
    return ()


def _epochs(numbers: Sequence[int]) -> str:
    """Return "epoch 3" or "epochs 1-4, 7"."""
    spans: list[list[int]] = []
    for n in numbers:
        if spans and n == spans[-1][1] + 1:
            spans[-1][1] = n
        else:
            spans.append([n, n])
    text = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)
    return f"epoch{'s' if len(numbers) > 1 else ''} {text}"
