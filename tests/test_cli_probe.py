"""`whygap probe`: what a person sees, the exit codes, and one line for whatever is wrong."""

import json
import signal
import subprocess
import time

import pytest
from tests.test_cli import WHYGAP, one_line, whygap

MODULE = """
import numpy as np
import torch
from torch import nn
from whygap.probe import Case

torch.set_num_threads(1)

def data(n, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 5)).astype("float32")
    return x, (x[:, 0] + rng.standard_normal(n) > 0).astype("int64")

GOOD = dict(model=lambda: nn.Sequential(nn.Linear(5, 100), nn.ReLU(), nn.Linear(100, 2)), train=data(40, 0), valid=data(500, 1),
            loss=nn.CrossEntropyLoss(), optimiser=lambda p: torch.optim.Adam(p, 2e-2), epochs=30, batch_size=20)

def good(width=50):
    return Case(**GOOD)

def changed(**options):
    return lambda: GOOD | options

def broken():
    raise ValueError("no data")

def number():
    return 5

def incomplete():
    return {"model": GOOD["model"], "train": GOOD["train"]}

unknown = changed(modell=1)
no_epochs = changed(epochs=0)
no_loss = changed(loss=None)
no_model = changed(model=lambda: 5)
failing_model = changed(model=lambda: 1 / 0)
not_callable = changed(model=nn.Linear)
wrong_shape = changed(model=lambda: nn.Linear(4, 2))
wrong_optimiser = changed(optimiser=lambda p: None)
uneven = changed(train=(GOOD["train"][0], GOOD["train"][1][:10]))
no_batches = changed(train=[])
bad_loss = changed(loss=lambda output, y: output.missing)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probe")
    (folder / "mine.py").write_text(MODULE)
    return folder


def test_the_answer_the_page_and_the_store(folder):
    done = whygap("probe", "mine:good", "--seconds", 20, "-o", "page.html", "--store", "kept.db", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    text = " ".join(done.stdout.split())
    needless = "a wider model: it overfits as it is"
    for words in ("It does overfit: by +", "Because", "random labels", "seed 1", needless, "The page is page.html"):
        assert words in text
    assert "The trainings are experiment probe-" in text
    assert (folder / "page.html").read_text().count("<svg") == 3
    assert (folder / "kept.db").exists()
    assert sorted(p.name for p in folder.iterdir() if p.name != "__pycache__") == ["kept.db", "mine.py", "page.html"]


def test_json(folder):
    done = whygap("probe", "mine:good", "--seconds", 20, "--epochs", 20, "--json", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["schema"], told["probe"]) == (1, "mine:good")
    answer = told["answer"]
    assert answer["overfitting"]["state"] == "yes"
    assert answer["epochs"] == 20
    assert answer["reasons"][0]["state"] == "yes"
    assert answer["gap"]["low"] < answer["gap"]["value"] < answer["gap"]["high"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("broken", "mine:broken failed: ValueError: no data"),
        ("number", "must be a whygap.probe.Case or a dict"),
        ("incomplete", "returns a dict without 'valid'"),
        ("unknown", "returns a dict with 'modell'"),
        ("no_epochs", "epochs must be a positive whole number, not 0"),
        ("no_loss", "needs loss="),
        ("no_model", "model() returns a int, not a torch.nn.Module"),
        ("failing_model", "model() failed: ZeroDivisionError"),
        ("not_callable", "model() failed: TypeError"),
        ("wrong_shape", "scoring examples failed: RuntimeError"),
        ("wrong_optimiser", "optimiser(parameters) returns a NoneType"),
        ("uneven", "the parts of train must have the same number of examples"),
        ("no_batches", "train brings no batch"),
        ("bad_loss", "scoring examples failed: AttributeError"),
    ],
)
def test_a_bad_factory_is_one_line(folder, monkeypatch, name, words):
    import sys

    from whygap.errors import InputError
    from whygap.probe import probe

    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    import mine

    with pytest.raises(InputError) as error:
        probe(getattr(mine, name), name=f"mine:{name}", framework="torch", seconds=5)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mine:broken"], "mine:broken failed: ValueError: no data"),
        (["mine:none"], "mine has no none"),
        (["mine:GOOD"], "not a function"),
        (["mine:good", "--framework", "tensorflow"], "tensorflow"),
        (["mine:good", "--seconds", "0"], "some seconds"),
        (["mine:good", "-o", "nowhere/page.html"], "doesn't exist"),
    ],
)
def test_what_is_wrong_is_one_line(folder, arguments, words):
    assert words in one_line(whygap("probe", *arguments, cwd=folder))


SLOW = """
import pathlib, time
from mine import GOOD, nn

steps = []

class Slow(nn.Linear):
    def forward(self, x):
        if self.training:
            time.sleep(0.01)
            steps.append(0)
            if len(steps) == 20:
                pathlib.Path("begun").touch()
        return super().forward(x)

def slow():
    return GOOD | {"model": lambda: Slow(5, 2), "epochs": 3}
"""


def test_ctrl_c_prints_what_was_found(tmp_path):
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "sluggish.py").write_text(SLOW)
    command = [str(WHYGAP), "probe", "sluggish:slow", "--json"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        for _ in range(600):
            if (tmp_path / "begun").exists():
                break
            time.sleep(0.1)
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    answer = json.loads(out)["answer"]
    assert answer["is_interrupted"]
    assert answer["trials"][0]["settings"]["epochs"] >= 3
