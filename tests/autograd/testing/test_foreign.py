"""Pairs of a function and its gradient that are not Pullback's: hand-written, of JAX, PyTorch, autograd and MyGrad."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pullback.testing import GradcheckError, check_gradient, check_vjp

RNG = np.random.default_rng(5)
X = RNG.uniform(0.5, 2, (3, 4))
TIES = np.array([1.0, 2.0, 2.0])


def logistic(w, x, y):
    return np.mean(np.logaddexp(0, -y * (x @ w)))


def of_logistic(w, x, y):
    p = 1 / (1 + np.exp(y * (x @ w)))
    return -(x.T @ (y * p)) / len(y), -np.outer(y * p, w) / len(y)


LABELS = np.array([1, -1, 1])


def test_a_gradient_by_hand():
    assert check_gradient(logistic, of_logistic, (X[0], X, LABELS))
    assert check_gradient(lambda x: x**3, lambda x: 3 * x**2, 2.0)
    assert check_gradient(np.linalg.norm, lambda z: np.conj(z) / np.linalg.norm(z), X[0] * (1 + 1j))
    with pytest.raises(GradcheckError, match="check_gradient, argument input 1: wrong gradient.*input 1"):
        check_gradient(
            logistic, lambda w, x, y: (of_logistic(w, x, y)[0], 2 * of_logistic(w, x, y)[1]), (X[0], X, LABELS)
        )


@pytest.mark.parametrize(
    "vjp, words",
    [
        pytest.param(lambda g, x: g * 2 * x + 1, "cotangent", id="not linear"),
        pytest.param(lambda g, x: (g * 2 * x)[:1], "gradient is float64", id="shape"),
        pytest.param(lambda g, x: (g * 2 * x).astype(np.float32), "gradient is float32", id="dtype"),
        pytest.param(lambda g, x: None, "gradient is object", id="none"),
        pytest.param(lambda g, x: g * 2 * x * (1 + 1e-6 * RNG.uniform()), "second run", id="random"),
        pytest.param(lambda g, x: np.multiply(g, 2 * x, out=g), "the cotangent after", id="cotangent changed"),
        pytest.param(lambda g, x: g * np.multiply(2, x, out=x), "input 0 after", id="input changed"),
        pytest.param(lambda g, x: g * 2 * x if g.flags.c_contiguous else g * x, "Fortran", id="layout"),
    ],
)
def test_properties_of_a_pair(vjp, words):
    assert check_vjp(np.square, lambda g, x: g * 2 * x, X)
    with pytest.raises(GradcheckError, match=words):
        check_vjp(np.square, vjp, X.copy())


def test_one_array_given_twice():
    def confused(g, a, b):
        return g * b * (2 if a is b else 1), g * a

    assert check_vjp(np.multiply, lambda g, a, b: (g * b, g * a), (X, X + 1))
    with pytest.raises(GradcheckError, match="input 0 and input 1 are one array"):
        check_vjp(np.multiply, confused, (X, X + 1))


def test_hypothesis_finds_the_smallest_shape_that_a_hand_written_gradient_misses():
    """A mean whose gradient is right unless there is more than one column."""

    def gradient(x):
        return np.full(x.shape, 1 / len(x))

    @settings(derandomize=True, database=None, deadline=None)
    @given(arrays(np.float64, array_shapes(min_dims=2, max_dims=2), elements=st.integers(0, 3).map(float)))
    def check(x):
        check_gradient(np.mean, gradient, x)

    with pytest.raises(GradcheckError) as error:
        check()
    assert "input 0, float64 (1, 2):\n      [[0., 0.]]" in str(error.value)


def test_jax():
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)

    def check(f, *given):
        return check_vjp(f, lambda g, *xs: tuple(map(np.asarray, jax.vjp(f, *xs)[1](jax.numpy.asarray(g)))), given)

    assert check(lambda x, w: jax.nn.relu(x @ w), X, X.T)
    assert check(jax.numpy.sort, TIES).kinks and check(jax.numpy.fft.fft, X + 1j * X)
    assert check_gradient(jax.numpy.prod, jax.grad(jax.numpy.prod), TIES)
    with pytest.raises(GradcheckError, match="nan"):
        check(jax.numpy.linalg.norm, np.zeros(3))


def test_pytorch(torch):

    def check(f, *given):
        def vjp(g, *xs):
            inputs = [torch.tensor(x.copy(), requires_grad=True) for x in xs]
            grads = torch.autograd.grad(f(*inputs), inputs, torch.tensor(g.copy()))
            return tuple(x.numpy() for x in grads)

        return check_vjp(lambda *xs: f(*(torch.tensor(x.copy()) for x in xs)).numpy(), vjp, given)

    assert check(lambda x, w: torch.relu(x @ w), X, X.T)
    assert check(lambda x: torch.sort(x).values, TIES).kinks and check(torch.relu, X.astype(np.float32))
    twice = torch.tensor([[[[0, 3], [3, 1]]]])

    def unpool(y):
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # of several threads that write to one place either may be the last
        try:
            return torch.nn.functional.max_unpool2d(y, twice, 2, output_size=(4, 4))
        finally:
            torch.set_num_threads(threads)

    with pytest.raises(GradcheckError, match=r"\[0, 0, 0, 3\]"):
        check(unpool, X[:2, :2].reshape(1, 1, 2, 2))
    with pytest.raises(GradcheckError, match="wrong gradient"):  # all zeros, in 2.13
        check(torch.linalg.det, np.array([[1.0, 2.0], [2.0, 4.0]]))


def test_autograd():
    pytest.importorskip("autograd.numpy")
    import autograd.numpy as anp

    from autograd import make_vjp

    def check(f, *given):
        def vjp(g, *xs):
            return tuple(make_vjp(f, argnum=i)(*(x[()] for x in xs))[0](g[()]) for i in range(len(xs)))

        return check_vjp(f, vjp, given)

    assert check(lambda x, w: anp.tanh(anp.matmul(x, w)), X, X.T)
    assert check(anp.max, TIES).kinks
    for f, x, words in (
        (anp.prod, np.array([2.0, 0.0, 3.0]), "nan"),
        (anp.linalg.norm, np.zeros(3), "nan"),
        (anp.std, np.ones(3), "nan"),
        (anp.var, X.astype(np.float32), "gradient is float64"),
        (lambda x: anp.diag(x), X, r"gradient is float64 \(3, 3\)"),
    ):
        with np.errstate(all="ignore"), pytest.raises(GradcheckError, match=words):
            check(f, x)


def test_mygrad():
    mygrad = pytest.importorskip("mygrad")

    def check(f, *given):
        def vjp(g, *xs):
            inputs = [mygrad.tensor(x) for x in xs]
            f(*inputs).backward(g)
            return tuple(x.grad for x in inputs)

        return check_vjp(lambda *xs: f(*map(mygrad.tensor, xs)).data, vjp, given)

    assert check(mygrad.matmul, X, X.T)
    with pytest.raises(GradcheckError, match="by the gradient      0.0"):
        check(mygrad.maximum, TIES, TIES.copy())
