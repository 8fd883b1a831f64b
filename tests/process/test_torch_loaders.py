"""PyTorch's workers, persistent or not, its ranks and its map-style and iterable datasets: the same bytes as without them."""

import multiprocessing
import warnings

import pytest
import torch
from torch.utils.data import DataLoader, DistributedSampler
from torchdata.stateful_dataloader import StatefulDataLoader

from whygap.errors import InputError, WhygapWarning
from whygap.process import Fresh, ModularAddition, Once, Pool, SequenceRegression, Stream
from whygap.process.loaders.torch import BatchDataset, ExampleDataset, TorchLoader

pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),  # four workers on two cores are meant
    pytest.mark.filterwarnings("ignore:'set_vital' is deprecated:UserWarning"),  # torchdata 0.11 under PyTorch 2.13
]
WORKERS = [(0, False), (1, False), (2, True), (4, False), (4, True)]
N, BATCH = 203, 16  # 13 batches an epoch, which no number of workers above divides


def stream(regime=None, **options):
    return Stream(**{"process": SequenceRegression(), "regime": regime or Fresh(N), "batch_size": BATCH, "seed": 4} | options)


def expected(s, *epochs):
    return [as_bytes([s.batch(o) for o in s.offsets(e * s.n)]) for e in epochs]


def as_bytes(batches):
    return [tuple(torch.as_tensor(part).numpy().tobytes() for part in batch) for batch in batches]


@pytest.mark.parametrize(("workers", "persistent"), WORKERS)
@pytest.mark.parametrize("regime", [Fresh(N), Pool(50, N)], ids=repr)
def test_any_number_of_workers_gives_the_same_batches_in_the_same_order(workers, persistent, regime):
    s = stream(regime)
    loader = TorchLoader(s, num_workers=workers, persistent_workers=persistent)
    assert [as_bytes(loader) for _ in range(3)] == expected(s, 0, 1, 2)

    dataset = BatchDataset(s)
    batches = DataLoader(dataset, batch_size=None, num_workers=workers, persistent_workers=persistent)
    found = []
    for epoch in range(3):
        dataset.set_epoch(epoch)
        found.append(as_bytes(batches))
    assert found == expected(s, 0, 1, 2)


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("batch", [1, 256])
def test_the_sequence_of_examples_is_the_same_for_1_and_4_workers_and_batches_of_1_and_256(workers, batch):
    x = torch.cat([x for x, _ in TorchLoader(stream(batch_size=batch), num_workers=workers)])
    whole, _ = stream(batch_size=N).batch(0)
    assert x.numpy().tobytes() == whole.tobytes()


@pytest.mark.parametrize(("workers", "persistent"), [(2, False), (2, True)])
@pytest.mark.parametrize("stop", [1, 5, 13])
def test_batches_made_ahead_by_workers_are_not_counted_as_delivered(workers, persistent, stop):
    s = stream(batch_size=BATCH)
    whole = [b for epoch in expected(s, 0, 1) for b in epoch]
    loader = TorchLoader(s, num_workers=workers, persistent_workers=persistent, prefetch_factor=4)
    batches = iter(loader)
    seen = as_bytes(next(batches) for _ in range(stop))
    resumed = TorchLoader(s, num_workers=1)
    resumed.load_state_dict(loader.state_dict())
    rest = [b for _ in range(2 - resumed.epoch) for b in as_bytes(resumed)]
    assert seen + rest == whole
    assert seen + [b for _ in range(2 - loader.epoch) for b in as_bytes(loader)] == whole, "and by the loader itself"


def test_processes_that_are_started_anew_make_the_same_batches():
    s = stream()
    loader = TorchLoader(s, num_workers=1, multiprocessing_context=multiprocessing.get_context("spawn"))
    assert as_bytes(loader) == expected(s, 0)[0]


def test_the_global_random_state_is_not_touched():
    before = torch.get_rng_state()
    for workers in (0, 2):
        list(TorchLoader(stream(), num_workers=workers))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("workers", [0, 2])
def test_two_ranks_share_every_batch(workers):
    ranks = [TorchLoader(stream(rank=r, n_ranks=2), num_workers=workers) for r in range(2)]
    whole = stream()
    for epoch in range(2):
        steps = list(zip(*ranks, strict=True))
        joined = [tuple(torch.cat([part[k] for part in step]) for k in (0, 1)) for step in steps]
        assert as_bytes(joined) == expected(whole, epoch)[0]


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("stop", [0, 1, 2, 7, 12, 13])
def test_torchdata_resumes_the_iterable_dataset(workers, stop):
    s = stream()
    dataset = BatchDataset(s)
    dataset.set_epoch(1)
    batches = iter(loader := StatefulDataLoader(dataset, batch_size=None, num_workers=workers))
    seen = as_bytes(next(batches) for _ in range(stop))
    state = loader.state_dict()

    fresh = BatchDataset(s)
    resumed = StatefulDataLoader(fresh, batch_size=None, num_workers=workers)
    resumed.load_state_dict(state)
    assert seen + as_bytes(resumed) == expected(s, 1)[0]
    fresh.set_epoch(2)
    assert as_bytes(resumed) == expected(s, 2)[0]


