"""A whole training run as one function that XLA compiles: epochs within looks, steps within epochs, scores after each look.

What was measured on two cores of an AMD EPYC (40-h-h-10 networks, batches of 100, Adam; microseconds a step on one core):

* Of a step of 14 at h = 8, the gather of a batch from the set takes 3.5, the loss and its gradient 2.5, products of matrices the
  rest. To gather a whole epoch first, to unroll the steps, or to join the parameters into one vector gains nothing.
* A random order by sorting, as `jax.random.permutation` has it, takes 1,700 an epoch of 4,000 examples: 43 a step, three times the
  step itself. The keyed permutation of the process takes 16 an epoch, and gives the order that every other loader has.
* Scores of the end of an epoch take 4 to 5 per hundred examples at h = 8 in pieces of a thousand, 5.5 to 7 in pieces of a hundred.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from whygap.lab.plan import Plan
from whygap.lab.sets import Sets
from whygap.process.regimes import in_order

PIECE = 1000
"""Examples that are scored together: more take more memory and are no faster."""

Scores = dict[str, Any]
Train = Callable[[Any, Any, Sets], Scores]


class Source(NamedTuple):
    """Where the training examples of a run come from."""

    order: Callable[[Any], Any]
    """From the epoch to what `batch` wants to know of its order."""

    batch: Callable[[Any, Any, Any], Any]
    """From the epoch, what `order` gave and places in it to (x, y)."""

    visited: Callable[[Any, Any], Any]
    """From the epoch and positions, in any order, to (x, y)."""


def build_training(plan: Plan) -> Train:
    """Return the function from (training seed, initial seed, sets) to the scores of one run, all of them JAX arrays.

    The scores are of shape (looks, s): `reported`, the mean of what the batches scored as they were visited in the last epoch
    before the look, each example counted once; `train`, the same examples at the weights of that epoch's end. And of shape
    (looks, 3, sets, s), mean, variance and third central moment of the examples' scores: `valid` and, where there are any, `fresh`.
    """
    import jax
    import jax.numpy as jnp
    import optax
    from jax import lax

    criterion, batch, n, steps = plan.criterion, plan.batch_size, plan.n, plan.steps_per_epoch
    apply = plan.model.apply
    optimiser = optax.with_extra_args_support(plan.optimiser)

    def score_batch(params: Any, x: Any, y: Any, weight: Any) -> tuple[Any, Any]:
        each = criterion.each(apply(params, x), y)
        total = (each * weight).sum(axis=1) if weight is not None else each.sum(axis=1)
        return total[0] / (batch if weight is None else weight.sum()), total

    gradient = jax.value_and_grad(score_batch, has_aux=True)

    def train(seed: Any, init_seed: Any, sets: Sets) -> Scores:
        source = _source(plan, seed, sets)

        def step(i: Any, carry: Any, epoch: Any, order: Any) -> Any:
            params, state, totals = carry
            place = i * batch + jnp.arange(batch, dtype=jnp.int32)
            # only where the last batch is smaller: its missing rows are examples once more, with no weight
            weight = (place < n).astype(jnp.float32) if n % batch else None
            x, y = source.batch(epoch, order, jnp.minimum(place, n - 1) if n % batch else place)
            (loss, total), slope = gradient(params, x, y, weight)
            change, state = optimiser.update(slope, state, params, value=loss)
            return optax.apply_updates(params, change), state, totals + total

        def one_epoch(epoch: Any, carry: Any) -> Any:
            order = source.order(epoch)
            zero = jnp.zeros(len(criterion.scores), jnp.float32)
            return lax.fori_loop(0, steps, lambda i, c: step(i, c, epoch, order), (*carry[:2], zero))

        def look(carry: Any, first: Any) -> Any:
            params, state, totals = lax.fori_loop(first, first + plan.every, one_epoch, (*carry, zeros))
            last = first + plan.every - 1
            each = _scored(lambda at: score(params, *source.visited(last, at)), n)
            found = {
                "reported": totals / n,
                "train": each.mean(axis=1),
                "valid": _moments(_scored_set(lambda x, y: score(params, x, y), sets.valid), plan.valid_sets),
            }
            if plan.n_fresh:
                found["fresh"] = _moments(_scored_set(lambda x, y: score(params, x, y), sets.fresh), 1)
            return (params, state), found

        def score(params: Any, x: Any, y: Any) -> Any:
            return criterion.each(apply(params, x), y)

        zeros = jnp.zeros(len(criterion.scores), jnp.float32)
        params = plan.model.init(jax.random.key(init_seed))
        firsts = jnp.arange(plan.looks, dtype=jnp.int32) * plan.every
        return lax.scan(look, (params, optimiser.init(params)), firsts)[1]

    return train


def _source(plan: Plan, seed: Any, sets: Sets) -> Source:
    import jax.numpy as jnp

    process, regime = plan.process, plan.regime

    def positions(epoch: Any, place: Any) -> Any:
        return in_order(place, n=plan.n, seed=seed, epoch=epoch, xp=jnp) if plan.shuffle else place

    def drawn(epoch: Any, position: Any) -> Any:
        at, index = regime.address(position, seed=seed, epoch=epoch, xp=jnp)
        return process.draw(index, seed=seed, epoch=at, xp=jnp)

    if plan.is_stream:
        return Source(
            order=lambda epoch: None,
            batch=lambda epoch, order, place: drawn(epoch, positions(epoch, place)),
            visited=drawn,
        )
    x, y = sets.train

    def index(epoch: Any, position: Any) -> Any:
        return regime.address(position, seed=seed, epoch=epoch, xp=jnp)[1]

    def taken(at: Any) -> Any:
        return x.at[at].get(mode="promise_in_bounds"), y.at[at].get(mode="promise_in_bounds")

    every = np.arange(plan.n, dtype=np.uint32)
    return Source(
        order=lambda epoch: index(epoch, positions(epoch, jnp.asarray(every))).astype(jnp.int32),
        batch=lambda epoch, order, place: taken(order[place]),
        visited=lambda epoch, position: taken(index(epoch, position)),
    )


def _scored(score: Callable[[Any], Any], n: int) -> Any:
    """Return the scores (s, n) of n examples by their positions, a piece at a time."""
    import jax.numpy as jnp
    from jax import lax

    piece = min(PIECE, n)
    whole = n // piece
    _, parts = lax.scan(lambda _, k: (None, score(k * piece + jnp.arange(piece, dtype=jnp.int32))), None, jnp.arange(whole))
    found = jnp.swapaxes(parts, 0, 1).reshape(parts.shape[1], -1)
    if n % piece == 0:
        return found
    return jnp.concatenate([found, score(jnp.arange(whole * piece, n, dtype=jnp.int32))], axis=1)


def _scored_set(score: Callable[[Any, Any], Any], examples: Any) -> Any:
    """Return the scores (s, n) of a set that is kept: pieces of it are copied as they are, which a gather would not do."""
    import jax.numpy as jnp
    from jax import lax

    x, y = examples
    n = x.shape[0]
    piece = min(PIECE, n)
    whole = n // piece * piece
    cut = [a[:whole].reshape(-1, piece, *a.shape[1:]) for a in (x, y)]
    _, parts = lax.scan(lambda _, xy: (None, score(*xy)), None, tuple(cut))
    found = jnp.swapaxes(parts, 0, 1).reshape(parts.shape[1], -1)
    return found if whole == n else jnp.concatenate([found, score(x[whole:], y[whole:])], axis=1)


def _moments(each: Any, sets: int) -> Any:
    """Return mean, variance and third central moment of scores (s, sets * n), of shape (3, sets, s); n - 1 for the variance."""
    import jax.numpy as jnp

    by_set = each.reshape(each.shape[0], sets, -1)
    n = by_set.shape[2]
    mean = by_set.mean(axis=2)
    off = by_set - mean[:, :, None]
    return jnp.stack([mean, (off**2).sum(axis=2) / max(n - 1, 1), (off**3).mean(axis=2)]).swapaxes(1, 2)
