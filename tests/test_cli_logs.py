"""`whygap explain` on logs: what a person sees, the exit codes, and one line for whatever is wrong."""

import json

import pytest
from tests.test_cli import one_line, whygap

TRAIN, VALID = (0.6421, 0.3947, 0.3590, 0.3411, 0.3297, 0.3186), (0.4433, 0.3964, 0.3859, 0.3652, 0.3511, 0.3641)
KERAS = "".join(
    f"Epoch {e}/6\n469/469 [==============================] - 2s 5ms/step - loss: {t} - val_loss: {v}\n"
    for e, (t, v) in enumerate(zip(TRAIN, VALID, strict=True), start=1)
)
XGBOOST = "".join(f"[{i}]\tvalidation_0-rmse:{1 / (i + 1):.4f}\tvalidation_1-rmse:{1.2 / (i + 1):.4f}\n" for i in range(8))


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "keras.log"
    path.write_text(KERAS)
    return path


def test_a_console_log_is_explained(log, tmp_path):
    done = whygap("explain", log, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    text = " ".join(done.stdout.split())
    for words in (
        "better than training in epoch 1",
        "epoch averaging",
        "can't be told",
        "Keras reports the mean",
        "GapCallback()",
    ):
        assert words in text, words
    assert not list(tmp_path.glob("*.db"))  # nothing is stored


def test_it_may_be_piped(log, tmp_path):
    piped = whygap("explain", "-", "--json", cwd=tmp_path, input=KERAS)
    told = json.loads(piped.stdout)
    assert told["source"] == "-"
    assert [e["gap"] for e in told["epochs"]] == pytest.approx([-0.1988, 0.0017, 0.0269, 0.0241, 0.0214, 0.0455])
    assert told["epochs"][0]["terms"][0]["how"] == "inferred"
    verdict = told["verdict"]
    assert verdict["ranges"][0]["leading"] == "averaging"
    assert verdict["to_know"].splitlines()[1] == "model.fit(..., callbacks=[GapCallback()])"
    assert verdict["overfitting"]["state"] == "cannot_tell"


def test_a_page_is_written(log, tmp_path):
    done = whygap("explain", log, "-o", "page.html", cwd=tmp_path)
    assert "The page is page.html" in done.stdout
    page = (tmp_path / "page.html").read_text()
    assert "In ranges of epochs" in page
    assert "GapCallback()" in page
    assert page.count("<svg") >= 3
    assert "<script" not in page


def test_the_training_set_of_boosting_is_asked_for_and_can_be_said(tmp_path):
    (tmp_path / "xgb.log").write_text(XGBOOST)
    asked = one_line(whygap("explain", "xgb.log", cwd=tmp_path))
    assert "which of validation_0-rmse, validation_1-rmse is the training one?" in asked
    done = whygap("explain", "xgb.log", "--train", "validation_0", "--valid", "validation_1", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["epochs"][0]["gap"] == pytest.approx(0.2)


def test_columns_of_a_table_can_be_named(tmp_path):
    (tmp_path / "t.csv").write_text("round,a,b\n1,3.0,2.5\n2,2.0,1.9\n3,1.5,1.6\n")
    done = whygap("explain", "t.csv", "--train", "a", "--valid", "b", "--epoch", "round", "--json", cwd=tmp_path)
    assert [e["train_reported"] for e in json.loads(done.stdout)["epochs"]] == [3.0, 2.0, 1.5]
    assert "--epoch names a column" in one_line(whygap("explain", "t.csv", "--epoch", "round", cwd=tmp_path))
    assert "no column 'c'" in one_line(
        whygap("explain", "t.csv", "--train", "c", "--valid", "b", "--epoch", "round", cwd=tmp_path)
    )


def test_one_of_several_runs_can_be_named(tmp_path):
    (tmp_path / "two.log").write_text(KERAS + KERAS.replace("0.6421", "0.7421"))
    last = json.loads(whygap("explain", "two.log", "--json", cwd=tmp_path).stdout)
    assert last["epochs"][0]["train_reported"] == 0.7421
    assert any("2 runs" in r for r in last["verdict"]["remarks"])
    first = json.loads(whygap("explain", "two.log", "--which", "1", "--json", cwd=tmp_path).stdout)
    assert first["epochs"][0]["train_reported"] == 0.6421


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("missing.log",), "missing.log: no such file or folder"),
        (("folder",), "no log of a known kind"),
        (("words.txt",), "line 1 is not understood: hello"),
        (("empty.txt",), "empty.txt: it is empty"),
        (("keras.log", "--score", "auc"), "no auc of both training and validation; there is loss"),
        (("keras.log", "--framework", "darknet"), "--framework must be one of"),
        (("keras.log", "--which", "7"), "there is no run 7"),
        (("keras.log", "-o", "."), "is a folder"),
        (("20260101", "--train", "a"), "is no file"),
        (("keras.log", "--nonsense"), "--nonsense"),
    ],
)
def test_what_is_wrong_is_one_line(arguments, words, log, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "words.txt").write_text("hello\nworld\n")
    (tmp_path / "empty.txt").write_text("")
    assert words in one_line(whygap("explain", *arguments, cwd=tmp_path))
