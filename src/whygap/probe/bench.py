"""One training after the other, within a budget of time: each is looked at after every few epochs, and can be taken further."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from whygap.adapters.loader_walk import Walk
from whygap.audit import Tally, hash_examples, judge_repetition
from whygap.errors import InputError
from whygap.estimate import is_usable
from whygap.probe.case import Case, in_one_line
from whygap.probe.examples import Drawn, Examples, Kept, Passing, Source, as_examples
from whygap.probe.result import Look, Result
from whygap.probe.training import Network, OutOfTime, Regulariser, Setting, Workshop
from whygap.records import Repetition

MOST_SCORED = 4000
"""Examples of either set that are scored in one look."""

LOOKS = 40
"""Looks at the training as given; where there are more epochs, some pass without one."""

Watch = Callable[[str, float], None]
"""Told what is being trained, and which part of the budget is spent, 0 to 1."""


class Pace(NamedTuple):
    """Seconds of one epoch with what looking costs, and of what comes before the first."""

    epoch: float
    start: float

    def of(self, epochs: int) -> float:
        """Return the seconds of a training."""
        return self.start + epochs * self.epoch


@dataclass
class Training:
    """A training that can be taken further.

    `scored` are the training examples that are looked at, None for those visited; `unseen` some that were left out;
    `regularisers` what could be turned off.
    """

    result: Result
    network: Network
    source: Source
    scored: Examples | None
    unseen: Examples | None
    regularisers: tuple[Regulariser, ...]


class Bench:
    """Trains one setting of a case after the other until the time is up.

    Parameters
    ----------
    case : Case
        As the factory made it.
    workshop : Workshop
        Of its framework.
    wider : callable
        From a width to another case.
    seconds : float
        The budget.
    seed : int
        From which those of all trainings are counted.
    watch : callable, optional
        Told of the progress.

    Raises
    ------
    InputError
        If the data can't be read.
    """

    def __init__(
        self,
        case: Case,
        workshop: Workshop,
        *,
        wider: Callable[[int], Case],
        seconds: float,
        seed: int = 0,
        watch: Watch | None = None,
    ) -> None:
        self.case, self.workshop, self.seed, self.seconds = case, workshop, seed, seconds
        self.results: list[Result] = []
        self.every = max(1, round(case.epochs / LOOKS))
        self._wider, self._watch, self._tally = wider, watch, Tally()
        self._begun = time.monotonic()
        self.deadline = self._begun + seconds
        self._tell("reading the data")
        self._valid = self._all_of(case.valid).some(MOST_SCORED, seed)
        data = workshop.iterable(case.train, case.batch_size)
        self._passing = None if _is_pair(data) else self._passing_of(data, "train", case.steps)
        self.held = self._read(data, "train") if self._passing is None else self._passing.held
        self.batch_size = case.batch_size if self._passing is None else self._passing.batch_size

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._begun

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()

    @property
    def is_passing(self) -> bool:
        """Whether the training data come from a loader, of which only what it brings tells whether it repeats."""
        return self._passing is not None

    def begin(self, setting: Setting) -> Training:
        """Make a new network for a setting; nothing is trained yet.

        Raises
        ------
        InputError
            If the case can't be trained.
        """
        self._tell(setting.name)
        began = time.monotonic()
        case = self.case if setting.width is None else self._wider(setting.width)
        network = self.workshop.network(case, seed=self.seed + setting.seed)
        network.score(self._valid.some(2, 0))  # says what is wrong with a case, and builds what its first batch builds
        regularisers = network.can_turn_off()
        network.turn_off(setting.off)
        source, examples = self._source(setting)
        scored = None if examples is None else examples.some(MOST_SCORED, self.seed)
        n = self.held.n if examples is None else examples.n
        result = Result(setting, n, network.n_parameters, self.batch_size, seconds=time.monotonic() - began)
        if setting.is_random and scored is not None:
            result.constant = network.score_of_constant(scored) or network.score(scored)
        self.results.append(result)
        unseen = None
        if setting.part > 1 and not setting.is_random:
            unseen = self.held.but_for_some(n, self.seed).some(MOST_SCORED, self.seed)
        return Training(result, network, source, scored, unseen, regularisers)

    def go_on(
        self,
        training: Training,
        epochs: int,
        *,
        enough: Callable[[Result], bool] | None = None,
        seconds: float | None = None,
        name: str = "",
    ) -> Result:
        """Train until so many epochs are reached in all, enough is known, or the time is up.

        Raises
        ------
        InputError
            If a step fails, or the loss is no number.
        """
        result = training.result
        limit = min(self.deadline, self.deadline if seconds is None else time.monotonic() + seconds)
        result.reached_end = False
        while result.epochs < epochs and time.monotonic() < limit:
            look = self._look(training, epochs, limit, name or result.setting.name)
            if look is None:
                break
            result.looks.append(look)
            if enough is not None and enough(result):
                result.reached_end = True
                break
        result.reached_end = result.reached_end or result.epochs >= epochs
        if training.unseen is not None:
            result.unseen = training.network.score(training.unseen)
        return result

    def _look(self, training: Training, epochs: int, limit: float, name: str) -> Look | None:
        """Train for the epochs between two looks, and look; None where the time was up before, or the loss is no number."""
        result, began = training.result, time.monotonic()
        # the first look comes early: it says how long an epoch takes
        target = min(epochs, (result.epochs // self.every + 1) * self.every if result.looks else 1)
        n_epochs = target - result.epochs
        hard = limit if result.looks else self.deadline
        reported, visited = 0.0, training.scored
        try:
            for k in range(result.epochs, target):
                self._tell(f"{name}, epoch {k + 1} of {epochs}")
                reported, visited = self._epoch(training, k, hard)
        except OutOfTime:
            return None
        seen = visited if training.scored is None else training.scored
        assert seen is not None
        train = training.network.score(seen.some(MOST_SCORED, self.seed + target))
        look = Look(target, reported, train, training.network.score(self._valid))
        seconds = time.monotonic() - began
        result.epoch_seconds.append(seconds / n_epochs)
        result.seconds += seconds
        if not all(is_usable(scored.loss) for scored in (look.train, look.valid)):
            result.diverged = True
            return None
        return look

    def pace(self, result: Result) -> Pace:
        """Return how long trainings take, told by one that has at least one look."""
        each = statistics.median(result.epoch_seconds[1:] or result.epoch_seconds)
        return Pace(each, max(0.0, result.seconds - each * result.epochs))

    def repetition(self) -> Repetition | None:
        """Return how often the training as given presented its examples; None where none was presented."""
        tallied = self._tally.compute()
        return judge_repetition(tallied) if tallied.n else None

    def _epoch(self, training: Training, k: int, limit: float) -> tuple[float, Examples]:
        def check_time() -> None:
            if time.monotonic() > limit:
                raise OutOfTime

        setting = training.result.setting
        seed = self.seed + setting.seed
        examples = training.source.epoch(k, seed=seed)
        if training.result is self.results[0]:
            self._tally.begin_epoch()
            self._tally.add(hash_examples((examples.x, examples.y)))
        return training.network.train(examples, self.batch_size, seed=1 + k + 100_003 * seed, check_time=check_time), examples

    def _source(self, setting: Setting) -> tuple[Source, Examples | None]:
        if setting.source == "fresh":
            return Drawn(self._drawn, self.held.n), None
        if setting.source == "given" and self._passing is not None and setting.part == 1 and not setting.is_random:
            return self._passing, None
        examples = self.held.some(max(1, self.held.n // setting.part), self.seed)
        if setting.is_random:
            examples = examples.with_random_labels(self.seed)
        return Kept(examples, self.held.n), examples

    def _drawn(self, n: int, seed: int) -> Examples:
        process = self.case.fresh
        try:
            drawn = process.draw(np.arange(n), seed=seed, split="fresh") if hasattr(process, "draw") else process(n, seed)
        except Exception as error:
            raise InputError(f"fresh failed: {in_one_line(error)}") from error
        return self._read(drawn, "what fresh returns")

    def _all_of(self, data: Any) -> Examples:
        found = self.workshop.iterable(data, self.case.batch_size)
        return self._read(found, "valid") if _is_pair(found) else self._passing_of(found, "valid", None).held

    def _passing_of(self, data: Any, what: str, steps: int | None) -> Passing:
        walk = Walk(data if callable(data) else lambda: data, what, steps=steps)
        return Passing(
            walk, lambda b: self._read(b, f"a batch of {what}"), self.workshop.concatenate, what=what, deadline=self.deadline
        )

    def _read(self, batch: Any, what: str) -> Examples:
        return as_examples(batch, self.workshop.convert, what, most=self.workshop.most_parts)

    def _tell(self, what: str) -> None:
        if self._watch is not None:
            self._watch(what, min(1.0, self.spent / self.seconds))


def _is_pair(data: Any) -> bool:
    """Return whether training data are arrays, x and y, rather than something to walk through."""
    return isinstance(data, (tuple, dict)) or (isinstance(data, list) and bool(data) and all(hasattr(p, "shape") for p in data))
