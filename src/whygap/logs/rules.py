"""What each framework's training number means beside its validation number, and which lines of code tell more than its log.

Sources: the frameworks' own code, as installed in 2026 (Keras 3.15, Lightning 2.6, transformers 5, skorch 1.4, fastai 2.8,
Ultralytics 8.4, XGBoost 3.2, LightGBM 4.7, CatBoost 1.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from whygap.errors import InputError
from whygap.estimate.averaging import EPOCH_MEAN, LAST_BATCH, Averaging, moving_average
from whygap.estimate.signatures import Signature
from whygap.logs.records import LoggedRun, Series

How = Literal["mean", "last_batch", "moving", "steps", "windows", "no_lag"]
"""How the training number was made: a mean over the epoch, its last batch, an average over steps that goes on from epoch to
epoch, single batches, means since the number before, or the whole training set scored at the end."""


class Rule(NamedTuple):
    """A framework's rule in a sentence, and what follows from it.

    `averaging` is None where nothing lags, or nothing is known of it; `is_known` is False where the rule is but what nearly
    everybody does; `is_last` says that of several steps the last one stands for the epoch. `weights` says so where validation
    uses other weights than training ended with.
    """

    how: How
    sentence: str
    averaging: Averaging | None = EPOCH_MEAN
    is_known: bool = True
    is_last: bool = False
    weights: str = ""


class Framework(NamedTuple):
    """What to call it, the rule of its epochs, and the lines of code that tell what a log can't."""

    name: str
    sentence: str
    to_know: str


_METER = """\
meter = whygap.adapters.torch.Meter(model, criterion)  # then loop over meter.train(train_loader) and meter.validate(...)
meter.record(loss); ...; meter.end_epoch()             # once per batch; once per epoch, after validation"""

FRAMEWORKS: Mapping[str, Framework] = {
    "keras": Framework(
        "Keras",
        "Keras reports the mean over the epoch's batches, each scored in train mode just before its own update, and validation "
        "with the last weights; regularisation is inside both losses",
        "from whygap.adapters.keras import GapCallback\nmodel.fit(..., callbacks=[GapCallback()])",
    ),
    "lightning": Framework(
        "Lightning",
        "Lightning logged the mean over the epoch's batches, each scored in train mode just before its own update",
        'self.log("train_loss", loss, on_step=False, on_epoch=True)  # in training_step\n'
        "trainer.validate(model, dataloaders=train_dataloader)      # the training examples, as validation is scored",
    ),
    "transformers": Framework(
        "transformers",
        "transformers logs the mean over the steps since its last log, a window that may straddle epochs, in train mode",
        'TrainingArguments(..., eval_strategy="epoch", logging_strategy="epoch")\n'
        "trainer.evaluate(train_dataset)  # the training examples, as validation is scored",
    ),
    "fastai": Framework(
        "fastai",
        "fastai shows an exponential average over about 50 batches that is never reset, in train mode",
        "dl = learn.dls.train.new(shuffle=False, drop_last=False)\n"
        "learn.validate(dl=dl)  # the training examples, as validation is scored",
    ),
    "skorch": Framework(
        "skorch",
        "skorch reports the mean over the epoch's batches, by rows, each scored in train mode just before its own update",
        "from skorch.callbacks import EpochScoring\n"
        'EpochScoring("neg_log_loss", on_train=True, use_caching=False, name="train_at_end")  # in callbacks=',
    ),
    "xgboost": Framework(
        "XGBoost",
        "XGBoost scores the whole training set after every iteration: nothing lags and nothing is random",
        'evals=[(dtrain, "train"), (dvalid, "valid"), (dfresh, "fresh")]\n'
        "# dfresh: held-out rows drawn like the training rows, to tell memorisation from another validation set",
    ),
    "lightgbm": Framework(
        "LightGBM",
        "LightGBM scores the whole training set after every iteration (under DART, trees are rescaled later)",
        'valid_sets=[train, valid, fresh], valid_names=["train", "valid", "fresh"]\n'
        "# fresh: held-out rows drawn like the training rows, to tell memorisation from another validation set",
    ),
    "catboost": Framework(
        "CatBoost",
        "CatBoost scores the whole training set after every iteration",
        "model.fit(train, eval_set=[valid, fresh])\n"
        "# fresh: held-out rows drawn like the training rows, to tell memorisation from another validation set",
    ),
    "ultralytics": Framework(
        "Ultralytics",
        "Ultralytics reports the mean over the epoch's augmented batches in train mode, and validation without augmentation, "
        "with an average of the weights",
        'model = YOLO("runs/detect/train/weights/best.pt")\n'
        'model.val(data="data.yaml", split="train")  # the training pictures, as validation is scored',
    ),
    "": Framework(
        "",
        "taken to be the mean over the epoch's batches, each scored just before its own update, as in nearly every loop",
        _METER,
    ),
}

FASTAI_BETA = 0.98


def check_framework(name: str) -> str:
    """Return the key of a framework that a user named.

    Raises
    ------
    InputError
        If it isn't known.
    """
    key = name.strip().lower()
    if key not in FRAMEWORKS or not key:
        raise InputError(f"--framework must be one of {', '.join(k for k in FRAMEWORKS if k)}, not {name}")
    return key


def rule_of(run: LoggedRun, train: Series) -> Rule:
    """Return how a run's training numbers were made, by its framework and the column that they are in."""
    framework = run.framework if run.framework in FRAMEWORKS else ""
    sentence = FRAMEWORKS[framework].sentence
    if framework in ("xgboost", "lightgbm", "catboost"):
        return Rule("no_lag", sentence, None)
    if framework == "transformers":
        return Rule("windows", sentence)
    if framework == "lightning" and not train.column.endswith("_epoch"):
        if train.grain == "step":
            text = f"Lightning logged the last batch, not the epoch: {train.column} holds single steps"
            return Rule("steps", text, is_last=True)
        if "bar" in run.format.lower() or "console" in run.format.lower():
            return Rule("last_batch", "Lightning logged the last batch, not the epoch", LAST_BATCH)
    if train.grain == "step":
        return Rule("steps", "the log has single steps, not the mean over an epoch", is_known=bool(framework))
    if framework == "fastai":
        steps = run.facts.get("steps_per_epoch")
        return Rule("moving", sentence, None if steps is None else moving_average(FASTAI_BETA, steps))
    if framework == "ultralytics":
        weights = "Ultralytics validates with an exponential average of the weights"
        return Rule("mean", sentence, weights=weights)
    return Rule("mean", sentence, is_known=bool(framework))


def rule_of_steps(rule: Rule, mark: Signature | None) -> Rule:
    """Return the rule of a training score logged within epochs, now that its numbers have been looked at.

    Many loops print the mean since the start of the epoch, as progress bars do: the last number of an epoch then is its mean.
    """
    if mark is None or mark.mark != "running_average":
        return rule
    text = "the log shows a running mean that starts anew in each epoch, not single steps: the last one is the epoch's mean"
    return Rule("mean", text, is_last=True)
