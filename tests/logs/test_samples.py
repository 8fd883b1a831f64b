"""Files that the tools themselves wrote are read to exactly the numbers that were logged; `make_samples.py` made them."""

import json
from pathlib import Path

import numpy as np
import pytest

from whygap.logs.files import FILES
from whygap.logs.source import Source

DATA = Path(__file__).parent / "data"
TRUTH = json.loads((DATA / "truth.json").read_text())
READ_BY = {
    "catboost.json": ("JSON", "evals_result", "catboost"),
    "catboost_info": ("CatBoost", "CatBoost", "catboost"),
    "catboost_info/catboost_training.json": ("JSON", "CatBoost", "catboost"),
    "keras_comma.csv": ("Keras CSVLogger", "Keras CSVLogger", "keras"),
    "keras_history.json": ("JSON", "Keras History", "keras"),
    "keras_semicolon.csv": ("Keras CSVLogger", "Keras CSVLogger", "keras"),
    "keras_sparse.csv": ("Keras CSVLogger", "Keras CSVLogger", "keras"),
    "keras_sparse.json": ("JSON", "Keras History", "keras"),
    "keras_tensorboard": ("TensorBoard", "TensorBoard", "keras"),
    "keras_wrapped.json": ("JSON", "Keras History", "keras"),
    "lightgbm.json": ("JSON", "evals_result", "lightgbm"),
    "lightning.csv": ("Lightning metrics.csv", "Lightning metrics.csv", "lightning"),
    "mlflow.db": ("SQLite", "MLflow", ""),
    "mlruns": ("MLflow folder", "MLflow", ""),
    "offline.wandb": ("W&B offline run", "W&B offline run", ""),
    "tensorboardx": ("TensorBoard", "TensorBoard", ""),
    "tensorboardx_scalars": ("TensorBoard", "TensorBoard", ""),
    "trackio.db": ("SQLite", "trackio", ""),
    "trainer_state.json": ("JSON", "transformers trainer_state.json", "transformers"),
    "xgboost_named.json": ("JSON", "evals_result", "xgboost"),
    "xgboost_unnamed.json": ("JSON", "evals_result", "xgboost"),
}
FACTS = {
    "keras_tensorboard": {"steps_per_epoch": 6},
    "keras_wrapped.json": {"steps_per_epoch": 6, "epochs_planned": 4},
    "lightning.csv": {"steps_per_epoch": 6},
    "trainer_state.json": {"steps_per_epoch": 6, "epochs_planned": 4, "batch_size": 8, "n_valid": 16},
}


def read(sample):
    source = Source(DATA / sample)
    reader = next(reader for reader in FILES if reader.matches(source))
    return reader, reader.read(source)


def test_every_sample_has_its_truth_and_its_reader():
    assert set(READ_BY) == set(TRUTH)


@pytest.mark.parametrize("sample", sorted(TRUTH))
def test_it_is_known_by_its_content(sample):
    reader, runs = read(sample)
    assert {(reader.format, run.format, run.framework) for run in runs} == {READ_BY[sample]}
    assert all(dict(run.facts) == FACTS.get(sample, {}) for run in runs)


def series_told_by(run, key):
    """Return what `truth.json` means by "train loss", "unknown logloss 2", "train loss step" and "train loss epoch"."""
    split, score, which = [*key.split(), ""][:3]
    found = [s for s in run.series if (s.score, s.split) == (score, split)]
    if which == "epoch":
        return found[0].epoch
    if which == "step":
        found = [s for s in found if s.grain == "step"]
    return found[int(which) - 1 if which.isdigit() else 0].value


@pytest.mark.parametrize("sample", sorted(TRUTH))
def test_it_is_read_to_exactly_the_numbers_that_were_logged(sample):
    _, runs = read(sample)
    by_name = sorted(runs, key=lambda run: run.name)
    told = sorted(TRUTH[sample], key=lambda run: run.get("name", ""))
    assert len(by_name) == len(told)
    for run, truth in zip(by_name, told, strict=True):
        assert run.name == truth.get("name", run.name)
        for key, values in truth.items():
            if key != "name":
                np.testing.assert_array_equal(series_told_by(run, key), values, err_msg=f"{sample} {key}")


@pytest.mark.parametrize("sample", sorted(TRUTH))
def test_epochs_count_from_1_and_scores_of_epochs_stand_at_their_ends(sample):
    _, runs = read(sample)
    for run in runs:
        for series in (s for s in run.series if s.split in ("train", "valid", "test", "unknown")):
            if series.grain == "epoch":
                every = 2 if "sparse" in sample and series.split == "valid" else 1
                np.testing.assert_array_equal(series.epoch, np.arange(every, 5, every))
            assert np.isfinite(series.epoch).all()
            assert series.epoch.max() == 4


def test_lightning_places_steps_within_their_epochs():
    _, (run,) = read("lightning.csv")
    steps = next(s for s in run.series if s.grain == "step")
    np.testing.assert_allclose(steps.epoch, np.arange(1, 13) / 3)
    np.testing.assert_array_equal(steps.step, np.arange(1, 24, 2))
    assert run.of("loss", "train").column == "train_loss_epoch"


def test_the_mean_over_the_whole_training_is_no_epoch():
    _, (run,) = read("trainer_state.json")
    assert "train_loss" not in {s.column for s in run.series}
    assert any("whole training" in note for note in run.notes)


def test_sets_that_only_have_a_number_are_of_no_known_split():
    _, (run,) = read("xgboost_unnamed.json")
    assert [(s.column, s.split) for s in run.series] == [
        ("validation_0-logloss", "unknown"),
        ("validation_1-logloss", "unknown"),
    ]
