"""The rows of a Hugging Face dataset are the stream's."""

import itertools

import numpy as np
import pytest
import torch
from datasets.distributed import split_dataset_by_node
from torch.utils.data import DataLoader

from whygap.errors import InputError
from whygap.process import Fresh, GaussianMixture, Once, SequenceRegression, Stream
from whygap.process.loaders.hugging_face import iterable_dataset

N, BATCH = 203, 16


def stream(regime=None, **options):
    return Stream(**{"process": SequenceRegression(), "regime": regime or Fresh(N), "batch_size": BATCH, "seed": 4} | options)


def expected(s, epochs):
    return [x.tobytes() for e in range(epochs) for o in s.offsets(e * s.n) for x in s.batch(o)[0]]


def of(rows):
    return [np.asarray(row["x"]).tobytes() for row in rows]


def test_rows_come_in_the_streams_order_and_without_end():
    s = stream()
    assert of(itertools.islice(iterable_dataset(s), 3 * N)) == expected(s, 3)
    assert of(iterable_dataset(s, epochs=2)) == expected(s, 2)


def test_types_survive_and_tensors_can_be_had():
    row = next(iter(iterable_dataset(stream(process=GaussianMixture()))))
    assert row["x"].dtype == np.float32
    assert row["y"].dtype == np.int32
    assert next(iter(iterable_dataset(stream()).with_format("torch")))["x"].dtype == torch.float32


@pytest.mark.parametrize("stop", [0, 1, 100, N, 300])
def test_it_goes_on_from_its_own_state_and_from_an_offset(stop):
    s = stream()
    dataset = iterable_dataset(s, epochs=2)
    rows = iter(dataset)
    seen = of(itertools.islice(rows, stop))
    resumed = iterable_dataset(s, epochs=2)
    resumed.load_state_dict(dataset.state_dict())
    assert seen + of(resumed) == expected(s, 2)
    rest = of(iterable_dataset(s, offset=stop, epochs=2 - stop // N))
    assert seen + rest == expected(s, 2)


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("n_shards", [1, 4])
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
def test_every_row_comes_once_whoever_reads_the_shards(workers, n_shards):
    s = stream(Once(N))
    dataset = iterable_dataset(s, epochs=1, n_shards=n_shards).with_format("torch")
    loader = DataLoader(dataset, batch_size=10, num_workers=min(workers, n_shards))
    assert sorted(row.numpy().tobytes() for batch in loader for row in batch["x"]) == sorted(expected(s, 1))


def test_a_worker_for_each_shard_keeps_the_order():
    s = stream(Fresh(192))
    dataset = iterable_dataset(s, epochs=2, n_shards=2).with_format("torch")
    loader = DataLoader(dataset, batch_size=BATCH, num_workers=2)
    assert [row.numpy().tobytes() for batch in loader for row in batch["x"]] == expected(s, 2)


@pytest.mark.parametrize("n_shards", [1, 2])
def test_two_ranks_by_hugging_face_and_by_the_stream(n_shards):
    s = stream()
    whole = iterable_dataset(s, epochs=1, n_shards=n_shards)
    theirs = [row for rank in range(2) for row in of(split_dataset_by_node(whole, rank=rank, world_size=2))]
    assert sorted(theirs) == sorted(expected(s, 1))
    ours = [row for rank in range(2) for row in of(iterable_dataset(stream(rank=rank, n_ranks=2), epochs=1))]
    assert sorted(ours) == sorted(expected(s, 1))


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="of 2 endless shards"):
        iterable_dataset(stream(), n_shards=2)
    with pytest.raises(InputError, match="n_shards must be"):
        iterable_dataset(stream(), n_shards=0, epochs=1)
    with pytest.raises(InputError, match="epochs must be"):
        iterable_dataset(stream(), epochs=0)
    with pytest.raises(InputError, match="an offset is"):
        iterable_dataset(stream(), offset=-1)
