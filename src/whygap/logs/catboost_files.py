"""What CatBoost leaves in catboost_info/: learn_error.tsv and test_error.tsv, and both together in catboost_training.json.

CatBoost calls every set of `eval_set` "test". A .tsv alone says nowhere but in its name of which set it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from whygap.logs.columns import name_of, split_of
from whygap.logs.delimited import header_of, read_delimited
from whygap.logs.records import LoggedRun, Split
from whygap.logs.source import Reader, Source
from whygap.logs.table import Column, Gatherer, Table, read_runs

FORMAT = "CatBoost"
FILES = ("learn_error.tsv", "test_error.tsv")


def _matches(source: Source) -> bool:
    if source.is_folder:
        return all((source.path / name).is_file() for name in FILES)
    header = header_of(source)
    return header is not None and header.separator == "\t" and header.names[0] == "iter" and "Passed" not in header.names


def _read(source: Source) -> tuple[LoggedRun, ...]:
    paths = [source.path / name for name in FILES] if source.is_folder else [source.path]
    parts: list[tuple[str, Table]] = []
    for path in paths:
        part = Source(path, f"{source.name}/{path.name}" if source.is_folder else source.name)
        if header := header_of(part):
            parts.append((path.name.partition("_")[0], read_delimited(part, header)))
    every = np.unique(np.concatenate([np.empty(0), *(table.over_rows("iter") for _, table in parts)]))
    every = every[np.isfinite(every)]
    columns = {"iter": Column(np.arange(every.size), every)}
    for word, table in parts:
        iteration = table.over_rows("iter")
        for name, column in table.columns.items():
            at = iteration[column.row]
            order = np.argsort(at, kind="stable")
            kept = order[np.isfinite(at[order])]
            if name != "iter" and kept.size:
                columns[f"{word}/{name}"] = Column(np.searchsorted(every, at[kept]), column.value[kept])
    return _runs(Table(columns, every.size, source.name, tuple(note for _, table in parts for note in table.notes)))


def runs_in(document: Any, source_name: str) -> tuple[LoggedRun, ...]:
    """Return the run that catboost_training.json tells of, none if a JSON document isn't one.

    Raises
    ------
    InputError
        If it is larger than a log.
    """
    match document:
        case {"meta": dict(meta), "iterations": list(iterations)}:
            pass
        case _:
            return ()
    gatherer = Gatherer(source_name)
    for row, iteration in enumerate(iterations):
        if not isinstance(iteration, dict) or not isinstance(iteration.get("iteration"), float):
            continue
        gatherer.add("iter", [row], [iteration["iteration"]])
        for word, scores in iteration.items():
            names = _metrics(meta, "learn_metrics" if word == "learn" else "test_metrics")
            for name, value in zip(names, scores if isinstance(scores, list) else (), strict=False):
                if isinstance(value, float):
                    gatherer.add(f"{word}/{name}", [row], [value])
    return _runs(gatherer.table(len(iterations)))


def _metrics(meta: Mapping[str, Any], key: str) -> list[str]:
    metrics = meta.get(key)
    return [str(m.get("name")) for m in metrics if isinstance(m, dict)] if isinstance(metrics, list) else []


def _runs(table: Table) -> tuple[LoggedRun, ...]:
    return read_runs(table, format=FORMAT, framework="catboost", names=_names)


def _names(columns: Iterable[str]) -> dict[str, tuple[str, Split]]:
    return {c: (name_of(c.partition("/")[2])[0], split_of(c.partition("/")[0].rstrip("0123456789"))) for c in columns}


READER = Reader(FORMAT, _matches, _read)
