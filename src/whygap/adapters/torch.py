"""The meter for any PyTorch training loop."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import numpy as np

try:
    import torch
except ImportError as error:
    from whygap.errors import MissingPackageError

    raise MissingPackageError("whygap.adapters.torch needs PyTorch: pip install 'whygap[torch]'") from error

from whygap.adapters.epoch import (
    ROUNDING,
    Budget,
    EpochLog,
    Held,
    Reported,
    Scored,
    ValidScored,
    check_budget,
    count_evaluations,
    observe,
    rescore,
)
from whygap.adapters.session import Session, StorePath
from whygap.adapters.torch_batch import copied, count_rows, default_forward, device_of, leaves, to_device
from whygap.adapters.torch_scores import PerExample, more_scores, one_per_example, per_example
from whygap.adapters.torch_state import preserved_loader, preserved_module, preserved_random_state
from whygap.errors import InputError
from whygap.observation import Array, Observation
from whygap.records import Cause, EpochGap, Run, Score, Verdict

B = TypeVar("B")
Forward = Callable[[Any, Any], tuple[Any, Any]]
Reduction = Literal["batches", "rows", "last"]


class Meter:
    """Measure why the training and the validation score differ, from inside any PyTorch training loop.

    The trained weights, metrics and data order are bit for bit those of a run without it, and no failure of it stops a run: it
    is told once as a `WhygapWarning` and kept with the run.

    Parameters
    ----------
    model : torch.nn.Module
        The model that is being trained. It is never changed.
    loss : callable or torch.nn loss
        `loss(output, target)` returning one loss per example, shape (n,) or (n, ...), which is averaged over the rest. A loss
        of torch.nn ("CrossEntropyLoss()") is turned into its per-example form.
    valid : iterable of batches
        The validation loader. An iterator that can be walked only once is kept in memory at its first pass.
    fresh : iterable of batches, optional
        Examples like the training ones that are never trained on. They split the generalisation term into memorisation
        (training examples against these) and shift (these against the validation set).
    forward : callable, optional
        `forward(model, batch) -> (output, target)`, where a batch needs more than the default: a pair (input, target), a longer
        tuple whose last item is the target, or a dict with its target under "labels", "label", "targets", "target" or "y";
        inputs that are dicts or tuples are spread over the model's arguments. Tensors are moved to the model's device.
    scores : mapping of str to callable, or sequence of str
        More scores by name, per example like `loss`; higher is taken to be better. "accuracy" needs no function.
    budget : int or "exact"
        Training examples to score at the end of an epoch, in whole batches and at least 16 of them; "exact" scores all that
        were visited and keeps an epoch's batches in memory.
    reduction : "batches", "rows" or "last"
        How your epoch's training number is made of what you `record`: the mean over batches, the mean weighted by rows, or the
        last batch's.
    store : path, None or False
        Where the run is kept: by default `WHYGAP_STORE` or ./whygap.db; False for nowhere.
    seed : int
        Of the meter's own sample and masks. It has nothing to do with your seeds.

    Raises
    ------
    InputError
        If an argument is of the wrong kind, or the validation set is empty.

    Examples
    --------
    >>> import torch
    >>> x, y = torch.linspace(-1, 1, 64).reshape(-1, 1), torch.linspace(-2, 2, 64).reshape(-1, 1)
    >>> batches, model = list(zip(x.split(16), y.split(16))), torch.nn.Linear(1, 1)
    >>> meter = Meter(model, torch.nn.MSELoss(), valid=batches, budget="exact", store=False)
    >>> optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> for inputs, targets in meter.train(batches):
    ...     loss = torch.nn.functional.mse_loss(model(inputs), targets)
    ...     optimiser.zero_grad(); loss.backward(); optimiser.step()
    ...     meter.record(loss)
    >>> gap = meter.end_epoch()
    >>> [term.cause for term in gap.terms]
    ['averaging', 'generalisation']
    """

    def __init__(
        self,
        model: torch.nn.Module,
        loss: PerExample,
        *,
        valid: Iterable[Any],
        fresh: Iterable[Any] | None = None,
        forward: Forward | None = None,
        scores: Mapping[str, PerExample] | Iterable[str] = (),
        budget: Budget = 512,
        reduction: Reduction = "batches",
        store: StorePath = None,
        name: str | None = None,
        seed: int = 0,
    ) -> None:
        if not isinstance(model, torch.nn.Module):
            raise InputError(f"model must be a torch.nn.Module, not {type(model).__name__}")
        if reduction not in ("batches", "rows", "last"):
            raise InputError(f'reduction must be "batches", "rows" or "last", not {reduction!r}')
        self._model = model
        self._functions = {"loss": per_example(loss), **more_scores(scores)}
        self._scores = tuple(Score(name=n, higher_is_better=n != "loss") for n in self._functions)
        self._forward = forward or default_forward
        self._valid = _reusable(valid, "valid")
        self._fresh = None if fresh is None else _reusable(fresh, "fresh")
        self._budget = check_budget(budget)
        self._reduction = reduction
        self._seed = seed
        versions = {"torch": str(torch.__version__), "numpy": np.__version__, "python": platform.python_version()}
        source = name or f"torch: {type(model).__name__}"
        self._session = Session(
            source=source, store=store, versions=versions, seeds={"whygap": seed}, preserve=preserved_random_state
        )
        self._number = 0
        self._log: EpochLog | None = None
        self._modes: dict[torch.nn.Module, bool] = {}

    @property
    def run(self) -> Run:
        """The run so far."""
        return self._session.run

    @property
    def n_unsaved(self) -> int:
        """Epochs that could not be written to the store; they are tried again at each epoch's end and by `close`."""
        return self._session.n_unsaved

    def train(self, loader: Iterable[B]) -> Iterator[B]:
        """Yield the loader's batches, untouched and in order, and remember which were seen.

        Parameters
        ----------
        loader : iterable
            Anything that can be walked once: a DataLoader, a list, a generator.
        """
        with self._session.shield("starting an epoch"):
            self._begin_epoch()
        for batch in loader:
            visit = None
            with self._session.shield("seeing a batch", is_light=True):
                visit = self._see(batch)
            try:
                yield batch
            finally:
                if visit is not None:
                    visit.remove()

    def record(
        self, loss: torch.Tensor | float, *, penalty: torch.Tensor | float = 0.0, **scores: torch.Tensor | float
    ) -> None:
        """Take the numbers that you report for the batch in hand; nothing is waited for and no graph is kept.

        Parameters
        ----------
        loss : scalar tensor or float
            The batch's loss as you report it.
        penalty : scalar tensor or float
            The part of `loss` that is regularisation which you added yourself (weight decay in the optimiser is not).
        **scores
            The batch's value of every further score, by name.
        """
        with self._session.shield("recording a batch", is_light=True):
            if self._log is None or len(self._log.recorded) >= len(self._log.rows):
                raise InputError("record() takes one number for each batch of meter.train(...), inside its loop")
            values = {"loss": loss, "penalty": penalty, **scores}
            for key, value in values.items():
                if isinstance(value, torch.Tensor) and value.numel() != 1:
                    raise InputError(f"record() takes the batch's one {key}, got a tensor of shape {tuple(value.shape)}")
            # cloned, so that a loop may go on to scale its loss in place
            kept = {k: v.detach().clone() if isinstance(v, torch.Tensor) else float(v) for k, v in values.items()}
            self._log.recorded.append(kept)

    def end_epoch(self, *, train: Mapping[str, float] | None = None, valid: Mapping[str, float] | None = None) -> EpochGap:
        """Score the sample and the validation set with the weights of this moment and return the epoch's gap in the loss.

        Call it where you compute your validation score. The gaps of further scores are in `run`.

        Parameters
        ----------
        train, valid : mapping of score name to float, optional
            The numbers that you report, where they aren't the `reduction` of what was recorded or the plain mean over the
            validation examples.

        Returns
        -------
        EpochGap
            In the loss's unit, valid - train. Already on disk.
        """
        told_train, told_valid = dict(train or {}), dict(valid or {})
        observations, evaluations = list[Observation](), 0
        with self._session.shield("measuring the epoch"):
            if self._log is None:  # end_epoch() without train(): an epoch without batches, and it will say so
                self._begin_epoch()
            assert self._log is not None
            observations, evaluations = self._measure(self._log, told_train, told_valid)
        if not observations:
            observations = [self._session.unmeasured(self._number, told_train.get("loss"), told_valid.get("loss"))]
        self._log = None
        return self._session.end_epoch(observations, evaluations=evaluations)[0]

    def explain(self, score: str | None = None) -> Verdict:
        """Return the verdict on the run so far, by default on its loss."""
        return self._session.verdict(score)

    def close(self) -> None:
        """Mark the run as finished in the store. A run that isn't closed loses nothing but that mark."""
        self._session.finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._session.close()

    def _begin_epoch(self) -> None:
        self._number += 1
        self._log, self._modes = None, {}
        self._session.begin_epoch(self._number)
        self._log = EpochLog(self._number, self._budget, self._seed)

    def _see(self, batch: Any) -> torch.utils.hooks.RemovableHandle | None:
        """Count the batch; if it is sampled, hold it and have the model's next output scored: that is its visit."""
        log = self._log
        assert log is not None
        rows = count_rows(batch)
        wanted = log.wants(rows)
        log.rows.append(rows)
        if not wanted:
            return None
        held = Held(batch=copied(batch))
        log.keep(held)

        def score_visit(module: torch.nn.Module, given: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
            handle.remove()  # once: a second forward pass on the same batch isn't the visit
            with self._session.shield("scoring a visit"), torch.no_grad():
                self._modes = self._modes or {m: m.training for m in module.modules()}
                held.at_visit = self._score_visit(held.batch, (given, named), output, rows)

        handle = self._model.register_forward_hook(score_visit, with_kwargs=True)
        return handle

    def _score_visit(self, batch: Any, given: Any, output: Any, rows: int) -> Scored | None:
        """Score an output that the model has just given, by letting `forward` believe that it called the model itself."""
        asked: list[Any] = []

        def replay(*arguments: Any, **named: Any) -> Any:
            asked.append((arguments, named))
            return output

        try:
            output, target = self._forward(replay, to_device(batch, device_of(self._model)))
        except AttributeError:
            return None  # a forward that uses more of the model than its call: nothing to compare with
        if len(asked) != 1:
            return None
        ours, theirs = list(leaves(asked[0])), list(leaves(given))
        if len(ours) != len(theirs) or not all(_is_equal(a, b) for a, b in zip(ours, theirs, strict=True)):
            text = "the loop gives the model something else than the loader's batch: pass forward=, which does the same"
            self._session.tell("comparing inputs", text)
        return Scored(self._per_example(output, target, rows))

    def _measure(self, log: EpochLog, train: dict[str, float], valid: dict[str, float]) -> tuple[list[Observation], int]:
        where = f"epoch {log.number}"
        if not log.rows:
            once = "a generator can be walked only once: make a new one for every epoch"
            raise InputError(f"{where}: the training loader gave no batch ({once})")
        if len(log.recorded) == len(log.rows) - 1:
            log.drop_last()  # the loop was left in the middle of a batch
        if not log.recorded or len(log.recorded) != len(log.rows):
            text = f"{len(log.rows)} batches were visited and {len(log.recorded)} recorded"
            raise InputError(f"{where}: {text}: call meter.record(loss) once for every batch")
        names = [n for n in log.recorded[0] if all(n in r for r in log.recorded)]
        recorded = {n: np.asarray([float(r[n]) for r in log.recorded], dtype=np.float64) for n in names}
        with preserved_module(self._model):
            torch.manual_seed(self._seed + log.number)
            valid_side = self._scored_split(self._valid, "validation")
            fresh_side = None if self._fresh is None else self._scored_split(self._fresh, "fresh")
            rescored = rescore(log.sample(), self._probe, is_exact=self._budget == "exact")
        observations = []
        for score in self._scores:
            if score.name not in recorded:
                self._session.tell(f"reading {score.name}", f"it was not recorded: call meter.record(loss, {score.name}=...)")
                continue
            reported = self._reported(score.name, log, recorded, train, valid, valid_side)
            method = self._session.method(score.name)
            observations.append(
                observe(score, log, reported, rescored=rescored, valid=valid_side, fresh=fresh_side, method=method)
            )
        return observations, count_evaluations(rescored, valid_side, fresh_side)

    def _reported(
        self,
        name: str,
        log: EpochLog,
        recorded: dict[str, Array],
        train: dict[str, float],
        valid: dict[str, float],
        valid_side: ValidScored,
    ) -> Reported:
        rows = np.asarray(log.rows, dtype=np.float64)
        weight = {
            "rows": rows,
            "batches": np.ones_like(rows),
            "last": (np.arange(rows.size) == rows.size - 1).astype(np.float64),
        }[self._reduction]
        batches = recorded[name]
        penalty = recorded["penalty"] if name == "loss" and recorded["penalty"].any() else None
        is_plain, notes = self._is_plain_mean(name, log, batches if penalty is None else batches - penalty)
        absent: set[Cause] = set() if penalty is not None else {"penalty"}
        # where every batch counts by its rows, or all have the same, there is nothing that a reduction could change
        if (
            is_plain
            and name not in train
            and (self._reduction == "rows" or (self._reduction == "batches" and np.ptp(rows) == 0))
        ):
            absent.add("reduction")
        ours = float(np.concatenate([s.scores[name] for s in valid_side.scored]).mean())
        return Reported(
            train=train.get(name, float(np.dot(weight, batches) / weight.sum())),
            valid=valid.get(name, ours),
            batches=batches,
            weight=weight,
            penalty=penalty,
            is_plain_mean=is_plain,
            absent=absent,
            notes=notes,
        )

    def _is_plain_mean(self, name: str, log: EpochLog, recorded: Array) -> tuple[bool, tuple[str, ...]]:
        """Compare what was recorded with the per-example scores of the model's own outputs at the sampled visits."""
        tolerance = max(ROUNDING, 4 * _resolution(self._model))
        for index, held in log.sample():
            if held.at_visit is None:
                return True, (f"the recorded {name} could not be checked against the model's outputs",)
            mean, told = float(held.at_visit.scores[name].mean()), float(recorded[index])
            if np.isfinite(told) and abs(mean - told) > tolerance * max(abs(mean), abs(told)):
                text = f"batch {index + 1} was recorded with {name} {told:.6g} and its examples average {mean:.6g}"
                return False, (f"{text}: weights, smoothing, or a penalty that record() was not told of",)
        return True, ()

    def _scored_split(self, loader: Iterable[Any], split: str) -> ValidScored:
        scored, rows = [], []
        with preserved_loader(loader):
            for batch in loader:
                scored.append(self._probe(batch, False))
                rows.append(count_rows(batch))
        if not rows:
            raise InputError(f"the {split} set is empty: its loader gave no batch")
        return ValidScored(scored=scored, rows=rows)

    def _probe(self, batch: Any, training: bool) -> Scored:
        if training:
            for module in self._model.modules():  # each as it was at the visits: a frozen batch norm stays frozen
                module.training = self._modes.get(module, True)
        else:
            self._model.eval()
        output, target = self._forward(self._model, to_device(batch, device_of(self._model)))
        return Scored(self._per_example(output, target, count_rows(batch)))

    def _per_example(self, output: Any, target: Any, rows: int) -> dict[str, Array]:
        return {name: one_per_example(function(output, target), name, rows) for name, function in self._functions.items()}


def _reusable(loader: Iterable[Any], split: str) -> Iterable[Any]:
    """Return a loader that can be walked every epoch, and check that it isn't known to be empty."""
    if not isinstance(loader, Iterable) and not hasattr(loader, "__getitem__"):
        raise InputError(f"{split} must be a loader of batches, not {type(loader).__name__}")
    if isinstance(loader, Iterator):
        with preserved_random_state():
            loader = list(loader)
    if isinstance(loader, Sized) and len(loader) == 0:
        raise InputError(f"the {split} set is empty: its loader has length 0")
    return loader


def _is_equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.shape == b.shape and torch.equal(a.to(b), b)
    return type(a) is type(b)


def _resolution(model: torch.nn.Module) -> float:
    dtypes = [p.dtype for p in model.parameters() if p.dtype.is_floating_point]
    return float(torch.finfo(dtypes[0] if dtypes else torch.float32).eps)
