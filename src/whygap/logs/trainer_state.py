"""trainer_state.json of the transformers Trainer: `log_history`, one record for each time that something was logged.

"loss" is the mean over the steps since the last logging, which may straddle epochs; "eval_..." are of the validation set. The
last record's "train_loss" is the mean over the whole training: it belongs to no epoch, and is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from whygap.logs.columns import name_of
from whygap.logs.json_text import number_in
from whygap.logs.records import LoggedRun, Split
from whygap.logs.table import Gatherer, read_runs

FORMAT = "transformers trainer_state.json"
FACTS = {"num_train_epochs": "epochs_planned", "train_batch_size": "batch_size"}
SUMMARY = "train_runtime"
"""The key by which the record of the whole training is known."""


def runs_in(document: Any, source_name: str) -> tuple[LoggedRun, ...]:
    """Return the run of a JSON document that is a trainer's state, none if it isn't.

    Raises
    ------
    InputError
        If it is larger than a log.
    """
    if not isinstance(document, dict) or not isinstance(document.get("log_history"), list):
        return ()
    records = [record for record in document["log_history"] if isinstance(record, dict)]
    stated = {FACTS[key]: number_in(document.get(key)) for key in FACTS}
    steps, epochs = number_in(document.get("max_steps")), stated["epochs_planned"]
    if steps and epochs and (steps / epochs).is_integer():
        stated["steps_per_epoch"] = steps / epochs
    facts = {key: value for key, value in stated.items() if value is not None and value > 0}
    runs = read_history(records, source_name, format=FORMAT)
    return tuple(replace(run, facts={**run.facts, **facts}) for run in runs)


def read_history(
    records: Sequence[Mapping[str, Any]],
    source_name: str,
    *,
    format: str,  # noqa: A002 - as LoggedRun has it
) -> tuple[LoggedRun, ...]:
    """Return the run that records of the Trainer tell of, as in `log_history` or as printed.

    Parameters
    ----------
    records : sequence of mappings
        With the numbers as floats.
    source_name : str
        For errors.
    format : str
        Of the run.

    Raises
    ------
    InputError
        If they are more than any log's.
    """
    gatherer = Gatherer(source_name)
    notes: list[str] = []
    facts: dict[str, float] = {}
    for row, record in enumerate(records):
        numbers = {name: number for name, value in record.items() if (number := number_in(value)) is not None}
        if SUMMARY in numbers:
            notes.append(f"train_loss {numbers.get('train_loss')} is the mean over the whole training, not of an epoch")
            continue
        if (n := _examples(numbers)) is not None:
            facts["n_valid"] = n
        for name, number in numbers.items():
            gatherer.add(name, [row], [number])
    runs = read_runs(gatherer.table(len(records), notes), format=format, framework="transformers", names=_names, counts_from=1)
    return tuple(replace(run, facts={**run.facts, **facts}) for run in runs)


def _names(columns: Iterable[str]) -> dict[str, tuple[str, Split]]:
    return {column: _name(column) for column in columns}


def _name(column: str) -> tuple[str, Split]:
    score, split = name_of(column)
    return (score, "train") if split == "unknown" else (score, split)


def _examples(numbers: Mapping[str, float]) -> float | None:
    """Return the size of the validation set from its rate and time, where their four and three decimals tell it to one."""
    rate, time = numbers.get("eval_samples_per_second", 0.0), numbers.get("eval_runtime", 0.0)
    error = 0.0005 * time + 0.00005 * rate
    return float(round(rate * time)) if rate > 0 and time > 0 and rate * time < 1e9 and error < 0.45 else None
