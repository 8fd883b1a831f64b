"""Consoles of gradient boosting: XGBoost, LightGBM and CatBoost print a line per iteration."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from whygap.logs.console_lines import ConsoleFormat, console_lines
from whygap.logs.drafts import DraftRun, Drafts
from whygap.logs.printed import NUMBER, shape_of
from whygap.logs.records import LoggedRun, Split
from whygap.logs.score_names import SPLIT_WORDS
from whygap.logs.source import Source

Place = tuple[int, int]

_ODD = r"(?:-?nan\(ind\)|-?1\.#[A-Z]{3,4})"
_VALUE = rf"({_ODD}|{NUMBER})(?:\s?\+\s?{NUMBER})?"
_XGBOOST = re.compile(r"(?<!\])\[([0-9]{1,9})\](?=\s{1,8}[^\s:]{1,100}-[a-z][^\s:]{0,60}:)")
_XGBOOST_PAIR = re.compile(rf"(?<!\S)([^\s:]{{1,100}}-[^\s:]{{1,60}}):\s?{_VALUE}")
_LIGHTGBM = re.compile(r"\[([0-9]{1,9})\]:?(?=\s{1,8}[^\n':]{1,100}'s [^:\s]{1,60}\s?:)")
_LIGHTGBM_PAIR = re.compile(rf"(?<=\s)([^\s':][^':\t]{{0,100}}'s [^:\s]{{1,60}})\s?:\s{{0,4}}{_VALUE}")
_LIGHTGBM_INFO = re.compile(r"Iteration:\s?([0-9]{1,9}),\s(?=[^\n:]{1,160}\s?:)")
_LIGHTGBM_INFO_PAIR = re.compile(rf"(?<=, )(\S{{1,100}} [^:\s]{{1,60}})\s?:\s{{0,4}}{_VALUE}")
_CATBOOST = re.compile(r"(?<![\w.:])([0-9]{1,9}):(?=\s{1,8}(?:learn|test)[ :0-9])")
_CATBOOST_PAIR = re.compile(rf"(?<!\S)(learn|test[0-9]{{0,4}}|best):?\s{{1,4}}{_VALUE}")
_ANNOUNCES_BEST = re.compile(r"[Bb]est iteration(?: is)?:\s{0,8}$")


class _Iteration(NamedTuple):
    """Places of what a line tells: the iteration, "" where it goes on with the line before, and names with their numbers."""

    number: Place
    pairs: tuple[tuple[Place, Place], ...]


class _Tool(NamedTuple):
    """How one of the tools prints.

    Parameters
    ----------
    format, framework : str
        As in `LoggedRun`.
    lines : tuple of pairs of patterns
        What begins a line of an iteration, and what finds names and numbers after it.
    meaning : callable
        Gives score and split of the names of a run.
    shift : callable
        Gives what to add to its printed iterations so that the first one is 1.
    """

    format: str
    framework: str
    lines: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]
    meaning: Callable[[DraftRun], Callable[[str], tuple[str, Split]]]
    shift: Callable[[list[DraftRun]], float]

    @property
    def console(self) -> ConsoleFormat:
        plan = lru_cache(maxsize=2048)(self._plan)
        return ConsoleFormat(
            self.format,
            lambda texts: any(plan(shape_of(_with_tabs(text))) is not None for text in texts),
            lambda source: self._read(source, plan),
        )

    def _plan(self, shape: bytes) -> _Iteration | None:
        text = shape.decode()
        for begins, pair in self.lines:
            if found := begins.search(text):
                pairs = tuple((p.span(1), p.span(2)) for p in pair.finditer(text, found.end()))
                return _Iteration(found.span(1), pairs) if pairs else None
        return None

    def _read(self, source: Source, plan: Callable[[bytes], _Iteration | None]) -> tuple[LoggedRun, ...]:
        lines = console_lines(source)
        drafts = Drafts(lambda: DraftRun(self.format, self.framework, lambda name: (name, "unknown")))
        is_repeated = False
        for line in lines:
            text = _with_tabs(line.text)
            found = plan(shape_of(text))
            if found is None:
                is_repeated = _ANNOUNCES_BEST.search(text, max(0, len(text) - 60)) is not None
                continue
            if is_repeated:  # the best iteration is printed once more
                is_repeated = False
                continue
            iteration = float(text[slice(*found.number)])
            names = [text[slice(*name)] for name, _ in found.pairs]
            draft = drafts.current
            if iteration < draft.last or (iteration == draft.last and _has(draft, names[0], iteration)):
                draft = drafts.begin()
            draft.reach(iteration)
            for name, (_, (a, b)) in zip(names, found.pairs, strict=True):
                draft.add(name, text[a:b].replace("nan(ind)", "nan"), iteration)
        for draft in drafts.runs:
            draft.meaning = self.meaning(draft)
        return drafts.finish(lines, shift=self.shift(drafts.full))


def _with_tabs(text: str) -> str:
    """Return a line with the tabs that a logger of the system writes as "#011"."""
    return text.replace("#011", "\t") if "#011" in text else text


def _has(draft: DraftRun, name: str, iteration: float) -> bool:
    column = draft.columns.get(name)
    return column is not None and len(column.epoch) > 0 and column.epoch[-1] == iteration


def _split_of_set(name: str, *, others_are_named: bool = False) -> Split:
    """Return the split that the name of an evaluation set states.

    "validation_0" states none: it is the name that a set gets which has none, and the training set may be one of them. Where
    the tool names the training set by itself, and has done so, the others are not it.
    """
    plain = name.lower()
    if plain in SPLIT_WORDS:
        return SPLIT_WORDS[plain]
    words = plain.replace("-", "_").split("_")
    if len(words) > 1 and words[-1] in ("set", "data", "dataset") and words[0] in SPLIT_WORDS:
        return SPLIT_WORDS[words[0]]
    return "valid" if others_are_named and words[0].rstrip("0123456789") in SPLIT_WORDS else "unknown"


def _note_unknown(draft: DraftRun, sets: list[str]) -> None:
    if unknown := sorted({name for name in sets if _split_of_set(name, others_are_named="training" in sets) == "unknown"}):
        draft.notes.append(f"the log doesn't say which of the splits these sets are: {', '.join(unknown[:8])}")


def _xgboost_meaning(draft: DraftRun) -> Callable[[str], tuple[str, Split]]:
    def meaning(name: str) -> tuple[str, Split]:
        a_set, _, metric = name.rstrip("-").rpartition("-")
        return metric, _split_of_set(a_set)

    _note_unknown(draft, [name.rstrip("-").rpartition("-")[0] for name in draft.columns])
    return meaning


def _xgboost_shift(drafts: list[DraftRun]) -> float:
    """Return 1, for Python counts from 0; but 0 where iterations begin at 1, as in R, whose every tenth is 11, 21, 31."""
    epochs = [e for draft in drafts[:1] for e in next(iter(draft.columns.values())).epoch[:3]]
    if not epochs or min(draft.first for draft in drafts) == 1:
        return 0.0
    every = epochs[1] - epochs[0] if len(epochs) > 2 else 0.0
    return 0.0 if every > 1 and epochs[2] - epochs[1] == every and epochs[1] % every == 1 else 1.0


def _lightgbm_meaning(draft: DraftRun) -> Callable[[str], tuple[str, Split]]:
    def parts(name: str) -> tuple[str, str]:
        a_set, _, metric = name.rpartition("'s ") if "'s " in name else name.partition(" ")
        return a_set.strip(), metric

    sets = [parts(name)[0] for name in draft.columns]
    _note_unknown(draft, sets)
    return lambda name: (parts(name)[1], _split_of_set(parts(name)[0], others_are_named="training" in sets))


def _catboost_meaning(draft: DraftRun) -> Callable[[str], tuple[str, Split]]:
    best = draft.columns.pop("best", None)
    rises = best is not None and len(best.value) > 1 and best.value[-1] > best.value[0]
    score = "metric" if rises else "loss"
    if not draft.is_empty:
        draft.notes.append(f"CatBoost doesn't print the name of its metric; it is called {score} here")
    return lambda name: (score, "train" if name == "learn" else "valid")


_TOOLS = (
    _Tool(
        "LightGBM console",
        "lightgbm",
        ((_LIGHTGBM, _LIGHTGBM_PAIR), (_LIGHTGBM_INFO, _LIGHTGBM_INFO_PAIR)),
        _lightgbm_meaning,
        lambda _: 0.0,  # it counts from 1
    ),
    _Tool("XGBoost console", "xgboost", ((_XGBOOST, _XGBOOST_PAIR),), _xgboost_meaning, _xgboost_shift),
    _Tool("CatBoost console", "catboost", ((_CATBOOST, _CATBOOST_PAIR),), _catboost_meaning, lambda _: 1.0),
)
LIGHTGBM_CONSOLE, XGBOOST_CONSOLE, CATBOOST_CONSOLE = (tool.console for tool in _TOOLS)
"""Read what the three print while they train."""
