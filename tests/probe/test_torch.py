"""PyTorch: planted cases, each of which has one reason, and the probe finds it."""

import random

import numpy as np
import pytest
import torch
from tests.probe.cases import draw, line, new_batches, torch_case
from torch import nn

from whygap.errors import InputError
from whygap.probe import probe


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the networks are too small to share out
    yield
    torch.set_num_threads(threads)


def states(answer):
    return {r.name: r.state for r in reversed(answer.reasons)}  # of two with one name, the first


def first(answer):
    """The reason that the answer gives first, if any."""
    return answer.reasons[0].name if answer.reasons[0].state == "yes" else None


def test_a_large_network_on_few_examples_overfits():
    answer = probe(lambda: torch_case(n=100, epochs=40), seconds=60)
    assert answer.overfitting.state == "yes"
    assert 1 <= answer.overfitting.since_epoch < 15
    assert answer.gap.low > 0.3
    assert states(answer)["capacity"] == "yes"
    assert answer.memorised.low > 0.9
    assert states(answer)["turned"] == "yes"
    assert answer.headline.startswith("It does overfit: by +")
    assert [t.settings["training"] for t in answer.trials[-2:]] == ["seed 1", "seed 2"]
    assert answer.spent_s < 60


def test_what_never_comes_again_is_not_overfitted():
    answer = probe(lambda: torch_case(200, train=new_batches()), seconds=60)
    assert (answer.overfitting.state, first(answer)) == ("no", "never repeated")
    assert answer.headline == "It does not overfit because no example is presented twice."
    assert answer.repetition.regime == "fresh"
    assert answer.reason("never repeated").effect.low > 0.1
    assert answer.n == 400


def test_a_linear_model_has_too_few_parameters():
    answer = probe(lambda: torch_case(linear=True, n=3000, batch_size=100), seconds=60)
    assert (answer.overfitting.state, first(answer)) == ("no", "capacity")
    assert answer.headline == "It does not overfit because it has too few parameters (42) to learn 3,000 examples by heart."
    assert answer.memorised.high < 0.3
    assert {states(answer)["epochs"], states(answer)["never repeated"]} == {"no"}


def test_one_epoch_is_too_few():
    answer = probe(lambda: torch_case(200, n=500, lr=1e-3, epochs=1), seconds=60)
    assert (answer.overfitting.state, first(answer)) == ("no", "epochs")
    assert answer.headline == "It does not overfit because 1 epoch is too few for it."
    assert answer.trials[0].epoch[-1] > answer.epochs == 1, "it was taken further"
    assert answer.overfitting.looks[-1].epoch == 1, "and is judged where it ends as given"
    assert states(answer)["capacity"] == "no"


@pytest.mark.parametrize(
    ("name", "options"), [("dropout", {"dropout": 0.95}), ("weight decay", {"weight_decay": 20.0, "width": 200})]
)
def test_what_regularises_is_found(name, options):
    answer = probe(lambda: torch_case(n=400, batch_size=40, **options), seconds=60)
    assert (answer.overfitting.state, first(answer)) == ("no", name)
    assert answer.headline.startswith(f"It does not overfit because {name} keeps it from it")
    assert answer.reason(name).effect.low > 0.1
    assert states(answer)["capacity"] == "no", "without regularisation it can learn all of them"
    assert len({"dropout", "weight decay"} & set(states(answer))) == 1, "what it lacks is not looked into"


def test_a_narrow_network_overfits_when_made_wider():
    def factory(width=1):
        return torch_case(width, n=600, batch_size=50, lr=1e-2, epochs=30)

    answer = probe(factory, seconds=60)
    assert answer.reason("width") is not None
    wider = next(t for t in answer.trials if t.settings.get("model.width") == 4)
    assert wider.n_parameters > 3 * answer.n_parameters


def test_a_harder_validation_set_is_no_overfitting():
    answer = probe(lambda: torch_case(linear=True, n=2000, batch_size=100, noise_valid=8.0), seconds=60)
    assert answer.gap.low > 0.1
    assert answer.overfitting.state == "cannot_tell"
    assert "they are harder" in answer.headline


def test_fresh_examples_of_a_process_with_regression():
    def factory():
        index = np.arange(60)
        return {
            "model": lambda: nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1)),
            "train": line.draw(index, seed=0),
            "valid": line.draw(np.arange(1000), seed=0, split="valid"),
            "loss": nn.MSELoss(),
            "optimiser": lambda p: torch.optim.Adam(p, lr=1e-2),
            "epochs": 60,
            "batch_size": 20,
            "fresh": line,
        }

    answer = probe(factory, seconds=60)
    assert answer.overfitting.state == "yes"
    fresh = answer.reason("fresh")
    assert fresh.state == "yes"
    assert fresh.effect.high < 0.0
    assert answer.trials[0].curve("error") is None


def test_datasets_loaders_and_endless_streams_do():
    x, y = (torch.tensor(part) for part in draw(100, 1))
    pairs = list(zip(x, y, strict=True))
    ways = {
        "tensors": torch.utils.data.TensorDataset(x, y),
        "dataset": Items(pairs),
        "loader": torch.utils.data.DataLoader(Items(pairs), batch_size=20, shuffle=True),
        "batches": [(x[i : i + 20], y[i : i + 20]) for i in range(0, 100, 20)],
    }
    for name, train in ways.items():
        answer = probe(lambda train=train: torch_case(train=train, epochs=4), seconds=1.0)
        assert (answer.n, answer.repetition.regime) == (100, "once"), name

    def endless():
        while True:
            yield draw(20, 5)

    answer = probe(lambda: torch_case(train=endless(), steps=5, epochs=4), seconds=1.0)
    assert (answer.n, answer.repetition.across_epochs > 0) == (100, True)
    with pytest.raises(InputError, match="say with steps="):
        probe(lambda: torch_case(train=endless()), seconds=0.3)


class Items(torch.utils.data.Dataset):
    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, place):
        return self.items[place]


def test_a_loss_that_gives_a_mean_is_taken_apart():
    def mean_loss(output, target):
        return nn.functional.cross_entropy(output, target)

    losses = (mean_loss, nn.CrossEntropyLoss())
    mine, theirs = (probe(lambda loss=loss: torch_case(loss=loss, epochs=2), seconds=2.0) for loss in losses)
    assert mine.gap.value == pytest.approx(theirs.gap.value, rel=1e-5)
    assert mine.gap.se == pytest.approx(theirs.gap.se, rel=1e-5)


def test_the_random_states_are_left_alone_and_the_answer_is_the_same_again():
    def state():
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002 - the global one

    before, answers = state(), []
    for _ in range(2):
        answers.append(probe(lambda: torch_case(dropout=0.5, epochs=3), seconds=30))
        assert state() == before
        torch.manual_seed(len(answers))
        before = state()
    assert answers[0].headline == answers[1].headline
    assert answers[0].gaps == answers[1].gaps
    assert probe(lambda: torch_case(dropout=0.5, epochs=3), seconds=30, seed=7).gap != answers[0].gap
