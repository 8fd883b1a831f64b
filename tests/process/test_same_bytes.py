"""The same bytes for ever: from any batch, order, process and processor; from JAX, to the rounding of float32."""

import hashlib
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from whygap.process import (
    MNIST1D,
    AddingProblem,
    GaussianMixture,
    ModularAddition,
    SequenceRegression,
    Shapes,
    SparseParity,
    TeacherStudent,
)

HASHES = {
    SequenceRegression(): "5580e1ea7d4b8f89",
    MNIST1D(): "27ce640e04454260",
    SparseParity(flip=0.1): "52d40fc5fc6b8aba",
    ModularAddition(): "c9933330dd147769",
    AddingProblem(): "c9afa92ad71860ea",
    TeacherStudent(): "bc5ad0b7c4d9d00c",
    GaussianMixture(classes=3, flip=0.1): "1ee2d522fbdfe89b",
    Shapes(): "b6dad40e1b2a08ab",
}
"""Of the first 4,000 validation examples of seed 12345. If one changes, every seed means other data: CHANGELOG must say so."""

JAX_OFF_BY = 4.0
"""Of float32's epsilon times the largest value; 1.5 is the most that was seen (benchmarks/process_same_bytes.py)."""

each = pytest.mark.parametrize("process", HASHES, ids=lambda p: type(p).__name__)


def draw(process, index, **named):
    return process.draw(np.asarray(index), seed=12345, split="valid", **named)


def digest(x, y):
    return hashlib.blake2b(x.tobytes() + y.tobytes(), digest_size=8).hexdigest()


@each
def test_they_are_those_of_the_release(process):
    assert digest(*draw(process, np.arange(4000))) == HASHES[process]


@each
def test_batches_of_1_and_256_and_any_order(process):
    x, y = draw(process, np.arange(512))
    singles = [draw(process, [i]) for i in range(64)]
    np.testing.assert_array_equal(np.concatenate([s[0] for s in singles]), x[:64])
    np.testing.assert_array_equal(np.concatenate([s[1] for s in singles]), y[:64])
    order = np.random.default_rng(0).permutation(512)
    halves = [draw(process, part) for part in (order[:256], order[256:])]
    np.testing.assert_array_equal(np.concatenate([h[0] for h in halves]), x[order])
    np.testing.assert_array_equal(np.concatenate([h[1] for h in halves]), y[order])


def test_a_fresh_process_without_the_processors_wide_registers():
    """NumPy picks its loops by what the processor can do: here it is told that this one can't do much."""
    code = (
        "import hashlib, numpy as np\nfrom whygap.process import *\n"
        f"for p in [{', '.join(map(repr, HASHES))}]:\n"
        "    x, y = p.draw(np.arange(4000), seed=12345, split='valid')\n"
        "    print(hashlib.blake2b(x.tobytes() + y.tobytes(), digest_size=8).hexdigest())\n"
    )
    features = np._core._multiarray_umath.__cpu_features__
    wide = [name for name in np._core._multiarray_umath.__cpu_dispatch__ if features.get(name)]
    told = os.environ | {
        "NPY_DISABLE_CPU_FEATURES": " ".join(wide),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONHASHSEED": "7",
    }
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=told)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == list(HASHES.values())


@each
def test_jax_to_the_rounding_of_float32(process):
    index = np.arange(2000)
    here = draw(process, index)
    jitted = jax.jit(lambda i, s: process.draw(i, seed=s, split="valid", xp=jnp))(jnp.asarray(index), 12345)
    mapped = jax.jit(jax.vmap(lambda i: process.draw(i, seed=12345, split="valid", xp=jnp)))(jnp.asarray(index))
    for found in (jitted, mapped):
        for ours, theirs in zip(here, found, strict=True):
            there = np.asarray(theirs)
            assert (there.dtype, there.shape) == (ours.dtype, ours.shape)
            if ours.dtype == np.int32:
                np.testing.assert_array_equal(there, ours)
            else:
                off = np.abs(there.astype(np.float64) - ours).max() / np.abs(ours).max()
                assert off <= JAX_OFF_BY * np.finfo(np.float32).eps
