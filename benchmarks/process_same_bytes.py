"""Print a hash of each process's first examples, to compare machines by, and how far JAX is from NumPy.

python benchmarks/process_same_bytes.py [--json FILE]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
from pathlib import Path

import numpy as np

from whygap.process import (
    MNIST1D,
    AddingProblem,
    GaussianMixture,
    ModularAddition,
    Process,
    SequenceRegression,
    Shapes,
    SparseParity,
    TeacherStudent,
)

PROCESSES: tuple[Process, ...] = (
    SequenceRegression(),
    MNIST1D(),
    SparseParity(flip=0.1),
    ModularAddition(),
    AddingProblem(),
    TeacherStudent(),
    GaussianMixture(classes=3, flip=0.1),
    Shapes(),
)
N = 4000


def digest(process: Process) -> str:
    """Return 16 hexadecimal digits of the first 4,000 validation examples of seed 12345."""
    x, y = process.draw(np.arange(N), seed=12345, split="valid")
    return hashlib.blake2b(x.tobytes() + y.tobytes(), digest_size=8).hexdigest()


def from_jax(process: Process) -> dict[str, float]:
    """Return how far JAX is from NumPy over 20,000 examples: in epsilons of the largest value, or how many classes differ."""
    import jax
    import jax.numpy as jnp

    index = np.arange(min(20_000, process.size_of("train") or 20_000))
    here = process.draw(index, seed=12345)
    there = jax.jit(lambda i: process.draw(i, seed=12345, xp=jnp))(jnp.asarray(index))
    told = {}
    for part, ours, theirs in zip("xy", here, there, strict=True):
        apart = np.abs(np.asarray(theirs).astype(np.float64) - ours)
        if ours.dtype == np.float32:
            told[part] = float(apart.max() / np.abs(ours).max() / np.finfo(np.float32).eps)
        else:
            told[part] = float(np.count_nonzero(apart))
    return told


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}")
    rows = []
    try:
        import jax

        device = str(jax.devices()[0])
    except ImportError:
        device = "not installed"
    print(f"JAX: {device}\n{'process':22}{'hash':20}{'JAX: x off by':>15}{'y':>8}")
    for process in PROCESSES:
        off = {} if device == "not installed" else from_jax(process)
        shown = "".join(f"{off[part]:{width}.1f}" for part, width in (("x", 15), ("y", 8)) if part in off)
        print(f"{type(process).__name__:22}{digest(process):20}{shown}")
        rows.append({"process": repr(process), "hash": digest(process), "jax": off})
    print("in float32's epsilon (1.2e-7) times the largest value; for classes, their number")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
