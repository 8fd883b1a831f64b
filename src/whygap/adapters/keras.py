"""The callback for Keras 3, on the JAX and torch backends."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

try:
    import keras
except ImportError as error:
    from whygap.errors import MissingPackageError

    raise MissingPackageError("whygap.adapters.keras needs Keras 3 and a backend: pip install 'whygap[keras]'") from error

from whygap.adapters.budget import FEWEST_WHOLE, SEEN_BESIDE_THREADS, Budget, Ledger, check_budget
from whygap.adapters.epoch import ROUNDING, Reported, Sampled, ValidSide, VisitLog, build_observation
from whygap.adapters.keras_batch import Batch, check_split, is_arrays, without_weights
from whygap.adapters.keras_probe import KerasProbe, State, View, check_backend, preserved_random_state, to_host
from whygap.adapters.keras_rungs import Held, Scorer, pick_rows, score_rungs
from whygap.adapters.keras_scores import is_higher_better, known_metrics, rows_of
from whygap.adapters.keras_tap import Peek, Tap
from whygap.adapters.keras_valid import ValidWatch, score_given
from whygap.adapters.keras_visits import Steps
from whygap.adapters.keras_weights import Weights, check_weights, state_with
from whygap.adapters.repeats import Repeats
from whygap.adapters.session import Session, StorePath
from whygap.adapters.spread import thinned
from whygap.errors import InputError
from whygap.observation import Array, Ints, Observation
from whygap.records import Cause, EpochGap, Repetition, Run, Score, Verdict

SOME = 1_000
"""Examples that are scored of a split that the user hands in, under a share of the time."""

WORTH_WHOLE = 0.5
"""Whole batches are scored where this part of them can be paid for; what that takes too much is paid back."""

TOO_DEAR = "whole batches in train mode were more than this epoch's budget allows"


class GapCallback(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Measure why the training and the validation score of a Keras run differ.

    `model.fit(x, y, validation_data=(xv, yv), callbacks=[GapCallback()])` is enough: the callback sees the batches that the
    model is trained and validated on. Weights, history and data order are bit for bit those of a run without it, and no failure
    of it stops a run: it is told once as a `WhygapWarning` and kept with the run.

    Parameters
    ----------
    train : (x, y) arrays, optional
        What `fit` is given. Only its length is used: a run that visits fewer rows than this in an epoch is told about.
    valid : (x, y) or (x, y, sample_weight) arrays, or an iterable of such batches, optional
        The validation set. By default the batches with which `fit` validates, which aren't scored twice.
    fresh : like `valid`, optional
        Examples like the training ones that are never trained on. They split the generalisation term into memorisation
        (training examples against these) and shift (these against the validation set).
    budget : float, int or "exact"
        Share of the training time that may be spent, 0.02 being 2 %; or training examples to score at the end of an epoch, in
        whole batches and at least 8 of them; "exact" scores all that were visited and keeps an epoch's batches in memory.
        Where `fit` doesn't validate, scoring `valid` is your validation and not part of that share.
    loss : callable, optional
        `loss(y, y_pred)` with one number per example, where the compiled loss can't be taken apart.
    criterion : callable, optional
        `criterion(y, y_pred)` with one number per example: the loss of the validation side, where that is another one.
    clean : callable, optional
        Returns a training batch `(x, y, ...)` with the same examples in the same order without augmentation. Random layers
        inside the model need none: they are part of the mode.
    weights : "ema", list of arrays, or callable, optional
        What validation uses in the place of the weights at the end of the epoch: the optimizer's averages (`use_ema=True`), a
        list as from `model.get_weights()`, or `weights(model)` that gives one at the end of each epoch. With
        `keras.callbacks.SwapEMAWeights` it is "ema", and this callback comes first in `callbacks=`.
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
        budget: Budget = 0.02,
        loss: Any = None,
        criterion: Any = None,
        clean: Callable[[Batch], Batch] | None = None,
        weights: Weights = None,
        store: StorePath = None,
        name: str | None = None,
        verbose: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_backend()
        self._budget = check_budget(budget)
        for what, function in (("loss", loss), ("criterion", criterion), ("clean", clean)):
            if function is not None and not callable(function):
                raise InputError(f"{what} must be callable, not {type(function).__name__}")
        self._n_train = None if train is None else rows_of(train)
        self._valid = None if valid is None else check_split(valid, "validation")
        self._fresh = None if fresh is None else check_split(fresh, "fresh")
        self._loss, self._criterion, self._clean, self._weights = loss, criterion, clean, check_weights(weights)
        self._store, self._name, self._verbose, self._seed = store, name, verbose, seed
        self._session: Session | None = None
        self._probe: KerasProbe | None = None
        self._steps: Steps | None = None
        self._watch: ValidWatch | None = None
        self._repeats: Repeats | None = None
        self._tap: Tap | None = None
        self._test_tap: Tap | None = None
        self._watched: Any = None
        self._is_fitting = False
        self._is_training = False
        self._is_valid_known = False

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
        parameters = self.params or {}
        session = self._session = Session(
            source=self._name or f"keras: {self.model.name}",
            store=self._store,
            versions=versions,
            seeds={"whygap": self._seed},
            preserve=preserved_random_state,
            ledger=Ledger(self._budget, epochs=parameters.get("epochs"), seen=SEEN_BESIDE_THREADS),
        )
        self._probe = self._steps = self._watch = None
        self._is_fitting, self._is_valid_known = True, False
        repeats = self._repeats = Repeats(session, seed=self._seed, content=without_weights)
        with session.shield("starting to watch"):
            if self._tap is not None:
                self._tap.remove()
            # On JAX, `self.model` is a property that moves the training state back into the model. Touched within a step it
            # would hand the next step buffers that are gone: between here and the end of an epoch only this reference is used.
            model = self._watched = self.model
            per_call = int(getattr(model, "steps_per_execution", 1) or 1)
            n_steps = parameters.get("steps")
            self._probe = KerasProbe(model, self._loss, self._criterion)
            self._steps = Steps(
                session,
                self._probe,
                ("loss", *known_metrics(_metric_names(model))),
                n_planned=None if n_steps is None else -(-n_steps // per_call),
                per_call=per_call,
                seed=self._seed,
                repeats=repeats,
            )
            self._watch = ValidWatch(is_exact=self._budget == "exact", seed=self._seed)
            steps = self._steps
            self._tap = Tap(
                model, "train_function", before=steps.before, after=steps.after, wants=steps.wants, ended=steps.end_call
            )

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        session = self._watching()
        with session.shield("starting an epoch", is_light=True):
            # Forgetting the last epoch takes milliseconds on JAX, one value after another. Without us they would have been
            # taken step by step, and they count as the last epoch's.
            if self._steps is not None:
                self._steps.begin_epoch(epoch + 1)
            if self._watch is not None:
                self._watch.forget()
        session.begin_epoch(epoch + 1)
        if self._repeats is not None:
            self._repeats.begin_epoch()
        self._is_training = True

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        if not self._is_fitting:
            return
        self._end_training()
        if self._repeats is not None:
            self._repeats.begin_validation()
        if self._valid is None and self._watch is not None:
            with self._watching().shield("watching the validation", is_light=True):
                self._watch.forget()
                self._test_tap = Tap(self._watched, "test_function", before=_look_away, after=self._after_test_step)

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        if self._test_tap is not None:
            self._test_tap.remove()
            self._test_tap = None

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        session, told = self._watching(), dict(logs or {})
        self._end_training()
        observations, evaluations = list[Observation](), 0
        with session.shield("measuring the epoch"):
            observations, evaluations = self._measure(session, told)
        if not observations:
            observations = [session.unmeasured(epoch + 1, _number(told.get("loss")), _number(told.get("val_loss")))]
        repetition: Repetition | None = None
        with session.shield("telling how often examples were presented", is_light=True, account="seldom"):
            if self._repeats is not None:
                log = None if self._steps is None else self._steps.log
                repetition = self._repeats.end_epoch(0 if log is None else sum(log.rows))
        gaps = session.end_epoch(observations, evaluations=evaluations, repetition=repetition)
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

    def _end_training(self) -> None:
        if self._is_training and self._steps is not None:
            self._is_training = False
            self._steps.end_training()

    def _after_test_step(self, batches: list[Batch], logs: Any, state: Any) -> None:
        try:
            if self._watch is not None:
                self._watch.see(batches, logs)
            if self._repeats is not None:
                for batch in batches:
                    self._repeats.see_valid(batch)
        except Exception as error:
            self._watching().fail("watching the validation", error)

    # ------------------------------------------------------------------ end of the epoch

    def _measure(self, session: Session, told: dict[str, Any]) -> tuple[list[Observation], int]:
        steps, probe = self._steps, self._probe
        if steps is None or probe is None or steps.log is None:
            return [], 0  # watching could not be started, which has been told
        log = steps.log
        steps.complete(told)
        if not log.rows:
            raise InputError("no batch of this epoch was seen")
        names = ("loss", *(n for n in steps.names if n != "loss" and n in told))
        scorer = Scorer(probe, names, steps.size)
        state = probe.state()
        with probe.no_trace():
            state_valid = None if self._weights is None else state_with(self._watched, state, self._weights)
            sampled, not_measured = self._score_sample(session, scorer, steps, log, state, state_valid)
            if probe.is_deferred:  # what was dispatched in passing costs as much, in the steps behind it
                session.ledger.spend("looks", scorer.seconds / max(1, scorer.n_calls) * steps.n_calls)
            penalty = scorer.penalty
            view = View(is_criterion=self._criterion is not None)
            at_valid = state if state_valid is None else state_valid
            valid = self._score_valid(session, scorer, at_valid, view, told=told, penalty=penalty)
            fresh = (
                None if self._fresh is None else score_given(scorer, at_valid, self._fresh, view, rows=self._some(self._fresh))
            )
            steps.mark(state)
        observations = []
        for name in names:
            reported = self._reported(name, steps, log, told, valid)
            reported.not_measured |= not_measured
            is_accuracy = is_higher_better(name)
            observations.append(
                build_observation(
                    Score(name=name, higher_is_better=is_accuracy),
                    log,
                    reported,
                    sampled=sampled,
                    valid=valid,
                    fresh=fresh,
                    earlier=session.earlier(name, sampled, log.rows),
                    bounds=(0.0, 1.0) if is_accuracy else None,
                )
            )
        return observations, scorer.n_scored + steps.n_scored

    def _score_sample(
        self,
        session: Session,
        scorer: Scorer,
        steps: Steps,
        log: VisitLog[Held],
        state: State,
        state_valid: State | None,
    ) -> tuple[Sampled, dict[Cause, str]]:
        """Return the sampled rows on every rung, and what wasn't affordable."""
        ledger, sample = session.ledger, log.sample()
        held = [h for _, _, h in sample]
        if not held:
            raise InputError("training stopped before one of this epoch's sampled batches")
        n_held = sum(h.rows for h in held)
        has_train_mode = not scorer.probe.parts.mixes_rows or ledger.is_due(n_held)
        allowed = n_held if scorer.probe.parts.mixes_rows and has_train_mode else ledger.rows_allowed(n_held)
        # what was recorded is the mean of whole batches: with all of their rows it tells far more than some rows of more
        of_each = n_held / len(held)
        n_whole = min(len(held), max(FEWEST_WHOLE, round(allowed / of_each)))
        whole = int(n_whole * of_each)
        if allowed >= WORTH_WHOLE * whole or ledger.is_little(whole):
            sample = sample if n_whole == len(held) else thinned(sample, n_whole, n_visits=len(log.rows), rng=log.rng)
            held = [h for _, _, h in sample]
            allowed = n_held
        else:
            allowed = -(-allowed // steps.size) * steps.size
        chosen = pick_rows(held, allowed, np.random.default_rng(log.rng.getrandbits(64)))
        n_chosen = sum(h.rows if rows is None else len(rows) for h, rows in zip(held, chosen, strict=True))
        sampled = score_rungs(
            scorer,
            sample,
            chosen,
            state,
            clean=self._clean,
            is_criterion=self._criterion is not None,
            state_valid=state_valid,
            is_exact=ledger.is_exact,
            has_train_mode=has_train_mode,
        )
        ledger.spend("rows" if has_train_mode else "few", scorer.seconds, n_chosen)
        ledger.spend("rest", -scorer.seconds)  # within which it is booked
        not_measured: dict[Cause, str] = {} if has_train_mode else {"averaging": TOO_DEAR, "mode": TOO_DEAR}
        return sampled, not_measured

    def _score_valid(
        self, session: Session, scorer: Scorer, state: State, view: View, *, told: dict[str, Any], penalty: float
    ) -> ValidSide | None:
        if self._valid is None:
            watch = self._watch
            if watch is None:
                return None
            return watch.side(scorer, state, view, told=told, penalty=penalty, undo=_means_of_batches)
        is_ours = "val_loss" not in told
        rows = self._some(self._valid) if self._is_valid_known and not is_ours else None
        known = (
            {n: float(told[f"val_{n}"]) - (penalty if n == "loss" else 0.0) for n in scorer.names} if rows is not None else {}
        )
        with session.ledger.book("validation" if is_ours else "rest"):
            side = score_given(scorer, state, self._valid, view, rows=rows, known=known)
        if not is_ours and rows is None:  # it may be that Keras validates with these very examples
            ours, theirs = side.mean_of("loss") + side.penalty, float(told["val_loss"])
            self._is_valid_known = not side.is_weighted and abs(ours - theirs) <= ROUNDING * max(abs(ours), abs(theirs))
        return side

    def _some(self, split: Any) -> Any:
        """Return rows to score of a split under a share of the time: a random thousand, None (all) where there are no more."""
        if not isinstance(self._budget, float) or not is_arrays(split) or rows_of(split) <= SOME:
            return None
        rng = np.random.default_rng([self._seed, self._watching().ledger.epoch])
        return np.sort(rng.choice(rows_of(split), size=SOME, replace=False))

    def _reported(
        self, name: str, steps: Steps, log: VisitLog[Held], told: dict[str, Any], valid: ValidSide | None
    ) -> Reported:
        """Keras's side: the mean over rows of the batches' losses, each with its regularisation and sample weights inside."""
        rows = np.asarray(log.rows, dtype=np.float64)
        batches = _means_of_batches(log.recorded, name, rows)
        penalty, notes, is_plain = None, tuple[str, ...](), True
        if name == "loss":
            if self._probe is not None and self._probe.has_penalty:
                penalty = np.full(rows.size, np.nan)
                for index, _, held in log.sample():
                    if held.at_visit is not None:
                        penalty[index] = held.at_visit.wait().penalty
            is_plain, notes = self._is_plain_mean(steps, batches)
            notes = (*notes, *steps.notes)
            if self._n_train is not None and int(rows.sum()) != self._n_train:
                notes = (*notes, f"the epoch visited {int(rows.sum())} rows, train has {self._n_train}")
            if self._watch is not None and self._watch.note:
                notes, self._watch.note = (*notes, self._watch.note), ""
        absent: set[Cause] = set()
        if penalty is None:
            absent.add("penalty")
        if is_plain:
            absent.add("reduction")
        key = f"val_{name}"
        return Reported(
            train=_number(told.get(name)),
            valid=_number(told[key]) if key in told else (None if valid is None else valid.mean_of(name)),
            batches=batches,
            weight=rows,
            penalty=penalty,
            is_plain_mean=is_plain,
            absent=absent,
            notes=notes,
        )

    def _is_plain_mean(self, steps: Steps, batches: Array) -> tuple[bool, tuple[str, ...]]:
        """Compare what Keras reported for a batch with the mean of its examples and the penalty, once in a run."""
        if not steps.is_plain or steps.checked is None or steps.checked_in != steps.number:
            return steps.is_plain, ()
        index, pending = steps.checked
        scored = pending.wait()
        ours, told = float(scored.scores["loss"].mean()) + scored.penalty, float(batches[index])
        if not np.isfinite(told) or abs(ours - told) <= 10 * ROUNDING * max(abs(ours), abs(told)):
            return True, ()
        steps.is_plain, steps.needs_visits = False, True
        text = f"Keras reported {told:.6g} for batch {index + 1}, its examples and regularisation give {ours:.6g}"
        return False, (f"{text}: a loss or train_step of your own? pass loss=",)


def undo_running_mean(running: Array, rows: Array, at: Ints | None = None) -> Array:
    """Return each batch's score, shape (b,), from Keras's running means over `rows`, shape (b,).

    Where only the running means after batches `at`, shape (k,), are known, the last batch among them, batches between two of
    them get the mean over those, so that the mean over all is what it was.

    Examples
    --------
    >>> undo_running_mean(np.array([2.0, 3.0]), np.array([10.0, 10.0])).tolist()
    [2.0, 4.0]
    >>> undo_running_mean(np.array([2.0, 3.0]), np.array([10.0, 10.0, 10.0]), np.array([0, 2])).tolist()
    [2.0, 3.5, 3.5]
    """
    seen = np.cumsum(rows)
    known = np.arange(rows.size) if at is None else at
    stretches = np.diff(running * seen[known], prepend=0.0) / np.diff(seen[known], prepend=0.0)
    batches: Array = np.repeat(stretches, np.diff(known, prepend=-1))
    return batches


def _means_of_batches(logs: Sequence[tuple[int, Mapping[str, Any]]], name: str, rows: Array) -> Array:
    # by way of np.asarray, which looks at the buffer of a JAX array in 1 us, where float() takes 6
    running = np.asarray([np.asarray(to_host(log[name])).item() for _, log in logs], dtype=np.float64)
    return undo_running_mean(running, rows, np.asarray([k for k, _ in logs]))


def _metric_names(model: Any) -> list[str]:
    """Return what the metrics of a built model are called in its logs."""
    return [one.name for metric in model.metrics for one in getattr(metric, "metrics", None) or [metric]]


def _look_away(state: Any, peek: Peek) -> None:
    """Validation batches are of interest only once they have been validated on."""


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
