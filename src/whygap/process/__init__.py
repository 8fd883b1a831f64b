"""Seeded generators of examples: pure functions from (seed, split, epoch, index) to an example."""

from whygap.process.draws import Draws
from whygap.process.process import Process, Truth, process
from whygap.process.regimes import Fresh, Once, Pool, Regime
from whygap.process.sequences import Sequences, draw_sequences
from whygap.process.stream import Stream
from whygap.process.teacher import TeacherStudent

__all__ = [
    "Draws",
    "Fresh",
    "Once",
    "Pool",
    "Process",
    "Regime",
    "Sequences",
    "Stream",
    "TeacherStudent",
    "Truth",
    "draw_sequences",
    "process",
]
