"""From a factory to an answer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, get_args

from whygap.errors import InputError
from whygap.probe.answer import ProbeAnswer
from whygap.probe.bench import Bench, Watch
from whygap.probe.case import Case, Framework, make_case, why_not_wider, width_of
from whygap.probe.in_keras import KerasWorkshop
from whygap.probe.in_torch import TorchWorkshop
from whygap.probe.investigate import Investigation
from whygap.probe.reasons import Evidence, describe, memorised, rank, settle, why, why_not
from whygap.probe.training import Workshop
from whygap.records import Estimate, Overfitting
from whygap.verdict.overfitting import WORTH

SECONDS = 300.0


def probe(
    factory: Callable[..., Any],
    *,
    name: str = "factory",
    seconds: float = SECONDS,
    framework: Framework | None = None,
    epochs: int | None = None,
    seed: int = 0,
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
        If the framework isn't installed.
    """
    if not seconds > 0.0 or seed < 0 or (epochs is not None and epochs < 1):
        raise InputError(f"the probe needs some seconds, an epoch and a seed from 0, not {seconds}, {epochs} and {seed}")
    if framework is not None and framework not in get_args(Framework):
        raise InputError(f"framework must be torch or keras, not {framework!r}")
    case = make_case(factory, name, epochs=epochs)
    workshop = _workshop(framework, case)
    with workshop.preserved():
        bench = Bench(
            case, workshop, wider=lambda width: make_case(factory, name, width=width), seconds=seconds, seed=seed, watch=watch
        )
        investigation = Investigation(bench, width=width_of(factory), why_not_wider=why_not_wider(factory))
        is_interrupted = False
        try:
            investigation.run()
        except KeyboardInterrupt:
            if not (bench.results and bench.results[0].looks):
                raise
            is_interrupted = True
    return _answer(investigation, bench, name=name, is_interrupted=is_interrupted)


def _workshop(framework: Framework | None, case: Case) -> Workshop:
    if framework is None:
        framework = "keras" if case.loss is None and "keras" in sys.modules else "torch"
    return TorchWorkshop() if framework == "torch" else KerasWorkshop()


def _answer(investigation: Investigation, bench: Bench, *, name: str, is_interrupted: bool) -> ProbeAnswer:
    e = investigation.evidence()
    found = settle(e.given.overfitting(), e)
    reasons = rank(why(e) if found.state == "yes" else why_not(e))
    learnt = memorised(e.random[1]) if 1 in e.random else None
    results = [r for r in bench.results if r.looks]
    return ProbeAnswer(
        case=name,
        framework=bench.workshop.version,
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
        left_out=tuple(investigation.left_out),
        trials=tuple(r.trial(f"{name}, {r.setting.name}, seed {bench.seed + r.setting.seed}") for r in results),
        gaps={r.setting.name: _gap_at_end(r, e) for r in results},
        seconds=bench.seconds,
        spent_s=bench.spent,
        is_interrupted=is_interrupted,
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
