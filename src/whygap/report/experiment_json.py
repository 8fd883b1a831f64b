"""An experiment and its answers as JSON for machines."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from whygap.answers import findings_of
from whygap.report.as_json import SCHEMA
from whygap.trials import Answer, Experiment


def experiment_as_json(experiment: Experiment, answers: Sequence[Answer]) -> bytes:
    """Print an experiment, its answers and all numbers behind them as one line of JSON.

    Parameters
    ----------
    experiment
        Its runs are counted, not printed: the store has their curves.
    answers
        What `whygap.answers.answer` says of it.

    Returns
    -------
    bytes
        UTF-8, ending in a newline. What isn't finite is null.
    """
    found = findings_of(experiment, answers)
    shape = {
        "schema": SCHEMA,
        "experiment": experiment.id,
        "title": experiment.title,
        "claim": experiment.claim or None,
        "started": experiment.started,
        "runs": len(experiment.trials),
        "wanted": experiment.wanted,
        "finished": experiment.is_finished,
        "answers": answers,
        "edge": found.edge,
        "worlds": found.worlds,
        "epochs": found.epochs,
        "capacity": found.capacity,
        "redraws": found.redraws,
        "mark": experiment.mark,
        "spec": experiment.spec,
        "versions": experiment.versions,
    }
    return msgspec.json.encode(shape) + b"\n"
