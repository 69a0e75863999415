import numpy as np
import pytest

from pullback import Tensor


@pytest.mark.parametrize("shape", [(3, 3), (2, 3), (7, 3), (2, 2, 2)])
@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("values", [5.0, [1.0, 2.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], [[1.0, 2.0], [3.0, 4.0]], []])
def test_a_diagonal_takes_its_values_again_and_again(values, wrap, shape):
    expected = np.zeros(shape)
    np.fill_diagonal(expected, values, wrap)
    x = Tensor(np.zeros(shape))
    val = Tensor(values, requires_grad=True)
    np.fill_diagonal(x, val, wrap)
    np.testing.assert_array_equal(x.numpy(), expected)
    if val.size:
        x.sum().backward()
        counts = [int((expected == v).sum()) for v in np.ravel(values)]
        np.testing.assert_array_equal(np.ravel(val.grad.numpy()), counts)
