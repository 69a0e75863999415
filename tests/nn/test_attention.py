"""Scaled dot-product attention: one query after another, by the formula."""

import itertools
import math
import weakref
from typing import Any

import numpy as np
import pytest

from pullback import Tensor, grads, hvp, jvp, nn, override, registry, softmax, vmap
from pullback.autograd.kernels import attention
from pullback.autograd.runtime import launch, llvm, threads
from pullback.nn import functional as F
from pullback.testing import gradcheck, gradgradcheck

sdpa = F.scaled_dot_product_attention


def normal(*shape: int, seed: int = 0, kind: Any = np.float64) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(kind)


def by_queries(q: Any, k: Any, v: Any, mask: Any = None, scale: float | None = None) -> Any:
    """Each query by itself, in Python's own numbers; `mask` has the shape of the scores and is added."""
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    out = np.zeros((*q.shape[:-1], v.shape[-1]))
    for at in itertools.product(*map(range, q.shape[:-1])):
        scores = [scale * float(np.dot(q[at], key)) for key in k[at[:-1]]]
        if mask is not None:
            scores = [score + float(more) for score, more in zip(scores, mask[at], strict=True)]
        best = max(scores, default=-math.inf)
        if best == -math.inf:
            continue  # it attends to nothing
        shares = [math.exp(score - best) for score in scores]
        out[at] = sum(share / sum(shares) * row for share, row in zip(shares, v[at[:-1]], strict=True))
    return out


def composed(q: Any, k: Any, v: Any, mask: Any = None) -> Any:
    """By the operations of which it is made."""
    scores = q @ np.matrix_transpose(k) / math.sqrt(q.shape[-1])
    return softmax(scores if mask is None else scores + mask, -1) @ v


@pytest.fixture(params=["machine code", "numpy"])
def small_parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way; NumPy's in more parts than one."""
    if request.param == "numpy":
        monkeypatch.setattr(llvm, "_enabled", False)
    elif not llvm.available(np.ones(1)):
        pytest.skip("no machine code")
    monkeypatch.setattr(attention, "_PART", 1 << 12)


LEADS = [(), (3,), (2, 3), (5, 2, 2), (0, 2)]
LENGTHS = [(4, 5), (1, 3), (30, 50), (2, 0)]


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.usefixtures("small_parts")
def test_value_and_gradients(lead: tuple[int, ...], lengths: tuple[int, int]) -> None:
    length, keys = lengths
    arrays = normal(*lead, length, 6), normal(*lead, keys, 6, seed=1), normal(*lead, keys, 2, seed=2)
    mask = np.where(np.random.default_rng(3).random((*lead, length, keys)) < 0.8, 0.5, -np.inf)
    mask[..., :1] = 0
    for bias in (None, mask):
        np.testing.assert_allclose(sdpa(*arrays, bias), by_queries(*arrays, bias), rtol=1e-13, atol=1e-14)
        leaves = [Tensor(x, requires_grad=True) for x in (*arrays, *(() if bias is None else (bias,)))]
        g = normal(*lead, length, 2, seed=4)
        for got, expected in zip(
            grads([sdpa(*leaves)], leaves, [g]), grads([composed(*leaves)], leaves, [g]), strict=True
        ):
            np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_dtypes(kind: Any) -> None:
    arrays = [normal(2, 40, 8, seed=i, kind=kind) for i in range(3)]
    leaves = [Tensor(x, requires_grad=True) for x in arrays]
    y = sdpa(*leaves, is_causal=True)
    tolerance = {np.float32: 1e-6, np.float16: 2e-3}[kind]
    assert y.dtype == kind
    causal = np.broadcast_to(np.triu(np.full((40, 40), -np.inf), 1), (2, 40, 40))
    np.testing.assert_allclose(y.numpy(), by_queries(*(x.astype(float) for x in arrays), causal), atol=tolerance)
    y.backward(np.ones(y.shape, kind))
    assert all(x.grad is not None and x.grad.dtype == kind for x in leaves)


def test_integers_count_as_floats() -> None:
    x = np.array([[1, 2], [3, 4]])
    np.testing.assert_array_equal(sdpa(x, x, x), sdpa(*[x.astype(float)] * 3))


