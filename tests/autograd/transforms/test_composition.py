"""Transforms of transforms: closed forms, PyTorch's, and random stacks of them beside exact polynomials."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pullback as pb
from pullback import checkpoint, grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp, vmap

RNG = np.random.default_rng(0)


def forward(f):
    """The derivative of a function of a number, in forward mode."""
    return lambda x: jvp(f, (x,), (1.0,))[1]


def backward(f):
    return lambda x: vjp(f, x)[1](1.0)[0]


def batched(f):
    """The derivative as one of a batch of derivatives."""
    return lambda x: vmap(grad(f))(pb.stack([x, 2 * x]))[0]


def rows(f):
    return lambda x: jacobian(f)(x)


MODES = {"grad": grad, "jvp": forward, "vjp": backward, "vmap": batched, "jacobian": rows}


def close(actual, expected, rtol=1e-11):
    np.testing.assert_allclose(np.asarray(pb.asarray(actual).numpy()), expected, rtol=rtol, atol=1e-11)


# The examples of JAX's Autodidax


def test_autodidax_evaluation_and_first_derivative():
    def f(x):
        y = pb.sin(x) * 2.0
        return -y + x

    value, tangent = jvp(f, (3.0,), (1.0,))
    close(value, 3 - 2 * math.sin(3))
    close(tangent, 1 - 2 * math.cos(3))


@pytest.mark.parametrize("modes", list(itertools.product(MODES, repeat=3)))
def test_autodidax_nested_derivatives_of_a_sine(modes):
    f, derivatives = pb.sin, (math.cos, lambda x: -math.sin(x), lambda x: -math.cos(x))
    for mode, derivative in zip(modes, derivatives, strict=True):
        f = MODES[mode](f)
        close(f(3.0), derivative(3.0))


@pytest.mark.parametrize("mode", ["grad", "jvp", "vjp", "jacobian"])
def test_autodidax_control_flow(mode):
    f = MODES[mode](lambda x: 2.0 * x if x > 0.0 else x)
    assert (float(f(3.0)), float(f(-3.0))) == (2.0, 1.0)


def test_autodidax_vmap():
    close(vmap(lambda x: x + 1)(np.arange(3.0)), [1, 2, 3])
    xs = np.linspace(0.0, 1.0, 5)
    values, tangents = vmap(lambda x: jvp(lambda x: -2 * pb.sin(x) + x, (x,), (1.0,)))(xs)
    close(values, xs - 2 * np.sin(xs))
    close(tangents, 1 - 2 * np.cos(xs))


def test_autodidax_jacobian_by_a_batch_of_tangents():
    x = np.arange(3.0)
    close(vmap(lambda v: jvp(pb.sin, (x,), (v,))[1])(np.eye(3)), np.diag(np.cos(x)))


def test_autodidax_nests_of_arguments_and_results():
    def f(x):
        return {"hi": 3 * x[0] + 2 * x[1], "there": (x[0] * x[1],)}

    value, tangent = jvp(f, ([1.0, 3.0],), ([0.1, 0.2],))
    assert (value["hi"].item(), value["there"][0].item()) == (9, 3)
    close([tangent["hi"], tangent["there"][0]], [0.7, 0.5])


@pytest.mark.parametrize("modes", list(itertools.product(["grad", "jvp"], repeat=2)))
def test_autodidax_second_derivatives_in_four_ways(modes):
    f = MODES[modes[0]](MODES[modes[1]](lambda x: -(pb.sin(x) * 2.0 * pb.cos(x)) + x))
    close(f(3.0), 4 * math.sin(6.0))  # of x - sin 2 x


# Perturbation confusion


@pytest.mark.parametrize("modes", list(itertools.product(MODES, repeat=2)))
def test_an_inner_derivative_holds_fixed_what_the_outer_one_varies(modes):
    """d/dx [x d/dy (x + y) at y = 1] = 1, and other examples. Source: Siskind and Pearlmutter, 2005."""
    outer, inner = (MODES[mode] for mode in modes)
    close(outer(lambda x: x * inner(lambda y: x + y)(1.0))(1.0), 1)
    close(outer(lambda x: x * inner(lambda y: x * y)(2.0))(3.0), 6)
    close(outer(lambda x: x * inner(lambda y: x * y**2)(x))(3.0), 6 * 3.0**2)  # of x (2 x x) = 2 x^3
    close(outer(lambda x: inner(lambda y: pb.sin(x * y))(x))(0.7), math.cos(0.49) - 2 * 0.49 * math.sin(0.49))


@pytest.mark.parametrize("modes", list(itertools.product(MODES, repeat=2)))
def test_the_derivative_of_a_shift_taken_twice(modes):
    """D f = (d/du f(. + u) at u = 0) is f', and D (D f) is f''. Source: Manzyuk et al., 2019."""
    outer, inner = (MODES[mode] for mode in modes)

    def shifted(mode, f):
        return lambda x: mode(lambda u: f(x + u))(0.0)

    close(shifted(outer, shifted(inner, pb.exp))(1.0), math.e)
    close(shifted(outer, shifted(inner, lambda x: x**4))(2.0), 48)


