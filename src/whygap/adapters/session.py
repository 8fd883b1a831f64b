"""A run being watched: never in its way, nothing lost, failures told once.

Framework adapters own one `Session`. It gives them a shield for every line of theirs that runs inside the user's training,
turns the observations of an epoch into `EpochGap`s, and puts those on disk before it returns.
"""

from __future__ import annotations

import contextlib
import os
import sys
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median_high

import msgspec

from whygap.adapters.budget import Account, Ledger
from whygap.adapters.epoch import Earlier, Sampled
from whygap.choice import choose_method, compare_known, compare_methods, count_useful, is_known_worth_it
from whygap.errors import InputError, StoreError, WhygapError, WhygapWarning
from whygap.estimate import Moments, remember_spread
from whygap.ladder import build_epoch_gap
from whygap.observation import Method, Observation
from whygap.records import EpochGap, Estimate, Overfitting, Problem, Repetition, Run, RungName, Score, Verdict, is_finite
from whygap.rungs import Rungs, measure_rungs, spreads_of
from whygap.store import Store, store_path
from whygap.verdict import judge

SAVING = "keeping the run in the store"

RECENT = 4
"""Epochs by which it is told how many rows are useful in the next one."""

SETTLED = 4
"""After so many epochs the estimators are compared only in every so-manieth: how good they are changes slowly by then."""

StorePath = str | os.PathLike[str] | None | bool


