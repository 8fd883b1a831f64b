"""All that the pictures and tables of an experiment are made from."""

from __future__ import annotations

from collections.abc import Sequence

from whygap.answers.capacity import Capacities, capacities
from whygap.answers.edge import EdgeMap, edge_maps
from whygap.answers.epochs import Turns, turns
from whygap.answers.redraws import Redrawn, redrawn
from whygap.answers.worlds import Worlds, worlds
from whygap.records import Record
from whygap.trials import Answer, Experiment


class Findings(Record, frozen=True):
    """What was found to each question that was answered; empty, or None, to the others."""

    edge: tuple[EdgeMap, ...] = ()
    worlds: tuple[Worlds, ...] = ()
    epochs: tuple[Turns, ...] = ()
    capacity: Capacities | None = None
    redraws: tuple[Redrawn, ...] = ()


def findings_of(experiment: Experiment, answers: Sequence[Answer]) -> Findings:
    """Return what stands behind the answers of an experiment.

    Parameters
    ----------
    experiment : Experiment
        Finished or not.
    answers : sequence of Answer
        What `whygap.answers.answer` says of it.
    """
    asked, trials = {a.question for a in answers}, experiment.trials
    return Findings(
        edge=edge_maps(trials) if "edge" in asked else (),
        worlds=worlds(trials) if "worlds" in asked else (),
        epochs=turns(trials) if "epochs" in asked else (),
        capacity=capacities(trials) if "capacity" in asked else None,
        redraws=redrawn(trials) if "redraws" in asked else (),
    )
