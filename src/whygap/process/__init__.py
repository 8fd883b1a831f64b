"""Seeded generators of examples: pure functions from (seed, split, epoch, index) to an example."""

from whygap.process.adding import AddingProblem
from whygap.process.check import check_process
from whygap.process.draws import Draws
from whygap.process.mixture import GaussianMixture
from whygap.process.mnist1d import MNIST1D
from whygap.process.modular import ModularAddition
from whygap.process.parity import SparseParity
from whygap.process.process import Process, Truth, process
from whygap.process.sequence_regression import SequenceRegression
from whygap.process.sequences import Sequences, draw_sequences
from whygap.process.shapes import Shapes
from whygap.process.teacher import TeacherStudent

__all__ = [
    "MNIST1D",
    "AddingProblem",
    "Draws",
    "GaussianMixture",
    "ModularAddition",
    "Process",
    "SequenceRegression",
    "Sequences",
    "Shapes",
    "SparseParity",
    "TeacherStudent",
    "Truth",
    "check_process",
    "draw_sequences",
    "process",
]
