"""All readers of files and folders, the most particular first."""

from __future__ import annotations

from whygap.logs import (
    catboost_files,
    csv_table,
    fastai_csv,
    json_lines,
    json_log,
    keras_csv,
    lightning_csv,
    mlflow,
    sqlite_log,
    tensorboard,
    ultralytics_csv,
    wandb_csv,
    wandb_offline,
)
from whygap.logs.source import Reader

FILES: tuple[Reader, ...] = (
    wandb_offline.READER,
    sqlite_log.READER,
    tensorboard.READER,
    mlflow.READER,
    catboost_files.READER,
    json_lines.READER,
    json_log.READER,
    ultralytics_csv.READER,
    wandb_csv.READER,
    lightning_csv.READER,
    keras_csv.READER,
    fastai_csv.READER,
    csv_table.READER,
)
