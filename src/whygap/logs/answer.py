"""A logged run in, a `Run` and a `Verdict` out: what its numbers can be made of, what they can't tell, and what would."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from whygap.estimate.forecast import forecast_turn
from whygap.estimate.ranges import EpochRange, ranges_of_epochs
from whygap.estimate.recovery import Recovered
from whygap.estimate.signatures import Signature
from whygap.estimate.turning import overfitting_from_curves
from whygap.logs.gaps import LONG, MOST_EPOCHS, gaps_of, recovered_of, score_of
from whygap.logs.marks import MEANINGS, marks_of
from whygap.logs.pairs import Pair, pair_of, paired_scores
from whygap.logs.records import LoggedRun
from whygap.logs.rules import FRAMEWORKS
from whygap.records import (
    Cause,
    EpochGap,
    Estimate,
    NotMeasured,
    Overfitting,
    RankedCause,
    Run,
    Score,
    Stretch,
    Verdict,
    bounds,
)

MOST_SCORES = 20
"""Scores of both splits that a run holds beside the one that is explained."""

MOST_SPANS = 4
"""Ranges of epochs that a sentence names."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What a log tells of one score of one run."""

    run: Run
    verdict: Verdict


def explain_log(run: LoggedRun, *, source: str, score: str | None = None) -> Answer:
    """Say what the gap in a logged run can be made of, as far as the log alone tells.

    Answers "how much of the gap can be the running average, and does the run overfit?". It never says that a split leaks, and
    what mode, penalty, augmentation, memorisation and another validation set add it only names together, as what remains.

    Parameters
    ----------
    run : LoggedRun
        As a reader gives it, its columns assigned.
    source : str
        Where it is from, as the user named it.
    score : str, optional
        By default the loss, else the first that both splits have.

    Returns
    -------
    Answer
        Terms are valid - train in the score's unit, how="inferred", at the level `LEVEL`; the run holds every score that both
        splits have (of more than `LONG` epochs, the explained one), and the verdict is on one of them.

    Raises
    ------
    InputError
        If there is no such score of both splits.
    """
    chosen = pair_of(run, score)
    recovered = recovered_of(chosen)
    names = paired_scores(run)[:MOST_SCORES] if chosen.epoch.size <= LONG else ()
    others = [pair_of(run, name) for name in names if name != chosen.score]
    every = [gaps_of(run, chosen, recovered), *(gaps_of(run, pair, recovered_of(pair)) for pair in others)]
    by_epoch = sorted((gap for gaps in every for gap in gaps), key=lambda g: g.epoch)  # stable: the chosen score first
    told = Run(
        id=run.name or Path(source).name, source=f"{run.format}: {source}", started="", epochs=tuple(by_epoch), finished=True
    )
    return Answer(told, _verdict(run, chosen, recovered, every[0]))


def _verdict(run: LoggedRun, pair: Pair, recovered: Recovered, gaps: Sequence[EpochGap]) -> Verdict:
    score = score_of(pair.score)
    ranges = ranges_of_epochs(pair.train, pair.valid, recovered, epoch=pair.epoch)
    marks = marks_of(run, pair)
    overfitting = overfitting_from_curves(pair.train, pair.valid, epoch=pair.epoch, higher_is_better=score.higher_is_better)
    stretches = tuple(_stretch(r) for r in ranges)
    causes = _causes(pair, gaps, marks)
    framework = FRAMEWORKS.get(run.framework, FRAMEWORKS[""])
    return Verdict(
        score=score,
        headline=_headline(score, stretches, overfitting, pair),
        overfitting=overfitting,
        causes=causes,
        cannot_tell=_cannot_tell(pair, gaps, causes),
        warnings=tuple(_in_words(m) for m in marks if _is_warning(m)),
        remarks=(*_about_the_rule(pair), *_about_the_log(pair), *(_in_words(m) for m in marks if _is_remark(m)), *run.notes),
        stretches=stretches,
        to_know=framework.to_know,
        forecast=forecast_turn(
            pair.train,
            pair.valid,
            epoch=pair.epoch,
            higher_is_better=score.higher_is_better,
            age=pair.rule.averaging.age if pair.rule.averaging else 0.0,
        ),
    )


def _is_warning(mark: Signature) -> bool:
    """Return whether something is wrong that is no cause of a gap."""
    meaning = MEANINGS[mark.mark]
    return meaning.cause is None and bool(meaning.advice)


def _is_remark(mark: Signature) -> bool:
    """Return whether it is only worth knowing: there is nothing to do."""
    return not MEANINGS[mark.mark].advice


def _in_words(mark: Signature) -> str:
    meaning = MEANINGS[mark.mark]
    text = f"{mark.evidence[0].upper()}{mark.evidence[1:]}: {meaning.reason}."
    return f"{text} {meaning.advice}" if meaning.advice else text


def _about_the_rule(pair: Pair) -> tuple[str, ...]:
    sentence = pair.rule.sentence
    if pair.rule.is_known:
        return (f"{sentence[0].upper()}{sentence[1:]}.",)
    return (f"The log doesn't say how its training {pair.score} was made: {sentence}; --framework tells which it was.",)


def _about_the_log(pair: Pair) -> Iterator[str]:
    n = pair.epoch.size
    if n > MOST_EPOCHS:
        yield f"The log has {n:,} epochs; {MOST_EPOCHS:,} of them, evenly spaced, are shown."
    if pair.valid_series.split == "test":
        yield f"The log has no validation {pair.score}: {pair.valid_series.column}, of a test set, stands for it."


def _stretch(r: EpochRange) -> Stretch:
    return Stretch(first=round(r.first), last=round(r.last), gap=r.gap, leading=r.leading, averaging=r.averaging, rest=r.rest)


