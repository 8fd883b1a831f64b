"""Tables that grow by a row per epoch: those of fastai, of skorch, and of transformers in notebooks and model cards."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from whygap.logs.console_lines import ConsoleFormat, console_lines
from whygap.logs.drafts import DraftRun, Drafts
from whygap.logs.printed import NUMBER, shape_of
from whygap.logs.records import LoggedRun, Split
from whygap.logs.score_names import SPLIT_WORDS, is_no_score, score_of, split_beside, split_of
from whygap.logs.source import Source

_MOST_COLUMNS = 60
_WIDEST = 2000
_HEADING_WORDS = ("loss", "error", "acc", "mse", "mae", "score", "deviance")

_NAME = re.compile(r"[^\W\d][\w./@() #%-]{0,60}$")
_WIDE = re.compile(r"(?<=\S)\s{2,}(?=\S)")
_CELL = re.compile(r"No log|[^\s|│\[\]]{1,400}(?: %)?|[\[\]]")
_NUMBER_CELL = re.compile(rf"\*{{0,2}}({NUMBER})\s?%?\*{{0,2}}")
_OTHER_CELL = re.compile(r"[0-9]{1,3}(?::[0-9]{2}){1,2}|[0-9.]{1,12}s|-|No log|None|#na#|N/A", re.IGNORECASE)
_NO_HEADING = re.compile(r"[=:,{}\"']")
_SAVED = {"cp", "event_cp", "checkpoint"}

Meaning = Callable[[str], tuple[str, Split]]


class _Table:
    """A heading, by which its rows are read."""

    def __init__(self, names: list[str]) -> None:
        self.names = [name for name in names if name.lower() not in _SAVED]
        self.at_epoch = next((i for i, n in enumerate(self.names) if n.lower() in ("epoch", "epochs", "ep")), None)
        self.at_step = next((i for i, n in enumerate(self.names) if n.lower() in ("step", "steps", "iter", "iteration")), None)
        self.format, self.framework, self.meaning = _maker(self.names)
        self.numbers_of = lru_cache(maxsize=512)(self._numbers_of)

    def draft(self) -> DraftRun:
        """Return an empty run with columns as this table has them."""
        return DraftRun(self.format, self.framework, self.meaning)

    def _numbers_of(self, shape: bytes) -> tuple[slice | None, ...] | None:
        """Return the places of the numbers in rows of a shape, None where a cell has none; None of a line that is no row.

        There is one more where the rows are numbered and that column has no name.
        """
        text = shape.decode()
        cells = [cell for cell in _CELL.finditer(text) if cell[0] not in ("+", "[", "]")]
        # A data frame is printed with the numbers of its rows, which have no name.
        has_index = len(cells) == len(self.names) + 1 and cells[0][0].isdigit()
        if not has_index and len(cells) != len(self.names):
            return None
        numbers = [_NUMBER_CELL.fullmatch(cell[0]) for cell in cells]
        if not all(number or _OTHER_CELL.fullmatch(cell[0]) for number, cell in zip(numbers, cells, strict=True)):
            return None
        starts = (cell.start() for cell in cells)
        return tuple(
            number and slice(at + number.start(1), at + number.end(1)) for at, number in zip(starts, numbers, strict=True)
        )


def _maker(names: list[str]) -> tuple[str, str, Meaning]:
    """Return the format, the framework and the meaning of the columns of a table, by the names that only one tool prints."""
    low = {name.lower() for name in names}
    if {"train_loss", "valid_loss"} & low and "dur" in low:
        return "skorch table", "skorch", _by_words(names)
    if low & {"train_loss", "trn_loss"} and low & {"valid_loss", "val_loss"} and names[0] == "epoch" and "step" not in low:
        return "fastai table", "fastai", _by_words(names, "valid")  # its metrics are those of validation only
    if low & {"training loss", "validation loss"} and low & {"epoch", "step"}:
        return "transformers table", "transformers", _by_words(names, "valid")
    return "printed table", "", _by_words(names)


def _by_words(names: list[str], otherwise: Split | None = None) -> Meaning:
    """Return the meaning of columns by their words; where these say no split it is `otherwise`, or what stands beside tells."""
    said = [(score_of(name) or "loss", split_of(name)) for name in names if not is_no_score(name)]

    def meaning(name: str) -> tuple[str, Split]:
        if is_no_score(name):
            return score_of(name), "none"
        score = score_of(name) or "loss"
        return score, split_of(name) or otherwise or split_beside(score, said)

    return meaning


def _heading(text: str) -> _Table | None:
    """Return the table that a line begins, None if it begins none."""
    low = text.lower()
    if len(text) > _WIDEST or not any(word in low for word in _HEADING_WORDS) or _NO_HEADING.search(text):
        return None
    stripped = text.strip(" |│\t")
    if "|" in stripped or "│" in stripped:
        names = re.split(r"[|│]", stripped)
    elif "\t" in stripped:
        names = stripped.split("\t")
    else:
        names = _WIDE.split(stripped)
        if len(names) < 2:
            names = _grouped(stripped.split())
    names = [name.strip() for name in names if name.strip()]
    is_heading = 2 <= len(names) <= _MOST_COLUMNS and all(map(_NAME.match, names)) and len(set(names)) == len(names)
    table = _Table(names) if is_heading else None
    if table is None:
        return None
    is_numbered = table.at_epoch is not None or table.at_step is not None
    return table if is_numbered or any(split_of(name) == "valid" for name in names) else None


def _grouped(words: list[str]) -> list[str]:
    """Return the names that single blanks part, and within which there are single blanks too: "Step Training Loss"."""
    names: list[str] = []
    for word in words:
        if names and names[-1].lower() in SPLIT_WORDS and word.lower() not in SPLIT_WORDS:
            names[-1] += f" {word}"
        else:
            names.append(word)
    return names


def _rows(texts: Iterable[str]) -> Iterator[str]:
    """Yield the lines, those put together that have a cell each, as tables of web pages are copied."""
    names: list[str] = []
    cells: list[str] = []
    for text in texts:
        word = text.strip()
        if word.lower() in ("epoch", "step"):
            names, cells = [word], []
        elif not names:
            yield text
        elif not cells and _NAME.match(word) and len(names) < _MOST_COLUMNS and not _is_cell(word):
            names.append(word)
        elif len(names) > 1 and _is_cell(word):
            if not cells:
                yield "\t".join(names)
            cells.append(word)
            if len(cells) % len(names) == 0:
                yield "\t".join(cells[-len(names) :])
                cells = cells[-len(names) :]
        else:
            names, cells = [], []
            yield text


def _is_cell(text: str) -> bool:
    return (_NUMBER_CELL.fullmatch(text) or _OTHER_CELL.fullmatch(text)) is not None


def _read(source: Source) -> tuple[LoggedRun, ...]:
    lines = console_lines(source)
    drafts: Drafts | None = None
    table: _Table | None = None
    for text in _rows(line.text for line in lines):
        places = table.numbers_of(shape_of(text)) if table else None
        if table is None or places is None:
            table = _heading(text) or table
            continue
        if drafts is None:
            drafts = Drafts(table.draft)
        elif drafts.current.format != table.format:
            drafts.make = table.draft
            drafts.begin()
        _keep(drafts, table, [place and text[place] for place in places])
    return drafts.finish(lines) if drafts else ()


def _keep(drafts: Drafts, table: _Table, cells: list[str | None]) -> None:
    """Give a row's numbers to their run; one that counts back is another run's."""
    draft = drafts.current
    index = cells.pop(0) if len(cells) > len(table.names) else None
    epoch, step = (float((at is not None and cells[at]) or math.nan) for at in (table.at_epoch, table.at_step))
    if table.at_epoch is None and table.at_step is None:
        epoch = float(index) if index else (draft.last + 1 if draft.last >= 1 else 1.0)
    place = step if math.isnan(epoch) else epoch
    if place < draft.last or (place == draft.last and (math.isnan(step) or math.isnan(epoch))):
        draft = drafts.begin()
    draft.reach(place)
    for i, cell in enumerate(cells):
        if cell is not None and i != table.at_epoch and i != table.at_step:
            draft.add(table.names[i], cell, epoch, step)


def _shows_table(texts: Iterable[str]) -> bool:
    table: _Table | None = None
    for text in _rows(texts):
        if table and table.numbers_of(shape_of(text)):
            return True
        table = _heading(text) or table
    return False


TABLE_CONSOLE = ConsoleFormat("table", _shows_table, _read)
"""Reads tables with a heading and a row per epoch, or per evaluation."""
