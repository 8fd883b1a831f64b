"""From a factory to an answer."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from whygap.by_name import find_function
from whygap.errors import InputError
from whygap.probe.answer import ProbeAnswer
from whygap.probe.bench import Bench, Watch
from whygap.probe.case import Case, Framework, make_case, why_not_wider, width_of
from whygap.probe.in_keras import KerasWorkshop
from whygap.probe.in_torch import TorchWorkshop
from whygap.probe.investigate import QUESTIONS, Found, Investigation, Question, evidence_of, merge
from whygap.probe.reasons import Evidence, describe, memorised, rank, settle, why, why_not
from whygap.probe.training import Workshop
from whygap.records import Estimate, Overfitting
from whygap.verdict.overfitting import WORTH

SECONDS = 300.0
LIVES = 5
"""Times that a worker of Ray may be killed before that is taken for a fault of what it trains."""


def probe(
    factory: Callable[..., Any],
    *,
    name: str = "factory",
    seconds: float = SECONDS,
    framework: Framework | None = None,
    epochs: int | None = None,
    seed: int = 0,
    on: Literal["local", "ray"] = "local",
    watch: Watch | None = None,
) -> ProbeAnswer:
    """Say whether a training overfits, and why or why not, from trainings with one thing changed at a time.

    Parameters
    ----------
    factory : callable
        Returns a `Case`, or a dict with its names. With an argument such as `width=64` a wider model is tried, too.
    name : str
        As shown to people.
    seconds : float
        The budget of time. What doesn't fit in is left out, and named; an epoch in hand when it is up is not finished.
    framework : "torch" or "keras", optional
        By default PyTorch where the case has a loss.
    epochs : int, optional
        Of the training as given, instead of the case's own.
    seed : int
        Of all trainings, 0 or more. The global random states are as before when it is done.
    on : "local" or "ray"
        With "ray" each group of questions is looked into by a worker of its own, on a cluster of this machine's cores or the
        one at RAY_ADDRESS, each within the budget of time, and after the training as given. `name` then is the MODULE:FACTORY
        by which the workers find the factory.
    watch : callable, optional
        Told what is being trained and which part of the budget is spent, 0 to 1.

    Returns
    -------
    ProbeAnswer
        After Ctrl-C with what was found until then.

    Raises
    ------
    InputError
        If the factory returns no case, it can't be trained, or an argument is out of its range.
    MissingPackageError
        If the framework isn't installed, or Ray where it is asked for.
    WhygapError
        If there is no Ray cluster, or its workers are killed again and again.
    """
    if not seconds > 0.0 or seed < 0 or (epochs is not None and epochs < 1):
        raise InputError(f"the probe needs some seconds, an epoch and a seed from 0, not {seconds}, {epochs} and {seed}")
    if framework is not None and framework not in get_args(Framework):
        raise InputError(f"framework must be torch or keras, not {framework!r}")
    options = Options(seconds=seconds, framework=framework, epochs=epochs, seed=seed)
    found = _on_ray(name, options, watch) if on == "ray" else _investigate(factory, name, options, QUESTIONS, watch)
    return _answer(found, name=name, seconds=seconds, seed=seed)


class Options(NamedTuple):
    """As in `probe`."""

    seconds: float
    framework: Framework | None
    epochs: int | None
    seed: int


def _investigate(
    factory: Callable[..., Any], name: str, options: Options, questions: Collection[Question], watch: Watch | None
) -> Found:
    case = make_case(factory, name, epochs=options.epochs)
    workshop = _workshop(options.framework, case)
    with workshop.preserved():
        bench = Bench(
            case,
            workshop,
            wider=lambda width: make_case(factory, name, width=width),
            seconds=options.seconds,
            seed=options.seed,
            watch=watch,
        )
        investigation = Investigation(bench, width=width_of(factory), why_not_wider=why_not_wider(factory), questions=questions)
        is_interrupted = False
        try:
            investigation.run()
        except KeyboardInterrupt:
            if not (bench.results and bench.results[0].looks):
                raise
            is_interrupted = True
    return investigation.found(is_interrupted=is_interrupted)


def _on_ray(name: str, options: Options, watch: Watch | None) -> Found:
    """Have each group of questions looked into by a worker."""
    from whygap.lab.on_ray import call_on_ray

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    calls = [(name, options, question) for question in QUESTIONS]
    # the factory's module is looked for where this process looks
    environment = {"PYTHONPATH": os.pathsep.join(dict.fromkeys([str(Path.cwd()), *filter(None, sys.path)]))}
    done: dict[int, Found] = {}

    def tell() -> None:
        if watch is not None:
            watch(f"on Ray, {len(done)} of {len(calls)} workers are done", len(done) / len(calls))

    tell()
    for place, found in call_on_ray(investigate_by_name, calls, cores=cores, environment=environment, lives=LIVES):
        done[place] = found
        tell()
    return merge([done[place] for place in range(len(calls))])


def investigate_by_name(name: str, options: Options, question: Question) -> Found:
    """Look into one group of questions: what a worker does."""
    return _investigate(find_function(name), name, options, (question,), None)


def _workshop(framework: Framework | None, case: Case) -> Workshop:
    if framework is None:
        framework = "keras" if case.loss is None and "keras" in sys.modules else "torch"
    return TorchWorkshop() if framework == "torch" else KerasWorkshop()


def _answer(made: Found, *, name: str, seconds: float, seed: int) -> ProbeAnswer:
    e = evidence_of(made)
    found = settle(e.given.overfitting(), e)
    reasons = rank(why(e) if found.state == "yes" else why_not(e))
    learnt = memorised(e.random[1]) if 1 in e.random else None
    results = [r for r in made.results if r.looks]
    return ProbeAnswer(
        case=name,
        framework=made.framework,
        headline=describe(found, e.given, reasons),
        overfitting=found,
        n=e.given.n,
        n_parameters=e.given.n_parameters,
        epochs=e.given.epochs,
        gap=e.given.gap,
        reasons=reasons,
        notes=_notes(e, found),
        memorised=None if learnt is None else learnt.share,
        repetition=e.repetition,
        forecast=e.forecast,
        left_out=tuple(made.left_out),
        trials=tuple(r.trial(f"{name}, {r.setting.name}, seed {seed + r.setting.seed}") for r in results),
        gaps={r.setting.name: _gap_at_end(r, e) for r in results},
        seconds=seconds,
        spent_s=made.spent_s,
        is_interrupted=made.is_interrupted,
    )


def _gap_at_end(result: Any, e: Evidence) -> Estimate:
    return e.given.gap if result.setting == e.given.setting else result.gap


def _notes(e: Evidence, found: Overfitting) -> tuple[str, ...]:
    notes = []
    if e.seeds:
        others = ", ".join(f"{r.gap}" for r in e.seeds)
        notes.append(f"With other seeds the gap at the end is {others}; with the first one it is {e.given.gap}.")
    shift, valid = e.shift, float(e.given.looks[-1].valid.loss.mean())
    is_told = found.state == "cannot_tell"
    if (
        shift is not None
        and not is_told
        and min(abs(shift.low), abs(shift.high)) > WORTH * valid
        and shift.low * shift.high > 0
    ):
        what = "worse" if shift.value > 0 else "better"
        notes.append(
            f"Validation examples score {what} than training examples that were left out, by {shift}: they are not alike."
        )
    if e.repetition is not None:
        notes += [f.sentence for f in e.repetition.problems]
    return tuple(notes)
