"""einops on Tensors: what it makes of NumPy's arrays, with gradients, whichever is imported first."""

import subprocess
import sys

import numpy as np
import pytest

from pullback import Tensor, logsumexp, testing

einops = pytest.importorskip("einops")

RNG = np.random.default_rng(0)
X = RNG.uniform(0.5, 1.5, (2, 3, 4))
W = RNG.standard_normal((4, 5))


@pytest.mark.parametrize(
    "f",
    [
        lambda e, x: e.rearrange(x, "a b c -> c (a b)"),
        lambda e, x: e.rearrange(x, "a b (c d) -> (d a) b c", d=2),
        lambda e, x: e.rearrange(x, "a ... -> ... 1 a"),
        lambda e, x: e.rearrange([x, x], "n a b c -> a b (n c)"),
        lambda e, x: e.reduce(x, "a b c -> b", "sum"),
        lambda e, x: e.reduce(x, "a b (c d) -> a b c", "mean", d=2),
        lambda e, x: e.reduce(x, "a b c -> () c", "max"),
        lambda e, x: e.reduce(x, "a b c -> a", "min"),
        lambda e, x: e.reduce(x, "a b c -> a b", "prod"),
        lambda e, x: e.repeat(x, "a b c -> a (b 2) c d", d=3),
        lambda e, x: e.pack([x, x[0], x[:, 0]], "* c")[0],
        lambda e, x: e.unpack(x, [(1,), (2,)], "a * c")[1],
    ],
)
@pytest.mark.parametrize("interface", ["einops", "einops.array_api"])
def test_the_value_is_that_on_arrays_and_the_gradient_right(interface, f):
    e = pytest.importorskip(interface)
    out = f(e, Tensor(X, requires_grad=True))
    assert out.requires_grad
    np.testing.assert_array_equal(out.numpy(), f(einops, X))
    x = Tensor(X, requires_grad=True)
    testing.gradcheck(lambda x: f(e, x), x)
    testing.gradgradcheck(lambda x: f(e, x) ** 2, x)


def test_einsum():
    def f(x, w):
        return einops.einsum(x, w, "batch time channel, channel unit -> batch unit")

    np.testing.assert_allclose(f(Tensor(X), Tensor(W)).numpy(), X.sum(1) @ W)
    testing.gradcheck(f, (Tensor(X, requires_grad=True), Tensor(W, requires_grad=True)))


def test_reduction_by_a_function_of_ones_own():
    out = einops.reduce(Tensor(X, requires_grad=True), "a b c -> b", logsumexp)
    assert out.requires_grad
    np.testing.assert_allclose(out.numpy(), np.log(np.exp(X).sum((0, 2))))


@pytest.mark.parametrize("name", ["any", "all"])
def test_logical_reductions_are_constants(name):
    out = einops.reduce(Tensor(X, requires_grad=True) > 1, "a b c -> b", name)
    np.testing.assert_array_equal(out.numpy(), getattr(np, name)(X > 1, (0, 2)))
    assert not out.requires_grad


def test_the_mean_of_integers_is_refused_as_on_arrays():
    with pytest.raises(NotImplementedError):
        einops.reduce(Tensor([[1, 2]]), "a b -> a", "mean")


def test_parse_shape_and_asnumpy():
    x = Tensor(X, requires_grad=True)
    assert einops.parse_shape(x, "a _ c") == {"a": 2, "c": 4}
    np.testing.assert_array_equal(einops.asnumpy(x), X)


def test_pack_and_unpack_are_inverse():
    parts = [Tensor(X), Tensor(X[0]), Tensor(X[:, 0])]
    for back, part in zip(einops.unpack(*einops.pack(parts, "* c"), "* c"), parts, strict=True):
        np.testing.assert_array_equal(back.numpy(), part.numpy())


def test_errors_are_those_of_einops():
    with pytest.raises(einops.EinopsError, match="Shape mismatch"):
        einops.rearrange(Tensor(X), "a b (c d) -> a b c d", d=3)


@pytest.mark.parametrize(
    "program",
    [
        "import pullback, sys; assert 'einops' not in sys.modules; import einops",
        "import einops, pullback",
        "import einops, numpy; einops.rearrange(numpy.ones((1, 2)), 'a b -> b a'); import pullback",
        "import einops.array_api; import pullback; import einops",
    ],
)
def test_in_whichever_order_they_are_imported(program):
    program += (
        "; import gc; gc.collect(); x = pullback.Tensor([[1.0, 2.0]], requires_grad=True)"
        "; y = einops.rearrange(x, 'a b -> b a'); assert y.requires_grad and y.shape == (2, 1)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
