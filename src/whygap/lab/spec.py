"""A grid of training runs, stated in TOML: every list in it is an axis, and every combination is trained.

```toml
title = "Parameters x examples: where does overfitting start?"
asks = ["edge", "worlds"]
n = [250, 1000, 4000, 16000]
regime = ["once", "fresh"]
epochs = 40
learning_rate = 0.003
seeds = 5
process = { name = "mnist1d", label_noise = 0.15 }
model = { name = "mlp", width = [8, 20, 50, 100] }
```
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, get_args

from whygap.by_name import likely
from whygap.errors import InputError
from whygap.lab.axes import AXES, Variant, as_count, as_setting, read_axis, settle, shown
from whygap.lab.engine import Job
from whygap.lab.named import build_model, build_optimiser, build_process, build_regime, source_of
from whygap.lab.plan import MOST_SEED, Plan, Seeds
from whygap.trials import Question, Setting

READY = Path(__file__).parent / "specs"
CLAIMS = ("c1", "c2", "c3", "c5", "c6", "c9")
"""The ready specs that test the claims of the project."""

PROGRAM = 1
"""Part of every key: raise it when the same settings would train to other results than before."""

ABOUT = {"title", "asks", "claim", "mark", "seeds"}
"""The keys that are no axes."""


class Planned(NamedTuple):
    """A run to be: the key that names settings and seeds together, the settings, and the job that trains it."""

    key: str
    settings: dict[str, Setting]
    job: Job


@dataclass(frozen=True, kw_only=True, eq=False)
class Spec:
    """A grid as it was stated.

    Attributes
    ----------
    name : str
        Of the file, without its ending.
    where : str
        The file, as it is named where something in it is wrong.
    text : str
        The TOML.
    title, claim : str
        What it asks, and the claim of the project that it tests, or "".
    asks : tuple of Question
        The questions that are to be answered.
    mark : mapping
        The case to be marked on the pictures.
    axes : mapping
        By key, the values that it takes: each a setting and, of a table, those beside its name.
    seeds : tuple of Seeds
        Each cell is trained with all of them.
    """

    name: str
    where: str
    text: str
    title: str
    asks: tuple[Question, ...]
    claim: str
    mark: Mapping[str, Setting]
    axes: Mapping[str, tuple[Variant, ...]]
    seeds: tuple[Seeds, ...]

    def cells(self) -> tuple[dict[str, Setting], ...]:
        """Return the settings of every combination, once each.

        Raises
        ------
        InputError
            If `steps` aren't a whole number of epochs, or `looks` don't divide these.
        """
        with _telling(self.where):
            found = [settle({k: v for variant in one for k, v in variant.items()}) for one in product(*self.axes.values())]
        return tuple(dict(cell) for cell in dict.fromkeys(tuple(cell.items()) for cell in found))

    def jobs(self) -> tuple[Planned, ...]:
        """Return every run of the grid. Those of a cell share one plan.

        Raises
        ------
        InputError
            If a cell can't be trained: a name is unknown, or what it names can't be made of the settings beside it.
        MissingPackageError
            If JAX or optax isn't installed.
        """
        found = []
        for cell in self.cells():
            with _telling(self.where):
                plan, source = _plan(cell), source_of(cell)
            found += [Planned(_key(cell, seeds, source), cell, Job(plan, seeds)) for seeds in self.seeds]
        return tuple(found)

    def id_of(self, runs: Sequence[Planned]) -> str:
        """Return the name of the experiment: the same for the same runs, questions, mark and title."""
        return f"{self.name}-{_digest([sorted(r.key for r in runs), self.title, self.asks, self.claim, dict(self.mark)], 4)}"


def read_spec(path: str | Path) -> Spec:
    """Read a spec from a file, or a ready one by its name, such as "edge".

    Raises
    ------
    InputError
        If there is no such file, it isn't TOML, or a key or value in it is wrong; the line names file and key.
    """
    path = Path(path)
    ready = READY / f"{path}.toml"
    if not path.is_file() and not path.suffix and path.name == str(path):
        if not ready.is_file():
            names = ready_specs()
            raise InputError(f"{path}: there is no such file, and no ready spec{likely(str(path), names)}")
        path = ready
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}") from error
    return parse_spec(text, name=path.stem, where=str(path))


def ready_specs() -> tuple[str, ...]:
    """Return the names of the specs that come with whygap."""
    return tuple(sorted(path.stem for path in READY.glob("*.toml")))


def parse_spec(text: str, *, name: str, where: str = "") -> Spec:
    """Return the spec of a TOML text; `name` is that of its experiment, `where` stands before what is wrong.

    Raises
    ------
    InputError
        As `read_spec`.
    """
    with _telling(where or name):
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"isn't TOML: {error}") from error
        for key in table:
            if key not in ABOUT | AXES.keys():
                raise InputError(f"{key}: no such key{likely(key, ABOUT | AXES.keys())}")
        given = {key: table[key] for key in AXES if key in table}
        for key in ("n", "process", "model"):
            if key not in given:
                raise InputError(f"{key}: is missing")
        for one, other in (("epochs", "steps"), ("every", "looks")):
            if one in given and other in given:
                raise InputError(f"{other}: can't stand beside {one}")
        if not given.keys() & {"epochs", "steps"}:
            raise InputError("epochs: is missing; or say steps, the same number for every n")
        axes = {key: read_axis(key, given.get(key, default)) for key, (_, default) in AXES.items() if key in given or default}
        if {"regime": "pool"} in axes["regime"] and "pool" not in given:
            raise InputError("pool: is missing: how many examples has the pool?")
        return Spec(
            name=name,
            where=where or name,
            text=text,
            title=_text(table, "title", name),
            asks=_asks(table.get("asks", [])),
            claim=_text(table, "claim", ""),
            mark=_mark(table.get("mark", {})),
            axes=axes,
            seeds=_seeds(table.get("seeds", 1)),
        )


@contextmanager
def _telling(where: str) -> Iterator[None]:
    """Put the file before what is wrong in it."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _plan(cell: Mapping[str, Setting]) -> Plan:
    process = build_process(cell)
    counts = {key: int(cell[key]) for key in ("epochs", "batch_size", "every", "n_valid", "valid_sets", "n_fresh")}
    return Plan(
        process=process,
        regime=build_regime(cell),
        model=build_model(cell, process),
        optimiser=build_optimiser(cell),
        shuffle=bool(cell["shuffle"]),
        **counts,
    )


