"""Edges: ties, kinks, zeros, infinities, NaN, nothing at all, and dtypes; and what other engines get wrong.

The cases of the design's sections 5 and 6. Expected values are from mathematics, by the conventions that they state:
where several inputs tie, their shares sum to 1; where a derivative does not exist, or is infinite though the function
is not, the gradient is finite (0, or between the slopes on both sides).
"""

import math

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, nn

INF, NAN, E = math.inf, math.nan, math.e


def gradients(f, *arrays, g=None):
    leaves = [Tensor(np.asarray(a, None if np.asarray(a).dtype.kind in "fc" else float), True) for a in arrays]
    out = f(*leaves)
    out.backward(np.ones(out.shape, out.dtype) if g is None else np.asarray(g))
    return out, [x.grad.numpy() for x in leaves]


# Of one argument: name -> function, input, the gradient of the sum of what comes out
ONE = {
    # kinks, and roots whose slope is infinite
    "abs at 0": (pb.abs, [-2.0, -0.0, 0.0, 3.0], [-1, 0, 0, 1]),
    "fabs at 0": (pb.fabs, [-2.0, 0.0, 3.0], [-1, 0, 1]),
    "sign": (pb.sign, [-2.0, 0.0, 3.0], [0, 0, 0]),
    "relu at 0": (pb.relu, [-2.0, 0.0, 3.0], [0, 0, 1]),
    "sqrt at 0": (pb.sqrt, [0.0, 4.0], [0, 0.25]),
    "cbrt at 0": (pb.cbrt, [-8.0, 0.0, 8.0], [1 / 12, 0, 1 / 12]),
    "x ** 0.5 at 0": (lambda x: x**0.5, [0.0, 4.0], [0, 0.25]),
    "x ** [0.5] at 0": (lambda x: x ** np.array([0.5, 1.5, 0.0], x.dtype), [0.0, 4.0, 0.0], [0, 3, 0]),
    "arcsin at the ends": (pb.arcsin, [-1.0, 0.0, 1.0], [0, 1, 0]),
    "arccos at the ends": (pb.arccos, [-1.0, 0.0, 1.0], [0, -1, 0]),
    "arccosh at 1": (pb.arccosh, [1.0, math.sqrt(2)], [0, 1]),
    "sinc at 0": (pb.sinc, [0.0, 1.0], [0, -1]),
    "x ** 0, x ** 1, x ** 2 at 0": (lambda x: x**0 + x**1 + x**2, [0.0, -1.0], [1, -1]),
    "x ** 3 of negatives": (lambda x: x**3, [-2.0, 0.0], [12, 0]),
    "x ** n of negatives": (lambda x: x ** np.array([2.0, 3.0, -1.0], x.dtype), [-2.0, -2.0, -2.0], [-4, 12, -0.25]),
    "entr at 0": (pb.special.entr, [0.0, 1.0, E], [0, -1, -2]),
    "clip at the bounds": (lambda x: pb.clip(x, 0, 1), [-1.0, 0.0, 0.5, 1.0, 2.0], [0, 0.5, 1, 0.5, 0]),
    # norms and spreads where all agree
    "norm at 0": (pb.linalg.norm, [0.0, 0.0], [0, 0]),
    "norm of one": (pb.linalg.norm, [-3.0], [-1]),
    "norm 1 at 0": (lambda x: pb.linalg.norm(x, 1), [0.0, -2.0], [0, -1]),
    "norm 3 at 0": (lambda x: pb.linalg.norm(x, 3), [0.0, 0.0], [0, 0]),
    "norm 1/2 at 0": (lambda x: pb.linalg.norm(x, 0.5), [0.0, 4.0], [0, 1]),
    "norm inf, tied": (lambda x: pb.linalg.norm(x, INF), [-2.0, 1.0, 2.0], [-0.5, 0, 0.5]),
    "norm -inf, tied": (lambda x: pb.linalg.norm(x, -INF), [1.0, 2.0, -1.0], [0.5, 0, -0.5]),
    "norm -1 with a zero": (lambda x: pb.linalg.norm(x, -1), [3.0, 6.0], [4 / 9, 1 / 9]),
    "norm of a row of 0": (lambda x: pb.linalg.norm(x, axis=1), [[0.0, 0.0], [3.0, 4.0]], [[0, 0], [0.6, 0.8]]),
    "fro of 0": (lambda x: pb.linalg.norm(x, "fro"), [[0.0, 0.0], [0.0, 0.0]], [[0, 0], [0, 0]]),
    "sqrt of a sum of squares at 0": (lambda x: pb.sqrt((x * x).sum()), [0.0, 0.0], [0, 0]),
    "std of a constant": (pb.std, [2.0, 2.0, 2.0], [0, 0, 0]),
    "std along an axis": (lambda x: pb.std(x, 0), [[1.0, 2.0], [1.0, 4.0]], [[0, -0.5], [0, 0.5]]),
    "std of one": (pb.std, [2.0], [0]),
    "var of a constant": (pb.var, [2.0, 2.0, 2.0], [0, 0, 0]),
    "var less one": (lambda x: pb.var(x, correction=1), [1.0, 2.0, 6.0], [-2, -1, 3]),
    # products with zeros
    "prod": (pb.prod, [2.0, 3.0, 4.0], [12, 8, 6]),
    "prod with a zero": (pb.prod, [2.0, 0.0, 4.0], [0, 8, 0]),
    "prod with two zeros": (pb.prod, [0.0, 0.0, 4.0], [0, 0, 0]),
    "prod along an axis": (lambda x: pb.prod(x, 1), [[0.0, 5.0], [0.0, 0.0]], [[5, 0], [0, 0]]),
    "prod over axes": (lambda x: pb.prod(x, (0, 1)), [[2.0, 0.0], [3.0, 5.0]], [[0, 30], [0, 0]]),
    "cumprod with a zero": (pb.cumprod, [2.0, 0.0, 3.0], [1, 8, 0]),  # x0 + x0 x1 + x0 x1 x2
    "cumprod with two zeros": (pb.cumprod, [0.0, 0.0, 5.0], [1, 0, 0]),
    "cumprod from the start": (pb.cumprod, [3.0, 2.0, 0.0], [3, 3, 6]),
    "nanprod with a zero": (pb.nanprod, [2.0, NAN, 0.0], [0, 0, 2]),
    # ties of many
    "max, tied": (pb.max, [1.0, 3.0, 3.0, 2.0], [0, 0.5, 0.5, 0]),
    "min, tied": (pb.min, [1.0, 1.0, 1.0, 2.0], [1 / 3, 1 / 3, 1 / 3, 0]),
    "max along an axis, tied": (lambda x: pb.max(x, -1), [[1.0, 1.0], [1.0, 2.0]], [[0.5, 0.5], [0, 1]]),
    "max over axes, tied": (lambda x: pb.max(x, (0, 1)), [[2.0, 1.0], [2.0, 2.0]], [[1 / 3, 0], [1 / 3, 1 / 3]]),
    "max of -inf": (pb.max, [-INF, -INF], [0.5, 0.5]),
    "max beside NaN": (pb.max, [1.0, NAN], [0, 1]),
    "nanmax, tied": (pb.nanmax, [NAN, 3.0, 3.0], [0, 0.5, 0.5]),
    "ptp, tied": (pb.ptp, [1.0, 1.0, 5.0], [-0.5, -0.5, 1]),
    "median, even": (pb.median, [4.0, 1.0, 3.0, 2.0], [0, 0, 0.5, 0.5]),
    "quantile": (lambda x: pb.quantile(x, 0.25), [10.0, 20.0, 40.0], [0.5, 0.5, 0]),
    "first and last quantile": (lambda x: pb.quantile(x, [0.0, 1.0]), [2.0, 1.0, 3.0], [0, 1, 1]),
    # infinities
    "logsumexp of -inf": (pb.logsumexp, [-INF, -INF], [0, 0]),
    "logsumexp beside -inf": (pb.logsumexp, [-INF, 3.0], [0, 1]),
    "logsumexp with inf": (pb.logsumexp, [INF, 3.0, -INF], [1, 0, 0]),
    "logsumexp of infs": (pb.logsumexp, [INF, INF, 3.0], [0.5, 0.5, 0]),
    "logsumexp far out": (pb.logsumexp, [1000.0, 1000.0], [0.5, 0.5]),
    "sigmoid far out": (pb.sigmoid, [-1000.0, 0.0, 1000.0], [0, 0.25, 0]),
    "softplus far out": (pb.softplus, [-1000.0, 0.0, 1000.0], [0, 0.5, 1]),
    "tanh far out": (pb.tanh, [-1000.0, 0.0, 1000.0], [0, 1, 0]),
    "prod of infinities": (pb.prod, [INF, 2.0], [2, INF]),
    "nan_to_num": (pb.nan_to_num, [NAN, INF, 1.0], [0, 0, 1]),
    # a NaN where where() does not look
    "where, safe": (lambda x: pb.where(x > 0, pb.log(pb.where(x > 0, x, 1)), 0), [-1.0, 0.0, 2.0], [0, 0, 0.5]),
    "where beside NaN": (lambda x: pb.where(np.isnan(x.numpy()), 0, x * 2), [NAN, 3.0], [0, 2]),
    "nansum": (pb.nansum, [NAN, 3.0], [0, 1]),
    "nanmean": (pb.nanmean, [NAN, 3.0, 5.0], [0, 0.5, 0.5]),
    "nanstd of a constant": (pb.nanstd, [NAN, 3.0, 3.0], [0, 0, 0]),
    # repeated arguments
    "x + x, x - x": (lambda x: (x + x) * (x - x), [2.0], [0]),
    "x * x": (lambda x: x * x, [0.0, 3.0], [0, 6]),
    "x / x": (lambda x: x / x, [2.0], [0]),
    "x ** x": (lambda x: x**x, [1.0, E], [1, 2 * E**E]),
    "maximum(x, x)": (lambda x: pb.maximum(x, x), [2.0, -1.0], [1, 1]),
    "x @ x": (lambda x: x @ x, [3.0, 4.0], [6, 8]),
    "outer(x, x)": (lambda x: pb.outer(x, x), [3.0, 4.0], [14, 14]),
    "concatenate([x, x])": (lambda x: pb.concatenate([x, x * x]), [3.0, 4.0], [7, 9]),
    "einsum ii": (lambda x: pb.einsum("ii", x), [[1.0, 2.0], [3.0, 4.0]], [[1, 0], [0, 1]]),
    "einsum i,i of one array": (lambda x: pb.einsum("i,i->", x, x), [3.0, 4.0], [6, 8]),
    # indices
    "repeated index": (lambda x: x[[0, 0, 2]], [1.0, 2.0, 3.0], [2, 0, 1]),
    "negative and repeated": (lambda x: x[[-1, 2]], [1.0, 2.0, 3.0], [0, 0, 2]),
    "mask": (lambda x: x[x.numpy() > 1], [1.0, 2.0, 3.0], [0, 1, 1]),
    "empty index": (lambda x: x[[]], [1.0, 2.0], [0, 0]),
    "None and Ellipsis": (lambda x: x[None, ..., 0] * 3, [[1.0, 2.0]], [[3, 0]]),
    "reversed": (lambda x: x[::-1] ** 2, [1.0, 2.0], [2, 4]),
    # of shapes that are not square
    "diag of a wide matrix": (pb.diag, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [[1, 0, 0], [0, 1, 0]]),
    "diag of a tall matrix": (lambda x: pb.diag(x, -1), [[1.0], [2.0], [3.0]], [[0], [1], [0]]),
    "trace of a wide matrix": (pb.trace, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [[1, 0, 0], [0, 1, 0]]),
    # of one dimension less
    "sum of a number": (pb.sum, 3.0, 1),
    "prod of a number": (pb.prod, 3.0, 1),
    "max of a number": (pb.max, 3.0, 1),
    "logsumexp of a number": (pb.logsumexp, 3.0, 1),
    "norm of a number by its axes": (lambda x: pb.linalg.norm(x.reshape(1, 1)), 3.0, 1),
    "axis of length 1": (lambda x: pb.std(x, 0) + pb.max(x, 0) + pb.prod(x, 0), [[2.0, 3.0]], [[2, 2]]),
    # degenerate matrices
    "det of a singular matrix": (pb.linalg.det, [[1.0, 2.0], [2.0, 4.0]], [[4, -2], [-2, 1]]),
    "det of rank 0": (pb.linalg.det, [[0.0, 0.0], [0.0, 0.0]], [[0, 0], [0, 0]]),
    "trace by eigvalsh, repeated": (pb.linalg.eigvalsh, [[2.0, 0.0], [0.0, 2.0]], [[1, 0], [0, 1]]),
    "nuclear norm": (lambda x: pb.linalg.norm(x, "nuc"), [[3.0, 0.0, 0.0], [0.0, 3.0, 0.0]], [[1, 0, 0], [0, 1, 0]]),
    "matrix_power 0": (lambda x: pb.linalg.matrix_power(x, 0), [[1.0, 2.0], [2.0, 4.0]], [[0, 0], [0, 0]]),
    "matrix_power -1": (lambda x: pb.linalg.matrix_power(x, -1), [[1.0, 0.0], [0.0, 0.5]], [[-1, -2], [-2, -4]]),
    "pinv of rank 1": (lambda x: pb.trace(pb.linalg.pinv(x)), [[2.0, 0.0], [0.0, 0.0]], [[-0.25, 0], [0, 0]]),
    "cholesky reads one triangle": (
        lambda x: pb.linalg.cholesky(x)[1, 0],
        [[4.0, 9.0], [2.0, 9.0]],
        [[-0.125, 0], [0.5, 0]],
    ),
}

