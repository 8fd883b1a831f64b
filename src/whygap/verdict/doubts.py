"""What to be wary of: failures, notes, epochs in which something lapsed, and intervals that can't be trusted or narrowed."""

from __future__ import annotations

from collections.abc import Sequence

from whygap.records import Cause, EpochGap, Estimate, Finding, NotMeasured, Run
from whygap.rungs import VALIDATION_DRAW


def warnings_about(run: Run, every: Sequence[EpochGap]) -> tuple[str, ...]:
    """Return the warnings about a run as far as `every`, the epochs of one score, goes; each is said once, with its epochs."""
    gaps = [g for g in every if g.gap is not None]
    failures = [p.text for p in run.problems]
    return tuple(dict.fromkeys([*failures, *_notes(run, every), *_lapses(every), *_doubts(gaps)]))


def said_of(finding: Finding) -> str:
    """Return what is said of a finding on what was presented, and what to do."""
    return f"{finding.sentence} {finding.advice}".rstrip()


def is_within_chance(estimate: Estimate) -> bool:
    """Return whether an interval holds zero; a value that is exact has none."""
    return estimate.low <= 0.0 <= estimate.high and estimate.low < estimate.high


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
    noise = [g.epoch for g in gaps if g.gap and is_within_chance(g.gap)]
    if noise:
        doubts.append(f"in {_epochs(noise)} the gap is so small that another validation set of this size could turn its sign")
    sizes = [(g, max([abs(g.gap.value), *(abs(t.value) for t in g.terms)])) for g in gaps if g.gap]
    lost = [g.epoch for g, size in sizes if abs(g.unattributed) > 0.1 * size]
    if lost:
        doubts.append(f"in {_epochs(lost)} a part of the gap could not be attributed to any cause")
    return doubts


def remarks_about(every: Sequence[EpochGap]) -> tuple[str, ...]:
    """Name the epochs in which validation noise makes nearly all of an interval that more training examples won't narrow."""
    epochs: dict[Cause, list[int]] = {}
    for gap in every:
        for t in gap.terms:
            if t.estimate.reliable and t.estimate.how == "sampled" and VALIDATION_DRAW in t.estimate.why:
                epochs.setdefault(t.cause, []).append(gap.epoch)
    return tuple(
        f"validation noise dominates the interval of {cause} in {_epochs(where)}: a larger validation set would narrow it, "
        "scoring more training examples hardly would"
        for cause, where in epochs.items()
    )


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
