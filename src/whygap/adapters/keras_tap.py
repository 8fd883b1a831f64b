"""See what goes through a Keras model's compiled step without touching it: the batches, the state before, what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Batch = tuple[Any, ...]
Peek = Callable[[], Any]
_NOTHING = object()


class Peekable:
    """An iterator whose next item can be looked at beforehand; its errors are raised where they would have been anyway."""

    def __init__(self, iterator: Iterator[Any]) -> None:
        self.iterator = iterator
        self._next: Any = _NOTHING
        self._error: BaseException | None = None
        self.taken: list[Any] = []

    def peek(self) -> Any:
        """Return the next item, or None where there is none or its making fails."""
        if self._next is _NOTHING and self._error is None:
            try:
                self._next = next(self.iterator)
            except BaseException as error:  # kept for __next__, where the training loop expects it
                self._error = error
        return None if self._error is not None else self._next

    def __iter__(self) -> Peekable:
        return self

    def __next__(self) -> Any:
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        if self._next is _NOTHING:
            item = next(self.iterator)
        else:
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
        `before(state, peek)`, with the raw state on JAX and None on torch; `peek()` is the batch that is about to be stepped
        on, or None where there is none.
    wants : callable
        `wants()` tells, once for every call, whether it is to be seen. Others pass, and cost no more than the question.
    ended : callable
        `ended()` is called where the data ended within a call: it was none.
    after : callable
        `after(batches, logs, state)`, with all batches of the call (several under steps_per_execution) and the state after it.
    """

    def __init__(
        self,
        model: Any,
        name: str,
        *,
        before: Callable[[Any, Peek], None],
        after: Callable[[list[Batch], Any, Any], None],
        wants: Callable[[], bool] = lambda: True,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._model, self._name = model, name
        self._before, self._after, self._wants, self._ended = before, after, wants, ended
        self._batches = Peekable(iter(()))
        self.function = getattr(model, name)
        # Each fit gives the model a new History. A fit that was interrupted between two steps tells its callbacks nothing, and
        # leaves this tap behind: at a call that is to be seen it knows by the next one that its time is over.
        self._history = vars(model).get("history")
        setattr(model, name, self)

    def __call__(self, *arguments: Any) -> Any:
        try:
            if not self._wants():
                return self.function(*arguments)
            if vars(self._model).get("history") is not self._history:
                self.remove()
                return self.function(*arguments)
            if len(arguments) == 2:  # JAX: (state, iterator) -> (logs, state)
                state, iterator = arguments
                batches = self._batches
                if batches.iterator is not iterator:
                    batches = self._batches = Peekable(iterator)
                self._before(state, batches.peek)
                result = self.function(state, batches)
                taken, batches.taken = batches.taken, []
                self._after(taken, *result)
            else:  # torch: ([batch],) -> logs
                taken = list(arguments[0])
                self._before(None, lambda: taken[0])
                result = self.function(*arguments)
                self._after(taken, result, None)
        except StopIteration:  # how an epoch ends whose length nobody knew
            self._ended()
            raise
        except BaseException:
            self.remove()  # the run ends here; nothing of ours may stay on the model
            raise
        return result

    def remove(self) -> None:
        """Put the function back."""
        if getattr(self._model, self._name, None) is self:
            setattr(self._model, self._name, self.function)
