"""Rungs in, `EpochGap` out: the accounting identity.

Every rung is a known constant plus a mean over the epoch's batches of something that was seen on the sampled ones (`contribution`),
plus errors with a name (`noise`). A term is the difference of two neighbouring rungs: its contributions are subtracted batch by
batch before any variance is taken, which is what pairing means, and an error that both rungs share cancels. The values
telescope, so that the terms add up to the reported gap whatever the estimates are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from whygap.errors import InputError
from whygap.estimate import (
    Variance,
    add_variances,
    estimate_from,
    mean_by_size,
    variance_of_mean,
    variance_of_repeats,
    variance_of_scores,
    why_not_reliable,
)
from whygap.observation import Array, Observation, Sample, Visits, check_observation
from whygap.records import Cause, EpochGap, Estimate, NotMeasured, Rung, RungName, Term, is_finite

LADDER: tuple[tuple[RungName, Cause | None], ...] = (
    ("reported", None),
    ("data", "penalty"),
    ("visited", "reduction"),
    ("end_weights", "averaging"),
    ("eval_mode", "mode"),
    ("clean_view", "augmentation"),
    ("valid_criterion", "criterion"),
    ("valid_weights", "weights"),
    ("fresh", "memorisation"),
    ("valid", "shift"),
    ("valid_reduced", "reduction_valid"),
    ("valid_reported", "penalty_valid"),
)
"""Every rung from training as reported to validation as reported, with the cause that leads to it from the rung above."""

EVALUATED: tuple[RungName, ...] = ("end_weights", "eval_mode", "clean_view", "valid_criterion", "valid_weights")
"""The rungs that score the sampled examples anew at the end of the epoch."""


@dataclass(frozen=True, kw_only=True)
class _Level:
    """A rung as a sum: `value`, of which `contribution` (u,) varies over the sampled batches; `each` (n,) is the same by example."""

    value: float
    contribution: Array | None = None
    each: Array | None = None
    noise: dict[str, Variance] = field(default_factory=dict)
    doubt: str = ""
    n: int = 0


@dataclass(frozen=True)
class _Frame:
    """The population that contributions are averaged over: sizes of the sampled batches and the number visited."""

    size: Array
    n_visited: int
    level: float

    @property
    def is_whole(self) -> bool:
        return self.size.size == self.n_visited


def build_epoch_gap(observation: Observation) -> EpochGap:
    """Split the reported gap of one epoch into terms.

    Answers "which rung of the ladder did the two scores part at, and by how much?". It does not tell why a term is what it is.

    Parameters
    ----------
    observation : Observation
        Scores in the unit of `observation.score`. What isn't finite counts as not measured.

    Returns
    -------
    EpochGap
        `gap` and terms are valid - train in the score's unit. Intervals of terms up to `weights` are for this epoch's very
        examples: a full pass makes them exact. From `memorisation` on they are for what the validation set was drawn from.

    Raises
    ------
    InputError
        If the arrays of the observation don't fit one another.
    """
    o = observation
    check_observation(o)
    missing: dict[Cause, str] = dict(o.not_measured)
    notes = list(o.notes)
    frame = _frame(o)
    levels: dict[RungName, _Level] = {}
    levels.update(_reported_levels(o, notes))
    levels.update(_visit_levels(o, frame, missing))
    levels.update(_evaluated_levels(o, frame, missing))
    levels.update(_valid_levels(o, missing))
    rungs, terms = _climb(o, levels, frame, missing)

    first, last = levels.get("reported"), levels.get("valid_reported")
    gap = _between(first, last, frame) if first and last else None
    unattributed = gap.value - math.fsum(t.value for t in terms) if gap else 0.0
    if not math.isfinite(unattributed):  # the sum of finite terms can overflow
        gap, terms, unattributed = None, [], 0.0
        notes.append("the terms are too large to be added up")
    return EpochGap(
        epoch=o.epoch,
        score=o.score,
        train_reported=first.value if first else None,
        valid_reported=last.value if last else None,
        gap=gap,
        terms=tuple(terms),
        unattributed=unattributed,
        rungs=tuple(rungs),
        not_measured=tuple(NotMeasured(cause=c, why=w) for c, w in missing.items()),
        notes=tuple(notes),
        spent_s=o.spent_s,
        evaluations=o.evaluations,
    )


def _frame(o: Observation) -> _Frame:
    if o.visits is None or o.sample is None:
        return _Frame(np.ones(1), 1, o.level)
    return _Frame(o.visits.rows[o.sample.batch].astype(np.float64), o.visits.rows.size, o.level)


def _reported_levels(o: Observation, notes: list[str]) -> dict[RungName, _Level]:
    levels: dict[RungName, _Level] = {}
    names: tuple[tuple[RungName, float | None, str], ...] = (
        ("reported", o.train_reported, "training"),
        ("valid_reported", o.valid_reported, "validation"),
    )
    for rung, value, split in names:
        if value is None:
            notes.append(f"no {split} {o.score.name} was reported")
        elif not math.isfinite(value):
            notes.append(f"the reported {split} {o.score.name} is {value}")
        else:
            levels[rung] = _Level(value=float(value))
    return levels


@dataclass(frozen=True)
class _Recorded:
    """The recorded scores of the batches, (b,), less the penalty where it is known for all; else the penalty at the sample, (u,)."""

    score: Array
    penalty: Array | None = None
    penalty_at_sample: Array | None = None


def _recorded(v: Visits, s: Sample | None) -> _Recorded | None:
    """Return the recorded scores, or None where there is a penalty inside them that nobody saw."""
    if v.penalty is None:
        return _Recorded(v.score)
    if np.isfinite(v.penalty).all():
        return _Recorded(v.score - v.penalty, penalty=v.penalty)
    if s is not None and np.isfinite(v.penalty[s.batch]).all():
        return _Recorded(v.score, penalty_at_sample=v.penalty[s.batch])
    return None


def _visit_levels(o: Observation, frame: _Frame, missing: dict[Cause, str]) -> dict[RungName, _Level]:
    """The two rungs that only the visits tell: the data part of the reported score, and each visited example counted once."""
    v, s = o.visits, o.sample
    if v is None or o.train_reported is None or not is_finite(o.train_reported):
        return {}
    if not np.isfinite(v.score).all():
        bad = int((~np.isfinite(v.score)).sum())
        missing.setdefault("averaging", f"{bad} of {v.score.size} batches have a {o.score.name} that isn't finite")
        return {}
    r = _recorded(v, s)
    if r is None:
        missing.setdefault("penalty", "the regularisation was not seen at the visits")
        return {}
    n = int(v.rows.sum())
    if r.penalty_at_sample is not None:
        inside, minus_penalty = mean_by_size(r.penalty_at_sample, frame.size), -r.penalty_at_sample
    elif r.penalty is not None:
        inside, minus_penalty = mean_by_weight(r.penalty, v.rows if v.weight is None else v.weight), None
    else:
        inside, minus_penalty = 0.0, None
    levels: dict[RungName, _Level] = {"data": _Level(value=o.train_reported - inside, contribution=minus_penalty, n=n)}
    known = mean_by_size(r.score, v.rows)
    if v.is_plain_mean:
        still_inside = inside if r.penalty_at_sample is not None else 0.0
        levels["visited"] = _Level(value=known - still_inside, contribution=minus_penalty, n=n)
    elif s is not None and "visited" in s.on_rung and np.isfinite(s.on_rung["visited"]).all():
        each = s.on_rung["visited"].mean(axis=0)
        change = _unit_means(each, s.unit) - r.score[s.batch]
        levels["visited"] = _Level(
            value=known + mean_by_size(change, frame.size), contribution=change, each=each - r.score[s.batch][s.unit], n=each.size
        )
    else:
        missing.setdefault("reduction", f"the {o.score.name} of single examples was not seen at the visits")
    return levels


def _evaluated_levels(o: Observation, frame: _Frame, missing: dict[Cause, str]) -> dict[RungName, _Level]:
    """The rungs that score the sampled examples anew, corrected by their recorded scores where the method says so."""
    v, s = o.visits, o.sample
    if s is None or v is None:
        return {}
    r = _recorded(v, s) if o.method == "difference" and np.isfinite(v.score).all() else None
    base, known = (np.zeros(s.batch.size), 0.0) if r is None else (r.score[s.batch], mean_by_size(r.score, v.rows))
    levels: dict[RungName, _Level] = {}
    for rung, cause in LADDER:
        if rung not in EVALUATED or rung not in s.on_rung or cause is None:
            continue
        repeats = s.on_rung[rung]
        if not np.isfinite(repeats).all():
            bad = int((~np.isfinite(repeats)).any(axis=0).sum())
            missing.setdefault(cause, f"{bad} of {repeats.shape[1]} scored examples have a {o.score.name} that isn't finite")
            continue
        by_unit = np.stack([_unit_means(one, s.unit) for one in repeats])
        change = by_unit.mean(axis=0) - base
        noise = {}
        if repeats.shape[0] > 1:
            noise[rung] = variance_of_repeats(by_unit, size=frame.size, n_population=frame.n_visited)
        each = repeats.mean(axis=0) - base[s.unit]
        value = known + mean_by_size(change, frame.size)
        levels[rung] = _Level(value=value, contribution=change, each=each, noise=noise, n=s.unit.size)
    return levels


def _valid_levels(o: Observation, missing: dict[Cause, str]) -> dict[RungName, _Level]:
    levels: dict[RungName, _Level] = {}
    if o.fresh is not None and o.fresh.size:
        if np.isfinite(o.fresh).all():
            levels["fresh"] = _sampled_split(o.fresh, o.fresh.size, None, "fresh")
        else:
            missing.setdefault("memorisation", f"some fresh examples have a {o.score.name} that isn't finite")
    if o.valid is None:
        return levels
    v = o.valid
    bad = int((~np.isfinite(v.score)).sum())
    if bad:
        missing.setdefault("generalisation", f"{bad} of {v.score.size} validation examples have a {o.score.name} that isn't finite")
        return levels
    levels["valid"] = _sampled_split(v.score, v.n, v.mean, "validation")
    # what the validation set happens to hold moves all three of its rungs alike, and so cancels between them
    if o.valid_reported is not None and is_finite(o.valid_reported):
        levels["valid_reduced"] = replace(levels["valid"], value=o.valid_reported - (v.penalty or 0.0))
        levels["valid_reported"] = replace(levels["valid"], value=o.valid_reported)
    return levels


def _sampled_split(scores: Array, n: int, mean: float | None, source: str) -> _Level:
    """A split's mean with the error of the split being drawn at random; `scores` may be a part of its `n` examples."""
    m = scores.size
    spread = variance_of_scores(scores)
    value = float(scores.mean()) if mean is None else mean
    noise = {source: Variance(spread.value * m / n, spread.df)}
    if mean is None and m < n:
        noise[f"{source}, sampled"] = Variance(spread.value * (1 - m / n), spread.df)
    doubt = f"one {source} example" if n == 1 else why_not_reliable(scores)
    return _Level(value=value, noise=noise, doubt=doubt and f"{source}: {doubt}", n=m)


