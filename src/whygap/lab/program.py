"""A whole training run as one function that XLA compiles: epochs within looks, steps within epochs, scores after each look.

What was measured on two cores of an AMD EPYC (40-h-h-10 networks, batches of 100, Adam; microseconds on one core):

* Of a step of 14 at h = 8, the gather of a batch from the set takes 3.5, the loss and its gradient 2.5, products of matrices
  most of the rest. To gather a whole epoch at once, to unroll the steps, or to join the parameters into one vector won nothing.
* A random order by sorting, as `jax.random.permutation` makes it, takes 1,700 for 4,000 examples: 43 a step, three times the
  step itself. The keyed permutation of the regimes takes 16, and gives the order that all other loaders have.
* To score a hundred examples at h = 8 takes 4 to 5 in pieces of a thousand, 5.5 to 7 in pieces of a hundred.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from whygap.lab.plan import Plan
from whygap.lab.sets import Sets
from whygap.process.regimes import in_order

PIECE = 1000
"""Examples that are scored together: more take more memory and are no faster."""

Scores = dict[str, Any]
Train = Callable[[Any, Any, Sets], Scores]


class Source(NamedTuple):
    """Where the training examples of a run come from."""

    epoch: Callable[[Any], Callable[[Any], Any]]
    """From the epoch to a function from places in its order to (x, y)."""

    visited: Callable[[Any, Any], Any]
    """From the epoch and positions, in no particular order, to (x, y)."""


def build_training(plan: Plan) -> Train:
    """Return the function from (training seed, initial seed, sets) to the scores of one run, all of them JAX arrays.

    Of shape (looks, s) are `reported`, the mean of what the examples scored as their batches were visited in the last epoch
    before the look, and `train`, that of the same examples at the weights of that epoch's end. Of shape (looks, 3, sets, s) are
    `valid` and, where there are any, `fresh`: mean, variance and third central moment over the examples of each set.
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

        def step(i: Any, carry: Any, examples: Callable[[Any], Any]) -> Any:
            params, state, totals = carry
            place = i * batch + jnp.arange(batch, dtype=jnp.int32)
            # only where the last batch is smaller: its missing rows are examples once more, with no weight
            weight = (place < n).astype(jnp.float32) if n % batch else None
            x, y = examples(jnp.minimum(place, n - 1) if n % batch else place)
            (loss, total), slope = gradient(params, x, y, weight)
            change, state = optimiser.update(slope, state, params, value=loss)
            return optax.apply_updates(params, change), state, totals + total

        def one_epoch(epoch: Any, carry: Any) -> Any:
            examples = source.epoch(epoch)
            return lax.fori_loop(0, steps, lambda i, c: step(i, c, examples), (*carry[:2], zeros))

        def look(carry: Any, first: Any) -> Any:
            params, state, totals = lax.fori_loop(first, first + plan.every, one_epoch, (*carry, zeros))
            last = first + plan.every - 1
            found = {
                "reported": totals / n,
                "train": _mean(lambda at: score(params, *source.visited(last, at)), n, zeros),
                "valid": _moments(_scored(lambda x, y: score(params, x, y), sets.valid), plan.valid_sets),
            }
            if plan.n_fresh:
                found["fresh"] = _moments(_scored(lambda x, y: score(params, x, y), sets.fresh), 1)
            return (params, state), found

        def score(params: Any, x: Any, y: Any) -> Any:
            return criterion.each(apply(params, x), y)

        zeros = jnp.zeros(len(criterion.scores), jnp.float32)
        params = plan.model.init(jax.random.key(init_seed))
        firsts = jnp.arange(plan.looks, dtype=jnp.int32) * plan.every
        _, found = lax.scan(look, (params, optimiser.init(params)), firsts)
        return dict(found)

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
        # the order of a batch is looked up with the batch: a table for the epoch would grow with n, as nothing else does here
        return Source(epoch=lambda epoch: lambda place: drawn(epoch, positions(epoch, place)), visited=drawn)
    x, y = sets.train

    def index(epoch: Any, position: Any) -> Any:
        return regime.address(position, seed=seed, epoch=epoch, xp=jnp)[1]

    def taken(at: Any) -> Any:
        return x.at[at].get(mode="promise_in_bounds"), y.at[at].get(mode="promise_in_bounds")

    def in_epoch(epoch: Any) -> Callable[[Any], Any]:
        order = index(epoch, positions(epoch, jnp.arange(plan.n, dtype=jnp.uint32))).astype(jnp.int32)
        return lambda place: taken(order[place])

    return Source(epoch=in_epoch, visited=lambda epoch, position: taken(index(epoch, position)))


def _mean(score: Callable[[Any], Any], n: int, zeros: Any) -> Any:
    """Return the mean scores (s,) of n examples by their positions, a piece at a time, of which only the sum is kept."""
    import jax.numpy as jnp
    from jax import lax

    piece = min(PIECE, n)
    whole = n // piece * piece

    def total(first: Any, size: int) -> Any:
        return score(first + jnp.arange(size, dtype=jnp.int32)).sum(axis=1)

    found = lax.fori_loop(0, n // piece, lambda k, sums: sums + total(k * piece, piece), zeros)
    return (found + total(whole, n - whole) if n > whole else found) / n


def _scored(score: Callable[[Any, Any], Any], examples: Any) -> Any:
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
