"""Which trainings are made, in which order, within the budget: the most telling first, and what doesn't fit is named."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from whygap.errors import InputError
from whygap.estimate.forecast import forecast_turn
from whygap.probe.answer import LeftOut
from whygap.probe.bench import Bench, Pace, Training
from whygap.probe.reasons import Evidence, memorised
from whygap.probe.result import Result
from whygap.probe.training import Regulariser, Setting
from whygap.records import Repetition

Question = Literal["further", "random labels", "parts", "others"]
QUESTIONS: tuple[Question, ...] = get_args(Question)
"""Groups of trainings that need nothing of one another, but for the training as given."""

SHARE_OF_GIVEN = 0.6
"""Of the time, at most, for the training as given: the others say why."""

TIMES_LONGER, FEWEST_LONGER = 3, 20
"""How far the training as given is taken: so many times its epochs, and at least so many more."""

FEWEST_RANDOM = 60
"""Epochs of random labels: at least so many, or as many as the longer training has."""

PARTS = (16, 4)
SMALLEST = 8
"""Fewest examples of a part."""

LEARNT = 0.995
STALLED, STALLED_FROM = 0.005, 20
"""Share of random labels learnt in the second half of a training, from so many epochs on, below which it is over."""

TIMES_FURTHER, SHARE_OF_REST = 10, 0.9
"""How far random labels are taken at most where they are learnt in part, and with which part of the time that is left."""

SEEDS = 2
"""Further seeds."""

WIDER = 4
NEEDLESS = "it overfits as it is"


@dataclass(frozen=True)
class Found:
    """The trainings that were made, that as given first, for `epochs`; what was left out; and how often examples came."""

    results: list[Result]
    left_out: list[LeftOut]
    epochs: int
    repetition: Repetition | None
    spent_s: float
    framework: str
    is_interrupted: bool = False


class Investigation:
    """The trainings of one case.

    Parameters
    ----------
    bench : Bench
        Where they are made.
    width : int or None
        The factory's own, if it takes one.
    why_not_wider : str
        If it doesn't.
    questions : collection of Question
        Which to look into; by default all.
    """

    def __init__(
        self, bench: Bench, *, width: int | None, why_not_wider: str, questions: Collection[Question] = QUESTIONS
    ) -> None:
        self._bench, self._width, self._why_not_wider = bench, width, why_not_wider
        self._questions = questions
        self._pace = Pace(math.inf, math.inf)
        self._epochs = bench.case.epochs
        self._random: Training | None = None
        self.left_out: list[LeftOut] = []

    def run(self) -> None:
        """Make the trainings; whatever was made, `found` holds, also after an interruption.

        Raises
        ------
        InputError
            If the case can't be trained, or not one epoch of it within the time.
        """
        bench = self._bench
        given = bench.begin(Setting(name="as given"))
        result = bench.go_on(given, self._epochs, seconds=SHARE_OF_GIVEN * bench.left)
        self._check_given(result)
        self._pace = bench.pace(result)
        if result.epochs < self._epochs:
            cut = f"cut short after {result.epochs} of {self._epochs} epochs, so that there is time for others"
            self._leave("the training as given", cut)
            self._epochs = result.epochs
        regularisers = given.regularisers
        overfits = result.overfitting().state == "yes"
        if "further" in self._questions:
            self._change_little(given, overfits=overfits)
        if "random labels" in self._questions:
            self._learn_random_labels(regularisers)
        if "parts" in self._questions:
            for part in reversed(PARTS) if overfits else PARTS:
                self._train(Setting(name=f"1/{part} of them", part=part), is_possible=bench.held.n // part >= SMALLEST)
        if "others" in self._questions:
            if bench.case.fresh is not None:
                self._train(Setting(name="fresh examples", source="fresh"))
            if overfits:
                self._leave("a wider model", NEEDLESS)
            else:
                self._widen()
            for seed in range(1, SEEDS + 1):
                self._train(Setting(name=f"seed {bench.seed + seed}", seed=seed))
        self._finish_random_labels()

    def found(self, *, is_interrupted: bool = False) -> Found:
        """Return what was found so far."""
        bench = self._bench
        return Found(
            results=bench.results,
            left_out=self.left_out,
            epochs=self._epochs,
            repetition=bench.repetition(),
            spent_s=bench.spent,
            framework=bench.workshop.version,
            is_interrupted=is_interrupted,
        )

    def _change_little(self, given: Training, *, overfits: bool) -> None:
        """Take the training as given further, and make it without what may keep it from overfitting."""
        if overfits:
            for needless in ("taking it further", *(f"without {r}" for r in given.regularisers)):
                self._leave(needless, NEEDLESS)
            return
        self._go_further(given)
        self._keep()
        for regulariser in given.regularisers:
            self._train(Setting(name=f"without {regulariser}", off=(regulariser,)))

    def _check_given(self, result: Result) -> None:
        if result.diverged and not result.looks:
            raise InputError("the training as given: the loss is not finite after its first epoch")
        if not result.looks:
            raise InputError(f"not one epoch was trained in {self._bench.seconds:g} s: give it more time, or fewer examples")

    def _go_further(self, given: Training) -> None:
        target = max(TIMES_LONGER * self._epochs, self._epochs + FEWEST_LONGER)
        affordable = self._epochs + self._affordable(0.4)
        target, wanted = min(target, affordable), target
        if target <= self._epochs:
            self._leave("taking it further", self._too_long(self._pace.epoch * (wanted - self._epochs)))
            return
        result = self._bench.go_on(given, target, name="taken further", enough=_is_overfitted_for_long)
        if result.epochs < wanted and not _is_overfitted_for_long(result):
            short = f"to epoch {result.epochs} only, of {wanted}: the time is for other trainings, too"
            self._leave("taking it further", short)

    def _keep(self) -> None:
        """Train on one epoch of what a loader brings, kept and presented again: where nothing came again by itself."""
        repetition = self._bench.repetition()
        if self._bench.is_passing and repetition is not None and repetition.regime == "fresh":
            epochs = max(self._epochs, self._bench.results[0].epochs)
            self._train(Setting(name="examples kept", source="kept"), epochs=epochs, enough=_is_overfitted_for_long)

    def _learn_random_labels(self, regularisers: tuple[Regulariser, ...]) -> None:
        epochs = max(TIMES_LONGER * self._epochs, FEWEST_RANDOM)
        setting = Setting(name="random labels", is_random=True, off=regularisers)
        self._random = self._train(setting, epochs=epochs, share=0.6, fewest=10, enough=_has_learnt)
        found = None if self._random is None else memorised(self._random.result)
        if found is not None and not found.is_all:
            for part in PARTS:
                smaller = replace(setting, name=f"random labels, 1/{part}", part=part)
                is_possible = self._bench.held.n // part >= SMALLEST
                self._train(smaller, epochs=epochs, share=0.3, fewest=10, enough=_has_learnt, is_possible=is_possible)

    def _finish_random_labels(self) -> None:
        """Give what time is left to random labels, where some were learnt and not all: it may take many epochs more."""
        found = None if self._random is None else memorised(self._random.result)
        if self._random is None or found is None or found.is_all or found.is_little:
            return
        result = self._random.result
        seconds = SHARE_OF_REST * self._bench.left
        self._bench.go_on(self._random, TIMES_FURTHER * result.epochs, seconds=seconds, enough=_has_learnt)

    def _widen(self) -> None:
        if self._width is None:
            self._leave("a wider model", self._why_not_wider)
            return
        width = WIDER * self._width
        self._train(Setting(name=f"width {width}", width=width), slower=WIDER)

    def _train(
        self,
        setting: Setting,
        *,
        epochs: int | None = None,
        share: float = 1.0,
        fewest: int | None = None,
        slower: float = 1.0,
        enough: Callable[[Result], bool] | None = None,
        is_possible: bool = True,
    ) -> Training | None:
        """Make a training if there is time: at least for `fewest` epochs within a share of the time, by default for all."""
        wanted = self._epochs if epochs is None else epochs
        least = wanted if fewest is None else min(fewest, wanted)
        if not is_possible:
            self._leave(setting.name, f"of {self._bench.held.n} examples that would be fewer than {SMALLEST}")
            return None
        affordable = int(self._affordable(share) / slower)
        if affordable < least:
            self._leave(setting.name, self._too_long(self._pace.of(least) * slower))
            return None
        try:
            training = self._bench.begin(setting)
            result = self._bench.go_on(training, min(wanted, affordable), enough=enough)
        except InputError as error:  # a width that the model can't have, say
            self._leave(setting.name, str(error))
            return None
        if result.diverged:
            self._leave(setting.name, f"the loss is not finite after epoch {result.epochs}")
        elif not result.reached_end:
            self._leave(setting.name, f"cut short after {result.epochs} of {wanted} epochs: the time is up")
        return training

    def _affordable(self, share: float) -> int:
        """Return the epochs of a new training that fit into a share of the time left."""
        return max(0, int((share * self._bench.left - self._pace.start) / max(1e-6, self._pace.epoch)))

    def _too_long(self, seconds: float) -> str:
        return f"it would take about {max(1.0, seconds):.0f} s, and {max(0.0, self._bench.left):.0f} s are left"

    def _leave(self, what: str, why: str) -> None:
        self.left_out.append(LeftOut(what=what, why=why))


def merge(several: Sequence[Found]) -> Found:
    """Return as one what several workers found, each with the training as given and questions of its own.

    Where the training as given came to other epochs than the first one's, nothing can be held against that: it is left out.
    """
    first, *others = several
    results, left_out = list(first.results), list(first.left_out)
    for other in others:
        if other.epochs == first.epochs:
            results += other.results[1:]
            left_out += other.left_out
        else:
            why = f"its worker trained as given for {other.epochs} epochs, not {first.epochs}"
            left_out += [LeftOut(what=r.setting.name, why=why) for r in other.results[1:]]
    return replace(
        first, results=results, left_out=list(dict.fromkeys(left_out)), spent_s=max(found.spent_s for found in several)
    )


def evidence_of(f: Found) -> Evidence:
    """Return what the trainings give.

    Raises
    ------
    InputError
        If not one epoch was trained.
    """
    results = [r for r in f.results if r.looks]
    if not results:
        raise InputError("not one epoch was trained")
    whole = results[0]
    given = replace(whole, looks=[look for look in whole.looks if look.epoch <= f.epochs])
    found = Evidence(given, whole if whole.epochs > f.epochs else None, repetition=f.repetition)
    for r in results[1:]:
        s = r.setting
        if s.is_random:
            found.random[s.part] = r
        elif s.part > 1:
            found.parts[s.part] = r
        elif s.off:
            found.off[s.off[0]] = r
        elif s.width is not None:
            found.wider = r
        elif s.source == "kept":
            found.kept = r
        elif s.source == "fresh":
            found.fresh = r
        else:
            found.seeds.append(r)
    epoch, train, valid = whole.losses()
    if epoch.size:
        found.forecast = forecast_turn(train, valid, epoch=epoch, age=0.0)
    return found


def _is_overfitted_for_long(result: Result) -> bool:
    """Return whether overfitting has been seen in five looks in a row."""
    found = result.overfitting()
    return found.state == "yes" and all(look.overfits for look in found.looks[-5:]) and len(found.looks) >= 5


def _has_learnt(result: Result) -> bool:
    """Return whether all random labels are learnt, or so few parameters have stopped learning any."""
    found = memorised(result)
    if found is None:
        return False
    # with as many parameters as examples, learning by heart may begin late
    is_stalled = result.n_parameters < result.n and result.epochs >= STALLED_FROM and found.late < STALLED
    return found.share.value > LEARNT or (is_stalled and found.is_little)
