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
        "the reported training loss holds a regularisation penalty",
        "Compare the data part of the loss on both sides.",
        True,
    ),
    "reduction": Words(
        "the reported training number doesn't count every example once",
        "Weight batches by their rows and leave sample weights out where you compare.",
        True,
    ),
    "averaging": Words(
        "the training score is averaged over an epoch in which the weights were still changing, "
        "and validation is scored with the last ones",
        "Nothing to fix; to compare like with like, score the training examples at the end of the epoch.",
        True,
    ),
    "mode": Words(
        "training is scored in train mode (dropout, batch statistics) and validation in eval mode",
        "Nothing to fix; score training examples in eval mode where you compare.",
        True,
    ),
    "augmentation": Words("training examples are augmented and validation examples are not", "Nothing to fix.", True),
    "criterion": Words(
        "training and validation are scored by different criteria", "Use one criterion on both where you compare.", True
    ),
    "weights": Words("validation uses other weights than training (an average or a checkpoint)", "Nothing to fix.", True),
    "memorisation": Words(
        "the network scores the very examples that it was trained on differently from others like them",
        "If validation has stopped improving: more data, a smaller network, more regularisation, or stop earlier.",
        False,
    ),
    "shift": Words(
        "the validation examples are harder or easier than training-like ones",
        "Look at how the validation set was drawn and preprocessed.",
        False,
    ),
    "generalisation": Words(
        "validation examples score differently from the training examples under the same weights "
        "(memorisation and differences between the two sets, together)",
        "Hand over a third sample, fresh=, to tell the two apart.",
        False,
    ),
    "reduction_valid": Words(
        "the reported validation number doesn't count every example once",
        "Weight batches by their rows and leave sample weights out where you compare.",
        True,
    ),
    "penalty_valid": Words(
        "the reported validation loss holds a regularisation penalty", "Compare the data part of the loss on both sides.", True
    ),
}
