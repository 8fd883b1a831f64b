"""What an experiment measured, as tables of text: one for each question, for terminals and pages alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whygap.answers import Capacities, EdgeMap, Redrawn, Turns, Worlds
from whygap.records import Estimate
from whygap.report.figures import Figures, percent
from whygap.report.panels import short_count

MOST_COLUMNS = 3
"""Cases that stand side by side."""

YES, NO, OPEN = "yes", "no", "can't tell"
_SAID = {"yes": YES, "no": NO, "cannot_tell": OPEN}


@dataclass(frozen=True)
class TextTable:
    """A table ready to be shown: a title, what must be said of it, the names of its columns, and rows of cells."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Style:
    """How numbers are written: the minus sign, and what stands between the ends of an interval."""

    minus: str = "-"
    between: str = ", "

    def estimate(self, e: Estimate | None, figures: Figures, *, signed: bool = True) -> str:
        """Write a number and its interval, or nothing where there is none; a question mark stands by what isn't reliable."""
        if e is None:
            return ""
        write = figures.signed if signed else figures.plain
        ends = "" if e.low == e.high else f" [{write(e.low)}{self.between}{write(e.high)}]"
        return f"{write(e.value)}{ends}{'' if e.reliable else ' ?'}"

    def figures(self, estimates: Sequence[Estimate]) -> Figures:
        """Choose decimals that show three digits of the largest."""
        sizes = [max(abs(e.value), (e.high - e.low) / 2) for e in estimates if e.high < float("inf")]
        return Figures.fitting([max(sizes, default=0.0)], minus=self.minus)


PLAIN = Style()


def edge_grid(found: EdgeMap, style: Style = PLAIN) -> TextTable:
    """Return a map as a small grid, a row for each number of parameters; a star where memorisation shows."""
    ns, sizes = sorted({c.n for c in found.cells}), sorted({c.n_parameters for c in found.cells}, reverse=True)
    figures = style.figures([c.memorisation for c in found.cells])
    at = {(c.n_parameters, c.n): f"{figures.signed(c.memorisation.value)}{'*' if c.shows else ' '}" for c in found.cells}
    return TextTable(
        title=f"Memorisation in {found.score.name} after {found.stage.label}, {found.regime}"
        + (f", {found.variant}" if found.variant else ""),
        note="* above zero beyond chance, all cells paid for",
        columns=("parameters", *(f"{short_count(n)} examples" for n in ns)),
        rows=tuple((short_count(p), *(at.get((p, n), "") for n in ns)) for p in sizes),
    )


def edge_table(found: EdgeMap, style: Style = PLAIN) -> TextTable:
    """Return a map with its intervals, a row for each cell."""
    figures = style.figures([c.memorisation for c in found.cells])
    level = percent(max(c.memorisation.level for c in found.cells))
    return TextTable(
        title=f"After {found.stage.label}, {found.regime}" + (f", {found.variant}" if found.variant else ""),
        note=f"Memorisation in {found.score.name} with its own {level} interval; whether it is above zero, and a tenth of the "
        "unseen score, with all cells paid for.",
        columns=("parameters", "examples", "parameters per example", "memorisation", "unseen score", "above zero", "overfits"),
        rows=tuple(
            (
                f"{c.n_parameters:,}",
                f"{c.n:,}",
                f"{c.ratio:.3g}",
                style.estimate(c.memorisation, figures),
                figures.plain(c.unseen),
                YES if c.shows else NO,
                _SAID[c.overfits],
            )
            for c in found.cells
        ),
    )


def worlds_table(found: Sequence[Worlds], style: Style = PLAIN) -> TextTable:
    """Return both worlds at the last look, a row for each network and number of examples."""
    figures = style.figures([max((w.generalisation for w in found), key=lambda e: abs(e.value))])
    name = found[0].score.name
    rows = []
    for w in found:
        if w.since is not None:
            hurts = f"from {w.since.value:.0f} [{w.since.low:.0f}{style.between}{w.since.high:.0f}]"
        else:
            hurts = f"not in {w.epoch[-1]}" if w.hurts == "no" else OPEN if w.shown is None else f"above zero from {w.shown}"
        rows.append(
            (
                f"{w.n_parameters:,}",
                f"{w.n:,}",
                *((w.variant,) if any(x.variant for x in found) else ()),
                figures.plain(w.real.value[-1]),
                figures.plain(w.ideal.value[-1]),
                style.estimate(w.bootstrap, figures),
                style.estimate(w.generalisation, figures),
                hurts,
            )
        )
    names = ("parameters", "examples", *(("setting",) if any(x.variant for x in found) else ()))
    return TextTable(
        title=f"Real and ideal world, {name} of unseen examples at the end",
        note="Real - ideal is the bootstrap gap, real - train the generalisation gap. Reuse hurts from the epoch at which the "
        f"bootstrap gap passes {found[0].margin:.2g} for good; each line stands by itself.",
        columns=(*names, "real", "ideal", "real - ideal", "real - train", "reuse hurts, epoch"),
        rows=tuple(rows),
    )


