"""Matrix products by machine code, of small integers beside exact ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullback import get_num_threads, set_num_threads
from pullback.autograd.kernels import gemm
from pullback.autograd.kernels import matrix_product as matmul
from pullback.autograd.runtime import llvm

pytestmark = pytest.mark.skipif(not llvm.available(np.ones(1)), reason="llvmlite is not installed")

RNG = np.random.default_rng(0)
LAYOUTS = {
    "rows side by side": lambda x: np.ascontiguousarray(x),
    "columns side by side": lambda x: np.asfortranarray(x),
    "neither": lambda x: np.repeat(np.repeat(x, 2, 0), 3, 1)[::2, ::3],
    "backwards": lambda x: np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
    "rows with gaps": lambda x: np.concatenate([x, x], 1)[:, : x.shape[1]],
    "columns with gaps": lambda x: np.asfortranarray(np.concatenate([x, x]))[: len(x)],
    "one row": lambda x: np.broadcast_to(x[:1], x.shape),
    "in records": lambda x: _record(x)["x"],
}


def _record(x):
    records = np.empty(x.shape, [("tag", "i1"), ("x", x.dtype)])
    records["x"] = x
    return records


def integers(m, n, dtype):
    return RNG.integers(-8, 9, (m, n)).astype(dtype)


@pytest.mark.parametrize("left", LAYOUTS)
@pytest.mark.parametrize("right", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layouts(left, right, dtype):
    for m, k, n in ((37, 65, 83), (5, 600, 16), (530, 7, 40)):
        a, b = LAYOUTS[left](integers(m, k, dtype)), LAYOUTS[right](integers(k, n, dtype))
        c = gemm.product(a, b)
        assert c.dtype == dtype
        np.testing.assert_array_equal(c, a.astype(int) @ b.astype(int))


@pytest.mark.parametrize("left", ["rows side by side", "columns side by side"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_row_is_added_once(left, dtype):
    for m, k, n in ((37, 65, 83), (9, 3000, 20), (530, 600, 16), (700, 1100, 60)):
        a, b, more = LAYOUTS[left](integers(m, k, dtype)), integers(k, n, dtype), integers(1, 2 * n, dtype)[0, ::2]
        expected = a.astype(int) @ b.astype(int) + more.astype(int)
        np.testing.assert_array_equal(gemm.product(a, b, more), expected)
        np.testing.assert_array_equal(matmul.product_plus(a, b, more), expected)


@given(*[st.integers(1, 300)] * 3, st.booleans(), st.booleans(), st.sampled_from(["float32", "float64"]))
def test_lengths(m, k, n, a_turned, b_turned, dtype):
    a = integers(k, m, dtype).T if a_turned else integers(m, k, dtype)
    b = integers(n, k, dtype).T if b_turned else integers(k, n, dtype)
    np.testing.assert_array_equal(gemm.product(a, b), a.astype(int) @ b.astype(int))


@pytest.mark.parametrize("m, k, n", [(64, 9216, 128), (9, 3000, 20), (3000, 64, 16), (64, 40, 3000), (700, 2100, 60)])
def test_several_parts_are_the_same_over_any_threads(m, k, n):
    a, b, before, results = RNG.normal(size=(m, k)), RNG.normal(size=(k, n)), get_num_threads(), []
    assert gemm._plan(m, k, n, 8, False)[3] > 1 and gemm.worth(a, b) is (m * k * n >= gemm._SIZE)
    try:
        for threads in (1, 2, 3):
            set_num_threads(threads)
            results.append(gemm.product(a, b))
    finally:
        set_num_threads(before)
    for c in results[1:]:
        np.testing.assert_array_equal(c, results[0])
    bound = np.finfo(float).eps * k * (abs(a) @ abs(b))  # Higham, Accuracy and Stability, 3.5
    exact = a.astype("longdouble") @ b.astype("longdouble")
    assert np.all(abs(results[0] - exact) <= bound)


def test_what_is_not_finite_stays_in_its_row_and_column():
    a, b = integers(40, 50, "float32"), integers(50, 70, "float32")
    a[3, 4], b[7, 69] = np.nan, np.nan
    expected = np.zeros((40, 70), bool)
    expected[3], expected[:, 69] = True, True
    for left in (a, np.asfortranarray(a)):
        for right in (b, np.asfortranarray(b)):
            np.testing.assert_array_equal(np.isnan(gemm.product(left, right)), expected)


def test_which_products_go_here(monkeypatch):
    seen = []
    monkeypatch.setattr(gemm, "product", lambda a, b: seen.append((a.shape, b.shape)) or np.matmul(a, b))
    large = integers(200, 300, "float32"), integers(300, 100, "float32")
    matmul.product(*large)
    assert seen == [((200, 300), (300, 100))]
    for a, b in ((large[0][:2], large[1]), (large[0][:50], large[1][:, :1]), (large[0], large[1].astype(float))):
        matmul.product(a, b)
    with pytest.raises(ValueError, match="matmul"):
        matmul.product(large[0], large[0])
    assert len(seen) == 1


@pytest.mark.parametrize("given, tiles", [((64, 32), {(12, 2), (8, 3), (6, 4)}), ((32, 16), {(6, 2)})], ids=str)
def test_tiles_follow_the_registers(monkeypatch, given, tiles):
    size, count = given
    monkeypatch.setattr(gemm, "registers", lambda: given)
    gemm._plan.cache_clear()
    lengths = (8, 36, 64, 96, 260, 2048)
    plans = {(m, n): gemm._plan(m, 300, n, 4, False)[:2] for m in lengths for n in lengths}
    gemm._plan.cache_clear()
    assert set(plans.values()) == tiles
    for (m, n), (height, width) in plans.items():
        assert height * width + min(height, width) + 1 <= count  # sums, what is held, and what is read
        assert height * width >= height + width  # sums, two in a cycle, take no less time than reads
        whole = [-(-m // h) * h * -(-n // (w * size // 4)) * (w * size // 4) for h, w in tiles]
        assert -(-m // height) * height * -(-n // (width * size // 4)) * (width * size // 4) == min(whole)
