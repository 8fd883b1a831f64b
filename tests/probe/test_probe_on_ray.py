"""A worker of Ray for each group of questions finds together what one process finds after another."""

from types import SimpleNamespace

import pytest
from tests.probe.cases import torch_case

from whygap.probe import probe
from whygap.probe.answer import LeftOut
from whygap.probe.investigate import Found, merge


@pytest.mark.usefixtures("ray_apart")
def test_workers_of_ray_find_what_one_process_finds():
    told = []
    name = "tests.probe.cases:torch_case"
    answer = probe(torch_case, name=name, seconds=30.0, on="ray", watch=lambda what, spent: told.append((what, spent)))
    here = probe(torch_case, name=name, seconds=60.0)
    assert answer.overfitting.state == here.overfitting.state == "yes"
    assert [r.name for r in answer.reasons] == [r.name for r in here.reasons]
    assert {t.key for t in answer.trials} == {t.key for t in here.trials}
    assert told[-1] == ("on Ray, 4 of 4 workers are done", 1.0)
    assert answer.memorised is not None


def found(epochs, *names, left_out=()):
    results = [SimpleNamespace(setting=SimpleNamespace(name=name)) for name in ("as given", *names)]
    return Found(results, [LeftOut(what=w, why="no time") for w in left_out], epochs, None, 1.0 * epochs, "torch")


def test_what_belongs_to_another_training_as_given_is_left_out():
    merged = merge([found(10, "taken further"), found(10, "1/4", left_out=["1/16"]), found(7, "seed 1")])
    assert [r.setting.name for r in merged.results] == ["as given", "taken further", "1/4"]
    assert [(one.what, one.why) for one in merged.left_out] == [
        ("1/16", "no time"),
        ("seed 1", "its worker trained as given for 7 epochs, not 10"),
    ]
    assert merged.epochs == 10
    assert merged.spent_s == 10.0