def new_run_id() -> str:
    """Return an identifier that sorts by time; its random part is the operating system's, not of the user's generators."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.UUID(bytes=os.urandom(16)).hex[:6]}"


def is_strict() -> bool:
    """Return whether failures inside whygap are to be raised (WHYGAP_STRICT=1, for tests) instead of told."""
    return os.environ.get("WHYGAP_STRICT", "") not in ("", "0")


class Session:
    """The bookkeeping of one run.

    Parameters
    ----------
    source : str
        What is watched, as shown to people: "torch: Net".
    store : path, None or False
        Where runs are kept; None for the default store, False for nowhere.
    versions, seeds : dict
        Recorded with the run.
    preserve : callable
        Gives a context that restores the random state of every library that the framework draws from.
    ledger : Ledger, optional
        Keeps the books of what we spend; by default without a limit.
    """

    def __init__(
        self,
        *,
        source: str,
        store: StorePath,
        versions: dict[str, str],
        seeds: dict[str, int],
        preserve: Callable[[], AbstractContextManager[None]],
        ledger: Ledger | None = None,
    ) -> None:
        started = datetime.now(UTC).isoformat(timespec="seconds")
        self.run = Run(id=new_run_id(), source=source, started=started, versions=versions, seeds=seeds)
        self.ledger = ledger or Ledger()
        self._preserve = preserve
        self._path: Path | None = None if store is False else store_path(None if store is True else store)
        self._store: Store | None = None
        self._unsaved: list[tuple[EpochGap, ...]] = []
        self._unsaved_problems: list[Problem] = []
        self._told: set[str] = set()
        self._epoch: int | None = None
        self._has_failed = False  # in this epoch
        self._is_preserved = False
        self._compared: dict[tuple[str, bool], list[Mapping[Method, float]]] = {}
        self._known: dict[str, list[float]] = {}  # what `compare_known` has found
        self._spread: dict[tuple[str, Method], dict[RungName, Moments]] = {}  # what `remember_spread` has of a score
        self._useful: tuple[int | None, ...] = ()  # of the last `RECENT` epochs

    @property
    def n_unsaved(self) -> int:
        """Epochs that should be in the store and are not."""
        return len(self._unsaved)

    @contextlib.contextmanager
    def shield(self, doing: str, *, is_light: bool = False, account: Account = "rest", units: int = 0) -> Iterator[None]:
        """Let no exception of ours reach the user's training, and book the time that we take.

        KeyboardInterrupt and SystemExit pass: they are the user's. The user's random state is restored, but for what is
        `is_light`: bookkeeping, which draws nothing, and for which copies of the states would be most of the cost.

        Raises
        ------
        Exception
            As `fail`.
        """
        with self.ledger.book(account, units):
            try:
                with contextlib.nullcontext() if is_light else self.preserved():
                    yield
            except Exception as error:
                self.fail(doing, error)

    @contextlib.contextmanager
    def preserved(self) -> Iterator[None]:
        """Restore the random state of every library that the framework draws from: once, on leaving the outermost of these."""
        if self._is_preserved:
            yield
            return
        with self._preserve():
            self._is_preserved = True
            try:
                yield
            finally:
                self._is_preserved = False

    def fail(self, doing: str, error: Exception) -> None:
        """Tell of a failure of ours: for code that runs at every batch, where a `shield` would be most of the cost.

        It is told once for each thing that was being done and each text, and what fails in its wake within the same epoch isn't
        told at all.

        Raises
        ------
        Exception
            The failure itself, where WHYGAP_STRICT is set.
        """
        if is_strict():
            raise error
        if not self._has_failed or doing == SAVING:  # the store doesn't depend on what was measured
            self._tell(doing, error)
        self._has_failed = True

    def _tell(self, doing: str, error: Exception) -> None:
        text = str(error) if isinstance(error, WhygapError) else f"{type(error).__name__}: {error}"
        if doing in self._told or text in self._told:
            return
        self._told |= {doing, text}
        line = " ".join(f"{doing}: {text}".split())
        problem = Problem(epoch=self._epoch, text=line)
        self.run = msgspec.structs.replace(self.run, problems=(*self.run.problems, problem))
        self._unsaved_problems.append(problem)
        message = f"whygap: {line} (training goes on)"
        try:
            warnings.warn(message, WhygapWarning, stacklevel=4)
        except Exception:  # -W error turns our warning into an exception: the run comes first, but the line must be seen
            print(message, file=sys.stderr)

    def tell(self, doing: str, text: str) -> None:
        """Tell and record, once for each `doing`, what is wrong with what we were given.

        Raises
        ------
        InputError
            With that line, where WHYGAP_STRICT is set.
        """
        if is_strict():
            raise InputError(f"{doing}: {text}")
        self._tell(doing, InputError(text))

    def begin_epoch(self, number: int) -> None:
        """Name the epoch that failures are recorded under and that time is counted for."""
        self._epoch = number
        self._has_failed = False
        self.ledger.begin_epoch()

    def earlier(self, score: str, sampled: Sampled | None, rows: Sequence[int]) -> Earlier:
        """Return how sampled rungs of this score are to be estimated: as the epochs before favour, at first `plain`.

        What was recorded of a batch is the mean of all of its examples, of which each visit of the epoch had `rows`. Where all
        are sampled, it tells far more than where only some are: only epochs that were sampled alike are asked.
        """
        if sampled is None:
            return Earlier()
        is_deep = sampled.is_deep(rows)
        method = choose_method(self._compared.get((score, is_deep), ()), units=sampled.batch.size)
        spread = self._spread.get((score, method), {}) if is_deep else {}
        return Earlier(method, {rung: (m.variance, m.df) for rung, m in spread.items() if m.df})

    @property
    def is_known_worth_it(self) -> bool:
        """Whether to tell what is known of examples besides their scores: where epochs before favour it for any of these."""
        return not self._known or any(map(is_known_worth_it, self._known.values()))

    def unmeasured(self, epoch: int, train: float | None, valid: float | None) -> Observation:
        """Return an epoch of which no more is known than the loss that was reported, with the reason."""
        why = self.run.problems[-1].text if self.run.problems else "the epoch could not be measured"
        return Observation(epoch=epoch, score=Score(), train_reported=train, valid_reported=valid, notes=(why,))

    def end_epoch(
        self, observations: Sequence[Observation], *, evaluations: int, repetition: Repetition | None = None
    ) -> tuple[EpochGap, ...]:
        """Build the gaps of one epoch, put them on disk in one transaction, and return them."""
        with self.preserved():
            return self._end_epoch(observations, evaluations, repetition)

    def _end_epoch(
        self, observations: Sequence[Observation], evaluations: int, repetition: Repetition | None
    ) -> tuple[EpochGap, ...]:
        gaps: list[EpochGap] = []
        useful: list[int | None] = []
        for o in observations:
            with self.shield(f"explaining the {o.score.name}", is_light=True):
                rungs = measure_rungs(o)
                gaps.append(build_epoch_gap(o, rungs))
                useful.append(count_useful(o, rungs))
                self._remember(o, rungs)
                with self.ledger.book("seldom"):
                    self._compare(o, rungs)
            if not gaps or gaps[-1].score != o.score:
                why = self.run.problems[-1].text
                gaps.append(_unexplained(o, why))
        told = [n for n in useful if n is not None]
        self._useful = (*self._useful, max(told) if told and len(told) == len(useful) else None)[-RECENT:]
        # the upper middle one: that of a single sample is off by a third or so
        self.ledger.useful = None if self._useful[-1] is None else median_high(n for n in self._useful if n is not None)
        of_epoch = {"spent_s": self.ledger.spent_s, "evaluations": evaluations, "repetition": repetition}
        gaps = [msgspec.structs.replace(g, **of_epoch) for g in gaps]
        self.run = msgspec.structs.replace(self.run, epochs=(*self.run.epochs, *gaps))
        if self._path is not None:
            self._unsaved.append(tuple(gaps))
        with self.shield(SAVING, is_light=True):
            self._save()
        return tuple(gaps)

    def _remember(self, o: Observation, rungs: Rungs) -> None:
        """Note how far sampled batches differed, but for the first epoch: it is unlike all others."""
        if self.ledger.epoch > 1:
            spread = self._spread.setdefault((o.score.name, o.method), {})
            for rung, own in spreads_of(rungs).items():
                kept = remember_spread(spread.get(rung), own)
                if kept is not None:
                    spread[rung] = kept

    def _compare(self, o: Observation, rungs: Rungs) -> None:
        """Note how good each estimator would have been, in the first epochs and now and then later."""
        if rungs.sampling is None:
            return
        compared = self._compared.setdefault((o.score.name, rungs.sampling.design.is_deep), [])
        if len(compared) < SETTLED or o.epoch % SETTLED == 0:
            compared.append(compare_methods(o, rungs))
            ratio = compare_known(o, rungs)
            self._known.setdefault(o.score.name, []).extend([] if ratio is None else [ratio])

    def finish(self) -> None:
        """Mark the run as finished and put on disk whatever could not be written before."""
        self.run = msgspec.structs.replace(self.run, finished=True)
        with self.shield(SAVING):
            self._save()
            if self._store is not None:
                self._store.finish(self.run.id)
        self.close()

    def close(self) -> None:
        """Close the store; the run stays readable in memory."""
        if self._store is not None:
            with contextlib.suppress(StoreError):
                self._store.close()
            self._store = None

    def verdict(self, score: str | None = None) -> Verdict:
        """Return the verdict on the run so far; where it fails, one that says so: a model may still have to be saved."""
        with self.shield("explaining the run"):
            return judge(self.run, score=score)
        why = self.run.problems[-1].text
        unknown = Overfitting(state="cannot_tell", since_epoch=None, evidence="Whether it overfits can't be told.")
        return Verdict(
            score=Score(name=score or "loss"), headline="The run could not be explained.", overfitting=unknown, warnings=(why,)
        )

    def _save(self) -> None:
        """Write what is not yet on disk, oldest first; what fails stays in memory and is tried again with the next epoch."""
        if self._path is None:
            return
        if self._store is None:
            store = Store(self._path)
            store.begin(msgspec.structs.replace(self.run, epochs=(), problems=(), finished=False))
            self._store = store
        while self._unsaved:
            self._store.add_epoch(self.run.id, self._unsaved[0], self._unsaved_problems)
            self._unsaved_problems = []
            self._unsaved.pop(0)
        while self._unsaved_problems:
            self._store.add_problem(self.run.id, self._unsaved_problems[0])
            self._unsaved_problems.pop(0)


def _unexplained(o: Observation, why: str) -> EpochGap:
    """The two reported numbers alone, where the ladder failed."""
    train, valid = (v if is_finite(v) else None for v in (o.train_reported, o.valid_reported))
    gap = None if train is None or valid is None else Estimate(value=valid - train, low=valid - train, high=valid - train)
    unattributed = gap.value if gap else 0.0
    return EpochGap(
        epoch=o.epoch,
        score=o.score,
        train_reported=train,
        valid_reported=valid,
        gap=gap,
        unattributed=unattributed,
        notes=(*o.notes, why),
    )