def turns_table(found: Sequence[Turns], style: Style = PLAIN) -> TextTable:
    """Return when validation turned and what was foretold of it, a row for each case."""
    rows = []
    for t in found:
        e, told = t.turn, t.forecast
        none = sum(run.forecast.state == "no_turn" for run in t.runs)
        turn = (
            f"{e.value:.0f} [{e.low:.0f}{style.between}{e.high:.0f}]" if e else "" if t.n_turned else f"none in {t.epoch[-1]}"
        )
        foretold = f"{told.value:.0f} [{told.low:.0f}{style.between}{told.high:.0f}]" if told else ""
        rows.append(
            (
                f"{t.n_parameters:,}",
                f"{t.n:,}",
                t.regime + (f", {t.variant}" if t.variant else ""),
                f"{t.n_turned} of {len(t.runs)}",
                turn,
                foretold or (f"no turn ({none} of {len(t.runs)})" if 2 * none > len(t.runs) else OPEN),
            )
        )
    return TextTable(
        title="When validation turns",
        note="The turn with its 95 % interval over seeds; the forecast, at 90 %, from half of the epochs before the turn, or "
        "of the run where there is none.",
        columns=("parameters", "examples", "regime", "runs that turned", "turn, epoch", "forecast"),
        rows=tuple(rows),
    )


def capacity_table(found: Capacities, style: Style = PLAIN) -> TextTable:
    """Return what each network learnt by heart, a row for each network and number of examples."""
    rows = []
    for w in found.widths:
        for one in w.learnt:
            figures = Figures(3, style.minus)
            rows.append(
                (
                    f"{w.n_parameters:,}" + (f", {w.variant}" if w.variant else ""),
                    f"{one.n:,}",
                    f"{one.ratio:.3g}",
                    style.estimate(one.train, figures, signed=False),
                    style.estimate(one.unseen, figures, signed=False),
                    YES if one.is_learnt else NO,
                )
            )
    return TextTable(
        title="Random labels",
        note=f"Error at the end of training. By heart: a training error of 1 % or less. Chance is {found.chance:.3g}.",
        columns=("parameters", "examples", "parameters per example", "training error", "error on unseen examples", "by heart"),
        rows=tuple(rows),
    )


def redraws_table(found: Sequence[Redrawn], style: Style = PLAIN) -> TextTable:
    """Return standard deviations of the gap by what was redrawn: a column for each case, or a row where there are many."""
    names = list(dict.fromkeys(name for r in found for name in r.of))
    figures = style.figures([e for r in found for e in r.of.values()])
    is_long = len(found) > MOST_COLUMNS
    rows = [
        ("what is drawn again", *(_case(r, found) for r in found)),
        ("mean gap", *(style.estimate(r.gap, figures) for r in found)),
        *((name, *(style.estimate(r.of.get(name), figures, signed=False) for r in found)) for name in names),
    ]
    columns, *rest = zip(*rows, strict=True) if is_long else rows
    return TextTable(
        title=f"Standard deviation of the reported gap in {found[0].score.name}",
        note="The gap is valid - reported at the last look; each with its 95 % interval.",
        columns=tuple(columns),
        rows=tuple(tuple(row) for row in rest),
    )


def _case(one: Redrawn, found: Sequence[Redrawn]) -> str:
    """Name a case by its regime, and by its size where there are several."""
    is_alone = len({(r.n_parameters, r.n) for r in found}) == 1
    size = [] if is_alone else [f"{short_count(one.n_parameters)} on {short_count(one.n)}"]
    return ", ".join([one.regime, *size, *([one.variant] if one.variant else [])])
