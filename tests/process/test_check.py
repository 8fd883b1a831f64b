"""Each rule of the contract, broken once by a process such as people write, and all of them kept by what is shipped."""

import sys

import numpy as np
import pytest

from whygap.process import (
    MNIST1D,
    AddingProblem,
    GaussianMixture,
    ModularAddition,
    Process,
    SequenceRegression,
    Shapes,
    SparseParity,
    TeacherStudent,
    check_process,
    process,
)

SHIPPED = [
    SequenceRegression(),
    MNIST1D(),
    SparseParity(),
    SparseParity(bits=70, relevant=33, flip=0.2),
    ModularAddition(),
    ModularAddition(modulus=30, share_train=0.3, one_hot=False),
    AddingProblem(),
    AddingProblem(steps=7),
    TeacherStudent(),
    TeacherStudent(features=3, hidden=1, noise=0.0),
    GaussianMixture(),
    GaussianMixture(classes=5, distance=1.0, flip=0.3),
    Shapes(),
    Shapes(noise=1.0),
]


@pytest.mark.parametrize("shipped", SHIPPED, ids=repr)
def test_what_is_shipped_keeps_the_contract(shipped):
    assert check_process(shipped, jax=True, fresh=type(shipped) not in (SparseParity, AddingProblem)) == ()


def lines(make, **named):
    return check_process(process(**named)(make), fresh=False)


def honest(draws):
    return draws.uniform(3), draws.normal()


class TestBroken:
    def test_nothing(self):
        assert lines(honest) == ()

    def test_a_stored_generator(self):
        rng = np.random.default_rng(0)
        (line,) = lines(lambda d: (d.uniform(3), rng.random(d.n).astype(np.float32)))
        assert "pure: y of index 0" in line

    def test_a_mean_over_the_batch(self):
        def make(draws):
            x = draws.uniform(3)
            return x - x.mean(axis=0), draws.normal()

        (line,) = lines(make)
        assert "batch size: x of index 0" in line

    def test_the_place_in_the_batch(self):
        (line,) = lines(lambda d: (d.uniform(3), np.arange(d.n).astype(np.float32)))
        assert "batch size: y of index 511" in line

    def test_a_cumulative_sum_over_the_batch(self):
        def make(draws):
            x = draws.uniform(3)
            return x, np.where(draws.n > 1, np.roll(x[:, 0], 1), x[:, 0]) if draws.n > 600 else x[:, 0] + (draws.n == 256)

        (line,) = lines(make)
        assert "batch size: y of index 0 is other in a batch of 256" in line

    def test_an_order(self):
        def make(draws):
            x = draws.uniform(3)
            rank = np.argsort(np.argsort(draws.index)) != np.arange(draws.n)
            return x, x[:, 0] + rank

        (line,) = lines(make)
        assert "order: y of index" in line

    def test_an_example_for_each_index_whatever_the_split_epoch_and_seed(self):
        def make(draws):
            x = np.stack([np.random.default_rng(int(i)).random(3) for i in draws.index]).astype(np.float32)
            return x, x[:, 0]

        found = lines(make)
        assert [line.split(": ")[1] for line in found] == ["epochs", "splits", "seed"]
        assert "x of train, epoch 1, index 0 is that of train, epoch 0, index 0" in found[0]
        assert "x of valid, epoch 0, index 0 is that of train" in found[1]

    def test_few_different_examples(self):
        found = lines(lambda d: (d.integers(0, 50, 1), d.uniform()))
        assert [line.split(": ")[1] for line in found] == ["no repeats", "epochs", "splits"]

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda d: (d.bits(3), d.uniform()), "type: x is uint32"),
            (lambda d: (d.uniform(3), [0.0]), "type: y is list"),
            (lambda d: (d.uniform(3).T, d.uniform()), r"shape: x is \(3, 512\) for 512"),
            (lambda d: (d.uniform(3), d.uniform() / (d.index != 7)), "finite: y of index 7 is inf"),
            (lambda d: (d.uniform(3), d.missing()), "draw: it raises AttributeError"),
            (lambda d: d.uniform(3), "type|raises"),
        ],
    )
    @pytest.mark.filterwarnings("ignore:divide by zero")
    def test_form(self, make, words):
        found = lines(make)
        assert found
        assert __import__("re").search(words, found[0])
        assert all("\n" not in line for line in found)

    def test_classes(self):
        assert "int32 from 1 to 2" in lines(lambda d: (d.uniform(3), d.integers(1, 3)), classes=2)[0]
        assert "classes: y must be int32" in lines(lambda d: (d.uniform(3), d.uniform()), classes=2)[0]

    def test_jax_disagrees(self):
        (line,) = lines(lambda d: (d.uniform(3), d.uniform() + (0.01 if d.xp is np else 0.0)))
        assert "JAX: y of index 0 is beyond" in line

    def test_numpy_alone_is_allowed_unless_jax_is_asked_for(self):
        numpy_only = process(lambda d: (np.sort(d.uniform(3)), d.uniform()))
        assert check_process(numpy_only, fresh=False) == ()
        (line,) = check_process(numpy_only, fresh=False, jax=True)
        assert "JAX: it can't be traced (TracerArrayConversionError" in line

    def test_one_that_can_not_be_pickled(self):
        (line,) = check_process(process(honest), jax=False)
        assert "fresh process: not tried" in line

    def test_a_hash_of_python(self, tmp_path, monkeypatch):
        (tmp_path / "a_salted_process.py").write_text(
            "from whygap.process import process\n\n@process\ndef salted(draws):\n"
            "    return draws.uniform(3) + (hash('salt') % 1000), draws.uniform()\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        try:
            from a_salted_process import salted

            (line,) = check_process(salted, jax=False)
        finally:
            sys.modules.pop("a_salted_process", None)
        assert line == "salted: fresh process: 512 examples are other bytes in a Python process of their own"

    def test_an_interrupted_domain(self):
        class Wrong(Process):
            def make(self, draws):
                return draws.xp.zeros((draws.n, 1), np.float32), draws.uniform()

            @property
            def size(self):
                return 20

        found = check_process(Wrong(), fresh=False)
        assert [line.split(": ")[1] for line in found] == ["no repeats", "splits"]
