"""The claims of the project, put to the test: each can come out either way, hold in some cases only, or be left open."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from whygap.answers.against_zero import (
    NIL,
    came_out,
    excess,
    late_memorisation,
    put_to_test,
    rank_correlation,
    ratio_of_jumps,
    worth_of,
)
from whygap.answers.cells import Cell, Cells, cells_of
from whygap.answers.conditions import cases, condition, figure, named, sorted_by, state_of
from whygap.answers.edge import EdgeCell, rate
from whygap.answers.redraws import redrawn_of
from whygap.answers.worlds import partners
from whygap.records import Estimate
from whygap.trials import Answer, AnswerState, Question, Trial


def claim(name: str, trials: Sequence[Trial], *, level: float = 0.95) -> Answer | None:
    """Return what trials say of a claim by its name, such as "C5"; None where there is no test of it.

    Parameters
    ----------
    name : str
        "C1", "C2", "C3", "C5", "C6" or "C9".
    trials : sequence of Trial
        Any settings.
    level : float
        Of the intervals; tests are one-sided at (1 - level) / 2, and all cells together are paid for.
    """
    test = _TESTS.get(name)
    return None if test is None else test(cells_of(trials), level)


def adapting_widens_the_gap(grouped: Cells, level: float) -> Answer:
    """C1: the more a model adapts to its training examples, the bigger the gap.

    In each cell that memorises: does the memorisation term grow as the training score improves, by rank over the looks of each
    run?
    """
    last = _last(grouped, level, "once", "pool")
    reused = [cell for cell, e in last if e.shows]
    found = put_to_test(reused, [rank_correlation(c) for c in reused], level)
    yes, no, unclear = sorted_by(found, lambda t: t.says)
    state = state_of(yes, no, unclear)
    numbers = {f"rank correlation, {named(t)}": t.estimate for t in found}
    caveats = _caveats(grouped, unclear)
    if not last:
        text = "No run reuses its examples, so that none can adapt to them."
        return _answer("edge", "C1", "cannot_tell", text, caveats=caveats)
    if not found:
        text = f"In none of {cases(len(last))} do training examples score better than unseen ones, so nothing adapts."
        return _answer("edge", "C1", "cannot_tell", text, caveats=caveats)
    largest = max((e for _, e in last if e.shows), key=lambda e: e.memorisation.value)
    smallest = min(found, key=lambda t: t.estimate.value)
    text = {
        "holds": f"Wherever a network memorises, its gap grows as its training score improves: the rank correlation "
        f"over epochs is {smallest.estimate} or more in {cases(len(yes))}",
        "holds_when": f"The gap grows as the training score improves {condition(yes, no) if no and yes else ''}",
        "does_not_hold": f"The gap doesn't grow as the training score improves: the rank correlation is {smallest.estimate} "
        f"({named(smallest)})",
        "cannot_tell": f"Whether the gap grows with adapting can't be told in {len(unclear)} of {len(found)} cases",
    }[state]
    text += f"; the largest memorisation term is {largest.memorisation} ({named(largest)})."
    return _answer("edge", "C1", state, text, numbers, caveats)


def fresh_is_never_memorised(grouped: Cells, level: float) -> Answer:
    """C2: examples that never come twice can't be memorised. Their memorisation term is nil: within a margin, covering zero.

    The term is averaged over the second half of the looks, each of which has other training examples: so the luck of their draw
    averages out.
    """
    cells = grouped.of("fresh")
    caveats = _caveats(grouped, ())
    if not cells:
        return _answer("worlds", "C2", "cannot_tell", "No run was trained on fresh examples only.", caveats=caveats)
    paid = 1.0 - (1.0 - level) / len(cells)  # zero must lie in every interval
    found = [late_memorisation(cell, level, paid) for cell in cells]
    numbers = {f"memorisation, {named(t)}": t.estimate for t in found}
    nil, more, unclear = sorted_by(found, lambda t: t.says)
    trace = [t for t in unclear if t.says == "trace"]
    unclear = [t for t in unclear if t.says != "trace"]
    most = max(found, key=lambda t: abs(t.estimate.value))
    within = f"within {NIL:.0%} of the unseen score"
    state = state_of([*nil, *trace], more, unclear)
    if state == "holds" and trace:
        state = "holds_when"
        text = f"Fresh examples keep but the trace of a single visit: {within} in all, and above zero in {len(trace)}"
    elif state == "holds":
        text = f"Fresh examples are not memorised: the interval holds zero and is {within} in {len(nil)} of {len(found)} cases"
    elif state == "holds_when":
        text = f"The trace of a single visit is {within} {condition([*nil, *trace], more)}"
    elif state == "does_not_hold":
        text = f"Even examples that come once are remembered for a while: the term is not {within} in {cases(len(more))}"
    else:
        text = f"The intervals are too wide to say that it is nil in {len(unclear)} of {len(found)} cases"
    return _answer("worlds", "C2", state, f"{text}; the largest term is {most.estimate} ({named(most)}).", numbers, caveats)


def experiment_shows_it(grouped: Cells, level: float) -> Answer:
    """C3: an experiment shows that reuse lets a network memorise, and fresh examples don't: the one term less the other."""
    pairs = partners(grouped)
    reals = [real for real, _ in pairs]
    found = put_to_test(reals, [excess(*pair) for pair in pairs], level, nil=[worth_of(c) for c in reals])
    caveats = _caveats(grouped, [t for t in found if not t.says])
    if not found:
        text = "No network was trained on as many examples both once and fresh."
        return _answer("worlds", "C3", "cannot_tell", text, caveats=caveats)
    yes, no, unclear = sorted_by(found, lambda t: t.says)
    state = state_of(yes, no, unclear)
    most = max(found, key=lambda t: t.estimate.value)
    text = {
        "holds": f"Reused examples are memorised and fresh ones are not, all else equal, in {len(yes)} of {cases(len(found))}",
        "holds_when": f"Reused examples are memorised more than fresh ones {condition(yes, no) if yes and no else ''}",
        "does_not_hold": f"Reused examples are memorised no more than fresh ones in {len(no)} of {cases(len(found))}",
        "cannot_tell": f"Whether reused examples are memorised more can't be told in {len(unclear)} of {len(found)} cases",
    }[state]
    numbers = {f"memorisation once - fresh, {named(t)}": t.estimate for t in found}
    return _answer(
        "worlds", "C3", state, f"{text}; the largest difference is {most.estimate} ({named(most)}).", numbers, caveats
    )


