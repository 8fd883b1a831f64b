"""What experiments say: trials in, answers with numbers and intervals out, one module for each question."""

from whygap.answers.answer import answer
from whygap.answers.capacity import Capacities, Capacity, Learnt, capacities
from whygap.answers.claims import claim
from whygap.answers.edge import EdgeCell, EdgeMap, edge_maps
from whygap.answers.epochs import Turn, Turns, turns
from whygap.answers.findings import Findings, findings_of
from whygap.answers.redraws import Redrawn, redrawn
from whygap.answers.stages import Stage
from whygap.answers.worlds import Band, Worlds, worlds

__all__ = [
    "Band",
    "Capacities",
    "Capacity",
    "EdgeCell",
    "EdgeMap",
    "Findings",
    "Learnt",
    "Redrawn",
    "Stage",
    "Turn",
    "Turns",
    "Worlds",
    "answer",
    "capacities",
    "claim",
    "edge_maps",
    "findings_of",
    "redrawn",
    "turns",
    "worlds",
]
