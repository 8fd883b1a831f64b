"""TensorBoard: one event file, or a logdir of them.

In a logdir, folders "train" and "validation" (Keras), or "Loss_train" and "Loss_valid" (add_scalars), are the splits of one
run; any other folder is a run of its own. Event files beside each other go on with the same run, unless the later one begins at
a step that the former had passed: then it is another run, which TensorBoard draws over the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

import numpy as np

from whygap.errors import InputError
from whygap.logs.columns import name_of, split_of
from whygap.logs.event_file import Points, is_event_file, read_points
from whygap.logs.folder import files_in
from whygap.logs.records import LoggedRun
from whygap.logs.scalars import Scalars, table_by_step
from whygap.logs.source import Reader, Source
from whygap.logs.table import MOST_COLUMNS, MOST_RUNS, read_runs

FORMAT = "TensorBoard"
IN_NAME = "tfevents"
BY_EPOCH = "epoch_"
BY_STEP = "_vs_iterations"
"""How Keras names what it writes at the end of an epoch: by the epoch's number, and validation scores by the step as well."""


@dataclass
class _Folder:
    """What lies in one folder: the scalars of one run after another."""

    runs: list[Scalars] = field(default_factory=lambda: [{}])
    notes: list[str] = field(default_factory=list)

    def add(self, points: Points, source_name: str) -> None:
        """Add a file's points: to the last run, or to a new one where steps go back."""
        passed = {tag: steps[-1] + 1 for tag, (steps, _) in self.runs[-1].items()}
        for tag, step, value in zip(points.tag, points.step, points.value, strict=True):
            if step < passed.get(tag, step):
                self.runs.append({})
                passed = {}
            if (tag not in self.runs[-1] and len(self.runs[-1]) >= MOST_COLUMNS) or len(self.runs) > MOST_RUNS:
                raise InputError(f"{source_name}: more than {MOST_COLUMNS:,} tags or {MOST_RUNS:,} runs")
            steps, values = self.runs[-1].setdefault(tag, ([], []))
            steps.append(step)
            values.append(value)
            passed[tag] = step
        if points.damage is not None:
            self.notes.append(f"{source_name} is damaged at byte {points.damage}: it was read up to there")


def _matches(source: Source) -> bool:
    if not source.is_folder:
        return is_event_file(source)
    try:
        return any(IN_NAME in path.name for path in files_in(source))
    except InputError:
        return False


def _read(source: Source) -> tuple[LoggedRun, ...]:
    folders: dict[PurePath, _Folder] = {}
    paths = [path for path in files_in(source) if IN_NAME in path.name] if source.is_folder else [Path()]
    for path in paths:
        file = Source(source.path / path, f"{source.name}/{path}" if source.is_folder else source.name)
        if is_event_file(file):
            folders.setdefault(path.parent, _Folder()).add(read_points(file), file.name)
    runs = tuple(run for name, parts in _tables(folders).items() for run in _runs(name, parts, source.name))
    notes = [note for folder in folders.values() for note in folder.notes]
    if notes and not runs:
        raise InputError(notes[0])
    return tuple(replace(run, notes=(*run.notes, *notes)) for run in runs)


def _tables(folders: Mapping[PurePath, _Folder]) -> dict[str, list[Scalars]]:
    """Return the scalars of each run by its name, its splits put together: those of the k-th run in each folder."""
    found: dict[str, list[Scalars]] = {}
    for folder, content in folders.items():
        tags = {tag for scalars in content.runs for tag in scalars}
        run, split = _split(folder, tags)
        of_run = found.setdefault("" if run == PurePath() else str(run), [])
        for k, scalars in enumerate(content.runs):
            if k == len(of_run):
                of_run.append({})
            for tag, numbers in scalars.items():
                name = f"{split}/{tag}" if split else tag
                of_run[k][name if name not in of_run[k] else f"{folder}/{tag}"] = numbers
    return found


def _split(folder: PurePath, tags: set[str]) -> tuple[PurePath, str]:
    """Return the run that a folder belongs to, and the word for the split of all in it: "" if there is none, or tags say it."""
    said = {name_of(tag) for tag in tags if not tag.endswith(BY_STEP)}
    says_tag = any(split in ("train", "valid", "test") for _, split in said)
    score, split = name_of(folder.name)
    if split_of(folder.name) != "unknown":
        run, word = folder.parent, folder.name
    elif split in ("train", "valid", "test") and not says_tag and {bare for bare, _ in said} == {score}:
        run, word = folder.parent, split
    else:
        return folder, ""
    if run.name and {tag.lower() for tag in tags} == {run.name.lower()}:  # add_scalars of tensorboardX: Loss/train
        run = run.parent
    return run, "" if says_tag else word


def _runs(name: str, parts: list[Scalars], source_name: str) -> Iterable[LoggedRun]:
    for k, scalars in enumerate(filter(None, parts), start=1):
        of_part = f"{name} {k}".strip() if len(parts) > 1 else name
        yield from _keras(of_part, scalars, source_name) or _other(of_part, scalars, source_name)


def _other(name: str, scalars: Scalars, source_name: str) -> tuple[LoggedRun, ...]:
    framework = ""
    if "epoch" in scalars and ("hp_metric" in scalars or any(tag.endswith(("_epoch", "_step")) for tag in scalars)):
        framework = "lightning"
    elif {"train/epoch", "train/learning_rate"} <= scalars.keys():
        framework = "transformers"
    counts_from = {"lightning": 0, "transformers": 1}.get(framework)
    table = table_by_step(scalars, "step", source_name)
    return read_runs(table, format=FORMAT, framework=framework, name=name, counts_from=counts_from)


def _keras(name: str, scalars: Scalars, source_name: str) -> tuple[LoggedRun, ...]:
    """Return the run if its splits are written as Keras does: by epochs, and perhaps other things by steps."""
    by_epoch = {tag: numbers for tag, numbers in scalars.items() if BY_EPOCH in tag}
    if not by_epoch:
        return ()
    rest = {tag: numbers for tag, numbers in scalars.items() if tag not in by_epoch and not tag.endswith(BY_STEP)}
    runs = read_runs(table_by_step(by_epoch, "epoch", source_name), format=FORMAT, framework="keras", name=name, counts_from=0)
    steps = next((numbers[0] for tag, numbers in scalars.items() if tag.endswith(BY_STEP)), [])
    lengths = set(np.diff(steps, prepend=0).tolist())
    facts = {"steps_per_epoch": float(*lengths)} if len(lengths) == 1 else {}
    others = (
        tuple(s for run in read_runs(table_by_step(rest, "step", source_name), format=FORMAT) for s in run.series)
        if rest
        else ()
    )
    return tuple(replace(run, facts=facts, series=run.series + others) for run in runs)


READER = Reader(FORMAT, _matches, _read)
