"""The repetition audit inside a training run: contents of the delivered batches, as many as its part of the budget pays for."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

from whygap.adapters.session import Session
from whygap.audit import CAPACITY, Tally, hash_examples, judge_repetition
from whygap.audit.contents import Hashes
from whygap.errors import InputError
from whygap.records import Repetition

PART = 0.075
"""Of the budget."""

TRAIN, VALID, JUDGING = 0.5, 0.2, 0.3
"""How that part is divided: training batches, validation batches, and saying what they tell."""

USUAL = 0.02
"""Share of the training time of which that is a part, where the budget is a number of examples."""

KEPT = 2**17
"""Distinct examples that are kept where the time is limited: a judgement takes 2 ms at 50,000 of them."""

HASHING = "comparing the contents of batches"


class Repeats:
    """Looks at batches as they are delivered, and at the validation batches, to tell how often examples come again.

    With a share as the budget, the next batch is looked at once the last one's cost has been earned, after a random time, so
    that positions in the epoch are random and don't depend on what is there. Validation batches are looked at in their order,
    as many as can be paid for, and in later epochs from there on.

    Parameters
    ----------
    session : Session
        Of which the ledger is charged, and that failures are told to.
    seed : int
        Of the positions. It has nothing to do with the user's seeds.
    content : callable, optional
        `content(batch)` gives what of a batch makes an example; by default all of it.

    Attributes
    ----------
    next_s : float
        The ledger's time from which on the next training batch is to be looked at: to be compared at every batch, which takes
        less than a call.
    """

    def __init__(self, session: Session, *, seed: int, content: Callable[[Any], Any] | None = None) -> None:
        self._session, self._ledger, self._content = session, session.ledger, content
        budget = self._ledger.budget
        part = math.inf if budget == "exact" else PART * (budget if isinstance(budget, float) else USUAL)
        self._share, self._share_valid, self._share_judging = TRAIN * part, VALID * part, JUDGING * part
        capacity = CAPACITY if self._is_exact else KEPT
        self._train, self._valid = Tally(capacity), Tally(capacity)
        self._visits: list[int] = []
        self._rng = random.Random(f"whygap repeats {seed}")
        self._is_on = True
        self._due = 0.0
        self.next_s = -math.inf
        self._began = self._ledger.clock()
        self.spent_s = self._valid_s = self._judged_s = 0.0  # in all, and on two of the three
        self._judgement_s = 0.0  # the last one
        self._n_valid_seen, self._valid_position, self._is_valid_done = 0, 0, False

    @property
    def _is_exact(self) -> bool:
        return math.isinf(self._share)

    def begin_epoch(self) -> None:
        """Begin another epoch of training."""
        self._train.begin_epoch()
        self._is_on = self._is_on and not self._train.is_full
        self.next_s = -math.inf if self._is_on else math.inf

    def see(self, batch: Any, position: int, *, workers: int = 0) -> None:
        """Look at the training batch at a `position` in the epoch, from 0; `workers` processes deliver batches in turn."""
        began = self._ledger.clock()
        if began < self.next_s:
            return
        try:
            hashes = self._hashed(batch)
            if not position and not self._is_exact:
                self._train.note_first(hashes)  # always looked at, for the order; counted as often as any other
            if position or self._is_exact or began >= self._due:
                self._train.add(hashes, source=position % workers if workers > 1 else 0, is_first=self._is_exact)
        except InputError:
            self._is_on = False  # contents that can't be compared are no fault of the run
        except Exception as error:
            self._is_on = False
            self._session.fail(HASHING, error)
        now = self._ledger.clock()
        self._pay(now - began)
        self._due = now + 2.0 * self._rng.random() * (now - began) / self._share
        self.next_s = self._due if self._is_on else math.inf

    def begin_validation(self) -> None:
        """Begin another pass through the validation examples."""
        self._valid_position = 0

    def see_valid(self, batch: Any) -> None:
        """Look at a validation batch, if it wasn't before and can be paid for."""
        position = self._valid_position
        self._valid_position += 1
        if not self._is_on or self._is_valid_done or position < self._n_valid_seen:
            return
        began = self._ledger.clock()
        if self._valid_s > self._share_valid * (began - self._began):
            return
        self._n_valid_seen = position + 1
        try:
            self._valid.add(self._hashed(batch))
        except InputError:
            self._is_valid_done = True
        except Exception as error:
            self._is_on = False
            self._session.fail(HASHING, error)
        took = self._ledger.clock() - began
        self._valid_s += took
        self._pay(took)

    def end_epoch(self, rows: int) -> Repetition | None:
        """Return how often examples were presented so far, given the rows of the epoch that has ended.

        None where that can't be told, or is to be told later: where the time is limited it is after epochs 2, 4, 8 and so on,
        and whenever it has been saved for.
        """
        if self._valid_position and self._n_valid_seen == self._valid_position:
            self._is_valid_done = True  # a whole pass
        if not self._is_on:
            return None
        self._visits.append(rows)
        number, began = len(self._visits), self._ledger.clock()
        saved = self._share_judging * (began - self._began) - self._judged_s
        if not self._is_exact and (number == 1 or (number & (number - 1) and saved < self._judgement_s)):
            return None
        train = self._train.compute()
        if not train.n:
            return None
        # a loop may leave an epoch with a batch in hand that it doesn't train on
        visits = [max(several) for several in zip(self._visits, train.presentations, strict=True)]
        found = judge_repetition(train, self._valid.compute(), visits=visits)
        self._judgement_s = self._ledger.clock() - began  # booked with the rest of the epoch's end
        self._judged_s += self._judgement_s
        self.spent_s += self._judgement_s
        return found

    def _hashed(self, batch: Any) -> Hashes:
        return hash_examples(batch if self._content is None else self._content(batch))

    def _pay(self, seconds: float) -> None:
        self.spent_s += seconds
        self._ledger.spend("rest", seconds)
