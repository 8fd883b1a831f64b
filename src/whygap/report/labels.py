"""Plain words and colours for causes and rungs, and words for which side looks better: defined once for every report."""

from __future__ import annotations

from typing import Literal, NamedTuple

from whygap.records import Cause, Estimate, Overfitting, RungName, Score
from whygap.trials import AnswerState, Question


class Label(NamedTuple):
    """A cause or a rung in plain words: a short name, one sentence, and (causes) a colour."""

    short: str
    meaning: str
    colour: str = ""


# The colours were searched for, not picked by eye. Each has a contrast of 3:1 or more on white and on #121212, so that one set
# serves light and dark pages, and neighbours on the ladder stay apart for readers with protanopia or deuteranopia. A test holds
# both. Causes that never share a picture share a colour: memorisation and generalisation exclude each other, and those that an
# audit finds are listed in words, not stacked.
CAUSE_LABELS: dict[Cause, Label] = {
    "penalty": Label(
        "loss penalty",
        "The reported training number contains a penalty, such as L2, that is no error on the data.",
        "#b8846a",
    ),
    "reduction": Label(
        "batch weighting",
        "The framework's mean over batches doesn't count every training example once: a short last batch, weights, a window.",
        "#8c5aff",
    ),
    "averaging": Label(
        "epoch averaging",
        "Training is averaged over an epoch in which the weights still changed; validation uses the last weights alone.",
        "#0072b2",
    ),
    "mode": Label(
        "train mode",
        "Dropout, batch norm and the like behave differently while training.",
        "#279fb3",
    ),
    "augmentation": Label(
        "augmentation",
        "Training examples were altered before they were scored; validation examples were not.",
        "#b91a90",
    ),
    "criterion": Label(
        "other criterion",
        "Training and validation are scored by different formulas, such as label smoothing on one side only.",
        "#00704d",
    ),
    "weights": Label(
        "other weights",
        "Validation used other weights than training ended with: an average of weights, or a checkpoint.",
        "#188cd4",
    ),
    "memorisation": Label(
        "memorisation",
        "How differently the same model scores on examples it trained on and on fresh ones of the same kind.",
        "#d55e00",
    ),
    "shift": Label(
        "different data",
        "Validation examples are easier, harder or of another kind than fresh training examples.",
        "#c7004f",
    ),
    "generalisation": Label(
        "generalisation",
        "How differently the same model scores on its training and on the validation examples: memorisation and different data "
        "together.",
        "#d55e00",
    ),
    "reduction_valid": Label(
        "validation weighting",
        "The framework's mean over batches doesn't count every validation example once.",
        "#8e0cf1",
    ),
    "penalty_valid": Label(
        "validation penalty",
        "The reported validation number contains a penalty that is no error on the data.",
        "#af77ff",
    ),
    "leak": Label("leak", "Validation examples also occur among the training examples.", "#c7004f"),
    "preprocessing": Label("preprocessing", "The two splits were prepared differently.", "#c7004f"),
    "small_valid": Label("small validation set", "Another validation set of this size could give another sign.", "#7d7d7d"),
    "metric_state": Label("metric state", "A metric was not reset, so that its number mixes epochs or splits.", "#8c5aff"),
    "eval_mode_bug": Label("eval mode bug", "Validation was scored in train mode, or training in eval mode.", "#279fb3"),
    "noise": Label("chance", "The difference is no larger than chance alone would make it.", "#7d7d7d"),
}

UNATTRIBUTED = Label("unattributed", "The part of the gap that no measured term explains.", "#7d7d7d")