# Of two arguments: name -> function, inputs, gradients of the sum
TWO = {
    "maximum, tied": (pb.maximum, ([1.0, 2.0, 3.0], [2.0, 2.0, 2.0]), ([0, 0.5, 1], [1, 0.5, 0])),
    "minimum, tied": (pb.minimum, ([1.0, 2.0, 3.0], [2.0, 2.0, 2.0]), ([1, 0.5, 0], [0, 0.5, 1])),
    "maximum of infinities": (pb.maximum, ([INF, -INF], [INF, -INF]), ([0.5, 0.5], [0.5, 0.5])),
    "maximum beside NaN": (pb.maximum, ([NAN, 1.0], [1.0, NAN]), ([1, 0], [0, 1])),
    "fmax beside NaN": (pb.fmax, ([NAN, 1.0], [1.0, NAN]), ([0, 1], [1, 0])),
    "power at 0": (pb.power, ([0.0, 0.0, 0.0, 3.0], [2.0, 1.0, 0.0, 0.0]), ([0, 1, 0, 0], [0, 0, 0, math.log(3)])),
    "root at 0": (pb.power, ([0.0, 0.0], [0.5, 1.5]), ([0, 0], [0, 0])),
    "arctan2 at 0": (pb.arctan2, ([0.0, 0.0, 1.0], [0.0, 2.0, 0.0]), ([0, 0.5, 0], [0, 0, -1])),
    "arctan2 far out": (pb.arctan2, ([1e200], [1e200]), ([5e-201], [-5e-201])),
    "hypot at 0": (pb.hypot, ([0.0, 3.0], [0.0, 4.0]), ([0, 0.6], [0, 0.8])),
    "logaddexp of -inf": (pb.logaddexp, ([-INF, -INF, 0.0], [-INF, 1.0, -INF]), ([0, 0, 1], [0, 1, 0])),
    "logaddexp of inf": (pb.logaddexp, ([INF, INF, 0.0], [INF, 1.0, INF]), ([0.5, 1, 0], [0.5, 0, 1])),
    "logaddexp far out": (pb.logaddexp, ([1000.0, -1000.0], [1000.0, 1000.0]), ([0.5, 0], [0.5, 1])),
    "logaddexp2 of -inf": (pb.logaddexp2, ([-INF, 1.0], [-INF, 1.0]), ([0, 0.5], [0, 0.5])),
    "xlogy at 0": (pb.special.xlogy, ([0.0, 0.0, 1.0], [0.0, 1.0, 1.0]), ([0, 0, 0], [0, 0, 1])),
    "rel_entr at 0": (pb.special.rel_entr, ([0.0, 1.0], [1.0, 1.0]), ([0, 1], [0, -1])),
    "remainder by what does not divide": (pb.remainder, ([1.0, -7.5], [0.1, 2.0]), ([1, 1], [-9, 4])),  # 1 - 9 * 0.1...
    "fmod by what does not divide": (pb.fmod, ([1.0, -7.5], [0.1, 2.0]), ([1, 1], [-9, 3])),
    "remainder by inf": (pb.remainder, ([-1.0, 1.0], [INF, INF]), ([1, 1], [1, 0])),
    "copysign": (pb.copysign, ([-2.0, 3.0], [1.0, -1.0]), ([-1, -1], [0, 0])),
    "heaviside at 0": (pb.heaviside, ([-1.0, 0.0], [0.3, 0.3]), ([0, 0], [0, 1])),
    "broadcast to nothing": (pb.add, ([[1.0, 2.0]], np.zeros((0, 2))), ([[0, 0]], np.zeros((0, 2)))),
    "broadcast of a number": (pb.multiply, (2.0, [[1.0, 2.0], [3.0, 4.0]]), (10, [[2, 2], [2, 2]])),
    "broadcast both ways": (pb.multiply, ([[1.0], [2.0]], [[3.0, 4.0, 5.0]]), ([[12], [12]], [[3, 3, 3]])),
    "interp": (lambda x, f: pb.interp(x, [0, 1], f), ([-1.0, 0.5, 9.0], [1.0, 3.0]), ([0, 2, 0], [1.5, 1.5])),
    "solve with a vector": (pb.linalg.solve, ([[1.0, 0.0], [0.0, 0.5]], [3.0, 2.0]), ([[-3, -4], [-6, -8]], [1, 2])),
}