def test_a_derivative_at_a_point_that_is_a_derivative():
    # g(x) = x^3, h(x) = g'(g'(x)) = 3 (3 x^2)^2 = 27 x^4, h' = 108 x^3
    g = lambda x: x**3  # noqa: E731
    for a, b, c in itertools.product(MODES, repeat=3):
        close(MODES[a](lambda x, b=b, c=c: MODES[b](g)(MODES[c](g)(x)))(2.0), 864)


# Combinations with closed forms: F(x) = sum(sin(x)^2) has the gradient sin 2 x and the Hessian diag(2 cos 2 x)


def square_sum(x):
    return (pb.sin(x) ** 2).sum()


def test_hessian_of_a_batch_of_a_checkpointed_function():
    x = RNG.normal(size=(4, 3))
    f = checkpoint(square_sum)
    close(hessian(lambda x: vmap(f)(x).sum())(x), np.diag(2 * np.cos(2 * x.ravel())).reshape(4, 3, 4, 3))
    close(
        hessian(lambda x: vmap(checkpoint(lambda r: checkpoint(pb.sin)(r).sum()))(x).prod())(x), hessian_of_a_product(x)
    )
    close(vmap(hessian(f))(x), [np.diag(2 * np.cos(2 * r)) for r in x])
    close(hessian(checkpoint(lambda x: vmap(f)(x).sum()))(x[:1])[0, :, 0], np.diag(2 * np.cos(2 * x[0])))


def hessian_of_a_product(x):
    """Of the product of the rows' sums of sines."""
    sums, n, m = np.sin(x).sum(1), *x.shape
    h = np.zeros((n, m, n, m))
    for i, j, k, l in itertools.product(range(n), range(m), range(n), range(m)):  # noqa: E741
        others = math.prod(sums[r] for r in range(n) if r not in (i, k))
        if i != k:
            h[i, j, k, l] = np.cos(x[i, j]) * np.cos(x[k, l]) * others
        elif j == l:
            h[i, j, k, l] = -np.sin(x[i, j]) * others
    return h


def test_vmap_of_grad_grad_of_vmap_jvp_of_vmap_and_vmap_of_jvp():
    x, v = RNG.normal(size=(2, 4, 3))
    close(vmap(grad(square_sum))(x), np.sin(2 * x))
    close(grad(lambda x: vmap(square_sum)(x).sum())(x), np.sin(2 * x))
    close(jvp(vmap(square_sum), (x,), (v,))[1], (np.sin(2 * x) * v).sum(1))
    close(vmap(lambda x, v: jvp(square_sum, (x,), (v,))[1])(x, v), (np.sin(2 * x) * v).sum(1))
    close(vmap(lambda x: value_and_grad(square_sum)(x)[1])(x), np.sin(2 * x))
    close(grad(lambda x: (vmap(grad(square_sum))(x) * v).sum())(x), 2 * np.cos(2 * x) * v)
    close(jvp(vmap(grad(square_sum)), (x,), (v,))[1], 2 * np.cos(2 * x) * v)
    close(vmap(lambda x, v: vjp(grad(square_sum), x)[1](v)[0])(x, v), 2 * np.cos(2 * x) * v)
    close(vmap(vmap(grad(grad(pb.sin))))(x), -np.sin(x))


def test_third_derivatives_as_tensors():
    x, each = RNG.normal(size=3), np.arange(3)
    expected = np.zeros((3, 3, 3))
    expected[each, each, each] = -4 * np.sin(2 * x)
    close(jacobian(hessian(square_sum))(x), expected)
    close(hessian(lambda x: jacobian(square_sum)(x).sum())(x), expected.sum(0))
    close(vmap(jacobian(hessian(square_sum)))(x[None])[0], expected)


