"""Formulas in one pass beside the same by NumPy's whole arrays: every rest of a size, every layout, nothing beyond."""

import sys

import numpy as np
import pytest

from pullback import Tensor
from pullback.autograd.kernels.fused_elementwise import fused, fused_each, if_positive, in_blocks, in_one_pass
from pullback.autograd.runtime import llvm

MODULE = sys.modules[fused.__module__]
LEAST, PART, BLOCK = MODULE._LEAST, MODULE._PART, MODULE._BLOCK
NEAR = [n + r for n in (LEAST, PART, 2 * PART, BLOCK, 3 * PART) for r in (-17, -1, 0, 1, 15, 33)]
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


@pytest.fixture(params=["machine code", "blocks"], autouse=True)
def way(request, monkeypatch):
    if request.param == "blocks":
        monkeypatch.setattr(llvm, "_enabled", False)
    elif not llvm.available(np.ones(1)):
        pytest.skip("no machine code")


def formula(x, y, a, factor, turned):
    """Of small integers: exact in any order."""
    x += factor * a
    return x, (a - y if turned else y - a)


def expected(x, y, a, factor, turned):
    return x + factor * a, (a - y if turned else y - a)


def integers(dtype, *shape):
    return np.random.default_rng(0).integers(-9, 10, (3, *shape)).astype(dtype)


@DTYPES
def test_every_rest_of_a_size_by_lanes(dtype):
    """With other numbers before and behind, which stay."""
    for size in (1, 2, 31, *range(LEAST, LEAST + 34), *NEAR):
        rows, factor, turned = np.full((3, size + 12), 77.0, dtype), 2.0 + size % 3, bool(size % 2)
        rows[:, 5:-7] = integers(dtype, size)
        x, y, a = rows[:, 5:-7]
        before = a.copy()
        results = expected(x, y, a, factor, turned)
        fused(formula, [x, y], [a], factor=factor, turned=turned)
        for mine, value in zip((x, y, a), (*results, before), strict=True):
            np.testing.assert_array_equal(mine, value)
        assert (rows[:, :5] == 77).all() and (rows[:, -7:] == 77).all(), size


LAYOUTS = {
    "every second": lambda x: np.repeat(x, 2, -1)[..., ::2],
    "backwards": lambda x: x[..., ::-1].copy()[..., ::-1],
    "turned": lambda x: np.asfortranarray(x),
    "a part of rows": lambda x: np.concatenate([x, x], -1)[..., : x.shape[-1]],
}


@DTYPES
@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_strided_arrays(layout, which, dtype):
    """One of the targets, or the other array, has gaps or runs another way."""
    arrays = [a.copy() for a in integers(dtype, 70, 61)]
    results = expected(*arrays, 3.0, False)
    arrays[which] = LAYOUTS[layout](arrays[which])
    x, y, a = arrays
    assert x.size >= LEAST and not arrays[which].flags.c_contiguous
    fused(formula, [x, y], [a], factor=3.0, turned=False)
    for mine, value in zip((x, y), results, strict=True):
        np.testing.assert_array_equal(mine, value)


@DTYPES
@pytest.mark.parametrize("moved", [-1, 0, 1, 40])
def test_targets_that_lie_in_other_arrays(moved, dtype):
    """All is read before anything is written, as by NumPy."""
    size = 2 * BLOCK + 100
    row = integers(dtype, size + 100)[0]
    x, a = row[50 : 50 + size], row[50 + moved : 50 + moved + size]
    value = x + 3.0 * a
    fused(lambda x, a, factor: (x + factor * a,), [x], [a], factor=3.0)
    np.testing.assert_array_equal(x, value)


def test_the_same_formula_with_other_numbers_and_flags():
    for factor, turned in ((1.0, True), (2.0, True), (2.0, False), (-1.0, True)):
        x, y, a = integers("float64", 5000)
        results = expected(x, y, a, factor, turned)
        fused(formula, [x, y], [a], factor=factor, turned=turned)
        np.testing.assert_array_equal((x, y), results)


