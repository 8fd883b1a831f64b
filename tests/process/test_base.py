"""The base of all processes: pieces, shapes, the decorator, and what a finite domain says."""

import pickle
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from whygap.errors import InputError
from whygap.process import Process, TeacherStudent, Truth, process


@process(classes=2, truths=(Truth("error", 0.0, "closed form"),))
def stripes(draws):
    """Which side of a line."""
    x = draws.uniform(2)
    return x, (x[:, 0] < x[:, 1]).astype("int32")


@dataclass(frozen=True)
class Ten(Process):
    def make(self, draws):
        return draws.xp.asarray(draws.index, dtype="float32")[:, None], draws.uniform()

    @property
    def size(self):
        return 10


class TestDraw:
    def test_more_than_one_piece_is_the_same_as_one(self):
        n = 2 * TeacherStudent.rows_at_once + 5
        x, y = TeacherStudent().draw(np.arange(n), seed=1)
        for i in (0, 1023, 1024, n - 1):
            alone = TeacherStudent().draw(i, seed=1)
            np.testing.assert_array_equal(alone[0], x[i])
            assert alone[1] == y[i]
        assert (x.dtype, y.dtype, x.shape, y.shape) == (np.float32, np.float32, (n, 20), (n,))

    def test_what_numpy_widens_is_narrowed(self):
        @process
        def wide(draws):
            return draws.integers(0, 9, 2) + 0.5, draws.uniform() < 0.5

        x, y = wide.draw(np.arange(2000), seed=0)
        xj, yj = wide.draw(np.arange(2000), seed=0, xp=jnp)
        assert (x.dtype, y.dtype, xj.dtype, yj.dtype) == (np.float32, np.int32, np.float32, np.int32)
        np.testing.assert_array_equal(x, xj)
        np.testing.assert_array_equal(y, yj)

    def test_the_index_gives_the_shape(self):
        x, y = stripes.draw(np.arange(6).reshape(2, 3), seed=0)
        assert (x.shape, y.shape) == ((2, 3, 2), (2, 3))
        np.testing.assert_array_equal(x[1], stripes.draw([3, 4, 5], seed=0)[0])
        assert stripes.draw(5, seed=0)[0].shape == (2,)

    def test_jax_traces_and_maps_it(self):
        x, y = TeacherStudent().draw(np.arange(40), seed=3, epoch=2)
        one = jax.jit(jax.vmap(lambda i: TeacherStudent().draw(i, seed=3, epoch=2, xp=jnp)))(jnp.arange(40))
        seeds = jax.jit(jax.vmap(lambda s: TeacherStudent().draw(jnp.arange(40), seed=s, epoch=2, xp=jnp)))(jnp.arange(4))
        for found in (one, (seeds[0][3], seeds[1][3])):
            np.testing.assert_allclose(found[0], x, rtol=1e-6, atol=1e-6)
            np.testing.assert_allclose(found[1], y, rtol=1e-5, atol=1e-6)

    def test_a_finite_domain_says_what_it_has(self):
        assert Ten().draw(9, seed=0)[0] == 9.0
        with pytest.raises(InputError, match=r"Ten has 10 examples of the split 'train' in all: there is none with index 10"):
            Ten().draw([3, 10], seed=0)
        with pytest.raises(InputError, match="no new ones for epoch 1"):
            Ten().draw(0, seed=0, epoch=1)


class TestDecorator:
    def test_it_keeps_what_was_stated(self):
        assert (stripes.classes, stripes.size, stripes.truths()[0].value) == (2, None, 0.0)
        assert stripes.__doc__ == "Which side of a line."

    def test_without_arguments(self):
        @process
        def plain(draws):
            return draws.uniform(1), draws.uniform()

        assert plain.draw(0, seed=0)[0].shape == (1,)
        assert plain.classes is None

    def test_it_can_be_pickled_under_its_own_name(self, monkeypatch):
        import sys
        import types

        module = types.ModuleType("a_persons_module")
        module.stripes = stripes
        monkeypatch.setitem(sys.modules, "a_persons_module", module)
        monkeypatch.setitem(stripes.__dict__, "__module__", "a_persons_module")
        assert pickle.loads(pickle.dumps(stripes)) is stripes


def test_a_teacher_is_part_of_the_process():
    x = np.zeros((1, 20), np.float32) + 1.0
    assert TeacherStudent(teacher=1).mean(x) != TeacherStudent(teacher=2).mean(x)
