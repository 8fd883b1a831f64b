"""What a line of a Keras console is: an epoch's heading, a state of the progress bar, a result."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from whygap.logs.console_lines import Line
from whygap.logs.printed import NUMBER, shape_of

Place = tuple[int, int]
"""Start and end within a line."""

_NARROWEST = 79
"""Characters of a line from which on it may have been wrapped by a window."""

_LONGEST_WRAPPED = 4000
"""Characters of a line that wrapped ones are put together to."""

_EPOCH = re.compile(
    r"\W{0,12}epoch\s{1,8}([0-9]{1,9})"
    r"(?:\s?/\s?([0-9]{1,9})(?![0-9.])|(?=\s{0,40}$)|(?=[\s:]{1,8}[0-9]{1,9}/[0-9]))",
    re.IGNORECASE,
)
_BAR = re.compile(
    r"([0-9]{1,15})/([0-9]{1,15}|Unknown)(?:"
    r"\s{0,8}\[[^\]\w:]{0,1100}\]?(?![\w<])"  # [=====>....]
    r"|\s{1,8}(?:[^\s\w:,;()\[\]-]|[^\x00-\x7f])[^\s:,;()\[\]]{2,200}(?=\s|$)"  # ━━━━━, and what Windows makes of it
    r"|(?=\s{1,8}-\s{1,4}(?:[0-9]{1,9}s|[0-9]{1,4}:[0-9]{2}|ETA|loss|acc))"  # verbose=2
    r"|(?=\s{1,8}[0-9]{1,6}m?s(?:\s|$)))"  # a bar that was dropped
)
_TIME = re.compile(r"\s{0,8}-?\s{0,8}[0-9]{1,9}(?:\.[0-9]{1,9})?s(?:\s[0-9.]{1,12}[mun]?s/\w{3,8})?\s{1,4}-\s")
_HEADING = re.compile(r"(?<=.)(?=Epoch [0-9]{1,9}/[0-9])")
_PER_SAMPLE = re.compile(r"s/sample")
_PER_STEP = re.compile(r"s/(?:step|batch)|━")
_PAIR = re.compile(
    # The name of a metric may have blanks, but no dash between blanks: without that look ahead, long lines would take long.
    rf"(?:(?<=\s[-–—]\s)([^\W\d](?:(?!\s[-–—]\s)[^:]){{0,120}}?)|(?<!\S)([^\s:]{{1,120}}))\s?: {{0,3}}({NUMBER})"
)
_REST = re.compile(rf"[\w.]{{0,60}}(?:: {NUMBER}(?: - |$)| - )|[0-9]{{1,4}}(?:e[-+][0-9]{{2}})?(?: - |$)")
_SIZES = re.compile(r"Train(?:ed)? on ([0-9,]{1,15}) samples(?:, validated? on ([0-9,]{1,15}) samples)?")
_STEPS = re.compile(r"Train for ([0-9]{1,12}) steps")


class KerasLine(NamedTuple):
    """Places of what a line tells.

    Parameters
    ----------
    kind : str
        "epoch", "scores", "sizes", "steps".
    counts : tuple of places
        Epoch and planned epochs; done and all of the bar; samples of training and validation; steps.
    pairs : tuple of pairs of places
        Names and numbers of the scores.
    end : int
        Of an epoch's heading: what follows is a line of its own.
    is_refresh : bool
        Whether the bar estimates how long it will still take.
    is_glued : bool
        Whether the bar follows a number without a blank, so that its count begins with digits of that.
    per_sample, per_step : bool
        Whether the bar says that it counts samples, or steps.
    is_bare : bool
        Whether there are neither a bar nor a time.
    """

    kind: str
    counts: tuple[Place, ...] = ()
    pairs: tuple[tuple[Place, Place], ...] = ()
    end: int = 0
    is_refresh: bool = False
    is_glued: bool = False
    per_sample: bool = False
    per_step: bool = False
    is_bare: bool = False


@lru_cache(maxsize=4096)
def plan_of(shape: bytes) -> KerasLine | None:
    """Return what lines of a shape tell, None if nothing."""
    text = shape.decode()
    if found := _EPOCH.match(text):
        return KerasLine("epoch", counts=_counts(found), end=found.end())
    if found := _SIZES.search(text):
        return KerasLine("sizes", counts=_counts(found))
    if found := _STEPS.search(text):
        return KerasLine("steps", counts=_counts(found))
    if bars := list(_BAR.finditer(text)):
        bar = bars[-1]  # where the control characters of a bar were lost, its states stand in a row
        pairs, is_refresh = _pairs(text, bar.end())
        return KerasLine(
            "scores",
            counts=_counts(bar),
            pairs=pairs,
            is_refresh=is_refresh,
            is_glued=text[: bar.start()].endswith("."),
            per_sample=bool(_PER_SAMPLE.search(text, bar.end())),
            per_step=bool(_PER_STEP.search(text, bar.start())),
        )
    if found := _TIME.match(text):
        pairs, _ = _pairs(text, found.end())
        return KerasLine("scores", pairs=pairs) if pairs else None
    pairs, _ = _pairs(text, 0)
    is_nothing_else = not _PAIR.sub("", text).strip(" -–—")
    return KerasLine("scores", pairs=pairs, is_bare=True) if len(pairs) > 1 and is_nothing_else else None


def is_of_keras(text: str) -> bool:
    """Return whether a line is one that only Keras prints."""
    for part in parts_of(text):
        line = plan_of(shape_of(part))
        if line and line.kind == "scores" and line.pairs:
            names = {part[a:b] for (a, b), _ in line.pairs}
            if line.counts or _TIME.match(part) or {"loss", "val_loss"} <= names:
                return True
    return False


def keras_lines(lines: Iterable[Line]) -> Iterator[tuple[Line, KerasLine | None]]:
    """Yield the lines and what they tell: those put together that were wrapped, those taken apart that were joined."""
    held: Line | None = None
    plan: KerasLine | None = None
    for line in lines:
        following = plan_of(shape_of(line.text))
        if held is not None:
            if plan and plan.pairs and not held.overwritten and (text := _unwrapped(held, line, following)) is not None:
                held, plan = held._replace(text=text, width=line.width), plan_of(shape_of(text))
                continue
            yield from _apart(held, plan)
        held, plan = line, following
    if held is not None:
        yield from _apart(held, plan)


def parts_of(text: str) -> Iterator[str]:
    """Yield the lines that stand in one, where the ends of lines were lost in a copy."""
    for part in _HEADING.split(text):
        line = plan_of(shape_of(part))
        end = line.end if line else 0
        if end:
            yield part[:end]
        if part[end:].strip():
            yield part[end:]


def _apart(line: Line, plan: KerasLine | None) -> Iterator[tuple[Line, KerasLine | None]]:
    if (plan and 0 < plan.end < len(line.text)) or line.text.find("Epoch ", 1) > 0:
        for part in parts_of(line.text):
            yield line._replace(text=part), plan_of(shape_of(part))
    else:
        yield line, plan


def _unwrapped(before: Line, after: Line, plan: KerasLine | None) -> str | None:
    """Return the text of scores and of the line after them where these were one line, None where they were two."""
    first, second = before.text, after.text
    if (plan and (plan.counts or not plan.pairs)) or len(first) > _LONGEST_WRAPPED:
        return None
    rest = second.lstrip()
    if (rest.startswith("- ") and not rest[2:3].isdigit()) or first.endswith((" -", ":")):
        return f"{first} {rest}"
    if before.width >= _NARROWEST and _REST.match(second):
        return first + second
    return None


def _counts(found: re.Match[str]) -> tuple[Place, ...]:
    return tuple(found.span(i + 1) for i, group in enumerate(found.groups()) if group is not None)


def _pairs(text: str, start: int) -> tuple[tuple[tuple[Place, Place], ...], bool]:
    """Return the places of names and numbers from `start` on, and whether a remaining time stands among them."""
    pairs, is_refresh = [], False
    for found in _PAIR.finditer(text, start):
        name = found.span(1 if found[1] is not None else 2)
        if text[slice(*name)].strip() == "ETA":
            is_refresh = True
        else:
            pairs.append((name, found.span(3)))
    return tuple(pairs), is_refresh
