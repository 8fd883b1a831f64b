"""Why it overfits, or why not: each reason is a training in which it is taken away, held against the training as given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from whygap.audit.findings import percent
from whygap.estimate import error_of_draw, estimate_from
from whygap.probe.answer import Reason, ReasonName
from whygap.probe.result import Result, difference, gap_of, share_learnt, shift_of
from whygap.probe.training import Regulariser
from whygap.records import Estimate, Forecast, Overfitting, Repetition

MEMORISES, HARDLY = 0.9, 0.5
"""Share of random labels from which on all are taken to be memorised, and up to which the network is too small for them."""


@dataclass
class Evidence:
    """All that was trained.

    `given` ends where the training as given does, `longer` is the same taken further. `random` and `parts` are by the part of
    the examples that was trained on, one in so many.
    """

    given: Result
    longer: Result | None = None
    random: dict[int, Result] = field(default_factory=dict)
    parts: dict[int, Result] = field(default_factory=dict)
    off: dict[Regulariser, Result] = field(default_factory=dict)
    kept: Result | None = None
    fresh: Result | None = None
    wider: Result | None = None
    seeds: list[Result] = field(default_factory=list)
    repetition: Repetition | None = None
    forecast: Forecast | None = None

    @property
    def shift(self) -> Estimate | None:
        """How much worse validation examples score than training examples that were left out of a training."""
        found = (shift_of(result) for _, result in sorted(self.parts.items()))
        return next((shift for shift in found if shift is not None), None)


class Memorised(NamedTuple):
    """The share of random labels learnt at the end of a training, and how much of it in its second half."""

    share: Estimate
    late: float

    @property
    def is_all(self) -> bool:
        return self.share.low > MEMORISES

    @property
    def is_little(self) -> bool:
        """Whether it isn't half, and would not be if as much came in again as in the second half."""
        return self.share.high + self.late < HARDLY


def memorised(result: Result) -> Memorised | None:
    """Return what a training on random labels has learnt; None where it had no look."""
    if not result.looks or result.constant is None:
        return None
    share = share_learnt(result.looks[-1].train, result.constant)
    half = min(result.looks, key=lambda look: abs(look.epoch - result.epochs / 2))
    late = share.value - share_learnt(half.train, result.constant).value if half is not result.looks[-1] else share.value
    return Memorised(share, max(0.0, late))


def rank(reasons: Iterator[Reason]) -> tuple[Reason, ...]:
    """Return reasons that are ones first, the largest effect first, then what can't be told, then what is none."""
    order = {"yes": 0, "cannot_tell": 1, "no": 2}
    return tuple(sorted(reasons, key=lambda r: (order[r.state], -abs(r.effect.value) if r.effect is not None else 0.0)))


def settle(found: Overfitting, e: Evidence) -> Overfitting:
    """Return what the looks say of overfitting, but that nothing is said where other examples may explain the whole gap."""
    shift = e.shift
    if found.state != "yes" or shift is None or shift.low <= 0.0:
        return found
    gap = e.given.gap
    rest = gap.value - shift.value - ((gap.value - gap.low) ** 2 + (shift.high - shift.value) ** 2) ** 0.5
    if rest > 0.0:
        return found
    text = (
        f"Whether it overfits can't be told: validation examples score worse than training ones by {gap}, but they are harder: "
        f"by {shift} worse than training examples that were left out. A validation set drawn from the training set would tell."
    )
    return Overfitting(state="cannot_tell", since_epoch=None, evidence=text, looks=found.looks)


def why_not(e: Evidence) -> Iterator[Reason]:
    """Yield the reasons for which a training may not overfit, as far as they were looked into."""
    yield from _never_repeated(e)
    for name, result in e.off.items():
        if result.looks:
            yield _taken_away(name, f"{name} keeps it from it", f"without {name}", result, e.given)
    yield from _few_epochs(e)
    yield from _capacity(e)
    yield from _fewer_examples(e)
    if e.wider is not None and e.wider.looks:
        reason = _taken_away("width", "it is narrow", f"made wider ({_parameters(e.wider)})", e.wider, e.given)
        yield _unless_it_can_memorise(reason, e)
    if e.fresh is not None and e.fresh.looks:
        less = difference(e.given, e.fresh)
        text = f"With new examples in every epoch the gap is {e.fresh.gap}; as given it is {less} more."
        yield Reason(name="fresh", state="no", because="", sentence=text, effect=less)


