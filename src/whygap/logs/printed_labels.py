"""Numbers of a printed line and the words that name them: which of them are scores, and whose."""

from __future__ import annotations

import re
from typing import NamedTuple

from whygap.logs.printed import NUMBER
from whygap.logs.records import Split
from whygap.logs.score_names import SPLIT_WORDS, is_no_score, score_of, split_of, word_set, words_of

Place = tuple[int, int]
"""Start and end within a line."""

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

SCORE_WORDS = word_set("""
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
    is_assumed : bool
        Whether nothing in the line says that name.
    """

    label: Place
    number: Place
    of: Place | None
    is_percent: bool
    split: Split | None = None
    name: str = ""
    is_assumed: bool = False


def fields_of(text: str, low: str, counted: list[Place]) -> tuple[Field, ...]:
    """Return the scores of a line.

    Parameters
    ----------
    text, low : str
        The line, as it is and in lower case.
    counted : list of places
        Where epochs and steps stand, whose numbers are no scores.
    """
    kinds: dict[str, list[Field]] = {"score": [], "doubtful": [], "unmarked": []}
    found = kinds["score"]
    before = 0  # where the text begins that belongs to the next number
    since = 0  # where the text begins that may hold a title: "Loss: train 0.5, val 0.4"
    several: list[Split] = []  # splits that a label lists for the numbers after it: "Train/Val loss: 0.5/0.4"
    for match in _NUMBER.finditer(text):
        start, end = match.span()
        if start < before:
            continue
        region = (before, start)
        unit = _UNIT.match(text, end)
        after = unit.end() if unit else end
        is_quantity = text[end : end + 1].isalpha() or text[end : end + 1] == "_" or _IS_VERSION.match(text, end) is not None
        before = after if is_quantity or text[after - 1] == "%" else end
        if several and _NEXT_OF_LIST.match(text, *region):
            found.append(found[-1]._replace(number=(start, end), split=several.pop(0)))
            continue
        several = []
        if is_quantity or any(a <= start < b for a, b in counted):
            continue
        label = _label(text, *region)
        if label is None or (text[label[1] : start].rstrip().endswith("[") and _NEXT_IN_LIST.match(text, end)):
            continue
        name = text[slice(*label)]
        has_mark = text[label[1] : start].strip()[:1] in (":", "=")
        kind = _kind(name, has_mark=has_mark)
        if not kind:
            continue
        of = _OF_ALL.match(text, end) if match[0].isdigit() else None
        before = of.end() if of else before
        is_percent = text[end:after].strip() == "%" or "%" in text[label[1] : start]
        field = Field(label, (start, end), of.span(1) if of else None, is_percent)
        splits = [SPLIT_WORDS[word] for word in words_of(name) if word in SPLIT_WORDS]
        if len(set(splits)) > 1:
            several = splits[1:] if kind == "score" else []
            field = field._replace(split=splits[0], name=score_of(name) or "loss")
        elif not splits:
            field = field._replace(split=_said_before(low[: label[0]]))
        elif not score_of(name):
            field = _named(field, words_of(low[since : label[0]]), found)
            kind = kind if has_mark or not field.is_assumed else "unmarked"
        kinds[kind].append(field)
        since = end
    # "train 8521" is no score, "train 0.5 valid 0.6" are two; "map 3" is none, but beside a loss it is.
    bare = [field for field in kinds["unmarked"] if field.name]
    if len({split_of(text[slice(*field.label)]) for field in bare}) > 1:
        found += bare
    if found:
        found += [field for field in kinds["unmarked"] if not field.name]
    return _settled(text, found, kinds["doubtful"])


def _named(field: Field, title: tuple[str, ...], found: list[Field]) -> Field:
    """Return a field whose label is but a split, with the name of the score: of the title before it, or of the field before."""
    said = [score_of(word) for word in title if word in SCORE_WORDS]
    if said:
        return field._replace(name=said[-1])
    if found and found[-1].name:
        return field._replace(name=found[-1].name, is_assumed=found[-1].is_assumed)
    return field._replace(name="score" if found else "loss", is_assumed=True)


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
    scores = (bare | set(words)) & SCORE_WORDS
    if scores and scores <= _WEAK_SCORES:
        if not _PLAIN.fullmatch(name):
            return ""
        if not has_mark and not bare & set(SPLIT_WORDS):
            return "unmarked"
    if scores or bare <= set(SPLIT_WORDS):
        return "score"
    return "doubtful" if has_mark and len(words) <= 3 else ""
