"""Models against PyTorch's own layers, and the published sizes of the networks of MNIST-1D."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

from whygap.errors import InputError
from whygap.lab import Plan, cnn, from_equinox, from_flax, gru, linear, lstm, mlp, n_parameters, train, transformer
from whygap.process import MNIST1D, AddingProblem, GaussianMixture, Once

KEY = jax.random.key(0)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (linear(40, 10), 410),
        (mlp(40, 100, 100, 10, residual=True), 15210),
        (cnn(40, 10), 5210),
        (gru(1, 6, 10, bidirectional=True, all_steps=40), 5134),
    ],
)
def test_sizes_of_the_published_networks(model, expected):
    assert n_parameters(model) == expected


def test_a_residual_layer_adds_its_input():
    params = [(jnp.eye(2), jnp.zeros(2)), (jnp.eye(2), jnp.zeros(2)), (jnp.eye(2), jnp.zeros(2))]
    x = jnp.array([[1.0, -2.0]])
    assert mlp(2, 2, 2, 2).apply(params, x).tolist() == [[1.0, 0.0]]
    assert mlp(2, 2, 2, 2, residual=True).apply(params, x).tolist() == [[4.0, -2.0]]


def copy(tensor):
    return jnp.asarray(tensor.detach().numpy().T)


@pytest.mark.parametrize("kind", ["gru", "lstm"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("all_steps", [None, 5])
def test_recurrent_networks_are_those_of_pytorch(kind, bidirectional, all_steps):
    torch.manual_seed(0)
    layer = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[kind](3, 4, batch_first=True, bidirectional=bidirectional)
    width = 4 * (1 + bidirectional)
    head = torch.nn.Linear(width * (all_steps or 1), 2)
    model = {"gru": gru, "lstm": lstm}[kind](3, 4, 2, bidirectional=bidirectional, all_steps=all_steps)
    weights = dict(layer.named_parameters())
    cells = [
        tuple((copy(weights[f"weight_{part}_l0{end}"]), copy(weights[f"bias_{part}_l0{end}"])) for part in ("ih", "hh"))
        for end in ("", "_reverse")[: 1 + bidirectional]
    ]
    x = torch.randn(7, 5, 3)
    states, last = layer(x)
    if kind == "lstm":
        last = last[0]
    expected = head(states.flatten(1) if all_steps else last.transpose(0, 1).flatten(1))
    found = model.apply((cells, (copy(head.weight), copy(head.bias))), jnp.asarray(x.numpy()))
    assert np.asarray(found) == pytest.approx(expected.detach().numpy(), abs=1e-6)
    shapes = jax.eval_shape(model.init, KEY)
    assert jax.tree.map(lambda a: a.shape, shapes) == jax.tree.map(
        lambda a: a.shape, (cells, (copy(head.weight), copy(head.bias)))
    )


def test_the_convolutions_are_those_of_pytorch():
    torch.manual_seed(0)
    layers = [torch.nn.Conv1d(1, 4, 5, stride=2, padding=1), torch.nn.Conv1d(4, 4, 3, stride=2, padding=1)]
    head = torch.nn.Linear(10 * 4, 3)
    x = torch.randn(6, 40)
    h = x[:, None]
    for layer in layers:
        h = torch.relu(layer(h))
    expected = head(h.transpose(1, 2).flatten(1))  # steps before channels, as here
    filters = [(jnp.asarray(layer.weight.detach().numpy().transpose(2, 1, 0)), copy(layer.bias)) for layer in layers]
    found = cnn(40, 3, channels=4, layers=2).apply((filters, (copy(head.weight), copy(head.bias))), jnp.asarray(x.numpy()))
    assert np.asarray(found) == pytest.approx(expected.detach().numpy(), abs=1e-5)


def test_dense_layers_begin_as_those_of_pytorch():
    torch.manual_seed(0)
    ((w, b),) = linear(50, 400).init(KEY)
    theirs = torch.nn.Linear(50, 400)
    for ours, other in ((w, theirs.weight), (b, theirs.bias)):
        assert float(jnp.abs(ours).max()) <= 50**-0.5
        assert float(ours.std()) == pytest.approx(float(other.detach().std()), rel=0.1)


@pytest.mark.parametrize(
    ("process", "model", "n_fresh"),
    [
        (MNIST1D(), cnn(40, 10, channels=8), 100),
        (MNIST1D(), transformer(1, 10, steps=40, width=8, heads=2, layers=1), 100),
        (AddingProblem(steps=8), lstm(2, 8, 1), 100),
        (AddingProblem(steps=8), gru(2, 8, 1, bidirectional=True), 100),
    ],
    ids=["cnn", "transformer", "lstm", "gru"],
)
def test_every_model_learns(process, model, n_fresh):
    plan = Plan(
        process=process, regime=Once(200), model=model, optimiser=optax.adam(1e-2), epochs=20, n_valid=50, n_fresh=n_fresh
    )
    (curves,) = train(plan, [0], workers=1)
    assert curves.train[-1, 0] < 0.9 * curves.train[0, 0]


def test_a_transformer_reads_tokens():
    tokens = transformer(1, 5, steps=2, width=8, heads=2, layers=1, tokens=5)
    x = jnp.array([[0, 1], [1, 0]], jnp.int32)
    out = tokens.apply(tokens.init(KEY), x)
    assert out.shape == (2, 5)
    assert bool((out[0] != out[1]).any())  # places are told apart


def plan_with(model):
    return Plan(
        process=GaussianMixture(classes=2, features=4, distance=4.0), regime=Once(100), model=model,
        optimiser=optax.adam(3e-2), epochs=20, n_valid=100,
    )  # fmt: skip


def test_an_equinox_module_is_trained():
    equinox = pytest.importorskip("equinox")
    model = from_equinox(lambda key: equinox.nn.MLP(4, 2, 8, 1, key=key))
    assert n_parameters(model) == 4 * 8 + 8 + 8 * 2 + 2
    (curves,) = train(plan_with(model), [0], workers=1)
    assert curves.train[-1, 1] < 0.2


def test_a_flax_module_is_trained():
    flax = pytest.importorskip("flax.linen")
    model = from_flax(flax.Sequential([flax.Dense(8), flax.relu, flax.Dense(2)]), jnp.zeros((1, 4)))
    assert n_parameters(model) == 4 * 8 + 8 + 8 * 2 + 2
    (curves,) = train(plan_with(model), [0], workers=1)
    assert curves.train[-1, 1] < 0.2


@pytest.mark.parametrize(
    "make",
    [
        lambda: mlp(3), lambda: mlp(3, 0), lambda: cnn(2, 2), lambda: gru(0, 1, 1), lambda: lstm(1, 1, 0),
        lambda: transformer(1, 1, steps=2, width=9, heads=2),
    ],
)  # fmt: skip
def test_what_can_be_no_network_is_refused(make):
    with pytest.raises(InputError):
        make()