@pytest.mark.parametrize("name", ONE)
def test_gradient(name):
    f, x, expected = ONE[name]
    _, (actual,) = gradients(f, x)
    np.testing.assert_allclose(actual, expected, rtol=1e-13, atol=1e-15)
    assert np.shape(actual) == np.shape(x)


@pytest.mark.parametrize("name", TWO)
def test_gradients_of_two(name):
    f, inputs, expected = TWO[name]
    _, actual = gradients(f, *inputs)
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-13, atol=1e-300)


@pytest.mark.parametrize("name", ONE)
def test_float32_in_is_float32_out_with_the_same_gradient(name):
    f, x, expected = ONE[name]
    out, (actual,) = gradients(f, np.asarray(x, np.float32))
    assert out.dtype == actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-6)


SECOND = {  # of a sum: what one more backward pass gives, with cotangents of ones
    "prod with two zeros": (pb.prod, [0.0, 0.0, 4.0], [4, 4, 0]),
    "prod with a zero": (pb.prod, [0.0, 3.0, 4.0], [7, 4, 3]),
    "cumprod with zeros": (pb.cumprod, [0.0, 0.0, 5.0], [6, 6, 0]),  # x0 + x0 x1 + x0 x1 x2
    "x ** 2 at 0": (lambda x: x**2, [0.0, -3.0], [2, 2]),
    "x ** 3 at 0": (lambda x: x**3, [0.0, -3.0], [0, -18]),
    "sinc at 0": (pb.sinc, [0.0], [-(math.pi**2) / 3]),
    "abs, relu": (lambda x: pb.abs(x) + pb.relu(x), [-1.0, 0.0, 2.0], [0, 0, 0]),
    "norm": (pb.linalg.norm, [3.0, 4.0], [4 / 125, -3 / 125]),
    "x ** [0, 1, 2] at 0": (lambda x: x ** np.array([0.0, 1.0, 2.0]), [0.0, 0.0, 0.0], [0, 0, 2]),
    "norm 4 with a zero": (lambda x: pb.linalg.norm(x, 4) ** 2, [0.0, 3.0], [0, 2]),
    "vdot(x, x) at 0": (lambda x: pb.vdot(x, x), [0.0, 0.0], [2, 2]),
    "logsumexp, tied": (pb.logsumexp, [2.0, 2.0], [0, 0]),
    "logsumexp of -inf": (pb.logsumexp, [-INF, -INF], [0, 0]),
    "sigmoid far out": (pb.sigmoid, [-1000.0, 1000.0], [0, 0]),
    "max, tied": (lambda x: pb.max(x) ** 2, [3.0, 3.0], [1, 1]),
    "logaddexp, tied": (lambda x: pb.logaddexp(x, 0), [0.0], [0.25]),
    "repeated index": (lambda x: x[[0, 0]] ** 2, [3.0, 1.0], [4, 0]),
    "det of a singular matrix": (pb.linalg.det, [[1.0, 0.0], [0.0, 3.0]], [[1, -1], [-1, 1]]),
}


