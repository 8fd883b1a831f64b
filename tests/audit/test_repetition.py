"""Each thing that goes wrong is found, what is in order isn't accused, and what can't be told isn't said."""

import numpy as np
import pytest
from tests.audit.test_histories import hashes_of

from whygap.audit import Tally, Views, judge_repetition
from whygap.errors import InputError


def tallied(epochs, workers=1, capacity=1_000_000):
    """Tally epochs of example numbers, delivered in batches of 20 by the workers in turn."""
    tally = Tally(capacity)
    for examples in epochs:
        tally.begin_epoch()
        hashes = hashes_of(examples)
        for i in range(0, len(hashes), 20):
            tally.add(hashes[i : i + 20], source=i // 20 % workers)
    return tally.compute()


def named(repetition):
    return [f.name for f in repetition.problems]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_fresh(rng):
    found = judge_repetition(tallied([np.arange(5000) + 5000 * e for e in range(3)], workers=4), believed="fresh")
    assert (found.regime, found.problems, found.once.value, found.per_example.value) == ("fresh", (), 1.0, 1.0)
    assert found.times == ((1, 1.0),)
    assert "can't memorise" in str(found)
    assert found.pool is None
    assert found.at_least > 1e7


def test_once(rng):
    found = judge_repetition(tallied([rng.permutation(5000) for _ in range(12)], workers=4), believed="once")
    assert (found.regime, found.problems, found.distinct.value, found.per_example.value) == ("once", (), 5000, 12)
    assert (found.within, found.across_workers, found.across_epochs, found.is_same_order) == (0.0, 0.0, 11 / 12, False)
    assert "same set of 5,000 examples, once per epoch: each presented 12 times" in str(found)


def test_once_with_some_examples_twice_in_the_set(rng):
    stored = np.r_[np.arange(4900), np.zeros(100, int)]  # blank images
    found = judge_repetition(tallied([rng.permutation(stored) for _ in range(3)], workers=4))
    assert (found.regime, found.problems) == ("once", ())
    assert found.times == ((3, 4899 / 4900), (40, 1 / 4900))  # the last one counts as 40 or more


def test_a_part_of_a_set_in_each_epoch(rng):
    found = judge_repetition(tallied([rng.permutation(5000)[:1000] for _ in range(5)]))
    assert found.regime == "once"
    assert found.pool.low < 5000 < found.pool.high
    assert "of which an epoch shows about 1,000" in str(found)


def test_a_pool_believed_to_be_fresh(rng):
    found = judge_repetition(tallied([rng.integers(0, 1000, 2000) for _ in range(2)]), believed="fresh")
    assert (found.regime, named(found)) == ("pool", ["not_expected"])
    assert found.pool.low <= 1000 <= found.pool.high
    assert found.pool.high - found.pool.low < 50


def test_uneven_chances(rng):
    drawn = [rng.choice(1000, 3000, p=np.arange(1000) / np.arange(1000).sum()) for _ in range(3)]
    found = judge_repetition(tallied(drawn))
    assert (found.regime, found.pool) == ("uneven", None)


def test_a_half_that_is_stored_and_a_half_that_is_fresh(rng):
    found = judge_repetition(tallied([np.r_[rng.integers(0, 500, 500), 10**6 * (e + 1) + np.arange(500)] for e in range(3)]))
    assert found.regime == "uneven"


@pytest.mark.parametrize("workers", [2, 4, 8])
def test_workers_that_copy_each_other(workers):
    epochs = [np.repeat(np.arange(4000).reshape(-1, 20), workers, axis=0).ravel()] * 2  # each worker's batch b is the same
    found = judge_repetition(tallied(epochs, workers))
    assert named(found) == ["worker_copies"]
    assert found.across_workers == pytest.approx((workers - 1) / workers)
    assert (found.regime, found.pool) == ("cannot_tell", None)
    assert f"another of the {workers} workers" in str(found)


def test_workers_that_copy_each_other_but_go_on(rng):
    epochs = [np.repeat((np.arange(4000) + 4000 * e).reshape(-1, 20), 4, axis=0).ravel() for e in range(2)]
    found = judge_repetition(tallied(epochs, 4))
    assert named(found) == ["worker_copies"]
    assert found.across_epochs == 0.0
    assert "earlier epoch" not in str(found)


@pytest.mark.parametrize("seed", range(20))
def test_few_possible_examples_are_no_bug_of_the_workers_and_no_leak(seed):
    """Modular addition with 97 * 97 possible examples, drawn anew every time."""
    rng = np.random.default_rng(seed)
    train, valid = tallied([rng.integers(0, 9409, 5000) for _ in range(3)], workers=4), tallied([rng.integers(0, 9409, 3000)])
    found = judge_repetition(train, valid)
    assert (found.regime, found.problems) == ("pool", ())
    assert found.pool.low < 9409 * 1.02
    assert found.pool.high > 9409 / 1.02
    assert found.valid.value == pytest.approx(found.valid_by_chance, abs=0.05)
    assert "few possible examples" in str(found)


def test_blank_images_are_no_leak(rng):
    train, valid = np.r_[np.arange(9900), np.zeros(100, int)], np.r_[np.arange(20000, 20990), np.zeros(10, int)]
    found = judge_repetition(tallied([rng.permutation(train) for _ in range(2)]), tallied([valid]))
    assert found.problems == ()
    assert found.valid.value == 0.01
    assert found.valid_by_chance == pytest.approx(0.0101, abs=0.001)


@pytest.mark.parametrize("regime", ["once", "fresh"])
def test_three_percent_of_the_validation_rows_in_training(rng, regime):
    valid = np.r_[np.arange(150), np.arange(10**6, 10**6 + 4850)]
    first = 0 if regime == "once" else 5000
    found = judge_repetition(tallied([rng.permutation(5000) + first * e for e in range(3)]), tallied([valid]))
    assert named(found) == ["leak"]
    assert (found.valid.value, found.valid_by_chance, found.n_valid) == (0.03, 0.0, 5000)
    assert "150 of the 5,000 validation examples (3 %)" in str(found)


@pytest.mark.parametrize(
    ("k", "n", "v"), [(300, 1000, 1000), (10**4, 1000, 5000), (10**5, 10**4, 10**3), (10**6, 10**3, 10**6)]
)
def test_two_draws_from_one_source_are_no_leak(k, n, v):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        found = judge_repetition(tallied([rng.integers(0, k, n) for _ in range(2)]), tallied([rng.integers(0, k, v)]))
        assert found.valid.value > 0.0
        assert "leak" not in named(found)


@pytest.mark.parametrize(("n", "v", "common"), [(500, 500, 15), (1000, 400, 12), (100_000, 1000, 30)])
def test_a_leak_in_small_sets(n, v, common):
    found = judge_repetition(tallied([np.arange(n)] * 2), tallied([np.arange(v) + n - common]))
    assert named(found) == ["leak"]


def test_a_common_example_or_two_are_told_and_not_accused(rng):
    found = judge_repetition(tallied([np.arange(5000)] * 2), tallied([np.r_[0, np.arange(6000, 8000)]]))
    assert found.problems == ()
    assert "1 of the 2,001 validation examples" in str(found)


def test_a_replay_is_told_and_not_accused():
    """A stored set that is read without shuffling looks just the same."""
    found = judge_repetition(tallied([np.arange(1000)] * 3))
    assert found.problems == ()
    assert found.is_same_order
    assert "All 3 epochs began with the same examples in the same order" in found.finding("replay").sentence


def test_a_replay_is_a_problem_where_it_was_meant_to_be_fresh():
    assert named(judge_repetition(tallied([np.arange(1000)] * 2), believed="fresh")) == ["replay", "not_expected"]
    assert named(judge_repetition(tallied([np.arange(1000)] * 2), believed="once")) == []


def test_constant_examples_have_no_order():
    assert not judge_repetition(tallied([np.zeros(1000, int)] * 2)).is_same_order


def test_one_epoch_does_not_tell():
    found = judge_repetition(tallied([np.arange(1000)]))
    assert (found.regime, found.problems) == ("cannot_tell", ())
    assert "can't be told from one" in str(found)


def views(kind, rng, n=1000, epochs=3):
    """Return (augmented, clean tallies, share unchanged) of `n` examples whose views are as `kind` says."""
    order = [rng.permutation(n) for _ in range(epochs)]
    if kind == "anew":
        seen = [(e + 1) * 10**6 + o for e, o in enumerate(order)]
    elif kind == "stale":
        seen = [10**6 + o for o in order]
    elif kind == "mirror":
        seen = [np.where(rng.random(n) < 0.5, o, 10**6 + o) for o in order]
    elif kind == "stale mirror":
        flips = rng.random(n) < 0.5
        seen = [np.where(flips[o], o, 10**6 + o) for o in order]
    else:
        seen = order
    unchanged = float(np.mean([np.mean(s == o) for s, o in zip(seen, order, strict=True)]))
    return tallied(seen), Views(tallied(order), unchanged)


@pytest.mark.parametrize(
    ("kind", "epochs", "is_stale"),
    [
        ("anew", 3, False),
        ("mirror", 2, False),
        ("mirror", 12, False),
        ("none", 3, False),
        ("stale", 2, True),
        ("stale mirror", 3, True),
    ],
)
def test_augmentation_that_repeats_every_epoch(rng, kind, epochs, is_stale):
    augmented, both = views(kind, rng, epochs=epochs)
    assert named(judge_repetition(augmented, views=both)) == (["stale_augmentation"] if is_stale else [])


def test_two_ranks_that_see_the_same_are_found(rng):
    """Without a distributed sampler every rank sees everything."""
    ranks = [tallied([rng.permutation(2000) for _ in range(2)]) for _ in range(2)]
    assert named(judge_repetition(ranks[0].merge(ranks[1]))) == ["worker_copies"]
    halves = [tallied([np.arange(r, 2000, 2)] * 2) for r in range(2)]
    assert named(judge_repetition(halves[0].merge(halves[1]))) == []


# ---------------------------------------------------------------------- beyond what is kept, and where a part was looked at


@pytest.mark.parametrize("regime", ["fresh", "once", "pool"])
def test_a_sketch_says_the_same(rng, regime):
    make = {
        "fresh": lambda e: rng.permutation(20_000) + 20_000 * e,
        "once": lambda e: rng.permutation(20_000),
        "pool": lambda e: rng.integers(0, 20_000, 20_000),
    }[regime]
    found = judge_repetition(tallied([make(e) for e in range(3)], workers=4, capacity=2000))
    assert (found.regime, found.problems) == (regime, ())
    assert found.distinct.how == "sampled"
    assert (
        found.distinct.low < {"fresh": 60_000, "once": 20_000, "pool": 20_000 * (1 - np.exp(-3))}[regime] < found.distinct.high
    )
    if regime != "fresh":
        assert found.pool.low < 20_000 < found.pool.high
    assert "chosen by content" in str(found)


def test_a_leak_is_found_by_a_sketch(rng):
    train = tallied([rng.permutation(20_000) for _ in range(2)], capacity=2000)
    found = judge_repetition(train, tallied([np.arange(18_500, 23_500)]))
    assert named(found) == ["leak"]
    assert found.valid.low < 0.3 < found.valid.high


def test_a_part_of_the_visits_tells_once_and_a_leak(rng):
    train = tallied([rng.permutation(60_000)[:2000] for _ in range(10)])
    found = judge_repetition(train, tallied([rng.permutation(90_000)[:1000] + 40_000]), visits=[60_000] * 10)
    assert (found.regime, named(found)) == ("once", ["leak"])
    assert (found.presentations, found.looked_at, found.distinct, found.once, found.times) == (600_000, 20_000, None, None, ())
    assert found.pool.low < 60_000 < found.pool.high
    assert found.per_example.low < 10 < found.per_example.high
    assert found.valid.low < 2 / 9 < found.valid.high


def test_a_part_of_the_visits_tells_fresh_once_it_is_large_enough(rng):
    def of(epochs):
        seen = [e * 60_000 + rng.permutation(60_000)[:500] for e in range(epochs)]
        return judge_repetition(tallied(seen), visits=[60_000] * epochs).regime

    assert (of(2), of(10)) == ("cannot_tell", "fresh")


def test_a_part_too_small_tells_the_size_and_no_more(rng):
    found = judge_repetition(tallied([rng.integers(0, 10**6, 500) for _ in range(3)]), visits=[10**6] * 3)
    assert found.regime == "cannot_tell"


@pytest.mark.parametrize(("visits", "words"), [([10], "were looked at"), ([1000, 1000], "were looked at")])
def test_visits_that_cannot_be_are_told(visits, words):
    with pytest.raises(InputError, match=words):
        judge_repetition(tallied([np.arange(1000)]), visits=visits)


def test_nothing_presented_is_told():
    with pytest.raises(InputError, match="no example"):
        judge_repetition(Tally().compute())


def test_an_honest_stream_is_never_accused():
    """Here 40 runs, and 200 in benchmarks/audit.py."""
    rng = np.random.default_rng(0)
    for _ in range(40):
        train = tallied([rng.integers(0, 2**62, 2000) for _ in range(2)], workers=4)
        found = judge_repetition(train, tallied([rng.integers(0, 2**62, 1000)]), believed="fresh")
        assert (found.regime, found.problems) == ("fresh", ())
