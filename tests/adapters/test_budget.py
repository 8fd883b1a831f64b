"""The ledger on a clock that the tests wind by hand."""

import pytest

from whygap.adapters.budget import (
    DEPTH,
    FEWEST_BATCHES,
    FEWEST_ROWS,
    MOST_TIMED,
    SEEN,
    SEEN_BESIDE_THREADS,
    Ledger,
    Plan,
    check_budget,
)
from whygap.errors import InputError


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class World:
    """A run whose every cost is known: what the ledger plans is done, and takes the time that it takes."""

    def __init__(self, ledger, clock, *, train=1.0, visit=1e-4, look=2e-4, row=4e-6, rest=2e-3, visits=469, rows=128):
        self.ledger, self.clock = ledger, clock
        self.train, self.visit, self.look, self.row, self.rest, self.visits, self.rows = (
            train,
            visit,
            look,
            row,
            rest,
            visits,
            rows,
        )
        self.scored = []

    def epoch(self, *, extra=0.0, seldom=0.0, is_whole=False, can_part=False):
        ledger, clock = self.ledger, self.clock
        ledger.begin_epoch()
        plan = ledger.plan(rows=self.rows, visits=self.visits, is_whole=is_whole, can_part=can_part)
        for account, units, each in (("visits", plan.batches, self.visit), ("looks", plan.looks, self.look)):
            with ledger.book(account, units):
                clock.now += units * each
        clock.now += self.train
        ledger.end_training(rows=self.rows * self.visits)
        clock.now += 0.7  # the user's own business
        with ledger.book("rest"):
            clock.now += self.rest + extra
            with ledger.book("seldom"):
                clock.now += seldom
            held = plan.batches * (self.rows if plan.rows is None else plan.rows)
            n = ledger.rows_allowed(held)
            with ledger.book("rows", n):
                clock.now += n * self.row
        self.scored.append(n)
        return plan


def watched(budget=0.02, **costs):
    clock = Clock()
    epochs, seen = costs.pop("epochs", None), costs.pop("seen", SEEN)
    return World(Ledger(budget, epochs=epochs, seen=seen, clock=clock), clock, **costs)


def overhead(world):
    """With what no clock sees of it, as far as that is known."""
    world.ledger.begin_epoch()  # closes the books
    return world.ledger.charged_s / SEEN / world.ledger.trained_s


def test_training_time_is_wall_time_less_ours():
    world = watched()
    for _ in range(3):
        world.epoch()
    world.ledger.begin_epoch()
    assert world.ledger.trained_s == pytest.approx(3.0, abs=1e-9)


def test_time_within_time_is_booked_once():
    clock = Clock()
    ledger = Ledger(0.02, clock=clock)
    ledger.begin_epoch()
    with ledger.book("rest"):
        clock.now += 1.0
        with ledger.book("rows", 5):
            clock.now += 2.0
        with ledger.book("validation"):
            clock.now += 4.0
        clock.now += 8.0
    assert ledger.spent_s == 15.0
    ledger.begin_epoch()
    assert ledger.charged_s == 11.0  # without the user's own validation


@pytest.mark.parametrize(
    ("share", "row"),
    [(0.005, 1e-7), (0.005, 4e-6), (0.02, 1e-7), (0.02, 4e-6), (0.02, 3e-5), (0.2, 1e-7), (0.2, 4e-6), (0.2, 3e-5)],
)
def test_the_share_is_kept(share, row):
    """Where the fewest rows cost less than it: `test_never_below_the_floor` has the others."""
    world = watched(share, row=row)
    for _ in range(40):
        world.epoch()
    assert overhead(world) <= share * 1.005  # of what the first epoch took too much a little is still to be paid


def test_the_share_is_used():
    world = watched(row=4e-5)
    for _ in range(40):
        world.epoch()
    assert overhead(world) >= 0.02 * 0.9


@pytest.mark.parametrize("epochs", [None, 6])
def test_a_debt_is_paid_back(epochs):
    world = watched(row=1e-5, epochs=epochs)
    world.epoch(extra=0.05)  # 2.5 epochs' worth
    for _ in range((epochs or 40) - 1):
        world.epoch()
    assert overhead(world) <= 0.02 * 1.02
    if epochs is None:
        assert FEWEST_ROWS < world.scored[1] < world.scored[-1]  # spread over several epochs, not paid at one stroke


