"""The looks at overfitting as rows: what each epoch says by itself, and what it says once every look is paid for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whygap.records import Look, Verdict
from whygap.report.figures import Figures, percent
from whygap.report.labels import CAUSE_LABELS


@dataclass(frozen=True)
class LookRow:
    """One epoch: the estimate, its interval for this epoch alone, the one for all epochs together, and what that says."""

    epoch: str
    value: str
    alone: str
    together: str
    says: str
    is_since: bool


@dataclass(frozen=True)
class LookTable:
    """All looks of a run; `name` is what was looked at."""

    name: str
    level: str
    rows: tuple[LookRow, ...]


def look_table(verdict: Verdict, *, minus: str = "-", between: str = ", ") -> LookTable:
    """Return the looks behind a verdict as text ready to be shown."""
    looks = verdict.overfitting.looks
    sizes = [max(abs(look.estimate.value), (look.estimate.high - look.estimate.low) / 2) for look in looks]
    figures = Figures.fitting(sizes, minus=minus)
    is_mixed = len({look.cause for look in looks}) > 1
    rows = []
    for look in looks:
        e = look.estimate
        rows.append(
            LookRow(
                epoch=f"{look.epoch}, {CAUSE_LABELS[look.cause].short}" if is_mixed else str(look.epoch),
                value=figures.signed(e.value),
                alone=figures.interval(e, between=between),
                together=figures.bounds(look.low, look.high, between=between),
                says="unsure" if not e.reliable else "yes" if look.overfits else "no",
                is_since=look.epoch == verdict.overfitting.since_epoch,
            )
        )
    return LookTable(name_of(looks), level_of(looks), tuple(rows))


def name_of(looks: Sequence[Look]) -> str:
    """Return what was looked at: memorisation, or generalisation where there were no fresh examples."""
    return " or ".join(dict.fromkeys(CAUSE_LABELS[look.cause].short for look in looks))


def level_of(looks: Sequence[Look]) -> str:
    """Return the level of the intervals, in per cent."""
    return percent(max((look.estimate.level for look in looks), default=0.95))


def why_two_intervals(looks: Sequence[Look]) -> str:
    """Say in a sentence why an epoch has two intervals, or nothing where there was one look only."""
    if len(looks) < 2:
        return ""
    return (
        "Who looks after every epoch gives chance a new try each time, so an epoch counts as overfitting only if the wider "
        "interval lies above a tenth of the validation score, of accuracy above a tenth of its errors: "
        f"all {len(looks)} of the wider ones hold together at {level_of(looks)}, for training sets drawn anew too; "
        "the narrower ones each for its own epoch and these very examples only."
    )
