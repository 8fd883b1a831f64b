"""A run in, a `Verdict` out: which causes make the gap, what to do, and what can't be told."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from whygap.records import Cause, EpochGap, Estimate, NotMeasured, Overfitting, RankedCause, Run, Score, Verdict
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
        Never accuses from curves alone: "overfitting" needs an interval that excludes zero, and a leak is never claimed here.
    """
    every = run.of(score)
    gaps = [g for g in every if g.gap is not None]
    kind = every[0].score if every else Score(name=score or "loss")
    overfitting = judge_overfitting(every)
    causes = _ranked(gaps)
    headline = f"No epoch of this run has both a training and a validation {kind.name}, so there is no gap to explain."
    return Verdict(
        score=kind,
        headline=_headline(gaps, causes, overfitting) if gaps else headline,
        overfitting=overfitting,
        causes=causes,
        cannot_tell=_cannot_tell(every),
        warnings=tuple(dict.fromkeys([*(p.text for p in run.problems), *_notes(run, every), *_lapses(every), *_doubts(gaps)])),
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
    both = [g for g in gaps if g.term(cause) and cause in _OTHER_SIDE and g.term(_OTHER_SIDE[cause])]
    if both:
        text += f"; the validation score has its like, so that {effects(both[-1])[cause]:+.4g} of it remains"
        text += f" in epoch {both[-1].epoch}" if len(gaps) > 1 else ""
    most = sum(explains_most(g) == cause for g in gaps)
    if most:
        text += f"; most of the gap{_in(most, len(gaps))}"
    within = sum(_is_within_chance(e) for _, e in present)
    if within and not both:
        text += f"; within chance{_in(within, len(present))}"
    return f"{text[0].upper()}{text[1:]}."


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


def _notes(run: Run, every: Sequence[EpochGap]) -> list[str]:
    told = {p.text for p in run.problems}
    epochs: dict[str, list[int]] = {}
    for gap in every:
        for note in gap.notes:
            if note not in told:
                epochs.setdefault(note, []).append(gap.epoch)
    return [f"{note} ({_epochs(where)})" for note, where in epochs.items()]


def _lapses(every: Sequence[EpochGap]) -> list[str]:
    """Name the epochs in which a cause could not be measured that was measured in others."""
    measured = {t.cause for g in every for t in g.terms}
    epochs: dict[NotMeasured, list[int]] = {}
    for gap in every:
        for m in gap.not_measured:
            if m.cause in measured:
                epochs.setdefault(m, []).append(gap.epoch)
    return [f"{m.cause} could not be measured in {_epochs(where)}: {m.why}" for m, where in epochs.items()]


def _doubts(gaps: Sequence[EpochGap]) -> list[str]:
    shaky: dict[Cause, list[tuple[int, str]]] = {}
    for gap in gaps:
        for term in gap.terms:
            if not term.estimate.reliable:
                shaky.setdefault(term.cause, []).append((gap.epoch, term.estimate.why))
    doubts = [f"the interval of {c} isn't reliable in {_epochs([e for e, _ in at])}: {at[-1][1]}" for c, at in shaky.items()]
    noise = [g.epoch for g in gaps if g.gap and _is_within_chance(g.gap)]
    if noise:
        doubts.append(f"in {_epochs(noise)} the gap is so small that another validation set of this size could turn its sign")
    sizes = [(g, max([abs(g.gap.value), *(abs(t.value) for t in g.terms)])) for g in gaps if g.gap]
    lost = [g.epoch for g, size in sizes if abs(g.unattributed) > 0.1 * size]
    if lost:
        doubts.append(f"in {_epochs(lost)} a part of the gap could not be attributed to any cause")
    return doubts


def _is_within_chance(estimate: Estimate) -> bool:
    return estimate.low <= 0.0 <= estimate.high and estimate.low < estimate.high


def _in(count: int, n: int) -> str:
    """Return " in 7 of 12 epochs", " in all 12 epochs", or nothing where there is one only."""
    if n == 1:
        return ""
    return f" in all {n} epochs" if count == n else f" in {count} of {n} epochs"


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