def test_what_does_not_fit_is_refused_and_left_alone():
    x, y, a = integers("float64", 5000)
    for other in (a[:1], a.reshape(50, 100), a.astype("float32")):
        before = x.copy()
        with pytest.raises(ValueError, match="fused: arrays float64 .5000.*; expected one shape and one dtype"):
            fused(formula, [x, y], [other], factor=1.0, turned=True)
        np.testing.assert_array_equal(x, before)
    x.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        fused(formula, [x, y], [a], factor=1.0, turned=True)


@DTYPES
def test_blocks_are_what_the_formula_gives(dtype):
    """For every rest of a size, in the shape that it has, with numbers, and for what cannot be cut."""
    seen = []

    @in_blocks
    def formula(x, y, factor):
        seen.append(np.shape(x))
        return np.exp(x) * factor + y

    many = MODULE._MANY
    for n in (0, 1, many - 1, many, many + 1, many + BLOCK + 7, 3 * many):
        x, y, _ = integers(dtype, n) / np.dtype(dtype).type(9)
        seen.clear()
        found = formula(x, y, 0.5)
        assert found.dtype == dtype and (max(seen)[0] <= BLOCK if n >= many else seen == [(n,)])
        np.testing.assert_array_equal(found, np.exp(x) * 0.5 + y)
    x, y, _ = integers(dtype, 4, 5, many // 10)
    np.testing.assert_array_equal(formula(x, y, 1.0), np.exp(x) + y)
    for a, b in ((x[:, ::2], y[:, ::2]), (x.T, y.T), (x, y[0]), (x, y[:, :1]), (x, np.array(2.0, dtype))):
        seen.clear()
        np.testing.assert_array_equal(formula(a, b, 1.0), np.exp(a) + b)
        assert seen == [a.shape]


@in_one_pass
def exponential(x):
    return np.exp(x)


@pytest.mark.parametrize("dtype, low, high", [("float32", -110, 95), ("float64", -760, 720)])
def test_exponentials_of_the_whole_range_to_a_unit_in_the_last_place(dtype, low, high, way):
    rng, info = np.random.default_rng(0), np.finfo(dtype)
    x = [rng.uniform(low, high, 40_000), rng.normal(size=40_000), rng.normal(size=9_000) * 1e-4, np.arange(low, high)]
    x = np.concatenate([*x, np.log(info.max) + rng.normal(size=999) * info.eps * 99]).astype(dtype)
    with np.errstate(all="ignore"):
        found, exact = exponential(x), np.exp(x.astype("longdouble"))
        finite, beyond = exact < info.max * (1 - info.eps), exact > info.max * np.longdouble(1 + info.eps)
        unit = np.where(exact < info.tiny, info.smallest_subnormal, 2 * np.spacing((exact / 2).astype(dtype)))
    assert np.isinf(found[beyond]).all() and beyond.sum() > 100 and (exact[finite] < info.tiny).sum() > 100
    bound = 1 if llvm._enabled or dtype == "float64" else 3  # NumPy's own
    assert (abs(found[finite] - exact[finite]) <= bound * unit[finite]).all()
    special = np.resize(np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, info.max, info.min, info.tiny], dtype), LEAST)
    expected = np.resize(np.array([np.inf, 0, np.nan, 1, 1, np.inf, 0, 1], dtype), LEAST)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(exponential(special), expected)


@pytest.mark.parametrize("function", [np.expm1, np.log1p])
@DTYPES
def test_near_zero_and_over_the_whole_range_to_two_units_in_the_last_place(dtype, function, way):
    rng, info, small = np.random.default_rng(0), np.finfo(dtype), 16 if dtype == "float32" else 36
    near_one = np.exp(rng.uniform(-small, 0, 20_000)) - 1
    x = np.concatenate([rng.normal(size=40_000), near_one, np.exp(rng.uniform(-60, 60, 20_000)), near_one * 1e-9])
    x = x.astype(dtype)
    special = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, -1.0, info.tiny, info.max, -info.max], dtype)
    run = in_one_pass(lambda x: function(x))
    with np.errstate(all="ignore"):
        exact = function(x.astype("longdouble"))
        rounded = exact.astype(dtype)
        right = np.isfinite(rounded)
        assert (abs(run(x) - exact)[right] <= 2 * np.spacing(abs(rounded[right]))).all() and right.sum() > 60_000
        np.testing.assert_array_equal(run(x)[~right & (exact > 0)], np.inf)
        found, expected = run(np.resize(special, LEAST)), np.resize(function(special), LEAST)
    np.testing.assert_allclose(found, expected, rtol=4 * info.eps)
    np.testing.assert_array_equal(np.signbit(found[3:5]), [False, True])


