"""Progress bars of Lightning: an epoch each, with the logged numbers behind."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from whygap.logs.console_lines import ConsoleFormat, console_lines
from whygap.logs.drafts import DraftRun, Drafts
from whygap.logs.printed import NUMBER
from whygap.logs.progress_bars import find_bar
from whygap.logs.records import LoggedRun, Split
from whygap.logs.score_names import is_no_score, score_of, split_beside, split_of
from whygap.logs.source import Source

_EPOCH = re.compile(r"Epoch\s{1,4}([0-9]{1,9})(?:/([0-9]{1,9}))?:?\s{0,4}$")
_ITEM = re.compile(rf"([^\s,=\[]{{1,120}})=\s?({NUMBER})(?=[,\]\s]|$)")
_RICH = re.compile(
    r"Epoch\s{1,4}([0-9]{1,9})/([0-9]{1,9})\s{1,4}[━╸╺ ]{3,200}\s{0,4}([0-9]{1,9})/([0-9]{1,9})\s(?=[0-9]+:[0-9]{2})"
)
_RICH_ITEM = re.compile(rf"([^\s:]{{1,120}}):\s({NUMBER})(?=\s|$)")


class _State(NamedTuple):
    """A bar's last state within its epoch."""

    epoch: float
    items: tuple[tuple[str, str], ...]
    total: str
    planned: float | None


def _state_of(text: str) -> _State | None:
    """Return what the bar of an epoch shows when it is full, None of anything else."""
    if "Epoch" not in text:
        return None
    bar = find_bar(text)
    if bar is not None:
        found = _EPOCH.search(bar.before)
        if found is None or not bar.is_full:
            return None
        items = _items(_ITEM, bar.after)
    else:
        found = _RICH.search(text)
        if found is None or found[3] != found[4]:
            return None
        items = _items(_RICH_ITEM, text[found.end() :])
    planned = float(found[2]) if found[2] else None
    return _State(float(found[1]), items, bar.total if bar else found[4], planned)


def _items(pattern: re.Pattern[str], text: str) -> tuple[tuple[str, str], ...]:
    return tuple((found[1], found[2]) for found in pattern.finditer(text) if found[1] != "v_num")


def _read(source: Source) -> tuple[LoggedRun, ...]:
    lines = console_lines(source)
    drafts = Drafts(lambda: DraftRun(LIGHTNING_CONSOLE.name, "lightning", _meaning_beside(())))
    last: _State | None = None
    for line in lines:
        state = _state_of(line.text)
        if state is None or not state.items:
            continue
        if last is not None and state.epoch != last.epoch:
            _keep(drafts, last)
        last = state
    if last is not None:
        _keep(drafts, last)
    for draft in drafts.runs:
        draft.meaning = _meaning_beside(draft.columns)
    # Versions before 1.0 count from 1, all since from 0, which a log without its beginning may not show.
    counts_from_one = min((draft.first for draft in drafts.full), default=0.0) == 1
    return drafts.finish(lines, shift=0.0 if counts_from_one else 1.0)


def _keep(drafts: Drafts, state: _State) -> None:
    draft = drafts.current
    if state.epoch <= draft.last:
        draft = drafts.begin()
    draft.reach(state.epoch)
    if state.planned is not None:
        draft.facts["epochs_planned"] = state.planned + 1  # it prints the number of the last one, from 0
    for name, number in state.items:
        draft.add(name, number, state.epoch)


def _meaning_beside(names: Iterable[str]) -> Callable[[str], tuple[str, Split]]:
    said = [(score_of(name) or name, split_of(name)) for name in names]

    def meaning(name: str) -> tuple[str, Split]:
        if is_no_score(name):
            return score_of(name), "none"
        score = score_of(name) or name
        return score, split_of(name) or ("train" if name == "loss" else split_beside(score, said))

    return meaning


def _is_of_lightning(text: str) -> bool:
    return "v_num" in text and "Epoch" in text and (find_bar(text) is not None or _RICH.search(text) is not None)


LIGHTNING_CONSOLE = ConsoleFormat("Lightning progress bar", lambda texts: any(map(_is_of_lightning, texts)), _read)
"""Reads Lightning's bars, of tqdm and of rich."""
