"""What is seen of an epoch's training steps as they happen: at most of them an append and a comparison."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from whygap.adapters.budget import Account
from whygap.adapters.epoch import VisitLog
from whygap.adapters.keras_batch import Batch, copied, count_rows, has_weights
from whygap.adapters.keras_probe import TRAIN, KerasProbe, Pending, State, to_host
from whygap.adapters.keras_rungs import Held
from whygap.adapters.keras_scores import rows_of
from whygap.adapters.keras_tap import Peek
from whygap.adapters.repeats import Repeats
from whygap.adapters.session import Session
from whygap.errors import InputError

SEEING = "seeing a batch"

SEEING_S, PASSING_S = 6e-6, 2.5e-6
"""Seconds that it takes to see a step that isn't sampled, and to let one pass. Clocks around it would show more: the turns of
other threads too."""


class Steps:
    """Looks on as `fit` trains; `log` is the epoch in hand, None before its first step.

    Some sampled visits are scored besides, with the weights and the seeds of their step: one of the first epoch, to see that
    the probe's loss is the model's; all of them where sample weights or a penalty are inside what Keras reports; and, right
    after their step, as many as the budget allows, for what an update does to the examples that it was made from.

    Parameters
    ----------
    session : Session
    probe : KerasProbe
    names : tuple of str
        The scores that the model logs and the probe knows.
    n_planned : int or None
        Calls of the step in an epoch, where known.
    per_call : int
        Steps in a call: `steps_per_execution`.
    seed : int
        Of the sample.
    repeats : Repeats
        Shown every batch, to tell how often examples come again.
    """

    def __init__(
        self,
        session: Session,
        probe: KerasProbe,
        names: tuple[str, ...],
        *,
        n_planned: int | None,
        per_call: int,
        seed: int,
        repeats: Repeats,
    ) -> None:
        self._session, self._probe, self._seed, self._repeats = session, probe, seed, repeats
        self._n_planned, self._n_expected, self._per_call = n_planned, n_planned, per_call
        self._usual: int | None = None  # rows of every call but the last, where that is known
        self._n_made = self._n_seen = 0  # calls of this epoch
        self._due = 0  # the next of them that is to be seen
        self._began = 0.0  # of this epoch
        self.names = names
        self.number = 0
        self.size = 0  # rows of a batch
        self.log: VisitLog[Held] | None = None
        self.is_plain = True  # as far as it's known, a batch's loss is the plain mean of its examples' and the penalty
        self.needs_visits = False
        self.n_scored = 0  # examples, in passing
        self.n_calls = 0
        self.marked: tuple[int, Any] | None = None
        self.notes: tuple[str, ...] = ()
        self.checked: tuple[int, Pending] | None = None
        self.checked_in = 0  # the epoch
        self._wanted: Held | None = None
        # a call's number and its logs: values on the device, for which nothing waits while the epoch trains
        self._latest: tuple[int, Any] | None = None
        self._is_begun = False

    def begin_epoch(self, number: int) -> None:
        """Make ready for another epoch."""
        if self.log is not None and self.log.rows:
            self._n_expected = len(self.log.rows)
            self._usual = self._usual_of(self.log.rows)
        self._n_made = self._n_seen = self._due = 0
        self._began = self._session.ledger.clock()
        self.number, self.log, self._wanted, self._latest, self._is_begun = number, None, None, None, False
        self.n_scored, self.n_calls, self.notes = 0, 0, ()

    def _usual_of(self, rows: list[int]) -> int | None:
        """Return how many rows every call but the last has, where Keras knows how many calls there are; None if they differ."""
        is_whole = len(rows) == self._n_planned and (self._usual is not None or len(set(rows[:-1])) == 1)
        return rows[0] if is_whole else self._usual

    def wants(self) -> bool:
        """Count the call that comes and return whether it is to be seen.

        Once batches are known to be alike, that is what the sample and the audit need, and the last one, which may be smaller:
        Keras's running mean tells of all others together. No more lines than that takes: amid a training each is slow.
        """
        n = self._n_made
        self._n_made = n + 1
        return n >= self._due

    def end_call(self) -> None:
        """Take back the call that was counted last: there were no more data for it."""
        self._n_made -= 1

    def end_training(self) -> None:
        """Close the books on the training of this epoch: what comes now is validation, or ours."""
        if self.log is not None:
            self._pass(self._n_made)
            passed = max(0, self._n_made - self._n_seen)  # the data may have ended within a call that was seen
            self._session.ledger.spend("rest", SEEING_S * self._n_seen + PASSING_S * passed)
            self._session.ledger.end_training(rows=sum(self.log.rows))

    def complete(self, told: Mapping[str, Any]) -> None:
        """Add what the whole epoch has come to, as Keras told, where the last call was not seen or not sampled."""
        log = self.log
        if log is None or not log.rows or (log.recorded and log.recorded[-1][0] == len(log.rows) - 1):
            return
        is_seen = self._latest is not None and self._latest[0] == len(log.rows) - 1
        log.recorded.append(self._latest if is_seen else (len(log.rows) - 1, told))

    def _pass(self, n: int) -> None:
        """Count the rows of the calls before the `n`-th that were not seen."""
        if self.log is not None and self._usual is not None:
            self.log.rows += [self._usual] * (n - len(self.log.rows))

    def before(self, state: Any, peek: Peek) -> None:
        """Decide whether the call that follows is sampled and, where only that tells, score it just before its own update."""
        self._wanted = None
        if not self._is_begun:
            self._is_begun = True
            first = peek()  # outside of the shield, which would take back what the user's own data draw at random
            with self._session.shield("starting an epoch"):
                self._open(state, first)
        log, self._n_seen = self.log, self._n_seen + 1
        self._pass(self._n_made - 1)
        if log is None or len(log.rows) != log.spread.next:
            return
        try:
            log.spread.take()
            wanted = self._wanted = Held()
            is_scored = self._is_visit_scored(log)
        except Exception as error:
            self.log = None
            self._session.fail(SEEING, error)
            return
        if is_scored:
            batch = peek()
            if batch is None:
                return
            with self._scoring("scoring a visit", "visits"):
                wanted.at_visit = self._score(self._values(state), batch)
                if self.checked is None:
                    self.checked, self.checked_in = (len(log.rows), wanted.at_visit), self.number

    def after(self, batches: list[Batch], logs: Any, state: Any) -> None:
        """Take note of a call that has been made."""
        log, held, ledger = self.log, self._wanted, self._session.ledger
        if ledger.clock() >= self._repeats.next_s:
            for k, batch in enumerate(batches, (self._n_made - 1) * self._per_call):
                self._repeats.see(batch, k)
        try:
            if log is not None and batches:
                rows = log.rows
                rows.append(rows_of(batches[0][0]) if len(batches) == 1 else count_rows(batches))
                n = len(rows)
                if self._usual is not None:
                    self._go_on(log, n)
                self._latest = n - 1, logs
                if held is not None or n == log.spread.next:  # of a sampled call, and of the one before it
                    log.recorded.append(self._latest)
                if n == 1 and ledger.epoch == 1:
                    ledger.begin_steps()
        except Exception as error:
            self.log, self._usual = None, None  # an epoch with a hole in it tells nothing
            self._session.fail(SEEING, error)
        if self.log is None or log is None or held is None:
            return
        with self._session.shield(SEEING, is_light=True, account="visits", units=1):
            held.batches = [copied(b) for b in batches]
            log.spread.keep(held)
        if held.batches and self._is_looked_at(log):
            self._session.ledger.spend("looks", 0.0, 1)
            with self._scoring("scoring after an update", "looks"):
                held.after = self._score(self._values(state), batches[0])

    def _go_on(self, log: VisitLog[Held], n: int) -> None:
        """Find the next call that is to be seen, after `n` of them: a sampled one, or the one before that, or the last.

        Or the one at which the audit will be due, if calls go on as they did.
        """
        last = (self._n_planned or 0) - 1
        if n <= last and log.rows[-1] != self._usual:
            raise InputError(f"batches differ from those of the epochs before: {log.rows[-1]} rows, {self._usual} until now")
        sampled = log.spread.next
        now = self._session.ledger.clock()
        audited = n + (self._repeats.next_s - now) * n / max(now - self._began, 1e-9)
        self._due = int(max(n, min(audited, sampled - 1 if sampled > n else sampled, max(n, last))))

    @contextlib.contextmanager
    def _scoring(self, doing: str, account: Account) -> Iterator[None]:
        """Shield a score in passing. On JAX it isn't timed: it is but dispatched, and what is waited for is the user's step."""
        if not self._probe.is_deferred:
            with self._session.shield(doing, account=account):
                yield
            return
        try:
            with self._session.preserved():
                yield
        except Exception as error:
            self._session.fail(doing, error)

    def _open(self, state: Any, first: Any) -> None:
        """Plan the epoch, now that its first batch is there; in the first one, have the probe compiled too."""
        if first is None:
            return
        if not self.size:
            self.size = rows_of(first[0])
            self.is_plain = not has_weights(first)
            self.needs_visits = not self.is_plain
            self._probe.prepare(self._values(state), first, self.names)
        self._note_change(state)
        plan = self._session.ledger.plan(
            rows=self.size * self._per_call, visits=self._n_expected, is_whole=True, can_part=not self._probe.parts.mixes_rows
        )
        self.log = VisitLog(self.number, plan, expected=self._n_expected, seed=self._seed)

    def _is_visit_scored(self, log: VisitLog[Held]) -> bool:
        if self._per_call > 1:
            return False  # only the first of the call's batches could be
        if self.needs_visits or self._probe.has_penalty:
            return True
        # not at the very first step where the probe is still being compiled by then
        is_ready = (
            not self._probe.is_deferred or self._session.ledger.is_exact or bool(log.rows) or self._session.ledger.epoch > 1
        )
        return self.checked is None and is_ready

    def _is_looked_at(self, log: VisitLog[Held]) -> bool:
        if self._per_call > 1 or log.plan.looks == 0:
            return False
        if log.plan.looks is None or log.plan.batches is None:
            return True
        # In a first epoch the programs may not be compiled yet; to look only from then on would favour later visits. A short
        # last batch would want a program of its own.
        is_common = log.rows[-1] == self.size
        return self._session.ledger.epoch > 1 and is_common and log.rng.random() * log.plan.batches < log.plan.looks

    def _values(self, state: Any) -> State:
        return self._probe.state() if state is None else (state[0], state[1])

    def _score(self, values: State, batch: Batch) -> Pending:
        # with the very seeds of the step that follows, or those that it left: the masks are the step's, or new ones
        with self._probe.no_trace():
            pending, _ = self._probe.score(values, batch, self.names, TRAIN)
        self.n_scored += rows_of(batch[0])
        self.n_calls += 1
        return pending

    def mark(self, state: State) -> None:
        """Remember the weights that the epoch's end was measured with, by the smallest of the variables that are trained."""
        if state[0]:
            i = min(range(len(state[0])), key=lambda k: np.prod(state[0][k].shape))
            self.marked = i, np.array(to_host(state[0][i]))

    def _note_change(self, state: Any) -> None:
        if self.marked is None:
            return
        i, then = self.marked
        if not np.array_equal(to_host(self._values(state)[0][i]), then, equal_nan=True):
            text = "the weights that this epoch began with aren't those that the last one was measured with"
            self.notes = (f"{text}: a callback changed them (SwapEMAWeights belongs after GapCallback in callbacks=)",)
