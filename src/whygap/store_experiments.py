"""The rows of experiments and their trials, on a connection that is in a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from whygap.records import Record
from whygap.trials import Experiment, Trial

_PUT_TRIAL = """
    INSERT INTO trial (key, settings, seeds, n_parameters, seconds, record) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET
        settings = excluded.settings, seeds = excluded.seeds, n_parameters = excluded.n_parameters, seconds = excluded.seconds,
        record = excluded.record
"""
_AS_LAST = "UPDATE experiment SET seq = (SELECT max(seq) + 1 FROM experiment) WHERE id = ?"
_OF = "SELECT record FROM trial JOIN trial_of ON trial = key WHERE experiment = ? ORDER BY key"


class ExperimentSummary(Record, frozen=True):
    """What the store holds of an experiment: `finished` of the `wanted` runs."""

    id: str
    title: str
    claim: str
    started: str
    wanted: int
    finished: int


def begin(db: sqlite3.Connection, experiment: Experiment, record: str) -> None:
    """Store an experiment, given with its JSON, or make the one with its id the last."""
    if db.execute("SELECT 1 FROM experiment WHERE id = ?", (experiment.id,)).fetchone():
        db.execute(_AS_LAST, (experiment.id,))
        return
    row = (experiment.id, experiment.title, experiment.claim, experiment.started, experiment.wanted, record)
    db.execute("INSERT INTO experiment (id, title, claim, started, wanted, record) VALUES (?, ?, ?, ?, ?, ?)", row)


def add_trial(db: sqlite3.Connection, experiment_id: str, trial: Trial) -> None:
    """Store a trial and make it part of an experiment."""
    settings, seeds = (msgspec.json.encode(one).decode() for one in (trial.settings, trial.seeds))
    db.execute(_PUT_TRIAL, (trial.key, settings, seeds, trial.n_parameters, trial.seconds, msgspec.msgpack.encode(trial)))
    db.execute("INSERT OR IGNORE INTO trial_of (experiment, trial) VALUES (?, ?)", (experiment_id, trial.key))


def link(db: sqlite3.Connection, experiment_id: str, keys: Sequence[str]) -> frozenset[str]:
    """Make the trials that are stored under some of the keys part of an experiment, and return these keys."""
    stored = {row[0] for row in db.execute("SELECT key FROM trial")}
    found = frozenset(stored.intersection(keys))
    db.executemany("INSERT OR IGNORE INTO trial_of (experiment, trial) VALUES (?, ?)", [(experiment_id, key) for key in found])
    return found


def summaries(db: sqlite3.Connection) -> tuple[ExperimentSummary, ...]:
    """Return all experiments, the last first."""
    rows = db.execute(
        "SELECT id, title, claim, started, wanted, (SELECT count(*) FROM trial_of WHERE experiment = experiment.id) "
        "FROM experiment ORDER BY seq DESC"
    ).fetchall()
    return tuple(ExperimentSummary(*row) for row in rows)


def load(db: sqlite3.Connection, experiment_id: str) -> Experiment:
    """Return an experiment with its trials in the order of their keys."""
    (record,) = db.execute("SELECT record FROM experiment WHERE id = ?", (experiment_id,)).fetchone()
    trials = tuple(msgspec.msgpack.decode(blob, type=Trial) for (blob,) in db.execute(_OF, (experiment_id,)))
    return msgspec.structs.replace(msgspec.json.decode(record, type=Experiment), trials=trials)
