"""Rows for the `datasets` package of Hugging Face."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

try:
    import datasets
except ImportError as error:
    from whygap.errors import MissingPackageError

    raise MissingPackageError(
        "whygap.process.loaders.hugging_face needs datasets 3 or newer: pip install 'whygap[huggingface]'"
    ) from error

from whygap.errors import InputError
from whygap.process.loaders.loader import check_offset
from whygap.process.regimes import check_count
from whygap.process.stream import Stream


def iterable_dataset(stream: Stream, *, offset: int = 0, epochs: int | None = None, n_shards: int = 1) -> Any:
    """Return a stream as a `datasets.IterableDataset` with the columns "x" and "y".

    It runs through epoch after epoch by itself; `set_epoch` has nothing to do. Walked over a second time it begins where it
    began: leave `epochs` out, and say how long to train by steps (`max_steps` of a Trainer).

    With one shard the rows come in the stream's order. Workers need a shard each: shard s holds every `n_shards`-th batch from
    the s-th. All rows are there exactly once, whatever reads the shards, and a DataLoader with one worker for each and the
    stream's batch size keeps the order, too, while batches are full. Who has several shards reads one to its end before the
    next: so only one shard can be endless. Ranks are the stream's own, or `datasets.distributed.split_dataset_by_node`'s.

    Its own `state_dict` counts rows and finds its place by making those before it again; an `offset` costs nothing.

    Parameters
    ----------
    stream, offset
        As in `Loader`.
    epochs : int, optional
        Ends of epochs after which it stops; without an end by default.
    n_shards : int
        Parts that workers or ranks can read apart.

    Raises
    ------
    InputError
        If the offset is no number of examples, a count isn't 1 or more, or several shards have no end.

    Examples
    --------
    >>> from whygap.process import Fresh, Stream, TeacherStudent
    >>> rows = iterable_dataset(Stream(process=TeacherStudent(), regime=Fresh(100), batch_size=32), epochs=2)
    >>> sum(1 for row in rows)
    200
    """
    check_offset(stream, offset)
    check_count("n_shards", n_shards)
    if epochs is not None:
        check_count("epochs", epochs)
    elif n_shards > 1:
        raise InputError(f"of {n_shards} endless shards a reader would never come to its second: say how many epochs")
    given = {"stream": stream, "offset": offset, "epochs": epochs, "n_shards": n_shards, "shards": list(range(n_shards))}
    return datasets.IterableDataset.from_generator(_rows, gen_kwargs=given)


def _rows(stream: Stream, offset: int, epochs: int | None, n_shards: int, shards: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Yield the rows of some shards, one shard's batch after the other's."""
    number, end = 0, None if epochs is None else stream.epoch(offset) + epochs
    while end is None or stream.epoch(offset) < end:
        own = []
        for at in stream.offsets(offset):
            if number % n_shards in shards:
                own.append(at)
            number, offset = number + 1, stream.after(at)
        for some in stream.together(own):
            for x, y in stream.batches(some):
                yield from ({"x": one, "y": other} for one, other in zip(x, y, strict=True))
