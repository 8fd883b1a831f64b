"""What Keras itself prints is read to what it returns; what its bars tell besides."""

import numpy as np
import pytest
from tests.logs.console_samples import BAR

from whygap.logs.consoles import read_console
from whygap.logs.source import Source


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "console.txt"
        path.write_text(text, encoding="utf-8", newline="")
        (run,) = read_console(Source(path))
        return run

    return read


@pytest.mark.parametrize("verbose", [1, 2])
@pytest.mark.parametrize("has_valid", [True, False])
def test_keras_prints_what_it_returns(verbose, has_valid, read, capsys):
    keras = pytest.importorskip("keras")
    rng = np.random.default_rng(0)
    x = rng.random((96, 4), dtype=np.float32)
    model = keras.Sequential([keras.layers.Dense(1, activation="sigmoid")])
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    data = {"validation_split": 0.25} if has_valid else {}
    history = model.fit(x, x.sum(1) > 2, epochs=3, batch_size=8, verbose=verbose, **data).history
    loss, accuracy = model.evaluate(x, x.sum(1) > 2, verbose=verbose)
    run = read(capsys.readouterr().out)
    found = {s.column: s.value.tolist() for s in run.series if "evaluation" not in s.column}
    assert found == {name: pytest.approx(values, abs=1e-4) for name, values in history.items()}
    apart = {s.column: s.value.tolist() for s in run.series if "evaluation" in s.column}
    assert apart == {
        "accuracy (evaluation)": [pytest.approx(accuracy, abs=1e-4)],
        "loss (evaluation)": [pytest.approx(loss, abs=1e-4)],
    }
    assert all(s.epoch.tolist() == [1, 2, 3] and s.grain == "epoch" for s in run.series if "evaluation" not in s.column)
    assert run.facts["epochs_planned"] == 3


@pytest.mark.parametrize(
    ("before", "bar", "facts"),
    [
        ("", f"469/469 {BAR} - 2s 4ms/step", {"steps_per_epoch": 469, "epochs_planned": 9}),
        ("", f"60000/60000 {BAR} - 2s 40us/sample", {"n_train": 60000, "epochs_planned": 9}),
        ("", f"60000/60000 {BAR} - 2s", {"epochs_planned": 9}),
        ("Train on 600 samples, validate on 100 samples\n", f"600/600 {BAR} - 2s 4ms/step", {"n_train": 600, "n_valid": 100}),
        (
            "Train for 30 steps, validate for 5 steps\n",
            f"30/30 {BAR} - 2s 70ms/step",
            {"steps_per_epoch": 30, "epochs_planned": 9},
        ),
    ],
)
def test_facts_are_what_the_text_states(before, bar, facts, read):
    run = read(f"{before}Epoch 1/9\n{bar} - loss: 0.5000 - val_loss: 0.4000\n")
    assert run.facts == {"epochs_planned": 9, **facts}


def test_the_learning_rate_is_no_score(read):
    run = read(f"Epoch 1/9\n9/9 {BAR} - 1s 2ms/step - loss: 0.5000 - lr: 0.0010 - val_loss: 0.4000 - learning_rate: 0.0010\n")
    assert {s.column: s.split for s in run.series} == {
        "loss": "train",
        "lr": "none",
        "val_loss": "valid",
        "learning_rate": "none",
    }
    assert {s.resolution for s in run.series} == {0.0001}


@pytest.mark.parametrize("result", ["0.7577340602874756", "[0.7577340602874756, 0.5]", "[0.7577340602874756,0.5]"])
def test_results_of_evaluate_stand_apart(result, read):
    text = f"Epoch 1/1\n9/9 {BAR} - 1s 2ms/step - loss: 0.5000 - acc: 0.4000\n9/9 {BAR} - 0s 1ms/step\n{result}\n"
    run = read(text)
    apart = [(s.score, s.split, s.value[0], s.resolution) for s in run.series if "evaluation" in s.column]
    assert apart[0] == ("loss", "unknown", 0.7577340602874756, 0.0)
    assert apart[1:] in ([], [("accuracy", "unknown", 0.5, 0.1)])
    assert run.of("loss", "train").value.tolist() == [0.5]
