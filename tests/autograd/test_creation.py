import numpy as np
import pytest

import pullback as pb
from pullback import Tensor


@pytest.mark.parametrize(
    "name, args",
    [
        ("zeros", ((2, 3),)),
        ("ones", (4,)),
        ("full", ((2,), 7.0)),
        ("eye", (2, 3)),
        ("arange", (1, 7, 2)),
        ("linspace", (0.0, 1.0, 5)),
        ("zeros_like", (np.ones((2, 2), np.float32),)),
        ("ones_like", (np.zeros(3, int),)),
        ("full_like", (np.zeros(3), 2.5)),
    ],
)
def test_creators_are_numpys(name, args):
    expected = getattr(np, name)(*args)
    out = getattr(pb, name)(*args)
    assert isinstance(out, Tensor) and out.dtype == expected.dtype and not out.requires_grad
    np.testing.assert_array_equal(out.data, expected)


def test_options():
    x = pb.ones((2, 2), dtype=np.float32, requires_grad=True)
    assert x.requires_grad and x.is_leaf and x.dtype == np.float32
    assert pb.empty((2, 0)).shape == (2, 0)
    with pytest.raises(TypeError, match="only float and complex"):
        pb.arange(3, requires_grad=True)


@pytest.mark.parametrize("name", ["zeros_like", "ones_like"])
def test_like_a_tensor(name):
    x = Tensor(np.full((2, 3), 5, np.float32), requires_grad=True)
    for f in (getattr(pb, name), getattr(np, name)):
        out = f(x)
        assert isinstance(out, Tensor) and not out.requires_grad and out.dtype == np.float32
        np.testing.assert_array_equal(out.data, getattr(np, name)(x.data))
    assert getattr(pb, name)(Tensor(2.0)).shape == ()


def test_a_fill_value_does_not_lose_its_gradient_silently():
    with pytest.raises(TypeError, match="would lose it"):
        pb.full((2,), Tensor(1.0, requires_grad=True))
    with pytest.raises(TypeError, match="would lose it|has no rule on Tensors"):
        pb.full_like(np.zeros(2), Tensor(1.0, requires_grad=True))


def test_asarray_of_nested_tensors_keeps_their_graph():
    x, y = Tensor(2.0, requires_grad=True), Tensor([1.0, 3.0], requires_grad=True)
    out = pb.asarray([[x, 5.0], y])
    np.testing.assert_array_equal(out.data, [[2, 5], [1, 3]])
    out.backward([[1.0, 2.0], [3.0, 4.0]])
    assert x.grad.item() == 1
    np.testing.assert_array_equal(y.grad.data, [3, 4])


def test_asarray_shares_or_copies():
    a = np.ones(3)
    assert np.shares_memory(pb.asarray(a).data, a)
    assert not np.shares_memory(pb.asarray(a, copy=True).data, a)
    assert not np.shares_memory(Tensor(a).data, a)
    x = Tensor(a, requires_grad=True)
    assert pb.asarray(x) is x and pb.asarray(x, dtype=np.float64) is x
    copied = pb.asarray(x, copy=True)
    assert not np.shares_memory(copied.data, x.data) and copied.requires_grad
    assert pb.asarray(x, dtype=np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="cannot convert float64 to float32 without a copy"):
        pb.asarray(x, dtype=np.float32, copy=False)


def test_only_numbers():
    with pytest.raises(TypeError, match="not numeric"):
        pb.asarray(["a"])
    with pytest.raises((TypeError, ValueError)):
        pb.asarray([[1.0], [1.0, 2.0]])