def _climb(
    o: Observation, levels: dict[RungName, _Level], frame: _Frame, missing: dict[Cause, str]
) -> tuple[list[Rung], list[Term]]:
    """Walk the ladder down, skipping what doesn't apply; what lies across a rung that is missing stays unattributed."""
    rungs: list[Rung] = []
    terms: list[Term] = []
    above: _Level | None = None
    lacking: Cause | None = None  # the cause of a rung that applies but is missing between `above` and here
    for rung, cause in LADDER:
        name: Cause | None = "generalisation" if cause == "shift" and "fresh" not in levels else cause
        if cause is not None and _is_skipped(rung, cause, o, levels):
            continue
        if rung not in levels:
            lacking = lacking or name
            continue
        here = levels[rung]
        rungs.append(Rung(name=rung, estimate=_between(None, here, frame)))
        if above is not None and name is not None:
            if lacking is None:
                terms.append(Term(cause=name, estimate=_between(above, here, frame)))
            else:
                missing.setdefault(lacking, "it was not scored in this epoch")
        above, lacking = here, None
    if lacking is not None and above is not None:
        missing.setdefault(lacking, "it was not scored in this epoch")
    return rungs, terms


def _is_skipped(rung: RungName, cause: Cause, o: Observation, levels: dict[RungName, _Level]) -> bool:
    if rung in levels:
        return cause in o.absent
    # not evaluated and nobody asked: these rungs need a view, a criterion, weights or examples that only the user can name
    optional = ("clean_view", "valid_criterion", "valid_weights", "fresh")
    return cause in o.absent or (rung in optional and cause not in o.not_measured)


