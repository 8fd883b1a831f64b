"""What a model's outputs are worth, example by example: the loss that is trained on, and the scores recorded with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whygap.records import Score

LOSS = Score(name="loss")
ERROR = Score(name="error")
SOFT_ERROR = Score(name="soft_error")
ABSOLUTE_ERROR = Score(name="absolute_error")


@dataclass(frozen=True)
class Classification:
    """Cross-entropy of logits (n, c) and int classes (n,); error (share of wrong classes); soft error.

    The soft error is 1 - the probability that the model gives to the true class: Nakkiran, Neyshabur and Sedghi, The Deep
    Bootstrap Framework, ICLR 2021, arXiv:2010.08127.
    """

    scores: tuple[Score, ...] = (LOSS, ERROR, SOFT_ERROR)

    def each(self, z: Any, y: Any) -> Any:
        """Return the scores of every example, of shape (3, n), the loss first; NaN in the loss counts as a wrong class."""
        import jax.numpy as jnp
        from jax import lax

        highest = lax.stop_gradient(z.max(axis=1))
        # a comparison and a sum: XLA's gather of one logit per row takes longer, and its gradient is a slow scatter
        true = jnp.where(y[:, None] == jnp.arange(z.shape[1]), z, 0.0).sum(axis=1)
        loss = jnp.log(jnp.exp(z - highest[:, None]).sum(axis=1)) + highest - true
        wrong = jnp.where(true >= highest, 0.0, 1.0)  # this way round, so that a NaN is wrong
        return jnp.stack([loss, wrong, 1.0 - jnp.exp(-loss)])


@dataclass(frozen=True)
class Regression:
    """Squared error of outputs (n, ...) and targets of as many numbers, and absolute error, both the mean over the numbers."""

    scores: tuple[Score, ...] = (LOSS, ABSOLUTE_ERROR)

    def each(self, z: Any, y: Any) -> Any:
        """Return the scores of every example, of shape (2, n), the loss first."""
        import jax.numpy as jnp

        error = (z.reshape(y.shape) - y).reshape(y.shape[0], -1)
        return jnp.stack([(error**2).mean(axis=1), jnp.abs(error).mean(axis=1)])


Criterion = Classification | Regression
