"""How far into training a grid is looked at: after so many epochs, or after so many steps where these are what all share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from whygap.answers.cells import Cell
from whygap.records import Record

SHARES = (1 / 16, 1 / 4, 1.0)


class Stage(Record, frozen=True):
    """A point of training that cells are compared at.

    `label` names it ("40 epochs", "6,000 steps"). It is at `share` of the epochs of those cells that are trained for `of`
    epochs, or of all cells where that is None.
    """

    label: str
    share: float = 1.0
    of: int | None = None

    def look(self, cell: Cell) -> int | None:
        """Return the place of this stage among a cell's looks, or None where the cell isn't trained for so long or so short."""
        if self.of is not None and cell.epochs != self.of:
            return None
        return int(np.abs(cell.epoch - self.share * cell.epochs).argmin())


def stages_of(cells: Sequence[Cell]) -> tuple[Stage, ...]:
    """Return the stages that cells share, the earliest first.

    Runs of several lengths are looked at when they end; runs of one length at a sixteenth and a quarter of it too. Where each
    number of examples has a length of its own, steps are what they share.
    """
    if not cells:
        return ()
    by_length: dict[int, set[int]] = {}
    for cell in cells:
        by_length.setdefault(cell.epochs, set()).add(cell.n)
    n_examples = len({c.n for c in cells})
    if len(by_length) > 1 and (n_examples == 1 or max(len(n) for n in by_length.values()) > 1):
        return tuple(Stage(label=_epochs(length), of=length) for length in sorted(by_length))
    if len(by_length) == 1:
        (length,) = by_length
        longest = max(cells, key=lambda c: c.epoch.size).epoch
        at = {int(longest[np.abs(longest - share * length).argmin()]) for share in SHARES}
        return tuple(Stage(label=_epochs(e), share=e / length) for e in sorted(at))
    steps = [_steps(c) for c in cells]
    known = [s for s in steps if s is not None]
    if len(known) == len(steps) and max(known) < 1.05 * min(known):
        return tuple(Stage(label=f"{_rounded(share * max(known)):,} steps", share=share) for share in SHARES)
    return (Stage(label="all of its training"),)


def _epochs(count: int) -> str:
    return f"{count} epoch{'s' if count != 1 else ''}"


def _steps(cell: Cell) -> int | None:
    settings = cell.trials[0].settings
    batch, n = settings.get("batch_size"), settings.get("n")
    return cell.epochs * -(-int(n) // int(batch)) if isinstance(batch, int) and isinstance(n, int) else None


def _rounded(steps: float) -> int:
    return int(float(f"{steps:.2g}")) if steps >= 100 else round(steps)
