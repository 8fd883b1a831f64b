"""The visits that are sampled: what the loader gave, what the model made of it, and how it scores after its own step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch

from whygap.adapters.budget import Plan
from whygap.adapters.epoch import Draw, rows_of
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
from whygap.adapters.torch_scores import Functions, Seen, classes_of, score_all, score_seen, seen_by_default
from whygap.adapters.torch_state import DROPOUT, Modes, Types, modes_of, preserved_module, seed_masks, set_modes
from whygap.observation import Array, Ints

SAME = 1e-3
"""Relative difference up to which scores of an example, alone and among others, count as equal."""


COMPANY = 16
"""Examples among which some are scored to see whether that makes a difference."""


WAITING_BYTES = 2**26
"""Of all batches of an epoch that wait for its end as a whole: with more, the rows are drawn as they come."""

FEWEST_WAITING = 16
"""Batches that must fit into that, or else more of them tell more."""

HEAVIEST = 2**18
"""Numbers in an output beyond which the loop's own isn't held."""


class Loops(NamedTuple):
    """A nest of tensors that are the loop's own, and how often each had been written into."""

    tensors: Any
    versions: tuple[int, ...]

    @classmethod
    def of(cls, tensors: Any) -> Loops:
        """Note them as they are at this moment."""
        return cls(tensors, versions_of(tensors))

    @property
    def are_unaltered(self) -> bool:
        """Whether nobody has written into them since."""
        return self.versions == versions_of(self.tensors)


