"""NumPy's testing functions, conversions and containers on Tensors.

What converts to a NumPy array refuses a Tensor that requires a gradient, `np.testing` among it, as with PyTorch:
NumPy asks for an array and does not say what for. `.numpy()` gives the values to compare.
"""

import numpy as np
import pytest

from pullback import Tensor, no_grad

VALUES = np.array([1.0, 2.0, 3.0])
CHECKS = [
    np.testing.assert_allclose,
    np.testing.assert_array_equal,
    np.testing.assert_almost_equal,
    np.testing.assert_array_almost_equal,
    np.testing.assert_equal,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_testing_compares_the_values(check):
    x = Tensor(VALUES)
    check(x, VALUES)
    check(VALUES, x)
    check(Tensor(VALUES, requires_grad=True).numpy(), VALUES)
    with pytest.raises(AssertionError):
        check(x, VALUES + 1)


def test_testing_less():
    np.testing.assert_array_less(Tensor(VALUES), VALUES + 1)
    with pytest.raises(AssertionError):
        np.testing.assert_array_less(Tensor(VALUES), VALUES)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_testing_refuses_what_requires_a_gradient_and_says_what_to_do(check):
    x = Tensor(VALUES, requires_grad=True)
    with pytest.raises(TypeError, match=r"use .detach\(\) or .numpy\(\) for its values"):
        check(x, VALUES)
    with no_grad():
        check(x, VALUES)


@pytest.mark.parametrize(
    "convert",
    [
        np.asarray,
        np.array,
        np.asanyarray,
        np.ascontiguousarray,
        lambda x: np.array([x, x]),
        lambda x: np.asarray([x[0], 1.0]),
        lambda x: np.from_dlpack(x),
        lambda x: np.zeros(3).__iadd__(x),
        lambda x: np.zeros(3).__setitem__(slice(None), x),
        lambda x: np.vectorize(lambda v: v * 2)(x),
        lambda x: np.frompyfunc(lambda v: v * 2, 1, 1)(x),
        lambda x: np.add(VALUES, x, out=np.zeros(3)),
        lambda x: np.concatenate([VALUES, x], out=np.zeros(6)),
    ],
)
def test_no_conversion_loses_a_gradient(convert):
    with pytest.raises(TypeError):
        convert(Tensor(VALUES, requires_grad=True))


def test_conversion_without_a_gradient_shares_the_memory():
    x = Tensor(VALUES)
    assert np.shares_memory(np.asarray(x), x.data) and np.shares_memory(np.asarray(x.detach()), x.data)
    assert not np.shares_memory(np.array(x), x.data)
    assert np.asarray(x, dtype=np.float32).dtype == np.float32
    with pytest.raises(ValueError):
        np.asarray(x, dtype=np.float32, copy=False)
    np.testing.assert_array_equal(np.array([x, x]), [VALUES, VALUES])


@pytest.mark.parametrize("left", [VALUES, VALUES[0], 2.0, 2, [1.0, 2.0, 3.0], np.float32(2)])
def test_an_array_on_the_left_gives_a_tensor(left):
    x = Tensor(VALUES, requires_grad=True)
    for out in (left + x, left * x, left - x, left / x, left**x):
        assert isinstance(out, Tensor) and out.requires_grad
    np.testing.assert_array_equal((left - x).numpy(), np.asarray(left) - VALUES)
    assert isinstance(left < x, Tensor)


def test_matmul_from_the_left():
    x = Tensor(VALUES, requires_grad=True)
    (VALUES @ x).backward()
    np.testing.assert_array_equal(x.grad.numpy(), VALUES)


def test_a_list_of_tensors_keeps_the_graph():
    x = Tensor(2.0, requires_grad=True)
    np.stack([x, x * x, 1.0]).sum().backward()
    assert x.grad.item() == 5.0
