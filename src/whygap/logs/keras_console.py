"""Consoles of Keras 1, 2 and 3: progress bars and the lines of `verbose=2`."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from whygap.logs.console_lines import ConsoleFormat, Line, console_lines
from whygap.logs.drafts import DraftRun, Drafts
from whygap.logs.keras_lines import KerasLine, is_of_keras, keras_lines
from whygap.logs.printed import NUMBER
from whygap.logs.printed_scores import looks_scored
from whygap.logs.records import LoggedRun, Split
from whygap.logs.score_names import is_no_score, score_of, split_of
from whygap.logs.source import Source

_MOST_WAITING = 1000
"""Results without a heading that wait for the next one, which tells their epochs."""

_FIRST_NAMES = ("loss", "acc", "accuracy")

_RESULT = re.compile(rf"\s{{0,40}}\[?({NUMBER}(?:,\s{{0,4}}{NUMBER}){{0,40}})\]?$")
_SAID = re.compile(rf"\s{{0,40}}([A-Za-z]{{1,12}}[ _]\w[\w ]{{0,40}}?)\s{{0,4}}[:=]\s{{0,4}}({NUMBER})\s{{0,4}}%?$")


class _Result(NamedTuple):
    """The names and numbers of a bar or line, and what its bar counts up to."""

    scores: list[tuple[str, str]]
    total: str
    plan: KerasLine
    may_change: bool

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.scores]

    @property
    def has_valid(self) -> bool:
        return any(_is_valid(name) for name, _ in self.scores)


class _Console:
    """What a console has told so far."""

    def __init__(self) -> None:
        self.drafts = Drafts(lambda: DraftRun(KERAS_CONSOLE.name, "keras", _meaning))
        self.heading = math.nan  # of the epoch in hand
        self.planned = math.nan
        self.result: _Result | None = None  # of the epoch in hand
        self.total = ""  # of the bar of the epoch in hand
        self.unfinished: tuple[Line, KerasLine] | None = None
        self.bar_stands_twice = False
        self.waiting: list[_Result] = []
        self.sizes: dict[str, float] = {}
        self.asks_result = False

    @property
    def draft(self) -> DraftRun:
        return self.drafts.current

    def take(self, line: Line, plan: KerasLine | None) -> bool:
        """Take the next line; return whether it tells something."""
        text = line.text
        if plan is None:
            return self._take_result_of_evaluation(text)
        if plan.kind == "epoch":
            heading, *planned = (float(text[a:b]) for a, b in plan.counts)
            self._begin_epoch(heading, planned[0] if planned else math.nan)
        elif plan.kind == "scores":
            self._take_scores(line, plan)
        else:
            names = ("n_train", "n_valid") if plan.kind == "sizes" else ("steps_per_epoch",)
            self.sizes |= {n: float(text[a:b].replace(",", "") or 0) for n, (a, b) in zip(names, plan.counts, strict=False)}
        return True

    def end(self) -> None:
        """Settle what is open when the log ends."""
        self._end_epoch()
        self._settle(math.nan)
        if self.unfinished and not self.drafts.full:
            line, plan = self.unfinished
            (a, b), (c, d) = plan.counts
            total = float(line.text[c:d]) if line.text[c].isdigit() else math.nan
            epoch = (self.heading if self.heading > 0 else 1.0) - 1 + float(line.text[a:b]) / (total or math.nan)
            for name, text in _scores(line.text, plan):
                self.draft.add(name, text, epoch)
            self.draft.notes.append("no epoch is finished: the numbers are the averages up to the last state of the bar")

    def _begin_epoch(self, heading: float, planned: float) -> None:
        self._end_epoch()
        last = self.draft.last
        if planned == 1 and self.planned == 1 and heading == 1 and last >= 1:
            heading = last + 1  # fit() called again and again for one epoch, as loops around stateful models do
        if heading <= last:
            self._settle(math.nan)
            self.drafts.begin()
        else:
            self._settle(heading)
        if planned > 1:
            self.draft.facts["epochs_planned"] = planned
        self.heading, self.planned, self.unfinished = heading, planned, None

    def _end_epoch(self) -> None:
        if self.result is None and self.unfinished and not self.unfinished[0].overwritten and not math.isnan(self.heading):
            line, plan = self.unfinished
            if line.text[slice(*plan.counts[1])] == "Unknown":
                self.result = _Result(_scores(line.text, plan), "", plan, may_change=True)
        if self.result is not None:
            self._keep(self.result, self.heading)
            self.heading = math.nan
        self.result, self.total, self.bar_stands_twice = None, "", False

    def _keep(self, result: _Result, epoch: float) -> None:
        draft = self.draft
        draft.facts |= self.sizes
        self.sizes = {}
        draft.reach(epoch)
        for name, text in result.scores:
            draft.add(name, text, epoch)
        if result.total.isdigit() and "steps_per_epoch" not in draft.facts:
            total = float(result.total)
            if result.plan.per_sample:
                draft.facts.setdefault("n_train", total)
            elif result.plan.per_step and draft.facts.get("n_train") != total:
                draft.facts["steps_per_epoch"] = total

    def _take_scores(self, line: Line, plan: KerasLine) -> None:
        text, total, may_change = line.text, "", line.overwritten or plan.is_refresh
        if plan.counts:
            (a, b), (c, d) = plan.counts
            done, total = text[a:b], text[c:d]
            if not _is_full(done, total, is_glued=plan.is_glued):
                if plan.pairs:
                    self.unfinished = line, plan
                    self.total = self.total or (total if total != "Unknown" else "")
                    self.bar_stands_twice |= not line.overwritten
                return
        if not plan.pairs:
            self.asks_result = True
            return
        result = _Result(_scores(text, plan), total, plan, may_change)
        if math.isnan(self.heading):
            if plan.is_bare and self.draft.is_empty and result.names[0] not in _FIRST_NAMES:
                return  # the end of a line of which the beginning was cut off
            self._wait(result)
        elif self.result is None and (not self.total or total in (self.total, "")):
            self.result = result
        elif self.result is not None and self._is_later_state(self.result, result):
            self.bar_stands_twice &= self.result.may_change
            self.result = result
        else:
            self._wait(result)

    def _is_later_state(self, before: _Result, after: _Result) -> bool:
        """Return whether a bar shows the same epoch again: with validation now, or where every state has a line of its own."""
        if before.total != after.total:
            return not before.has_valid and after.has_valid
        return (
            before.may_change
            or (after.has_valid and not before.has_valid)
            or (self.bar_stands_twice and before.names == after.names)
        )

    def _wait(self, result: _Result) -> None:
        if self.waiting and self.waiting[-1].may_change and self.waiting[-1].total == result.total:
            self.waiting.pop()
        self.waiting.append(result)
        if len(self.waiting) > _MOST_WAITING:
            self._settle(math.nan)

    def _settle(self, following: float) -> None:
        """Give the results that came without a heading to the epochs before `following`; what is no epoch's stands apart."""
        if not self.waiting:
            return
        waiting, self.waiting = self.waiting, []
        last = 0.0 if math.isnan(self.draft.last) else self.draft.last
        has_epochs = not math.isnan(self.draft.last)
        has_valid = any(r.has_valid for r in waiting) or any(map(_is_valid, self.draft.columns))
        of_epochs = [r for r in waiting if r.has_valid or not has_valid]
        if math.isnan(following):
            if not has_valid and (has_epochs or not _are_epochs(waiting)):
                of_epochs = []
            start = last + 1
        else:
            of_epochs = of_epochs[max(0, len(of_epochs) - int(following - 1 - last)) :] if following - 1 > last else []
            start = following - len(of_epochs)
        kept = {id(r): start + i for i, r in enumerate(of_epochs)}
        for result in waiting:
            if id(result) in kept:
                self._keep(result, kept[id(result)])
            elif not result.has_valid:
                for name, text in result.scores:
                    self.draft.add_apart(name, text)

    def _take_result_of_evaluation(self, text: str) -> bool:
        """Take what is printed of an evaluation: "[0.35, 0.88]" after a bar without scores, or "Test accuracy: 0.88"."""
        asked, self.asks_result = self.asks_result, False
        if asked and (found := _RESULT.match(text)):
            texts = found[1].replace(" ", "").split(",")
            known = self.result.names if self.result else list(self.draft.columns)
            names = [name for name in known if not _is_valid(name)] or ["loss"]
            if len(texts) <= len(names):
                for name, number in zip(names, texts, strict=False):
                    self.draft.add_apart(name, number)
            return True
        if (said := _SAID.match(text)) and (split := split_of(said[1])) and score_of(said[1]):
            self.draft.add_apart(said[1], said[2], split)
            return True
        return False


