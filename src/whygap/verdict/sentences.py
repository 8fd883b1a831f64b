"""What is said of each cause, and what to do about it: words only, the numbers are put in by the judge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from whygap.records import Cause


class Words(NamedTuple):
    """`reason` completes "because ..."; `advice` is what to do, or that there is nothing to do."""

    reason: str
    advice: str
    is_harmless: bool


WORDS: Mapping[Cause, Words] = {
    "penalty": Words(
        "the reported training score includes a regularisation penalty",
        "Harmless; to compare like with like, leave the penalty out on both sides.",
        True,
    ),
    "reduction": Words(
        "the reported training score doesn't count every example once (a short last batch, weights, a window)",
        "Harmless; to compare like with like, weight batches by their rows and leave sample weights out.",
        True,
    ),
    "averaging": Words(
        "the training score is an average over the epoch, taken while the weights were still changing, "
        "and validation is scored with the last weights",
        "Harmless; to compare like with like, score the training examples at the end of the epoch.",
        True,
    ),
    "mode": Words(
        "training is scored in train mode (dropout, batch statistics) and validation in eval mode",
        "Harmless; to compare like with like, score the training examples in eval mode.",
        True,
    ),
    "augmentation": Words(
        "training examples are augmented before they are scored and validation examples are not",
        "Harmless; to compare like with like, score the training examples without augmentation.",
        True,
    ),
    "criterion": Words(
        "training and validation are scored by different criteria, such as label smoothing on one side only",
        "Harmless; to compare like with like, score the training examples by the validation criterion too.",
        True,
    ),
    "weights": Words(
        "validation is scored with other weights than those that training ended with (an average or a checkpoint)",
        "Harmless where validation looks better for it; where it looks worse, the average lags behind or the checkpoint is "
        "old: average over fewer steps, or validate with the last weights.",
        True,
    ),
    "memorisation": Words(
        "the network scores the very examples that it was trained on differently from fresh ones of the same kind",
        "Once validation stops improving: more data, a smaller network, more regularisation, or an earlier stop.",
        False,
    ),
    "shift": Words(
        "validation examples are easier or harder than fresh examples of the training kind",
        "Look at how the validation set was drawn and preprocessed.",
        False,
    ),
    "generalisation": Words(
        "validation examples score differently from training examples under the same weights",
        "Memorisation or a difference between the two sets: hand over a third sample, fresh=, to tell which.",
        False,
    ),
    "reduction_valid": Words(
        "the reported validation score doesn't count every example once (a short last batch, or weights)",
        "Harmless; to compare like with like, weight batches by their rows and leave sample weights out.",
        True,
    ),
    "penalty_valid": Words(
        "the reported validation score includes a regularisation penalty",
        "Harmless; to compare like with like, leave the penalty out on both sides.",
        True,
    ),
}