def test_never_below_the_floor():
    world = watched(0.0001)
    plans = [world.epoch() for _ in range(5)]
    assert plans[-1] == Plan(FEWEST_BATCHES, FEWEST_ROWS // FEWEST_BATCHES, 0)
    assert world.scored[-1] == FEWEST_ROWS


def test_never_more_than_is_useful():
    world = watched(0.5)
    world.ledger.useful = 200
    plans = [world.epoch() for _ in range(4)]
    assert 200 <= plans[-1].batches * plans[-1].rows < 264
    world.ledger.useful = None
    assert world.epoch().rows == 128


def test_fewer_than_could_be_had_are_fewer_batches_of_as_many_rows():
    world = watched(0.05)
    usual = [world.epoch() for _ in range(5)][-1]
    world.ledger.useful = usual.batches * usual.rows // 3
    fewer = world.epoch()
    assert fewer.batches == pytest.approx(usual.batches / 3, abs=1)
    assert fewer.rows == pytest.approx(usual.rows, rel=0.1)


@pytest.mark.parametrize("train", [0.6, 0.9, 1.5])
@pytest.mark.parametrize("row", [4e-6, 1e-5])
def test_rows_of_a_batch_are_enough_for_those_at_random_to_stand_for_the_others(train, row):
    world = watched(train=train, row=row)
    plans = [world.epoch() for _ in range(8)]
    # deeper only where there are as many batches as gain anything
    assert all(
        plan.rows >= 0.9 * DEPTH and (plan.rows <= 1.3 * DEPTH or plan.batches >= 0.9 * MOST_TIMED) for plan in plans[3:]
    )
    assert all(plan.batches >= FEWEST_BATCHES for plan in plans[3:])


def test_a_busy_machine_at_the_end_of_one_epoch_hardly_changes_its_rows_and_those_of_the_next():
    world = watched(row=1e-5)
    for _ in range(6):
        world.epoch()
    usual = world.scored[-1]
    world.epoch(extra=0.02)  # an epoch's share and a third
    world.epoch()
    assert world.scored[-1] >= 0.8 * usual
    assert world.scored[-2] >= 0.95 * usual  # nor those of that epoch


def test_what_comes_now_and_then_is_paid_by_all_epochs_alike():
    world = watched(train=0.6, row=1e-5)
    for number in range(60):
        world.epoch(seldom=0.0 if number % 4 else 0.006)  # half of an epoch's share
    assert overhead(world) <= 0.02 * 1.02
    settled = world.scored[20:]
    assert min(settled) >= 0.8 * max(settled)


def test_a_slower_epoch_than_expected_scores_no_less_and_a_faster_one_less():
    world = watched(row=2e-5)
    for _ in range(6):
        world.epoch()
    usual = world.scored[-1]
    world.train = 0.5
    world.epoch()
    assert world.scored[-1] < usual


@pytest.mark.parametrize(
    ("budget", "rows", "visits", "plan"),
    [
        (512, 128, 469, Plan(74, 7, 32)),
        (480, 128, 60, Plan(60, 8, 32)),
        (100, 128, 469, Plan(15, 7, 15)),
        (10, 128, 469, Plan(10, 1, 10)),
        (1000, 4, 469, Plan(250, 4, 32)),
        (1000, 128, 5, Plan(5, 128, 5)),
    ],
)
def test_a_number_of_examples(budget, rows, visits, plan):
    ledger = Ledger(budget)
    got = ledger.plan(rows=rows, visits=visits)
    if visits > 5:
        assert got == plan
    assert got.batches * got.rows >= min(budget, rows * visits)
    assert ledger.rows_allowed(777) == 777


def test_whole_batches():
    assert Ledger(512).plan(rows=32, visits=100, is_whole=True)[:2] == (16, None)
    assert Ledger(512).plan(rows=128, visits=100, is_whole=True)[:2] == (FEWEST_BATCHES, None)
    world = watched(row=2e-6)
    for _ in range(30):
        plan = world.epoch(is_whole=True)
        assert plan.rows is None
    assert overhead(world) <= 0.02 * 1.001
    assert FEWEST_BATCHES < plan.batches <= 64


@pytest.mark.parametrize(("row", "batches"), [(2e-6, range(20, 65)), (1e-5, range(5, 11)), (2.5e-5, [5]), (9e-5, [8])])
def test_a_few_whole_batches_where_they_can_nearly_be_paid_for_and_else_some_rows_of_more(row, batches):
    """Five batches take 1.3, 6.4, 16 and 58 ms, and some 11 are left after the rest."""
    plans = {}
    for can_part in (True, False):
        world = watched(row=row, seen=SEEN_BESIDE_THREADS)
        plans[can_part] = [world.epoch(is_whole=True, can_part=can_part) for _ in range(5)][-1]
    assert plans[True].batches in batches
    assert plans[False].batches == max(FEWEST_BATCHES, plans[True].batches)


@pytest.mark.parametrize("visits", [5, 6, 469])
def test_few_whole_batches_are_little_only_beside_the_training_that_they_are_of(visits):
    """A row takes a third of the time that training on it does: all of a short epoch would be far beyond the budget."""
    world = watched(visits=visits, row=1.0 / (3 * 128 * visits))
    for _ in range(3):
        world.epoch(is_whole=True, can_part=True)
    assert world.ledger.is_little(5 * 128) == (visits == 469)


def test_everything():
    ledger = Ledger("exact")
    assert ledger.plan(rows=32, visits=10) == Plan(None, None, None)
    assert ledger.rows_allowed(10**9) == 10**9
    assert ledger.is_exact


@pytest.mark.parametrize("budget", [0, -1, True, 0.0, 1.0, 1.5, float("nan"), "most", None])
def test_what_is_no_budget(budget):
    with pytest.raises(InputError, match="budget must be"):
        check_budget(budget)


@pytest.mark.parametrize("budget", [0.02, 1, 512, "exact"])
def test_what_is_one(budget):
    assert check_budget(budget) == budget


@pytest.mark.parametrize("extra", [0.0, 5e-3, 1.0])
def test_a_second_epoch_expects_the_rest_to_cost_about_what_it_does(extra):
    """A first epoch also opens files and compiles; but that the second would cost nothing but rows is no good guess either."""
    world = watched(rest=8e-3)
    world.epoch(extra=extra)
    spent = []
    for _ in range(3):
        world.epoch()
        spent.append(world.ledger.spent_s)
    assert spent[0] <= max(1.5 * spent[1], 0.02)


def test_fewer_batches_with_as_many_rows():
    assert Plan(60, 10, 32).within(20) == Plan(20, 30, 20)
    for plan in (Plan(60, 10, 32), Plan(60, None, 8), Plan(None, None, None)):
        assert plan.within(60) == plan
    assert Plan(60, None, 8).within(20) == Plan(60, None, 8)  # whole batches are not held for their rows