@dataclass
class Visit:
    """A sampled batch of `rows` examples, or the `n` of them that are held.

    `draw` tells which those are to be, None for all. Until `choose` is called the visit waits: everything in it is of the
    whole batch, and `index` is None; afterwards it is of the rows at `index` alone, which were drawn with the chances
    `chance`, None where all had the same, and `means` are the whole batch's mean scores. The batch itself stays whole where
    rows were drawn at the end of an epoch: of it, `picks` are then those that count. `seen` is the model's output at the
    visit, or `scores` its scores where it isn't held. `after` holds the scores right after the step, `change` is how far that
    has moved the mean of the whole batch, and `told` that mean at the visit, where it was looked at. `loops` is what may not
    be written into: what is held and no copy, or what is checked. `output` is what a glance has noted, and how often it had
    been written into: `sound` makes `seen` of it.
    """

    batch: Any
    rows: int
    n: int
    draw: Draw | None = None
    is_checked: bool = False
    is_looked_at: bool = False
    index: Ints | None = None
    seen: Seen | None = None
    scores: dict[str, Array] | None = None
    after: dict[str, Array] | None = None
    change: dict[str, float] | None = None
    told: dict[str, float] = field(default_factory=dict)
    chance: Array | None = None
    means: dict[str, float] = field(default_factory=dict)
    classes: Ints | None = None
    picks: torch.Tensor | None = None
    loops: Loops | None = None
    output: tuple[torch.Tensor, int] | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether rows are still to be drawn."""
        return self.draw is not None and self.index is None

    def choose(self) -> None:
        """Hold the rows drawn, where all have the same chance."""
        if self.draw is not None:
            self.index = self.draw.order[: self.draw.n]
            if self.scores is not None:
                self.means = {name: float(values.mean()) for name, values in self.scores.items()}
            self._pick(self.index)
            self.loops = None

    def keep(self, n: int) -> None:
        """Hold only the first `n` of the rows held."""
        if n < self.n:
            self.index = None if self.index is None else self.index[:n]
            self._pick(np.arange(n))

    def _pick(self, rows: Ints) -> None:
        index = torch.from_numpy(rows)
        self.n = len(rows)
        self.batch = picked(self.batch, index)
        if self.seen is not None:
            self.seen = Seen(picked(self.seen.output, index), picked(self.seen.target, index), self.n)
        self.scores = None if self.scores is None else {name: values[rows] for name, values in self.scores.items()}
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
        self._is_altered = False  # whether loop or model write into batches or outputs
        self._may_wait = False
        self._plain: Any = None  # the type of batches that are tensors side by side and may be held without a copy
        self._handle: torch.utils.hooks.RemovableHandle | None = None  # of the hook by which `watch` waits for an output
        self._glance = self._glancing()
        self._glance_handle: torch.utils.hooks.RemovableHandle | None = None
        self._glanced: Visit | None = None  # whose output `glance` waits for
        self.noted_s = 0.0  # what noting those took in this epoch

    def begin(self, batch: Any, plan: Plan) -> Plan:
        """Begin an epoch of batches like this one; return the plan with no more of them than can wait for its end.

        Where that would be too few, as with large batches, or on a device, whose memory is scarce, rows are drawn as they come.
        """
        self.noted_s = 0.0
        is_on_cpu = all(leaf.is_cpu for leaf in leaves(batch) if isinstance(leaf, torch.Tensor))
        self._plain = None
        room = WAITING_BYTES // max(1, _bytes_of(batch)) if is_on_cpu else 0
        if room >= FEWEST_WAITING:
            plan = plan.within(room)
        self._may_wait = plan.batches is not None and plan.batches <= room
        return plan

    def hold(self, batch: Any, rows: int, draw: Draw | None, *, is_checked: bool, is_looked_at: bool = False) -> Visit:
        """Keep a batch that is about to be visited: all of it where it is checked, or where the rows are drawn later."""
        draw = draw if has_rows(batch, rows) else None
        if draw is None or is_checked:
            visit = Visit(copied(batch), rows, rows, draw, is_checked, is_looked_at)
            if is_checked:
                visit.loops = Loops.of((batch,))
        elif not self._may_wait:
            visit = Visit(batch, rows, rows, draw)
            visit.choose()  # which copies
        elif self._is_altered or not is_safe(batch):
            visit = Visit(copied(batch), rows, rows, draw)
        else:
            visit = Visit(batch, rows, rows, draw, loops=Loops.of((batch,)))
        return visit

    def glance(self, batch: Any, rows: int, draw: Draw | None) -> Visit | None:
        """Hold a batch like the first and have the model's next output noted; None where that takes `hold` and `watch`.

        Amid a training every line is slow: what can be seen to in `sound` isn't seen to here. The memory of a loader's batches
        is taken to be of one kind.
        """
        if type(batch) is not self._plain or draw is None or self._is_altered:
            return None
        versions = []
        for tensor in batch:
            if type(tensor) is not torch.Tensor or tensor.is_inference():
                return None
            versions.append(tensor._version)
        self._glanced = visit = Visit(batch, rows, rows, draw, loops=Loops(batch, tuple(versions)))
        if self._glance_handle is None:
            self._glance_handle = self._model.register_forward_hook(self._glance)
        else:  # puts the same hook back in its place: registering one takes five times as long
            self._model._forward_hooks[self._glance_handle.id] = self._glance
        return visit

    def _glancing(self) -> Callable[..., None]:
        """Return the hook of `glance`: a function, as whoever copies the model would copy what a method belongs to."""
        session, clock = self._session, self._session.ledger.clock

        def note(_: torch.nn.Module, given: tuple[Any, ...], output: Any) -> None:
            began = clock()
            visit = self._glanced
            self.look_away()
            if visit is None or visit.loops is None:
                return
            try:
                if type(output) is torch.Tensor and output.is_cpu and output.numel() <= HEAVIEST:
                    visit.output = output.detach(), output._version
                    if tuple([tensor._version for tensor in visit.batch]) != visit.loops.versions:
                        self._is_altered = True  # the visit is left out when the epoch ends
                else:
                    with torch.no_grad():
                        self._note(visit, visit.batch, (given, {}), output)
            except Exception as error:
                session.fail("scoring a visit", error)
            self.noted_s += clock() - began

        return note

    def watch(self, visit: Visit, batch: Any) -> None:
        """Have the model's next output noted: that is the visit. A second forward pass on the same batch isn't it."""
        session, ledger = self._session, self._session.ledger

        def note(module: torch.nn.Module, given: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
            self.look_away()
            began = ledger.clock()
            try:
                if not self.modes:
                    self.modes = modes_of(module)
                with torch.no_grad():
                    self._note(visit, batch, (given, named), output)
            except Exception as error:
                session.fail("scoring a visit", error)
            took = ledger.clock() - began
            ledger.spend("looks" if visit.is_looked_at else "seldom" if visit.is_checked else "visits", took)

        self._handle = self._model.register_forward_hook(note, with_kwargs=True)

    def look_away(self) -> None:
        """Wait for no output any more."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None
        if self._glanced is not None and self._glance_handle is not None:
            self._glance_handle.remove()
            self._glanced = None

    def _note(self, visit: Visit, batch: Any, given: Any, output: Any) -> None:
        if not visit.is_checked and self._forward is default_forward:
            seen: Seen | None = seen_by_default(output, batch, visit.rows)
        else:
            with self._session.preserved():
                seen = self.pair(
                    *((visit.batch, output, visit.rows, given) if visit.is_checked else (batch, output, visit.rows))
                )
        if visit.loops is not None and not visit.loops.are_unaltered:
            self._is_altered = True  # what held them is left out when the epoch ends
        if seen is None:
            return
        if visit.is_checked:
            with self._session.preserved():
                scores = score_seen(self._functions, seen)
            visit.told = {name: float(values.mean()) for name, values in scores.items()}
            visit.loops = Loops.of((batch, *seen.detached()[:2]))
        if seen.is_light:
            if visit.loops is None or visit.is_checked or seen.n_numbers > HEAVIEST:
                visit.seen = seen.held(None if visit.index is None else torch.from_numpy(visit.index))
            elif visit.loops.are_unaltered:
                visit.seen = seen.detached()
                visit.loops = Loops.of((visit.batch, *visit.seen[:2]))
                is_plain = isinstance(batch, (tuple, list)) and all(type(t) is torch.Tensor for t in batch)
                self._plain = type(batch) if is_plain and self._forward is default_forward else None
            return
        if not visit.is_checked:
            with self._session.preserved():
                scores = score_seen(self._functions, seen)
        visit.scores = scores if visit.index is None else {name: values[visit.index] for name, values in scores.items()}

    def end_step(self, visit: Visit, *, is_whole: bool) -> None:
        """Note whether the step has written into a batch that is checked, and draw what can't wait until the epoch ends.

        Contents are compared, too: what is written through an array of another library no tensor counts.
        """
        if visit.loops is not None:
            is_same = all(map(_is_equal, leaves(visit.batch), leaves(visit.loops.tensors[0])))
            self._is_altered = self._is_altered or not is_same or not visit.loops.are_unaltered
            visit.loops = None
        if not self._may_wait and not is_whole:
            visit.choose()

    def sound(self, visits: Sequence[tuple[int, int, Visit]]) -> list[tuple[int, int, Visit]]:
        """Return the sampled visits without those that hold something of the loop which was written into after all."""
        sound = [item for item in visits if self._is_sound(item[2])]
        if len(sound) == len(visits):
            return sound
        self._is_altered = True
        many = f"{len(visits) - len(sound)} of {len(visits)} batches were written into"
        self._session.tell("holding batches", f"{many}, as never before: they are left out, and copied from now on")
        return [(at, first if k else 0, visit) for k, (at, first, visit) in enumerate(sound)]

    def _is_sound(self, visit: Visit) -> bool:
        """Return whether nothing that the visit holds was written into; of a visit at a glance, note what it has seen."""
        if visit.loops is not None and not visit.loops.are_unaltered:
            return False
        if visit.output is not None:
            output, version = visit.output
            if output._version != version:
                return False
            visit.output, seen = None, Seen(output, visit.batch[-1], visit.rows).in_full()
            if not has_rows(visit.batch, visit.rows):
                visit.draw = None
            if seen.is_light:
                visit.seen = seen
            else:
                visit.scores = score_seen(self._functions, seen)
        return True

    def draw(self, visits: Sequence[Visit], n: int | None) -> None:
        """Draw the rows of the visits that wait, at most `n` of each; all of these are scored at once first."""
        waiting = [visit for visit in visits if visit.is_waiting]
        seen = [visit for visit in waiting if visit.seen is not None]
        if seen:
            scores = score_all(self._functions, [visit.seen.in_full() for visit in seen if visit.seen])
            ends = np.cumsum([visit.rows for visit in seen])
            for visit, end in zip(seen, ends.tolist(), strict=True):
                visit.classes = classes_of(visit.seen.target, visit.rows) if visit.seen else None
                visit.seen, visit.scores = None, {name: all_[end - visit.rows : end] for name, all_ in scores.items()}
        alike: dict[tuple[int, int, bool], list[Visit]] = {}
        for visit in waiting:
            if visit.draw is not None:
                visit.draw = visit.draw.at_most(n)
                alike.setdefault((visit.rows, visit.draw.n, visit.scores is None), []).append(visit)
        for together in alike.values():
            self._draw_alike(together)

    def _draw_alike(self, visits: Sequence[Visit]) -> None:
        """Draw as many rows of each of some visits that wait, either all or none with their scores."""
        have_scores = visits[0].scores is not None
        scores = {name: np.stack([v.scores[name] for v in visits if v.scores]) for name in self._functions if have_scores}
        rows, chance = rows_of([v.draw for v in visits if v.draw], scores.get(next(iter(self._functions))))
        means = {name: of_all.mean(axis=1).tolist() for name, of_all in scores.items()}
        scores = {name: np.take_along_axis(of_all, rows, axis=1) for name, of_all in scores.items()}
        picks = torch.from_numpy(rows)
        for k, visit in enumerate(visits):
            visit.index, visit.picks, visit.n = rows[k], picks[k], rows.shape[1]
            visit.chance = None if chance is None else chance[k]
            if have_scores:
                visit.scores = {name: of_rows[k] for name, of_rows in scores.items()}
                visit.means = {name: of_visits[k] for name, of_visits in means.items()}
            visit.after = visit.loops = None

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


def is_safe(batch: Any) -> bool:
    """Return whether a batch can be held without a copy: its memory is PyTorch's own, on this machine and for this process.

    Of an array of another library, and in inference mode, nobody tells whether it was written into; and memory that is shared
    with the processes of a loader is scarce.
    """
    for tensor in leaves(batch):
        if not isinstance(tensor, torch.Tensor) or not tensor.is_cpu or tensor.is_inference():
            return False
        storage = tensor.untyped_storage()
        if not storage.resizable() or storage.is_shared():
            return False
    return True


def _bytes_of(batch: Any) -> int:
    return sum(leaf.numel() * leaf.element_size() for leaf in leaves(batch) if isinstance(leaf, torch.Tensor))


def _is_equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.shape == b.shape and torch.equal(a.to(b), b)
    return type(a) is type(b)
