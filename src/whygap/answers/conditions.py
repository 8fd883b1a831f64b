"""In words, what sets cells where something holds apart from those where it doesn't."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from whygap.trials import AnswerState

T = TypeVar("T")

FEW = 3
"""Cases that are named one by one."""


class Sized(Protocol):
    """A cell of any kind of result."""

    @property
    def n_parameters(self) -> int: ...
    @property
    def n(self) -> int: ...
    @property
    def ratio(self) -> float: ...


def state_of(yes: Sequence[object], no: Sequence[object], unclear: Sequence[object]) -> AnswerState:
    """Return what cells say together; where most are unclear, nothing."""
    if yes and no:
        return "holds_when"
    if len(yes) > 0 and len(yes) >= len(unclear):
        return "holds"
    if len(no) > 0 and len(no) >= len(unclear):
        return "does_not_hold"
    return "cannot_tell"


def sorted_by(cells: Sequence[T], says: Callable[[T], str]) -> tuple[list[T], list[T], list[T]]:
    """Return the cells that say "yes", "no" and anything else."""
    found: dict[str, list[T]] = {"yes": [], "no": [], "": []}
    for cell in cells:
        said = says(cell)
        found[said if said in found else ""].append(cell)
    return found["yes"], found["no"], found[""]


def condition(yes: Sequence[Sized], no: Sequence[Sized]) -> str:
    """Say when it holds: by parameters per example, or else by examples or parameters; where none tells, by counting or naming.

    Parameters
    ----------
    yes, no : sequence of cells
        Where it holds and where it doesn't, at least one of each.
    """
    for name, by in (("parameters per example", _ratio), ("examples", _n), ("parameters", _n_parameters)):
        with_, without = [by(c) for c in yes], [by(c) for c in no]
        if min(with_) > max(without):
            return f"with {figure(min(with_))} {name} or more, and not with {figure(max(without))} or fewer"
        if max(with_) < min(without):
            return f"with {figure(max(with_))} {name} or fewer, and not with {figure(min(without))} or more"
    seen = f"in {len(yes)} of {len(yes) + len(no)} cases"
    if len(no) <= FEW:
        return f"{seen}, and not with {'; '.join(named(c) for c in no)}"
    return f"{seen}, which neither parameters nor examples alone set apart"


def figure(number: float) -> str:
    """Return a count, or a ratio in three digits."""
    return f"{number:,.0f}" if number >= 100 or number == int(number) else f"{number:.3g}"


def cases(count: int, noun: str = "case") -> str:
    """Return a count with its noun."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def named(cell: Sized) -> str:
    """Name a cell by its size."""
    return f"{cell.n_parameters:,} parameters, {cell.n:,} examples"


def _ratio(cell: Sized) -> float:
    return cell.ratio


def _n(cell: Sized) -> float:
    return cell.n


def _n_parameters(cell: Sized) -> float:
    return cell.n_parameters
