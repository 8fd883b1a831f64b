"""The edge of overfitting, over parameters and examples: where training examples score better than unseen ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from whygap.answers.cells import Cell, Cells, cells_of, sign_of
from whygap.answers.stages import Stage, stages_of
from whygap.estimate import holm
from whygap.records import Estimate, OverfittingState, Record, Score
from whygap.trials import Trial

WORTH = 0.1
"""A run overfits from this share of the unseen score on, as in the verdict on a single run: with seeds enough, every training
set scores a little better than unseen examples."""


class EdgeCell(Record, frozen=True):
    """One cell: `memorisation` is how much worse unseen examples score than training ones, with its own interval.

    `p` is the probability of so much where there is none, paying for all cells; `shows` says whether it is at most half of what
    the level leaves. `overfits` says whether it is more than `WORTH` of `unseen`, the score of unseen examples: "yes" and "no"
    both pay for all cells.
    """

    n_parameters: int
    n: int
    memorisation: Estimate
    unseen: float
    p: float
    shows: bool
    overfits: OverfittingState

    @property
    def ratio(self) -> float:
        """Parameters per example."""
        return self.n_parameters / self.n


class EdgeMap(Record, frozen=True):
    """All cells of one regime at one stage of training, and where in parameters per example memorisation starts to show.

    In no cell at or below `none_up_to` does it show, and from `all_from` on in every one; None where there is no such cell.
    `matters_from` and `harmless_up_to` are the same for overfitting that is worth the name.
    """

    regime: str
    variant: str
    stage: Stage
    score: Score
    cells: tuple[EdgeCell, ...]
    none_up_to: float | None
    all_from: float | None
    harmless_up_to: float | None
    matters_from: float | None


def edge_maps(trials: Iterable[Trial], *, score: str | None = None, level: float = 0.95) -> tuple[EdgeMap, ...]:
    """Return a map for each regime, stage of training, and whatever else was varied.

    The memorisation term of a cell is the mean over seeds of fresh - train, or of validation - train where there are no fresh
    examples, with Student's interval over training sets. It shows where its one-sided test at (1 - level) / 2, by Holm's method
    over all cells of all maps of a regime, rejects that it is zero or less.

    Parameters
    ----------
    trials : iterable of Trial
        Any settings.
    score : str, optional
        By default the loss.
    level : float
        Of the intervals, strictly between 0 and 1.
    """
    return maps_of(cells_of(trials, score=score), score=score, level=level)


def maps_of(grouped: Cells, *, score: str | None = None, level: float = 0.95) -> tuple[EdgeMap, ...]:
    """Return the maps of cells, as `edge_maps`."""
    stages = stages_of(grouped.cells)
    found = []
    for regime in sorted({c.regime for c in grouped.cells}, key=lambda r: (r == "fresh", r)):
        at = [(cell, stage, look) for cell in grouped.of(regime) for stage in stages if (look := stage.look(cell)) is not None]
        rated = rate([(cell, look) for cell, _, look in at], score, level)
        for variant in dict.fromkeys(cell.variant for cell, _, _ in at):
            for stage in stages:
                mine = [e for (c, s, _), e in zip(at, rated, strict=True) if s is stage and c.variant == variant]
                kind = grouped.cells[0].trials[0].curve(score)
                if mine and kind is not None:
                    found.append(_map(regime, variant, stage, kind.score, mine))
    return tuple(found)


def rate(places: Sequence[tuple[Cell, int]], score: str | None, level: float) -> list[EdgeCell]:
    """Return what cells say at one look each, given by its place; all of them are paid for."""
    shown, worth, none, values = [], [], [], []
    for cell, look in places:
        kind = cell.trials[0].curve(score)
        assert kind is not None
        sign, unseen = sign_of(kind.score), cell.curves(cell.unseen, score)
        term, own = sign * (unseen - cell.curves("train", score)), cell.curves(f"{cell.unseen}_se", score)
        means = cell.over_seeds(term, own, shared=cell.shares_unseen)
        beyond = cell.over_seeds(term - WORTH * np.abs(unseen), own, shared=cell.shares_unseen)
        values.append((means.estimate(look, level=level), float(unseen[:, look].mean())))
        shown.append(means.p_above(look))
        worth.append(beyond.p_above(look))
        none.append(beyond._replace(value=-beyond.value).p_above(look))
    if not places:
        return []
    alpha = (1.0 - level) / 2.0
    p, worth_p, none_p = holm(shown), holm(worth), holm(none)
    return [
        EdgeCell(
            n_parameters=cell.n_parameters,
            n=cell.n,
            memorisation=values[k][0],
            unseen=values[k][1],
            p=float(p[k]),
            shows=bool(p[k] <= alpha),
            overfits="yes" if worth_p[k] <= alpha else "no" if none_p[k] <= alpha else "cannot_tell",
        )
        for k, (cell, _) in enumerate(places)
    ]


def _map(regime: str, variant: str, stage: Stage, score: Score, cells: Sequence[EdgeCell]) -> EdgeMap:
    ordered = tuple(sorted(cells, key=lambda c: (c.n_parameters, c.n)))
    none, every = _between([(c.ratio, c.shows) for c in ordered])
    harmless, _ = _between([(c.ratio, c.overfits != "no") for c in ordered])
    _, matters = _between([(c.ratio, c.overfits == "yes") for c in ordered])
    return EdgeMap(
        regime=regime,
        variant=variant,
        stage=stage,
        score=score,
        cells=ordered,
        none_up_to=none,
        all_from=every,
        harmless_up_to=harmless,
        matters_from=matters,
    )


def _between(marked: Sequence[tuple[float, bool]]) -> tuple[float | None, float | None]:
    """Return the largest ratio up to which nothing is marked, and the least from which on all is."""
    marks = [ratio for ratio, is_marked in marked if is_marked]
    others = [ratio for ratio, is_marked in marked if not is_marked]
    below = [r for r in others if not marks or r < min(marks)]
    above = [r for r in marks if not others or r > max(others)]
    return max(below, default=None), min(above, default=None)