RUNG_LABELS: dict[RungName, Label] = {
    "reported": Label("training, as reported", "The training score that the framework printed."),
    "data": Label("data part of the loss", "The same without penalties."),
    "visited": Label("each visit counted once", "Every training example counts once, as scored at its visit."),
    "end_weights": Label("end-of-epoch weights", "The same examples in train mode, with the weights at the end of the epoch."),
    "after_update": Label(
        "after their own update", "The same examples in train mode, each right after the step on its own batch."
    ),
    "without_dropout": Label("dropout off", "The same examples and weights in train mode, but for dropout."),
    "without_batch_norm": Label("dropout, batch norm off", "The same in train mode, but for dropout and batch norm."),
    "eval_mode": Label("eval mode", "The same examples and weights in eval mode."),
    "clean_view": Label("no augmentation", "The same examples without augmentation."),
    "valid_criterion": Label("validation's criterion", "The same, scored by validation's own formula."),
    "valid_weights": Label("validation's weights", "The same, with the weights that validation used."),
    "fresh": Label("fresh examples", "Examples of the training process that the model never saw."),
    "valid": Label("validation examples", "The validation examples, each counted once."),
    "valid_reduced": Label("validation's weighting", "The same, averaged as the framework does."),
    "valid_reported": Label("validation, as reported", "The validation score that the framework printed."),
}

# From the reported number down to the last rung that still scores training examples.
TRAIN_RUNGS: tuple[RungName, ...] = (
    "data", "visited", "end_weights", "eval_mode", "clean_view", "valid_criterion", "valid_weights",
)  # fmt: skip

RUNG_AFTER: dict[Cause, RungName] = {
    "penalty": "data",
    "reduction": "visited",
    "averaging": "end_weights",
    "mode": "eval_mode",
    "augmentation": "clean_view",
    "criterion": "valid_criterion",
    "weights": "valid_weights",
    "memorisation": "fresh",
    "shift": "valid",
    "generalisation": "valid",
    "reduction_valid": "valid_reduced",
    "penalty_valid": "valid_reported",
}

HOW_WORDS = {
    "exact": "all examples were counted",
    "sampled": "a sample of examples was scored",
    "inferred": "concluded from the logged curves",
    "bounded": "only limits are known",
    "not_measured": "not measured",
}

QUESTIONS: dict[Question, str] = {
    "edge": "Where does overfitting start?",
    "worlds": "When does reuse hurt?",
    "epochs": "When does validation turn?",
    "capacity": "What is learnt by heart?",
    "redraws": "How much is the luck of the draw?",
}

STATES: dict[AnswerState, str] = {
    "holds": "holds",
    "holds_when": "holds only in part",
    "does_not_hold": "does not hold",
    "cannot_tell": "can't be told",
}

Side = Literal["better", "worse", "level"]


def validation_side(difference: float, score: Score) -> Side:
    """Say how validation looks beside training, given `valid - train` in the score's unit.

    Parameters
    ----------
    difference
        A gap, or one term of it.
    score
        Its direction decides: for a loss a negative difference is "better", for an accuracy a positive one.
    """
    if difference == 0:
        return "level"
    return "better" if (difference > 0) == score.higher_is_better else "worse"


def gap_in_words(gap: Estimate, score: Score) -> str:
    """Say what a gap means: which side looks better, and whether another validation set could say otherwise."""
    side = validation_side(gap.value, score)
    if side == "level":
        return "training and validation are level"
    if gap.low <= 0 <= gap.high and gap.low < gap.high:
        return f"validation looks {side}, within chance"
    return f"validation looks {side}"


def overfitting_answer(overfitting: Overfitting) -> tuple[str, str]:
    """Return whether a run overfits in a few words to stand out, and the evidence that follows them.

    Evidence that itself begins with the answer ("It overfits: ...") is split there rather than given it twice.
    """
    opening, colon, rest = overfitting.evidence.partition(":")
    if colon and "overfit" in opening.lower():
        return f"{opening}:", rest.strip()
    answer = {"no": "No overfitting", "yes": "Overfitting", "cannot_tell": "Overfitting can't be told"}[overfitting.state]
    since = f" since epoch {overfitting.since_epoch}" if overfitting.since_epoch is not None else ""
    return f"{answer}{since}.", overfitting.evidence


def direction_in_words(score: Score) -> str:
    """Say which way the score is good: "lower is better" or "higher is better"."""
    return "higher is better" if score.higher_is_better else "lower is better"
