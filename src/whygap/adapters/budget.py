"""What may be spent on measuring, what was spent, and how much of an epoch is therefore looked at."""

from __future__ import annotations

import contextlib
import math
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple, get_args

from whygap.errors import InputError

Budget = float | int | Literal["exact"]
Account = Literal["visits", "looks", "rows", "few", "rest", "seldom", "validation"]
"""Where time goes: seeing a sampled visit, scoring it again after its step, scoring a row on all rungs, scoring one on only a
few of them, all the rest of every epoch, what comes in some epochs only and tells nothing of what the next one will cost, and
what is the user's own validation."""

FEWEST_ROWS = 128
FEWEST_BATCHES = 8
"""A sample never has less than this, whatever it costs: below it an interval can't be had."""

FEWEST_WHOLE = 5
"""The same where batches are scored whole: what was recorded of these tells so much that a few do better than rows of more."""

WHOLE_SHARE = 0.6
"""Up to this part of an epoch's share so many whole batches are scored whatever else there is to pay for; and up to twice what
is left after that, which is then paid back."""

MOST_BATCHES = 128
"""More batches than this gain nothing: rows of different batches differ no more than rows of one batch."""

MOST_TIMED = 64
"""The same under a share of the time, which every batch takes some of that no clock sees."""

FEWEST_OF_EACH = 6
"""Rows of each sampled batch without which they aren't drawn by what they scored: a mean over so few would be off."""

DEPTH = 24
"""Rows that are to be had of each sampled batch at least: with fewer, most of the variance is from those that are left out."""

DEEPER = 5.0
"""What that is where rows cost as much as seeing a batch does. With a variance of a / batches + b / rows the best depth is the
root of b / a times what a batch costs in rows (Cochran, Sampling Techniques (1977), section 10.6); b is some 25 times a."""

WORTH_A_VISIT = 8
"""Rows that are had of each sampled batch in any case: seeing it costs as much as several of them."""

FIRST_ROWS = 512
"""Rows held in a first epoch, of which it isn't known yet how long it takes."""

UNLIKE_LATER = 3
"""Epochs whose `useful` rows the first one still has a say in, whose scores at the visits tell least: two and a
half times as many as in that one are enough for them."""

FEWEST_LOOKS = 20
"""What updates do is skewed, and of fewer looks their skewness can't be told: the interval would hold too rarely."""

ENOUGH_LOOKS = 32

DEAR = 4
"""A look that wasn't paid for yet is taken to cost so many times what scoring its batch at the end of the epoch does."""

HORIZON = 20
"""Epochs over which a debt, or a surplus, is evened out, and over which is spread what comes now and then."""

PATIENCE = 10
"""Epochs after which rows are scored on all rungs whatever was saved, and by which it is told what a row costs."""


SEEN = 0.75
"""Share of what measuring costs that our clock sees, where the framework works in the loop's own thread.

The rest are calls, caches that are cold afterwards, memory that is used for the first time, and threads that a pause has
sent to sleep. `benchmarks/overhead.py` prints what a clock sees, as "own", beside all of it: three quarters.
"""

SEEN_BESIDE_THREADS = 0.65
"""The same where steps run in threads of the framework's own, which at times wait for what no clock of ours sees."""

FIRST_REST = 0.35
"""Share of what the rest costs in a first epoch that it is taken to cost in the second, and share of what the second may spend
that it is taken to cost at most: the first one also opens files, warms up and compiles."""

RECENT = 3
"""Epochs by which it is told how long the next one will train, and what things cost."""

UNLIMITED = 10**6


