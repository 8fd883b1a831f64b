"""The random state of Python and NumPy, which every adapter leaves as it was."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np


@contextlib.contextmanager
def preserved_host_random_state() -> Iterator[None]:
    """Restore the global generators of `random` and `numpy.random` on leaving, whatever happens in between."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - it is the user's global generator that we restore
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002 - as above
