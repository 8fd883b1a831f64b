"""Batches for `model.fit` of Keras."""

from __future__ import annotations

import os
from collections.abc import Mapping

os.environ.setdefault("KERAS_BACKEND", "jax")
try:
    import keras
except ImportError as error:
    from whygap.errors import MissingPackageError

    raise MissingPackageError(
        f"whygap.process.loaders.keras needs Keras 3.6 or newer and a backend ({error}): pip install 'whygap[keras]'"
    ) from error

from whygap.errors import InputError
from whygap.process.loaders.loader import check_offset, offset_in
from whygap.process.stream import Batch, Stream


class KerasLoader(keras.utils.PyDataset):  # type: ignore[misc]  # Keras ships no types
    """The batches of an epoch of a stream, and after it of the next: `model.fit(KerasLoader(stream), shuffle=False)`.

    With Keras' default, `shuffle=True`, the batches of an epoch come in an order that Keras draws: the same examples in the
    same batches. There is no option for workers: with Keras' own, some batches of the first epoch come twice and others are
    left out (Keras 3.15: the queue isn't emptied after Keras has looked at the first batch to build the model). Instead some
    batches are drawn ahead in one go.

    Keras sets the length of an epoch when `fit` begins. To go on in mid-epoch, finish that epoch by a `fit` of its own:
    `fit(loader, initial_epoch=e, epochs=e + 1)`. An epoch that `fit` left early begins anew in the next `fit`; so does one of a
    single batch after Keras' look at it, and is then epoch 1.

    Parameters
    ----------
    stream, offset
        As in `Loader`.

    Raises
    ------
    InputError
        If the offset is no number of examples.

    Examples
    --------
    >>> from whygap.process import Fresh, TeacherStudent
    >>> loader = KerasLoader(Stream(process=TeacherStudent(), regime=Fresh(100), batch_size=32))
    >>> [loader[batch][1].shape for batch in range(len(loader))]
    [(32,), (32,), (32,), (4,)]
    >>> loader.on_epoch_end()
    >>> loader.epoch, loader.state_dict()
    (1, {'offset': 100})
    """

    def __init__(self, stream: Stream, *, offset: int = 0) -> None:
        super().__init__()
        self.stream = stream
        self._go_to(check_offset(stream, offset))

    def _go_to(self, offset: int) -> None:
        self._offsets = list(self.stream.offsets(offset))
        self._asked: set[int] = set()
        self._last = -1
        self._is_in_order = True
        self._ahead: dict[int, Batch] = {}

    @property
    def epoch(self) -> int:
        """The epoch in hand, from 0."""
        return self.stream.epoch(self._offsets[0])

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of an epoch, or stay where the loader is if it is the one in hand.

        Raises
        ------
        InputError
            If the epoch is negative.
        """
        if epoch != self.epoch:
            self._go_to(self.stream.offset(epoch))

    def state_dict(self) -> dict[str, int]:
        """Return the offset after the batch that was asked for last.

        Raises
        ------
        InputError
            If Keras has shuffled the batches and this is the middle of an epoch: no one number tells which are left.
        """
        if not self._is_in_order and not self._is_done:
            raise InputError("Keras shuffles the batches: for a state in mid-epoch call fit with shuffle=False")
        last = len(self._offsets) - 1 if self._is_done else self._last
        return {"offset": self.stream.after(self._offsets[last]) if last >= 0 else self._offsets[0]}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on where a loader stood when it gave this state.

        Raises
        ------
        InputError
            If there is no offset in it.
        """
        self._go_to(offset_in(state, self.stream))

    @property
    def _is_done(self) -> bool:
        return len(self._asked) == len(self._offsets)

    def __len__(self) -> int:
        """Return the batches that are left of the epoch in hand since the loader was made or resumed."""
        return len(self._offsets)

    def __getitem__(self, batch: int) -> Batch:
        if not 0 <= batch < len(self._offsets):
            raise IndexError(f"there are {len(self._offsets)} batches, and none with number {batch}")
        if batch in self._asked and self._is_in_order:
            if self._is_done:
                self.on_epoch_end()
            self._asked = set()  # from the start again, as after Keras' look at the first batch
            self._last = -1
        is_next = batch == self._last + 1
        self._is_in_order = is_next and (self._is_in_order or not self._asked)
        self._asked.add(batch)
        self._last = batch
        if batch not in self._ahead:
            some = next(self.stream.together(self._offsets[batch:])) if is_next else [self._offsets[batch]]
            self._ahead = dict(enumerate(self.stream.batches(some), start=batch))
        return self._ahead[batch]

    def on_epoch_end(self) -> None:
        """Go to the next epoch, once every batch of this one has been asked for: Keras also calls it after a first look."""
        if self._is_done:
            self._go_to(self.stream.after(self._offsets[-1]))