class Plan(NamedTuple):
    """How many visits to sample, rows of each at most (None: all of them), and visits to look at again after their step."""

    batches: int | None
    rows: int | None
    looks: int | None

    def within(self, batches: int) -> Plan:
        """Return a plan of so many batches at most, and as many rows."""
        if self.batches is None or self.rows is None or self.batches <= batches:
            return self
        return Plan(batches, -(-self.batches * self.rows // batches), min(self.looks or 0, batches))


EVERYTHING = Plan(None, None, None)


def check_budget(budget: object) -> Budget:
    """Return `budget` if it is a share of the training time, a number of examples, or "exact".

    Raises
    ------
    InputError
        Unless it is a float with 0 < budget < 1, a positive whole number, or "exact".
    """
    if budget == "exact":
        return "exact"
    if isinstance(budget, float) and 0.0 < budget < 1.0:
        return budget
    if isinstance(budget, int) and not isinstance(budget, bool) and budget >= 1:
        return budget
    raise InputError(
        f'budget must be a share of the training time (0.02), a positive whole number of examples, or "exact", not {budget!r}'
    )


class Ledger:
    """The books of a run: how long its epochs train, what was spent on measuring them, and what a unit of it costs.

    With a share, the sum of what was spent, with what the clock didn't see of it, stays below that share of the time trained:
    what the first epoch, compilation, or an unforeseen cost took too much is paid back over the `HORIZON` epochs that follow,
    and `FEWEST_ROWS` rows in `FEWEST_BATCHES` batches, or `FEWEST_WHOLE` whole ones, are scored all the while. `useful`, where
    it is set, is the number of rows beyond which more of them would buy nothing, as the noise of the validation set dominates.
    `charged_s` is what was spent, but for the user's own validation.

    Parameters
    ----------
    budget : float, int or "exact"
        A share of the training time, a number of training examples per epoch, or everything.
    epochs : int, optional
        Epochs of the run, where known: debts are paid within them.
    seen : float
        Share of what measuring costs that the clock sees.
    clock : callable
        Gives the time in seconds.
    """

    def __init__(
        self,
        budget: Budget = "exact",
        *,
        epochs: int | None = None,
        seen: float = SEEN,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.budget = budget
        self._seen = seen
        self.epochs = epochs
        self.useful: int | None = None
        self.clock = clock
        self.epoch = 0
        self.trained_s = 0.0  # of all closed epochs
        self.charged_s = 0.0
        self._paid_s: dict[Account, list[float]] = {}  # for a unit of an account, in the latest epochs that had any
        self._unit_s: dict[Account, float] = {}  # what one is expected to cost
        self._training_s = 0.0  # of this epoch, once its training has ended
        self._compiled_s = 0.0  # of that, what only a first step takes
        self._first_rest_s = 0.0
        self._latest_s: list[float] = []  # of the latest epochs' training
        self._rows = 0  # trained on in this epoch
        self._last_rows = 0  # the last epoch in which rows were scored on all rungs
        self._inner = 0.0
        self._open()

    @property
    def is_exact(self) -> bool:
        return self.budget == "exact"

    @property
    def _expected_s(self) -> float:
        """How long an epoch is expected to train, 0 where that isn't known: the quickest of the latest ones.

        A machine that was busy for a while tells nothing of how long the next epoch will take.
        """
        return min(self._latest_s, default=0.0)

    @property
    def spent_s(self) -> float:
        """Seconds of ours in this epoch, validation included."""
        return sum(self._spent.values())

    def begin_epoch(self) -> None:
        """Close the books of the last epoch and open those of the next: its training begins."""
        self._close()
        self._open()
        self.epoch += 1

    def begin_steps(self) -> None:
        """Note that the first step of a run has been taken: what it was compiled in is no part of what later epochs take."""
        self._compiled_s = max(0.0, self.clock() - self._began - self.spent_s)

    def end_training(self, *, rows: int) -> None:
        """Note that the epoch's training, on `rows` examples, has ended; what the user does from now on isn't training."""
        self._training_s = max(0.0, self.clock() - self._began - self.spent_s)
        self._rows = rows

    def spend(self, account: Account, seconds: float, units: int = 0) -> None:
        """Book time that was taken, and the units that it was taken for."""
        self._spent[account] += seconds
        self._units[account] += units
        if account == "rows" and units:
            self._last_rows = self.epoch

    @contextlib.contextmanager
    def book(self, account: Account, units: int = 0) -> Iterator[None]:
        """Book the time that the context takes; within another one it is taken off that one's account."""
        outer, self._inner = self._inner, 0.0
        began = self.clock()
        try:
            yield
        finally:
            took = self.clock() - began
            self.spend(account, took - self._inner, units)
            self._inner = outer + took

    def plan(self, *, rows: int, visits: int | None = None, is_whole: bool = False, can_part: bool = False) -> Plan:
        """Return what to hold of the epoch that begins.

        Parameters
        ----------
        rows : int
            Examples in a batch.
        visits : int, optional
            Batches in the epoch, where known.
        is_whole : bool
            Whether a batch is held as a whole.
        can_part : bool
            Whether some rows of one that is held as a whole can be scored, where all of them can't be paid for.
        """
        if self.is_exact:
            return EVERYTHING
        if isinstance(self.budget, int):
            return _laid_out(self.budget, MOST_BATCHES, ENOUGH_LOOKS, rows=rows, visits=visits, is_whole=is_whole)
        if not self._expected_s:
            return _laid_out(FIRST_ROWS, 2 * FEWEST_BATCHES, 0, rows=rows, visits=visits, is_whole=is_whole)
        allowance = self._allowance(self._expected_s)
        free = allowance - self._usual_s(self._expected_s, allowance)
        each = self._unit_s.get("rows", self._guess())
        visit = self._unit_s.get("visits", 0.0)
        depth = rows if is_whole or each <= 0.0 else min(rows, max(DEPTH, int(DEEPER * math.sqrt(visit / each))))
        few = FEWEST_WHOLE * rows
        fewest = FEWEST_WHOLE if can_part and (self.is_little(few) or few * each <= 2.0 * free) else FEWEST_BATCHES
        batches = max(fewest, min(MOST_TIMED, self._affordable("visits", free, depth * each)))
        free -= batches * visit
        wanted = batches * rows if is_whole or each <= 0.0 else min(batches * rows, int(max(0.0, free) / each))
        useful = self.useful or UNLIMITED
        if self.epoch <= UNLIKE_LATER:
            useful = min(useful, 5 * FIRST_ROWS // 2)
        if useful < wanted:  # fewer batches, and as many rows of each
            batches, wanted = -(-batches * useful // wanted), useful
        # a look says nothing of the gap, only what its parts are: it is paid for with what the gap has no use for
        look = self._unit_s.get("looks", DEAR * rows * each)
        looks = int(min(MOST_BATCHES, max(0.0, free - max(FEWEST_ROWS, wanted) * each) / look)) if look > 0.0 else MOST_BATCHES
        looks = looks if looks >= FEWEST_LOOKS else 0
        return _laid_out(max(FEWEST_ROWS, wanted), batches, looks, rows=rows, visits=visits, is_whole=is_whole, fewest=fewest)

    def rows_allowed(self, held: int, *, visits: int = 0) -> int:
        """Return how many of the `held` rows may be scored, now that the time that the epoch trained is known.

        So many of each of the `visits` as made it worth seeing are scored in any case: with fewer the interval is of no use.
        For `rest` and `seldom` as much is set aside as epochs usually take; what this one took beyond that is paid by those to
        come, in equal parts: else one that found the machine busy would have hardly any rows.
        """
        if not isinstance(self.budget, float):
            return held
        allowance = self._allowance(self._training_s)
        others = self._charged() - self._spent["rest"] - self._spent["seldom"]
        free = allowance - self._usual_s(self._training_s, allowance) - others
        each = self._unit_s.get("rows", self._guess())
        allowed = int(max(0.0, free) / each) if each > 0.0 else held
        return min(held, max(FEWEST_ROWS, WORTH_A_VISIT * visits, allowed))

    def is_little(self, rows: int) -> bool:
        """Return whether scoring so many rows takes no more than `WHOLE_SHARE` of an epoch's share of the time."""
        each = self._unit_s.get("rows", self._guess())
        return rows * each <= WHOLE_SHARE * self._share * (self._training_s or self._expected_s)

    def rows_within(self, seconds: float) -> int:
        """Return how many rows are scored in a time, as far as it's known; else as many as anybody could want."""
        return self._affordable("rows", seconds)

    def is_due(self, rows: int) -> bool:
        """Return whether `rows` rows can be scored on all rungs, where that can't be done with fewer.

        They can once so much has been saved up, and every `PATIENCE` epochs at the latest.
        """
        if not isinstance(self.budget, float) or self.epoch - self._last_rows >= PATIENCE or "rows" not in self._unit_s:
            return True
        to_come = max(0.0, self._unit_s.get("rest", 0.0) * self._training_s - self._spent["rest"])
        saved = self._share * (self.trained_s + self._training_s) - self.charged_s - self._charged() - to_come
        return rows * self._unit_s["rows"] <= saved

    def _guess(self) -> float:
        """A row of which the cost isn't known yet is taken to cost what training on one does."""
        trained = self._training_s or self._expected_s
        return trained / self._rows if self._rows else 0.0

    def _affordable(self, account: Account, seconds: float, more: float = 0.0) -> int:
        """Return how many units, each with something `more` to do, fit into a time; no more than anybody could use."""
        each = self._unit_s.get(account, 0.0) + more
        return int(min(UNLIMITED, max(0.0, seconds) / each)) if each > 0.0 else UNLIMITED

    def _allowance(self, training_s: float) -> float:
        """Return the seconds that an epoch may cost: its own share, and its part in evening out what went before.

        A surplus is no licence, as when an epoch took long because the machine was busy: twice the share is the most.
        """
        left = HORIZON if self.epochs is None else max(1, min(HORIZON, self.epochs - self.epoch + 1))
        own, before = self._share * training_s, (self._share * self.trained_s - self.charged_s) / left
        return own + min(own, before)

    @property
    def _share(self) -> float:
        """Share of the training time that may be spent by our clock."""
        assert isinstance(self.budget, float)
        return self._seen * self.budget

    def _usual_s(self, training_s: float, allowance: float) -> float:
        """Return what epochs that train so long, and may cost so much, usually spend on neither visits nor looks nor rows."""
        if "rest" in self._unit_s:
            rest = self._unit_s["rest"] * training_s
        else:
            rest = FIRST_REST * max(0.0, min(allowance, self._first_rest_s))
        return rest + self._unit_s.get("seldom", 0.0)

    def _charged(self) -> float:
        """Return what this epoch has cost: what users validate with is their own, even where it is we who run it."""
        return sum(seconds for account, seconds in self._spent.items() if account != "validation")

    def _open(self) -> None:
        accounts: tuple[Account, ...] = get_args(Account)
        self._spent = dict.fromkeys(accounts, 0.0)
        self._units: dict[Account, float] = dict.fromkeys(accounts, 0)
        self._training_s = 0.0
        self._compiled_s = 0.0
        self._began = self.clock()

    def _close(self) -> None:
        if self.epoch == 0:
            return
        self.trained_s += self._training_s
        self.charged_s += self._charged()
        steps_s = self._training_s - self._compiled_s
        if self.epoch > 1:  # the rest takes long where training does, as on a machine that was busy: it is for a second of that
            self._units["rest"], self._units["seldom"] = steps_s, 1
        for account, units in self._units.items():
            if units > 0.0:
                each = self._spent[account] / units
                paid = self._paid_s[account] = [*self._paid_s.get(account, ()), each][-HORIZON:]
                if account == "rows":  # a part of the cost is the same for few and for many: few look dear
                    self._unit_s[account] = min(paid[-PATIENCE:])
                elif account == "seldom":  # more of it comes in a run's first epochs than ever again: those to come pay for it
                    self._unit_s[account] = sum(paid) / HORIZON
                elif account == "rest":  # it goes down as a run settles
                    self._unit_s[account] = min(paid[-RECENT:])
                else:  # a machine that was busy for an epoch tells nothing of the next one
                    self._unit_s[account] = statistics.median_low(paid[-RECENT:])
        if self.epoch == 1:
            self._first_rest_s = self._spent["rest"]
            self._paid_s["rest"] = [FIRST_REST * self._first_rest_s / steps_s] if steps_s > 0.0 else []
        if self._training_s:
            self._latest_s = [*self._latest_s, steps_s][-RECENT:]


def _laid_out(
    wanted: int, most: int, looks: int, *, rows: int, visits: int | None, is_whole: bool, fewest: int = FEWEST_BATCHES
) -> Plan:
    """Lay `wanted` rows out over at most about `most` batches of `rows`, a few of each, and no fewer than `fewest`.

    Where some of every batch can be had, that is done: whole batches that are left out would be most of the variance.
    """
    rows, visits = max(1, rows), visits or UNLIMITED
    most = min(visits, MOST_BATCHES, max(fewest, most))
    if wanted >= FEWEST_BATCHES * FEWEST_OF_EACH:
        most = min(most, wanted // FEWEST_OF_EACH)
    of_each = rows if is_whole else min(rows, -(-wanted // min(most, wanted)))
    if most == visits and not is_whole:
        of_each = min(rows, max(1, wanted // visits))
    batches = min(visits, max(fewest, -(-wanted // of_each)))
    return Plan(batches, None if is_whole else of_each, min(looks, batches))
