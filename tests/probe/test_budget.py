"""The time that the probe may take, what it leaves out, and what stays when somebody stops it."""

import time

import msgspec
import pytest
import torch
from tests.probe.cases import torch_case

from whygap.errors import InputError
from whygap.probe import ProbeAnswer, probe
from whygap.probe.page import write_answer
from whygap.probe.storing import store_answer
from whygap.store import Store


class Slow(torch.nn.Linear):
    """Takes its time over every batch that it is trained on."""

    def forward(self, x):
        if self.training:
            time.sleep(0.01)
        return super().forward(x)


@pytest.fixture(autouse=True, scope="module")
def _begun():
    layer = torch.nn.Linear(1, 1)
    torch.optim.AdamW(layer.parameters())  # the first one of a process imports for seconds


def slow_case(**options):
    return torch_case(n=200, epochs=4, **options) | {"model": lambda: Slow(20, 2)}


def test_what_does_not_fit_in_is_left_out_and_named():
    began = time.monotonic()
    answer = probe(slow_case, seconds=2.5)
    assert time.monotonic() - began < 4.0
    assert answer.trials[0].epoch[-1] >= answer.epochs == 4
    named = {one.what: one.why for one in answer.left_out}
    assert "seed 2" in named
    assert "s are left" in named["seed 2"]
    assert "def factory(width=64)" in named["a wider model"]


def test_a_training_that_is_cut_short_counts_as_far_as_it_got():
    answer = probe(slow_case, epochs=1000, seconds=1.5)
    assert 1 <= answer.epochs < 100
    assert answer.left_out[0].why.startswith(f"cut short after {answer.epochs} of 1000 epochs")
    assert len(answer.trials) > 1, "there was time for others"
    assert answer.overfitting.looks[-1].epoch == answer.epochs


def test_not_one_epoch_is_an_error():
    with pytest.raises(InputError, match=r"not one epoch was trained in 0\.05 s"):
        probe(slow_case, seconds=0.05)


def test_ctrl_c_keeps_what_was_found(tmp_path):
    def stop(what, spent):
        assert 0.0 <= spent <= 1.0
        if what.startswith("random labels, epoch 3"):
            raise KeyboardInterrupt

    answer = probe(lambda: torch_case(epochs=15), seconds=60, watch=stop)
    assert answer.is_interrupted
    assert [t.settings["training"] for t in answer.trials] == ["as given", "random labels"]
    assert answer.trials[1].epoch == (1, 2)
    assert msgspec.json.decode(msgspec.json.encode(answer), type=ProbeAnswer) == answer
    page = write_answer(answer, tmp_path / "page.html").read_text()
    assert page.count("<svg") == 3
    assert "stopped" in page
    assert "<script" not in page


def test_ctrl_c_before_the_first_look_is_a_stop():
    def stop(what, spent):
        if what.startswith("as given, epoch 1"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        probe(torch_case, seconds=60, watch=stop)


def test_the_trainings_are_an_experiment_of_the_store(tmp_path):
    answer = probe(lambda: torch_case(epochs=2), name="here:case", seconds=1.0)
    name = store_answer(answer, tmp_path / "runs.db")
    again = store_answer(answer, tmp_path / "runs.db")
    with Store(tmp_path / "runs.db", readonly=True) as store:
        kept = store.experiment(name)
        assert {s.id for s in store.experiments()} == {name, again}
    assert kept.is_finished
    assert kept.spec == "here:case"
    as_answered = {t.key: t.curves for t in answer.trials}
    assert {t.key.removeprefix(f"{name}, "): t.curves for t in kept.trials} == as_answered
    assert len(as_answered) == len(answer.trials)


def test_a_loss_that_is_no_number():
    def diverging(**options):
        return torch_case(lr=1.0, **options) | {"loss": lambda output, y: output.exp().exp().sum(dim=1) * float("inf")}

    with pytest.raises(InputError, match="not finite after its first epoch"):
        probe(diverging, seconds=5)
