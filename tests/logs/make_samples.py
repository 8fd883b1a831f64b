"""Have each tool write a small log of known numbers into `data/`, and write down beside them, in `truth.json`, what was logged.

Run it where the tools are installed, with the names of those to run, or none for all:

    python tests/logs/make_samples.py [TOOL ...]

The tests read what lies in `data/`; they don't need the tools.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(__file__).parent / "data"
TRUTH = DATA / "truth.json"
EPOCHS = 4
BATCHES = 6

Numbers = dict[str, list[float]]


def logged(seed: int = 0, epochs: int = EPOCHS) -> Numbers:
    """Return the scores of a run that never was, by "split score"."""
    e = np.arange(1, epochs + 1)
    return {
        "train loss": list(0.7 * 0.83**e + 0.01 * seed),
        "valid loss": list(0.65 * 0.87**e + 0.02 * seed),
        "train accuracy": list(1 - 0.5 * 0.8**e),
        "valid accuracy": list(1 - 0.5 * 0.82**e),
    }


def examples(rng: np.random.Generator, n: int) -> tuple[Any, Any]:
    x = rng.normal(size=(n, 4)).astype("float32")
    return x, (x.sum(axis=1) > 0).astype("float32")


def keras_history(folder: Path) -> dict[str, Any]:
    """History JSON, and both separators of CSVLogger; the second has two fits in one file."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras

    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    model = keras.Sequential([keras.layers.Dense(3, activation="relu"), keras.layers.Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    x, y = examples(rng, 48)

    def fit(*callbacks: Any, **how: Any) -> Any:
        return model.fit(
            x, y, validation_data=examples(rng, 16), epochs=EPOCHS, batch_size=8, verbose=0, callbacks=list(callbacks), **how
        )

    comma, semicolon = folder / "keras_comma.csv", folder / "keras_semicolon.csv"
    first = fit(keras.callbacks.CSVLogger(comma), keras.callbacks.ReduceLROnPlateau(patience=1, min_delta=10))
    two = [fit(keras.callbacks.CSVLogger(semicolon, separator=";", append=True)) for _ in range(2)]
    sparse = fit(keras.callbacks.CSVLogger(folder / "keras_sparse.csv"), validation_freq=2)
    (folder / "keras_history.json").write_text(json.dumps(first.history))
    whole = {"history": first.history, "params": first.params, "epoch": first.epoch}
    (folder / "keras_wrapped.json").write_text(json.dumps(whole))
    (folder / "keras_sparse.json").write_text(json.dumps(sparse.history))

    def scores(history: Any) -> dict[str, Any]:
        h = history.history
        return {
            "train loss": h["loss"],
            "valid loss": h["val_loss"],
            "train accuracy": h["accuracy"],
            "valid accuracy": h["val_accuracy"],
        }

    return {
        "keras_history.json": [scores(first)],
        "keras_wrapped.json": [scores(first)],
        "keras_sparse.json": [scores(sparse)],
        "keras_comma.csv": [scores(first)],
        "keras_semicolon.csv": [scores(h) for h in two],
        "keras_sparse.csv": [scores(sparse)],
    }


def keras_tensorboard(folder: Path) -> dict[str, Any]:
    """A logdir as Keras writes it by TensorFlow: train/ and validation/, scalars as tensors."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    model = keras.Sequential([keras.layers.Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy")
    x, y = examples(rng, 48)
    logdir = folder / "keras_tensorboard"
    board = keras.callbacks.TensorBoard(logdir, write_graph=False, update_freq="epoch")
    fitted = model.fit(x, y, validation_data=examples(rng, 16), epochs=EPOCHS, batch_size=8, verbose=0, callbacks=[board])
    h = {k: [float(np.float32(v)) for v in values] for k, values in fitted.history.items()}
    return {"keras_tensorboard": [{"train loss": h["loss"], "valid loss": h["val_loss"]}]}


def tensorboardx(folder: Path) -> dict[str, Any]:
    """Tags `Loss/train` and `Loss/valid`; and add_scalars, which makes a folder of each split."""
    from tensorboardX import SummaryWriter

    scores = {k: [float(np.float32(v)) for v in values] for k, values in logged().items() if "loss" in k}
    with SummaryWriter(str(folder / "tensorboardx")) as board:
        for e in range(EPOCHS):
            board.add_scalar("Loss/train", scores["train loss"][e], e)
            board.add_scalar("Loss/valid", scores["valid loss"][e], e)
    with SummaryWriter(str(folder / "tensorboardx_scalars")) as board:
        for e in range(EPOCHS):
            board.add_scalars("Loss", {"train": scores["train loss"][e], "valid": scores["valid loss"][e]}, e + 1)
    return {"tensorboardx": [scores], "tensorboardx_scalars": [scores]}


def lightning(folder: Path) -> dict[str, Any]:
    """metrics.csv of a real fit: per step, per epoch, and both."""
    import lightning.pytorch as pl
    import torch
    from lightning.pytorch.loggers import CSVLogger

    torch.manual_seed(1)
    told: list[dict[str, float]] = []

    class Recording(CSVLogger):
        def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
            told.append(dict(metrics))
            super().log_metrics(metrics, step)

    class Net(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def training_step(self, batch: Any, _: int) -> Any:
            loss = torch.nn.functional.binary_cross_entropy_with_logits(self.layer(batch[0])[:, 0], batch[1])
            self.log("train_loss", loss, on_step=True, on_epoch=True)
            return loss

        def validation_step(self, batch: Any, _: int) -> None:
            loss = torch.nn.functional.binary_cross_entropy_with_logits(self.layer(batch[0])[:, 0], batch[1])
            self.log("val_loss", loss)

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 0.1)

    def loader(n: int) -> Any:
        x, y = examples(np.random.default_rng(n), n)
        return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y)), batch_size=8)

    where = Path(tempfile.mkdtemp())
    pl.Trainer(
        max_epochs=EPOCHS,
        logger=Recording(where),
        log_every_n_steps=2,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
    ).fit(Net(), loader(8 * BATCHES), loader(16))
    shutil.copy(next(where.rglob("metrics.csv")), folder / "lightning.csv")
    columns = {"train loss": "train_loss_epoch", "valid loss": "val_loss", "train loss step": "train_loss_step"}
    return {"lightning.csv": [{k: [m[column] for m in told if column in m] for k, column in columns.items()}]}


def transformers(folder: Path) -> dict[str, Any]:
    """trainer_state.json of a real training: a loss every four steps, an evaluation every epoch of six."""
    import torch
    from transformers import PretrainedConfig, PreTrainedModel, Trainer, TrainingArguments

    class Net(PreTrainedModel):
        config_class = PretrainedConfig

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.layer = torch.nn.Linear(4, 2)
            self.post_init()

        def forward(self, x: Any, labels: Any) -> dict[str, Any]:
            logits = self.layer(x)
            return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

    def rows(n: int) -> list[dict[str, Any]]:
        x, y = examples(np.random.default_rng(n), n)
        return [{"x": xi, "labels": int(yi)} for xi, yi in zip(x, y, strict=True)]

    where = Path(tempfile.mkdtemp())
    settings = TrainingArguments(
        str(where),
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=8,
        logging_steps=4,
        eval_strategy="epoch",
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = Trainer(Net(PretrainedConfig()), settings, train_dataset=rows(8 * BATCHES), eval_dataset=rows(16))
    trainer.train()
    trainer.save_state()
    shutil.copy(where / "trainer_state.json", folder / "trainer_state.json")
    history = trainer.state.log_history
    train, valid = ([h for h in history if key in h] for key in ("loss", "eval_loss"))
    return {
        "trainer_state.json": [
            {
                "train loss": [h["loss"] for h in train],
                "valid loss": [h["eval_loss"] for h in valid],
                "train loss epoch": [h["epoch"] for h in train],
            }
        ]
    }


def boosting(folder: Path) -> dict[str, Any]:
    """evals_result of XGBoost and LightGBM, with named and unnamed sets; catboost_info as CatBoost leaves it."""
    import catboost
    import lightgbm
    import xgboost

    rng = np.random.default_rng(1)
    (x, y), (xv, yv) = examples(rng, 80), examples(rng, 40)
    truth: dict[str, Any] = {}

    model = xgboost.XGBClassifier(n_estimators=EPOCHS, max_depth=2, n_jobs=1)
    model.fit(x, y, eval_set=[(x, y), (xv, yv)], verbose=False)
    result = model.evals_result()
    (folder / "xgboost_unnamed.json").write_text(json.dumps(result))
    truth["xgboost_unnamed.json"] = [
        {"unknown logloss": result["validation_0"]["logloss"], "unknown logloss 2": result["validation_1"]["logloss"]}
    ]
    result = {}
    train, valid = xgboost.DMatrix(x, y), xgboost.DMatrix(xv, yv)
    settings = {"objective": "binary:logistic", "nthread": 1}
    xgboost.train(settings, train, EPOCHS, [(train, "train"), (valid, "eval")], evals_result=result, verbose_eval=False)
    (folder / "xgboost_named.json").write_text(json.dumps(result))
    truth["xgboost_named.json"] = [{"train logloss": result["train"]["logloss"], "valid logloss": result["eval"]["logloss"]}]

    result = {}
    rows = lightgbm.Dataset(x, y)
    lightgbm.train(
        {"objective": "binary", "num_threads": 1, "verbose": -1, "min_data_in_leaf": 2},
        rows,
        EPOCHS,
        [rows, rows.create_valid(xv, yv)],
        callbacks=[lightgbm.record_evaluation(result)],
    )
    (folder / "lightgbm.json").write_text(json.dumps(result))
    truth["lightgbm.json"] = [
        {
            "train binary_logloss": result["training"]["binary_logloss"],
            "valid binary_logloss": result["valid_1"]["binary_logloss"],
        }
    ]

    where = folder / "catboost_info"
    shutil.rmtree(where, ignore_errors=True)
    cat = catboost.CatBoostClassifier(iterations=EPOCHS, train_dir=str(where), thread_count=1, verbose=False)
    cat.fit(x, y, eval_set=(xv, yv))
    for extra in ("tmp", "learn", "test"):
        shutil.rmtree(where / extra, ignore_errors=True)
    result = cat.get_evals_result()
    (folder / "catboost.json").write_text(json.dumps(result))
    scores = {"train logloss": result["learn"]["Logloss"], "valid logloss": result["validation"]["Logloss"]}
    truth["catboost.json"] = [scores]
    # CatBoost's own files call the set of `eval_set` "test", and have nine digits of each number.
    told = {"train logloss": scores["train logloss"], "test logloss": scores["valid logloss"]}
    truth["catboost_info"] = [{k: [float(f"{v:.10g}") for v in values] for k, values in told.items()}]
    truth["catboost_info/catboost_training.json"] = truth["catboost_info"]
    return truth


def mlflow(folder: Path) -> dict[str, Any]:
    """mlflow.db of two runs, and the older file store of one."""
    import mlflow as flow

    where = Path(tempfile.mkdtemp())
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    truth: dict[str, Any] = {}
    stores = {"mlruns": f"file://{where}/mlruns", "mlflow.db": f"sqlite:///{where}/mlflow.db"}
    for store, uri in stores.items():
        flow.set_tracking_uri(uri)
        runs = []
        for seed in range(1 if store == "mlruns" else 2):
            scores = {k: v for k, v in logged(seed).items() if "loss" in k}
            scores["valid loss"][1] = math.inf if store == "mlruns" else 0.5
            scores["valid loss"][2] = math.nan
            with flow.start_run(run_name=f"run-{seed}"):
                for e in range(EPOCHS):
                    flow.log_metrics({"train/loss": scores["train loss"][e], "val_loss": scores["valid loss"][e]}, step=e)
            runs.append({"name": f"run-{seed}", **scores})
        truth[store] = runs
    shutil.rmtree(folder / "mlruns", ignore_errors=True)
    for kept in (*where.rglob("metrics/**/*"), *where.rglob("mlflow.runName")):
        if kept.is_file():
            copy = folder / kept.relative_to(where)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(kept, copy)
    (folder / "mlflow.db").unlink(missing_ok=True)
    # Its forty other tables are empty, and make a file of half a megabyte.
    with closing(sqlite3.connect(where / "mlflow.db")) as db:
        tables = [n for (n,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        db.execute("PRAGMA foreign_keys=OFF")
        for table in set(tables) - {"metrics", "runs", "experiments", "sqlite_sequence"}:
            db.execute(f'DROP TABLE "{table}"')
        db.execute("UPDATE runs SET user_id = '', artifact_uri = '', entry_point_name = ''")
        db.execute("UPDATE experiments SET artifact_location = ''")
        db.commit()
        db.execute("PRAGMA page_size=512")
        db.execute("VACUUM")
    shutil.copy(where / "mlflow.db", folder / "mlflow.db")
    return truth


def wandb(folder: Path) -> dict[str, Any]:
    """An offline run's .wandb file."""
    import wandb as w

    where = Path(tempfile.mkdtemp())
    scores = logged()
    scores["valid loss"][3] = math.nan
    settings = w.Settings(
        x_disable_stats=True,
        x_disable_meta=True,
        x_disable_machine_info=True,
        disable_git=True,
        disable_code=True,
        console="off",
    )
    with w.init(mode="offline", dir=where, name="night-1", project="p", settings=settings) as run:
        for e in range(EPOCHS):
            run.log({"epoch": e + 1, "train": {"loss": scores["train loss"][e]}, "val/loss": scores["valid loss"][e]})
    w.teardown()  # it writes the file from another process
    shutil.copy(next(where.rglob("*.wandb")), folder / "offline.wandb")
    return {"offline.wandb": [{"name": "night-1", "train loss": scores["train loss"], "valid loss": scores["valid loss"]}]}


def trackio(folder: Path) -> dict[str, Any]:
    """The project's database, with two runs."""
    where = Path(tempfile.mkdtemp())
    os.environ["TRACKIO_DIR"] = str(where)
    import trackio as t

    runs = []
    for seed in range(2):
        scores = logged(seed)
        scores["valid loss"][3] = math.inf
        t.init(project="p", name=f"run-{seed}", embed=False)
        for e in range(EPOCHS):
            t.log({"epoch": e, "train_loss": scores["train loss"][e], "val_loss": scores["valid loss"][e]})
        t.finish()
        runs.append({"name": f"run-{seed}", "train loss": scores["train loss"], "valid loss": scores["valid loss"]})
    found = next(where.rglob("*.db"))
    copy = folder / "trackio.db"
    copy.unlink(missing_ok=True)
    with closing(sqlite3.connect(found)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("VACUUM INTO ?", (str(copy),))
    with closing(sqlite3.connect(copy)) as db:
        tables = [n for (n,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        for table in set(tables) - {"metrics", "sqlite_sequence"}:
            db.execute(f'DROP TABLE "{table}"')
        db.execute("PRAGMA page_size=512")
        db.execute("VACUUM")
    return {"trackio.db": runs}


TOOLS: dict[str, Callable[[Path], dict[str, Any]]] = {
    f.__name__: f
    for f in (keras_history, keras_tensorboard, tensorboardx, lightning, transformers, boosting, mlflow, wandb, trackio)
}


def main(names: list[str]) -> None:
    DATA.mkdir(exist_ok=True)
    truth = json.loads(TRUTH.read_text()) if TRUTH.exists() else {}
    for name in names or TOOLS:
        truth |= TOOLS[name](DATA)
        TRUTH.write_text(json.dumps(dict(sorted(truth.items())), indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
