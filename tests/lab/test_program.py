"""The compiled run against the same run as a plain loop: one step after the other, over what a loader delivers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from whygap.errors import InputError
from whygap.lab import Plan, Seeds, mlp, train
from whygap.lab.program import build_training
from whygap.lab.sets import draw_sets
from whygap.process import Fresh, GaussianMixture, LabelNoise, ModularAddition, Once, Pool, Stream, TeacherStudent

MIXTURE = GaussianMixture(classes=3, features=6, distance=2.0)


SET = Once(130)


def plan_of(regime=SET, process=MIXTURE, **changes):
    settings = {
        "process": process, "regime": regime, "model": mlp(6, 8, 3), "optimiser": optax.adam(1e-2), "epochs": 4,
        "batch_size": 32, "n_valid": 70, "n_fresh": 50,
    }  # fmt: skip
    return Plan(**{**settings, **changes})


def scores(plan, params, x, y):
    """Score examples one by one in double precision."""
    z, y = np.asarray(plan.model.apply(params, jnp.asarray(x)), np.float64), np.asarray(y)
    if plan.process.classes is None:
        off = z.reshape(y.shape) - y
        return np.stack([off**2, np.abs(off)])
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    true = p[np.arange(len(y)), y]
    return np.stack([-np.log(true), (p.argmax(axis=1) != y).astype(float), 1.0 - true])


def slow_twin(plan, seeds):
    """Train with a plain loop over a stream's batches; return what was reported, train, valid and fresh at every look."""
    stream = Stream(
        process=plan.process, regime=plan.regime, batch_size=plan.batch_size, seed=seeds.train, shuffle=plan.shuffle
    )
    params = plan.model.init(jax.random.key(seeds.init))
    state = plan.optimiser.init(params)

    def loss(params, x, y):
        z = plan.model.apply(params, x)
        if plan.process.classes is None:
            return ((z.reshape(y.shape) - y) ** 2).mean()
        return optax.softmax_cross_entropy_with_integer_labels(z, y).mean()

    slope = jax.jit(jax.grad(loss))
    x_valid, y_valid = plan.process.draw(np.arange(plan.n_valid * plan.valid_sets), seed=seeds.valid, split="valid")
    offset, rows = 0, []
    for epoch in range(plan.epochs):
        seen, visited = [], []
        for at in stream.offsets(offset):
            x, y = stream.batch(at)
            seen.append((x, y))
            visited.append(scores(plan, params, x, y))
            change, state = plan.optimiser.update(slope(params, x, y), state, params)
            params = optax.apply_updates(params, change)
        offset = stream.offset(epoch + 1)
        if (epoch + 1) % plan.every == 0:
            again = np.concatenate([scores(plan, params, x, y) for x, y in seen], axis=1)
            each = scores(plan, params, x_valid, y_valid).reshape(again.shape[0], plan.valid_sets, -1)
            row = {"reported": np.concatenate(visited, axis=1).mean(axis=1), "train": again.mean(axis=1), "valid": each}
            if plan.n_fresh:
                x, y = plan.process.draw(np.arange(plan.n_fresh), seed=seeds.train, split="fresh")
                row["fresh"] = scores(plan, params, x, y)[:, None]
            rows.append(row)
    return rows


PLANS = [
    plan_of(),  # a short last batch
    plan_of(Once(128), every=2),
    plan_of(Once(20)),  # less than one batch
    plan_of(Once(130), shuffle=False),
    plan_of(Fresh(130)),
    plan_of(Fresh(128), shuffle=False),
    plan_of(Pool(50, 130)),
    plan_of(Pool(300, 130), valid_sets=3),
    plan_of(process=LabelNoise(MIXTURE, 0.3), optimiser=optax.sgd(optax.cosine_decay_schedule(0.1, 20), momentum=0.9)),
    plan_of(process=TeacherStudent(features=6), model=mlp(6, 5, 1), n_valid=2500, optimiser=optax.adamw(1e-2)),
    plan_of(process=ModularAddition(7), model=mlp(14, 8, 7), regime=Once(20), n_valid=5, n_fresh=0),
]


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"{type(plan.process).__name__} {plan.regime}")
def test_a_compiled_run_is_the_run_of_a_plain_loop(plan):
    seeds = Seeds(3, 3, 5) if plan.process.size else Seeds(3, 4, 5)
    (curves,) = train(plan, [seeds], workers=1, together=1)
    rows = slow_twin(plan, seeds)
    assert curves.epoch.tolist() == list(range(plan.every, plan.epochs + 1, plan.every))
    for r, row in enumerate(rows):
        assert curves.reported[r] == pytest.approx(row["reported"], abs=1e-5)
        assert curves.train[r] == pytest.approx(row["train"], abs=1e-5)
        for name in ("valid", "fresh")[: 1 + (plan.n_fresh > 0)]:
            each, found = row[name], getattr(curves, name)[r]
            assert found[0] == pytest.approx(each.mean(axis=2).T, abs=1e-5)
            assert found[1] == pytest.approx(each.var(axis=2, ddof=1).T, rel=1e-3, abs=1e-5)
            third = ((each - each.mean(axis=2, keepdims=True)) ** 3).mean(axis=2).T
            assert found[2] == pytest.approx(third, rel=1e-2, abs=1e-4)


def test_fresh_data_are_never_kept():
    def temporary_bytes(n):
        plan = plan_of(Fresh(n), epochs=1)
        sets, seed = draw_sets(plan, Seeds()), jnp.uint32(0)
        return jax.jit(build_training(plan)).lower(seed, seed, sets).compile().memory_analysis().temp_size_in_bytes

    assert temporary_bytes(1_000_000) == temporary_bytes(10_000)


def test_other_seeds_redraw_one_thing_each():
    plan = plan_of(Once(128), epochs=1)
    base, other_train, other_valid, other_init = train(
        plan, [Seeds(1, 1, 1), Seeds(2, 1, 1), Seeds(1, 2, 1), Seeds(1, 1, 2)], workers=1
    )
    assert (base.train != other_train.train).all()
    assert (base.train != other_init.train).all()
    assert (base.train == other_valid.train).all()
    assert (base.fresh == other_valid.fresh).all()
    assert (base.valid != other_valid.valid).any()


def test_a_diverged_run_is_recorded_as_one():
    plan = plan_of(optimiser=optax.sgd(1e30), epochs=2)
    (curves,) = train(plan, [0], workers=1)
    assert not np.isfinite(curves.train[-1, 0])
    assert curves.train[-1, 1] > 0.3  # not a number is no right answer
    gap = curves.gaps()[-1]
    assert gap.gap is None
    assert gap.notes


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 0}, {"batch_size": 0}, {"every": 3}, {"n_valid": 0}, {"n_fresh": -1}, {"valid_sets": 0},
        {"process": ModularAddition(7), "n_fresh": 1, "regime": Once(20), "n_valid": 5},
        {"process": ModularAddition(7), "n_fresh": 0, "regime": Once(20), "n_valid": 50},
        {"process": ModularAddition(7), "n_fresh": 0, "regime": Fresh(20), "n_valid": 5},
    ],
)  # fmt: skip
def test_what_no_run_could_be_is_refused(changes):
    with pytest.raises(InputError):
        plan_of(**changes)


@pytest.mark.parametrize("seeds", [(-1, 0, 0), (0, 2**32, 0), (0, 0, 1.5), (True, 0, 0)])
def test_seeds_are_32_bits(seeds):
    with pytest.raises(InputError, match="seed"):
        Seeds(*seeds)