def why(e: Evidence) -> Iterator[Reason]:
    """Yield the reasons for which a training may overfit."""
    found = memorised(e.random[1]) if 1 in e.random else None
    if found is not None:
        r = e.random[1]
        state = "yes" if found.is_all else "no" if found.is_little else "cannot_tell"
        yield Reason(
            name="capacity",
            state=state,  # type: ignore[arg-type]  # one of the three
            because=f"it can learn {r.n:,} examples by heart",
            sentence=_learnt(r, found),
        )
    if e.fresh is not None and e.fresh.looks:
        told, less = e.fresh.overfitting(), difference(e.fresh, e.given)
        is_so = told.state == "no" and less.high < 0.0
        also = (
            "it does not overfit" if told.state == "no" else "it overfits, too" if told.state == "yes" else "that can't be told"
        )
        yield Reason(
            name="fresh",
            state="yes" if is_so else "no" if told.state == "yes" else "cannot_tell",
            because="its examples come again",
            sentence=f"With new examples in every epoch {also}: the gap is {e.fresh.gap}, {less} against the one as given.",
            effect=less,
        )
    yield from _turned(e)
    for part, result in sorted(e.parts.items()):
        if result.looks:
            more = difference(result, e.given)
            state = "yes" if more.low > 0.0 else "no" if more.high < 0.0 else "cannot_tell"
            yield Reason(
                name="examples",
                state=state,  # type: ignore[arg-type]  # one of the three
                because=f"{e.given.n:,} examples are few for it",
                sentence=f"With {_one_in(part)} of the examples ({result.n:,}) the gap is {result.gap}, {more} against all.",
                effect=more,
            )


def _taken_away(name: ReasonName, because: str, words: str, other: Result, given: Result) -> Reason:
    """Return whether what was taken away is a reason: without it, it overfits, and the gap is larger, beyond chance."""
    told, effect = other.overfitting(), difference(other, given)
    start = words[0].upper() + words[1:]
    if told.state == "yes" and effect.low > 0.0:
        text = f"{start} it overfits since epoch {told.since_epoch}: the gap is {other.gap}, {effect} against the one as given."
        return Reason(name=name, state="yes", because=because, sentence=text, effect=effect)
    gap = f"the gap is {other.gap} at epoch {other.epochs}, {effect} against the one as given"
    if told.state == "no":
        return Reason(
            name=name, state="no", because=because, sentence=f"{start} it does not overfit either: {gap}.", effect=effect
        )
    text = f"{start}, whether it overfits can't be told: {gap}. More validation examples, or more epochs, would tell."
    return Reason(name=name, state="cannot_tell", because=because, sentence=text, effect=effect)


def _never_repeated(e: Evidence) -> Iterator[Reason]:
    if e.repetition is None or e.repetition.finding("regime") is None:
        return
    because, said = "no example is presented twice", e.repetition.findings[0].sentence
    if e.repetition.regime == "fresh" and e.kept is not None and e.kept.looks:
        words = f"with the {e.kept.n:,} examples of one epoch kept and presented again"
        reason = _taken_away("never repeated", because, words, e.kept, e.given)
        yield _saying(reason, f"{said} {reason.sentence}")
    elif e.repetition.regime == "fresh":
        text = f"{said} Training on examples that are kept would tell whether that is why."
        yield Reason(name="never repeated", state="cannot_tell", because=because, sentence=text)
    elif e.repetition.regime in ("once", "pool", "uneven"):
        if e.repetition.regime == "once":
            times = "once in its only epoch, and again when it is trained on"
            if e.given.epochs > 1:
                times = f"in every epoch, {e.given.epochs} times in all"
            said = f"Each of its {e.given.n:,} examples is presented {times}."
        yield Reason(name="never repeated", state="no", because=because, sentence=said)


def _few_epochs(e: Evidence) -> Iterator[Reason]:
    because = f"{e.given.epochs} epoch{'s are' if e.given.epochs > 1 else ' is'} too few for it"
    reason = None
    if e.longer is not None and e.longer.epochs > e.given.epochs:
        reason = _taken_away("epochs", because, f"trained on to epoch {e.longer.epochs}", e.longer, e.given)
    if e.forecast is None:
        found, text = "cannot_tell", ""
    else:
        is_new = e.repetition is not None and e.repetition.regime == "fresh"  # what never comes again isn't learnt by heart
        found = {"turn": "cannot_tell" if is_new else "yes", "no_turn": "no"}.get(e.forecast.state, "cannot_tell")
        text = e.forecast.evidence
    if reason is None:
        if text:
            yield Reason(name="epochs", state=found, because=because, sentence=text)  # type: ignore[arg-type]  # of three
    elif reason.state != "yes" and found == "yes":
        yield Reason(name="epochs", state="yes", because=because, sentence=f"{reason.sentence} {text}")
    else:
        yield _saying(reason, f"{reason.sentence} {text}".strip())


def _capacity(e: Evidence) -> Iterator[Reason]:
    found = memorised(e.random[1]) if 1 in e.random else None
    if found is None:
        return
    r = e.random[1]
    because = f"it can't learn {r.n:,} examples by heart in so many steps"
    if r.n_parameters < r.n:
        because = f"it has too few parameters ({r.n_parameters:,}) to learn {r.n:,} examples by heart"
    text = _learnt(r, found)
    for part, other in sorted(e.random.items()):
        less = memorised(other) if part > 1 else None
        if less is not None:
            text += f" Of {other.n:,} it learns {_in_percent(less.share)}."
    if found.is_little:
        yield Reason(name="capacity", state="yes", because=because, sentence=text, effect=_largest_effect(e))
    elif found.is_all:
        yield Reason(name="capacity", state="no", because=because, sentence=text)
    else:
        text += " That is a part: more epochs of random labels, or more time, would tell."
        yield Reason(name="capacity", state="cannot_tell", because=because, sentence=text)


