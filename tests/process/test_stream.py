"""The stream: every example of an epoch exactly once, whoever asks, in whatever pieces, from wherever on."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whygap.errors import InputError
from whygap.process import Fresh, ModularAddition, Once, Pool, Stream, TeacherStudent, process
from whygap.process.stream import BLOCK


@process
def told(draws):
    """Each example is its own index, beside bits that name its address."""
    return draws.index, draws.bits()


def stream(regime=None, **options):
    return Stream(**{"process": told, "regime": regime or Fresh(100), "batch_size": 8, "seed": 3} | options)


def walk(s, offset=0, epochs=1):
    """Return the batches, one by one, of an epoch, or of some, from an offset on."""
    found, end = [], s.epoch(offset) + epochs
    while s.epoch(offset) < end:
        found.append(s.batch(offset))
        offset = s.after(offset)
    return found


def bits(batches):
    return [int(v) for _, y in batches for v in y]


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 300), batch=st.integers(1, 400), shuffle=st.booleans(), epoch=st.integers(0, 9), ranks=st.integers(1, 3)
)
def test_an_epoch_delivers_every_example_once(n, batch, shuffle, epoch, ranks):
    if min(n % batch or batch, batch) < ranks:
        return
    parts = [
        walk(stream(Fresh(n), batch_size=batch, shuffle=shuffle, rank=r, n_ranks=ranks), offset=epoch * n) for r in range(ranks)
    ]
    assert sorted(int(i) for part in parts for x, _ in part for i in x) == list(range(n))
    assert {len(part) for part in parts} == {-(-n // batch)}, "a rank with a step less would leave the others waiting"


@pytest.mark.parametrize("regime", [Once(100), Fresh(100), Pool(30, 100), Pool(1000, 100)])
@pytest.mark.parametrize("shuffle", [True, False])
def test_the_sequence_depends_on_neither_batch_size_nor_ranks(regime, shuffle):
    whole = bits(walk(stream(regime, batch_size=100, shuffle=shuffle), epochs=3))
    for batch in (1, 7, 64):
        assert bits(walk(stream(regime, batch_size=batch, shuffle=shuffle), epochs=3)) == whole
    ranks = [walk(stream(regime, batch_size=10, n_ranks=2, rank=r, shuffle=shuffle), epochs=3) for r in range(2)]
    assert bits(batch for step in zip(*ranks, strict=True) for batch in step) == whole


def test_batches_of_256_are_those_of_1():
    s = stream(Fresh(1000), process=TeacherStudent(), batch_size=256)
    one = stream(Fresh(1000), process=TeacherStudent(), batch_size=1)
    for part in (0, 1):
        whole = np.concatenate([b[part] for b in walk(s)])
        assert np.concatenate([b[part] for b in walk(one)]).tobytes() == whole.tobytes()


def test_regimes_repeat_as_they_say():
    def times(regime):
        return Counter(Counter(bits(walk(stream(regime), epochs=4))).values())

    assert times(Once(100)) == {4: 100}
    assert times(Fresh(100)) == {1: 400}
    assert times(Pool(25, 100)) == {16: 25}


def test_every_epoch_has_its_own_order():
    s = stream(Once(100))
    first, second = bits(walk(s)), bits(walk(s, 100))
    assert sorted(first) == sorted(second)
    assert sum(a == b for a, b in zip(first, second, strict=True)) < 10
    plain = stream(Once(100), shuffle=False)
    assert bits(walk(plain)) == bits(walk(plain, 100))
    assert [int(i) for x, _ in walk(plain) for i in x] == list(range(100))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), n=st.integers(1, 200), batch=st.integers(1, 50), other=st.integers(1, 50), drop=st.booleans())
def test_any_offset_goes_on_where_the_sequence_was(data, n, batch, other, drop):
    """A run of any batch size, taken up at any of its batches by one of another batch size."""
    drop = drop and n >= batch and n >= other
    s = stream(Fresh(n), batch_size=batch, drop_last=drop)
    offset, passed = 0, 0
    for _ in range(data.draw(st.integers(0, 2 * s.n_batches))):
        passed += len(s.batch(offset)[1])
        offset = s.after(offset)
    sequence = bits(walk(stream(Fresh(n), batch_size=n), epochs=4))
    after = bits(walk(stream(Fresh(n), batch_size=other, drop_last=drop), offset))
    start = offset if not drop or n - offset % n >= other else (offset // n + 1) * n
    left = n - start % n
    assert after == sequence[start : start + (left - left % other if drop else left)]
    assert drop or passed == offset


def test_drop_last_leaves_out_what_fills_no_batch():
    s = stream(Fresh(100), batch_size=32, drop_last=True)
    assert [len(y) for _, y in walk(s, epochs=2)] == [32] * 6
    assert s.after(64) == 100, "what is left out counts as passed"
    assert s.n_batches == 3
    assert bits(walk(s)) == bits(walk(stream(Fresh(100), batch_size=32)))[:96]


def test_batches_together_are_those_apart():
    s = stream(Pool(50, 100), n_ranks=2, rank=1)
    offsets = list(s.offsets(16))
    assert offsets == list(range(16, 100, 8))
    apart = [s.batch(offset) for offset in offsets]
    for one, other in zip(s.batches(offsets), apart, strict=True):
        assert one[0].tobytes() == other[0].tobytes()
        assert one[1].tobytes() == other[1].tobytes()
    assert [o for some in s.together(offsets) for o in some] == offsets


def test_epochs_longer_than_a_block_of_addresses():
    n = 2 * BLOCK + 5
    s = stream(Fresh(n), batch_size=1000)
    assert sorted(int(i) for x, _ in walk(s) for i in x) == list(range(n))
    assert bits([s.batch(4000)]) == bits(walk(stream(Fresh(n), batch_size=1)))[4000:5000]


def test_an_epoch_of_billions_takes_no_table():
    s = stream(Fresh(2**32 - 1), batch_size=4)
    last = s.offset(2, s.n_batches - 1)
    assert len(s.batch(last)[1]) == 3
    assert s.after(last) == 3 * (2**32 - 1)


def test_offsets_of_epochs_and_batches():
    s = stream(Fresh(100), batch_size=32)
    assert [s.offset(2, b) for b in range(5)] == [200, 232, 264, 296, 300]
    assert s.epoch(299) == 2
    for epoch, batch in ((-1, 0), (0, -1), (0, 5)):
        with pytest.raises(InputError, match="there is no batch"):
            s.offset(epoch, batch)
    for offset in (-1, 1.0, None, "3", True):
        with pytest.raises(InputError, match="an offset is a number of examples"):
            s.batch(offset)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"batch_size": 0}, "batch_size must be"),
        ({"n_ranks": 0}, "n_ranks must be"),
        ({"n_ranks": 2, "rank": 2}, "rank must be 0 to 1"),
        ({"n_ranks": 2, "rank": -1}, "rank must be 0 to 1"),
        ({"n_ranks": 3, "batch_size": 2}, "3 ranks can't share a batch of 2"),
        ({"n_ranks": 3, "batch_size": 49}, "3 ranks can't share a batch of 2, the smallest of an epoch"),
        ({"batch_size": 101, "drop_last": True}, "holds no full batch of 101"),
        ({"process": ModularAddition(5), "regime": Fresh(10)}, "can't be new in every epoch"),
        ({"process": ModularAddition(5), "regime": Once(13)}, "12 examples of the split 'train' in all"),
        ({"process": ModularAddition(5), "regime": Pool(14, 5), "split": "valid"}, "13 examples of the split 'valid' in all"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_made(options, text):
    with pytest.raises(InputError, match=text):
        stream(**options)


def test_a_finite_process_can_be_presented_as_a_whole():
    s = stream(Once(12), process=ModularAddition(5))
    assert len({x.tobytes() for batch in walk(s) for x in batch[0]}) == 12


def test_an_offset_of_another_batch_size_that_leaves_a_rank_without_example_says_so():
    s = stream(Fresh(100), batch_size=10, n_ranks=2)
    with pytest.raises(InputError, match="no example for rank 0: resume where an epoch begins"):
        s.batch(99)
