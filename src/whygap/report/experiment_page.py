"""One self-contained page about an experiment: its answers, a few pictures for each question, and all numbers in tables."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from whygap.answers import Findings, Redrawn, Turns, Worlds, findings_of
from whygap.report.atomic import write_atomically
from whygap.report.experiment_pictures import all_turns, deviations, edge, learnt_by_heart, real_and_ideal, turn_and_forecast
from whygap.report.experiment_tables import (
    Style,
    TextTable,
    capacity_table,
    edge_table,
    redraws_table,
    turns_table,
    worlds_table,
)
from whygap.report.figures import TRUE_MINUS, duration
from whygap.report.labels import QUESTIONS, STATES
from whygap.report.page import Picture, template_of
from whygap.trials import Answer, Experiment, Question, Setting

SHOWN = 3
"""Cases of a question that are drawn by themselves; the tables have them all."""

_STYLE = Style(TRUE_MINUS, " to ")


def write_experiment_page(experiment: Experiment, answers: Sequence[Answer], path: str | os.PathLike[str]) -> Path:
    """Write a page about an experiment.

    Parameters
    ----------
    experiment
        Finished or not.
    answers
        What `whygap.answers.answer` says of it.
    path
        The file to write; its folder must exist. It is replaced as a whole or left as it was.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    WhygapError
        If the file can't be written.
    """
    return write_atomically(path, experiment_page_of(experiment, answers).encode())


def experiment_page_of(experiment: Experiment, answers: Sequence[Answer]) -> str:
    """Return the page that `write_experiment_page` writes."""
    template = template_of("experiment.html.j2")
    return template.render(
        title=f"whygap lab, experiment {experiment.id}",
        experiment=experiment,
        claims=[a for a in answers if a.claim],
        sections=_sections(findings_of(experiment, answers), answers, experiment.mark),
        states=STATES,
        provenance=_provenance(experiment),
    )


@dataclass(frozen=True)
class _Section:
    """What the page shows of one question."""

    name: Question
    heading: str
    answer: Answer | None
    pictures: list[Picture]
    tables: list[TextTable]


def _sections(found: Findings, answers: Sequence[Answer], mark: Mapping[str, Setting]) -> list[_Section]:
    sections = []
    for name, draw in _DRAWN.items():
        pictures, tables = draw(found, mark)
        if pictures or tables:
            own = next((a for a in answers if a.question == name and not a.claim), None)
            sections.append(_Section(name, QUESTIONS[name], own, pictures, tables))
    return sections


Drawn = tuple[list[Picture], list[TextTable]]


def _edge(found: Findings, mark: Mapping[str, Setting]) -> Drawn:
    maps = [m for m in found.edge if m.regime != "fresh"]
    return [Picture.of(edge(m, mark=mark)) for m in maps], [edge_table(m, _STYLE) for m in found.edge]


def _worlds(found: Findings, mark: Mapping[str, Setting]) -> Drawn:
    if not found.worlds:
        return [], []
    chosen = _chosen(found.worlds, _gap, mark)
    return [Picture.of(real_and_ideal(w)) for w in chosen], [worlds_table(found.worlds, _STYLE)]


def _epochs(found: Findings, mark: Mapping[str, Setting]) -> Drawn:
    if not found.epochs:
        return [], []
    reused = [t for t in found.epochs if t.regime != "fresh"]
    pictures = [Picture.of(all_turns(reused))] if len(reused) > 1 else []
    pictures += [Picture.of(turn_and_forecast(t)) for t in _chosen(reused or found.epochs, _turn, mark)]
    return pictures, [turns_table(found.epochs, _STYLE)]


def _capacity(found: Findings, _: Mapping[str, Setting]) -> Drawn:
    if found.capacity is None:
        return [], []
    return [Picture.of(learnt_by_heart(found.capacity))], [capacity_table(found.capacity, _STYLE)]


def _redraws(found: Findings, mark: Mapping[str, Setting]) -> Drawn:
    groups: dict[tuple[str, int, int], list[Redrawn]] = {}
    for r in found.redraws:
        groups.setdefault((r.variant, r.n_parameters, r.n), []).append(r)
    if not groups:
        return [], []
    chosen = _chosen([group[0] for group in groups.values()], lambda r: r.gap.value, mark)
    drawn = [Picture.of(deviations(groups[r.variant, r.n_parameters, r.n])) for r in chosen]
    return drawn, [redraws_table(found.redraws, _STYLE)]


_DRAWN: Mapping[Question, Callable[[Findings, Mapping[str, Setting]], Drawn]] = {
    "edge": _edge,
    "worlds": _worlds,
    "epochs": _epochs,
    "capacity": _capacity,
    "redraws": _redraws,
}


class _Case(Protocol):
    @property
    def n_parameters(self) -> int: ...
    @property
    def n(self) -> int: ...


C = TypeVar("C", bound=_Case)


def _chosen(cases: Sequence[C], by: Callable[[C], float], mark: Mapping[str, Setting]) -> list[C]:
    """Return at most `SHOWN` cases: the one nearest to the mark, and those with the most and the least of a number."""
    ordered = sorted(cases, key=by, reverse=True)
    wanted = [*([min(cases, key=lambda c: _distance(c, mark))] if mark else []), ordered[0], ordered[-1], *ordered[1:2]]
    chosen: list[C] = []
    for case in wanted:
        if all(case is not other for other in chosen) and len(chosen) < SHOWN:
            chosen.append(case)
    return chosen


def _distance(case: _Case, mark: Mapping[str, Setting]) -> float:
    total = 0.0
    for name, own in (("n_parameters", case.n_parameters), ("n", case.n)):
        at = mark.get(name)
        if isinstance(at, int | float) and at > 0:
            total += math.log(own / at) ** 2
    return total


def _gap(found: Worlds) -> float:
    return found.bootstrap.value


def _turn(found: Turns) -> float:
    """Rank cases: the earlier validation turns, the more."""
    return -found.turn.value if found.turn is not None else -1e9


def _provenance(experiment: Experiment) -> list[tuple[str, str]]:
    seconds = sum(t.seconds for t in experiment.trials)
    rows = [
        ("experiment", experiment.id),
        ("started", experiment.started),
        ("runs", f"{len(experiment.trials)} of {experiment.wanted}"),
        ("time of all runs together", duration(seconds) if seconds else ""),
        ("versions", ", ".join(f"{name} {version}" for name, version in sorted(experiment.versions.items()))),
    ]
    return [(name, value) for name, value in rows if value]
