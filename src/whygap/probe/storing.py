"""The trainings of a probe in the store: an experiment like those of the lab."""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime

import msgspec

from whygap.probe.answer import ProbeAnswer
from whygap.store import Store
from whygap.trials import Experiment


def store_answer(answer: ProbeAnswer, path: str | os.PathLike[str]) -> str:
    """Store the trainings of a probe and return the id of their experiment.

    Raises
    ------
    StoreError
        If the store can't be written.
    """
    name = f"probe-{secrets.token_hex(4)}"
    framework, version = answer.framework.split(" ", 1)
    experiment = Experiment(
        id=name,
        title=f"probe of {answer.case}: {answer.headline}",
        spec=answer.case,
        wanted=len(answer.trials),
        asks=("capacity",),  # the rest is answered by the probe itself, of runs that differ in one thing each
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        versions={framework: version},
    )
    with Store(path) as store:
        store.begin_experiment(experiment)
        for trial in answer.trials:
            store.add_trial(name, msgspec.structs.replace(trial, key=f"{name}, {trial.key}"))
    return name