@pytest.mark.parametrize("name", SECOND)
def test_second_order(name):
    f, x, expected = SECOND[name]
    leaf = Tensor(np.asarray(x), requires_grad=True)
    out = f(leaf)
    out.backward(np.ones(out.shape), create_graph=True)
    first, leaf.grad = leaf.grad, None
    first.sum().backward()
    np.testing.assert_allclose(leaf.grad.numpy(), expected, rtol=1e-13, atol=1e-14)


ROOTS = {  # whose second derivative at 0 is infinite, so that none is known of what is made of them
    "sqrt": pb.sqrt,
    "sqrt, of a sum of squares": lambda x: pb.sqrt((x * x).sum()),
    "cbrt": pb.cbrt,
    "x ** 0.5": lambda x: x**0.5,
    "x ** [0.5]": lambda x: x ** np.full(2, 0.5),
    "norm": pb.linalg.norm,
    "norm, squared": lambda x: pb.linalg.norm(x) ** 2,
    "norm, cubed": lambda x: pb.linalg.norm(x) ** 3,
    "norm 3": lambda x: pb.linalg.norm(x, 3) ** 3,
    "vector_norm": lambda x: pb.linalg.vector_norm(x) ** 2,
    "fro": lambda x: pb.linalg.norm(x.reshape(1, 2), "fro") ** 2,
    "norm of complex numbers": lambda x: pb.linalg.norm(x * (1 + 1j)) ** 2,
    "hypot": lambda x: pb.hypot(x, x[::-1]) ** 2,
    "abs of complex numbers": lambda x: pb.abs(x * (1 + 1j)) ** 2,
    "std": lambda x: pb.std(x) ** 2,
    "arctan2": lambda x: pb.arctan2(x, x[::-1]),
    "arcsin": lambda x: pb.arcsin(1 - x),
    "arccos": lambda x: pb.arccos(1 - x),
    "arccosh": lambda x: pb.arccosh(1 + x),
}