def _causes(pair: Pair, gaps: Sequence[EpochGap], marks: Sequence[Signature]) -> tuple[RankedCause, ...]:
    """Return what the numbers show: marks first, as they are exact, then the lag where it is told."""
    causes = list[RankedCause]()
    whole = math.fsum(abs(g.gap.value) for g in gaps if g.gap)
    for m in marks:
        meaning = MEANINGS[m.mark]
        if meaning.cause is None or any(c.cause == meaning.cause for c in causes):
            continue
        share = 1.0 if m.mark in ("constant_ratio", "other_unit") else 0.0
        if m.mark == "penalty" and whole:
            share = min(1.0, abs(m.value) * len(gaps) / whole)
        sentence = _in_words(m).removesuffix(meaning.advice).rstrip()
        causes.append(RankedCause(cause=meaning.cause, share=share, sentence=sentence, advice=meaning.advice))
    lags = [(g.epoch, t.estimate) for g in gaps if (t := g.term("averaging")) is not None]
    if lags and not any(c.cause == "averaging" for c in causes):
        total = math.fsum([*(abs(e.value) for _, e in lags), *(abs(g.unattributed) for g in gaps)])
        share = math.fsum(abs(e.value) for _, e in lags) / total if total else 0.0
        (first, at_first), (last, at_last) = lags[0], lags[-1]
        text = f"{_rule_in_words(pair)}: {_told(at_first)} of the gap in epoch {first}"
        if last != first:
            text += f", {_told(at_last)} in epoch {last}"
        text += f"; told in {len(lags)} of {sum(g.gap is not None for g in gaps)} epochs, from the shape of the curves"
        advice = "Harmless; to compare like with like, score the training examples at the end of the epoch."
        causes.append(RankedCause(cause="averaging", share=share, sentence=f"{text}.", advice=advice))
    return tuple(sorted(causes, key=lambda c: -c.share))


def _rule_in_words(pair: Pair) -> str:
    name = "a single batch" if pair.rule.how in ("steps", "last_batch") else "an average over weights that were still changing"
    return f"The training {pair.score} is {name}, and validation is scored with the last weights"


def _told(e: Estimate) -> str:
    return f"{e.value:+.3g} {bounds(e.low, e.high)}"


def _headline(score: Score, stretches: Sequence[Stretch], overfitting: Overfitting, pair: Pair) -> str:
    if not stretches:
        return f"No epoch of this log has both a training and a validation {score.name}, so there is no gap to explain."
    parts = []
    for better in (True, False):
        mine = [s for s in stretches if s.gap and ((s.gap > 0.0) == score.higher_is_better) == better]
        if mine:
            parts.append(f"{'better' if better else 'worse'} than training in {_epochs(mine)}")
    seen = (
        f"Validation {score.name} looks {' and '.join(parts)}." if parts else f"Training and validation {score.name} are equal."
    )
    if overfitting.state == "yes":
        return f"{seen} It overfits since epoch {overfitting.since_epoch}: validation turned while training went on."
    led = [s for s in stretches if s.leading == "averaging"]
    if pair.rule.how == "no_lag":
        return f"{seen} Nothing lags in such a log: the gap is memorisation, or another kind of validation set."
    if led and len(led) == len(stretches):
        return f"{seen} Most of it is the training average lagging behind."
    if led:
        return f"{seen} In {_epochs(led)} most of it is the training average lagging behind."
    if all(s.leading == "cannot_tell" for s in stretches):
        return f"{seen} How much of it is lag can't be told from the log."
    return f"{seen} The lag of the training average explains the smaller part of it."


def _epochs(stretches: Sequence[Stretch]) -> str:
    """Name the epochs of some ranges, those that follow on one another as one."""
    spans: list[list[int]] = []
    for s in stretches:
        if spans and s.first == spans[-1][1] + 1:
            spans[-1][1] = s.last
        else:
            spans.append([s.first, s.last])
    shown = [str(a) if a == b else f"{a}-{b}" for a, b in spans]
    if len(shown) > MOST_SPANS:
        shown = [*shown[: MOST_SPANS - 1], "others"]
    is_one = len(spans) == 1 and spans[0][0] == spans[0][1]
    text = shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
    return f"epoch{'' if is_one else 's'} {text}"


UNSEEN: tuple[tuple[Cause, str], ...] = (
    ("mode", "a log doesn't show dropout or batch norm at work: score training examples in eval mode"),
    ("penalty", "a log doesn't show regularisation inside the loss, unless the bare metric stands beside it"),
    ("augmentation", "a log doesn't show what was done to training examples before they were scored"),
    ("memorisation", "without a third set, memorisation and another kind of validation set look alike"),
    ("shift", "without a third set, memorisation and another kind of validation set look alike"),
    ("leak", "curves never show a leak: only the examples themselves do"),
)


def _cannot_tell(pair: Pair, gaps: Sequence[EpochGap], causes: Sequence[RankedCause]) -> tuple[NotMeasured, ...]:
    """Return what the log can't tell, with the reason; boosting has neither modes nor augmentation."""
    is_told = {c.cause for c in causes}
    lag = [m for g in gaps for m in g.not_measured]
    missing = [lag[-1]] if lag and "averaging" not in is_told else []
    weights = [NotMeasured(cause="weights", why=pair.rule.weights)] if pair.rule.weights else []
    skipped = ("mode", "penalty", "augmentation") if pair.rule.how == "no_lag" else ()
    rest = [NotMeasured(cause=c, why=w) for c, w in UNSEEN if c not in is_told and c not in skipped]
    return (*missing, *weights, *rest)
