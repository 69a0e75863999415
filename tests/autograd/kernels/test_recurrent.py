"""The steps of recurrent layers by machine code, beside NumPy and beside formulas of higher precision."""

from typing import Any

import numpy as np
import pytest

import pullback as pb
from pullback.autograd.kernels import recurrent, recurrent_native
from pullback.autograd.runtime import launch, llvm

pytestmark = pytest.mark.skipif(not llvm.available(np.ones(1)), reason="no machine code")
GATES = {"lstm": 4, "gru": 3}


def layer(kind: str, units: int, sizes: tuple[int, ...], dtype: Any, seed: int = 0) -> tuple[Any, ...]:
    rng, gates = np.random.default_rng(seed), GATES[kind]
    n = max(sizes)
    shapes = [(sum(sizes), 3), (gates * units, 3), (gates * units, units), *[(gates * units,)] * (kind == "gru")]
    shapes += [(gates * units,), (n, units), *[(n, units)] * (kind == "lstm")]
    return tuple(rng.normal(size=shape).astype(dtype) for shape in shapes)


def run(kind: str, arrays: tuple[Any, ...], sizes: tuple[int, ...], reverse: bool, given: bool) -> list[Any]:
    """All that a layer gives, and what comes back for fixed cotangents (of all states only if `given`)."""
    options: Any = {"sizes": sizes, "reverse": reverse}
    last = (None,) if kind == "lstm" else ()
    *out, kept = getattr(recurrent, kind)(*arrays, *last, **options)
    rng = np.random.default_rng(1)
    g = [rng.normal(size=o.shape).astype(o.dtype) for o in out]
    g[0] = g[0] if given else None
    back = getattr(recurrent, f"{kind}_back")(*g, arrays[2], out[1].shape, *last, kept, **options)
    return [x for x in (*out, *back) if x is not None]


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("units", [1, 37, 64])
@pytest.mark.parametrize("sizes", [(13, 13), (11, 7, 7, 2), (5, 0)], ids=str)
def test_steps_beside_numpy(kind: str, dtype: str, reverse: bool, units: int, sizes: Any, monkeypatch: Any) -> None:
    arrays, tolerance = layer(kind, units, sizes, dtype), 2e-4 if dtype == "float32" else 1e-12
    before = [a.copy() for a in arrays]
    monkeypatch.setattr(launch, "WORTH", 1e-9)
    used = pb.get_num_threads()
    pb.set_num_threads(3)
    try:
        mine = run(kind, arrays, sizes, reverse, given=units % 2 == 0)
    finally:
        pb.set_num_threads(used)
    for a, old in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(a, old)
    monkeypatch.setattr(llvm, "_enabled", False)
    for got, expected in zip(mine, run(kind, arrays, sizes, reverse, given=units % 2 == 0), strict=True):
        assert got.dtype == expected.dtype and got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max(initial=1))


@pytest.mark.parametrize("kind", GATES)
def test_results_do_not_depend_on_the_number_of_threads(kind: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(launch, "WORTH", 1e-9)
    sizes, used, runs = (23, 20, 9), pb.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            pb.set_num_threads(threads)
            runs.append(run(kind, layer(kind, 33, sizes, "float32"), sizes, False, True))
    finally:
        pb.set_num_threads(used)
    for other in runs[1:]:
        for a, b in zip(runs[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gates_are_right_to_a_few_units_in_the_last_place(dtype: str) -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=400) * scale for scale in (1e-30, 1e-3, 0.3, 3, 30)])
    x = np.concatenate([x, [0.0, 1e4, -1e4, np.inf, -np.inf, np.nan, 1, -1]]).astype(dtype).reshape(-1, 8)
    z, wide, (n, units) = np.tile(x, 4), np.longdouble(x), x.shape
    zeros = np.zeros((n, units), dtype)
    weights, bias = np.zeros((4 * units, units), dtype), np.zeros(4 * units, dtype)
    recurrent_native.forward(z, weights, bias, zeros.copy(), (n,), False, c=zeros.copy())
    with np.errstate(over="ignore"):
        expected = {"i": 1 / (1 + np.exp(-wide)), "g": np.tanh(wide)}
    got = dict(zip("ifgo", np.split(z, 4, axis=1), strict=True))
    info = np.finfo(dtype)
    for gate, values in expected.items():
        error = np.abs(got[gate] - values)
        fine = np.isfinite(values)
        assert (error[fine] <= 4 * info.eps * np.abs(values[fine]) + 4 * info.tiny).all(), gate
        np.testing.assert_array_equal(np.isnan(got[gate]), np.isnan(x))
    np.testing.assert_array_equal(got["i"], got["f"])
    np.testing.assert_array_equal(got["i"], got["o"])


@pytest.mark.parametrize("sizes", [(2, 2), (3, 3), (4, 0, 1), (6, -1)])
def test_steps_that_do_not_fit_are_refused(sizes: Any) -> None:
    arrays = layer("gru", 4, (3, 2), "float32")
    for enabled in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(llvm, "_enabled", enabled)
            with pytest.raises(ValueError, match="steps of .* rows; expected 5 together, 0 to 3 of each step"):
                recurrent.gru(*arrays, sizes=sizes, reverse=False)
