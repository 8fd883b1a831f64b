"""The visits that are sampled: what the loader gave, what the model made of it, and how it scores after its own step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from whygap.adapters.epoch import Draw
from whygap.adapters.session import Session
from whygap.adapters.torch_batch import (
    Forward,
    copied,
    count_rows,
    cut,
    default_forward,
    device_of,
    has_rows,
    leaves,
    picked,
    to_device,
    versions_of,
)
from whygap.adapters.torch_scores import Functions, Seen, losses_at_visit, score_seen, seen_by_default
from whygap.adapters.torch_state import DROPOUT, Modes, Types, modes_of, preserved_module, seed_masks, set_modes
from whygap.observation import Array, Bools, Ints

SAME = 1e-3
"""Relative difference up to which scores of an example, alone and among others, count as equal."""


COMPANY = 16
"""Examples among which some are scored to see whether that makes a difference."""


@dataclass
class Visit:
    """A sampled batch, or some of its rows: everything in it is of the `n` rows held.

    `index` are their positions in the batch of `rows` examples, None where all are held, and `draw` tells which of all are to
    be held. `seen` is the model's output at the visit, or `scores` its scores where it isn't held; `change` is how far the step
    has moved the mean of the whole batch, and `after` holds the scores right after it where all rows are held. `told` is the
    mean of the whole batch's scores then, where it was looked at.
    """

    batch: Any
    rows: int
    n: int
    index: torch.Tensor | None = None
    seen: Seen | None = None
    scores: dict[str, Array] | None = None
    after: dict[str, Array] | None = None
    change: dict[str, float] | None = None
    told: dict[str, float] = field(default_factory=dict)
    is_checked: bool = False
    is_looked_at: bool = False
    draw: Draw | None = None
    loss: Array | None = None  # of the rows held, where it has a say in the draw
    is_sure: Bools | None = None  # of the rows held, those that are so for their loss
    versions: tuple[int, ...] | None = None  # of the loop's own tensors, where those are held until the visit

    def choose(self) -> None:
        """Hold of the whole batch the rows that were drawn."""
        if self.draw is not None and self.index is None:
            rows, self.is_sure = self.draw.rows(self.loss)
            self.pick(rows)

    def keep(self, n: int) -> None:
        """Hold only `n` of the rows held, drawn as those were."""
        if n >= self.n or self.draw is None or self.index is None:
            return
        held = self.index.numpy()
        at = np.zeros(self.rows, dtype=np.int64)
        at[held] = np.arange(held.size)
        if self.is_sure is not None and self.loss is not None:
            of_all = np.full(self.rows, -np.inf)
            of_all[held] = self.loss
            rows, self.is_sure = self.draw._replace(n=n, top=n // 2).rows(of_all)
        else:
            rows = self.draw.order[:n]
        index = torch.from_numpy(at[rows])
        self.index, self.n, self.batch = self.index[index], n, picked(self.batch, index)
        if self.seen is not None:
            self.seen = Seen(picked(self.seen.output, index), picked(self.seen.target, index), n)
        self.scores = None if self.scores is None else {name: values[at[rows]] for name, values in self.scores.items()}
        self.loss = None if self.loss is None else self.loss[at[rows]]
        self.after = None

    def pick(self, rows: Ints) -> None:
        """Hold these rows of the whole batch and no others."""
        self.index = torch.from_numpy(rows)
        self.n = len(rows)
        self.batch = picked(self.batch, self.index)
        if self.seen is not None:
            self.seen = Seen(picked(self.seen.output, self.index), picked(self.seen.target, self.index), self.n)
        self.scores = None if self.scores is None else {name: values[rows] for name, values in self.scores.items()}
        self.loss = None if self.loss is None else self.loss[rows]
        self.after = None


class Onlooker:
    """Watches the model at sampled visits, without a trace.

    Parameters
    ----------
    model : torch.nn.Module
    forward : callable
        As in `Meter`.
    functions : mapping of str to callable
        Per-example scores by name.
    session : Session
    """

    def __init__(self, model: torch.nn.Module, forward: Forward, functions: Functions, session: Session) -> None:
        self._model = model
        self._forward = forward
        self._functions = functions
        self._session = session
        self.modes: Modes = {}  # as they were at the first sampled visit of the epoch
        # whether train mode, but for these types, was the same as eval mode, and the modes in which that was looked at
        self.same: dict[Types, tuple[Modes, bool]] = {}
        self._is_altered = False  # whether loop or model write into batches

    def hold(self, batch: Any, rows: int, draw: Draw | None, *, is_checked: bool, is_looked_at: bool = False) -> Visit:
        """Copy a batch that is about to be visited, or the rows of it that were drawn; all of it where it is checked.

        Where the losses at the visit have a say in the draw, nothing is copied before it.
        """
        draw = draw if has_rows(batch, rows) else None
        if draw is None or is_checked:
            checked = versions_of(batch) if is_checked else None
            visit = Visit(copied(batch), rows, rows, is_checked=is_checked, is_looked_at=is_looked_at, versions=checked)
            visit.draw = draw
        elif draw.top and not self._is_altered:
            visit = Visit(batch, rows, rows, draw=draw, versions=versions_of(batch))
        else:
            index = torch.from_numpy(draw.rows()[0])
            visit = Visit(picked(batch, index), rows, draw.n, index=index, draw=draw)
        return visit

    def watch(self, visit: Visit, batch: Any) -> torch.utils.hooks.RemovableHandle:
        """Have the model's next output noted: that is the visit. A second forward pass on the same batch isn't it."""
        session, ledger = self._session, self._session.ledger

        def note(module: torch.nn.Module, given: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
            handle.remove()
            began = ledger.clock()
            try:
                if not self.modes:
                    self.modes = modes_of(module)
                with torch.no_grad():
                    self._note(visit, batch, (given, named), output)
            except Exception as error:
                session.fail("scoring a visit", error)
            ledger.spend("looks" if visit.is_looked_at else "visits", ledger.clock() - began)

        handle = self._model.register_forward_hook(note, with_kwargs=True)
        return handle

    def _note(self, visit: Visit, batch: Any, given: Any, output: Any) -> None:
        if not visit.is_checked and self._forward is default_forward:
            seen: Seen | None = seen_by_default(output, batch, visit.rows)
        else:
            with self._session.preserved():
                seen = self.pair(
                    *((visit.batch, output, visit.rows, given) if visit.is_checked else (batch, output, visit.rows))
                )
        if visit.versions != (None if visit.versions is None else versions_of(batch)):
            self._is_altered = True
            if not visit.is_checked:
                self._session.tell("holding a batch", "it was written into before the model had seen it, as never before")
        if seen is None:
            return
        if visit.is_checked:
            with self._session.preserved():
                scores = score_seen(self._functions, seen)
            visit.told = {name: float(values.mean()) for name, values in scores.items()}
        if visit.draw is not None and visit.draw.top and visit.index is None:
            visit.loss = losses_at_visit(self._functions, seen, self._session.preserved)
        if not visit.is_checked:
            visit.choose()
        if seen.is_light:
            visit.seen = seen.held(visit.index)
            return
        if not visit.is_checked:
            with self._session.preserved():
                scores = score_seen(self._functions, seen)
        visit.scores = scores if visit.index is None else {name: values[visit.index.numpy()] for name, values in scores.items()}

    def pair(self, batch: Any, output: Any, rows: int, given: Any = None) -> Seen | None:
        """Return output and target by letting `forward` believe that it called the model itself; None where it can't be.

        Where `given` is what the model was really called with, that is compared with what `forward` would have given it.
        """
        asked: list[Any] = []

        def replay(*arguments: Any, **named: Any) -> Any:
            asked.append((arguments, named))
            return output

        try:
            result, target = self._forward(replay, to_device(batch, device_of(self._model)))
        except AttributeError:
            return None  # a forward that uses more of the model than its call: nothing to compare with
        if len(asked) != 1:
            return None
        if given is not None:
            ours, theirs = list(leaves(asked[0])), list(leaves(given))
            if len(ours) != len(theirs) or not all(_is_equal(a, b) for a, b in zip(ours, theirs, strict=True)):
                text = "the loop gives the model something else than the loader's batch: pass forward=, which does the same"
                self._session.tell("comparing inputs", text)
        return Seen(result, target, rows)

    def score(self, batch: Any, functions: Functions | None = None, model: Any = None) -> dict[str, Array]:
        """Return the scores of a batch with the weights and in the modes of this moment."""
        output, target = self._forward(model or self._model, to_device(batch, device_of(self._model)))
        return score_seen(functions or self._functions, Seen(output, target, count_rows(batch)))

    def look_after_step(self, visit: Visit, seed: int) -> None:
        """Score the visit's rows in train mode once more: its own step has just been taken."""
        with self._in_training(seed):
            visit.after = self.score(visit.batch)
        visit.change = {
            name: float(after.mean()) - visit.told[name] for name, after in visit.after.items() if name in visit.told
        }

    def are_rows_alone(self, visit: Visit, seed: int) -> bool:
        """Return whether an example's scores don't depend on the others in its batch, but for dropout.

        They do with batch norm, and with losses that contrast the examples of a batch. A few rows tell it.
        """
        if not has_rows(visit.batch, visit.rows):
            return False
        some = cut(visit.batch, COMPANY)
        n = -(-count_rows(some) // 4)
        with self._in_training(seed):
            set_modes(self._model, self.modes, in_eval=DROPOUT)
            among, alone = self.score(some), self.score(cut(some, n))
        return all(
            np.allclose(alone[name], values[:n], rtol=SAME, atol=SAME * float(np.abs(values).mean()), equal_nan=True)
            for name, values in among.items()
        )

    @contextmanager
    def _in_training(self, seed: int) -> Iterator[None]:
        with preserved_module(self._model):
            seed_masks(seed)
            set_modes(self._model, self.modes)
            yield


def _is_equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.shape == b.shape and torch.equal(a.to(b), b)
    return type(a) is type(b)
