"""The callback for Keras 3, on the JAX and torch backends."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

try:
    import keras
except ImportError as error:
    from whygap.errors import MissingPackageError

    raise MissingPackageError("whygap.adapters.keras needs Keras 3 and a backend: pip install 'whygap[keras]'") from error

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
from whygap.adapters.keras_probe import KerasProbe, check_backend, preserved_random_state
from whygap.adapters.keras_scores import is_higher_better, known_metrics, rows_of
from whygap.adapters.keras_tap import Tap
from whygap.adapters.session import Session, StorePath
from whygap.errors import InputError
from whygap.observation import Array, Observation
from whygap.records import Cause, EpochGap, Run, Score, Verdict

Batch = tuple[Any, ...]


class GapCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Measure why the training and the validation score of a Keras run differ.

    `model.fit(x, y, validation_data=(xv, yv), callbacks=[GapCallback()])` is enough: the callback sees the batches that the
    model is trained and validated on. Weights, history and data order are bit for bit those of a run without it, and no failure
    of it stops a run: it is told once as a `WhygapWarning` and kept with the run.

    Parameters
    ----------
    train : (x, y) arrays, optional
        What `fit` is given. Only its length is used: a run that visits fewer rows than this in an epoch is told about.
    valid : (x, y) or (x, y, sample_weight) arrays, or an iterable of such batches, optional
        The validation set. By default the batches with which `fit` validates.
    fresh : like `valid`, optional
        Examples like the training ones that are never trained on. They split the generalisation term into memorisation
        (training examples against these) and shift (these against the validation set).
    budget : int or "exact"
        Training examples to score at the end of an epoch, in whole batches and at least 16 of them; "exact" scores all that
        were visited and keeps an epoch's batches in memory.
    loss : callable, optional
        `loss(y, y_pred)` with one number per example, where the compiled loss can't be taken apart.
    store : path, None or False
        Where the run is kept: by default `WHYGAP_STORE` or ./whygap.db; False for nowhere.
    verbose : int
        0 prints nothing, 1 the verdict at the end, 2 a line for every epoch too.
    seed : int
        Of the callback's own sample. It has nothing to do with your seeds.

    Raises
    ------
    InputError
        If an argument is of the wrong kind, the validation set is empty, or Keras runs on another backend.
    """

    def __init__(
        self,
        train: Any = None,
        valid: Any = None,
        *,
        fresh: Any = None,
        budget: Budget = 512,
        loss: Any = None,
        store: StorePath = None,
        name: str | None = None,
        verbose: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_backend()
        self._budget = check_budget(budget)
        self._n_train = None if train is None else rows_of(train)
        self._valid = None if valid is None else _checked_split(valid, "validation")
        self._fresh = None if fresh is None else _checked_split(fresh, "fresh")
        self._loss, self._store, self._name, self._verbose, self._seed = loss, store, name, verbose, seed
        self._session: Session | None = None
        self._probe: KerasProbe | None = None
        self._log: EpochLog | None = None
        self._tap: Tap | None = None
        self._test_tap: Tap | None = None
        self._validated: list[Batch] = []
        self._pending: Held | None = None
        self._watched: Any = None
        self._steps_per_call = 1
        self._is_fitting = False
        self._needs_visits = False
        self._is_plain = True

    @property
    def run(self) -> Run:
        """The run so far; of the last `fit` where there were several.

        Raises
        ------
        InputError
            If nothing has been fitted yet.
        """
        return self._watching().run

    @property
    def epochs(self) -> tuple[EpochGap, ...]:
        """The epochs so far, in the loss."""
        return self.run.of("loss")

    @property
    def n_unsaved(self) -> int:
        """Epochs that could not be written to the store; they are tried again at each epoch's end."""
        return self._watching().n_unsaved

    def explain(self, score: str | None = None) -> Verdict:
        """Return the verdict on the run so far, by default on its loss."""
        return self._watching().verdict(score)

    def _watching(self) -> Session:
        if self._session is None:
            raise InputError("nothing has been measured yet: pass the callback to model.fit(..., callbacks=[...])")
        return self._session

    # ------------------------------------------------------------------ Keras calls these

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        versions = {"keras": keras.__version__, "backend": keras.backend.backend(), "numpy": np.__version__}
        versions["python"] = platform.python_version()
        source = self._name or f"keras: {self.model.name}"
        session = self._session = Session(
            source=source, store=self._store, versions=versions, seeds={"whygap": self._seed}, preserve=preserved_random_state
        )
        self._probe, self._log, self._validated = None, None, []
        self._is_fitting, self._needs_visits, self._is_plain = True, False, True
        with session.shield("starting to watch"):
            if self._tap is not None:
                self._tap.remove()
            # On JAX, `self.model` is a property that moves the training state back into the model. Touched within a step it
            # would hand the next step buffers that are gone: between here and the end of an epoch only this reference is used.
            model = self._watched = self.model
            self._steps_per_call = int(getattr(model, "steps_per_execution", 1) or 1)
            self._probe = KerasProbe(model, self._loss)
            self._tap = Tap(model, "train_function", before=self._before_step, after=self._after_step)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        session = self._watching()
        session.begin_epoch(epoch + 1)
        self._log, self._validated = None, []
        with session.shield("starting an epoch"):
            self._log = EpochLog(epoch + 1, self._budget, self._seed)

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        if not self._is_fitting or self._valid is not None:
            return
        with self._watching().shield("watching the validation"):
            self._test_tap = Tap(self._watched, "test_function", before=_look_away, after=self._after_test_step)

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        if self._test_tap is not None:
            self._test_tap.remove()
            self._test_tap = None

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        session, told = self._watching(), dict(logs or {})
        observations, evaluations = list[Observation](), 0
        with session.shield("measuring the epoch"):
            observations, evaluations = self._measure(told)
        if not observations:
            observations = [session.unmeasured(epoch + 1, _number(told.get("loss")), _number(told.get("val_loss")))]
        self._log, self._validated = None, []
        gaps = session.end_epoch(observations, evaluations=evaluations)
        if self._verbose >= 2:
            print(gaps[0])

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self._is_fitting = False
        if self._tap is not None:
            self._tap.remove()
        session = self._watching()
        session.finish()
        if self._verbose >= 1:
            with session.shield("explaining the run"):
                print(session.verdict())

    # ------------------------------------------------------------------ visits

    def _before_step(self, state: Any, batch: Batch) -> None:
        """Decide whether the batch is sampled and, where only that tells, score it just before its own update."""
        session, log, probe = self._watching(), self._log, self._probe
        self._pending = None
        with session.shield("seeing a batch", is_light=True):
            if log is not None and probe is not None and log.wants(rows_of(batch[0])):
                self._pending = Held(batch=None)
        is_first = log is not None and not log.rows and not session.run.epochs
        if is_first:
            self._is_plain = len(batch) < 3 or batch[2] is None
            self._needs_visits = not self._is_plain
        if self._pending is None or probe is None or self._steps_per_call > 1 or not (is_first or self._needs_visits):
            return
        with session.shield("scoring a visit"), probe.no_trace():
            values = (state[0], state[1]) if state is not None else probe.state()
            # with the very seeds of the step that follows, so that its masks are these
            self._pending.at_visit, _ = probe.score(values, batch, ("loss",), training=True)
            self._needs_visits = self._needs_visits or probe.has_penalty

    def _after_step(self, batches: list[Batch], logs: Any) -> None:
        with self._watching().shield("seeing a batch", is_light=True):
            if self._log is None:
                return
            self._log.rows.append(sum(rows_of(b[0]) for b in batches))
            self._log.recorded.append(logs)  # values on the device; waiting for them here would stall the training
            if self._pending is not None:
                self._pending.batch = [_copied(b) for b in batches]
                self._log.keep(self._pending)

    def _after_test_step(self, batches: list[Batch], logs: Any) -> None:
        self._validated.extend(batches)

    # ------------------------------------------------------------------ end of the epoch

    def _measure(self, told: dict[str, Any]) -> tuple[list[Observation], int]:
        session, log, probe = self._watching(), self._log, self._probe
        if log is None or probe is None:
            return [], 0  # watching could not be started, which has been told
        if not log.rows:
            raise InputError("no batch of this epoch was seen")
        names = ("loss", *known_metrics([n for n in told if not n.startswith("val_")]))
        valid_batches: Iterable[Batch] = self._validated if self._valid is None else _batches(self._valid, log.rows[0])
        state = probe.state()

        def score_one(batches: list[Batch], training: bool) -> Scored:
            nonlocal state
            parts = []
            for batch in batches:
                scored, moved = probe.score(state, batch, names, training=training)
                state = moved if training else state
                parts.append(scored)
            if len(parts) == 1:
                return parts[0]
            joined = {n: np.concatenate([p.scores[n] for p in parts]) for n in names}
            return Scored(joined, float(np.mean([p.penalty for p in parts])))

        def score_split(batches: Iterable[Batch]) -> ValidScored:
            side = ValidScored(scored=[], rows=[])
            for batch in batches:
                side.scored.append(score_one([batch], False))
                side.rows.append(rows_of(batch[0]))
                side.has_weights = side.has_weights or (len(batch) > 2 and batch[2] is not None)
            return side

        with probe.no_trace():
            rescored = rescore(log.sample(), score_one, is_exact=self._budget == "exact")
            valid_side = score_split(valid_batches)
            fresh_side = None if self._fresh is None else score_split(_batches(self._fresh, log.rows[0]))
        observations = []
        for name in names:
            reported = self._reported(name, log, told, valid_side)
            method = session.method(name)
            score = Score(name=name, higher_is_better=is_higher_better(name))
            observations.append(
                observe(score, log, reported, rescored=rescored, valid=valid_side, fresh=fresh_side, method=method)
            )
        return observations, count_evaluations(rescored, valid_side, fresh_side)

    def _reported(self, name: str, log: EpochLog, told: dict[str, Any], valid_side: ValidScored) -> Reported:
        """Keras's side: the mean over rows of the batches' losses, each with its regularisation and sample weights inside."""
        rows = np.asarray(log.rows, dtype=np.float64)
        running = np.asarray([float(logs[name]) for logs in log.recorded], dtype=np.float64)
        batches = undo_running_mean(running, rows)
        is_loss = name == "loss"
        penalty = None
        if is_loss and self._watched_penalty():
            penalty = np.full(rows.size, np.nan)
            for index, held in log.sample():
                if held.at_visit is not None:
                    penalty[index] = held.at_visit.penalty
        is_plain, notes = self._is_plain_mean(log, batches, penalty) if is_loss else (True, ())
        if is_loss and self._n_train is not None and int(rows.sum()) != self._n_train:
            notes = (*notes, f"the epoch visited {int(rows.sum())} rows, train has {self._n_train}")
        absent: set[Cause] = set()
        if penalty is None:
            absent.add("penalty")
        if is_plain:
            absent.add("reduction")
        return Reported(
            train=_number(told.get(name)),
            valid=_number(told.get(f"val_{name}")) if f"val_{name}" in told else _mean(valid_side, name),
            batches=batches,
            weight=rows,
            penalty=penalty,
            is_plain_mean=is_plain,
            absent=absent,
            notes=notes,
        )

    def _watched_penalty(self) -> bool:
        return self._probe is not None and self._probe.has_penalty

    def _is_plain_mean(self, log: EpochLog, batches: Array, penalty: Array | None) -> tuple[bool, tuple[str, ...]]:
        """Compare the first batch's loss, as Keras reported it, with the mean of its examples and the penalty."""
        if not self._is_plain:
            return False, ()
        held = dict(log.sample()).get(0)
        if held is None or held.at_visit is None or not np.isfinite(batches[0]):
            return True, ()
        ours = float(held.at_visit.scores["loss"].mean()) + (0.0 if penalty is None else held.at_visit.penalty)
        if abs(ours - batches[0]) <= 10 * ROUNDING * max(abs(ours), abs(batches[0])):
            return True, ()
        self._is_plain, self._needs_visits = False, True
        text = f"Keras reported {batches[0]:.6g} for the first batch, its examples and regularisation give {ours:.6g}"
        return False, (f"{text}: a loss or train_step of your own? pass loss=",)


def undo_running_mean(running: Array, rows: Array) -> Array:
    """Return each batch's score from Keras's running means over rows, both of shape (b,).

    Examples
    --------
    >>> undo_running_mean(np.array([2.0, 3.0]), np.array([10.0, 10.0])).tolist()
    [2.0, 4.0]
    """
    total = running * np.cumsum(rows)
    batches: Array = np.diff(total, prepend=0.0) / rows
    return batches


def _look_away(state: Any, batch: Batch) -> None:
    """Validation batches are of interest only once they have been validated on."""


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _mean(side: ValidScored, name: str) -> float | None:
    if not side.scored:
        return None
    return float(np.concatenate([s.scores[name] for s in side.scored]).mean())


def _copied(batch: Batch) -> Batch:
    """Copy the NumPy arrays of a batch: a dataset may fill the same buffer again. Arrays of JAX can't be written to."""

    def copy(leaf: Any) -> Any:
        if isinstance(leaf, np.ndarray):
            return leaf.copy()
        return leaf.clone() if hasattr(leaf, "clone") else leaf

    return tuple(None if part is None else keras.tree.map_structure(copy, part) for part in batch)


def _is_arrays(split: Any) -> bool:
    """Tell arrays (x, y), where x and y may be nests, from a list of batches."""
    if not isinstance(split, (tuple, list)) or len(split) not in (2, 3):
        return False
    if isinstance(split, list) and any(isinstance(p, (tuple, list)) for p in split):
        return False
    return all(p is None or _has_rows(p) for p in split)


def _has_rows(part: Any) -> bool:
    return all(hasattr(leaf, "shape") and len(leaf.shape) > 0 for leaf in keras.tree.flatten(part))


def _checked_split(split: Any, name: str) -> Any:
    if _is_arrays(split):
        if rows_of(split) == 0:
            raise InputError(f"the {name} set is empty: its arrays have no rows")
        return split
    if not hasattr(split, "__iter__") and not hasattr(split, "__getitem__"):
        raise InputError(f"{name} data must be arrays (x, y) or an iterable of batches, not {type(split).__name__}")
    if isinstance(split, Iterator):
        split = list(split)
    if hasattr(split, "__len__") and len(split) == 0:
        raise InputError(f"the {name} set is empty: it has no batches")
    return split


def _batches(split: Any, rows: int) -> Iterator[Batch]:
    if not _is_arrays(split):
        yield from (tuple(split[i]) for i in range(len(split))) if not hasattr(split, "__iter__") else map(tuple, split)
        return
    for start in range(0, rows_of(split), rows):
        part = slice(start, start + rows)
        yield tuple(None if p is None else keras.tree.map_structure(lambda leaf, part=part: leaf[part], p) for p in split)
