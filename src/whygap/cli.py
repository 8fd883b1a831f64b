"""The `whygap` command. Imports inside functions, so that `whygap --help` is quick; nobody imports this module."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from whygap import __version__
from whygap.cli_lab import lab
from whygap.cli_probe import probe
from whygap.terminal import (
    DONE,
    FAILED_CHECK,
    INTERRUPTED,
    WRONG_USE,
    JsonOption,
    StoreOption,
    check_writable,
    open_console,
    open_progress,
)

if TYPE_CHECKING:
    from rich.console import Console

    from whygap.demo import Demo
    from whygap.records import EpochGap, Run, Verdict

app = App(
    name="whygap",
    version=__version__,
    help="Why do a training score and a validation score differ, and by how much for each reason?",
    help_format="plaintext",
)
app.command(lab)
app.command(probe)


@app.command
def demo(
    *,
    output: Annotated[Path, Parameter(alias="-o", help="Where the page goes.")] = Path("report.html"),
    seed: Annotated[int, Parameter(help="Of the data, the initial weights and the order of examples.")] = 0,
    epochs: Annotated[int, Parameter(help="Passes over the training set.")] = 12,
    budget: Annotated[str, Parameter(help='Training examples scored per epoch: a number, or "exact" for all.')] = "exact",
    store: StoreOption = None,
    json: JsonOption = False,
) -> int:
    """Train the LSTM whose training loss stays above its validation loss, explain it, and write a page."""
    from whygap.demo import Demo
    from whygap.report import write_page
    from whygap.store import Store, store_path

    path = store_path(store)
    Store(path).close()  # a store that can't be written to is told of before anything is trained
    check_writable(output)
    console = open_console(stderr=json)
    with console.status("Loading Keras"):
        trial = Demo(seed=seed, epochs=epochs, budget=_budget(budget), store=path)
    code = DONE
    try:
        _train(trial, console)
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED and trial.n_measured == 0:
        raise KeyboardInterrupt
    run, verdict = trial.run, trial.explain()
    if json:
        _print_json(run, verdict, run.source)
    else:
        _show(run, verdict, _first_middle_last(run))
    write_page(run, verdict, output)
    console.print(f"The run is {run.id} in {path}; the page is {output}")
    if trial.n_unsaved:
        print(f"whygap: {trial.n_unsaved} of {len(run.of())} epochs are not in {path}", file=sys.stderr)
        code = code or WRONG_USE
    elif code == INTERRUPTED:
        print(f"whygap: stopped after {len(run.of())} of {epochs} epochs; they are kept", file=sys.stderr)
    return code


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class LogOptions:
    """What a log leaves open, and the user may know."""

    train: Annotated[str | None, Parameter(help="Of a log: the column, or evaluation set, of training.")] = None
    valid: Annotated[str | None, Parameter(help="Of a log: the column, or evaluation set, of validation.")] = None
    epoch: Annotated[str | None, Parameter(help="Of a table: the column with the epochs.")] = None
    framework: Annotated[str | None, Parameter(help="Of a log: what wrote it, if that can't be seen: keras, ...")] = None
    which: Annotated[str | None, Parameter(help="Of a log with several runs: the name or number of one.")] = None
    n_train: Annotated[int | None, Parameter(help="Of a log: training examples, to name a ratio by.")] = None
    n_valid: Annotated[int | None, Parameter(help="Of a log: validation examples.")] = None


OF_NOTHING = LogOptions()


@app.command
def explain(
    run: Annotated[
        str,
        Parameter(
            help='A stored run: its id, the beginning of one, or "last". Or a log: a file, a folder, or "-" for piped text.',
            allow_leading_hyphen=True,
        ),
    ] = "last",
    *,
    score: Annotated[str | None, Parameter(help="Which score; by default the loss.")] = None,
    output: Annotated[Path | None, Parameter(alias="-o", help="Write a page there, too.")] = None,
    log: LogOptions = OF_NOTHING,
    store: StoreOption = None,
    json: JsonOption = False,
) -> int:
    """Say why the two scores of a stored run differ, or what a log of any tool tells of it."""
    from whygap.report import write_page
    from whygap.verdict import judge

    if output is not None:
        check_writable(output)
    if run == "-" or Path(run).exists():
        found, verdict, source, is_log = *_read(run, score, log), run, True
    else:
        _check_stored(run, log)
        found, is_log = _load(run, store, score), False
        verdict, source = judge(found, score=score), found.source
    if output is not None:
        write_page(found, verdict, output)
    if json:
        _print_json(found, verdict, source)
    elif is_log:
        _show_log(found, verdict)
    else:
        _show(found, verdict, _first_middle_last(found, score), score)
    if output is not None and not json:
        open_console().print(f"The page is {output}")
    return DONE


@app.command
def runs(*, store: StoreOption = None, json: JsonOption = False) -> int:
    """List the runs in the store."""
    import msgspec

    from whygap.report import print_runs
    from whygap.store import Store, store_path

    with Store(store_path(store), readonly=True) as opened:
        summaries = opened.runs()
    if json:
        print(msgspec.json.encode(summaries).decode())
    else:
        print_runs(open_console(), summaries)
    return DONE


@app.command
def report(
    run: Annotated[str, Parameter(help='A stored run: its id, the beginning of one, or "last".')] = "last",
    *,
    output: Annotated[Path, Parameter(alias="-o", help="Where the page goes.")] = Path("report.html"),
    score: Annotated[str | None, Parameter(help="Which score the verdict is on; by default the loss.")] = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> int:
    """Write one self-contained page about a stored run."""
    import msgspec

    from whygap.report import write_page
    from whygap.verdict import judge

    found = _load(run, store, score)
    write_page(found, judge(found, score=score), output)
    if json:
        print(msgspec.json.encode({"run": found.id, "page": str(output)}).decode())
    else:
        open_console().print(f"The page is {output}")
    return DONE


@app.command
def audit(
    *,
    loader: Annotated[str, Parameter(help="MODULE:FACTORY; what the factory returns is walked through as training data.")],
    valid: Annotated[str | None, Parameter(help="MODULE:FACTORY of the validation data.")] = None,
    clean: Annotated[str | None, Parameter(help="MODULE:FUNCTION that returns a batch without augmentation.")] = None,
    expect: Annotated[Literal["fresh", "once", "pool"] | None, Parameter(help="What the examples are meant to be.")] = None,
    epochs: Annotated[int, Parameter(help="To walk through; at least 2 tell whether examples come again.")] = 2,
    seconds: Annotated[
        float, Parameter(help="At most, in all; an epoch that takes longer is told of as far as it got.")
    ] = 60.0,
    steps: Annotated[int | None, Parameter(help="Batches in an epoch, of a loader that has no end.")] = None,
    examples: Annotated[bool, Parameter(negative="", help="The loader gives examples, not batches.")] = False,
    json: JsonOption = False,
) -> int:
    """Say how often a loader really presents each example, and what is wrong with that."""
    import msgspec

    from whygap.adapters.loader_walk import Walk, audit_loader
    from whygap.by_name import find_function
    from whygap.report import print_repetition

    view = None if clean is None else find_function(clean)
    walk = Walk(find_function(loader), loader, steps=steps)
    other = None if valid is None else Walk(find_function(valid), valid)
    with open_progress(open_console(stderr=True)) as bar:
        task = bar.add_task("Epoch 1", total=None)
        epoch_of = dict[str, int]()

        def show(what: str, batches: int | None) -> None:
            epoch_of[what] = epoch_of.get(what, 0) + 1
            bar.update(task, description=what, completed=epoch_of[what], total=batches)

        found = audit_loader(
            walk, other, epochs=epochs, seconds=seconds, clean=view, believed=expect, has_examples=examples, watch=show
        )
    if json:
        print(msgspec.json.encode({"schema": 1, "loader": loader, "repetition": found}).decode())
    else:
        print_repetition(open_console(), found)
    return FAILED_CHECK if found.problems else DONE


def _load(name: str, store: Path | None, score: str | None) -> Run:
    from whygap.errors import InputError
    from whygap.store import Store, store_path

    with Store(store_path(store), readonly=True) as opened:
        run = opened.load(name)
    if not run.epochs:
        why = f": {run.problems[-1].text}" if run.problems else ""
        raise InputError(f"run {run.id} has no epoch yet{why}")
    if score is not None and score not in [s.name for s in run.scores]:
        raise InputError(f"run {run.id} has no score {score}; it has {', '.join(s.name for s in run.scores)}")
    if all(e.gap is None for e in run.of(score)):
        why = next((n for e in run.of(score) for n in e.notes), "no gap was reported")
        raise InputError(f"run {run.id} can't be explained: {why}")
    return run


def _check_stored(run: str, log: LogOptions) -> None:
    """Say of what can't be a stored run that there is no such file, or no such option."""
    from whygap.errors import InputError

    if run.startswith("-"):
        raise InputError(f"unknown option: {run}")
    if Path(run).name != run or Path(run).suffix:
        raise InputError(f"{run}: no such file or folder")
    if log != OF_NOTHING:
        raise InputError(f"{run} is no file: --train, --valid, --epoch, --framework, --which and the like are for logs")


