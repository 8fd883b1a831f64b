"""`whygap probe`. Imports inside functions, so that `whygap --help` is quick."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from whygap.terminal import DONE, INTERRUPTED, JsonOption, check_writable, open_console, open_progress

if TYPE_CHECKING:
    from whygap.probe import ProbeAnswer


def probe(
    factory: Annotated[str, Parameter(help="MODULE:FACTORY, looked for in the current folder too.")],
    *,
    seconds: Annotated[float, Parameter(help="For everything; trainings that don't fit in are left out, and named.")] = 300.0,
    framework: Annotated[
        Literal["torch", "keras"] | None, Parameter(help="Of the model; by default PyTorch where the case has a loss.")
    ] = None,
    epochs: Annotated[int | None, Parameter(help="Of the training as given, instead of the case's own.")] = None,
    seed: Annotated[int, Parameter(help="Of weights, order of examples and random labels.")] = 0,
    on: Annotated[Literal["local", "ray"], Parameter(help="This process, or a Ray cluster: a worker a question.")] = "local",
    output: Annotated[Path | None, Parameter(alias="-o", help="Write a page there, too.")] = None,
    store: Annotated[Path | None, Parameter(help="Keep the trainings there, as an experiment; by default they aren't.")] = None,
    json: JsonOption = False,
) -> int:
    """Say why your own model overfits, or why not, by training it with one thing changed at a time.

    The factory returns the training as you would run it, as a
    whygap.probe.Case or a dict:

        def factory(width=64):
            return {
                "model": lambda: Net(width),  # a new one; in Keras compiled
                "train": (x, y),  # arrays, a PyTorch dataset, or a loader
                "valid": (x_valid, y_valid),
                "batch_size": 32,
                "epochs": 20,
                # PyTorch only:
                "loss": torch.nn.CrossEntropyLoss(),
                "optimiser": lambda p: torch.optim.Adam(p, lr=1e-3),
            }

    With a number as the default of an argument width, a wider model is tried.
    Two more keys: steps, the batches in an epoch of a loader without an end;
    fresh, a process of whygap or a function (n, seed) that returns n new
    examples (x, y).

    Ctrl-C ends it with what was found until then.
    """
    from whygap.by_name import find_function
    from whygap.probe import probe as run_probe
    from whygap.store import Store

    if output is not None:
        check_writable(output)
    if store is not None:
        Store(store).close()  # one that can't be written to is told of before anything is trained
    found = find_function(factory)
    with open_progress(open_console(stderr=True)) as bar:
        task = bar.add_task("Reading the data", total=1.0)
        answer = run_probe(
            found,
            name=factory,
            seconds=seconds,
            framework=framework,
            epochs=epochs,
            seed=seed,
            on=on,
            watch=lambda what, spent: bar.update(task, description=what[0].upper() + what[1:], completed=spent),
        )
    _show(answer, output=output, store=store, json=json)
    return INTERRUPTED if answer.is_interrupted else DONE


def _show(answer: ProbeAnswer, *, output: Path | None, store: Path | None, json: bool) -> None:
    import msgspec

    from whygap.probe.printing import print_answer

    console = open_console()
    if json:
        print(msgspec.json.encode({"schema": 1, "probe": answer.case, "answer": answer}).decode())
    else:
        print_answer(console, answer)
    told = open_console(stderr=True) if json else console
    if store is not None:
        from whygap.probe.storing import store_answer

        told.print(f"The trainings are experiment {store_answer(answer, store)} in {store}", soft_wrap=True)
    if output is not None:
        from whygap.probe.page import write_answer

        write_answer(answer, output)
        told.print(f"The page is {output}", soft_wrap=True)