def _learnt(r: Result, found: Memorised) -> str:
    without = f", without {' and '.join(r.setting.off)}," if r.setting.off else ""
    text = f"Of {r.n:,} random labels {_parameters(r)} learn{without} {_in_percent(found.share)} by heart in {r.epochs} epochs"
    late = "" if found.is_all else f", {percent(found.late)} in the second half"
    return f"{text}{late}."


def _largest_effect(e: Evidence) -> Estimate | None:
    """Return by how much more the fewest examples that overfit are overfitted: n is then what keeps it from it."""
    found = [r for r in e.parts.values() if r.looks and r.overfitting().state == "yes"]
    return max((difference(r, e.given) for r in found), key=lambda d: d.value, default=None)


def _fewer_examples(e: Evidence) -> Iterator[Reason]:
    parts = [(part, r) for part, r in sorted(e.parts.items()) if r.looks]
    if not parts:
        return
    first = next(((part, r) for part, r in parts if r.overfitting().state == "yes"), parts[-1])
    words = f"with {_one_in(first[0])} of the examples ({first[1].n:,}) and as many steps"
    because = f"{e.given.n:,} examples are many for it"
    yield _unless_it_can_memorise(_taken_away("examples", because, words, first[1], e.given), e)


def _unless_it_can_memorise(reason: Reason, e: Evidence) -> Reason:
    """Return a reason that holds only where random labels are not all learnt: else there are parameters enough."""
    found = memorised(e.random[1]) if 1 in e.random else None
    if reason.state != "yes" or (found is not None and found.share.high < MEMORISES):
        return reason
    if found is not None and found.is_all:
        text = f"{reason.sentence} Yet it can learn all {e.given.n:,} by heart: their number is not what keeps it from it."
        return _saying(reason, text, "no")
    return _saying(reason, f"{reason.sentence} Whether it could learn all {e.given.n:,} by heart isn't known.", "cannot_tell")


def _turned(e: Evidence) -> Iterator[Reason]:
    looks = e.given.looks
    best = min(looks, key=lambda look: float(look.valid.loss.mean()))
    worse = looks[-1].valid.loss - best.valid.loss
    level = 1.0 - 0.05 / len(looks)  # the best look was chosen of all
    e_worse = estimate_from(float(worse.mean()), error_of_draw(worse), level=level, n=worse.size)
    is_so = best is not looks[-1] and e_worse.low > 0.0
    text = f"Validation was best in epoch {best.epoch} of {looks[-1].epoch}; at the end it is {e_worse} worse."
    because = f"it trains on after epoch {best.epoch}, when validation was best"
    if best is looks[-1]:
        text = "Validation was best in the last epoch: what it learns still helps more than learning by heart harms."
    effect = difference_of_looks(e.given) if is_so else None
    yield Reason(name="turned", state="yes" if is_so else "no", because=because, sentence=text, effect=effect)


def difference_of_looks(result: Result) -> Estimate:
    """Return how much the gap has grown since validation was best, negative: what ending there takes away."""
    best = min(result.looks, key=lambda look: float(look.valid.loss.mean()))
    a, b = gap_of(best), gap_of(result.looks[-1])
    return Estimate(value=a.value - b.value, low=a.low - b.high, high=a.high - b.low, n=a.n, how="bounded")


def describe(found: Overfitting, given: Result, reasons: tuple[Reason, ...]) -> str:
    """Return the answer in one sentence: that it overfits, by how much and since when, or why not."""
    causes = [r.because for r in reasons if r.state == "yes"]
    if found.state == "yes":
        since = f"by {given.gap} in loss in epoch {given.epochs}, since epoch {found.since_epoch}"
        return f"It does overfit: {since}" + (f"; {causes[0]}." if causes else ".")
    if found.state == "cannot_tell":
        return found.evidence
    if not causes:
        return "It does not overfit; why not can't be told from what was trained."
    also = f", and because {causes[1]}" if len(causes) > 1 else ""
    return f"It does not overfit because {causes[0]}{also}."


def _saying(reason: Reason, sentence: str, state: str | None = None) -> Reason:
    return Reason(
        name=reason.name,
        state=reason.state if state is None else state,  # type: ignore[arg-type]  # one of the three
        because=reason.because,
        sentence=sentence,
        effect=reason.effect,
    )


def _one_in(part: int) -> str:
    return {4: "a quarter", 16: "a sixteenth"}.get(part, f"one in {part}")


def _parameters(result: Result) -> str:
    return f"{result.n_parameters:,} parameters"


def _in_percent(e: Estimate) -> str:
    return f"{percent(e.value)} [{percent(max(0.0, e.low))}, {percent(min(1.0, e.high))}]"
