"""What a column's name says: of which score it is, and of which split."""

from __future__ import annotations

import re
from collections.abc import Iterable

from whygap.logs.records import Split

WORDS: dict[str, Split] = {
    **dict.fromkeys(("train", "training", "trn", "tr"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "vali", "eval", "evaluation", "dev", "cv", "holdout"), "valid"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
SETS: dict[str, Split] = {**WORDS, "dtrain": "train", "learn": "train", "dvalid": "valid", "deval": "valid", "dtest": "test"}

NO_SCORE = re.compile(
    r"(?:^|_)(?:lr\d*|pg\d+|time|runtime|dur|duration|elapsed|timestamp|eta|date|secs?|seconds|ms|flos|momentums?|gpu|cpu|memory|mem|"
    r"seed|rank|std|epochs?|steps?|iters?|iterations?|global|size|samples|count|tokens)(?:_|$)"
    r"|learning_rate|learn_rate|weight_decay|grad_?norm|gradient_norm|param_norm|per_second|hp_metric|^system_"
)
GRAIN = r"(?:epoch|step|batch|iter|iteration)"
GRAIN_AROUND = re.compile(rf"^{GRAIN}_(?=.)|(?<=.)_{GRAIN}$")
NOT_WORDS = re.compile(r"[\s_/\-.:|()\[\]{}'\"%]+")
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])")
SPELLINGS = {"acc": "accuracy", "losses": "loss"}
LONGEST = 200


def split_of(word: str) -> Split:
    """Return the split that the name of a data set or folder says, "unknown" where it says none: "training", "eval"."""
    return SETS.get(word.strip().lower(), "unknown")


def words_of(column: str) -> list[str]:
    """Return the words of a column's name in lower case, without what stands between them."""
    return [w for w in NOT_WORDS.split(CAMEL.sub("_", column[:LONGEST]).lower()) if w and w != "s"]


def name_of(column: str) -> tuple[str, Split]:
    """Return the score and the split that a column's name says by itself.

    Parameters
    ----------
    column : str
        "val_loss", "Train Loss", "eval/loss", "loss/train", "trainLoss", "training's l2", "train_loss_epoch".

    Returns
    -------
    score : str
        In lower case, words joined by "_", the same for every split; "score" where the name says a split only.
    split : Split
        "unknown" where the name says none, or numbers the sets as in "validation_0-logloss"; "none" for what is no score.

    Examples
    --------
    >>> name_of("val_loss"), name_of("Loss/train"), name_of("validation_0-logloss"), name_of("lr-Adam")
    (('loss', 'valid'), ('loss', 'train'), ('logloss', 'unknown'), ('lr_adam', 'none'))
    """
    words = words_of(column)
    loader = ""
    if words[-3:-1] == ["dataloader", "idx"]:  # Lightning's name for the k-th validation set
        loader, words = words[-1], words[:-3]
    if words[-2:] == ["vs", "iterations"]:  # Keras in TensorBoard
        words = words[:-2]
    at = [i for i, w in enumerate(words) if w in WORDS]
    split: Split = "unknown"
    if at and (len({WORDS[words[i]] for i in at}) == 1 or at[0] == 0):
        split = WORDS[words[at[0]]]
        if at[0] + 2 < len(words) and words[at[0] + 1].isdigit():  # a set that has a number only
            split = "unknown"
            del words[at[0] + 1]
        del words[at[0]]
    score = "_".join(SPELLINGS.get(w, w) for w in words)
    bare = GRAIN_AROUND.sub("", score)
    if NO_SCORE.search(bare) or not words_of(column):
        return score, "none"
    return (f"{bare}_{loader}" if loader not in ("", "0") else bare) or "score", split


def resolve(columns: Iterable[str]) -> dict[str, tuple[str, Split]]:
    """Return the score and split of each column of one table, where a bare name is settled by its neighbours.

    "loss" is the training loss if a "val_loss" (or a "test_loss") stands beside it and no "train_loss" does. Where one bare
    name is settled so, all others are: it is Keras's way to name training scores. Others stay "unknown".

    Parameters
    ----------
    columns : iterable of str
        All names of the table.

    Examples
    --------
    >>> resolve(["loss", "val_loss", "lr"])
    {'loss': ('loss', 'train'), 'val_loss': ('loss', 'valid'), 'lr': ('lr', 'none')}
    """
    names = {column: name_of(column) for column in columns}
    said = set(names.values())
    train_is_bare = not any(split == "train" for _, split in said) and any(
        split == "unknown" and is_bare(column) and ((score, "valid") in said or (score, "test") in said)
        for column, (score, split) in names.items()
    )
    if not train_is_bare:
        return names
    return {
        column: (score, "train" if split == "unknown" and is_bare(column) else split)
        for column, (score, split) in names.items()
    }


def is_bare(column: str) -> bool:
    """Return whether a column's name has no word for a split, so that its place among others can tell it."""
    return WORDS.keys().isdisjoint(words_of(column))
