"""An experiment in, its answers out: one for the claim that it tests, and one for each question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from whygap.answers.capacity import NEARLY_ALL, capacities
from whygap.answers.cells import cells_of
from whygap.answers.claims import claim
from whygap.answers.conditions import cases, condition, figure, named, sorted_by, state_of
from whygap.answers.edge import WORTH, edge_maps
from whygap.answers.epochs import Turns, turns
from whygap.answers.redraws import TOGETHER, redrawn
from whygap.answers.worlds import Worlds, worlds
from whygap.records import Estimate
from whygap.trials import Answer, AnswerState, Experiment, Question, Trial

Asked = Callable[[Sequence[Trial]], Answer | None]


def answer(experiment: Experiment) -> tuple[Answer, ...]:
    """Return what an experiment says: of its claim, where there is a test of it, and to its questions.

    Parameters
    ----------
    experiment : Experiment
        Finished or not: cells that have no run yet are left out. Where it asks nothing, every question is answered that its
        runs say something to.
    """
    trials = experiment.trials
    of_claim = claim(experiment.claim, trials) if experiment.claim else None
    found = [] if of_claim is None else [of_claim]
    for question, ask in QUESTIONS.items():
        if question in experiment.asks or (not experiment.asks and _is_worth_asking(question, trials)):
            said = ask(trials)
            if said is not None:
                found.append(said)
            elif experiment.asks:
                found.append(Answer(question=question, state="cannot_tell", sentence=_WANTED[question]))
    missing = experiment.wanted - len(trials)
    if missing > 0:
        left = f"{missing} of {experiment.wanted} runs are not finished."
        found = [Answer(**{f: getattr(a, f) for f in a.__struct_fields__} | {"caveats": (*a.caveats, left)}) for a in found]
    return tuple(found)


def where_it_overfits(trials: Sequence[Trial]) -> Answer | None:
    """Say from how many parameters per example on training examples score better than unseen ones, at the end of training."""
    maps = [m for m in edge_maps(trials) if m.regime != "fresh"]
    if not maps:
        return None
    sentences, states = [], []
    numbers: dict[str, Estimate] = {}
    for variant in dict.fromkeys(m.variant for m in maps):
        last = [m for m in maps if m.variant == variant][-1]
        shown = [c for c in last.cells if c.shows]
        hidden = [c for c in last.cells if not c.shows]
        states.append(state_of(shown, hidden, ()))
        where = f"After {last.stage.label}{f' ({variant})' if variant else ''}"
        counted = f"in {len(shown) or 'none'} of {cases(len(last.cells))}"
        text = f"{where}, memorisation shows {counted}"
        if last.none_up_to is not None and last.all_from is not None:
            text += f": from {figure(last.all_from)} parameters per example on in all, up to {figure(last.none_up_to)} in none"
        elif shown and hidden:
            told = condition(shown, hidden)
            text += told.removeprefix(counted) if told.startswith(counted) else f": {told}"
        worth = [c for c in last.cells if c.overfits == "yes"]
        if shown:
            text += f"; it is more than {WORTH:.0%} of the score of unseen examples in {len(worth) or 'none'}"
            text += f", from {figure(min(c.ratio for c in worth))} parameters per example on" if worth else ""
        sentences.append(f"{text}.")
        numbers |= {f"memorisation, {named(c)}{f', {variant}' if variant else ''}": c.memorisation for c in last.cells}
    state: AnswerState = states[0] if len(set(states)) == 1 else "holds_when"
    return Answer(question="edge", state=state, sentence=" ".join(sentences), numbers=numbers, caveats=_notes(trials))


def when_reuse_hurts(trials: Sequence[Trial]) -> Answer | None:
    """Say from which epoch on a reused training set gives a worse test score than fresh examples."""
    found = worlds(trials)
    if not found:
        return None
    yes, no, unclear = sorted_by(found, lambda w: w.hurts)
    state = state_of(yes, no, unclear)
    margin = f"{found[0].margin:.2g} in {found[0].score.name}" if len({w.margin for w in found}) == 1 else "a hundredth"
    text = f"Reuse hurts, by more than {margin}, in {len(yes) or 'none'} of {cases(len(found))}"
    text += f", {condition(yes, no)}" if yes and no else ""
    if yes:
        first, last = (pick(yes, key=_since) for pick in (min, max))
        text += f": first from {_epochs(first)} on ({named(first)})"
        text += f", last from {_epochs(last)} on ({named(last)})" if last is not first else ""
    if no:
        text += f"; never within {figure(max(w.epoch[-1] for w in no))} epochs in {len(no)}"
    numbers = {f"bootstrap gap, {named(w)}": w.bootstrap for w in found}
    numbers |= {f"generalisation gap, {named(w)}": w.generalisation for w in found}
    numbers |= {f"reuse hurts from epoch, {named(w)}": w.since for w in yes if w.since is not None}
    return Answer(question="worlds", state=state, sentence=f"{text}.", numbers=numbers, caveats=_notes(trials, unclear))


def when_validation_turns(trials: Sequence[Trial]) -> Answer | None:
    """Say when validation is at its best, and whether the first half of the curves foretold it."""
    found = [t for t in turns(trials) if len(t.epoch) > 4]
    if not found:
        return None
    yes, no, unclear = sorted_by(found, _turned)
    state = state_of(yes, no, unclear)
    text = f"Validation turns in {len(yes) or 'none'} of {cases(len(found))}"
    text += f", {condition(yes, no)}" if yes and no and {t.regime for t in found} == {"once"} else ""
    if yes:
        first, last = (pick(yes, key=lambda t: t.turn.value if t.turn else 0.0) for pick in (min, max))
        text += f": first at {_turn(first)}" + (f", last at {_turn(last)}" if last is not first else "")
    runs = [r for t in found for r in t.runs]
    turned = [r for r in runs if r.epoch is not None and r.forecast.state != "turned"]
    told = [r for r in turned if r.forecast.state == "turn"]
    if turned:
        text += f". From half of the epochs before it, a turn was foretold in {len(told)} of {len(turned)} runs that turned"
        text += f", and held by the interval in {sum(r.is_held is True for r in told)}" if told else ""
    still = [r for r in runs if r.epoch is None]
    if still:
        rightly = sum(r.forecast.state == "no_turn" for r in still)
        text += f"; of {cases(len(still), 'run')} that did not turn, none was expected in {rightly}"
    numbers = {f"turn, {t.regime}, {named(t)}": t.turn for t in yes if t.turn is not None}
    return Answer(question="epochs", state=state, sentence=f"{text}.", numbers=numbers, caveats=_notes(trials, unclear))


def what_is_learnt_by_heart(trials: Sequence[Trial]) -> Answer | None:
    """Say how many examples with random labels each network learns by heart, and that it learns nothing else from them."""
    found = capacities(trials)
    if found is None:
        return None
    yes, no, unclear = sorted_by([one for w in found.widths for one in w.learnt], lambda one: "yes" if one.is_learnt else "no")
    each = [
        f"{w.n_parameters:,} parameters {f'{w.most:,}' if w.most else 'fewer than ' + f'{w.learnt[0].n:,}'}"
        + (" or more" if w.too_many is None else "")
        for w in found.widths
    ]
    text = f"Of examples with random labels, to a training error of {NEARLY_ALL:.0%}: {', '.join(each)}"
    enough = [one for one in (*yes, *no) if one.ratio >= 1.0]
    if enough:
        text += f"; with a parameter or more per example, {sum(one.is_learnt for one in enough)} of {len(enough)} sets"
    guessed = "guessed" if found.is_at_chance else "not at chance"
    text += f". Unseen examples are {guessed}: error {str(found.unseen).replace('+', '')}, chance {found.chance:.3g}"
    numbers = {f"training error, {named(one)}": one.train for one in (*yes, *no)} | {"error on unseen examples": found.unseen}
    state: AnswerState = state_of(yes, no, unclear)
    return Answer(question="capacity", state=state, sentence=f"{text}.", numbers=numbers, caveats=_notes(trials))


def what_redraws_move(trials: Sequence[Trial]) -> Answer | None:
    """Say how far the gap moves when data and initial weights are drawn again, and which of them moves it most."""
    found = redrawn(trials)
    if not found:
        return None
    parts = []
    for r in found:
        total = r.of[TOGETHER]
        single = {name: e for name, e in r.of.items() if name in ("training set", "validation set", "initial weights")}
        most = max(single, key=lambda name: single[name].value, default="")
        text = f"{r.regime}, {named(r)}: {r.gap.value:+.3g}, give or take {total.value:.2g} [{total.low:.2g}, {total.high:.2g}]"
        parts.append(text + (f", most of it the {most} ({single[most].value:.2g})" if most else ""))
    most_said = 4
    more = f"; and {len(parts) - most_said} more" if len(parts) > most_said else ""
    said = f"{'; '.join(parts[:most_said])}{more}"
    text = f"The gap as reported, and its standard deviation where everything is drawn again: {said}."
    of = {f"sd of the gap, {name}, {r.regime}, {named(r)}": e for r in found for name, e in r.of.items()}
    is_crossed = all(r.is_crossed for r in found)
    caveats = () if is_crossed else ("Seeds are not crossed everywhere, so that what moves the gap can't be told apart.",)
    return Answer(question="redraws", state="holds", sentence=text, numbers=of, caveats=(*_notes(trials), *caveats))


QUESTIONS: Mapping[Question, Asked] = {
    "edge": where_it_overfits,
    "worlds": when_reuse_hurts,
    "epochs": when_validation_turns,
    "capacity": what_is_learnt_by_heart,
    "redraws": what_redraws_move,
}

_WANTED: Mapping[Question, str] = {
    "edge": "It takes runs that reuse their examples, of which none is finished.",
    "worlds": "It takes runs of one network on as many examples both once and fresh, of which none are finished.",
    "epochs": "It takes runs of five looks or more, of which none is finished.",
    "capacity": "It takes runs on random labels with an error score, of which none is finished.",
    "redraws": "It takes two runs or more that differ in their seeds alone, of which none are finished.",
}


def _is_worth_asking(question: Question, trials: Sequence[Trial]) -> bool:
    """Return whether a question that nobody asked is answered: redraws only where they can be told apart."""
    return question != "redraws" or any(r.is_crossed for r in redrawn(trials))


def _notes(trials: Sequence[Trial], unclear: Sequence[object] = ()) -> tuple[str, ...]:
    grouped = cells_of(trials)
    single = sum(len(c.trials) == 1 for c in grouped.cells)
    one = (f"{single} of {cases(len(grouped.cells))} have one seed, and no interval over seeds.",) if single else ()
    return (*grouped.notes, *one, *((f"{cases(len(unclear))} can't be told.",) if unclear else ()))


def _since(one: Worlds) -> float:
    return one.since.value if one.since is not None else 0.0


def _epochs(one: Worlds) -> str:
    e = one.since
    return "" if e is None else f"epoch {e.value:.3g} [{e.low:g}, {e.high:g}]"


def _turned(one: Turns) -> str:
    return "yes" if one.turn is not None else "no" if one.n_turned == 0 else ""


def _turn(one: Turns) -> str:
    e = one.turn
    return "" if e is None else f"epoch {e.value:.3g} [{e.low:.3g}, {e.high:.3g}] ({one.regime}, {named(one)})"
