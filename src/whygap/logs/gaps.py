"""A pair of logged columns as epochs with gaps: the lag as far as the curves tell it, and the rest."""

from __future__ import annotations

import math
import re

import numpy as np
from msgspec import structs

from whygap.estimate.ranges import LEVEL
from whygap.estimate.recovery import Recovered, recover_end
from whygap.estimate.scores import LARGEST
from whygap.estimate.steps import narrower, recover_end_from_steps
from whygap.logs.pairs import Pair
from whygap.logs.records import LoggedRun
from whygap.records import EpochGap, Estimate, NotMeasured, Rung, Score, Term

HIGHER_IS_BETTER = re.compile(
    r"\b(?:\w*acc|\w*accuracy|auc|auroc|f1|f1score|precision|recall|m?iou|dice|map\d*|r2|top ?\d|bleu|rouge|psnr|ssim|kappa|mcc"
    r"|ndcg|mrr|pearsonr?|spearmanr?)\b"
)
"""Names of scores that are better when higher, as words: mAP is one of them, and MAPE an error."""

MOST_EPOCHS = 2000
"""Epochs that are told one by one; all of them count in what is said of the run."""

LONG = 100_000
"""Epochs beyond which the lag isn't looked for, and only the explained score is held."""

LAG_UNTOLD = "the allowance for what each batch's own update taught is as large as the lag"


def score_of(name: str) -> Score:
    """Return a logged score with its direction, as its name tells it."""
    lowered = name.lower().replace("_", " ")
    return Score(name=name, higher_is_better="loss" not in lowered and HIGHER_IS_BETTER.search(lowered) is not None)


def recovered_of(pair: Pair) -> Recovered:
    """Return the training score at the end of each of the pair's epochs; unbounded where the rule can't be undone."""
    rule, higher = pair.rule, score_of(pair.score).higher_is_better
    n = pair.epoch.size
    if rule.how == "no_lag":
        return recover_end(pair.train, rule=None, higher_is_better=higher)
    from_steps = None
    if rule.how == "steps" and pair.steps is not None and n and _is_consecutive(pair) and pair.epoch[0] == 1.0:
        from_steps = recover_end_from_steps(pair.steps.value, pair.steps.epoch, n_epochs=n)
        if rule.is_last:
            return from_steps
    if rule.averaging is None or (rule.how == "steps" and rule.is_last) or n > LONG or not _is_consecutive(pair):
        missing = np.isnan(pair.train)
        low, high = (np.where(missing, np.nan, x) for x in (-np.inf, np.inf))
        return Recovered(pair.train.copy(), low, high, np.where(missing, "missing", "cannot_tell").astype("<U11"))
    valid = None if rule.weights else pair.valid
    means = recover_end(pair.train, valid, rule=rule.averaging, higher_is_better=higher)
    return means if from_steps is None else narrower(from_steps, means)


def _is_consecutive(pair: Pair) -> bool:
    return bool(pair.epoch.size < 2 or np.allclose(np.diff(pair.epoch), 1.0, rtol=0.0, atol=1e-3))


def shown_epochs(pair: Pair) -> list[int]:
    """Return the positions of the epochs that are told one by one: all, or `MOST_EPOCHS` of them, evenly spaced."""
    n = pair.epoch.size
    return list(range(n)) if n <= MOST_EPOCHS else np.unique(np.linspace(0, n - 1, MOST_EPOCHS).astype(int)).tolist()


def gaps_of(run: LoggedRun, pair: Pair, recovered: Recovered) -> list[EpochGap]:
    """Return the epochs of a pair as gaps: the lag as far as it is told, and the rest unattributed."""
    score, gaps = score_of(pair.score), list[EpochGap]()
    absent_lag = pair.rule.how == "no_lag"
    untold = NotMeasured(cause="averaging", why=f"cannot be told from the log: {_why_untold(run, pair)}")
    for i in shown_epochs(pair):
        train, valid = float(pair.train[i]), float(pair.valid[i])
        has = [abs(x) <= LARGEST for x in (train, valid)]  # no NaN is
        if not any(has):
            continue
        notes = tuple(
            f"no finite {split} {score.name} was logged"
            for split, there in zip(("training", "validation"), has, strict=True)
            if not there
        )
        end = _end(recovered, i) if all(has) else None
        terms = () if end is None else (Term(cause="averaging", estimate=_moved(end, -train)),)
        missing: tuple[NotMeasured, ...] = ()
        if all(has) and end is None and not absent_lag:
            missing = (untold,)
        gap = valid - train
        gaps.append(
            EpochGap(
                epoch=round(float(pair.epoch[i])),
                score=score,
                train_reported=train if has[0] else None,
                valid_reported=valid if has[1] else None,
                gap=Estimate(value=gap, low=gap, high=gap) if all(has) else None,
                terms=terms,
                unattributed=gap - math.fsum(t.value for t in terms) if all(has) else 0.0,
                rungs=() if end is None else _rungs(train, end, valid),
                not_measured=missing,
                notes=notes,
            )
        )
    return gaps


def _end(recovered: Recovered, i: int) -> Estimate | None:
    """Return the training score at the end of an epoch, None where its lag isn't told."""
    value, low, high = (float(x[i]) for x in (recovered.value, recovered.low, recovered.high))
    if recovered.state[i] != "told" or not all(map(math.isfinite, (value, low, high))):
        return None
    return Estimate(value=value, low=low, high=high, level=LEVEL, n=1, how="inferred")


def _moved(e: Estimate, by: float) -> Estimate:
    return structs.replace(e, value=e.value + by, low=e.low + by, high=e.high + by)


def _rungs(train: float, end: Estimate, valid: float) -> tuple[Rung, ...]:
    first, last = (Estimate(value=x, low=x, high=x) for x in (train, valid))
    return (
        Rung(name="reported", estimate=first),
        Rung(name="end_weights", estimate=end),
        Rung(name="valid_reported", estimate=last),
    )


def _why_untold(run: LoggedRun, pair: Pair) -> str:
    if run.framework == "fastai" and pair.rule.averaging is None:
        return "its average reaches over about 50 batches, and the log doesn't say how many an epoch has"
    if pair.epoch.size > LONG:
        return f"of more than {LONG:,} epochs it isn't looked for: it is a small part of so long a run"
    if not _is_consecutive(pair):
        return "epochs are missing"
    if pair.epoch.size < 3:
        return f"it takes three epochs, and there {'is one' if pair.epoch.size == 1 else 'are two'}"
    return LAG_UNTOLD