def test_jacobian_forward_is_jacobian_backward():
    a, x = RNG.normal(size=(5, 3)), RNG.normal(size=3)
    f = lambda x: pb.tanh(a @ x)  # noqa: E731
    expected = (1 - np.tanh(a @ x) ** 2)[:, None] * a
    close(vmap(lambda v: jvp(f, (x,), (v,))[1], out_axes=1)(np.eye(3)), expected)
    close(vmap(lambda g: vjp(f, x)[1](g)[0])(np.eye(5)), expected)
    close(jacobian(f)(x), expected)
    close(jacobian(lambda x: f(x)[:2])(x), expected[:2])


def test_hvp_is_the_hessian_times_a_vector():
    a, x, v = RNG.normal(size=(3, 3)), RNG.normal(size=3), RNG.normal(size=3)
    f = lambda x: pb.exp(x @ a @ x)  # noqa: E731
    s, e = a + a.T, math.exp(x @ a @ x)
    h = e * (np.outer(s @ x, s @ x) + s)
    close(hessian(f)(x), h)
    close(hvp(f, x, v), h @ v)
    close(vmap(lambda v: hvp(f, x, v))(np.eye(3)), h)
    close(grad(lambda x: (grad(f)(x) * v).sum())(x), h @ v)


@pytest.mark.parametrize("axes", list(itertools.product((0, 1, -1, None), repeat=2))[:-1])
@pytest.mark.parametrize("out", [0, 1, -1])
def test_axes_of_nested_batches(axes, out):
    """The matrix of all products of the slices of two arrays, by two batches, one within the other."""
    a, b = RNG.normal(size=(3, 3, 3)), RNG.normal(size=(3, 3, 3))
    given = vmap(lambda x, y: vmap(lambda r, s: r @ s, in_axes=(0, 1))(x, y), in_axes=axes, out_axes=out)(a, b)
    expected = []
    for k in range(3):
        x, y = (z if axis is None else np.take(z, k, axis) for z, axis in zip((a, b), axes, strict=True))
        expected.append([x[i] @ y[:, i] for i in range(3)])
    close(given, np.moveaxis(np.array(expected), 0, out))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
def test_beside_torch_func(torch):
    func = torch.func
    x, w = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 3))

    def model(np_, w):
        return lambda r: np_.tanh(r @ w).sum() ** 2 + np_.exp(-r * r).sum()

    f, g = model(pb, w), model(torch, torch.tensor(w))
    pairs = [
        (vmap(hessian(f)), func.vmap(func.hessian(g))),
        (vmap(jacobian(hessian(f))), func.vmap(func.jacfwd(func.hessian(g)))),
        (jacobian(vmap(grad(f))), func.jacrev(func.vmap(func.grad(g)))),
        (hessian(lambda x: vmap(f)(x).sum()), func.hessian(lambda x: func.vmap(g)(x).sum())),
        (
            lambda x: jvp(vmap(grad(f)), (x,), (x,))[1],
            lambda x: func.jvp(func.vmap(func.grad(g)), (x,), (x,))[1],
        ),
        (
            vmap(vmap(lambda a: f(a * pb.asarray(x[0]))), in_axes=1),
            func.vmap(func.vmap(lambda a: g(a * torch.tensor(x[0]))), in_dims=1),
        ),
    ]
    for ours, theirs in pairs:
        close(ours(x), theirs(torch.tensor(x)).numpy(), 1e-9)


# Random stacks of transforms over random polynomial maps of the plane, beside exact polynomials: a dictionary from the
# exponents of each monomial to its coefficient

U, V, W = np.array([1.0, -2.0]), np.array([0.5, 2.0]), np.array([[1.0, 2.0], [-1.0, 0.5]])
VARIABLES = [Counter({(1, 0): 1.0}), Counter({(0, 1): 1.0})]


def plus(*polynomials):
    out = Counter()
    for p in polynomials:
        for monomial, c in p.items():
            out[monomial] += c
    return out


def times(p, q):
    if not isinstance(p, dict):
        return Counter({monomial: p * c for monomial, c in q.items()})
    return plus(*(Counter({(a + c, b + d): x * y}) for (a, b), x in p.items() for (c, d), y in q.items()))


