"""A run in, a `Verdict` out: which causes make the gap, what to do, and what can't be told."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from whygap.records import Cause, EpochGap, NotMeasured, Overfitting, RankedCause, Run, Score, Term, Verdict
from whygap.verdict.coming import forecast_of
from whygap.verdict.doubts import is_within_chance, remarks_about, said_of, warnings_about
from whygap.verdict.overfitting import judge_overfitting
from whygap.verdict.sentences import WORDS

NEGLIGIBLE = 0.02
"""Causes with less than this share of the gap's parts are left out of the ranking."""

WORTH_A_LOOK = 1 / 3
"""From this share on, a cause that can do harm keeps the verdict from saying that there is nothing to fix."""


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
        Never accuses from curves alone: "overfitting" needs an interval that excludes zero, and "leak" examples that were seen
        in both splits, more than chance gives.
    """
    every = run.of(score)
    gaps = [g for g in every if g.gap is not None]
    kind = every[0].score if every else Score(name=score or "loss")
    overfitting = judge_overfitting(every)
    causes = _ranked(gaps)
    presented = next((g.repetition for g in reversed(every) if g.repetition is not None), None)
    findings = () if presented is None else presented.findings
    headline = f"No epoch of this run has both a training and a validation {kind.name}, so there is no gap to explain."
    return Verdict(
        score=kind,
        headline=_headline(gaps, causes, overfitting) if gaps else headline,
        overfitting=overfitting,
        causes=causes,
        cannot_tell=_cannot_tell(every),
        warnings=(*warnings_about(run, every), *(said_of(f) for f in findings if f.is_problem)),
        remarks=(*remarks_about(every), *(said_of(f) for f in findings if not f.is_problem)),
        forecast=forecast_of(gaps) if gaps else None,
    )


_OTHER_SIDE: Mapping[Cause, Cause] = {"penalty": "penalty_valid", "reduction": "reduction_valid"}


def effects(gap: EpochGap) -> dict[Cause, float]:
    """Return the terms by cause, what is inside both reported scores alike counted once, as what remains of it.

    A penalty of 0.33 in the training loss and of 0.32 in the validation loss explains 0.01 of the gap, not 0.65.
    """
    values = {t.cause: t.value for t in gap.terms}
    for cause, other in _OTHER_SIDE.items():
        if cause in values and other in values:
            values[cause] += values.pop(other)
    return values


def explains_most(gap: EpochGap) -> Cause | None:
    """Return the cause whose effect has the gap's sign and more than half of the summed size of all effects, if any."""
    if gap.gap is None:
        return None
    values = effects(gap)
    total = math.fsum(abs(v) for v in values.values()) + abs(gap.unattributed)
    for cause, value in values.items():
        if value * gap.gap.value > 0.0 and 2.0 * abs(value) > total:
            return cause
    return None


def _ranked(gaps: Sequence[EpochGap]) -> tuple[RankedCause, ...]:
    sizes: dict[Cause, float] = {}
    for gap in gaps:
        for cause, value in effects(gap).items():
            sizes[cause] = sizes.get(cause, 0.0) + abs(value)
    total = math.fsum([*sizes.values(), *(abs(g.unattributed) for g in gaps)])
    if total == 0.0:
        return ()
    return tuple(
        RankedCause(cause=c, share=sizes[c] / total, sentence=_sentence(gaps, c), advice=WORDS[c].advice)
        for c in sorted(sizes, key=lambda c: -sizes[c])
        if sizes[c] / total >= NEGLIGIBLE
    )


def _sentence(gaps: Sequence[EpochGap], cause: Cause) -> str:
    present = [(g.epoch, t.estimate) for g in gaps if (t := g.term(cause)) is not None]
    (first, at_first), (last, at_last) = present[0], present[-1]
    text = f"{WORDS[cause].reason}: {at_first} in epoch {first}"
    if last != first:
        text += f", {at_last} in epoch {last}"
    text += _of_which([g for g in gaps if g.term(cause)], cause)
    both = [g for g in gaps if g.term(cause) and cause in _OTHER_SIDE and g.term(_OTHER_SIDE[cause])]
    if both:
        text += f"; the validation score has its like, so that {effects(both[-1])[cause]:+.4g} of it remains"
        text += f" in epoch {both[-1].epoch}" if len(gaps) > 1 else ""
    most = sum(explains_most(g) == cause for g in gaps)
    if most:
        text += f"; most of the gap{_in(most, len(gaps))}"
    within = sum(is_within_chance(e) for _, e in present)
    if within and not both:
        text += f"; within chance{_in(within, len(present))}"
    return f"{text[0].upper()}{text[1:]}."


