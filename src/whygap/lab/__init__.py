"""Experiments on processes: whole training runs, data included, compiled by JAX and trained on all cores.

Needs JAX and optax: `pip install 'whygap[lab]'`. Importing it imports neither.
"""

from whygap.lab.attention import transformer
from whygap.lab.criterion import Classification, Regression
from whygap.lab.curves import Curves
from whygap.lab.engine import Job, train, train_all
from whygap.lab.models import Model, cnn, linear, mlp, n_parameters
from whygap.lab.outside import from_equinox, from_flax
from whygap.lab.plan import Plan, Seeds
from whygap.lab.recurrent import gru, lstm
from whygap.lab.redraws import Redraws, as_table, redraw, redraw_both

__all__ = [
    "Classification",
    "Curves",
    "Job",
    "Model",
    "Plan",
    "Redraws",
    "Regression",
    "Seeds",
    "as_table",
    "cnn",
    "from_equinox",
    "from_flax",
    "gru",
    "linear",
    "lstm",
    "mlp",
    "n_parameters",
    "redraw",
    "redraw_both",
    "train",
    "train_all",
    "transformer",
]
