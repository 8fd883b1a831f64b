"""Batches of JAX arrays, made on the device: by a loader, or inside your own compiled loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

try:
    import jax
    import jax.numpy as jnp
except ImportError as error:
    from whygap.errors import MissingPackageError

    raise MissingPackageError("whygap.process.loaders.jax needs JAX 0.6 or newer: pip install 'whygap[demo]'") from error

from whygap.errors import InputError
from whygap.process.loaders.loader import Loader
from whygap.process.stream import Batch, Stream, share


def batch_at(stream: Stream, epoch: Any, batch: Any) -> Batch:
    """Return this rank's part of a full batch of an epoch; both numbers, from 0, may be traced.

    With this a whole epoch can be one `lax.scan`, and an epoch in the fresh regime needs no memory for its examples. The same
    addresses as everywhere; the arrays agree with NumPy's to the rounding of float32.

    Parameters
    ----------
    stream : Stream
        Its batches must all be full: `n` a multiple of `batch_size`, or `drop_last`.
    epoch, batch : int
        Below 2^32, and below `stream.n_batches`; what is traced isn't checked.

    Raises
    ------
    InputError
        If the last batch of an epoch is smaller than the others: JAX needs one shape.

    Examples
    --------
    >>> from whygap.process import Fresh, TeacherStudent
    >>> stream = Stream(process=TeacherStudent(), regime=Fresh(64), batch_size=32)
    >>> x, y = jax.jit(lambda epoch, batch: batch_at(stream, epoch, batch))(3, 1)
    >>> x.shape, y.shape
    ((32, 20), (32,))
    """
    if not stream.drop_last and stream.n % stream.batch_size:
        raise InputError(f"the last batch of {stream.n} examples is smaller than {stream.batch_size}: use drop_last=True")
    first, last = share(0, stream.batch_size, stream.rank, stream.n_ranks)
    place = jnp.asarray(batch, jnp.uint32) * stream.batch_size + jnp.arange(first, last, dtype=jnp.uint32)
    return _draw(stream, epoch, place)


def _draw(stream: Stream, epoch: Any, place: Any) -> Batch:
    drawn, index = stream.address(place, epoch=epoch, xp=jnp)
    return stream.process.draw(index, seed=stream.seed, split=stream.split, epoch=drawn, xp=jnp)


_compiled = jax.jit(_draw, static_argnums=0)  # once for each stream and shape, not for each loader


class JaxLoader(Loader[Batch]):
    """Walk through a stream in JAX arrays (x, y), made by one compiled function on the default device; see `Loader`.

    A last batch that isn't full is a second shape, and compiled once more.

    Examples
    --------
    >>> from whygap.process import Fresh, TeacherStudent
    >>> loader = JaxLoader(Stream(process=TeacherStudent(), regime=Fresh(100), batch_size=32))
    >>> [x.shape for x, y in loader]
    [(32, 20), (32, 20), (32, 20), (4, 20)]
    """

    def _batches(self, offsets: Sequence[int]) -> Iterator[Batch]:
        for offset in offsets:
            epoch, place = self.stream.places(offset)
            yield _compiled(self.stream, jnp.uint32(epoch), jnp.asarray(place))
