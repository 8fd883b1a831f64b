"""`whygap lab`: run a grid of experiments, and show what it answers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from whygap.terminal import DONE, INTERRUPTED, JsonOption, StoreOption, check_writable, open_console

if TYPE_CHECKING:
    from rich.console import Console

    from whygap.lab.spec import Spec
    from whygap.store import Store
    from whygap.store_experiments import ExperimentSummary
    from whygap.trials import Experiment

lab = App(name="lab", help="Experiments on processes: why does a network overfit, or not?", help_format="plaintext")

PageOption = Annotated[Path | None, Parameter(alias="-o", help="Write a page there, too.")]


@lab.command
def run(
    spec: Annotated[
        str, Parameter(help='A TOML file, the name of a ready spec such as "edge", or "claims" for those of all claims.')
    ],
    *,
    workers: Annotated[int | None, Parameter(help="Processes; by default as many as there are cores.")] = None,
    on: Annotated[Literal["local", "ray"], Parameter(help="Processes of this machine, or a Ray cluster.")] = "local",
    output: PageOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> int:
    """Train every run of a grid that isn't in the store yet, and say what they answer."""
    from whygap.lab.spec import CLAIMS, read_spec
    from whygap.store import Store, store_path

    if output is not None:
        check_writable(output)
    specs = [read_spec(name) for name in (CLAIMS if spec == "claims" and not Path(spec).exists() else [spec])]
    console = open_console(stderr=json)
    path = store_path(store)
    with Store(path) as opened:
        found = []
        for place, one in enumerate(specs):
            try:
                found.append(_trained(one, opened, console, on=on, workers=workers))
            except KeyboardInterrupt:
                print(f"whygap: {_stopped(opened)}; run the same command again to go on", file=sys.stderr)
                return INTERRUPTED
            if not json:
                _print(console, found[-1])
            if output is not None:
                _write(found[-1], output if len(specs) == 1 else output.with_stem(f"{output.stem}-{one.name}"), console)
            if not json and place + 1 < len(specs):
                console.print()
    if json:
        print(_as_json(found, many=len(specs) > 1))
    return DONE


@lab.command
def show(
    experiment: Annotated[str, Parameter(help='The id of an experiment, the beginning of one, or "last".')] = "last",
    *,
    output: PageOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> int:
    """Say what a stored experiment answers."""
    from whygap.store import Store, store_path

    if output is not None:
        check_writable(output)
    with Store(store_path(store), readonly=True) as opened:
        found = opened.experiment(experiment)
    if json:
        print(_as_json([found], many=False))
    else:
        _print(open_console(), found)
    if output is not None:
        _write(found, output, open_console(stderr=json))
    return DONE


@lab.command(name="list")
def list_(*, store: StoreOption = None, json: JsonOption = False) -> int:
    """List the experiments in the store, and the ready specs."""
    import msgspec
    from rich.table import Table

    from whygap.lab.spec import ready_specs
    from whygap.store import store_path

    path = store_path(store)
    summaries = _stored(path)
    if json:
        print(msgspec.json.encode(summaries).decode())
        return DONE
    console = open_console()
    if summaries:
        table = Table("experiment", "runs", "begun", "what it asks", box=None, pad_edge=False)
        for one in summaries:
            table.add_row(one.id, f"{one.finished} of {one.wanted}", one.started, one.title)
        console.print(table)
    else:
        console.print(f"There is no experiment in {path} yet.")
    console.print(f"Ready specs: {', '.join(ready_specs())}; all claims: claims")
    return DONE


def _trained(spec: Spec, store: Store, console: Console, *, on: Literal["local", "ray"], workers: int | None) -> Experiment:
    """Run a grid under a bar with the runs done and the time left, and say what was there already."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from whygap.lab.grid import Progress as Done
    from whygap.lab.grid import run_grid

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn())
    # the speed over all of the run so far: runs of different length end at different times, so that the last few tell little
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal, speed_estimate_period=3600.0)
    with bar:
        task = bar.add_task(f"{spec.name}: preparing", total=None)
        kept = 0.0

        def watch(done: Done) -> None:
            nonlocal kept
            if done.finished == done.kept:
                kept = done.share
                if done.kept:
                    console.print(f"{spec.name}: {done.kept} of {done.wanted} runs were finished already")
            text = f"{spec.name}: {done.finished} of {done.wanted} runs"
            bar.update(task, description=text, completed=done.share - kept, total=1.0 - kept)  # what was kept took no time

        return run_grid(spec, store, on=on, workers=workers, watch=watch)


def _stored(path: Path) -> tuple[ExperimentSummary, ...]:
    """Return what a store holds; nothing, where there is none yet."""
    from whygap.store import Store

    if not path.exists():
        return ()
    with Store(path, readonly=True) as opened:
        return opened.experiments()


def _stopped(store: Store) -> str:
    last = store.experiments()[:1]
    return f"stopped with {last[0].finished} of {last[0].wanted} runs of {last[0].id} stored" if last else "stopped"


def _print(console: Console, experiment: Experiment) -> None:
    from whygap.answers import answer
    from whygap.report import print_experiment

    print_experiment(console, experiment, answer(experiment))


def _write(experiment: Experiment, path: Path, console: Console) -> None:
    from whygap.answers import answer
    from whygap.report import write_experiment_page

    write_experiment_page(experiment, answer(experiment), path)
    console.print(f"The page is {path}")


def _as_json(experiments: list[Experiment], *, many: bool) -> str:
    from whygap.answers import answer
    from whygap.report import experiment_as_json

    texts = [experiment_as_json(one, answer(one)).decode() for one in experiments]
    return f"[{', '.join(texts)}]" if many else texts[0]
