"""What the names of columns mean: whose score it is, and which."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from whygap.logs.records import Split


def word_set(text: str) -> frozenset[str]:
    """Return the words that blanks part."""
    return frozenset(text.split())


SPLIT_WORDS: dict[str, Split] = {
    **dict.fromkeys(word_set("train training trn tr learn trainset"), "train"),
    **dict.fromkeys(
        word_set("val valid validation vali vld validate validating evaluating dev eval evaluation holdout valset devset"),
        "valid",
    ),
    **dict.fromkeys(word_set("test testing tst testset"), "test"),
}
"""The words by which logs tell the splits apart."""

_NO_SCORE = word_set("""
    lr learning_rate grad_norm num_tokens total_flos epoch step cp dur time total remaining runtime samples_per_second
    steps_per_second jit_compilation_time model_preparation_time
""")
"""Columns that are no scores, by their names without the split."""

_TIMES = word_set("time elapsed duration seconds")

_SAME = {"acc": "accuracy", "err": "error", "losses": "loss"}

_SAYS_NOTHING = word_set("set avg average averaged data dataset subset phase epoch step on the for of and with")
"""Words beside which the score is the same: "Average test loss" is a loss."""

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+(?:\.[0-9]+)?|[^\W\d_a-zA-Z]+")


@lru_cache(maxsize=4096)
def words_of(name: str) -> tuple[str, ...]:
    """Return the words of a name in lower case, whatever joins them: "valLoss", "val_loss" and "val/loss" have two.

    Digits belong to the word before them: "f1", "top5".
    """
    words: list[str] = []
    for found in _WORD.finditer(name.replace("hold-out", "holdout").replace("hold_out", "holdout")):
        is_glued = found.start() > 0 and name[found.start() - 1 : found.start()] not in " _-./:()[]|"
        if words and found[0][0].isdigit() and is_glued:
            words[-1] += found[0]
        else:
            words.append(found[0].lower())
    return tuple(words)


def split_of(name: str) -> Split | None:
    """Return the split that a name's first telling word says, None where it says none."""
    return next((SPLIT_WORDS[word] for word in words_of(name) if word in SPLIT_WORDS), None)


def score_of(name: str) -> str:
    """Return what a score is called apart from its split; "" where the name is but the split.

    Examples
    --------
    >>> score_of("val_loss"), score_of("Validation accuracy"), score_of("train/box_loss"), score_of("Train")
    ('loss', 'accuracy', 'box_loss', '')
    """
    words = words_of(name)
    telling = [word for word in words if word not in SPLIT_WORDS and (word not in _SAYS_NOTHING or len(words) == 1)]
    return "_".join(_SAME.get(word, word) for word in telling)


def is_no_score(name: str) -> bool:
    """Return whether a column is a learning rate, a time, a counter, or a ratio of two splits."""
    words = words_of(name)
    is_ratio = not score_of(name) and len({SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS}) > 1
    return is_ratio or score_of(name) in _NO_SCORE or name.lower() in _NO_SCORE or not _TIMES.isdisjoint(words)


def split_beside(score: str, others: Iterable[tuple[str, Split | None]]) -> Split:
    """Return whose a score is that no word tells: training's where the same of another split stands beside it.

    Parameters
    ----------
    score : str
        Its name.
    others : iterable of (str, Split or None)
        The other columns of the log.
    """
    splits = {split for other, split in others if other == score}
    return "train" if splits & {"valid", "test"} and "train" not in splits else "unknown"
