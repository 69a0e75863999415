"""Each pass on programs of which it is known what is left, and what they give before and after."""

from dataclasses import replace

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, program
from pullback.autograd.programs import passes

X = Tensor([1.5, -2.0, 3.0])


def checked(f, each, expected, *args):
    """The operations that a pass leaves, after a look at the results."""
    args = args or (X,)
    before = program(f)(*args)
    after = each(before).verified()
    for a, b in zip(after(*args), before(*args), strict=True):
        np.testing.assert_array_equal(a.data, b.data)
    assert [equation.name for equation in after.equations] == expected
    return after


def test_without_dead():
    w = Tensor([1.0, 2.0, 3.0])

    def f(x):
        _ = pb.sin(x) * w, x + np.ones(3)
        return (pb.exp(x) * 1.0,)

    after = checked(f, passes.without_dead, ["exp", "multiply"])
    assert not after.captured and not after.constants


def test_random_draws_are_not_dead():
    def f(x):
        pb.random.normal(size=(3,))
        return (x + pb.random.normal(size=(3,)),)

    written = passes.optimized(program(f)(X))
    pb.manual_seed(0)
    actual = written(X)[0].data
    pb.manual_seed(0)
    np.testing.assert_array_equal(actual, f(X)[0].data)


def test_folded():
    fixed = Tensor([0.0, 1.0, 2.0])

    def f(x):
        return (x * pb.cos(pb.where(x == x, np.array([0.0, np.pi, 0.0]), 0)),)

    checked(f, passes.folded, ["equal", "where", "cos", "multiply"])
    inner = program(lambda x: x * pb.cos(np.array([0.0, np.pi, 0.0]) + x * 0))(X)
    (kept,) = inner.constants
    known = {inner.inputs[0]: np.zeros(3)}
    folded = passes.folded(replace(inner, inputs=(), constants={**inner.constants, **known}))
    assert not folded.equations
    np.testing.assert_array_equal(folded.results([]).data, np.zeros(3))
    captured = program(lambda x: x * pb.cos(fixed))(X)
    assert passes.folded(captured).operations == {"cos": 1, "multiply": 1}  # another number, perhaps, at each run
    assert kept.shape == (3,)


def test_merged():
    def f(x):
        return pb.sin(x) + pb.sin(x), x * np.ones(3), x * np.ones(3), x * 0.0, x * -0.0, x * 0

    checked(f, passes.merged, ["sin", "add", "multiply", "multiply", "multiply", "multiply"])


def test_draws_are_not_merged():
    f = program(lambda x: (x + pb.random.normal(size=(3,)) - pb.random.normal(size=(3,)),))(X)
    assert (passes.optimized(f)(X)[0] != X).all()


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda x: (x.reshape(1, 3).reshape(3, 1),), ["reshape"]),
        (lambda x: (x.reshape(1, 3).reshape(3),), []),
        (lambda x: (pb.transpose(pb.outer(x, x)).T,), ["multiply"]),
        (lambda x: (x * 1, 1.0 * x, x**1, +x), []),
        (lambda x: (x**2, x**3), ["multiply", "power"]),
        (lambda x: (x.astype(int) * 1.0,), ["astype", "multiply"]),
    ],
)
def test_simplified(f, expected):
    each = lambda p: passes.without_dead(passes.simplified(p))  # noqa: E731
    after = each(program(f)(X)).verified()
    names = [equation.name for equation in after.equations if equation.name != "reshape" or "reshape" in expected]
    assert names == expected
    for a, b in zip(after(X), f(X), strict=True):
        np.testing.assert_array_equal(a.data, b.data)
        assert a.dtype == b.dtype


def test_three_transpositions():
    x = Tensor(np.arange(24.0).reshape(2, 3, 4))
    f = lambda x: (x.transpose(1, 2, 0).transpose(2, 0, 1).transpose(0, 2, 1),)  # noqa: E731
    after = passes.optimized(program(f)(x))
    assert after.operations == {"transpose": 1}
    np.testing.assert_array_equal(after(x)[0].data, x.data.transpose(0, 2, 1))
