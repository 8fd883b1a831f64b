"""Histories that were printed as lists: a name, and in brackets a number for each epoch."""

from __future__ import annotations

import re
from functools import partial

from whygap.logs.console_lines import ConsoleFormat, console_lines
from whygap.logs.drafts import DraftRun, Drafts
from whygap.logs.printed import NUMBER
from whygap.logs.printed_labels import NO_SCORE_WORDS
from whygap.logs.records import LoggedRun, Split
from whygap.logs.score_names import is_no_score, score_of, split_beside, split_of, words_of
from whygap.logs.source import Source

_OPENS = re.compile(
    r"(?<![\w])(['\"]?)([A-Za-z][\w./ -]{0,60}?)\1\s{0,4}[:=]?\s{0,4}(?:np\.)?(?:array\()?\[\s{0,4}(?=[-+.0-9ni]|$)"
)
_NUMBERS = re.compile(rf"(?<![\w.])(?:np\.float(?:32|64)\()?({NUMBER})\)?(?=\s{{0,4}}[,\]\s]|$)")
_SEVERAL = re.compile(rf"\s{{0,4}}(?:np\.float(?:32|64)\()?{NUMBER}\)?(?:\s{{0,4}},\s{{0,4}}|\s{{1,4}})[-+.0-9ni]")
_SCORED = ("loss", "acc", "error", "mse", "mae")


def _opens(text: str) -> bool:
    """Return whether a line begins a list of several scores."""
    return "[" in text and any(_is_scored(found[2]) and _SEVERAL.match(text, found.end()) for found in _OPENS.finditer(text))


def _is_scored(name: str) -> bool:
    return any(word in name.lower() for word in _SCORED) and NO_SCORE_WORDS.isdisjoint(words_of(name))


def _read(source: Source) -> tuple[LoggedRun, ...]:
    lines = console_lines(source)
    drafts = Drafts(lambda: DraftRun(HISTORY_CONSOLE.name, "", lambda name: (name, "unknown")))
    name, count = "", 0  # of the list that isn't closed yet
    for line in lines:
        text, at = line.text, 0
        while at < len(text):
            if not name:
                found = _OPENS.search(text, at) if text.find("[", at) >= 0 else None
                if found is None:
                    break
                at = found.end()
                if not _is_scored(found[2]):
                    continue
                name, count = found[2].strip(), 0
                if name in drafts.current.columns:
                    drafts.begin()
            closes = text.find("]", at)
            end = closes if closes >= 0 else len(text)
            for number in _NUMBERS.finditer(text, at, end):
                count += 1
                drafts.current.add(name, number[1], float(count))
            at = end + 1
            if closes >= 0:
                name = ""
    for draft in drafts.runs:
        draft.meaning = partial(_meaning, said=[(score_of(n) or "loss", split_of(n)) for n in draft.columns])
    return drafts.finish(lines, shift=0.0)


def _meaning(name: str, said: list[tuple[str, Split | None]]) -> tuple[str, Split]:
    if is_no_score(name):
        return score_of(name), "none"
    score = score_of(name) or "loss"
    return score, split_of(name) or split_beside(score, said)


HISTORY_CONSOLE = ConsoleFormat("printed history", lambda texts: any(map(_opens, texts)), _read)
"""Reads what `print(history.history)` gives, and lists like it."""
