"""Several operations in one pass beside one after the other, of small integers, which add up exactly."""

import math
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullback import Tensor, conv, jvp, max_pool, no_grad, profile, relu, vmap
from pullback.autograd.ops.fused_conv import convolved
from pullback.autograd.runtime import llvm
from pullback.testing import gradcheck, gradgradcheck


@st.composite
def settings(draw: Any) -> dict[str, Any]:
    axes = draw(st.integers(1, 3))
    most = {1: 80, 2: 24, 3: 7}[axes]
    kernel, stride, padding = (
        tuple(draw(st.integers(*ends)) for _ in range(axes)) for ends in ((1, 4), (1, 3), (0, 2))
    )
    spatial = tuple(max(1, k - 2 * p) + draw(st.integers(0, most)) for k, p in zip(kernel, padding, strict=True))
    out = [(n + 2 * p - k) // s + 1 for n, k, s, p in zip(spatial, kernel, stride, padding, strict=True)]
    tile = tuple(draw(st.integers(1, min(n, 5))) for n in out)
    groups = draw(st.integers(1, 2))
    shapes = (draw(st.integers(1, 5)), 2 * groups, *spatial), (draw(st.integers(1, 9)) * groups, 2, *kernel)
    return {
        **{"shapes": shapes, "others": (stride, padding, 1, groups), "tile": draw(st.sampled_from([(), tile]))},
        **{"rectified": draw(st.booleans()), "bias": draw(st.booleans())},
    }


def one_by_one(given: dict[str, Any], x: Any, w: Any, bias: Any) -> Any:
    """The operations for themselves, by NumPy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(llvm, "_enabled", False)
        y = conv(x, w, *given["others"], bias=bias)
        y = relu(y) if given["rectified"] else y
        return max_pool(y, given["tile"]) if given["tile"] else y


def pooled(tile: tuple[int, ...]) -> tuple[Any, ...]:
    """The arguments of a max-pooling."""
    return (tile,) if tile else ()


def names(node: Any) -> list[str]:
    """The primitives from a node back to the leaves, along first edges."""
    found = []
    while node.primitive is not None:
        found.append(node.primitive.name)
        node = node.edges[0][0]
    return found


@hypothesis.settings(max_examples=min(40, hypothesis.settings().max_examples))  # most have code of their own to compile
@given(settings(), st.sampled_from(["float32", "float64"]), st.integers(0, 99))
def test_one_pass_is_what_the_operations_give(given, dtype, seed):
    rng = np.random.default_rng(seed)
    arrays = [rng.integers(-4, 5, shape).astype(dtype) for shape in given["shapes"]]
    arrays.append(rng.integers(-4, 5, len(arrays[1])).astype(dtype) if given["bias"] else None)
    results, g = [], None
    for run in (
        one_by_one,
        lambda given, x, w, bias: convolved(
            x, w, *given["others"], bias=bias, rectified=given["rectified"], pooling=pooled(given["tile"])
        ),
    ):
        leaves = [a if a is None else Tensor(a, requires_grad=True) for a in arrays]
        y = run(given, *leaves)
        g = rng.integers(-4, 5, y.shape).astype(dtype) if g is None else g
        graph = names(y._node)
        with no_grad():
            alone = run(given, *leaves)
        assert not alone.requires_grad
        y.backward(g)
        results.append([graph, y.data, alone.data, *(x if x is None else x.grad.data for x in leaves)])
    for mine, expected in zip(*results, strict=True):
        np.testing.assert_array_equal(mine, expected)
        assert mine is None or isinstance(mine, list) or mine.dtype == dtype


@pytest.mark.slow
@pytest.mark.parametrize("rectified", [True, False])
@pytest.mark.parametrize("tile", [(), (2, 2), (2, 3)])
def test_derivatives_of_higher_order(rectified, tile):
    rng = np.random.default_rng(0)
    x, w, bias = (Tensor(rng.normal(size=shape), requires_grad=True) for shape in ((2, 2, 5, 7), (3, 2, 3, 3), (3,)))

    def f(x: Any, w: Any, bias: Any) -> Any:
        return convolved(x * x, w, 1, 1, 1, 1, bias=bias, rectified=rectified, pooling=pooled(tile)) ** 2

    assert gradcheck(f, (x, w, bias)) and gradgradcheck(f, (x, w, bias))
    assert gradcheck(lambda w: f(x.detach(), w, None), (w,))


def test_transforms_and_profiles_see_the_operations():
    x, w = np.ones((1, 1, 4, 4)), Tensor(np.ones((1, 1, 3, 3)))
    run = lambda x: convolved(x, w, bias=None, rectified=True, pooling=(2,))  # noqa: E731
    np.testing.assert_array_equal(jvp(run, (x,), (2 * x,))[1], [[[[18.0]]]])
    np.testing.assert_array_equal(vmap(run)(x[None])[0], [[[[9.0]]]])
    with profile() as seen:
        run(x)
    assert {row.operation for row in seen.rows} >= {"conv", "max_pool", "relu"}


def largest(y: Any, tile: tuple[int, ...]) -> tuple[Any, Any]:
    """The largest of each tile of y (N, K, *spatial), and a mask of the first place where it is."""
    axes = len(tile)
    lead, counts = y.shape[:2], [n // t for n, t in zip(y.shape[2:], tile, strict=True)]
    whole = (..., *(slice(0, m * t) for m, t in zip(counts, tile, strict=True)))
    split = y[whole].reshape(*lead, *(n for pair in zip(counts, tile, strict=True) for n in pair))
    order = (0, 1, *range(2, 2 + 2 * axes, 2), *range(3, 3 + 2 * axes, 2))
    rows = split.transpose(order).reshape(*lead, *counts, math.prod(tile))
    first = rows.argmax(-1)[..., None] == np.arange(math.prod(tile))
    mask = np.zeros(y.shape, bool)
    mask[whole] = first.reshape(*lead, *counts, *tile).transpose(np.argsort(order)).reshape(y[whole].shape)
    return rows.max(-1), mask


@pytest.mark.slow
@pytest.mark.parametrize(
    "tile", [(64,), (65,), (255,), (256,), (300,), (8, 8), (9, 8), (1, 65), (65, 1), (16, 17), (7, 7, 7)]
)
def test_recorded_tiles_of_many_entries(tile):
    """Beside a loop over the tiles; of distinct integers below, on and above zero, each of which some tile has."""
    spatial = tuple(2 * t + 1 for t in tile)
    rng, dtype = np.random.default_rng(math.prod(tile)), "float64" if tile[-1] % 2 else "float32"
    x = (rng.permutation(2 * math.prod(spatial)).reshape(2, 1, *spatial) - math.prod(spatial)).astype(dtype)
    w = np.array([2.0, -1.0], dtype).reshape(2, 1, *(1,) * len(tile))
    y = np.maximum(np.concatenate([2 * x, -x], 1), 0)
    best, chosen = largest(y, tile)
    leaf = Tensor(x, requires_grad=True)
    z = convolved(leaf, Tensor(w), bias=None, rectified=True, pooling=pooled(tile))
    np.testing.assert_array_equal(z.data, best)
    z.sum().backward()
    slopes = chosen & (y > 0)
    np.testing.assert_array_equal(leaf.grad.data[:, 0], 2.0 * slopes[:, 0] - slopes[:, 1])
    assert set(np.flatnonzero(slopes.any((0, 1)).reshape(-1)) % 2) == {0, 1}


@pytest.mark.parametrize("shape", [(9, 3, 64, 70), (2, 8, 200, 210), (3, 40, 30, 30)])
@pytest.mark.parametrize("tile", [(), (2, 2), (3, 1), (64, 30)])
def test_blocks_of_rows_begin_with_tiles(shape, tile):
    rng = np.random.default_rng(math.prod(shape))
    x, w = rng.integers(-2, 3, shape).astype("float32"), rng.integers(-2, 3, (17, shape[1], 3, 3)).astype("float32")
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))
    y = np.maximum(np.einsum("ncpqij,kcij->nkpq", windows, w, optimize=True), 0)  # of small integers: exact
    if any(t > n for t, n in zip(tile, y.shape[2:], strict=False)):
        with pytest.raises(ValueError, match="max_pool"):
            convolved(x, w, bias=None, rectified=True, pooling=pooled(tile))
        return
    expected, _ = largest(y, tile) if tile else (y, None)
    z = convolved(x, w, bias=None, rectified=True, pooling=pooled(tile))
    np.testing.assert_array_equal(z if isinstance(z, np.ndarray) else z.numpy(), expected)


def test_what_is_not_a_number_stays():
    x = np.zeros((1, 1, 4, 40), "float32")
    x[0, 0, 0, 5], x[0, 0, 2, 39], x[0, 0, 3, 0] = np.nan, -np.nan, np.inf
    y = convolved(x, Tensor(np.ones((1, 1, 1, 1), "float32")), bias=None, rectified=True, pooling=(2,)).numpy()
    assert np.argwhere(np.isnan(y)).tolist() == [[0, 0, 0, 2], [0, 0, 1, 19]]
    assert y[0, 0, 1, 0] == np.inf


def test_what_is_not_a_number_has_gradients_as_one_by_one():
    """Where relu gave NaN its rule does, too, also of a cotangent of 0: in both places of the third tile."""
    x = np.arange(1.0, 161.0).reshape(1, 1, 4, 40)
    expected = np.zeros((4, 40))
    expected[1::2, 1::2] = 2  # the last of a tile is its largest
    expected[0:2, 4:6] = 0
    for at in ((0, 5), (1, 4)):
        x[0, 0][at] = expected[at] = np.nan
    leaf = Tensor(x, requires_grad=True)
    y = convolved(leaf, Tensor([[[[2.0]]]]), bias=None, rectified=True, pooling=(2,))
    y.backward(np.ones(y.shape))
    np.testing.assert_array_equal(leaf.grad.data[0, 0], expected)


def test_arrays_without_machine_code():
    x, w = np.arange(8).reshape(1, 1, 8), np.array([[[1, -1]]])
    y = convolved(x, Tensor(w), bias=None, rectified=False, pooling=(3,))
    np.testing.assert_array_equal(y.numpy(), [[[-1, -1]]])
    with pytest.raises(ValueError, match=r"conv: x of shape \(1, 1, 8\), w of shape \(1, 2, 2\)"):
        convolved(x, np.ones((1, 2, 2)), bias=None, rectified=False)