@pytest.mark.parametrize("workers", [0, 2])
def test_the_iterable_dataset_takes_any_loaders_state(workers):
    s = stream()
    dataset = BatchDataset(s)
    dataset.load_state_dict({"offset": N + 5 * BATCH})
    assert dataset.state_dict() == {"offset": N + 5 * BATCH, "epoch": 1}
    dataset.set_epoch(1)  # as a training loop would call it: nothing is rewound
    batches = DataLoader(dataset, batch_size=None, num_workers=workers)
    assert as_bytes(batches) == expected(s, 1)[0][5:]
    dataset.set_epoch(2)
    assert as_bytes(batches) == expected(s, 2)[0]
    assert len(batches) == 13


@pytest.mark.parametrize(("workers", "persistent"), [(0, False), (2, False), (2, True)])
def test_the_iterable_dataset_refuses_to_replay_an_epoch(workers, persistent):
    dataset = BatchDataset(stream())
    batches = DataLoader(dataset, batch_size=None, num_workers=workers, persistent_workers=persistent)
    assert len(list(batches)) == 13
    with pytest.raises(InputError, match=r"epoch 0 has been begun before: call dataset\.set_epoch"):
        list(batches)
    dataset.set_epoch(0)  # who says so may have it
    assert len(list(batches)) == 13


@pytest.mark.parametrize("workers", [0, 2])
def test_a_validation_set_in_one_order_needs_no_epochs(workers):
    batches = DataLoader(BatchDataset(stream(Once(N), split="valid", shuffle=False)), batch_size=None, num_workers=workers)
    assert as_bytes(batches) == as_bytes(batches)


def rows(batches):
    return [row.numpy().tobytes() for x, _ in batches for row in x]


def of_epoch(regime, epoch, seed=0):
    """Return the examples of an epoch by no dataset at all."""
    s = Stream(process=SequenceRegression(), regime=regime, batch_size=regime.n, seed=seed)
    return [row.tobytes() for row in s.batch(epoch * regime.n)[0]]


@pytest.mark.parametrize(("workers", "persistent"), [(0, False), (2, False), (2, True)])
@pytest.mark.parametrize("regime", [Once(100), Fresh(100), Pool(30, 100)], ids=repr)
def test_the_map_style_dataset_holds_each_example_of_the_epoch_once(workers, persistent, regime):
    dataset = ExampleDataset(SequenceRegression(), regime)
    loader = DataLoader(dataset, batch_size=16, shuffle=True, num_workers=workers, persistent_workers=persistent)
    for epoch in range(3):
        dataset.set_epoch(epoch)
        assert sorted(rows(loader)) == sorted(of_epoch(regime, epoch))


def test_the_map_style_dataset_under_two_ranks():
    dataset = ExampleDataset(SequenceRegression(), Fresh(100))
    parts = [DataLoader(dataset, sampler=DistributedSampler(dataset, num_replicas=2, rank=r), batch_size=10) for r in range(2)]
    for epoch in range(2):
        dataset.set_epoch(epoch)
        for part in parts:
            part.sampler.set_epoch(epoch)
        assert sorted(row for part in parts for row in rows(part)) == sorted(of_epoch(Fresh(100), epoch))


def test_one_example_is_the_same_alone_and_among_others():
    dataset = ExampleDataset(SequenceRegression(), Pool(30, 100), seed=3)
    together = dataset.__getitems__([5, 99, 5])
    assert torch.equal(dataset[5][0], together[0][0])
    assert torch.equal(together[0][1], together[2][1])
    assert len(dataset) == 100
    for position in (100, -1):
        with pytest.raises(IndexError, match=f"none at position {position}"):
            dataset[position]
    assert len(list(iter(dataset))) == 100  # Python's own protocol of sequences ends at that IndexError


def test_the_map_style_dataset_warns_once_of_epochs_that_nobody_sets():
    dataset = ExampleDataset(SequenceRegression(), Fresh(20))
    loader = DataLoader(dataset, batch_size=8)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for _ in range(5):
            list(loader)
    assert [str(w.message) for w in seen if issubclass(w.category, WhygapWarning)] == [
        "the examples of epoch 0 are asked for a third time: call set_epoch before every epoch"
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for epoch in range(5):
            dataset.set_epoch(epoch)
            list(loader)
        once = DataLoader(ExampleDataset(SequenceRegression(), Once(20)), batch_size=8)
        for _ in range(5):
            list(once)


def test_a_finite_process_is_never_fresh():
    with pytest.raises(InputError, match="can't be new in every epoch"):
        ExampleDataset(ModularAddition(5), Fresh(10))
