import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullback import Tensor
from pullback.autograd import adaptive_avg_pool, adaptive_max_pool
from pullback.testing import gradcheck

cases = st.lists(st.tuples(st.integers(1, 8), st.none() | st.integers(1, 9)), min_size=1, max_size=3)


def windows(case):
    """Slices of all windows, by the definition."""
    sizes = [(n, n if k is None else k) for n, k in case]
    for index in itertools.product(*(range(k) for _, k in sizes)):
        ends = zip(index, sizes, strict=True)
        yield index, tuple(slice(math.floor(i * n / k), math.ceil((i + 1) * n / k)) for i, (n, k) in ends)


def normal(case, dtype=np.float64):
    return np.random.default_rng(0).standard_normal((2, 3, *(n for n, _ in case))).astype(dtype)


@given(cases)
def test_each_window_by_the_definition(case):
    x, size = normal(case), [k for _, k in case]
    mean, (largest, places) = adaptive_avg_pool(x, size), adaptive_max_pool(x, size, return_indices=True)
    assert mean.shape == largest.shape == (2, 3, *(n if k is None else k for n, k in case))
    axes = tuple(range(2, x.ndim))
    for index, window in windows(case):
        np.testing.assert_allclose(mean[..., *index], x[..., *window].mean(axes), atol=1e-15)
        np.testing.assert_array_equal(largest[..., *index], x[..., *window].max(axes))
        found = np.take_along_axis(x.reshape(2, 3, -1), places[..., *index][..., None], -1)[..., 0]
        np.testing.assert_array_equal(found, largest[..., *index])


@pytest.mark.parametrize("case", [[(5, 3)], [(4, 6), (6, 4)], [(4, 2), (5, None)], [(3, 2), (4, 3), (2, 2)]])
@pytest.mark.parametrize("pool", [adaptive_avg_pool, adaptive_max_pool])
def test_gradients(pool, case):
    gradcheck(lambda x: pool(x, [k for _, k in case]), Tensor(normal(case), requires_grad=True))


@pytest.mark.parametrize("special", [np.inf, -np.inf, np.nan])
def test_what_is_not_finite_stays_in_its_windows(special):
    x = np.ones((1, 1, 7), "float32")
    x[0, 0, 2] = special
    mean, largest = adaptive_avg_pool(x, 3), adaptive_max_pool(x, 3)
    assert mean.dtype == largest.dtype == np.float32
    np.testing.assert_array_equal(mean[0, 0], [special, special, 1])  # windows of 0 to 2, 2 to 4, 4 to 6
    np.testing.assert_array_equal(largest[0, 0], [np.maximum(special, 1), np.maximum(special, 1), 1])


def test_integers_have_a_largest():
    np.testing.assert_array_equal(adaptive_max_pool(np.array([[[-5, -3, -4]]]), 2), [[[-3, -3]]])


@pytest.mark.parametrize("size", [0, -1, 1.5, (1, 2), ()])
@pytest.mark.parametrize("pool", [adaptive_avg_pool, adaptive_max_pool])
def test_a_bad_size_is_named(pool, size):
    with pytest.raises(ValueError, match=r"adaptive_\w+_pool: output_size .*\(2, 3, 4\)"):
        pool(np.ones((2, 3, 4)), size)