def test_arrays_give_arrays() -> None:
    x = normal(3, 2)
    for options in ({}, {"is_causal": True}, {"attn_mask": np.ones((3, 3), bool)}, {"dropout_p": 0.5}):
        assert type(sdpa(x, x, x, **options)) is np.ndarray
        assert isinstance(sdpa(Tensor(x), x, x, **options), Tensor)


def test_masks() -> None:
    q, k, v = normal(2, 3, 4, 6), normal(2, 3, 5, 6, seed=1), normal(2, 3, 5, 2, seed=2)
    seen = np.random.default_rng(3).random((4, 5)) < 0.6
    seen[1] = False
    added = np.broadcast_to(np.where(seen, 0, -np.inf), (2, 3, 4, 5))
    expected = by_queries(q, k, v, added)
    assert (expected[:, :, 1] == 0).all()
    np.testing.assert_allclose(sdpa(q, k, v, seen), expected, rtol=1e-13)
    np.testing.assert_allclose(sdpa(q, k, v, added[0, 0].astype(np.float32)), expected, rtol=1e-13)
    causal = np.broadcast_to(np.triu(np.full((4, 5), -np.inf), 1), (2, 3, 4, 5))
    np.testing.assert_allclose(sdpa(q, k, v, is_causal=True), by_queries(q, k, v, causal), rtol=1e-13)
    both = sdpa(q, k, v, seen, is_causal=True)
    np.testing.assert_allclose(both, by_queries(q, k, v, causal + added), rtol=1e-13)
    leaves = [Tensor(x, requires_grad=True) for x in (q, k, v)]
    for order in (False, True):
        for slope in grads([sdpa(*leaves, seen)], leaves, [np.ones((2, 3, 4, 2))], create_graph=order):
            assert np.isfinite(slope.numpy()).all()
    assert (slope.numpy() != 0).any()


def test_scale_and_groups() -> None:
    q, k, v = normal(2, 6, 4, 3), normal(2, 2, 5, 3, seed=1), normal(2, 3, 5, 3, seed=2)
    every = np.repeat(k, 3, 1), np.repeat(v, 2, 1)
    np.testing.assert_allclose(sdpa(q, k, v, enable_gqa=True, scale=2.0), by_queries(q, *every, scale=2.0), rtol=1e-12)
    one = sdpa(q[:, :1], k[:1, :1], v[:, :1])  # axes in front broadcast
    np.testing.assert_allclose(one, by_queries(q[:, :1], np.repeat(k[:1, :1], 2, 0), v[:, :1]), rtol=1e-12)


@pytest.mark.parametrize("code", [True, False])
def test_threads_share_the_parts_and_results_are_the_same_to_the_bit(
    code: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "_PART", 1 << 12)
    monkeypatch.setattr(llvm, "_enabled", code and llvm.available(np.ones(1)))
    arrays = [normal(3, 5, 16, 4, seed=i, kind=np.float32) for i in range(4)]
    monkeypatch.setattr(threads, "WORTH", 0)
    monkeypatch.setattr(launch, "WORTH", 1e-9)
    asked: list[int] = []
    plain = threads.pool.gathered
    monkeypatch.setattr(
        threads.pool, "gathered", lambda call, count: (asked.append(count), plain(call, count))[1], raising=False
    )
    results = []
    for count in (1, 4):
        monkeypatch.setattr(threads, "_count", count)
        leaves = [Tensor(x, requires_grad=True) for x in arrays[:3]]
        out = sdpa(*leaves)
        results.append([out.numpy(), *(slope.numpy() for slope in grads([out], leaves, arrays[3:]))])
    assert max(asked) > 4
    for one, several in zip(*results, strict=True):
        np.testing.assert_array_equal(one, several)