@pytest.mark.parametrize("name", ROOTS)
def test_no_second_derivative_at_a_root(name):
    x = Tensor([0.0, 0.0])
    assert pb.grad(lambda x: ROOTS[name](x).sum())(x).numpy().tolist() == [0, 0]
    assert np.isnan(pb.hessian(lambda x: ROOTS[name](x).sum())(x).numpy()).any(1).all()
    assert np.isnan(pb.hvp(lambda x: ROOTS[name](x).sum(), x, Tensor([1.0, 2.0])).numpy()).all()


@pytest.mark.parametrize("order, expected", [(1, 0), (2, -(math.pi**2) / 3), (3, 0), (4, math.pi**4 / 5)])
def test_high_derivatives_of_sinc_at_0(order, expected):
    derivative = pb.sinc
    for _ in range(order):
        derivative = pb.grad(derivative)
    assert float(derivative(0.0)) == pytest.approx(expected, rel=1e-13, abs=0)
    assert float(pb.sinc(Tensor(0.0))) == 1


NOTHING = np.zeros((0, 3))
EMPTY = {
    "sum": (pb.sum, 0),
    "sum, axis 0": (lambda x: pb.sum(x, 0), [0, 0, 0]),
    "sum, axis 1": (lambda x: pb.sum(x, 1), []),
    "prod": (pb.prod, 1),
    "prod, axis 0": (lambda x: pb.prod(x, 0), [1, 1, 1]),
    "logsumexp, axis 0": (lambda x: pb.logsumexp(x, 0), [-INF, -INF, -INF]),
    "norm": (pb.linalg.norm, 0),
    "max, axis 1": (lambda x: pb.max(x, 1), []),
    "mean, axis 1": (lambda x: pb.mean(x, 1), []),
    "std, axis 1": (lambda x: pb.std(x, 1), []),
    "softmax": (pb.softmax, NOTHING),
    "cumsum": (lambda x: pb.cumsum(x, 0), NOTHING),
    "cumprod": (lambda x: pb.cumprod(x, 1), NOTHING),
    "sort": (pb.sort, NOTHING),
    "flip": (pb.flip, NOTHING[::-1]),
    "matmul to nothing": (lambda x: x @ x.T, np.zeros((0, 0))),
    "matmul over nothing": (lambda x: x.T @ x, np.zeros((3, 3))),
    "einsum over nothing": (lambda x: pb.einsum("ij,ij->j", x, x), [0, 0, 0]),
    "concatenate": (lambda x: pb.concatenate([x, x], 1), np.zeros((0, 6))),
    "reshape": (lambda x: x.reshape(3, 0, 2), np.zeros((3, 0, 2))),
    "getitem": (lambda x: x[:, 1], []),
    "exp": (pb.exp, NOTHING),
    "det of 0 x 0": (lambda x: pb.linalg.det(x[:, :0]), 1),
    "inv of 0 x 0": (lambda x: pb.linalg.inv(x[:, :0]), np.zeros((0, 0))),
}


