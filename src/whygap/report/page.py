"""One self-contained page about a run: no network, no scripts, light and dark, and every picture's numbers in a table."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from whygap.records import Cause, EpochGap, Run, Score, Verdict
from whygap.report.atomic import write_atomically
from whygap.report.figures import TRUE_MINUS, Figures, duration, percent
from whygap.report.labels import CAUSE_LABELS, HOW_WORDS, UNATTRIBUTED, Label, direction_in_words, overfitting_answer
from whygap.report.looks import LookTable, look_table, why_two_intervals
from whygap.report.page_tables import EpochTable, LadderTable, epoch_table, ladder_table
from whygap.report.pictures import as_svg, curves, overfitting_over_epochs, terms_over_epochs, waterfall
from whygap.report.rendering import Chart
from whygap.report.steps import shown_of
from whygap.report.stretches import stretch_rows


def write_page(run: Run, verdict: Verdict, path: str | os.PathLike[str], *, title: str | None = None) -> Path:
    """Write a page that explains a run to somebody who wasn't there.

    Parameters
    ----------
    run
        The run; each of its scores gets its own pictures and table, the verdict's score first.
    verdict
        The answer for one score of `run`.
    path
        The file to write; its folder must exist. It is replaced as a whole or left as it was.
    title
        The page's title; by default one made of the run's source and id.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    WhygapError
        If the file can't be written.
    """
    return write_atomically(path, page_of(run, verdict, title=title).encode())


def template_of(name: str) -> Template:
    """Return a template of a page: everything put into it is escaped, and a name that it lacks is an error."""
    loader = PackageLoader("whygap.report")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template(name)


def page_of(run: Run, verdict: Verdict, *, title: str | None = None) -> str:
    """Return the page that `write_page` writes."""
    template = template_of("report.html.j2")
    scores = sorted(run.scores, key=lambda score: score.name != verdict.score.name)
    shown = shown_of(run.epochs)
    named = {*shown.causes, *(c.cause for c in verdict.causes)}
    glossary: list[tuple[Label, str]] = [(label, cause) for cause, label in CAUSE_LABELS.items() if cause in named]
    if shown.has_rest:
        glossary.append((UNATTRIBUTED, UNATTRIBUTED.short))
    return template.render(
        title=title or f"whygap: {run.source}, run {run.id}",
        run=run,
        verdict=verdict,
        overfitting=overfitting_answer(verdict.overfitting),
        looks=_looks(verdict) if verdict.overfitting.looks else None,
        stretches=stretch_rows(verdict.stretches, minus=TRUE_MINUS, between=" to "),
        sections=[_section(run, score) for score in scores],
        glossary=glossary,
        how_words=HOW_WORDS,
        label=_label,
        percent=percent,
        direction_in_words=direction_in_words,
        provenance=_provenance(run),
    )


@dataclass(frozen=True)
class Picture:
    """A picture whose title is set as text, which wraps on a narrow screen and can be searched."""

    title: str
    lines: tuple[str, ...]
    svg: Markup

    @classmethod
    def of(cls, chart: Chart) -> Picture:
        title = chart.to_dict(validate=False)["title"]
        lines = title.get("subtitle", ())
        # Safe without escaping: Vega escapes every text that it draws, and `as_svg` the label.
        svg = Markup(as_svg(chart, titled=False))
        return cls(title["text"], (lines,) if isinstance(lines, str) else tuple(lines), svg)


@dataclass(frozen=True)
class _Step:
    """One epoch, step by step: its picture and the same as a table."""

    epoch: int
    picture: Picture
    table: LadderTable


@dataclass(frozen=True)
class _Section:
    """What the page shows of one score."""

    score: Score
    curves: Picture | None
    steps: list[_Step]
    terms: Picture | None
    table: EpochTable | None


@dataclass(frozen=True)
class _Looks:
    """Whether it overfits, epoch by epoch: the picture, the same as a table, and why there are two intervals."""

    picture: Picture
    table: LookTable
    why: str


def _looks(verdict: Verdict) -> _Looks:
    return _Looks(
        Picture.of(overfitting_over_epochs(verdict)),
        look_table(verdict, minus=TRUE_MINUS, between=" to "),
        why_two_intervals(verdict.overfitting.looks),
    )


def _section(run: Run, score: Score) -> _Section:
    gaps = run.of(score.name)
    whole = [gap for gap in gaps if gap.gap is not None]
    drawable = any(x is not None for gap in gaps for x in (gap.train_reported, gap.valid_reported) if x is not None)
    return _Section(
        score=score,
        curves=Picture.of(curves(run, score.name)) if drawable else None,
        steps=[_step(gap) for gap in _first_middle_last(whole)],
        terms=Picture.of(terms_over_epochs(run, score.name)) if whole else None,
        table=epoch_table(gaps) if gaps else None,
    )


def _step(gap: EpochGap) -> _Step:
    return _Step(gap.epoch, Picture.of(waterfall(gap)), ladder_table(gap, Figures.of_gaps([gap], minus=TRUE_MINUS)))


def _first_middle_last(gaps: list[EpochGap]) -> list[EpochGap]:
    places = sorted({0, len(gaps) // 2, len(gaps) - 1}) if gaps else []
    return [gaps[place] for place in places]


def _label(cause: Cause) -> Label:
    return CAUSE_LABELS[cause]


def _provenance(run: Run) -> list[tuple[str, Any]]:
    """Return what one needs to find the run again, or to repeat it."""
    seconds: dict[int, float] = {}
    scored: dict[int, int] = {}
    for gap in run.epochs:  # the scores of one epoch are measured together, so that their costs are not summed
        seconds[gap.epoch] = max(seconds.get(gap.epoch, 0.0), gap.spent_s)
        scored[gap.epoch] = max(scored.get(gap.epoch, 0), gap.evaluations)
    epochs = f"{len(seconds)}" if run.finished else f"{len(seconds)}, the run is not marked as finished"
    rows = [
        ("run", run.id),
        ("source", run.source),
        ("started", run.started),
        ("epochs", epochs),
        ("scores", ", ".join(score.name for score in run.scores)),
        ("versions", ", ".join(f"{name} {version}" for name, version in sorted(run.versions.items()))),
        ("seeds", ", ".join(f"{name} {seed}" for name, seed in sorted(run.seeds.items()))),
        (
            "time that whygap took",
            f"{duration(sum(seconds.values()))}, {sum(scored.values()):,} examples scored" if seconds else "",
        ),
    ]
    return [(name, value) for name, value in rows if value]
