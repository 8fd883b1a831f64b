"""What the Trainer of transformers prints: dictionaries of losses, and of evaluations."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from whygap.logs.console_lines import ConsoleFormat, ConsoleLines, Line, console_lines
from whygap.logs.drafts import DraftRun, Drafts
from whygap.logs.printed import NUMBER
from whygap.logs.records import LoggedRun, Split
from whygap.logs.score_names import is_no_score, score_of
from whygap.logs.source import Source

_ITEM = re.compile(rf"(['\"])([^'\"{{}}]{{1,120}})\1\s?:\s{{0,4}}['\"]?({NUMBER})(?=['\"]?\s{{0,4}}[,}}])")
_LOGGED = re.compile(r"\{[^{}]{0,2000}'(?:eval_)?loss'\s?:\s{0,4}['\"]?[-0-9n]")
_SUMMARY = re.compile(r"\{\s{0,4}['\"]train_runtime['\"]")

_MOST_LINES = 12
"""Lines over which a dictionary may be wrapped."""


def _whole(lines: ConsoleLines) -> Iterator[str]:
    """Yield the text of each dictionary, put together where it was wrapped."""
    held: list[Line] = []
    for line in lines:
        opens = line.text.rfind("{")
        if opens >= 0 and line.text.find("}", opens) < 0:
            held = [line._replace(text=line.text[opens:])]
        elif held and len(held) < _MOST_LINES and opens < 0:
            held.append(line)
        else:
            held = []
        if opens >= 0 and not held:
            yield line.text[line.text.find("{") :]
        elif held and "}" in line.text:
            # A window wraps anywhere, between two digits too; a printer of dictionaries wraps between two items.
            joint = "" if held[0].width >= 79 and not held[0].text.endswith(",") else " "
            yield joint.join(part.text.strip() for part in held)
            held = []


def _read(source: Source) -> tuple[LoggedRun, ...]:
    lines = console_lines(source)
    drafts = Drafts(lambda: DraftRun(TRANSFORMERS_CONSOLE.name, "transformers", _meaning))
    is_over = False
    for text in _whole(lines):
        items = {found[2]: found[3] for found in _ITEM.finditer(text)}
        if not any(name.endswith("loss") or name.startswith("eval_") for name in items):
            continue
        epoch = float(items.pop("epoch", "nan"))
        step = float(items.pop("step", "nan"))
        draft = drafts.current
        is_evaluation = not any(not name.startswith(("eval_", "test_")) for name in items)
        if epoch < draft.last or (is_over and not is_evaluation):
            draft = drafts.begin()
            is_over = False
        if is_evaluation and (is_over or math.isnan(epoch)):
            for name, number in items.items():
                if not is_no_score(name):
                    draft.add_apart(name, number, _meaning(name)[1])
            continue
        is_over = _SUMMARY.search(text) is not None
        if not math.isnan(epoch):
            draft.reach(epoch)
        for name, number in items.items():
            draft.add(name, number, epoch, step)
    return drafts.finish(lines, shift=0.0)


def _meaning(name: str) -> tuple[str, Split]:
    bare = name.removeprefix("eval_").removeprefix("test_")
    if is_no_score(bare):
        return bare, "none"
    if name.startswith("train_"):
        return score_of(name), "none"  # of the summary at the end: the mean over the whole run, which is no epoch's
    return score_of(bare) or bare, "valid" if name.startswith("eval_") else "test" if name.startswith("test_") else "train"


TRANSFORMERS_CONSOLE = ConsoleFormat("transformers console", lambda texts: any(map(_LOGGED.search, texts)), _read)
"""Reads the dictionaries that transformers' Trainer, and those built on it, print."""