def _read(where: str, score: str | None, log: LogOptions) -> tuple[Run, Verdict]:
    """Read a log and say what it tells of one of its runs."""
    from whygap.logs import assign, check_framework, choose_run, explain_log, read_log

    logged, note = choose_run(read_log(where, train=log.train, valid=log.valid, epoch=log.epoch), log.which)
    if log.framework is not None:
        logged = replace(logged, framework=check_framework(log.framework))
    told = {name: float(n) for name, n in (("n_train", log.n_train), ("n_valid", log.n_valid)) if n is not None}
    logged = replace(logged, facts={**logged.facts, **told}, notes=(*logged.notes, *note))
    answer = explain_log(assign(logged, train=log.train, valid=log.valid), source=where, score=score)
    return answer.run, answer.verdict


def _budget(text: str) -> int | str:
    from whygap.errors import InputError

    if text == "exact":
        return text
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f'--budget must be a positive whole number or "exact", not {text}')
    return int(text)


def _train(trial: Demo, console: Console) -> None:
    with open_progress(console) as bar:
        task = bar.add_task(f"Epoch 1 of {trial.n_epochs}", total=None)

        def show(done: int, total: int) -> None:
            epoch = min(trial.n_epochs, 1 + done * trial.n_epochs // max(1, total))
            bar.update(task, completed=done, total=total, description=f"Epoch {epoch} of {trial.n_epochs}")

        trial.train(show)


def _first_middle_last(run: Run, score: str | None = None) -> list[EpochGap]:
    gaps = [g for g in run.of(score) if g.gap is not None]
    return [gaps[i] for i in sorted({0, len(gaps) // 2, len(gaps) - 1})] if gaps else []


def _show(run: Run, verdict: Verdict, gaps: list[EpochGap], score: str | None = None) -> None:
    from whygap.report import print_epochs, print_ladder, print_looks, print_verdict

    console = open_console()
    for gap in gaps:
        print_ladder(console, gap, explain=gap is gaps[-1])  # what the terms mean, once
        console.print()
    print_epochs(console, run, score)
    console.print()
    print_looks(console, verdict)
    console.print()
    print_verdict(console, verdict)
    console.print()


MOST_LINES = 40
"""Epochs beyond which a log's are not printed one by one: the page and --json have them all."""


def _show_log(run: Run, verdict: Verdict) -> None:
    from whygap.report import print_epochs, print_stretches, print_verdict

    console = open_console()
    if len(run.of(verdict.score.name)) <= MOST_LINES:
        print_epochs(console, run, verdict.score.name)
        console.print()
    print_stretches(console, verdict)
    console.print()
    print_verdict(console, verdict)
    console.print()


def _print_json(run: Run, verdict: Verdict, source: str) -> None:
    from whygap.report import run_as_json

    print(run_as_json(run, verdict, source=source).decode())


def main() -> None:
    """Run the command and exit with its code; whatever goes wrong is one line on standard error."""
    import warnings

    from whygap.errors import WhygapError

    warnings.showwarning = _show_warning  # type: ignore[assignment]  # it takes all six arguments, the last four unnamed
    try:
        code = app(exit_on_error=False, print_error=False)
    except CycloptsError as error:
        _leave(" ".join(str(error).split()), WRONG_USE)
    except WhygapError as error:
        _leave(str(error), WRONG_USE)
    except KeyboardInterrupt:
        _leave("stopped", INTERRUPTED)
    except BrokenPipeError:  # `whygap explain | head`
        sys.stderr.close()
        sys.exit(DONE)
    sys.exit(code if isinstance(code, int) else DONE)


def _show_warning(message: Warning | str, category: type[Warning], *_: object) -> None:
    """Print a warning as one line, without the place in the code that a person at a terminal has no use for."""
    from whygap.errors import WhygapWarning

    print(message if issubclass(category, WhygapWarning) else f"whygap: {category.__name__}: {message}", file=sys.stderr)


def _leave(text: str, code: int) -> None:
    print(f"whygap: {text}", file=sys.stderr)
    sys.exit(code)
