"""r_ and c_ beside NumPy's."""

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor

V, W, M = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0]), np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    "key",
    [
        (V, W),
        (V, 0.5, W),
        (V, [7.0, 8.0]),
        (slice(0, 3), V),
        (slice(0, 1, 5j), 2.0),
        ("0,2", V, W),
        ("1,2,0", V, W),
        ("-1", M, M),
        (M, M),
        (V,),
    ],
)
@pytest.mark.parametrize("name", ["r_", "c_"])
def test_beside_numpys(name, key):
    if name == "c_" and isinstance(key[0], str):
        key = key[1:]
    try:
        expected = getattr(np, name)[key]
    except ValueError:
        with pytest.raises(ValueError):
            getattr(pb, name)[key]
        return
    out = getattr(pb, name)[tuple(Tensor(k) if isinstance(k, np.ndarray) else k for k in key)]
    assert isinstance(out, Tensor) and out.shape == expected.shape
    np.testing.assert_array_equal(out.data, expected)


def test_gradients_go_where_the_entries_came_from():
    x, y = Tensor(V, requires_grad=True), Tensor(W, requires_grad=True)
    (pb.c_[x, y] * np.arange(6.0).reshape(3, 2)).sum().backward()
    assert x.grad.tolist() == [0, 2, 4] and y.grad.tolist() == [1, 3, 5]
    x.grad = None
    (pb.r_[x, 1.0, x[::-1]] * np.arange(7.0)).sum().backward()
    assert x.grad.tolist() == [0 + 6, 1 + 5, 2 + 4]
