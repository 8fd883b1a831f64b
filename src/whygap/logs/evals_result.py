"""What XGBoost, LightGBM and CatBoost hand back of evaluation: for each set, for each metric, a list over the iterations.

Which set is the training one is what its name says: "train", "training" or "learn". "validation_0" says no more than that it
was the first of `eval_set`, and in XGBoost that is often the training set: such sets stay "unknown" until they are named.
"""

from __future__ import annotations

from typing import Any

from whygap.logs.columns import name_of, split_of
from whygap.logs.json_text import numbers_in
from whygap.logs.records import LoggedRun, Split
from whygap.logs.table import Gatherer, read_runs

FORMAT = "evals_result"
BETWEEN = "-"
NOT_OF_BOOSTING = ("loss", "accuracy")
METRICS_OF = {
    "xgboost": {"logloss", "mlogloss", "error", "merror", "aucpr", "rmsle", "mphe", "gamma-nloglik", "poisson-nloglik"},
    "lightgbm": {"l1", "l2", "binary_logloss", "multi_logloss", "binary_error", "multi_error", "auc_mu", "fair", "huber"},
}


def runs_in(document: Any, source_name: str) -> tuple[LoggedRun, ...]:
    """Return the run of a JSON document that is such a result, none if it isn't.

    Raises
    ------
    InputError
        If it is larger than a log.
    """
    sets = document if isinstance(document, dict) else {}
    if not sets or not all(isinstance(metrics, dict) and metrics for metrics in sets.values()):
        return ()
    gatherer = Gatherer(source_name)
    rows = 0
    for name, metrics in sets.items():
        for metric, values in metrics.items():
            numbers = numbers_in(values)
            if numbers is None or not isinstance(values, list) or name_of(metric)[0] in NOT_OF_BOOSTING:
                return ()
            gatherer.add(f"{name}{BETWEEN}{metric}", *numbers)
            rows = max(rows, len(values))
    gatherer.add("iteration", range(rows), [float(k) for k in range(rows)])
    one_is_train = any(split_of(name) == "train" for name in sets)

    said = {
        f"{name}{BETWEEN}{metric}": (name_of(metric)[0], _split(name, one_is_train))
        for name, metrics in sets.items()
        for metric in metrics
    }
    framework = _framework(set(sets), {metric for metrics in sets.values() for metric in metrics})
    return read_runs(gatherer.table(rows), format=FORMAT, framework=framework, names=lambda _: said, counts_from=0)


def _split(name: str, one_is_train: bool) -> Split:
    """Return the split that a set's name says; with a number besides, only where another set is the training one."""
    numbered = name.rstrip("0123456789").rstrip("_- ")
    split = split_of(numbered)
    return split if numbered == name or (one_is_train and split != "train") else "unknown"


def _framework(sets: set[str], metrics: set[str]) -> str:
    """Return whose result it is, as far as the names of sets and metrics are of one tool only."""
    if "learn" in sets:
        return "catboost"
    if "training" in sets or any(name.startswith("valid_") for name in sets):
        return "lightgbm"
    if any(name.startswith("validation_") for name in sets):
        return "xgboost"
    of = [tool for tool, own in METRICS_OF.items() if any(metric.partition("@")[0] in own for metric in metrics)]
    return of[0] if len(of) == 1 else ""
