"""The meter for any PyTorch training loop."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np

try:
    import torch
    from torch import Tensor
except ImportError as error:
    from whygap.errors import MissingPackageError

    raise MissingPackageError("whygap.adapters.torch needs PyTorch: pip install 'whygap[torch]'") from error

from whygap.adapters.budget import Budget, Ledger, check_budget
from whygap.adapters.epoch import ValidSide, VisitLog, build_observation
from whygap.adapters.repeats import Repeats
from whygap.adapters.session import Session, StorePath
from whygap.adapters.step_times import StepTimes
from whygap.adapters.torch_batch import Forward, count_rows, default_forward, length_of, type_with_rows, workers_in_turn
from whygap.adapters.torch_reported import Number, Reduction, Reporting, kept_number, recorded_in
from whygap.adapters.torch_rungs import Scoring, Weights, clean_view, score_rungs, weights_now
from whygap.adapters.torch_scores import PerExample, accuracy, more_scores, per_example
from whygap.adapters.torch_state import BATCH_NORM, has_active, modes_of, preserved_module, preserved_random_state, seed_masks
from whygap.adapters.torch_valid import Split, ValidationWatch, reusable, score_fresh, score_valid
from whygap.adapters.torch_visits import Onlooker, Visit
from whygap.errors import InputError
from whygap.observation import Observation
from whygap.records import EpochGap, Repetition, Run, Score, Verdict

B = TypeVar("B")

CHECKS = 4
"""Visits of the first epoch at which inputs and recorded numbers are checked; it is one in epochs 4, 16, 64 and so on."""

NO_PENALTY = 0.0
"""What `record` has for a penalty where none was given, told by its identity."""


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
    valid : iterable of batches, optional
        The validation loader, where `validate` doesn't see your own validation. An iterator that can be walked only once is
        kept in memory at its first pass. Where you tell `end_epoch` the validation numbers, only a sample of the set is scored;
        where you don't, our pass is your validation, and not counted against the budget.
    fresh : iterable of batches, optional
        Examples like the training ones that are never trained on. They split the generalisation term into memorisation
        (training examples against these) and shift (these against the validation set). Under a share of the training time a
        random sample of them is drawn once and kept in memory.
    forward : callable, optional
        `forward(model, batch) -> (output, target)`, where a batch needs more than the default: a pair (input, target), a longer
        tuple whose last item is the target, or a dict with its target under "labels", "label", "targets", "target" or "y";
        inputs that are dicts or tuples are spread over the model's arguments. Tensors are moved to the model's device.
    scores : mapping of str to callable, or sequence of str
        More scores by name, per example like `loss`; higher is taken to be better. "accuracy" needs no function.
    clean : callable or map-style dataset, optional
        `clean(batch)` returns the same examples, in the same order, without augmentation, for batches of any size; or a dataset
        without augmentation, whose items at `index(batch)` are these.
    index : callable, optional
        `index(batch)` returns the positions of a batch's examples in `clean`, where that is a dataset.
    criterion : callable or torch.nn loss, optional
        The loss with which you validate, per example as `loss` is, where it is another one.
    weights : torch.nn.Module, state dict, or callable, optional
        What you validate with where it isn't the model's own weights: an `AveragedModel`, say, or a function without arguments
        that returns a module or a state dict at the end of an epoch.
    budget : float, int or "exact"
        What may be spent: a share of the training time; or training examples to score per epoch; "exact" scores all that were
        visited and keeps an epoch's batches in memory.
    reduction : "batches", "rows" or "last"
        How your epoch's numbers are made of what you `record`: the mean over batches, the mean weighted by rows, or the last
        batch's.
    epochs : int, optional
        Epochs of the run, where known: what the first one costs too much is then paid back within them.
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
        valid: Iterable[Any] | None = None,
        fresh: Iterable[Any] | None = None,
        forward: Forward | None = None,
        scores: Mapping[str, PerExample] | Iterable[str] = (),
        clean: Any = None,
        index: Callable[[Any], Iterable[Any]] | None = None,
        criterion: PerExample | None = None,
        weights: Weights | Callable[[], Weights] = None,
        budget: Budget = 0.02,
        reduction: Reduction = "batches",
        epochs: int | None = None,
        store: StorePath = None,
        name: str | None = None,
        seed: int = 0,
    ) -> None:
        if not isinstance(model, torch.nn.Module):
            raise InputError(f"model must be a torch.nn.Module, not {type(model).__name__}")
        if weights is not None and not isinstance(weights, Mapping) and not callable(weights):
            raise InputError(f"weights must be a module, a state dict or a function, not {type(weights).__name__}")
        self._model = model
        self._functions = {"loss": per_example(loss), **more_scores(scores)}
        self._scores = tuple(Score(name=n, higher_is_better=n != "loss") for n in self._functions)
        self._criterion = None if criterion is None else {"loss": per_example(criterion)}
        self._clean = clean_view(clean, index)
        self._weights = weights
        self._forward = forward or default_forward
        self._seed = seed
        self._ledger = Ledger(check_budget(budget), epochs=epochs)
        versions = {"torch": str(torch.__version__), "numpy": np.__version__, "python": platform.python_version()}
        source = name or f"torch: {type(model).__name__}"
        self._session = Session(
            source=source,
            store=store,
            versions=versions,
            seeds={"whygap": seed},
            preserve=preserved_random_state,
            ledger=self._ledger,
        )
        self._valid = None if valid is None else Split(reusable(valid, "validation", self._session), "validation", seed=seed)
        self._fresh = None if fresh is None else Split(reusable(fresh, "fresh", self._session), "fresh", seed=seed)
        self._repeats = Repeats(self._session, seed=seed)
        if self._valid is not None:
            self._valid.repeats = self._repeats
        self._onlooker = Onlooker(model, self._forward, self._functions, self._session)
        self._reporting = Reporting(model, reduction, self._session)
        self._number = 0
        self._log: VisitLog[Visit] | None = None
        self._watch: ValidationWatch | None = None
        self._in_hand: VisitLog[Visit] | ValidationWatch | None = None  # whose batch record() is about
        self._times = StepTimes()
        self._is_timing = self._is_light = False  # whether the next record is timed; whether losses can be read at once
        self._is_training = False
        self._is_whole = False  # whether train mode needs whole batches in this epoch
        self._are_rows_alone: bool | None = None  # whether an example scores the same in any company; None: not looked at yet
        self._n_visits: int | None = None  # of the last epoch
        self._looks, self._n_sampled = set[int](), 0

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
        with self._session.shield("starting an epoch", is_light=True):
            self._begin_epoch()
        rows, next_look, workers = list[int](), 0, workers_in_turn(loader)
        plain: Any = None  # the type of batches that begin with a tensor of examples
        batch: Any
        try:
            for position, batch in enumerate(loader):
                if position != next_look:  # counted, and no more lines than that takes: amid a training each is slow
                    try:
                        rows.append(batch[0].shape[0] if type(batch) is plain else count_rows(batch))
                    except Exception:
                        plain = None  # one that isn't like the others: it is looked at
                    else:
                        yield batch
                        continue
                visit, next_look = self._look(loader, batch, position, plain, workers)
                if self._log is not None:
                    rows, plain = self._log.rows, type_with_rows(batch)
                try:
                    yield batch
                finally:
                    if visit is not None and visit.output is None:
                        self._onlooker.look_away()
                if visit is not None and visit.output is None:
                    self._after_step(visit)
        finally:
            self._end_training()

    def validate(self, loader: Iterable[B]) -> Iterator[B]:
        """Yield the validation batches, untouched and in order, and note what the model's first forward pass makes of each.

        With this the validation set isn't scored twice. Put the model into eval mode first; `record` inside the loop takes the
        batch's validation numbers where you report something else than the plain mean over examples.
        """
        handles: list[Any] = []
        watch: ValidationWatch | None = None
        with self._session.shield("watching the validation", is_light=self._weights is None):
            self._end_training()
            scoring = self._scoring()
            watch = self._watch = ValidationWatch(
                self._onlooker,
                scoring.valid_functions,
                self._forward,
                self._session,
            )
            self._in_hand = watch
            others = [scoring.weights] if isinstance(scoring.weights, torch.nn.Module) else []
            handles = watch.watch([self._model, *others])
        clock = self._ledger.clock
        try:
            self._repeats.begin_validation()
            for batch in loader:
                self._repeats.see_valid(batch)
                began = clock()
                try:
                    if watch is not None:
                        watch.begin(batch)
                except Exception as error:
                    self._session.fail("watching the validation", error)
                self._times.others += clock() - began
                self._is_timing = True
                yield batch
        finally:
            for handle in handles:
                handle.remove()
            self._in_hand = None
            self._ledger.spend("rest", self._times.others + sum(self._times.recording))
            self._times = StepTimes()

    def record(self, loss: Number, *, penalty: Number = NO_PENALTY, **scores: Number) -> None:
        """Take the numbers that you report for the batch in hand; no device is waited for and no graph is kept.

        Parameters
        ----------
        loss : scalar tensor or float
            The batch's loss as you report it.
        penalty : scalar tensor or float
            The part of `loss` that is regularisation which you added yourself (weight decay in the optimiser is not).
        **scores
            The batch's value of every further score, by name.
        """
        began = self._ledger.clock() if self._is_timing else None
        try:
            log = self._in_hand
            if log is None or len(log.recorded) >= len(log.rows):
                raise InputError(
                    "record() takes one number for each batch of meter.train(...) or meter.validate(...), inside its loop"
                )
            if began is not None:  # asked where a batch is looked at: it takes longer than to take the number
                self._is_light = type(loss) is Tensor and loss.is_cpu and not loss.ndim
            if penalty is NO_PENALTY and not scores:  # the loss alone, at every batch: no more lines than it needs
                log.recorded.append(loss.item() if self._is_light and type(loss) is Tensor else kept_number("loss", loss))
            else:
                kept = {"loss": kept_number("loss", loss), "penalty": kept_number("penalty", penalty)}
                log.recorded.append(kept | {key: kept_number(key, value) for key, value in scores.items()})
        except Exception as error:
            self._session.fail("recording a batch", error)
        if began is not None:
            self._is_timing = False
            self._times.recording.append(self._ledger.clock() - began)

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
        self._end_training()
        with self._ledger.book("rest"), self._session.preserved():
            return self._end_epoch(told_train, told_valid)

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

    # ------------------------------------------------------------------ visits

    def _begin_epoch(self) -> None:
        self._number += 1
        self._log = self._watch = self._in_hand = None
        self._onlooker.modes, self._n_sampled = {}, 0
        self._session.begin_epoch(self._number)
        self._repeats.begin_epoch()
        self._times = StepTimes(began=self._ledger.clock())
        self._is_training = True

    def _end_training(self) -> None:
        if self._is_training:
            self._is_training, self._in_hand = False, None
            rows = self._log.rows if self._log is not None else []
            self._ledger.spend("rest", self._times.of_rest(len(rows)))
            self._ledger.spend("visits", self._times.visits + self._onlooker.noted_s, self._n_sampled)
            self._times, self._onlooker.noted_s, self._is_timing = StepTimes(), 0.0, False
            self._n_visits = len(rows) or self._n_visits
            self._ledger.end_training(rows=sum(rows))

    def _look(self, loader: Any, batch: Any, position: int, plain: Any, workers: int) -> tuple[Visit | None, int]:
        """Count a batch by the clock, show it to the audit where that is due, and hold it where it is sampled.

        Returns the visit, and the position of the next batch that is to be looked at: the next one that is sampled, or that the
        audit will be due at if steps go on as they did.
        """
        clock, visit, next_look = self._ledger.clock, None, position + 1
        began = clock()
        if began >= self._repeats.next_s:
            self._repeats.see(batch, position, workers=workers)
            began = clock()
        try:
            rows = batch[0].shape[0] if type(batch) is plain else count_rows(batch)
            counted = clock()
            self._times.counting.append(counted - began)
            began = counted
            log = self._log or self._begin_visits(loader, batch, rows)
            log.rows.append(rows)
            if position == log.spread.next:
                visit = self._see(log, batch, rows)
            steps = (self._repeats.next_s - began) * (position + 1) / max(began - self._times.began, 1e-9)
            next_look = int(min(log.spread.next, position + max(1.0, steps)))
        except Exception as error:
            self._session.fail("seeing a batch", error)
        took = clock() - began
        self._times.others += took if visit is None else 0.0
        self._times.visits += 0.0 if visit is None else took
        self._is_timing = True
        return visit, next_look

    def _begin_visits(self, loader: Any, batch: Any, rows: int) -> VisitLog[Visit]:
        """Plan the epoch, now that its first batch tells how large they are."""
        visits = length_of(loader) or self._n_visits
        self._is_whole = self._are_rows_alone is False or has_active(modes_of(self._model), BATCH_NORM)
        plan = self._onlooker.begin(batch, self._ledger.plan(rows=rows, visits=visits, is_whole=self._is_whole))
        log = self._log = self._in_hand = VisitLog(self._number, plan, expected=visits, seed=self._seed)
        self._looks = set(log.rng.sample(range(plan.batches), plan.looks or 0)) if plan.batches is not None else set()
        return log

    def _see(self, log: VisitLog[Visit], batch: Any, rows: int) -> Visit:
        """Hold a sampled batch, and have the model's next output noted: that is its visit."""
        order = self._n_sampled
        self._n_sampled = order + 1
        log.spread.take()
        draw = None if self._is_whole else log.draw_rows(rows)
        is_looked_at = log.plan.batches is None or order % log.plan.batches in self._looks
        is_checked = is_looked_at or (log.is_checking and order < (CHECKS if self._number == 1 else 1))
        visit = None if is_checked else self._onlooker.glance(batch, rows, draw)
        if visit is None:
            visit = self._onlooker.hold(batch, rows, draw, is_checked=is_checked, is_looked_at=is_looked_at)
            self._onlooker.watch(visit, batch)
        log.spread.keep(visit)
        return visit

    def _after_step(self, visit: Visit) -> None:
        """Look at a sampled visit again, now that its own step has been taken."""
        seed = self._seed + 1000 * self._number + self._n_sampled - 1
        if visit.is_waiting and visit.is_checked and self._are_rows_alone is None and not self._is_whole:
            with self._session.shield("comparing examples alone and among others"):
                self._are_rows_alone = self._onlooker.are_rows_alone(visit, seed)
                self._is_whole = not self._are_rows_alone
        if visit.is_looked_at:
            with self._session.shield("scoring after a step", account="looks", units=1):
                self._onlooker.look_after_step(visit, seed)
        if visit.is_checked:
            with self._session.shield("looking after a step", is_light=True, account="seldom"):
                self._onlooker.end_step(visit, is_whole=self._is_whole)

    # ------------------------------------------------------------------ end of the epoch

    def _end_epoch(self, train: dict[str, float], valid: dict[str, float]) -> EpochGap:
        observations, evaluations = list[Observation](), 0
        with self._session.shield("measuring the epoch"):
            if not self._number or self._log is None:  # without train(), or without a batch: an epoch that will say so
                raise self._without_batches()
            observations, evaluations = self._measure(self._log, train, valid)
        if not observations:
            observations = [self._session.unmeasured(self._number, train.get("loss"), valid.get("loss"))]
        repetition: Repetition | None = None
        with self._session.shield("telling how often examples were presented", is_light=True, account="seldom"):
            repetition = self._repeats.end_epoch(sum(self._log.rows) if self._log is not None else 0)
        self._log = self._watch = None
        return self._session.end_epoch(observations, evaluations=evaluations, repetition=repetition)[0]

    def _without_batches(self) -> InputError:
        if not self._number or (self._session.run.epochs and self._session.run.epochs[-1].epoch == self._number):
            self._begin_epoch()
            self._end_training()
        once = "a generator can be walked only once: make a new one for every epoch"
        return InputError(f"epoch {self._number}: the training loader gave no batch ({once})")

    def _measure(self, log: VisitLog[Visit], train: dict[str, float], valid: dict[str, float]) -> tuple[list[Observation], int]:
        recorded = recorded_in(log)
        scoring = self._scoring()
        with preserved_module(self._model):
            seed_masks(self._seed + log.number)
            valid_side = self._valid_side(scoring, valid)
            fresh_side = None if self._fresh is None else score_fresh(self._fresh, scoring)
            sampled, not_measured, evaluations = score_rungs(scoring, log, is_whole=self._is_whole)
        observations = []
        for score in self._scores:
            if score.name not in recorded:
                self._session.tell(f"reading {score.name}", f"it was not recorded: call meter.record(loss, {score.name}=...)")
                continue
            told = valid.get(score.name, self._reporting.valid(score.name, self._watch, valid_side))
            reported = self._reporting.train(score.name, log, recorded, told=train.get(score.name), valid=told)
            reported.not_measured = not_measured
            observations.append(
                build_observation(
                    score,
                    log,
                    reported,
                    sampled=sampled,
                    valid=valid_side,
                    fresh=fresh_side,
                    earlier=self._session.earlier(score.name, sampled, log.rows),
                    bounds=(0.0, 1.0) if self._functions[score.name] is accuracy else None,
                )
            )
        evaluations += sum(len(side.scores["loss"]) for side in (valid_side, fresh_side) if side is not None)
        return observations, evaluations

    def _scoring(self) -> Scoring:
        return Scoring(
            onlooker=self._onlooker,
            model=self._model,
            functions=self._functions,
            ledger=self._ledger,
            clean=self._clean,
            criterion=self._criterion,
            weights=weights_now(self._weights),
            tells_classes=self._session.is_known_worth_it or (self._log is not None and self._log.is_checking),
        )

    def _valid_side(self, scoring: Scoring, told: dict[str, float]) -> ValidSide | None:
        seen = self._watch.side() if self._watch is not None else None
        if self._watch is not None and self._watch.was_training:
            self._session.tell("watching the validation", "the model was in train mode: call model.eval() before the loop")
            seen = seen if self._valid is None else None
        if seen is not None or self._valid is None:
            return seen
        return score_valid(self._valid, scoring, told, is_first=self._number == 1)
