"""MLflow: the table of metrics in `mlflow.db`, and the folder `mlruns` of older versions with a text file for each.

A metric has a step, which is whatever the user, or the autologging of a framework, gave: often the epoch.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import PurePath

import numpy as np

from whygap.errors import InputError
from whygap.logs.folder import files_in
from whygap.logs.lines import lines
from whygap.logs.records import LoggedRun
from whygap.logs.scalars import table_by_step
from whygap.logs.source import Reader, Source
from whygap.logs.sqlite_file import columns_of
from whygap.logs.table import MOST_NUMBERS, MOST_RUNS, read_runs

FORMAT = "MLflow"
FOLDER = "metrics"
LARGEST = 1.7e308
"""What MLflow's database has in the place of an infinity, and all that is larger."""

NEEDED = {"key", "value", "run_uuid", "step"}

Point = tuple[int, int, float]
"""Step, time and value: as they are to be sorted."""


def runs_in(db: sqlite3.Connection, source_name: str) -> tuple[LoggedRun, ...]:
    """Return the runs in an open database, none if it isn't MLflow's.

    Raises
    ------
    InputError
        If it is larger than a log.
    """
    columns = columns_of(db, "metrics")
    if not columns >= NEEDED:
        return ()
    time, is_nan = (name if name in columns else "0" for name in ("timestamp", "is_nan"))
    found: dict[str, dict[str, list[Point]]] = {}
    rows = db.execute(f"SELECT run_uuid, key, step, {time}, value, {is_nan} FROM metrics")
    for count, (run, key, step, at, value, nan) in enumerate(rows):
        if count >= MOST_NUMBERS:
            raise InputError(f"{source_name}: more than {MOST_NUMBERS:,} numbers")
        if isinstance(value, (int, float)) and isinstance(step, int) and isinstance(at, int):
            number = math.nan if nan else math.copysign(math.inf, value) if abs(value) > LARGEST else float(value)
            found.setdefault(str(run), {}).setdefault(str(key), []).append((step, at, number))
            if len(found) > MOST_RUNS:
                raise InputError(f"{source_name}: more than {MOST_RUNS:,} runs")
    names = _names(db)
    return tuple(run for key, points in found.items() for run in _runs(names.get(key, key), points, source_name))


def _names(db: sqlite3.Connection) -> dict[str, str]:
    if not columns_of(db, "runs") >= {"run_uuid", "name"}:
        return {}
    return {str(run): str(name) for run, name in db.execute("SELECT run_uuid, name FROM runs") if name}


def _runs(name: str, metrics: dict[str, list[Point]], source_name: str) -> Iterable[LoggedRun]:
    scalars = {}
    for key, points in metrics.items():
        points.sort(key=lambda point: point[:2])
        scalars[key] = [step for step, _, _ in points], [value for _, _, value in points]
    return read_runs(table_by_step(scalars, "step", source_name), format=FORMAT, name=name)


def _matches(source: Source) -> bool:
    """Return whether a folder holds runs: folders of metrics beside what says whose they are."""
    if not source.is_folder:
        return False
    try:
        paths = list(files_in(source))
    except InputError:
        return False
    described = {path.parent for path in paths if path.name == "meta.yaml"}
    described |= {path.parent.parent for path in paths if path.parent.name == "tags"}
    return any(run in described for path in paths if (run := _run_of(path)) is not None)


def _run_of(path: PurePath) -> PurePath | None:
    """Return the folder of the run whose metric a file is, None if it is none."""
    parts = path.parts[:-1]
    return PurePath(*parts[: parts.index(FOLDER)]) if FOLDER in parts else None


def _read(source: Source) -> tuple[LoggedRun, ...]:
    found: dict[PurePath, dict[str, list[Point]]] = {}
    for path in files_in(source):
        run = _run_of(path)
        if run is not None:
            file = Source(source.path / path, f"{source.name}/{path}")
            if points := list(_points(file)):
                found.setdefault(run, {})[str(path.relative_to(run / FOLDER))] = points
    return tuple(logged for run, metrics in found.items() for logged in _runs(_name_of(source, run), metrics, source.name))


def _points(file: Source) -> Iterator[Point]:
    """Yield the points of one metric: a line each, with time, value and step."""
    for number, line in enumerate(lines(file), start=1):
        if not line.strip():
            continue
        try:
            time, value, step = line.split()[:3]
            yield int(np.int64(int(step))), int(time), float(value)
        except (ValueError, OverflowError) as error:
            raise InputError(f"{file.name}: line {number} is not a time, a value and a step") from error


def _name_of(source: Source, run: PurePath) -> str:
    """Return the name that a run was given, or else its id."""
    tag = source.path / run / "tags" / "mlflow.runName"
    if tag.is_file() and not tag.is_symlink():
        return next(lines(Source(tag)), run.name)
    return run.name


READER = Reader("MLflow folder", _matches, _read)
