"""Real loaders, walked through: the bugs that people have, found; loaders that are in order, left alone."""

import hashlib
import itertools

import keras
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, get_worker_info

from whygap.adapters.loader_walk import Walk, audit_loader
from whygap.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # more workers than cores


class Drawn(Dataset):
    """New examples at every visit, from a generator that lives on the dataset, or from one of the worker's own seed."""

    def __init__(self, *, is_stored):
        self.rng = np.random.default_rng(0) if is_stored else None

    def __len__(self):
        return 2000

    def __getitem__(self, i):
        return self.rng.standard_normal(8) if self.rng is not None else torch.randn(8), 0.0


class Stream(IterableDataset):
    """A stream of 2,000 examples that is, or isn't, split among the workers."""

    def __init__(self, *, is_split):
        self.is_split = is_split

    def __iter__(self):
        info = get_worker_info()
        first, step = (info.id, info.num_workers) if self.is_split and info else (0, 1)
        return ((np.full(8, float(i)), 0.0) for i in range(first, 2000, step))


class Batches(keras.utils.PyDataset):
    """Batches that are drawn as they are asked for, with a generator that starts over in every epoch or goes on."""

    def __init__(self, *, is_replaying):
        super().__init__()
        self.is_replaying = is_replaying
        self.rng = np.random.default_rng(0)

    def __len__(self):
        return 40

    def on_epoch_end(self):
        if self.is_replaying:
            self.rng = np.random.default_rng(0)

    def __getitem__(self, i):
        return self.rng.standard_normal((25, 8)), self.rng.integers(0, 2, 25)


STORED = TensorDataset(torch.randn(2000, 8, generator=torch.Generator().manual_seed(0)), torch.zeros(2000))


def audited(factory, valid=None, steps=None, **options):
    other = None if valid is None else Walk(valid, "valid")
    return audit_loader(Walk(factory, "train", steps=steps), other, **options)


def named(repetition):
    return [f.name for f in repetition.problems]


def over(dataset, **options):
    return lambda: DataLoader(dataset, batch_size=25, **options)


FORKED = {"num_workers": 4, "multiprocessing_context": "fork"}


def test_a_stored_generator_repeats_in_every_worker_and_epoch():
    found = audited(over(Drawn(is_stored=True), **FORKED))
    assert named(found) == ["worker_copies"]
    assert found.across_workers == pytest.approx(0.75)
    assert found.across_epochs == pytest.approx(0.125)  # half of what one worker showed
    assert "75 % of the presentations repeat what another of the 4 workers showed in the same epoch" in str(found)


@pytest.mark.parametrize("order", [{}, {"shuffle": True}, {"shuffle": True, "in_order": False}, {"persistent_workers": True}])
def test_a_stored_generator_is_found_in_any_order(order):
    assert "worker_copies" in named(audited(over(Drawn(is_stored=True), **FORKED, **order)))


def test_a_generator_of_the_workers_own_seed_is_in_order():
    found = audited(over(Drawn(is_stored=False), **FORKED), believed="fresh")
    assert (found.regime, found.problems) == ("fresh", ())


@pytest.mark.parametrize(("is_split", "problems"), [(True, []), (False, ["worker_copies"])])
def test_a_stream_that_is_not_split_among_the_workers(is_split, problems):
    found = audited(over(Stream(is_split=is_split), **FORKED))
    assert named(found) == problems
    assert found.is_same_order


def test_a_stored_set_is_no_problem():
    found = audited(over(STORED, shuffle=True, **FORKED), believed="once")
    assert (found.regime, found.distinct.value, found.per_example.value, found.problems) == ("once", 2000, 2, ())


def test_nothing_that_is_delivered_changes():
    def digest(batches):
        return [hashlib.sha256(b"".join(np.asarray(part).tobytes() for part in batch)).hexdigest() for batch in batches]

    make = over(Drawn(is_stored=True), shuffle=True, num_workers=2, generator=torch.Generator().manual_seed(1))
    bare = digest(make())
    make = over(Drawn(is_stored=True), shuffle=True, num_workers=2, generator=torch.Generator().manual_seed(1))
    walked = [(batch, worker) for batch, worker in Walk(make, "train").epoch(60.0)]
    assert digest(batch for batch, _ in walked) == bare
    assert [worker for _, worker in walked] == [0, 1] * 40


@pytest.mark.parametrize("is_replaying", [True, False])
def test_a_keras_dataset_that_replays(is_replaying):
    found = audited(lambda: Batches(is_replaying=is_replaying), believed="fresh")
    assert named(found) == (["replay", "not_expected"] if is_replaying else [])
    assert found.regime == ("once" if is_replaying else "fresh")


def drawn(rng, batches=range(40)):
    return ((rng.standard_normal((25, 8)), rng.integers(0, 2, 25)) for _ in batches)


