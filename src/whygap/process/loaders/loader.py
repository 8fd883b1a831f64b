"""What the loaders have in common: a place in a stream that moves on as batches are handed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from whygap.errors import InputError
from whygap.process.stream import Stream

B = TypeVar("B")


class Loader(Generic[B]):
    """Walk through a stream, an epoch at a time.

    Each `for` loop hands over the batches from where the loader stands to the end of that epoch; a loop that was left early is
    taken up where it was left. No example is skipped and, in the fresh regime, none comes twice, whatever the loop does.

    Parameters
    ----------
    stream : Stream
        The sequence.
    offset : int
        Where to begin, such as a saved `state_dict()["offset"]`.

    Raises
    ------
    InputError
        If the offset is no number of examples.
    """

    def __init__(self, stream: Stream, *, offset: int = 0) -> None:
        self.stream = stream
        self._offset = check_offset(stream, offset)

    @property
    def offset(self) -> int:
        """Examples, over all ranks, that lie before the next batch: the loader's whole state."""
        return self._offset

    @property
    def epoch(self) -> int:
        """The epoch, from 0, of the next batch."""
        return self.stream.epoch(self._offset)

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of an epoch, or stay where the loader is if it is the one in hand.

        There is no need to: the loader moves on by itself. It is there for training loops that call it.

        Raises
        ------
        InputError
            If the epoch is negative.
        """
        if epoch != self.epoch:
            self._offset = self.stream.offset(epoch)

    def state_dict(self) -> dict[str, int]:
        """Return the offset after the batch that was handed over last."""
        return {"offset": self._offset}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on where a loader stood when it gave this state.

        Raises
        ------
        InputError
            If there is no offset in it.
        """
        self._offset = offset_in(state, self.stream)

    def __len__(self) -> int:
        """Return the batches of a whole epoch."""
        return self.stream.n_batches

    def __iter__(self) -> Iterator[B]:
        offsets = list(self.stream.offsets(self._offset))
        for offset, batch in zip(offsets, self._batches(offsets), strict=True):
            self._offset = self.stream.after(offset)  # before the batch is trained on: a state saved after it counts it
            yield batch

    def _batches(self, offsets: Sequence[int]) -> Iterator[B]:
        """Yield the batches at the offsets, in this order."""
        raise NotImplementedError


def check_offset(stream: Stream, offset: Any) -> int:
    """Return an offset as an integer.

    Raises
    ------
    InputError
        If it is no number of examples.
    """
    stream.epoch(offset)
    return int(offset)


def offset_in(state: Any, stream: Stream) -> int:
    """Return the offset that a state holds.

    Raises
    ------
    InputError
        If there is none in it.
    """
    if not isinstance(state, Mapping) or "offset" not in state:
        raise InputError(f'a loader\'s state is {{"offset": examples}}, not {state!r}')
    return check_offset(stream, state["offset"])