@DTYPES
def test_numbers_of_one_pass(dtype, way):
    """One code for all numbers; where arrays take their place, NumPy's result."""

    @in_one_pass
    def line(x, slope, more):
        return x * slope + more

    x, y, _ = integers(dtype, LEAST)
    for slope, more in ((0.5, 2), (3, -1.25), (0.5, y), (y, 2), (np.float64(0.1), 1.0), (y[:1], y)):
        found, expected = line(x, slope, more), x * slope + more
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


@in_one_pass
def several(x, y):
    return np.minimum(np.absolute(x), y) * np.sign(x)


@DTYPES
def test_new_arrays_of_one_pass(dtype):
    """Of any size, layout and dtype; arguments stay as they are, and broadcast as NumPy's do."""
    for size in (0, 3, LEAST, LEAST + 5, PART + 17):
        x, y, _ = integers(dtype, size)
        kept, expected = x.copy(), np.minimum(abs(x), y) * np.sign(x)
        np.testing.assert_array_equal(several(x, y), expected)
        np.testing.assert_array_equal(x, kept)
        assert several(x, y).dtype == dtype
        np.testing.assert_array_equal(several(x[::-1], y[::-1]), expected[::-1])
        np.testing.assert_array_equal(several(x, y.astype(int)), expected)
        np.testing.assert_array_equal(several(x, y.reshape(-1, 1)[:2]).shape, (min(size, 2), size))
    x = np.full(LEAST, np.nan, dtype)
    assert np.isnan(several(x, abs(integers(dtype, LEAST)[0]))).all()


def test_tensors_and_numbers_take_the_formula_itself():
    x = Tensor(np.linspace(-3, 3, LEAST), requires_grad=True)
    exponential(x).backward(np.ones(LEAST))
    np.testing.assert_allclose(x.grad.numpy(), np.exp(x.numpy()), rtol=1e-14)
    assert exponential(0.0) == 1


def _signed(x, y, less):
    return x + if_positive(y, 2.0, if_positive(-y, less, 0.5)), y


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [5, 5000])  # by NumPy, and by machine code where there is some
def test_if_positive(size, dtype):
    y = np.resize(np.array([3.0, -2.0, 0.0, -0.0, np.nan, np.inf, -np.inf], dtype), size)
    x = np.ones(size, dtype)
    fused(_signed, [x, y], less=-1.0)
    np.testing.assert_array_equal(x, np.resize(np.array([3.0, 0.0, 1.5, 1.5, 1.5, 3.0, 0.0], dtype), size))


def test_many_sets_are_each_as_alone():
    """Small and large, of two dtypes and any layout, 0-d and empty ones."""
    rng = np.random.default_rng(0)

    def formula(x, y, z, scale):
        x *= scale
        return x + z, y - np.sqrt(z)

    shapes = [(3,), (), (2, 5), (0, 4), (60, 50), (1,), (40, 30)]
    kinds = [(shape, dtype) for shape in shapes for dtype in (np.float32, np.float64)]
    sets = [[np.asarray(rng.uniform(1, 2, shape), dtype, order="F") for _ in range(3)] for shape, dtype in kinds]
    sets += [[a.T for a in arrays] for arrays in ([rng.uniform(1, 2, (4, 6)) for _ in range(3)],)]
    expected = [[x * x.dtype.type(1.5) + z, y - np.sqrt(z), z.copy()] for x, y, z in sets]
    fused_each(formula, 2, sets, scale=1.5)
    for arrays, others in zip(sets, expected, strict=True):
        for a, b in zip(arrays, others, strict=True):
            np.testing.assert_array_equal(a, b)
