"""One contract for every loader: the stream's examples, each once, and the same ones after a stop as without it."""

import hashlib
import importlib
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from whygap.errors import InputError, MissingPackageError
from whygap.process import Fresh, Once, Pool, SequenceRegression, Stream
from whygap.process.loaders.jax import JaxLoader, batch_at
from whygap.process.loaders.keras import KerasLoader
from whygap.process.loaders.numpy import ArrayLoader
from whygap.process.loaders.torch import TorchLoader

N, BATCH = 203, 16
ROUNDING = 2e-6
"""Of float32, in values below 3: JAX joins a multiplication and an addition, and rounds once."""


def stream(regime=None, **options):
    return Stream(**{"process": SequenceRegression(), "regime": regime or Fresh(N), "batch_size": BATCH, "seed": 4} | options)


class KerasWalk(KerasLoader):
    """Asks as Keras does without shuffling."""

    def __iter__(self):
        for batch in range(len(self)):
            yield self[batch]
        self.on_epoch_end()


LOADERS = {"numpy": ArrayLoader, "torch": TorchLoader, "jax": JaxLoader, "keras": KerasWalk}


def arrays(batches):
    return [tuple(np.asarray(part) for part in batch) for batch in batches]


def plain(s, epochs, offset=0):
    """Return the batches one by one, by no loader at all."""
    found, end = [], s.epoch(offset) + epochs
    while s.epoch(offset) < end:
        found.append(s.batch(offset))
        offset = s.after(offset)
    return found


def is_same(found, expected, *, rounding=0.0):
    if rounding:
        return len(found) == len(expected) and all(
            f.shape == e.shape and f.dtype == e.dtype and np.abs(f - e).max() <= rounding
            for one, other in zip(found, expected, strict=True)
            for f, e in zip(one, other, strict=True)
        )
    return [[p.tobytes() for p in b] for b in found] == [[p.tobytes() for p in b] for b in expected]


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("regime", [Once(N), Fresh(N), Pool(50, N)], ids=repr)
@pytest.mark.parametrize("options", [{}, {"shuffle": False}, {"drop_last": True}, {"rank": 1, "n_ranks": 2}], ids=repr)
def test_the_streams_batches(name, regime, options):
    s = stream(regime, **options)
    loader = LOADERS[name](s)
    found = [arrays(loader) for _ in range(3)]
    assert [len(epoch) for epoch in found] == [s.n_batches] * 3
    assert loader.epoch == 3
    assert is_same([b for epoch in found for b in epoch], plain(s, 3), rounding=ROUNDING if name == "jax" else 0.0)


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("stop", [0, 1, 5, 12, 13, 14, 20, 26])
def test_a_state_saved_in_mid_epoch_goes_on_with_the_same_bytes(name, stop):
    """13 batches an epoch: stops within the first, at its end, and in the second."""
    make = LOADERS[name]
    s = stream()
    undisturbed = make(s)
    whole = [b for _ in range(3) for b in arrays(undisturbed)]

    stopped, seen = make(s), []
    while len(seen) < stop:
        for batch in stopped:
            seen.append(batch)
            if len(seen) == stop:
                break
    state = stopped.state_dict()
    assert state == {"offset": min(stop, 13) * BATCH - 5 * (stop >= 13) + max(0, stop - 13) * BATCH - 5 * (stop == 26)}

    resumed = make(s)
    resumed.load_state_dict(state)
    rest = [b for _ in range(3 - resumed.epoch) for b in arrays(resumed)]
    assert is_same(arrays(seen) + rest, whole)
    by_offset = arrays(make(s, offset=state["offset"]))
    assert by_offset
    assert is_same(by_offset, rest[: len(by_offset)])


@pytest.mark.parametrize("name", ["numpy", "torch", "jax"])
def test_a_loop_left_early_is_taken_up_where_it_was_left(name):
    loader = LOADERS[name](stream())
    first = arrays([next(iter(loader)), next(iter(loader))])
    assert is_same(first + arrays(loader), arrays(LOADERS[name](stream())))