def _meaning(name: str) -> tuple[str, Split]:
    if is_no_score(name):
        return score_of(name), "none"
    if _is_valid(name):
        return score_of(name[4:]) or name[4:], "valid"
    return score_of(name) or name, "train"


def _is_valid(name: str) -> bool:
    return name.startswith(("val_", "val. "))  # with a point in versions below 0.2


def _scores(text: str, plan: KerasLine) -> list[tuple[str, str]]:
    return [(text[a:b], text[c:d]) for (a, b), (c, d) in plan.pairs]


def _is_full(done: str, total: str, *, is_glued: bool) -> bool:
    """Return whether a bar is at its end, or beyond it: some versions count "10000/1"."""
    if is_glued:
        return done.endswith(total)
    return done == total or (total != "Unknown" and float(done) >= float(total))


def _are_epochs(results: list[_Result]) -> bool:
    """Return whether results without headings and validation are epochs: evaluations aren't that many, nor without a bar."""
    totals = {r.total for r in results}
    return totals == {""} or (len(totals) == 1 and len(results) > 2)


def _read(source: Source) -> tuple[LoggedRun, ...]:
    lines = console_lines(source)
    console = _Console()
    for line, plan in keras_lines(lines):
        if not console.take(line, plan) and looks_scored(line.text):
            lines.pass_over(line)
    console.end()
    return console.drafts.finish(lines)


KERAS_CONSOLE = ConsoleFormat("Keras console", lambda texts: any(map(is_of_keras, texts)), _read)
"""Reads what Keras prints while it trains."""
