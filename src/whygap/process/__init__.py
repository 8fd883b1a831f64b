"""Seeded generators of examples, the regimes that choose among these, and the stream in which a training run meets them."""

from whygap.process.adding import AddingProblem
from whygap.process.base import Process, Truth, process
from whygap.process.check import check_process
from whygap.process.draws import Draws
from whygap.process.label_noise import LabelNoise
from whygap.process.mixture import GaussianMixture
from whygap.process.mnist1d import MNIST1D
from whygap.process.modular import ModularAddition
from whygap.process.parity import SparseParity
from whygap.process.regimes import Fresh, Once, Pool, Regime
from whygap.process.sequence_regression import SequenceRegression
from whygap.process.sequences import Sequences, draw_sequences
from whygap.process.shapes import Shapes
from whygap.process.stream import Stream
from whygap.process.teacher import TeacherStudent

__all__ = [
    "MNIST1D",
    "AddingProblem",
    "Draws",
    "Fresh",
    "GaussianMixture",
    "LabelNoise",
    "ModularAddition",
    "Once",
    "Pool",
    "Process",
    "Regime",
    "SequenceRegression",
    "Sequences",
    "Shapes",
    "SparseParity",
    "Stream",
    "TeacherStudent",
    "Truth",
    "check_process",
    "draw_sequences",
    "process",
]