def _of_which(gaps: Sequence[EpochGap], cause: Cause) -> str:
    """Name the parts of a term in the last epoch that has any."""
    for gap in reversed(gaps):
        if (term := gap.term(cause)) is not None and term.parts:
            when = "" if gap is gaps[-1] else f" in epoch {gap.epoch}"
            return f"; of which{when} {', '.join(map(_part, term.parts))}"
    return ""


def _part(part: Term) -> str:
    e = part.estimate
    value = str(e).partition(" [")[0]  # as many decimals as the interval bears; the detailed views show it
    doubt = " (not reliable)" if not e.reliable else " (within chance)" if is_within_chance(e) else ""
    return f"{part.name} {value}{doubt}"


def _headline(gaps: Sequence[EpochGap], causes: Sequence[RankedCause], overfitting: Overfitting) -> str:
    name = gaps[0].score.name
    up = [g for g in gaps if g.gap and g.gap.value > 0.0]
    down = [g for g in gaps if g.gap and g.gap.value < 0.0]
    sided, sign = (up, 1.0) if len(up) > len(down) else (down, -1.0)
    if not sided:
        return f"Training and validation {name} are equal{_in(len(gaps), len(gaps))}."
    looks = "better" if (sign > 0.0) == gaps[0].score.higher_is_better else "worse"
    seen = f"Validation {name} looks {looks} than training{_in(len(sided), len(gaps))}"
    lead, share = _leading(sided, sign)
    if lead is None:
        seen += "; why could not be measured." if not causes else "; the larger part could not be attributed to a cause."
    else:
        seen += f", {'mostly' if share > 0.5 else 'in part'} because {WORDS[lead].reason}."
    if overfitting.state == "yes":
        return f"{seen} {_since(gaps, overfitting)}"
    is_harmless = lead is not None and WORDS[lead].is_harmless and share > 0.5
    if overfitting.state == "no" and is_harmless and all(WORDS[c.cause].is_harmless or c.share < WORTH_A_LOOK for c in causes):
        return f"{seen} There is nothing to fix."
    return seen


def _leading(sided: Sequence[EpochGap], sign: float) -> tuple[Cause | None, float]:
    """Return the cause that pushes most to the side that the gaps are on, None for the unattributed, and its share."""
    pushes: dict[Cause | None, float] = {None: math.fsum(sign * g.unattributed for g in sided)}
    total = math.fsum(abs(g.unattributed) for g in sided)
    for gap in sided:
        for cause, value in effects(gap).items():
            pushes[cause] = pushes.get(cause, 0.0) + sign * value
            total += abs(value)
    lead = max(pushes, key=lambda c: pushes[c])
    return lead, pushes[lead] / total if total > 0.0 else 0.0


def _since(gaps: Sequence[EpochGap], overfitting: Overfitting) -> str:
    """Say since when it overfits; that harms only once validation itself turns, so say whether it has."""
    last = gaps[-1]
    sign = 1.0 if last.score.higher_is_better else -1.0
    best = max(gaps, key=lambda g: sign * (g.valid_reported or 0.0))
    text = f"It overfits since epoch {overfitting.since_epoch}"
    if best.epoch == last.epoch:
        return f"{text}, but validation was still improving in its last epoch."
    return f"{text}, and validation was best in epoch {best.epoch}."


def _cannot_tell(every: Sequence[EpochGap]) -> tuple[NotMeasured, ...]:
    """Return what was measured in no epoch, with the last reason given."""
    measured = {t.cause for g in every for t in g.terms}
    missing = {m.cause: m for g in every for m in g.not_measured if m.cause not in measured}
    if "generalisation" in measured and not measured & {"memorisation", "shift"}:
        why = "without fresh examples, memorisation and shift are one term, generalisation"
        for cause in _TOGETHER:
            missing.setdefault(cause, NotMeasured(cause=cause, why=why))
    return tuple(missing.values())


_TOGETHER: tuple[Cause, Cause] = ("memorisation", "shift")


def _in(count: int, n: int) -> str:
    """Return " in 7 of 12 epochs", " in all 12 epochs", or nothing where there is one only."""
    if n == 1:
        return ""
    return f" in all {n} epochs" if count == n else f" in {count} of {n} epochs"