@pytest.mark.parametrize("name", LOADERS)
def test_set_epoch_goes_to_an_epoch_and_leaves_the_one_in_hand(name):
    s = stream()
    loader = LOADERS[name](s, offset=2 * BATCH)
    loader.set_epoch(0)
    assert loader.state_dict() == {"offset": 2 * BATCH}
    loader.set_epoch(5)
    assert loader.epoch == 5
    assert is_same(arrays(loader)[:1], [s.batch(5 * N)], rounding=ROUNDING)
    with pytest.raises(InputError, match="epoch -1"):
        loader.set_epoch(-1)


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("state", [{}, None, 3, {"offset": -1}, {"offset": 1.5}, {"offset": "7"}])
def test_a_state_that_is_none_is_refused(name, state):
    with pytest.raises(InputError, match="offset"):
        LOADERS[name](stream()).load_state_dict(state)


@pytest.mark.parametrize("name", LOADERS)
def test_a_batch_may_be_written_into(name):
    loader = LOADERS[name](stream())
    for x, y in loader:
        if name != "jax":  # whose arrays can't be
            x[:] = -1
            y[:] = -1
    assert is_same(arrays(loader), plain(stream(), 1, N), rounding=ROUNDING)


def digest(batches):
    return hashlib.sha256(b"".join(part.tobytes() for batch in batches for part in batch)).hexdigest()


SCRIPT = """
import hashlib
from whygap.process import Pool, SequenceRegression, Stream
from whygap.process.loaders.numpy import ArrayLoader
s = Stream(process=SequenceRegression(), regime=Pool(50, 203), batch_size=16, seed=4)
loader = ArrayLoader(s, offset=48)
batches = [b for _ in range(2) for b in loader]
print(hashlib.sha256(b"".join(part.tobytes() for batch in batches for part in batch)).hexdigest())
"""


def test_a_fresh_process_finds_the_same_bytes():
    """With another hash seed: nothing may hang on Python's own hash."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env=os.environ | {"PYTHONHASHSEED": "7"}
    )
    assert done.stdout.strip() == digest(plain(stream(Pool(50, N)), 2, 48))


def test_jax_makes_a_batch_inside_a_compiled_loop():
    import jax

    s = stream(Pool(64, 96), n_ranks=2, rank=1)

    def step(total, batch):
        x, y = batch_at(s, 2, batch)
        return total + y.sum(), (x, y)

    total, (xs, ys) = jax.jit(lambda: jax.lax.scan(step, 0.0, jax.numpy.arange(s.n_batches)))()
    expected = plain(s, 1, 2 * 96)
    assert is_same(list(zip(np.asarray(xs), np.asarray(ys), strict=True)), expected, rounding=ROUNDING)
    assert float(total) == pytest.approx(sum(y.sum() for _, y in expected), rel=1e-5)
    with pytest.raises(InputError, match="the last batch of 203 examples is smaller than 16"):
        batch_at(stream(), 0, 0)


@pytest.mark.parametrize(
    ("module", "package", "line"),
    [
        ("torch", "torch", "PyTorch 2.4 or newer: pip install 'whygap[torch]'"),
        ("keras", "keras", "Keras 3.6 or newer and a backend (.*): pip install 'whygap[keras]'"),
        ("jax", "jax", "JAX 0.6 or newer: pip install 'whygap[demo]'"),
        ("hugging_face", "datasets", "datasets 3 or newer: pip install 'whygap[huggingface]'"),
    ],
)
def test_a_missing_framework_is_named_with_the_line_that_installs_it(monkeypatch, module, package, line):
    name = f"whygap.process.loaders.{module}"
    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=line.replace("[", r"\[")):
        importlib.import_module(name)


def test_torch_gives_tensors():
    x, y = next(iter(TorchLoader(stream())))
    assert x.dtype == y.dtype == torch.float32
