"""Experiments on disk: what was stored comes back equal, under any name that tells it from the others."""

import math
import sqlite3
from contextlib import closing

import msgspec
import pytest

from whygap.errors import InputError, StoreError
from whygap.records import Score
from whygap.store import Store
from whygap.trials import Curve, Experiment, Trial

LOSS = Curve(score=Score(name="loss"), reported=(0.1, 0.2), train=(1e-45, 3e38), valid=(0.1, 1 / 3), valid_se=(0.0, 0.1))
TRIAL = Trial(
    key="k1",
    settings={"n": 100, "learning_rate": 1.0, "model": "mlp", "shuffle": True},
    seeds={"train": 0, "valid": 1, "init": 2},
    n_parameters=7,
    epoch=(1, 2),
    curves=(LOSS,),
    seconds=0.5,
)
FIRST = Experiment(
    id="edge-1", title="Where?", spec="n = 100", wanted=2, asks=("edge",), mark={"n": 3000, "share": 1.0}, claim="C5",
    started="2026-11-23T12:00:00+00:00", versions={"jax": "0.10"},
)  # fmt: skip


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "whygap.db") as opened:
        yield opened


def test_an_experiment_comes_back_equal(store):
    store.begin_experiment(FIRST)
    store.add_trial("edge-1", TRIAL)
    back = store.experiment("edge-1")
    assert back == msgspec.structs.replace(FIRST, trials=(TRIAL,))
    assert {name: type(v) for name, v in back.trials[0].settings.items()} == {
        "n": int, "learning_rate": float, "model": str, "shuffle": bool,
    }  # fmt: skip
    assert type(back.mark["share"]) is float
    assert not back.is_finished


def test_begin_leaves_trials_to_their_own_call_and_keeps_what_is_there(store):
    store.begin_experiment(msgspec.structs.replace(FIRST, trials=(TRIAL,)))
    assert store.experiment().trials == ()
    store.add_trial("edge-1", TRIAL)
    store.begin_experiment(msgspec.structs.replace(FIRST, started="later"))
    assert store.experiment().trials == (TRIAL,)
    assert store.experiment().started == FIRST.started


def test_nan_and_infinity_are_kept(store):
    store.begin_experiment(FIRST)
    odd = msgspec.structs.replace(LOSS, valid=(math.nan, math.inf), fresh=(-math.inf, 0.0))
    store.add_trial("edge-1", msgspec.structs.replace(TRIAL, curves=(odd,)))
    (trial,) = store.experiment().trials
    assert math.isnan(trial.curves[0].valid[0])
    assert (trial.curves[0].valid[1], trial.curves[0].fresh) == (math.inf, (-math.inf, 0.0))


def test_trials_come_in_the_order_of_their_keys_whichever_was_finished_first(store):
    store.begin_experiment(FIRST)
    for key in ("k3", "k1", "k2"):
        store.add_trial("edge-1", msgspec.structs.replace(TRIAL, key=key))
    assert [t.key for t in store.experiment().trials] == ["k1", "k2", "k3"]


def test_a_trial_may_be_part_of_two_experiments_and_stands_once(store):
    store.begin_experiment(FIRST)
    store.add_trial("edge-1", TRIAL)
    store.begin_experiment(msgspec.structs.replace(FIRST, id="worlds-1"))
    assert store.take_up("worlds-1", ["k1", "k2"]) == {"k1"}
    assert store.experiment("worlds").trials == store.experiment("edge").trials == (TRIAL,)
    assert [(e.id, e.finished) for e in store.experiments()] == [("worlds-1", 1), ("edge-1", 1)]
    assert store.experiment("last").id == "worlds-1"
    store.begin_experiment(FIRST)
    assert store.experiment("last").id == "edge-1"
    with closing(sqlite3.connect(store.path)) as db:
        assert db.execute("SELECT count(*), json_extract(settings, '$.n') FROM trial").fetchall() == [(1, 100)]


@pytest.mark.parametrize(
    ("do", "error", "words"),
    [
        (lambda s: s.add_trial("absent", TRIAL), StoreError, "no experiment 'absent'"),
        (lambda s: s.take_up("absent", ["k1"]), StoreError, "no experiment 'absent'"),
        (lambda s: s.begin_experiment(msgspec.structs.replace(FIRST, id="last")), InputError, "last"),
        (lambda s: s.begin_experiment(msgspec.structs.replace(FIRST, id="")), InputError, "id"),
        (lambda s: s.begin_experiment(msgspec.structs.replace(FIRST, mark={"n": math.nan})), InputError, "can't be stored"),
        (lambda s: s.experiment("last"), InputError, "no experiment 'last'"),
    ],
)
def test_what_cannot_be_is_one_line(store, do, error, words):
    with pytest.raises(error) as told:
        do(store)
    assert words in str(told.value)
    assert len(str(told.value).splitlines()) == 1


def test_a_name_that_two_experiments_begin_with_or_none_is_told_of(store):
    for name in ("edge-1", "edge-2"):
        store.begin_experiment(msgspec.structs.replace(FIRST, id=name))
    with pytest.raises(InputError, match="could be edge-2, edge-1"):
        store.experiment("edge")
    with pytest.raises(InputError, match="no experiment 'egde-1'; there is edge-1"):
        store.experiment("egde-1")


def test_a_damaged_record_is_told_of(store):
    store.begin_experiment(FIRST)
    store.add_trial("edge-1", TRIAL)
    with closing(sqlite3.connect(store.path)) as db:
        db.execute("UPDATE trial SET record = x'00'")
        db.commit()
    with pytest.raises(StoreError, match="experiment 'edge-1' is damaged"):
        store.experiment()