def _key(cell: Mapping[str, Setting], seeds: Seeds, source: Mapping[str, str]) -> str:
    return _digest([PROGRAM, dict(cell), [seeds.train, seeds.valid, seeds.init], dict(source)], 12)


def _digest(content: Any, size: int) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()


def _seeds(value: Any) -> tuple[Seeds, ...]:
    if not isinstance(value, dict):
        return tuple(Seeds.all(seed) for seed in _levels("seeds", value))
    for key in value:
        if key not in ("train", "valid", "init"):
            raise InputError(f"seeds.{key}: no such key; there is train, valid, init")
    levels = [_levels(f"seeds.{key}", value.get(key, 1)) for key in ("train", "valid", "init")]
    return tuple(Seeds(*each) for each in product(*levels))


def _levels(key: str, value: Any) -> list[int]:
    """Return seeds: so many from 0 on, or those that are listed."""
    if isinstance(value, list) and value:
        if any(isinstance(one, bool) or not isinstance(one, int) or not 0 <= one <= MOST_SEED for one in value):
            raise InputError(f"{key}: must be whole numbers from 0 to {MOST_SEED}, not {shown(value)}")
        return list(dict.fromkeys(value))
    return list(range(as_count(key, value)))


def _asks(value: Any) -> tuple[Question, ...]:
    known = get_args(Question)
    if not isinstance(value, list):
        raise InputError(f"asks: must be a list of {', '.join(known)}, not {shown(value)}")
    for one in value:
        if one not in known:
            raise InputError(f"asks: there is no question {shown(one)}{likely(str(one), known)}")
    return tuple(dict.fromkeys(value))


def _mark(value: Any) -> dict[str, Setting]:
    if not isinstance(value, dict):
        raise InputError(f"mark: must be a table, such as [mark] with n = 3000, not {shown(value)}")
    return {key: as_setting(f"mark.{key}", one) for key, one in value.items()}


def _text(table: Mapping[str, Any], key: str, default: str) -> str:
    value = table.get(key, default)
    if not isinstance(value, str):
        raise InputError(f"{key}: must be a text, not {shown(value)}")
    return value
