"""Weights laid out anew, beside NumPy's own transposes, entry by entry."""

import numpy as np
import pytest

from pullback.autograd.kernels import weight_layouts
from pullback.autograd.kernels.weight_layouts import swapped, turned
from pullback.autograd.runtime import llvm

pytestmark = pytest.mark.skipif(not llvm.available(np.ones(1)), reason="no machine code")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("groups", "rows", "columns", "kernel"),
    [(1, 70, 33, (3, 3)), (3, 16, 40, (3,)), (1, 1, 70, (1, 1)), (2, 17, 5, (2, 2, 2)), (1, 20, 20, (4, 4))],
)
def test_kernels_change_places(monkeypatch, groups, rows, columns, kernel, dtype):
    monkeypatch.setattr(weight_layouts, "_LEAST", 1)
    size = int(np.prod(kernel))
    w = np.arange(groups * rows * columns * size, dtype=dtype).reshape(groups * rows, columns, *kernel)
    grouped = w.reshape(groups, rows, columns, size)
    for places in (tuple(range(size))[::-1], (0,), (size - 1, 0)[:size]):
        expected = np.moveaxis(grouped, 1, 2)[..., places].reshape(groups * columns, rows, len(places))
        for given in (w, np.asarray(w, order="F")):
            found = swapped(given, groups, places)
            if size > 2 * llvm.lanes(dtype):
                assert found is None
            else:
                np.testing.assert_array_equal(found, expected)


def test_large_kernels_are_left_to_numpy():
    assert swapped(np.ones((64, 64, 7, 7)), 1, (0,)) is None and swapped(np.ones((2, 2, 3, 3)), 1, (0,)) is None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 2, 100, 32), (3, 2, 33, 48), (2, 1, 130, 5), (16, 3, 5, 17)])
def test_matrices_are_added_up_and_turned(shape, dtype):
    x = np.random.default_rng(0).integers(-9, 9, shape).astype(dtype)  # sums of which are exact
    np.testing.assert_array_equal(turned(x), x.sum(0).swapaxes(1, 2))
