"""Keras's `History.history` as JSON: a list for each score, by its name, with "val_" before those of validation.

It may stand in {"history": ..., "params": ..., "epoch": ...}; several may stand in a list (of folds), or by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from whygap.logs.json_text import number_in, numbers_in
from whygap.logs.records import LoggedRun
from whygap.logs.source import clean
from whygap.logs.table import MOST_RUNS, Gatherer, read_runs

FORMAT = "Keras History"
FACTS = {"steps": "steps_per_epoch", "epochs": "epochs_planned", "batch_size": "batch_size"}


def runs_in(document: Any, source_name: str) -> tuple[LoggedRun, ...]:
    """Return the runs of a JSON document that is one history or several, none if it isn't.

    Raises
    ------
    InputError
        If it is larger than a log.
    """
    return tuple(run for name, history in _histories(document) for run in _run(name, history, source_name))


def _is_history(value: Any) -> bool:
    """Return whether every "val_x" has its "x", there is a loss, and epochs aren't a column."""
    if not isinstance(value, dict) or "loss" not in value or "epoch" in value or not all(map(numbers_in, value.values())):
        return False
    valid = [name.removeprefix("val_") for name in value if name.startswith("val_")]
    return bool(valid) and all(name in value for name in valid) and not any(name.startswith("train") for name in value)


def _histories(document: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    match document:
        case {"history": history} if _is_history(history):
            yield "", document
        case dict() if _is_history(document):
            yield "", {"history": document}
        case [*folds] if 0 < len(folds) <= MOST_RUNS and all(map(_is_history, folds)):
            yield from ((str(k), {"history": fold}) for k, fold in enumerate(folds, start=1))
        case dict() if 0 < len(document) <= MOST_RUNS and all(map(_is_history, document.values())):
            yield from ((name, {"history": history}) for name, history in document.items())


def _run(name: str, whole: Mapping[str, Any], source_name: str) -> tuple[LoggedRun, ...]:
    columns = {column: numbers_in(values) or ((), []) for column, values in whole["history"].items()}
    lengths = {column: len(values) for column, values in whole["history"].items()}
    rows = max(lengths.values())
    _, epochs = numbers_in(whole.get("epoch")) or ((), [])
    gatherer = Gatherer(source_name)
    gatherer.add("epoch", range(rows), epochs if len(epochs) == rows else [float(k) for k in range(rows)])
    notes = []
    for column, (places, values) in columns.items():
        every = _period(lengths[column], rows)
        if every is None:
            notes.append(f"{clean(column)}: of which {lengths[column]} of {rows} epochs its numbers are can't be told")
            continue
        gatherer.add(column, [(k + 1) * every - 1 for k in places], values)
    params = whole.get("params")
    stated = {} if not isinstance(params, dict) else {FACTS[key]: number_in(params.get(key)) for key in FACTS}
    facts = {key: value for key, value in stated.items() if value is not None}
    runs = read_runs(gatherer.table(rows, notes), format=FORMAT, framework="keras", name=name, counts_from=0)
    return tuple(replace(run, facts={**run.facts, **facts}) for run in runs)


def _period(count: int, rows: int) -> int | None:
    """Return the `validation_freq` that gives `count` validations in so many epochs, None where several do."""
    fits = range(rows // (count + 1) + 1, rows // count + 1)
    return fits[0] if len(fits) == 1 else None
