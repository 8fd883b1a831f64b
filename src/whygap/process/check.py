"""Does a person's own process keep the contract? Each rule that it breaks is one line that names what and where."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from whygap.process.base import Process

SPLITS = ("train", "valid", "test")
SEED, OTHER_SEED = 1, 2
RTOL = 1e-4
"""Of JAX against NumPy, of the largest value: a sum of a hundred float32 loses no more."""

IN_A_FRESH_PROCESS = """
import hashlib, pickle, sys
sys.path[:0] = pickle.loads(bytes.fromhex(sys.argv[2]))
process, index, seed = pickle.loads(bytes.fromhex(sys.argv[1]))
x, y = process.draw(index, seed=seed)
print(hashlib.blake2b(x.tobytes() + y.tobytes()).hexdigest())
"""


def check_process(process: Process, *, n: int = 512, fresh: bool = True, jax: bool | None = None) -> tuple[str, ...]:
    """Return each rule of the contract that a process breaks, as one line; () if it keeps them all.

    Tried are the types and shapes, finite values, the same bytes for every batch size, subset, order and repeated call, and in
    a fresh Python process, no repeats within an epoch, between epochs and between splits, another seed's being other
    examples, and that JAX agrees to the rounding of float32. What holds for `n` examples need not for
    a million: this finds the mistakes that people make, and proves nothing.

    Parameters
    ----------
    process : Process
        To be checked.
    n : int
        Examples of each split and epoch, at least 2; fewer where a finite domain has no more.
    fresh : bool
        Whether to start a fresh Python process: about 0.2 s. It can't be done for a process that can't be pickled, such as one
        defined in a notebook, and then a line says so.
    jax : bool or None
        None compares with JAX where it is installed and the process can be traced. True says so where either fails, as the lab
        needs them; False leaves JAX out.

    Examples
    --------
    >>> from whygap.process import process
    >>> @process
    ... def noisy(draws):
    ...     x = draws.uniform(3)
    ...     return x - x.mean(), x[:, 0]
    >>> for line in check_process(noisy, fresh=False):
    ...     print(line)
    noisy: batch size: x of index 0 is other alone than among 512: an example may depend on its own draws alone
    """
    name = getattr(process, "__name__", type(process).__name__)
    return tuple(f"{name}: {line}" for line in _broken(process, n, fresh, jax))


def _broken(process: Process, n: int, fresh: bool, jax: bool | None) -> Iterator[str]:
    index = np.arange(min(n, process.size_of("train") or n))
    try:
        whole = process.draw(index, seed=SEED)
    except Exception as error:
        yield f"draw: it raises {type(error).__name__}: {error}"
        return
    faults = list(_faults_of_form(process, whole, index.size))
    yield from faults
    if faults:
        return
    faults = list(_faults_of_order(process, whole, index))
    yield from faults
    yield from _repeats(process, whole, index)
    if faults:
        return  # what isn't the same here is the same nowhere
    if fresh:
        yield from _fault_of_a_fresh_process(process, whole, index)
    if jax is not False:
        yield from _fault_of_jax(process, whole, index, is_needed=bool(jax))


def _faults_of_form(process: Process, whole: Any, n: int) -> Iterator[str]:
    for part, values in zip("xy", whole, strict=True):
        if not isinstance(values, np.ndarray) or values.dtype not in (np.float32, np.int32):
            kind = values.dtype if isinstance(values, np.ndarray) else type(values).__name__
            yield f"type: {part} is {kind}; NumPy float32 and int32 are the same in every framework"
        elif values.shape[:1] != (n,):
            yield f"shape: {part} is {values.shape} for {n} examples; they go along the first axis"
        elif not np.isfinite(values).all():
            at = int(np.argwhere(~np.isfinite(values.reshape(n, -1)).all(axis=1))[0, 0])
            yield f"finite: {part} of index {at} is {values[at].ravel()[~np.isfinite(values[at].ravel())][0]}"
        elif part == "y" and process.classes is not None and not _are_classes(values, process.classes):
            told = f"{values.dtype} from {values.min()} to {values.max()}"
            yield f"classes: y must be int32 from 0 to {process.classes - 1}, not {told}"


def _are_classes(values: Any, classes: int) -> bool:
    return bool(values.dtype == np.int32 and values.min() >= 0 and values.max() < classes)


def _faults_of_order(process: Process, whole: Any, index: Any) -> Iterator[str]:
    """Compare draws of the same examples in another company."""
    own = "an example may depend on its own draws alone"
    n = index.size
    last = index[-1:]
    shuffled = np.random.default_rng(0).permutation(n)
    tries = (
        ("pure", f"than a call before, among {n}: nothing may be remembered or drawn from elsewhere", index),
        ("batch size", f"alone than among {n}: {own}", index[:1]),
        ("batch size", f"alone than among {n}: {own}", last),
        ("batch size", f"in a batch of {max(1, n // 2)} than in one of {n}: {own}", index[: max(1, n // 2)]),
        ("subset", f"among every third than among {n}: {own}", index[::3]),
        ("order", f"in another order: {own}", shuffled),
        ("repeated index", f"in a batch that holds it twice: {own}", np.repeat(index[:4], 2)),
    )
    said = set()
    for rule, how, chosen in tries:
        found = process.draw(chosen, seed=SEED)
        for part, ours, theirs in zip("xy", found, whole, strict=True):
            at = _first_difference(ours, theirs[chosen]) if ours.shape == theirs[chosen].shape else 0
            if at is not None and rule not in said:
                said.add(rule)
                yield f"{rule}: {part} of index {chosen[at]} is other {how}"
        if said:
            return  # what follows would be the same fault again


def _repeats(process: Process, whole: Any, index: Any) -> Iterator[str]:
    """Look for examples that occur twice: within an epoch, in another epoch of the split, in another split."""
    epochs, splits = ((0,), SPLITS[:2]) if process.size is not None else ((0, 1, 2), SPLITS)
    seen: dict[bytes, tuple[str, int, int]] = {}
    said = set()
    for split in splits:
        n = min(index.size, process.size_of(split) or index.size)
        for epoch in epochs:
            x, _ = whole if (split, epoch) == ("train", 0) else process.draw(np.arange(n), seed=SEED, split=split, epoch=epoch)
            for i in range(n):
                place = (split, epoch, i)
                other = seen.setdefault(x[i].tobytes(), place)
                if other == place:
                    continue
                rule = "no repeats" if other[:2] == place[:2] else "epochs" if other[0] == split else "splits"
                if rule not in said:
                    said.add(rule)
                    yield f"{rule}: x of {_told(place)} is that of {_told(other)}"
    if process.size is None:
        x, y = process.draw(index, seed=OTHER_SEED)
        if np.array_equal(x, whole[0]) and np.array_equal(y, whole[1]):
            yield f"seed: seeds {SEED} and {OTHER_SEED} give the same examples"


def _told(place: tuple[str, int, int]) -> str:
    return "{}, epoch {}, index {}".format(*place)


def _fault_of_a_fresh_process(process: Process, whole: Any, index: Any) -> Iterator[str]:
    try:
        packed = pickle.dumps((process, index, SEED)).hex()
    except Exception as error:
        yield f"fresh process: not tried, it can't be pickled ({error}); define it in a module"
        return
    done = subprocess.run(
        [sys.executable, "-c", IN_A_FRESH_PROCESS, packed, pickle.dumps(sys.path).hex()],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        yield f"fresh process: not tried, it fails there: {done.stderr.strip().splitlines()[-1]}"
    elif done.stdout.strip() != hashlib.blake2b(whole[0].tobytes() + whole[1].tobytes()).hexdigest():
        yield f"fresh process: {index.size} examples are other bytes in a Python process of their own"


def _fault_of_jax(process: Process, whole: Any, index: Any, *, is_needed: bool) -> Iterator[str]:
    try:
        import jax
        import jax.numpy as jnp

        traced = jax.jit(lambda i, seed: process.draw(i, seed=seed, xp=jnp))(jnp.asarray(index), SEED)
    except Exception as error:
        if is_needed:
            yield f"JAX: it can't be traced ({type(error).__name__}: {str(error).strip().splitlines()[0]})"
        return
    for part, theirs, ours in zip("xy", traced, whole, strict=True):
        there = np.asarray(theirs)
        if there.shape != ours.shape or there.dtype != ours.dtype:
            yield f"JAX: {part} is {there.dtype} of shape {there.shape}, NumPy's {ours.dtype} of shape {ours.shape}"
            continue
        off = np.abs(there.astype(np.float64) - ours) > (RTOL * float(np.abs(ours).max()) if ours.dtype == np.float32 else 0.0)
        rows = np.flatnonzero(off.reshape(len(ours), -1).any(axis=1))
        if rows.size > (ours.dtype != np.float32):  # one class may turn where a score lies within rounding of its threshold
            yield f"JAX: {part} of index {rows[0]} is beyond float32 rounding of NumPy's"


def _first_difference(a: Any, b: Any) -> int | None:
    """Return the first row whose bytes differ, or None."""
    if a.tobytes() == b.tobytes():
        return None
    same = (a.view(np.int32) == b.view(np.int32)).reshape(len(a), -1).all(axis=1)
    return int(np.argmin(same))
