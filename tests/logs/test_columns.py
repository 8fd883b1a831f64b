import pytest
from hypothesis import given
from hypothesis import strategies as st

from whygap.logs.columns import name_of, resolve, split_of


@pytest.mark.parametrize(
    ("column", "score", "split"),
    [
        ("val_loss", "loss", "valid"),
        ("Train Loss", "loss", "train"),
        ("Vali Loss", "loss", "valid"),
        ("trainLoss", "loss", "train"),
        ("ValLoss", "loss", "valid"),
        ("training/loss", "loss", "train"),
        ("eval/loss", "loss", "valid"),
        ("loss/train", "loss", "train"),
        ("Loss/valid", "loss", "valid"),
        ("loss (val)", "loss", "valid"),
        ("test_acc", "accuracy", "test"),
        ("val_accuracy", "accuracy", "valid"),
        ("dev_loss", "loss", "valid"),
        ("train_loss_epoch", "loss", "train"),
        ("train_loss_step", "loss", "train"),
        ("epoch_loss", "loss", "unknown"),
        ("train/epoch_loss", "loss", "train"),
        ("evaluation_loss_vs_iterations", "loss", "valid"),
        ("val_loss/dataloader_idx_0", "loss", "valid"),
        ("val_loss/dataloader_idx_1", "loss_1", "valid"),
        ("avg_train_loss", "avg_loss", "train"),
        ("train/box_loss", "box_loss", "train"),
        ("eval_foo_loss", "foo_loss", "valid"),
        ("val_test_loss", "test_loss", "valid"),
        ("training's binary_logloss", "binary_logloss", "train"),
        ("valid_0's l2", "l2", "unknown"),
        ("validation_0-logloss", "logloss", "unknown"),
        ("train-rmse", "rmse", "train"),
        ("mean_absolute_error", "mean_absolute_error", "unknown"),
        ("Validation Accuracy (%)", "accuracy", "valid"),
        ("train", "score", "train"),
        ("val", "score", "valid"),
    ],
)
def test_a_name_says_its_score_and_split(column, score, split):
    assert name_of(column) == (score, split)


@pytest.mark.parametrize(
    "column",
    [
        "lr",
        "lr-Adam/pg1",
        "lr/pg0",
        "x/lr0",
        "learning_rate",
        "train/learning_rate",
        "epoch",
        "global_step",
        "trainer/global_step",
        "iter",
        "time",
        "epoch_time",
        "eval_runtime",
        "eval_samples_per_second",
        "train_runtime",
        "train/grad_norm",
        "_timestamp",
        "_runtime",
        "train_batch_count",
        "hp_metric",
        "system/cpu",
        "test-rmse-std",
        "",
        "__",
    ],
)
def test_what_is_no_score(column):
    assert name_of(column)[1] == "none"


@given(st.text())
def test_any_name_can_be_read(column):
    score, split = name_of(column)
    assert split in ("train", "valid", "test", "unknown", "none")
    assert score or split == "none"


def test_a_bare_name_is_the_training_score_beside_a_validation_one():
    assert resolve(["loss", "accuracy", "val_loss", "lr"]) == {
        "loss": ("loss", "train"),
        "accuracy": ("accuracy", "train"),
        "val_loss": ("loss", "valid"),
        "lr": ("lr", "none"),
    }
    assert resolve(["loss", "test_loss"])["loss"] == ("loss", "train")


@pytest.mark.parametrize(
    "columns",
    [["loss", "val_accuracy"], ["train_loss", "val_loss", "loss"], ["loss"], ["validation_0-auc", "val_auc"]],
)
def test_a_bare_name_alone_stays_unknown(columns):
    said = resolve(columns)
    assert [c for c, (_, split) in said.items() if split == "unknown"] == [
        c for c in columns if c in ("loss", "validation_0-auc")
    ]


@pytest.mark.parametrize(
    ("word", "split"), [("training", "train"), ("Learn", "train"), ("dtest", "test"), ("eval", "valid"), ("fold", "unknown")]
)
def test_the_name_of_a_set_says_its_split(word, split):
    assert split_of(word) == split
