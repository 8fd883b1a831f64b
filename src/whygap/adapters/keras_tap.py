"""See what goes through a Keras model's compiled step without touching it: the batches, the state before, the logs after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

_NOTHING = object()


class Peekable:
    """An iterator whose next item can be looked at beforehand; its errors are raised where they would have been anyway."""

    def __init__(self, iterator: Iterator[Any]) -> None:
        self._iterator = iterator
        self._next: Any = _NOTHING
        self._error: BaseException | None = None
        self.taken: list[Any] = []

    def peek(self) -> Any:
        """Return the next item, or None where there is none or its making fails."""
        if self._next is _NOTHING and self._error is None:
            try:
                self._next = next(self._iterator)
            except BaseException as error:  # kept for __next__, where the training loop expects it
                self._error = error
        return None if self._error is not None else self._next

    def __iter__(self) -> Peekable:
        return self

    def __next__(self) -> Any:
        self.peek()
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        item, self._next = self._next, _NOTHING
        self.taken.append(item)
        return item


class Tap:
    """Stands in the place of `model.train_function` or `model.test_function` and calls it unchanged.

    Parameters
    ----------
    model : keras.Model
    name : str
        The attribute to stand in for.
    before : callable
        `before(state, batch)`, with the raw state on JAX and None on torch, and the batch that is about to be stepped on.
    after : callable
        `after(batches, logs)`, with all batches of the call (several under steps_per_execution).
    """

    def __init__(
        self, model: Any, name: str, *, before: Callable[[Any, Any], None], after: Callable[[list[Any], Any], None]
    ) -> None:
        self._model, self._name = model, name
        self._before, self._after = before, after
        self.function = getattr(model, name)
        # Each fit gives the model a new History. A fit that was interrupted between two steps tells its callbacks nothing, and
        # leaves this tap behind: by the next one it knows that its time is over.
        self._history = getattr(model, "history", None)
        setattr(model, name, self)

    def __call__(self, *arguments: Any) -> Any:
        if getattr(self._model, "history", None) is not self._history:
            self.remove()
            return self.function(*arguments)
        try:
            if len(arguments) == 2:  # JAX: (state, iterator) -> (logs, state)
                state, batches = arguments[0], Peekable(arguments[1])
                first = batches.peek()
                if first is not None:
                    self._before(state, first)
                result = self.function(state, batches)
                self._after(batches.taken, result[0])
            else:  # torch: ([batch],) -> logs
                self._before(None, arguments[0][0])
                result = self.function(*arguments)
                self._after(list(arguments[0]), result)
        except BaseException:
            self.remove()  # the run ends here; nothing of ours may stay on the model
            raise
        return result

    def remove(self) -> None:
        """Put the function back."""
        if getattr(self._model, self._name, None) is self:
            setattr(self._model, self._name, self.function)
