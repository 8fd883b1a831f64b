"""What a printed line of a training loop tells: an epoch, a step, and numbers with the words before them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from whygap.logs.printed_labels import SCORE_WORDS, Field, Place, fields_of
from whygap.logs.records import Split
from whygap.logs.score_names import SPLIT_WORDS, split_of, word_set, words_of

_LONGEST = 4000
"""Characters of a line that prints scores for people; longer ones aren't looked into."""

_EPOCH = re.compile(
    r"(?<![a-z])(?:epochs?|ep)(?![a-z])(?:\s?\([a-z]{1,12}\))?[\s:#=\[(._-]{0,12}([0-9]{1,9}(?:\.[0-9]{1,9})?)(?![0-9.]*[a-z%])"
    r"(?:\s{0,2}(?:/|of|out of)\s{0,8}([0-9]{1,9}))?"
)
_EPOCH_AND_BATCH = re.compile(r"\s{0,20}\[([0-9]{1,6})(),\s{0,8}([0-9]{1,9})\]\s{0,4}(?=\D{0,20}loss)")
_EPOCH_OF_ALL = re.compile(r"\s{0,20}[\[(]?\s{0,8}([0-9]{1,9})\s?/\s?([0-9]{1,9})[\])]")
_FOLD = re.compile(r"[\W_]{0,40}(?:k-?fold|fold|trial|repeat|seed)[\s:#=\[(]{1,6}([0-9]{1,6})(?![0-9.])")
_NOT_AN_EPOCH = re.compile(
    r"(?<![a-z])(?:best|from|since|after|at|until|every|each|for|in|to|load|loaded|loading|saved|saving|stopping|stopped)\W{1,3}$"
)
_STEP = re.compile(
    r"(?<![a-z])(global[_ ]step|steps?|iters?|iterations?|it|(?:mini-?)?batch(?:es)?)(?![a-z])[\s:#=\[(]{0,8}"
    r"([0-9]{1,12}(?:,[0-9]{3}){0,3})(?![0-9.]*[a-z%.])(?:\s{0,2}(?:/|of)\s{0,8}([0-9]{1,12}(?:,[0-9]{3}){0,3}))?"
)
_PROGRESS = re.compile(r"()(?<![\w.])([0-9]{1,12})\s?/\s{0,8}([0-9]{1,12})(?=\s?(?:batches|\(\s{0,3}[0-9.]{1,8}\s?%\)\]|\]))")
_COMMA_NUMBER = re.compile(r"[0-9],[0-9]")
_LOOKS_SCORED = re.compile(r"(?<![a-z])(?:loss|acc(?:uracy)?)(?![a-z])\s{0,4}[:=]")

_HEADING_WORDS = word_set("""
    phase set results result metrics mode loop stage performance step epoch start started begin data on
""")


_TELLING = (
    SCORE_WORDS | _HEADING_WORDS | frozenset(SPLIT_WORDS) | word_set("f r epochs ep lr learning fold kfold trial repeat seed")
)
"""One of these words, without digits, is in every line that tells something."""

_LETTERS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


class PrintedLine(NamedTuple):
    """What lines of a shape tell.

    Parameters
    ----------
    epoch, planned, step, steps : place or None
        The number of the epoch and of all, of the step or batch and of all.
    fold : place or None
        The number of the fold or trial: each is a run.
    counts_steps : bool
        Whether the step is said in the plural beside an epoch: it may be how many an epoch has.
    split : Split or None
        That a heading says for the lines below.
    fields : tuple of Field
    is_heading : bool
        Whether it begins with the epoch, so that it counts for the lines below.
    has_comma_numbers : bool
        Whether digits are parted by commas: what these mean must be found first.
    """

    epoch: Place | None = None
    planned: Place | None = None
    fold: Place | None = None
    step: Place | None = None
    steps: Place | None = None
    counts_steps: bool = False
    split: Split | None = None
    fields: tuple[Field, ...] = ()
    is_heading: bool = False
    has_comma_numbers: bool = False


@lru_cache(maxsize=4096)
def plan_of(shape: bytes) -> PrintedLine | None:
    """Return what lines of a shape tell, None if nothing."""
    text = shape.decode()
    if len(text) > _LONGEST:
        return None
    low = text.lower()
    if len(low) != len(text):  # some letters of some languages grow, and no place would be right
        low = text
    if _TELLING.isdisjoint(word.lower() for word in _LETTERS.findall(text)):
        return None
    epoch = _EPOCH_AND_BATCH.match(low) or _first_epoch(low)
    steps = [] if epoch and epoch.re is _EPOCH_AND_BATCH else [*_STEP.finditer(low), *_PROGRESS.finditer(low)]
    step = next(
        (found for found in steps if epoch is None or found.end(2) <= epoch.start(1) or found.start(2) >= epoch.end()), None
    )
    counted = [found.span() for found in (epoch, *steps) if found]
    fields = fields_of(text, low, counted)
    fold = _FOLD.match(low)
    told = {split_of(text[slice(*field.label)]) for field in fields}
    if epoch is None and {"train", "valid"} <= told and (place := _EPOCH_OF_ALL.match(low)):
        epoch, step = place, None
    heading = _heading_split(low) if not fields else None
    is_heading = epoch is not None and re.match(r"[\W_]{0,40}(?:\w{1,12} )?(?:epoch|ep)(?![a-z])", low) is not None
    if not (fields or heading or is_heading or fold or _COMMA_NUMBER.search(text)):
        return None
    return PrintedLine(
        epoch=_place(epoch, 1),
        planned=_place(epoch, 2),
        fold=_place(fold, 1),
        step=epoch.span(3) if epoch and epoch.re is _EPOCH_AND_BATCH else _place(step, 2),
        steps=_place(step, 3),
        counts_steps=bool(step and epoch and step[1] == "steps" and step[3] is None),
        split=heading,
        fields=fields,
        is_heading=is_heading,
        has_comma_numbers=_COMMA_NUMBER.search(text) is not None,
    )


def looks_scored(text: str) -> bool:
    """Return whether a line speaks of scores, whether or not they can be read."""
    low = text[:_LONGEST].lower()
    return ("loss" in low or "acc" in low) and _LOOKS_SCORED.search(low) is not None


def _place(found: re.Match[str] | None, group: int) -> Place | None:
    return found.span(group) if found and found[group] else None


def _first_epoch(low: str) -> re.Match[str] | None:
    return next((e for e in _EPOCH.finditer(low) if not _NOT_AN_EPOCH.search(low[max(0, e.start() - 12) : e.start()])), None)


def _heading_split(low: str) -> Split | None:
    """Return the split of a line such as "Validation:" that says nothing else."""
    words = words_of(low[:80])
    if not 0 < len(words) <= 4 or len(low) > 80:
        return None
    rest = [word for word in words if word not in SPLIT_WORDS and word not in _HEADING_WORDS]
    return None if rest else split_of(low)