def too_few_parameters(grouped: Cells, level: float) -> Answer:
    """C5: overfitting is absent where there are too few parameters for the number of examples.

    At one number of examples, larger networks must overfit and smaller ones not; and over all of them it should be the
    parameters per example that tell.
    """
    last = [e for _, e in _last(grouped, level, "once", "pool")]
    yes, no, unclear = sorted_by(last, lambda e: e.overfits)
    numbers = {f"memorisation, {named(e)}": e.memorisation for e in last}
    caveats = _caveats(grouped, unclear)

    def answer(state: AnswerState, text: str) -> Answer:
        return _answer("edge", "C5", state, text, numbers, caveats)

    if not last:
        return answer("cannot_tell", "No run reuses its examples.")
    least, most = min(e.ratio for e in last), max(e.ratio for e in last)
    tried = f"from {figure(least)} to {figure(most)} parameters per example"
    if len({e.n_parameters for e in last}) == 1:
        return answer("cannot_tell", "All networks have as many parameters: it takes smaller and larger ones.")
    if not yes:
        return answer(
            "cannot_tell", f"Nothing overfits {tried}, so a lack of parameters can't be shown to be why; try more of them."
        )
    if not no and state_of(yes, no, unclear) == "holds":
        return answer("does_not_hold", f"Everything that can be told overfits {tried}: parameters were never too few.")
    if not no:
        return answer("cannot_tell", f"{cases(len(unclear))} of {len(last)} can't be told {tried}.")
    agree: list[_AtN] = []
    contrary: list[_AtN] = []
    for n in sorted({e.n for e in last}):
        with_, without = [e.n_parameters for e in yes if e.n == n], [e.n_parameters for e in no if e.n == n]
        if with_ and without:
            (agree if max(without) < min(with_) else contrary).append((n, without, with_))
    if not agree and not contrary:
        text = "At no number of examples does one network overfit and another not: examples alone set them apart here"
        return answer("cannot_tell", f"{text}, {condition(yes, no)}.")
    if not agree:
        return answer("does_not_hold", f"At {_listed(contrary)} examples, fewer parameters overfit no less than more of them.")
    shown = "; ".join(f"at {n:,} examples between {max(a):,} and {min(b):,} parameters" for n, a, b in agree)
    highest_no, lowest_yes = max(e.ratio for e in no), min(e.ratio for e in yes)
    if contrary:
        text = f"Too few parameters keep a network from overfitting only when trained on {_listed(agree)} examples"
        return answer("holds_when", f"{text}, not on {_listed(contrary)}: {shown}.")
    if highest_no < lowest_yes:
        text = f"Of what can be told, nothing overfits up to {figure(highest_no)} parameters per example, and all "
        text += f"from {figure(lowest_yes)} on"
        return answer("holds", f"{text}: {shown}.")
    text = f"Too few parameters keep a network from overfitting only when the number of examples is given: {shown}"
    return answer("holds_when", f"{text}. It holds only when examples are counted too: from {figure(lowest_yes)} to "
                  f"{figure(highest_no)} parameters per example some overfit and some do not.")  # fmt: skip