def partial(p, j):
    lowered = lambda m: (m[0] - 1, m[1]) if j == 0 else (m[0], m[1] - 1)  # noqa: E731
    return Counter({lowered(m): m[j] * c for m, c in p.items() if m[j]})


def weighted(weights, f):
    return plus(*(times(w, p) for w, p in zip(weights, f, strict=True)))


def gradient(p):
    return [partial(p, j) for j in range(2)]


def along(direction, f):
    return [weighted(direction, gradient(p)) for p in f]


def stretched(p, by):
    return Counter({m: c * by ** sum(m) for m, c in p.items()})


OPERATIONS = {  # on arrays, and on pairs of polynomials
    "square": (lambda x: x * x, lambda f: [times(p, p) for p in f]),
    "matrix": (lambda x: W @ x, lambda f: [weighted(row, f) for row in W]),
    "flip": (lambda x: pb.flip(x), lambda f: f[::-1]),
    "cumsum": (lambda x: pb.cumsum(x, 0), lambda f: [f[0], plus(*f)]),
    "prod": (lambda x: pb.stack([pb.prod(x), x[0]]), lambda f: [times(*f), f[0]]),
    "written": (lambda x: pb.setitem(x, 0, 3 * x[1]), lambda f: [times(3.0, f[1]), f[1]]),
    "shift": (lambda x: x + np.array([1.0, -0.5]), lambda f: [plus(f[0], {(0, 0): 1.0}), plus(f[1], {(0, 0): -0.5})]),
    "indexed": (lambda x: x[[1, 1]] + x[[0, 1]], lambda f: [plus(f[1], f[0]), plus(f[1], f[1])]),
}
TRANSFORMS = {
    "jvp": (lambda f: lambda x: jvp(f, (x,), (V,))[1], lambda f: along(V, f)),
    "jacobian": (lambda f: lambda x: jacobian(f)(x) @ V, lambda f: along(V, f)),
    "grad": (lambda f: grad(lambda x: (U * f(x)).sum()), lambda f: gradient(weighted(U, f))),
    "vjp": (lambda f: lambda x: vjp(f, x)[1](U)[0], lambda f: gradient(weighted(U, f))),
    "hvp": (lambda f: lambda x: hvp(lambda x: (U * f(x)).sum(), x, V), lambda f: along(V, gradient(weighted(U, f)))),
    "vmap": (
        lambda f: lambda x: vmap(lambda r: f(r * x))(np.array([0.5, -1.0])).sum(0),
        lambda f: [plus(stretched(p, 0.5), stretched(p, -1.0)) for p in f],
    ),
    "vmap of columns": (
        lambda f: lambda x: vmap(f, in_axes=1, out_axes=1)(pb.stack([x, -x], axis=1)) @ V,
        lambda f: [plus(times(0.5, p), times(2.0, stretched(p, -1.0))) for p in f],
    ),
    "checkpoint": (checkpoint, lambda f: f),
    "confusing": (  # the inner derivative, at y = 1, of what holds x twice
        lambda f: lambda x: x * grad(lambda y: (U * f(x * y)).sum())(np.ones(2)),
        lambda f: [times(x, times(x, p)) for x, p in zip(VARIABLES, gradient(weighted(U, f)), strict=True)],
    ),
}


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from(sorted(OPERATIONS)), min_size=1, max_size=4),
    st.lists(st.sampled_from(sorted(TRANSFORMS)), min_size=1, max_size=4),
    st.sampled_from([(0.5, -1.5), (0.0, 1.0), (0.0, 0.0), (-1.0, -1.0)]),
)
def test_random_stacks_beside_exact_polynomials(operations, transforms, at):
    def f(x):
        for name in operations:
            x = OPERATIONS[name][0](x)
        return x

    expected = VARIABLES
    for name in operations:
        expected = OPERATIONS[name][1](expected)
    for name in transforms:
        f, expected = TRANSFORMS[name][0](f), TRANSFORMS[name][1](expected)
    size = sum(abs(c) * 2.0 ** sum(m) for p in expected for m, c in p.items())
    values = [sum(c * at[0] ** a * at[1] ** b for (a, b), c in p.items()) for p in expected]
    out = pb.asarray(f(np.array(at))).numpy()
    np.testing.assert_allclose(out, values, rtol=1e-12, atol=1e-12 * (1 + size))
