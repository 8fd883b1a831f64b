"""Batches of NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from whygap.process.loaders.loader import Loader
from whygap.process.stream import Batch


class ArrayLoader(Loader[Batch]):
    """Walk through a stream in NumPy arrays (x, y); see `Loader`.

    Examples
    --------
    >>> from whygap.process import Fresh, Stream, TeacherStudent
    >>> loader = ArrayLoader(Stream(process=TeacherStudent(), regime=Fresh(100), batch_size=32))
    >>> [x.shape for x, y in loader]
    [(32, 20), (32, 20), (32, 20), (4, 20)]
    >>> loader.epoch, loader.state_dict()
    (1, {'offset': 100})
    """

    def _batches(self, offsets: Sequence[int]) -> Iterator[Batch]:
        for some in self.stream.together(offsets):
            yield from self.stream.batches(some)
