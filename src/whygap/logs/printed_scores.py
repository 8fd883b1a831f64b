"""What a printed line of a training loop tells: an epoch, a step, and numbers with the words before them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from whygap.logs.printed import NUMBER
from whygap.logs.records import Split
from whygap.logs.score_names import SPLIT_WORDS, is_no_score, score_of, split_of, word_set, words_of

Place = tuple[int, int]

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
_NUMBER = re.compile(rf"(?<![\w.@])(?<!\w-)(?:{NUMBER})(?![0-9])")
_IS_VERSION = re.compile(r"\.[0-9]")
_OF_ALL = re.compile(r"\s?/\s?([0-9]{1,12})(?![0-9.])")
_UNIT = re.compile(r"[a-z/]{0,8}\s?%?", re.IGNORECASE)
_NEXT_IN_LIST = re.compile(r"\s{0,4},\s{0,4}[-+.0-9ni]")
_NEXT_OF_LIST = re.compile(r"\s{0,3}[/,|]\s{0,3}$")
_OPENS_VALUE = re.compile(
    r"(?:(?:tensor|array|(?:np|numpy|jnp|torch)\.\w{1,12})\(\[{0,3}|[\s:=~\[('\"*`]|[-=]>|\b(?:is|was|of|at)\b)$"
)
_WITH_BRACKET = re.compile(r"([\w /@.-]{1,60}?)\s{0,2}[(\[]([\w %./]{1,30})[)\]]$")
_LAST_PART = re.compile(r"[,;|()\[\]{}<>\t:=]|\s[-–—/]\s|\s\s|\.\s|->")
_SAYS_SPLIT = re.compile(rf"(?<![a-z])({'|'.join(SPLIT_WORDS)})(?![a-z])")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_@./-]{0,30}(?: [A-Za-z0-9_@./()-]{1,30}){0,3}")
_COMMA_NUMBER = re.compile(r"[0-9],[0-9]")
_LOOKS_SCORED = re.compile(r"(?<![a-z])(?:loss|acc(?:uracy)?)(?![a-z])\s{0,4}[:=]")

_SCORES = word_set("""
    loss losses acc accuracy error err mse mae rmse mape smape rmsle logloss auc auroc auprc ap map f0 fscore precision
    recall specificity sensitivity iou miou dice jaccard bleu rouge meteor cider wer cer ppl perplexity nll bce ce kl kld
    elbo bpc bpb psnr ssim lpips fid r0 rsquared corr pearson spearman kappa mcc ndcg mrr top prec cost score objective
    energy reward entropy xent eer likelihood crps deviance cross
""")
"""Words that name a score; their digits are zeros, as in a shape."""

_WEAK_SCORES = word_set(
    "ap map f0 r0 ce kl kld wer cer eer dice top prec cost score energy reward cross corr likelihood objective"
)
"""Those that mean something else as often, where neither a colon nor another score stands by them."""

NO_SCORE_WORDS = word_set("""
    time took sec secs second seconds eta elapsed ms min mins minute minutes hours speed size mem memory gpu cuda samples
    examples images patience counter seed best lowest highest previous prev params parameters workers threshold weight
    weights scale coef coefficient lambda alpha beta delta target ratio fraction split interval improved decreased
    increased reduced from to version port device norm tokens num number count max maximum minimum limit epochs
""")
"""Words of names that stand before numbers of other kinds."""
_HEADING_WORDS = word_set("""
    phase set results result metrics mode loop stage performance step epoch start started begin data on
