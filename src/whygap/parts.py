"""Terms that have more than one reason, split: `averaging` into time lag and own update, `mode` by the kind of layer."""

from __future__ import annotations

import numpy as np

from whygap.estimate import Design, Moments, draw_design, is_usable
from whygap.observation import Array, Bools, Ints, Observation, Sample, Visits
from whygap.records import Cause, Estimate, RungName, Term
from whygap.rungs import Error, Level, Rungs, Sampling, estimate_with

OWN_UPDATE, TIME_LAG = "own update", "time lag"

MODE_PARTS: tuple[tuple[RungName, str], ...] = (
    ("without_dropout", "dropout"),
    ("without_batch_norm", "batch norm"),
    ("eval_mode", "other"),
)
"""From train mode to eval mode, kind of layer by kind of layer, with what is switched at each step."""


def split_term(cause: Cause, term: Estimate, o: Observation, rungs: Rungs) -> tuple[Term, ...]:
    """Return the parts of a term, which add up to it; none where they were not measured or there is only one that could be."""
    if cause == "averaging":
        return _split_averaging(term, o, rungs)
    is_from_end = "averaging" not in o.absent  # then the rung above is the end-of-epoch weights in train mode
    return _split_mode(o, rungs) if cause == "mode" and is_from_end else ()


def _split_mode(o: Observation, rungs: Rungs) -> tuple[Term, ...]:
    parts: list[Term] = []
    above = rungs.levels["end_weights"]
    for name, part in MODE_PARTS:
        here = rungs.levels.get(name)
        if here is None or (name == "eval_mode" and not parts):
            continue
        if not _is_same(above, here):
            parts.append(Term(cause="mode", name=part, estimate=rungs.between(above, here, o.level)))
        above = here
    return tuple(parts)


def _is_same(above: Level, here: Level) -> bool:
    return above.each is not None and here.each is not None and np.array_equal(above.each, here.each)


def _split_averaging(term: Estimate, o: Observation, rungs: Rungs) -> tuple[Term, ...]:
    """Split by the score of an example right after the step on its own batch.

    The own update is what that one step did to the examples that it was made from, the time lag all that happened afterwards.
    It may have been looked at in some of the sampled batches only: `own update` is estimated from those, and `time lag` is the
    rest of the term.
    """
    v, s = o.visits, o.sample
    if v is None or s is None or rungs.sampling is None or "after_update" not in s.on_rung:
        return ()
    before = _at_visit(v, s)
    looks = s.on_rung["after_update"]
    is_seen = ~np.isin(s.unit, s.unit[~np.isfinite(looks).all(axis=0)])
    if before is None or not is_seen.any() or not is_usable(looks[:, is_seen]):
        return ()
    looked = np.unique(s.unit[is_seen])
    unit = np.searchsorted(looked, s.unit[is_seen])
    whole = looked.size == s.batch.size
    chance = None if s.chance is None else s.chance[is_seen]
    design = rungs.sampling.design if whole else draw_design(v.rows, s.batch[looked], unit, chance=chance)
    change = looks[:, is_seen].mean(axis=0) - before[is_seen]
    masks = {k: e for k, e in rungs.levels["end_weights"].errors.items() if k.startswith("random masks")}
    repeats = s.on_rung["end_weights"].shape[0]
    # looked at once, not `repeats` times
    noise = {f"{name}, after the update": _times(error, repeats) for name, error in masks.items()}
    own = Sampling(design).error_of_mean(change)
    value = design.mean(change)
    own_update = estimate_with(value, ({} if design.is_whole else {"batches": own}) | noise, level=o.level, n=change.size)
    end, start = rungs.levels["end_weights"].each, None if "reduction" in o.absent else rungs.levels["visited"].each
    assert end is not None
    end = end if start is None else end - start
    rest = _error_of_rest(rungs.sampling.design, end, design, change, looked, is_seen)
    lag_errors = {} if rungs.sampling.is_whole and design.is_whole else {"batches": Error(rest, own.doubt, is_sampling=True)}
    time_lag = estimate_with(term.value - value, lag_errors | masks | noise, level=o.level, n=term.n)
    return (
        Term(cause="averaging", name=TIME_LAG, estimate=time_lag),
        Term(cause="averaging", name=OWN_UPDATE, estimate=own_update),
    )


def _at_visit(v: Visits, s: Sample) -> Array | None:
    """Return the visit's score of every sampled example, or of its batch where all of that was scored."""
    if "visited" in s.on_rung and is_usable(s.on_rung["visited"]):
        return np.asarray(s.on_rung["visited"].mean(axis=0))
    is_whole = np.array_equal(np.bincount(s.unit), v.rows[s.batch])
    data = v.score - v.penalty if v.penalty is not None else v.score
    if not (v.is_plain_mean and is_whole and is_usable(data[s.batch])):
        return None
    means: Array = data[s.batch][s.unit]
    return means


def _error_of_rest(all_of: Design, end: Array, some_of: Design, change: Array, looked: Ints, is_seen: Bools) -> Moments:
    """Return the moments of the error of mean(end) over all sampled batches less mean(change) over those looked at."""
    (units, members), (of_looked, of_seen) = all_of.shocks(end), some_of.shocks(change)
    units[looked] -= of_looked
    members[is_seen] -= of_seen
    df = float(looked.size - 1)
    return Moments(float(units @ units + members @ members), df) if df > 0.0 else Moments(0.0, 0.0)


def _times(error: Error, factor: int) -> Error:
    return error._replace(moments=error.moments._replace(variance=error.moments.variance * factor))
