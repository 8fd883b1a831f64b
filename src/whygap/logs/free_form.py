"""Lines that people's own training loops print: a label and a number, in one line or in several."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

import numpy as np

from whygap.logs.console_lines import ConsoleFormat, ConsoleLines, Line, console_lines, not_understood
from whygap.logs.drafts import MOST_COLUMNS, DraftRun, Drafts
from whygap.logs.printed import shape_of
from whygap.logs.printed_labels import Field
from whygap.logs.printed_scores import PrintedLine, looks_scored, plan_of
from whygap.logs.progress_bars import find_bar
from whygap.logs.records import LoggedRun, Split
from whygap.logs.score_names import is_no_score, score_of, split_of
from whygap.logs.source import Source

_GROUPED = re.compile(r"(?<![0-9.,])([1-9][0-9]{0,2}(?:,[0-9]{3}){1,4})(?![0-9]|[.,][0-9])")
_DECIMAL_COMMA = re.compile(r"(?<![0-9.,])([0-9]{1,9}),([0-9]{1,12})(?![0-9]|[.,][0-9])")
_POINT = re.compile(r"[0-9]\.[0-9]")


Key = tuple[str, str, Split | None, bool]
"""Label, the name of its score where the label has none, the split said before, and whether it stands within an epoch."""


class _Prints:
    """What the lines have told so far."""

    def __init__(self, lines: ConsoleLines) -> None:
        self.lines = lines
        self.meanings: dict[str, tuple[str, Split | None]] = {}
        self.names: dict[Key, str] = {}
        self.drafts = Drafts(lambda: DraftRun(FREE_FORM.name, "", self._meaning))
        self.epoch = math.nan
        self.split: Split | None = None
        self.fold = ""
        self.taken = ""

    @property
    def draft(self) -> DraftRun:
        return self.drafts.current

    def _meaning(self, name: str) -> tuple[str, Split]:
        score, split = self.meanings[name]
        return score, split or "unknown"

    def take(self, line: Line, text: str) -> None:
        """Take the next line."""
        plan = plan_of(shape_of(text))
        if plan is not None and plan.has_comma_numbers:
            text = _with_points(text)
            plan = plan_of(shape_of(text))
        if (plan is None or not plan.fields) and looks_scored(text):
            self.lines.pass_over(line)
        if plan is None:
            return
        if plan.fold and text[slice(*plan.fold)] != self.fold:
            if self.fold:
                self.drafts.begin()
                self.epoch = math.nan
            self.fold = text[slice(*plan.fold)]
        if plan.epoch and (plan.fields or plan.is_heading):
            self._reach(float(text[slice(*plan.epoch)]), plan, text)
        if plan.split:
            self.split = plan.split
        if plan.fields and (text != self.taken or not plan.epoch):  # two handlers of a logger print every line twice
            self._take_scores(plan, text)
            self.taken = text

    def _reach(self, epoch: float, plan: PrintedLine, text: str) -> None:
        if epoch < self.epoch:
            self.drafts.begin()
        if epoch != self.epoch:
            self.split = None
        self.epoch = epoch
        self.draft.reach(epoch)
        if plan.planned:
            self.draft.facts["epochs_planned"] = float(text[slice(*plan.planned)])

    def _take_scores(self, plan: PrintedLine, text: str) -> None:
        epoch, step, is_within = self.epoch, math.nan, False
        if plan.step:
            step = float(text[slice(*plan.step)].replace(",", ""))
            if plan.counts_steps:
                self.draft.facts["steps_per_epoch"] = step
                step = math.nan
            elif math.isnan(epoch):
                if step < self.draft.last:
                    self.drafts.begin()
                self.draft.reach(step)
            else:
                is_within = True
                steps = float(text[slice(*plan.steps)].replace(",", "")) if plan.steps else math.nan
                if plan.epoch and steps > 0:
                    epoch += min(step / steps, 1.0) - 1
        for field in plan.fields:
            name = self._name_of(field, text, is_within)
            if name:
                self.draft.add(name, _printed(field, text), epoch, step)
                if field.of and self.meanings[name][1] == "valid":
                    self.draft.facts["n_valid"] = float(text[slice(*field.of)])

    def _name_of(self, field: Field, text: str, is_within: bool) -> str:
        """Return the column of a number, made if it is new; "" where there are too many."""
        label = text[slice(*field.label)]
        key = label, field.name, field.split or self.split, is_within
        name = self.names.get(key)
        if name is None and len(self.names) < MOST_COLUMNS:
            name = self.names[key] = self._new_name(field, label, key)
        return name or ""

    def _new_name(self, field: Field, label: str, key: Key) -> str:
        said = None if field.split and field.name else split_of(label)
        split: Split | None = "none" if is_no_score(label) else said or key[2]
        score = field.name or score_of(label)
        if field.name:
            name = f"{split if field.split else label} {field.name}"
        else:
            name = label if said or not split or split == "none" else f"{split} {label}"
        name = " ".join(name.split()) + (" %" if field.is_percent and not field.of else "")
        if any(n == name and k[3] != key[3] for k, n in self.names.items()):
            name += " (within epochs)" if key[3] else " (of the epoch)"
        if field.is_assumed:
            self.draft.notes.append(f"nothing says which score {label!r} is; it is called {score}")
        self.meanings[name] = score, split
        return name

    def _tells_of_a_run(self, name: str, count: int) -> bool:
        """Return whether a column is enough for a run: not a learning rate, nor one number of doubtful name."""
        score, split = self.meanings[name]
        return split != "none" and (
            split is not None or count > 1 or any(word in score for word in ("loss", "accuracy", "error"))
        )

    def end(self) -> None:
        """Find the splits that no word says, and the places of numbers within epochs."""
        within = {name for key, name in self.names.items() if key[3]}
        for draft in self.drafts.runs:
            if not any(self._tells_of_a_run(name, len(column.value)) for name, column in draft.columns.items()):
                draft.columns.clear()
            has_other = any(self.meanings[name][1] in ("valid", "test") for name in draft.columns)
            has_train = {self.meanings[name][0] for name in draft.columns if self.meanings[name][1] == "train"}
            for name, column in draft.columns.items():
                score, split = self.meanings[name]
                is_within = name in within
                if split is None and (is_within or (has_other and score not in has_train)):
                    self.meanings[name] = score, "train"
                epoch = np.array(column.epoch)
                if np.isnan(epoch).all():
                    if np.isnan(np.array(column.step)).all():
                        column.epoch = type(column.epoch)("d", range(1, len(epoch) + 1))
                else:
                    column.epoch = type(column.epoch)("d", _spread(epoch))
            if math.isnan(draft.first) and not draft.is_empty:
                draft.notes.append("the log doesn't number its epochs: they are counted in its order")


def _printed(field: Field, text: str) -> str:
    number = text[slice(*field.number)]
    if field.of and (of := float(text[slice(*field.of)])) > 0:
        return repr(float(number) / of)
    return number


def _spread(epoch: np.ndarray) -> np.ndarray:
    """Return the places of numbers of which several have the same epoch: evenly over it, the last at its end."""
    whole = epoch == np.round(epoch)
    starts = np.flatnonzero(np.diff(epoch, prepend=np.nan) != 0)
    counts = np.diff(np.append(starts, len(epoch)))
    rank = np.arange(len(epoch)) - np.repeat(starts, counts)
    many = np.repeat(counts, counts)
    return np.where(whole & (many > 1), epoch - 1 + (rank + 1) / many, epoch)


def _with_points(text: str) -> str:
    """Return a line without commas in numbers: those of thousands go, decimal ones become points where nothing else fits."""
    found = [m.groups() for m in _DECIMAL_COMMA.finditer(text)]
    if found and not _POINT.search(text) and any(len(b) != 3 or a.startswith("0") for a, b in found):
        return _DECIMAL_COMMA.sub(r"\1.\2", text)
    text = _GROUPED.sub(lambda m: m[0].replace(",", ""), text)
    return re.sub(r"(?<=[0-9]),(?=[0-9])", ", ", text)


def _without_bars(lines: Iterable[Line]) -> Iterator[tuple[Line, str]]:
    """Yield the lines, of progress bars but what the last state of each shows."""
    held: tuple[tuple[str, str], Line, str] | None = None
    for line in lines:
        text = line.text
        bar = find_bar(text) if "%|" in text else None
        if bar is None:
            if held:
                yield held[1:]
                held = None
            yield line, text
            continue
        rest = text[bar.end :]
        is_of_epochs = bar.unit == "epoch" or bar.before.lower().strip(" :") in ("epochs", "epoch")
        if bar.is_full or (is_of_epochs and bar.after):
            key = bar.before, bar.done if is_of_epochs else ""
            if held and held[0] != key:
                yield held[1:]
            shown = f"epoch {bar.done}: {bar.after}" if is_of_epochs else f"{bar.before} {bar.after}"
            held = key, line, shown
        if rest.strip():
            if held:
                yield held[1:]
                held = None
            yield line, rest
    if held:
        yield held[1:]


def _read(source: Source) -> tuple[LoggedRun, ...]:
    lines = console_lines(source)
    prints = _Prints(lines)
    for line, text in _without_bars(lines):
        prints.take(line, text)
    prints.end()
    runs = prints.drafts.finish(lines)
    if not runs and lines.not_understood:
        raise not_understood(source, lines.not_understood)
    return runs


def shows_scores(text: str) -> bool:
    """Return whether a line prints a score."""
    plan = plan_of(shape_of(text))
    return plan is not None and any(not is_no_score(text[slice(*field.label)]) for field in plan.fields)


FREE_FORM = ConsoleFormat("printed text", lambda texts: any(map(shows_scores, texts)), _read)
"""Reads the numbers with labels that no framework's own format explains."""
