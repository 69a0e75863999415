"""Sums of large arrays beside exact ones, and NumPy's."""

import itertools

import numpy as np
import pytest

from pullback.autograd.kernels.sums import _LEAST, summed
from pullback.autograd.runtime import llvm

AXES = [None, (1, 2), (0, 1, 2), (2,), (0, 2), (0,), (0, 1), (1,)]


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("shape", [(3, 5, 5000), (40, 50, 70), (7, 1, 20_000), (1000, 3, 65), (4, 100, 300), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_beside_exact_sums(shape, axis, keepdims, dtype):
    x = np.random.default_rng(0).uniform(-1, 1, shape).astype(dtype)
    y = summed(x, axis, keepdims)
    expected = np.add.reduce(x.astype("longdouble"), axis=axis, keepdims=keepdims)
    assert y.shape == expected.shape and y.dtype == dtype
    terms = x.size / expected.size
    np.testing.assert_allclose(y, expected.astype(dtype), rtol=0, atol=np.finfo(dtype).eps * terms)


@pytest.mark.parametrize("machine_code", [True, False])
@pytest.mark.parametrize("axis, steps", [(None, 1), ((1,), 1), ((1,), 2)])
def test_many_equal_terms_keep_their_digits(monkeypatch, axis, steps, machine_code):
    monkeypatch.setattr(llvm, "_enabled", llvm._enabled and machine_code)
    x = np.full((1, (1 << 23) + 5), np.float32(0.1))[:, ::steps]
    np.testing.assert_allclose(summed(x, axis).item(), float(x[0, 0]) * x.size, rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@np.errstate(invalid="ignore")
def test_what_is_not_finite(value):
    x = np.ones((8, 30_000), "float32")
    x[3, 29_999] = value
    np.testing.assert_array_equal(summed(x, (1,)), np.add.reduce(x, axis=1))
    x[3, 0] = -value
    np.testing.assert_array_equal(summed(x, (1,)), np.add.reduce(x, axis=1))


def test_the_sign_of_zero():
    for zero in (0.0, -0.0):
        x = np.full((2, 100_001), zero)
        np.testing.assert_array_equal(np.signbit(summed(x, (1,))), np.signbit(np.add.reduce(x, axis=1)))


def test_other_arrays_than_those_of_machine_code():
    x = np.arange(200_000).reshape(2, 100_000)
    for a in (x, x * 1j, x[:, ::-1] * 1.0, (x * 1.0).T, (x % 2 * 0.25).astype("float16")):
        for axis in (None, (0,), (1,)):
            np.testing.assert_allclose(summed(a, axis), np.add.reduce(a, axis=axis), rtol=1e-12)
            assert summed(a, axis).dtype == np.add.reduce(a, axis=axis).dtype


def test_any_number_of_threads_gives_the_same_bits(set_threads):
    x = np.random.default_rng(0).normal(size=(60, 7001)).astype("float32")
    assert x.size >= _LEAST
    if not llvm.available(x):
        pytest.skip("no machine code")
    results = []
    for count in (1, 2, 3):
        set_threads(count)
        results += [summed(x, (1,)) for _ in range(5)]
    for a, b in itertools.pairwise(results):
        np.testing.assert_array_equal(a, b)