def test_a_numpy_generator_that_replays():
    found = audited(lambda: drawn(np.random.default_rng(0)))
    assert (found.regime, found.finding("replay").is_problem) == ("once", False)  # or it reads a stored set: who knows
    found = audited(lambda: drawn(np.random.default_rng(0)), believed="fresh")
    assert (found.regime, named(found)) == ("once", ["replay", "not_expected"])


def test_a_numpy_generator_that_goes_on():
    rng = np.random.default_rng(0)
    found = audited(lambda: drawn(rng))
    assert (found.regime, named(found)) == ("fresh", [])


@pytest.mark.parametrize("options", [{"steps": 40}, {"seconds": 0.4}])
def test_a_generator_without_an_end(options):
    rng = np.random.default_rng(0)
    found = audited(lambda: drawn(rng, itertools.count()), **options)
    assert (found.regime, named(found), found.epochs) == ("fresh", [], 2)


def test_a_pool_of_a_thousand_believed_to_be_fresh():
    pool, rng = np.random.default_rng(1).standard_normal((1000, 8)), np.random.default_rng(2)
    found = audited(lambda: (pool[rng.integers(0, 1000, 50)] for _ in range(40)), believed="fresh")
    assert (found.regime, named(found)) == ("pool", ["not_expected"])
    assert found.pool.low <= 1000 <= found.pool.high


def test_validation_rows_in_training():
    x, y = STORED.tensors
    others = torch.randn(970, 8, generator=torch.Generator().manual_seed(5))
    found = audited(over(STORED, shuffle=True), lambda: (torch.cat([x[:30], others]).numpy(), y[:1000].numpy()))
    assert named(found) == ["leak"]
    assert found.valid.value == 0.03


class Augmented(Dataset):
    """Adds noise, new at every visit or the same for an example in every epoch, and hands the clean image over with it."""

    def __init__(self, *, is_stale):
        self.is_stale = is_stale

    def __len__(self):
        return 1000

    def __getitem__(self, i):
        clean = STORED.tensors[0][i]
        noise = torch.randn(8, generator=torch.Generator().manual_seed(i)) if self.is_stale else torch.randn(8)
        return {"x": clean + 0.1 * noise, "clean": clean, "y": 0.0}


@pytest.mark.parametrize("is_stale", [True, False])
def test_augmentation_that_repeats_every_epoch(is_stale):
    def view(batch):
        return {"x": batch["clean"], "clean": batch["clean"], "y": batch["y"]}

    found = audited(over(Augmented(is_stale=is_stale), shuffle=True, num_workers=2), clean=view)
    assert named(found) == (["stale_augmentation"] if is_stale else [])


@pytest.mark.parametrize(
    ("factory", "n"),
    [
        (lambda: (np.zeros((10, 2)), np.arange(10)), 10),
        (lambda: {"x": np.zeros((10, 2)), "y": np.arange(10)}, 10),
        (lambda: np.arange(20.0).reshape(10, 2), 10),
        (lambda: [(np.ones((5, 2)), np.arange(5)), (np.zeros((5, 2)), np.arange(5))], 10),
        (lambda: [(np.ones(2), i) for i in range(10)], 10),
        (lambda: [np.full(2, i) for i in range(10)], 10),
        (lambda: TensorDataset(torch.arange(10.0)), 10),
        (lambda: [(["a", "b"], np.arange(2))], 2),
        (lambda: DataLoader(TensorDataset(torch.arange(10.0)), batch_size=None), 10),
    ],
)
def test_batches_and_examples_of_every_kind(factory, n):
    found = audited(factory)
    assert (found.presentations, found.distinct.value) == (2 * n, n)


def test_a_batch_of_equal_parts_may_be_one_example():
    assert audited(lambda: [(np.zeros(5), np.arange(5))]).presentations == 10
    assert audited(lambda: [(np.zeros(5), np.arange(5))], has_examples=True).presentations == 2


def fails():
    raise OSError("no such\ndisk")


def fails_later():
    yield np.zeros((2, 2))
    raise OSError("no such disk")


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        (fails, "^train: OSError: disk$"),
        (fails_later, "^train, batch 2: OSError: no such disk$"),
        (list, "^the training loader gave no batch$"),
        (lambda: 3, "^train gives something of type int, which can't be walked through$"),
        (lambda: [object()], "Python objects"),
    ],
)
def test_what_cannot_be_walked_is_one_line(factory, words):
    with pytest.raises(InputError, match=words):
        audited(factory)


@pytest.mark.parametrize("options", [{"epochs": 0}, {"seconds": 0.0}, {"seconds": float("nan")}])
def test_wrong_options_are_told(options):
    with pytest.raises(InputError, match="at least one epoch"):
        audited(lambda: [np.zeros((2, 2))], **options)


def test_an_empty_validation_set_is_told():
    with pytest.raises(InputError, match="validation loader gave no batch"):
        audited(lambda: [np.zeros((2, 2))], list)
