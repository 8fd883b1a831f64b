"""Augmentation: whether the views of an example that an epoch shows are new ones."""

from __future__ import annotations

from typing import NamedTuple

from whygap.audit.histories import Histories
from whygap.audit.tally import Tallied

TOO_FEW = 1 / 4
"""New views, as a part of what augmentation must give if each epoch draws anew, below which it draws the same ones."""

FEWEST_CHANGED = 0.001
"""Share of presentations that must differ from the example itself for there to be any augmentation."""


class Views(NamedTuple):
    """The same presentations before augmentation, and the share of them that augmentation left as they are."""

    clean: Tallied
    unchanged: float


def are_stale(augmented: Histories, views: Views) -> bool:
    """Return whether the examples come again in other epochs, and their augmented views come again with them.

    Say that augmentation changes the share q of the presentations. With two presentations or more, an example then has more
    than one view with a probability of at least q, even if there are as few views as an image and its mirror image have;
    and where the views repeat every epoch, there are as many as there are examples.
    """
    halvings = max(augmented.halvings, views.clean.histories.halvings)
    clean, augmented = views.clean.histories.halved(halvings), augmented.halved(halvings)
    changed = 1.0 - views.unchanged
    n_again = int((clean.n_epochs > 1).sum())
    return changed >= FEWEST_CHANGED and n_again > 0 and augmented.n - clean.n < TOO_FEW * changed * n_again
