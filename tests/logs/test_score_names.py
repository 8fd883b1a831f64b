"""Whose score a column is, and which, by the words of its name."""

import pytest

from whygap.logs.score_names import is_no_score, score_of, split_beside, split_of, words_of


@pytest.mark.parametrize(
    ("name", "score", "split"),
    [
        ("loss", "loss", None),
        ("val_loss", "loss", "valid"),
        ("Vali Loss", "loss", "valid"),
        ("valLoss", "loss", "valid"),
        ("loss/train", "loss", "train"),
        ("train/box_loss", "box_loss", "train"),
        ("trn_loss", "loss", "train"),
        ("Training set accuracy", "accuracy", "train"),
        ("Average test loss", "loss", "test"),
        ("dev acc", "accuracy", "valid"),
        ("hold-out error", "error", "valid"),
        ("eval_loss", "loss", "valid"),
        ("val_top5_acc", "top5_accuracy", "valid"),
        ("F1", "f1", None),
        ("mean_squared_error", "mean_squared_error", None),
        ("Train", "", "train"),
        ("", "", None),
    ],
)
def test_score_and_split(name, score, split):
    assert (score_of(name), split_of(name)) == (score, split)


@pytest.mark.parametrize("name", ["lr", "Learning Rate", "time", "elapsed_time", "dur", "epoch", "step", "train/val"])
def test_what_is_no_score(name):
    assert is_no_score(name)


@pytest.mark.parametrize("name", ["loss", "Train/Val Loss", "accuracy", "train"])
def test_what_is_a_score(name):
    assert not is_no_score(name)


def test_digits_belong_to_the_word_before():
    assert words_of("F1 top5 out_1_loss mAP50") == ("f1", "top5", "out", "1", "loss", "m", "ap50")


def test_the_split_of_a_name_without_one_is_told_by_what_stands_beside():
    assert split_beside("loss", [("loss", None), ("loss", "valid")]) == "train"
    assert split_beside("loss", [("loss", "train"), ("loss", "valid")]) == "unknown"
    assert split_beside("loss", [("loss", None), ("accuracy", "valid")]) == "unknown"
