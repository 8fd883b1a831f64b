"""Equal contents have equal hashes, and nothing else does."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from whygap.audit import hash_example, hash_examples, is_batch
from whygap.errors import InputError

KINDS = (hnp.floating_dtypes, hnp.integer_dtypes, hnp.unsigned_integer_dtypes, hnp.complex_number_dtypes)
TYPES = st.one_of(hnp.boolean_dtypes(), *(kind(endianness="=") for kind in KINDS))  # an item of another order loses it
ARRAYS = hnp.arrays(TYPES, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4))


@given(ARRAYS)
def test_rows_have_equal_hashes_where_their_bytes_are_equal(x):
    hashes = hash_examples(x)
    assert hashes.shape == (len(x),)
    assert hashes.dtype == np.uint64
    for i in range(len(x)):
        for j in range(i):
            assert (hashes[i] == hashes[j]) == (x[i].tobytes() == x[j].tobytes())


@given(ARRAYS, st.integers(1, 3))
def test_it_does_not_matter_in_which_batch_an_example_comes(x, size):
    parts = [hash_examples(x[i : i + size]) for i in range(0, len(x), size)]
    assert hash_examples(x).tolist() == [h for part in parts for h in part]
    assert hash_examples(x).tolist() == [int(h) for i in range(len(x)) for h in hash_example(x[i])]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.zeros((1, 4), np.float32), np.zeros((1, 2), np.float64)),
        (np.zeros((1, 4)), np.zeros((1, 2, 2))),
        (np.array([0.0]), np.array([-0.0])),
        (np.zeros((1, 2)), (np.zeros((1, 1)), np.zeros((1, 1)))),
        ((np.zeros(1), np.ones(1)), (np.ones(1), np.zeros(1))),
        ({"x": np.zeros(1), "y": np.ones(1)}, {"x": np.ones(1), "y": np.zeros(1)}),
        ({"x": np.zeros(1)}, {"z": np.zeros(1)}),
        ((np.zeros(1), 1), (np.zeros(1), 2)),
        ((np.zeros(1), ["ab"]), (np.zeros(1), ["ac"])),
        ((np.zeros(1), None), (np.zeros(1),)),
    ],
)
def test_other_contents_are_told_apart(a, b):
    assert hash_examples(a) != hash_examples(b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.full(1, np.nan), np.full(1, np.nan)),
        ({"x": np.zeros(1), "y": np.ones(1)}, {"y": np.ones(1), "x": np.zeros(1)}),
        ((np.zeros(1), np.ones(1)), [np.zeros(1), np.ones(1)]),
        (np.arange(6.0).reshape(1, 2, 3), np.asfortranarray(np.arange(6.0).reshape(1, 2, 3))),
        (np.arange(6.0)[:1], np.arange(6.0)[::2][:1]),
        (torch.arange(3.0)[None], np.arange(3, dtype=np.float32)[None]),
        (torch.ones(1, 3, requires_grad=True), np.ones((1, 3), np.float32)),
    ],
)
def test_the_same_contents_are_the_same(a, b):
    assert hash_examples(a) == hash_examples(b)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.complex64, torch.bool])
def test_tensors_of_every_type(dtype):
    a, b, c = hash_examples((torch.tensor([[1.0, 2.0], [1.0, 0.0], [1.0, 2.0]]).to(dtype), torch.zeros(3, dtype=dtype)))
    assert a == c
    assert a != b


def test_a_million_different_examples_have_different_hashes():
    x = np.arange(1_000_000).astype(np.float32)[:, None] * np.array([[1.0, 0.0]], np.float32)
    assert np.unique(hash_examples(x)).size == 1_000_000


def test_sparse_bits_are_told_apart():
    x = (np.arange(2**16)[:, None] >> np.arange(16) & 1).astype(np.float32)  # as parity and one-hot data are
    assert np.unique(hash_examples(x)).size == 2**16


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ((np.zeros(3), np.zeros(2)), "different lengths: 2, 3"),
        ((), "holds no array"),
        ((1.0, None), "holds no array"),
        (np.float64(1.0), "holds no array"),
        (np.array([object(), None]), "Python objects"),
        ({"x": {1, 2}}, "Python objects"),
    ],
)
def test_what_cannot_be_hashed_is_told(bad, words):
    with pytest.raises(InputError, match=words):
        hash_examples(bad)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ((np.zeros((3, 2)), np.zeros(3)), True),
        ({"text": ["a", "b"], "y": np.zeros(2)}, True),
        (np.zeros((3, 2)), True),
        (np.zeros(3), False),
        ((np.zeros((3, 32, 32)), 5), False),
        ((np.zeros(5), np.float32(1.0)), False),
        ((torch.zeros(3, 2), torch.zeros(2)), False),
        ("text", False),
    ],
)
def test_batches_are_told_from_examples(item, expected):
    assert is_batch(item) is expected


def test_an_example_of_numbers_and_text():
    assert hash_example((np.zeros(2), 1, "a", None)) != hash_example((np.zeros(2), 2, "a", None))
    assert hash_example(("a", 1)) == hash_example(("a", 1))
