"""Verdicts at every scale and precision, and what reports say: enough to see a failure again."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pullback import Tensor, concatenate, exp, log, matmul, multiply, override, sin, sqrt, stop_gradient, tanh
from pullback import abs as absolute
from pullback.testing import (
    GradcheckError,
    check_gradient,
    check_primitive,
    check_vjp,
    gradcheck,
    gradgradcheck,
)

RNG = np.random.default_rng(3)
X = RNG.uniform(0.5, 2, (2, 3))
METHODS = ["auto", "forward", "backward", "central", "fourth", "richardson"]


def leaf(values, dtype=None):
    return Tensor(np.asarray(values, dtype), requires_grad=True)


def times(factor):
    """The wrong rule of exp by this factor."""
    return override(exp, "x", lambda g, out: factor * g * out)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("out", [1e-30, 1.0, 1e30, *(pytest.param(s, marks=pytest.mark.thorough) for s in (1e-8, 1e8))])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_a_wrong_factor_at_any_scale(method, out, size):
    f = lambda x: exp(x / size) * out  # noqa: E731
    assert gradcheck(f, leaf(X * size), method=method).unclear == 0
    for factor in (5, 1.001, -1):
        with times(factor), pytest.raises(GradcheckError):
            gradcheck(f, leaf(X * size), method=method)


@pytest.mark.parametrize("check", [gradcheck, gradgradcheck])
@pytest.mark.parametrize("dtype", [np.float32, np.complex64, np.complex128, np.float16])
def test_other_precisions(check, dtype):
    x = X.astype(dtype) * (1 + 0.25j if np.dtype(dtype).kind == "c" else 1)
    assert check(lambda x: exp(x) * x, leaf(x, dtype))
    for factor in (1.25 if dtype == np.float16 else 1.1, -1):
        with times(factor), pytest.raises(GradcheckError):
            check(lambda x: exp(x) * x, leaf(x, dtype))


def test_float32_is_evaluated_in_float64_where_it_can_be():
    seen = set()

    def f(x):
        seen.add(x.dtype)
        return exp(x)

    assert gradcheck(f, leaf(X, np.float32)) and {np.dtype("f4"), np.dtype("f8")} <= seen
    with times(1.002), pytest.raises(GradcheckError):
        gradcheck(f, leaf(X, np.float32))
    single = lambda x: exp(x.astype(np.float32))  # noqa: E731
    assert gradcheck(single, leaf(X, np.float32))
    with times(1.05), pytest.raises(GradcheckError):
        gradcheck(single, leaf(X, np.float32))


def test_complex_results_of_real_and_real_of_complex():
    z = leaf(X + 0.5j * X[::-1])
    assert gradcheck(absolute, z) and gradcheck(lambda z: z * np.conj(z), z) and gradcheck(np.real, z)
    assert gradcheck(lambda x: exp(1j * x), leaf(X)) and gradgradcheck(absolute, z)
    with override(absolute, "x", lambda g, x, out: g * x / out), pytest.raises(GradcheckError, match="input 0"):
        gradcheck(absolute, z)


HARD = {
    "steep": (lambda x: sin(1e6 * x), X),
    "on a pedestal": (lambda x: 1e6 + x**2, X),
    "rows of unlike size": (lambda x: concatenate([1e6 * sin(x), 1e-6 * sin(x)]), X),
    "entries of unlike size": (lambda x: log(x), np.array([1e-7, 1.0, 1e7])),
    "at the edge of the domain": (lambda x: sqrt(x) * log(x), np.array([1e-9, 1.0])),
    "flat": (lambda x: x * 0 + 1, X),
    "no entries": (lambda x: exp(x), np.zeros((0, 3))),
    "no result": (lambda x: x[:0], X),
    "0-d": (lambda x: exp(x), 2.0),
    "of zeros": (lambda x: sin(x) * exp(x), np.zeros(3)),
}


@pytest.mark.parametrize("name", HARD)
def test_hard_functions(name):
    f, x = HARD[name]
    passed = gradcheck(f, leaf(x))
    assert passed.kinks == () or name == "at the edge of the domain"


@pytest.mark.parametrize("name", ["steep", "on a pedestal", "rows of unlike size", "entries of unlike size"])
@pytest.mark.parametrize("factor", [5, 1.01])
def test_hard_functions_with_a_fault(name, factor, planted):
    """In one entry alone: the last, of the smallest row."""
    made = planted(lambda x: x * 1, name="spoiled")
    made.vjp("x")(lambda g: g * np.where(np.arange(g.size).reshape(g.shape) == g.size - 1, factor, 1))
    f, x = HARD[name]
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: made(f(x)), leaf(x))


def test_large_arrays_are_projected():
    x, w = leaf(RNG.uniform(-1, 1, 20_000)), RNG.uniform(0.5, 1.5, 20_000)
    assert gradcheck(lambda x: tanh(x * w), x).slopes < 10
    off = np.arange(20_000) == 12_345
    wrong = override(multiply, "a", lambda g, b: g * b * np.where(off, 1.5, 1))
    with wrong, pytest.raises(GradcheckError, match=r"/ d input 0\[12345\]"):
        gradcheck(lambda x: x * w, x)


def test_forward_mode_and_batches_are_checked(planted):
    made = planted(lambda x: x**3, name="cubed")
    made.vjp("x", "elementwise")(lambda g, x: 3 * x * x * g)
    for options in ({}, {"check_forward": True}, {"check_batched": True}):
        assert gradcheck(made, leaf(X), **options)
    made.jvp("x")(lambda g, x: 2 * x * x * g)
    assert gradcheck(made, leaf(X))
    with pytest.raises(GradcheckError, match="<J v, g>"):
        gradcheck(made, leaf(X), check_forward=True)


def test_a_wrong_batching_rule(planted):
    made = planted(lambda x: x**3, name="cubed")
    made.vjp("x")(lambda g, x: 3 * x * x * g)
    made.batch(lambda call, n, values, batched: (2 * call(*values)[0],))
    assert gradcheck(made, leaf(X))
    with pytest.raises(GradcheckError, match="value in a batch"):
        gradcheck(made, leaf(X), check_batched=True)


def spoiled_exp(x):
    """exp with the gradient of exp(x) + 1."""
    return np.exp(x)


def spoiled_gradient(g, x):
    return g * (np.exp(x) + 1)


def again(error):
    """Run the reproduction in a report by itself, which must raise an error that says the same."""
    text = str(error.value)
    with pytest.raises(GradcheckError) as second:
        exec(text.split("  to see it again:\n")[1], {})
    assert str(second.value).splitlines()[0] == text.splitlines()[0]


@pytest.mark.parametrize("x", [X, X.astype(np.float32), X * (1 + 2j), 2.0, np.array([np.pi]), X / 3e7])
def test_the_reproduction_runs_and_fails_again(x, planted):
    with times(1.5):
        with pytest.raises(GradcheckError) as error:
            gradcheck(exp, leaf(x))
        again(error)
        with pytest.raises(GradcheckError) as error:
            gradcheck(lambda x, n: exp(x) * n, (leaf(x), Tensor([1, 2, 3])), rtol=1e-4, full=False)
        again(error)
        with pytest.raises(GradcheckError) as error:
            gradgradcheck(exp, leaf(x))
        again(error)
        with pytest.raises(GradcheckError) as error:
            check_primitive(exp, (np.asarray(x),))
        again(error)
    with override(matmul, "a", lambda g, b: 2 * (g @ b.mT)), pytest.raises(GradcheckError) as error:
        check_primitive(matmul, (X, X.T))
        again(error)


def test_the_reproduction_of_a_pair_imports_what_can_be():
    with pytest.raises(GradcheckError) as error:
        check_vjp(spoiled_exp, spoiled_gradient, X)
    again(error)
    with pytest.raises(GradcheckError) as error:
        check_gradient(np.linalg.norm, np.sum, X[0])
    assert "from numpy.linalg import norm as f" in str(error.value)
    again(error)


def of_two(factor, scale):
    def inner(x):
        """Calls a function of this file, and what is around it."""
        return bent(x) * factor * scale

    return inner


def bent(x):
    return stop_gradient(sin(x)) * x


def test_the_reproduction_writes_out_what_cannot_be_imported(monkeypatch):
    around = of_two(2.0, np.array([1.0, 3.0, 0.5]))
    two, several = (lambda x: bent(x) * 2, lambda x: bent(x) - sin(x)), lambda x, n=2: [bent(x) for _ in range(n)]
    for f in (*two, several, around):
        with pytest.raises(GradcheckError) as error:
            gradcheck(f, leaf(X))
        again(error)
    f = bent
    for unknown in (eval("lambda x: bent(x)", {"bent": bent}), lambda x: f(x)):  # of no file; f would be itself
        with pytest.raises(GradcheckError, match="# f is .*<lambda>"):
            gradcheck(unknown, leaf(X))
    monkeypatch.setattr(bent, "__module__", "__main__")  # of a script, which another program cannot import
    with pytest.raises(GradcheckError) as error:
        gradcheck(bent, leaf(X))
    assert "def bent(x):" in str(error.value)
    again(error)


def test_what_a_report_says():
    with times(1.5), pytest.raises(GradcheckError) as error:
        gradcheck(lambda a, b: exp(b) * a, (leaf([1.0, 2.0]), leaf([0.0, np.log(2)])))
    lines = str(error.value).splitlines()
    assert lines[0].startswith(
        "gradcheck, argument input 1: wrong gradient; the worst entry is d output[1] / d input 1[1]"
    )
    assert lines[1].split()[3:] == ["6.0,", "1.5", "times", "as", "much"]
    assert float(lines[2].split()[3]) == pytest.approx(4) and "step" in lines[2] and "tolerance" in lines[2]


SHRINK = settings(derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))


def shrunk(fault, **options):
    """What Hypothesis leaves of the example that fails: the array in the report."""

    @SHRINK
    @given(arrays(np.float64, array_shapes(min_dims=0, max_dims=3, min_side=0), elements=st.integers(1, 9).map(float)))
    def check(x):
        with override(exp, "x", fault):
            gradcheck(exp, leaf(x / 8), **options)

    with pytest.raises(GradcheckError) as error:
        check()
    return str(error.value)


def test_hypothesis_shrinks_to_the_smallest_shape_and_simplest_values():
    assert "input 0, float64 ():\n      0.125" in shrunk(lambda g, out: g * out * 2)
    assert "input 0, float64 (2,):\n      [0.125, 0.125]" in shrunk(lambda g, out: g * out * (1 if out.size < 2 else 2))
    text = shrunk(lambda g, out: g * out * np.where(out > np.exp(0.5), 1.1, 1))
    assert "input 0, float64 ():\n      0.625" in text


def test_hypothesis_shrinks_a_fault_of_memory_layout():
    def fault(g, out):
        return g * out * (1 if not isinstance(g, np.ndarray) or g.flags.c_contiguous else 2)

    assert "input 0, float64 (2,):\n      [0.125, 0.125]" in shrunk(fault)