""")


_TELLING = (
    _SCORES | _HEADING_WORDS | frozenset(SPLIT_WORDS) | word_set("f r epochs ep lr learning fold kfold trial repeat seed")
)
"""One of these words, without digits, is in every line that tells something."""

_LETTERS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


class Field(NamedTuple):
    """A number and the words before it.

    Parameters
    ----------
    label, number : place
    of : place or None
        Of all examples where the number counts those that are right: "9832/10000".
    is_percent : bool
    split : Split or None
        As the line says it before the label, None where it doesn't or the label does.
    name : str
        What to call it where its label says only the split, "" elsewhere.
    """

    label: Place
    number: Place
    of: Place | None
    is_percent: bool
    split: Split | None
    name: str


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
    fields = _fields(text, low, counted)
    fold = _FOLD.match(low)
    if (
        epoch is None
        and (place := _EPOCH_OF_ALL.match(low))
        and {"train", "valid"} <= {split_of(text[slice(*f.label)]) for f in fields}
    ):
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


def _fields(text: str, low: str, counted: list[Place]) -> tuple[Field, ...]:
    """Return the scores of a line."""
    found: list[Field] = []
    doubtful: list[Field] = []
    unmarked: list[Field] = []  # "train 8521" is no score, "train 0.5 valid 0.6" are two
    before = 0  # where the text begins that belongs to the next number
    since = 0  # where the text begins that may hold a title: "Loss: train 0.5, val 0.4"
    several: list[Split] = []  # splits that a label lists for the numbers after it: "Train/Val loss: 0.5/0.4"
    for match in _NUMBER.finditer(text):
        start, end = match.span()
        if start < before:
            continue
        unit = _UNIT.match(text, end)
        after = unit.end() if unit else end
        is_counted = any(a <= start < b for a, b in counted)
        is_quantity = text[end : end + 1].isalpha() or text[end : end + 1] == "_" or _IS_VERSION.match(text, end) is not None
        region = (before, start)
        before = after if is_quantity or text[after - 1] == "%" else end
        if several and _NEXT_OF_LIST.match(text, *region):
            last = found[-1]
            found.append(last._replace(number=(start, end), split=several.pop(0), is_percent=last.is_percent))
            continue
        if is_counted or is_quantity:
            continue
        label = _label(text, *region)
        if label is None or (text[label[1] : start].rstrip().endswith("[") and _NEXT_IN_LIST.match(text, end)):
            continue
        name = text[slice(*label)]
        kind = _kind(name, has_mark=text[label[1] : start].strip()[:1] in (":", "="))
        if kind == "":
            continue
        of = _OF_ALL.match(text, end) if match[0].isdigit() else None
        before = of.end() if of else before
        percent = text[end:after].strip() == "%" or "%" in text[label[1] : start]
        splits = [SPLIT_WORDS[word] for word in words_of(name) if word in SPLIT_WORDS]
        field = Field(label, (start, end), of.span(1) if of else None, percent, None, "")
        if len(set(splits)) > 1:
            several = splits[1:]
            field = field._replace(split=splits[0], name=score_of(name) or "loss")
        elif not splits:
            several = []
            field = field._replace(split=_said_before(low[: label[0]]))
        elif not score_of(name):
            title = [score_of(word) for word in words_of(low[since : label[0]]) if word in _SCORES]
            named = [f.name or score_of(text[slice(*f.label)]) for f in found]
            follows_split = bool(found) and found[-1].name != ""
            field = field._replace(name=title[-1] if title else named[-1] if follows_split else "score" if found else "loss")
            is_sure = title or follows_split or text[label[1] : start].strip()[:1] in (":", "=")
            kind = kind if is_sure else "unmarked"
        {"score": found, "doubtful": doubtful, "unmarked": unmarked}[kind].append(field)
        since = end
    if len({split_of(text[slice(*f.label)]) for f in unmarked if f.name}) > 1:
        found += [f for f in unmarked if f.name]
    if found:
        found += [f for f in unmarked if not f.name]
    return _settled(text, found, doubtful)


def _settled(text: str, found: list[Field], doubtful: list[Field]) -> tuple[Field, ...]:
    """Return the fields that are scores, with the split of those whose label has none."""
    # A name that only one program knows is a score's where it stands with and without the word of a split.
    scores = [score_of(text[slice(*f.label)]) for f in doubtful]
    found += [f for f, score in zip(doubtful, scores, strict=True) if score and scores.count(score) > 1]
    explicit = {(f.name or score_of(text[slice(*f.label)]), split_of(text[slice(*f.label)])) for f in found}
    kept: dict[tuple[str, Split | None, Place | None], Field] = {}
    for field in sorted(found):
        label = text[slice(*field.label)]
        score, split = field.name or score_of(label), split_of(label)
        if field.split and not field.name and (score, field.split) in explicit:
            # "val_loss: 0.5, loss: 0.6": the loss of the split before is told already, so that this is another's.
            field = field._replace(split=None if (score, "train") in explicit else "train")
        # A second number of the same name is left out, but for names with digits, which are zeros here: "top1" and "top5".
        kept.setdefault((score, field.split or split, field.label if "0" in label else None), field)
    return tuple(sorted(kept.values(), key=lambda f: f.number))


def _said_before(low: str) -> Split | None:
    """Return the split that the text before a label said last."""
    last = None
    for last in _SAYS_SPLIT.finditer(low):  # noqa: B007 -- the last one
        pass
    return None if last is None else SPLIT_WORDS[last[1]]


def _label(text: str, start: int, end: int) -> Place | None:
    """Return the place of the words that name the number at `end`, None if there are none."""
    start = max(start, end - 120)
    while end > start and (opens := _OPENS_VALUE.search(text, max(start, end - 24), end)) and opens.end() == end:
        end = opens.start()
    if (bracket := _WITH_BRACKET.search(text, start, end)) and bracket.end() == end and end - bracket.start() < 80:
        inner = _LAST_PART.split(bracket[1])[-1]
        return _trimmed(text, bracket.end(1) - len(inner), end)
    for parts in _LAST_PART.finditer(text, start, end):
        start = parts.end()
    return _trimmed(text, start, end)


def _trimmed(text: str, start: int, end: int) -> Place | None:
    while start < end and not (text[start].isalnum() or text[start] == "_"):
        start += 1
    while end > start and text[end - 1] in " '\"*`%":
        end -= 1
    return (start, end) if any(c.isalpha() for c in text[start:end]) else None


def _kind(name: str, *, has_mark: bool) -> str:
    """Return whether a label names a "score", may do so ("unmarked", "doubtful") or, "", names none."""
    words = words_of(name)
    bare = {word.rstrip("0123456789") or word for word in words}
    if name.lower() in ("lr", "learning rate", "learning_rate"):
        return "score" if has_mark else ""
    if not words or len(words) > 8 or "\ufffd" in name or bare & NO_SCORE_WORDS or (is_no_score(name) and score_of(name)):
        return ""
    scores = (bare | set(words)) & _SCORES
    if scores and scores <= _WEAK_SCORES:
        if not _PLAIN.fullmatch(name):
            return ""
        if not has_mark and not bare & set(SPLIT_WORDS):
            return "unmarked"
    if scores or bare <= set(SPLIT_WORDS):
        return "score"
    return "doubtful" if has_mark and len(words) <= 3 else ""
