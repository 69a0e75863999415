"""The two forms of the derivatives of products: which of them is taken, and that nobody sees which."""

import math
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor
from pullback.autograd.ops import running_products
from pullback.autograd.ops.short_forms import within_range

RNG = np.random.default_rng(5)
FORMS = {"prod": pb.prod, "cumprod": lambda x: pb.sum(pb.cumprod(x)), "last": lambda x: pb.cumprod(x)[-1]}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble", "complex64", "complex128"])
@pytest.mark.parametrize("n", [2, 9, 100])
def test_what_leaves_the_range_on_the_way_is_noticed(dtype, n):
    kind = np.finfo(dtype)
    inside = np.ones(n, dtype)
    inside[n // 2] = 0
    assert within_range(np.multiply, inside, inside[::-1]) is not None
    for i in (0, n // 2, n - 1):
        for bad in (np.sqrt(kind.tiny) / 3, np.sqrt(kind.max) * 3, np.nan):
            x = np.ones(n, dtype)
            x[i] = bad
            assert within_range(np.multiply, x, x) is None
            twice = np.concatenate([x, x])
            assert within_range(np.multiply.accumulate, twice) is None
    assert within_range(np.multiply, Tensor(inside), inside) is None


def test_ordinary_numbers_and_zeros_take_the_short_form(monkeypatch):
    def refused(*args, **kwargs):
        raise AssertionError

    for name in ("_scaled_recurrence", "balanced"):
        monkeypatch.setattr(running_products, name, refused)
    x = RNG.uniform(0.9, 1.1, 1000)
    for values in (x, np.where(np.arange(1000) % 400 == 7, 0, x)):
        for f in FORMS.values():
            pb.grad(f)(values)
            pb.jvp(f, (Tensor(values),), (Tensor(x),))


def exact(x, pairs):
    """For each i the sum over the last places j >= i, in `pairs`, of the product of x_0 ... x_j without x_i."""
    x = [Fraction(float(v)) for v in x]
    return [sum(math.prod(x[k] for k in range(j + 1) if k != i) for j in pairs if j >= i) for i in range(len(x))]


BATCH = [[2.0, 3.0, 0.5, 4.0], [0.0, 3.0, 0.0, 2.0], [1e-200, 1e200, 1e100, 1e-200], [3e200, 1e150, 1e-150, 1e-200]]


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("name", FORMS)
def test_a_batch_of_which_some_examples_are_out_of_range(name):
    f, pairs = FORMS[name], range(4) if name == "cumprod" else [3]
    expected = [[float(v) for v in exact(row, pairs)] for row in BATCH[:3]]
    for call in (pb.vmap(pb.grad(f)), lambda x: pb.grad(lambda x: pb.sum(pb.vmap(f)(x)))(x)):
        np.testing.assert_allclose(call(Tensor(BATCH[:3])).data, expected, rtol=1e-14)


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("name", ["prod", "last"])
def test_tangents_and_second_derivatives_of_each_example(name):
    f, rows = FORMS[name], BATCH[:2] + BATCH[3:]
    for i in range(4):
        direction = np.eye(4)[i]
        tangents = [pb.jvp(f, (Tensor(row),), (Tensor(direction),))[1].item() for row in rows]
        np.testing.assert_allclose(tangents, [float(exact(row, [3])[i]) for row in rows], rtol=1e-14)
    hessians = pb.vmap(pb.hessian(f))(Tensor(rows)).data
    for row, found in zip(rows, hessians, strict=True):
        for i, j in np.ndindex(4, 4):
            parts = [Fraction(v) for k, v in enumerate(row) if k not in (i, j)]
            product = math.prod(parts) if i != j else 0
            value = float(product) if product < Fraction(float(np.finfo(float).max)) else np.inf
            np.testing.assert_allclose(found[i, j], value, rtol=1e-14)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
@pytest.mark.parametrize("powers", [[-117, -33, 27, 144, 93], [-200, 200, 200, -200], [-300, -300, 300, 300]])
def test_a_tangent_that_is_0_meets_no_product_beyond_the_range(powers):
    x = 1.5 * 10.0 ** np.array(powers)
    for f in (pb.prod, FORMS["last"]):
        for i in range(len(x)):
            tangent = pb.jvp(f, (Tensor(x),), (Tensor(np.eye(len(x))[i]),))[1].item()
            value = exact(x, [len(x) - 1])[i]
            beyond = value > Fraction(float(np.finfo(float).max))
            assert tangent == (np.inf if beyond else pytest.approx(float(value), rel=1e-14, abs=0))


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), ()])
@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 0, 4), (0, 3, 4)])
def test_tangents_of_products_over_axes(axis, shape):
    x, t = RNG.normal(size=(2, *shape))
    for keepdims in (False, True):
        f = partial(pb.prod, axis=axis, keepdims=keepdims)
        out, tangent = pb.jvp(f, (Tensor(x),), (Tensor(t),))
        expected = np.imag(np.prod(x + 1e-30j * t, axis, keepdims=keepdims)) / 1e-30
        assert tangent.shape == out.shape == expected.shape
        np.testing.assert_allclose(tangent.data, expected, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
@pytest.mark.parametrize("powers, of_g", [
    ([200, -200, 150, -250], [-300, 100, 50, 200]),
    ([120, 150, -200, -150], [0, -250, -200, 250]), ([10, 0, -10, 5], [-300, 300, -290, 300]),
])  # fmt: skip
def test_second_derivatives_of_running_products_with_weights_far_apart(powers, of_g):
    x, g = (1.5 * 10.0 ** np.array(v) for v in (powers, of_g))
    found = pb.hessian(lambda x: pb.sum(pb.cumprod(x) * g))(Tensor(x)).data
    for i, j in np.ndindex(4, 4):
        parts = [[Fraction(float(v)) for v in (g[n], *np.delete(x[: n + 1], [i, j]))] for n in range(max(i, j), 4)]
        value = sum(map(math.prod, parts)) if i != j else Fraction(0)
        if value < Fraction(float(np.finfo(float).max)):
            assert found[i, j] == pytest.approx(float(value), rel=1e-14, abs=0)