def _between(above: _Level | None, here: _Level, frame: _Frame) -> Estimate:
    """The difference of two rungs, or the rung itself with `above` None."""
    value = here.value - (above.value if above else 0.0)
    contribution = _subtract(here.contribution, above.contribution if above else None)
    each = _subtract(here.each, above.each if above else None)
    parts: list[Variance] = []
    doubts: list[str] = []
    sampled = False
    if contribution is not None and np.ptp(contribution) > 0.0 and not frame.is_whole:
        sampled = True
        parts.append(variance_of_mean(contribution, size=frame.size, n_population=frame.n_visited))
        doubts.append(why_not_reliable(contribution if each is None or contribution.size < 5 else each))
    above_noise = above.noise if above else {}
    for source in here.noise.keys() ^ above_noise.keys():
        parts.append(here.noise.get(source) or above_noise[source])
    if (above.doubt if above else "") != here.doubt:
        doubts.append(here.doubt or (above.doubt if above else ""))
    n = max(here.n, above.n if above else 0)
    doubt = "; ".join(d for d in doubts if d)
    why = "" if sampled or not parts else "every example was scored; the interval is the noise of " + _named(here, above)
    return estimate_from(
        value, add_variances(parts), level=frame.level, n=n, how="sampled" if sampled else "exact", not_reliable=doubt, why=why
    )


def _named(here: _Level, above: _Level | None) -> str:
    sources = here.noise.keys() ^ (above.noise if above else {}).keys()
    words = {"validation": "a finite validation set", "fresh": "a finite fresh set"}
    return " and ".join(sorted({words.get(s, "random masks and batches") for s in sources}))


def _subtract(a: Array | None, b: Array | None) -> Array | None:
    if a is None or b is None:
        return a if b is None else -b
    return a - b


def _unit_means(scores: Array, unit: np.typing.NDArray[np.int64]) -> Array:
    counts = np.bincount(unit)
    return np.bincount(unit, weights=scores) / counts


def mean_by_weight(scores: Array, weight: np.typing.ArrayLike) -> float:
    """Return sum(weight * scores) / sum(weight) for weights that may be zero, such as a last batch reported as the epoch.

    Raises
    ------
    InputError
        If the weights don't add up to a positive number.
    """
    w = np.asarray(weight, dtype=np.float64)
    if not w.sum() > 0:
        raise InputError("the weights of the batches must add up to more than 0")
    return float(np.dot(w, scores) / w.sum())
