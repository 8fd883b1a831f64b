"""`whygap audit`: what a person sees, the exit codes, and one line for whatever is wrong."""

import json

import pytest
from tests.test_cli import one_line, whygap

MODULE = """
import numpy as np

SET = np.random.default_rng(0).standard_normal((500, 4))

def once():
    return [SET[i:i + 50] for i in range(0, 500, 50)]

def replayed():
    rng = np.random.default_rng(0)
    return (rng.standard_normal((50, 4)) for _ in range(10))

def valid():
    return np.concatenate([SET[:15], np.random.default_rng(1).standard_normal((485, 4))])

def clean(batch):
    return batch / 2

def broken():
    raise ValueError("no data")

def empty():
    return []

number = 3
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mydata.py").write_text(MODULE)
    (tmp_path / "unsound.py").write_text("import mydata\nraise RuntimeError('at import')")
    return tmp_path


def test_a_stored_set(folder):
    done = whygap("audit", "--loader", "mydata:once", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    text = " ".join(done.stdout.split())
    assert "Every epoch shows the same set of 500 examples, once per epoch: each presented 2 times in all." in text
    assert "presentations of each 2" in text


def test_a_replay_is_told_and_fails_the_check_where_fresh_was_expected(folder):
    done = whygap("audit", "--loader", "mydata:replayed", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert " Both epochs began" in " ".join(done.stdout.split())
    done = whygap("audit", "--loader", "mydata:replayed", "--expect", "fresh", cwd=folder)
    assert (done.returncode, done.stderr) == (1, "")
    assert "Warning: Both epochs began with the same examples in the same order." in " ".join(done.stdout.split())


def test_a_belief_that_is_wrong_fails_the_check(folder):
    assert whygap("audit", "--loader", "mydata:once", "--expect", "once", cwd=folder).returncode == 0
    assert whygap("audit", "--loader", "mydata:once", "--expect", "fresh", cwd=folder).returncode == 1


def test_validation_rows_in_training_as_json(folder):
    done = whygap("audit", "--loader", "mydata:once", "--valid", "mydata:valid", "--json", "--epochs", "3", cwd=folder)
    assert (done.returncode, done.stderr) == (1, "")
    told = json.loads(done.stdout)
    assert (told["schema"], told["loader"]) == (1, "mydata:once")
    found = told["repetition"]
    assert (found["regime"], found["presentations"], found["valid"]["value"]) == ("once", 1500, 0.03)
    assert [f["name"] for f in found["findings"] if f["is_problem"]] == ["leak"]


def test_a_clean_view(folder):
    done = whygap("audit", "--loader", "mydata:once", "--clean", "mydata:clean", "--json", cwd=folder)
    assert [f["name"] for f in json.loads(done.stdout)["repetition"]["findings"] if f["is_problem"]] == ["stale_augmentation"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--loader", "mydata:broken"], "mydata:broken: ValueError: no data"),
        (["--loader", "mydata:empty"], "the training loader gave no batch"),
        (["--loader", "mydata:number"], "mydata:number is of type int, not a function"),
        (["--loader", "mydata:none"], "mydata has no none"),
        (["--loader", "nowhere:none"], "there is no module nowhere"),
        (["--loader", "unsound:none"], "importing unsound failed: RuntimeError: at import"),
        (["--loader", "mydata"], "name a function as MODULE:FUNCTION"),
        (["--loader", "mydata:once", "--epochs", "0"], "at least one epoch"),
        (["--loader", "mydata:once", "--valid", "mydata:empty"], "the validation loader gave no batch"),
        (["--loader", "mydata:once", "--expect", "new"], "fresh"),
        ([], "loader"),
    ],
)
def test_what_is_wrong_is_one_line(folder, arguments, words):
    assert words in one_line(whygap("audit", *arguments, cwd=folder))