def test_products_have_one_thread_of_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its own threads would turn in circles, and compete with those that come after."""
    info = pytest.importorskip("threadpoolctl").threadpool_info
    monkeypatch.setattr(llvm, "_enabled", False)
    found: list[int] = []
    plain = attention._exponentials
    monkeypatch.setattr(
        attention,
        "_exponentials",
        lambda *a: (found.extend(each["num_threads"] for each in info() if each["user_api"] == "blas"), plain(*a)),
    )
    sdpa(normal(8, 4), normal(8, 4), normal(8, 4))
    assert set(found) == {1}


@pytest.mark.usefixtures("small_parts")
def test_rows_that_differ_by_much_and_values_that_are_not_finite() -> None:
    q, k, v = normal(40, 4), normal(60, 4, seed=1), normal(60, 3, seed=2)
    q[::2] *= 300  # e^-700 of the largest score is nothing
    leaves = [Tensor(x, requires_grad=True) for x in (q, k, v)]
    np.testing.assert_allclose(sdpa(q, k, v), by_queries(q, k, v), rtol=1e-11)
    g = normal(40, 3, seed=3)
    for got, expected in zip(grads([sdpa(*leaves)], leaves, [g]), grads([composed(*leaves)], leaves, [g]), strict=True):
        np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-9, atol=1e-11)
    q[5, 0] = np.nan
    out = sdpa(q, k, v)
    assert np.isnan(out[5]).all() and np.isfinite(np.delete(out, 5, 0)).all()


def test_second_order_and_forward_mode() -> None:
    arrays = [normal(2, 3, 2, seed=i) for i in range(3)]
    mask = np.triu(np.full((3, 3), -np.inf), 1)

    def f(q: Any, k: Any, v: Any) -> Any:
        return sdpa(q, k, v, mask)

    leaves = tuple(Tensor(x, requires_grad=True) for x in arrays)
    assert gradcheck(f, leaves) and gradgradcheck(f, leaves)
    y, dy = jvp(f, tuple(arrays), tuple(reversed(arrays)))
    step = 1e-6
    ahead, behind = ([x + s * t for x, t in zip(arrays, reversed(arrays), strict=True)] for s in (step, -step))
    np.testing.assert_allclose(y.numpy(), f(*arrays), rtol=1e-14)
    np.testing.assert_allclose(dy.numpy(), (f(*ahead) - f(*behind)) / (2 * step), rtol=1e-6, atol=1e-8)
    q, direction = arrays[0], normal(2, 3, 2, seed=9)
    curved = hvp(lambda q: (f(q, *arrays[1:]) ** 2).sum(), q, direction)

    def slope(q: Any) -> Any:
        leaf = Tensor(q, requires_grad=True)
        return grads([(composed(leaf, *arrays[1:], mask) ** 2).sum()], [leaf])[0].numpy()

    expected = (slope(q + step * direction) - slope(q - step * direction)) / (2 * step)
    np.testing.assert_allclose(
        (curved[-1] if isinstance(curved, tuple) else curved).numpy(), expected, rtol=1e-6, atol=1e-7
    )


@pytest.mark.parametrize("axes", [*itertools.product([0, None], repeat=4)][:-1])
def test_vmap(axes: tuple[Any, ...]) -> None:
    whole = [normal(3, 2, 4, 2, seed=i) for i in range(3)] + [normal(3, 4, 4, seed=3)]
    given = [x if axis == 0 else x[0] for x, axis in zip(whole, axes, strict=True)]
    got = vmap(sdpa, in_axes=axes)(*given).numpy()
    for i in range(3):
        one = [x if axis is None else x[i] for x, axis in zip(given, axes, strict=True)]
        np.testing.assert_allclose(got[i], by_queries(*one[:3], np.broadcast_to(one[3], (2, 4, 4))), rtol=1e-12)


def test_dropout() -> None:
    q, k, v = normal(300, 4), normal(200, 4, seed=1), np.ones((200, 1))
    nn.manual_seed(0)
    y = sdpa(q, k, v, dropout_p=0.25)
    assert abs(y.mean() - 1) < 0.01 and y.std() > 0.01
    nn.manual_seed(0)
    np.testing.assert_array_equal(sdpa(q, k, v, dropout_p=0.25), y)
    np.testing.assert_array_equal(sdpa(q, k, v, dropout_p=1.0), np.zeros((300, 1)))

    def f(q: Any, k: Any, v: Any) -> Any:
        nn.manual_seed(1)
        return sdpa(q, k, v, dropout_p=0.5)

    arrays = [normal(4, 2, seed=i) for i in range(3)]
    leaves = tuple(Tensor(x, requires_grad=True) for x in arrays)
    assert gradcheck(f, leaves) and gradgradcheck(f, leaves)
    drawn = vmap(lambda x: sdpa(x, k, v, dropout_p=0.5), in_axes=0, randomness="different")(np.stack([q, q])).numpy()
    assert not np.array_equal(drawn[0], drawn[1])


def test_what_is_computed_once_is_taken_once() -> None:
    leaves = [Tensor(normal(2, 4, 3, seed=i), requires_grad=True) for i in range(3)]
    g = normal(2, 4, 3, seed=5)
    y = sdpa(*leaves)
    first = [x.numpy().copy() for x in grads([y], leaves, [g], retain_graph=True)]
    second = grads([y], leaves, [Tensor(g)], retain_graph=True)
    third = grads([y], leaves, [2 * g], retain_graph=True)
    alone = [grads([y], [x], [g], retain_graph=True)[0] for x in leaves]
    for a, b, c, d in zip(first, second, third, alone, strict=True):
        np.testing.assert_array_equal(a, b.numpy())
        np.testing.assert_allclose(2 * a, c.numpy(), rtol=1e-13)
        np.testing.assert_array_equal(a, d.numpy())
    x = leaves[0]
    same = grads([sdpa(x, x, x)], [x], [g])[0].numpy()
    np.testing.assert_allclose(same, grads([composed(x, x, x)], [x], [g])[0].numpy(), rtol=1e-11)


def test_a_graph_that_is_kept_holds_no_gradients() -> None:
    leaves = [Tensor(normal(2, 4, 3, seed=i), requires_grad=True) for i in range(3)]
    y = sdpa(*leaves)
    y.backward(normal(2, 4, 3, seed=5), retain_graph=True)
    held = [weakref.ref(x.grad._held) for x in leaves if x.grad is not None]
    for x in leaves:
        x.grad = None
    assert len(held) == 3 and [ref() for ref in held] == [None] * 3


def test_a_rule_can_be_replaced() -> None:
    leaves = [Tensor(normal(4, 3, seed=i), requires_grad=True) for i in range(3)]
    with override(registry["attention"], "k", lambda g, k: 0 * k):
        slopes = grads([sdpa(*leaves)], leaves, [np.ones((4, 3))])
    assert (slopes[1].numpy() == 0).all() and (slopes[0].numpy() != 0).any() and (slopes[2].numpy() != 0).any()


X = np.ones((2, 4, 6))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: sdpa(X, X[..., :5], X), ValueError, r"query, key and value of shapes \(2, 4, 6\), \(2, 4, 5\)"),
        (lambda: sdpa(X, X, X[:, :3]), ValueError, r"expected \(\.\.\., L, E\), \(\.\.\., S, E\) and \(\.\.\., S, F\)"),
        (lambda: sdpa(X[0, 0], X, X), ValueError, r"of shapes \(6,\)"),
        (lambda: sdpa(X, np.ones((3, 4, 6)), X), ValueError, "do not broadcast"),
        (lambda: sdpa(X, X, X, np.ones((3, 4))), ValueError, r"attn_mask of shape \(3, 4\); expected .* \(2, 4, 4\)"),
        (lambda: sdpa(X, X, X, np.ones((5, 2, 4, 4))), ValueError, r"attn_mask of shape \(5, 2, 4, 4\)"),
        (lambda: sdpa(X, X, X, np.ones((4, 4), np.int64)), TypeError, "attn_mask of dtype int64; expected bools"),
        (lambda: sdpa(X, X * 1j, X), TypeError, "scaled_dot_product_attention: query, key or value is complex"),
        (lambda: sdpa(X, X, X, dropout_p=1.5), ValueError, "scaled_dot_product_attention: p=1.5"),
        (lambda: sdpa(np.ones((3, 4, 6)), X, X, enable_gqa=True), ValueError, r"\(2, 4, 6\) has no heads"),
    ],
)
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