@pytest.mark.parametrize("name", EMPTY)
def test_of_nothing(name):
    f, expected = EMPTY[name]
    out, (gradient,) = gradients(f, NOTHING)
    np.testing.assert_array_equal(out.numpy(), expected)
    assert out.shape == np.shape(expected) and gradient.shape == (0, 3)


@pytest.mark.parametrize("f", [pb.max, pb.min, pb.argmax, lambda x: pb.max(x, 0)])
def test_no_extremum_of_nothing(f):
    with pytest.raises(ValueError, match="zero-size|empty"):
        f(Tensor(NOTHING))


@pytest.mark.parametrize(
    "layer, shape",
    [
        (nn.Linear(3, 2), (0, 3)),
        (nn.Conv2d(3, 2, 2), (0, 3, 4, 5)),
        (nn.ConvTranspose2d(3, 2, 2), (0, 3, 4, 5)),
        (nn.MaxPool2d(2), (0, 3, 4, 5)),
        (nn.AvgPool2d(2), (0, 3, 4, 5)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_batch_of_none(layer, shape):
    x = Tensor(np.zeros(shape, np.float32), requires_grad=True)
    out = layer(x)
    out.sum().backward()
    assert out.shape[0] == 0 and x.grad.shape == shape and out.dtype == np.float32
    assert all(not p.grad.numpy().any() for p in layer.parameters())


DTYPES = [np.float16, np.float32, np.float64, np.complex64, np.complex128]


@pytest.mark.parametrize("a", DTYPES)
@pytest.mark.parametrize("b", [*DTYPES, np.bool_, np.int8, np.int64])
@pytest.mark.parametrize("f", [pb.add, pb.multiply, pb.where], ids=lambda f: f.__name__)
def test_promotion_is_numpys_and_a_gradient_has_its_tensors_dtype(f, a, b):
    x, y = Tensor(np.ones((2, 1), a), True), Tensor(np.ones(3, b), np.dtype(b).kind in "fc")
    out = f(*((np.ones((2, 3), bool),) if f is pb.where else ()), x, y)
    assert out.dtype == np.result_type(a, b)
    out.backward(np.ones(out.shape, out.dtype))
    assert x.grad.dtype == a and x.grad.shape == (2, 1)
    assert y.grad is None or (y.grad.dtype == b and y.grad.shape == (3,))


@pytest.mark.parametrize("number", [2, 2.0, True])
def test_python_numbers_are_weak(number):
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    for out in (x * number, number + x, x**number, number / x, x - number, pb.maximum(x, number)):
        assert out.dtype == np.float32


@pytest.mark.parametrize("values", [[1, 2], [True], np.uint8(3)])
def test_integers_and_bools_have_no_gradient(values):
    with pytest.raises(TypeError, match="only float and complex tensors have gradients, not"):
        Tensor(values, requires_grad=True)
    x = Tensor(values)
    assert not (x * 2).requires_grad
    with pytest.raises(TypeError, match="only float and complex tensors have gradients"):
        pb.grad(lambda x: (x * 1.0).sum())(x)


def test_complex_gradients_are_jaxs():
    """d/dx - i d/dy: of |z|^2 it is 2 conj(z); of a holomorphic function, weighted by 1, its derivative."""
    _, (square,) = gradients(lambda z: pb.real(z * pb.conj(z)), np.array([1 + 2j, 0j]))
    np.testing.assert_array_equal(square, [2 - 4j, 0])
    _, (kink,) = gradients(pb.abs, np.array([3 + 4j, 0j]))
    np.testing.assert_allclose(kink, [0.6 - 0.8j, 0], rtol=1e-15)
    _, (cube,) = gradients(lambda z: z**3, np.array([1 + 1j]))
    np.testing.assert_allclose(cube, [6j], atol=1e-15)


def test_repeated_writes_and_last_value():
    """x[[0, 0]] = v: the last of v is what stays, and gets the cotangent; what was overwritten gets none."""

    def f(x, v):
        y = x * 1
        y[[0, 0]] = v
        y[1] += y[0]
        return y * np.array([1.0, 10.0, 100.0])

    _, (x, v) = gradients(f, [1.0, 2.0, 3.0], [5.0, 7.0])
    assert x.tolist() == [0, 10, 100] and v.tolist() == [0, 11]