def longer_brings_it_out(grouped: Cells, level: float) -> Answer:
    """C6: more epochs bring overfitting out. It is there at the last look, was not at the first, and has grown meanwhile."""
    cells = grouped.of("once", "pool")
    numbers: dict[str, Estimate] = {}
    caveats = _caveats(grouped, ())
    if not cells or max(c.epoch.size for c in cells) < 2:
        return _answer("epochs", "C6", "cannot_tell", "No run that reuses its examples was looked at twice.", caveats=caveats)
    said = came_out(cells, level)
    yes, no, rest = sorted_by(said, lambda t: t.says)
    already = [t for t in rest if t.says == "already"]
    unclear = [t for t in rest if t.says != "already"]
    numbers = {f"growth of memorisation, {named(t)}": t.estimate for t in said}
    fresh = came_out(grouped.of("fresh"), level)
    state = state_of(yes, no, unclear)
    epochs = figure(max(c.epochs for c in cells))
    text = {
        "holds": f"Overfitting that is not there at first comes out within {epochs} epochs in {len(yes)} of {cases(len(said))}",
        "holds_when": f"Overfitting comes out within {epochs} epochs only {condition(yes, no) if yes and no else ''}",
        "does_not_hold": f"No overfitting comes out within {epochs} epochs in {len(no)} of {cases(len(said))}",
        "cannot_tell": f"Whether more epochs bring overfitting out can't be told in {len(unclear)} of {len(said)} cases",
    }[state]
    if already:
        text += f"; in {len(already)} it is there at the first look"
    if fresh:
        text += f"; with fresh examples in {sum(t.says == 'yes' for t in fresh) or 'none'} of {len(fresh)}"
    return _answer("epochs", "C6", state, f"{text}.", numbers, _caveats(grouped, unclear))


def fresh_jumps_more(grouped: Cells, level: float) -> Answer:
    """C9: the gap jumps further from epoch to epoch when the examples are drawn anew for each than when they are drawn once."""
    every = {(r.regime == "fresh", r.variant, r.n_parameters, r.n, r.epochs): r for r in redrawn_of(grouped, level=level)}
    pairs = [(r, every[True, *key[1:]]) for key, r in every.items() if not key[0] and (True, *key[1:]) in every]
    pairs = [(a, b) for a, b in pairs if min(len(a.jump_logs), len(b.jump_logs)) >= 2]
    caveats = _caveats(grouped, ())
    if not pairs:
        text = "It takes two runs or more of at least six looks, on as many examples both once and fresh."
        return _answer("redraws", "C9", "cannot_tell", text, caveats=caveats)
    paid = 1.0 - (1.0 - level) / len(pairs)
    found = [ratio_of_jumps(once, fresh, paid) for once, fresh in pairs]
    yes, no, unclear = sorted_by(found, lambda t: t.says)
    state = state_of(yes, no, unclear)
    text = {
        "holds": f"From look to look the gap jumps further with fresh examples in {len(yes)} of {cases(len(found))}",
        "holds_when": f"The gap jumps further with fresh examples only {condition(yes, no) if yes and no else ''}",
        "does_not_hold": f"From look to look the gap jumps no further with fresh examples in {len(no)} of {cases(len(found))}",
        "cannot_tell": f"Whether the gap jumps further with fresh examples can't be told in {len(unclear)} of {len(found)}",
    }[state]
    ends = [min(found, key=lambda t: t.estimate.value), max(found, key=lambda t: t.estimate.value)]
    text += f": {' to '.join(dict.fromkeys(_times(t.estimate) for t in ends))} as far"
    numbers = {f"jumps fresh / once, {named(t)}": t.estimate for t in found}
    return _answer("redraws", "C9", state, f"{text}.", numbers, _caveats(grouped, unclear))


_AtN = tuple[int, list[int], list[int]]  # examples, and the parameters of those that don't and that do overfit

_TESTS: Mapping[str, Callable[[Cells, float], Answer]] = {
    "C1": adapting_widens_the_gap,
    "C2": fresh_is_never_memorised,
    "C3": experiment_shows_it,
    "C5": too_few_parameters,
    "C6": longer_brings_it_out,
    "C9": fresh_jumps_more,
}


def _last(grouped: Cells, level: float, *regimes: str) -> list[tuple[Cell, EdgeCell]]:
    """Return the cells of some regimes and how they are rated at their last look; of several lengths only the longest."""
    longest: dict[tuple[object, ...], Cell] = {}
    for cell in grouped.of(*regimes):  # in the order of their epochs
        longest[cell.regime, cell.variant, cell.n_parameters, cell.n] = cell
    cells = list(longest.values())
    return list(zip(cells, rate([(c, c.epoch.size - 1) for c in cells], None, level), strict=True))


def _caveats(grouped: Cells, unclear: Sequence[object]) -> tuple[str, ...]:
    left_open = (f"{cases(len(unclear))} can't be told.",) if unclear else ()
    single = sum(len(c.trials) == 1 for c in grouped.cells)
    one = (f"{single} of {cases(len(grouped.cells))} have one seed, and say nothing of others.",) if single else ()
    return (*grouped.notes, *one, *left_open)


def _listed(found: Sequence[_AtN]) -> str:
    return ", ".join(f"{n:,}" for n, _, _ in found)


def _times(e: Estimate) -> str:
    return f"{e.value:.2f} [{e.low:.2f}, {e.high:.2f}] times"


def _answer(
    question: Question,
    name: str,
    state: AnswerState,
    text: str,
    numbers: Mapping[str, Estimate] | None = None,
    caveats: Sequence[str] = (),
) -> Answer:
    of = dict(numbers or {})
    return Answer(question=question, claim=name, state=state, sentence=text, numbers=of, caveats=tuple(caveats))
