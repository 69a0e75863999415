"""Multi-head attention beside its formula, head by head."""

import math
from typing import Any

import numpy as np
import pytest

from pullback import Tensor, grad, grads, jvp, nn, vmap
from pullback.nn import functional as F
from pullback.nn.heads import cut_thirds
from pullback.testing import check_module

CAUSAL = np.triu(np.full((4, 4), -np.inf), 1)
PADDED = np.array([[False, False, False, True], [False, True, False, False]])


def normal(*shape: int, seed: int = 0, kind: Any = np.float32) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(kind)


def by_heads(layer: Any, query: Any, key: Any, value: Any, mask: Any = None) -> tuple[Any, Any]:
    """The result (N, L, E) and the weights (N, heads, L, S) for (N, L, ...), sample by sample and head by head."""
    state = {name: x.numpy().astype(float) for name, x in layer.state_dict().items()}
    width, heads = layer.embed_dim, layer.num_heads
    each = width // heads
    whole = state.get("in_proj_weight")
    into = np.split(whole, 3) if whole is not None else [state[f"{name}_proj_weight"] for name in "qkv"]
    biases = np.split(state.get("in_proj_bias", np.zeros(3 * width)), 3)
    outs, weights = [], []
    for n in range(len(query)):
        q, k, v = (x[n] @ w.T + b for x, w, b in zip((query, key, value), into, biases, strict=True))
        if "bias_k" in state:
            k, v = (np.concatenate([x, state[name][0]]) for x, name in ((k, "bias_k"), (v, "bias_v")))
        if layer.add_zero_attn:
            k, v = (np.concatenate([x, np.zeros((1, width))]) for x in (k, v))
        parts = []
        for h in range(heads):
            cut = slice(h * each, (h + 1) * each)
            scores = q[:, cut] @ k[:, cut].T / math.sqrt(each)
            if mask is not None:
                scores[:, : mask.shape[-1]] += mask[n, h]
            e = np.exp(scores - scores.max(1, keepdims=True))
            parts.append(e / e.sum(1, keepdims=True))
        weights.append(parts)
        joined = np.concatenate([p @ v[:, h * each : (h + 1) * each] for h, p in enumerate(parts)], 1)
        outs.append(joined @ state["out_proj.weight"].T + state.get("out_proj.bias", 0))
    return np.array(outs), np.array(weights)


KINDS = [
    {},
    {"bias": False},
    {"kdim": 3, "vdim": 5},
    {"kdim": 3, "bias": False, "add_zero_attn": True},
    {"add_bias_kv": True},
    {"add_bias_kv": True, "add_zero_attn": True},
]


@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize("batch_first", [True, False])
def test_by_heads(options: dict[str, Any], batch_first: bool) -> None:
    nn.manual_seed(0)
    layer = nn.MultiheadAttention(6, 2, batch_first=batch_first, **options)
    if layer.in_proj_bias is not None:
        nn.init.normal_(layer.in_proj_bias)
        nn.init.normal_(layer.out_proj.bias)
    q, k, v = normal(2, 4, 6), normal(2, 5, layer.kdim, seed=1), normal(2, 5, layer.vdim, seed=2)
    mask = np.random.default_rng(3).random((2, 2, 4, 5)) < 0.3
    mask[..., 0] = False
    expected, weights = by_heads(layer, q, k, v, np.where(mask, -np.inf, 0))
    given = (q, k, v) if batch_first else tuple(np.swapaxes(x, 0, 1) for x in (q, k, v))

    def called(**more: Any) -> Any:
        out, shares = layer(*given, attn_mask=mask.reshape(4, 4, 5), **more)
        return out.numpy() if batch_first else np.swapaxes(out.numpy(), 0, 1), shares

    out, shares = called(need_weights=False)
    assert shares is None and out.dtype == np.float32
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)
    out, shares = called(average_attn_weights=False)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(shares.numpy(), weights, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(called()[1].numpy(), weights.mean(1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("batch_first", [True, False])
def test_one_input_for_all_is_projected_at_once(batch_first: bool) -> None:
    layer = nn.MultiheadAttention(6, 3, batch_first=batch_first).double()
    x, g = normal(2, 4, 6, kind=float), normal(2, 4, 6, seed=1, kind=float)
    found = []
    for same in (True, False):
        leaf = Tensor(x, requires_grad=True)
        given = (leaf,) * 3 if same else tuple(leaf * 1.0 for _ in range(3))
        layer.zero_grad()
        out, _ = layer(*given, need_weights=False)
        out.backward(g)
        found.append([out.numpy(), leaf.grad.numpy(), *(p.grad.numpy() for p in layer.parameters())])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_masks_and_single_sequences() -> None:
    layer = nn.MultiheadAttention(6, 2)
    x = normal(4, 2, 6)
    padding, ahead = np.where(PADDED, -np.inf, 0), np.isinf(CAUSAL)
    merged = np.broadcast_to(CAUSAL + padding[:, None, None], (2, 2, 4, 4))
    expected = np.swapaxes(by_heads(layer, *(np.swapaxes(x, 0, 1),) * 3, merged)[0], 0, 1)
    for need in (True, False):
        for options in (
            {"attn_mask": ahead, "key_padding_mask": PADDED},
            {"attn_mask": CAUSAL, "key_padding_mask": padding},
            {"attn_mask": Tensor(ahead), "key_padding_mask": padding, "is_causal": True},
        ):
            np.testing.assert_allclose(layer(x, x, x, need_weights=need, **options)[0].numpy(), expected, atol=1e-5)
        alone = [
            layer(y, y, y, key_padding_mask=m, attn_mask=CAUSAL, need_weights=need)[0].numpy()
            for y, m in zip(np.swapaxes(x, 0, 1), PADDED, strict=True)
        ]
        np.testing.assert_allclose(np.stack(alone, 1), expected, atol=1e-5)
        causal = layer(x, x, x, attn_mask=CAUSAL, need_weights=need)[0].numpy()
        hinted = layer(x, x, x, attn_mask=CAUSAL, need_weights=need, is_causal=True)[0].numpy()
        np.testing.assert_allclose(hinted, causal, atol=1e-6)
    shares = layer(x[:, 0], x[:, 0], x[:, 0], average_attn_weights=False)[1]
    assert shares.shape == (2, 4, 4)


@pytest.mark.parametrize("options", [{"add_bias_kv": True}, {"add_zero_attn": True}])
def test_a_hint_changes_nothing(options: dict[str, bool]) -> None:  # in PyTorch 2.13 it hides the added keys
    layer, x = nn.MultiheadAttention(6, 2, **options), normal(4, 2, 6)
    plain, _ = layer(x, x, x, attn_mask=CAUSAL)
    for need in (True, False):
        hinted, _ = layer(x, x, x, attn_mask=CAUSAL, is_causal=True, need_weights=need)
        np.testing.assert_allclose(hinted.numpy(), plain.numpy(), atol=1e-6)


def test_as_many_samples_as_queries() -> None:  # so that the masks have one shape
    layer, x = nn.MultiheadAttention(6, 2, batch_first=True), normal(4, 4, 6)
    missing = np.eye(4, k=1, dtype=bool)
    expected = by_heads(layer, x, x, x, np.broadcast_to(np.where(missing, -np.inf, 0)[:, None, None], (4, 2, 4, 4)))[0]
    for need in (True, False):
        out = layer(x, x, x, key_padding_mask=missing, need_weights=need)[0]
        np.testing.assert_allclose(out.numpy(), expected, atol=1e-5)


def test_a_query_that_attends_to_nothing() -> None:
    layer = nn.MultiheadAttention(6, 2)
    nn.init.normal_(layer.out_proj.bias)
    x, mask = normal(4, 2, 6), np.arange(4)[:, None] == [1] * 4
    np.testing.assert_array_equal(
        layer(x, x, x, attn_mask=mask, need_weights=False)[0].numpy()[1], [layer.out_proj.bias.numpy()] * 2
    )
    out = layer(x, x, x, attn_mask=mask)[0].numpy()
    assert np.isnan(out[1]).all() and np.isfinite(out[[0, 2, 3]]).all()


def test_initial_values() -> None:
    nn.manual_seed(0)
    layer = nn.MultiheadAttention(64, 4, add_bias_kv=True)
    bound = math.sqrt(6 / (64 + 192))
    weight = layer.in_proj_weight.numpy()
    assert 0.98 * bound < np.abs(weight).max() <= bound and abs(weight.std() / (bound / math.sqrt(3)) - 1) < 0.02
    assert (layer.in_proj_bias.numpy() == 0).all() and (layer.out_proj.bias.numpy() == 0).all()
    assert abs(layer.bias_k.numpy().std() / math.sqrt(2 / (64 + 64)) - 1) < 0.3
    names = ["in_proj_weight", "in_proj_bias", "bias_k", "bias_v", "out_proj.weight", "out_proj.bias"]
    assert list(layer.state_dict()) == names
    apart = nn.MultiheadAttention(6, 2, kdim=3)
    assert list(apart.state_dict())[:3] == ["q_proj_weight", "k_proj_weight", "v_proj_weight"]
    assert [p.shape for p in apart.parameters()][:3] == [(6, 6), (6, 3), (6, 6)]


def test_dropout_is_for_training() -> None:
    layer, x = nn.MultiheadAttention(6, 2, dropout=0.5), normal(4, 2, 6)
    for need in (True, False):
        nn.manual_seed(0)
        first = layer(x, x, x, need_weights=need)[0].numpy()
        nn.manual_seed(0)
        np.testing.assert_array_equal(layer(x, x, x, need_weights=need)[0].numpy(), first)
        layer.eval()
        still = layer(x, x, x, need_weights=need)[0].numpy()
        np.testing.assert_array_equal(layer(x, x, x, need_weights=need)[0].numpy(), still)
        assert not np.array_equal(still, first)
        layer.train()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layer", "inputs"),
    [
        (nn.MultiheadAttention(4, 2), (normal(3, 2, 4),) * 3),
        pytest.param(
            nn.MultiheadAttention(4, 2, dropout=0.5, batch_first=True),
            (normal(2, 3, 4),) * 3,
            marks=pytest.mark.thorough,
        ),
        pytest.param(
            nn.MultiheadAttention(4, 2, kdim=2, vdim=3, add_bias_kv=True),
            (normal(3, 4), normal(2, 2), normal(2, 3)),
            marks=pytest.mark.thorough,
        ),
    ],
)
def test_modules(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
    assert check_module(layer, inputs)


def test_heads_of_which_some_are_not_used() -> None:
    x = Tensor(normal(4, 2, 12), requires_grad=True)
    for unused in range(3):
        for batch_first in (True, False):
            parts = cut_thirds(x, heads=2, batch_first=batch_first)
            used = [(i + 1) * parts[i].sum() for i in range(3) if i != unused]
            slope = grads([used[0] + used[1]], [x])[0].numpy()
            expected = np.repeat([0 if i == unused else i + 1 for i in range(3)], 4)
            np.testing.assert_array_equal(slope, np.broadcast_to(expected, (4, 2, 12)))


def test_forward_mode_where_some_heads_are_not_used() -> None:
    def squares(x: Any) -> Any:
        return (cut_thirds(x, heads=2, batch_first=True)[1] ** 2).sum()

    x, t = normal(4, 2, 12), normal(4, 2, 12, seed=1)
    second = jvp(grad(squares), (x,), (t,))[1].numpy()
    np.testing.assert_array_equal(second, 2 * t * (np.arange(12) // 4 == 1))


class Own(nn.Module):
    """Attention of a sequence to itself, without the weights."""

    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=batch_first)

    def forward(self, x: Any) -> Any:
        return self.attention(x, x, x, need_weights=False)[0]


@pytest.mark.slow
@pytest.mark.parametrize("batch_first", [True, False])
def test_self_attention(batch_first: bool) -> None:
    model, x = Own(batch_first), normal(3, 2, 4)
    assert check_module(model, x)

    def loss(parameters: Any, x: Any) -> Any:
        return (nn.functional_call(model, parameters, x) ** 2).sum()

    parameters = {name: p.detach() for name, p in model.named_parameters()}
    several = np.stack([x, 2 * x])
    each = vmap(grad(loss), in_axes=(None, 0))(parameters, several)
    for i in range(2):
        for name, slope in grad(loss)(parameters, several[i]).items():
            np.testing.assert_allclose(each[name].numpy()[i], slope.numpy(), rtol=1e-4, atol=1e-5)


def test_float16() -> None:
    layer, x = Own(False).to(np.float16), normal(3, 2, 4).astype(np.float16)
    y = layer(Tensor(x, requires_grad=True))
    assert y.dtype == np.float16
    assert layer.attention(x, x, x)[1].dtype == np.float16


E, X = np.zeros((2, 4)), normal(4, 2, 6)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: nn.MultiheadAttention(5, 2), ValueError, "embed_dim=5 is not divisible by num_heads=2"),
        (lambda m: nn.MultiheadAttention(4, 0), ValueError, "embed_dim=4 is not divisible by num_heads=0"),
        (lambda m: nn.MultiheadAttention(4, 2, dropout=2.0), ValueError, "MultiheadAttention: p=2.0"),
        (lambda m: m(E, E, E), ValueError, r"MultiheadAttention expected 6 features of the query, got one of shape"),
        (lambda m: m(X, X[..., :5], X), ValueError, r"expected 6 features of the key, got one of shape \(4, 2, 5\)"),
        (lambda m: m(X, X, X[:3]), ValueError, r"key of shape \(4, 2, 6\) and value of shape \(3, 2, 6\)"),
        (lambda m: m(X[:, :1], X, X), ValueError, r"query of shape \(4, 1, 6\) and key of shape \(4, 2, 6\)"),
        (
            lambda m: m(X[0], X, X),
            ValueError,
            r"of shapes \(2, 6\), \(4, 2, 6\), \(4, 2, 6\); expected three of 2 axes",
        ),
        (lambda m: m(X[None], X[None], X[None]), ValueError, "expected three of 2 axes, or of 3"),
        (
            lambda m: m(X, X, X, attn_mask=E),
            ValueError,
            r"attn_mask of shape \(2, 4\); expected \(4, 4\) or \(4, 4, 4\)",
        ),
        (
            lambda m: m(X, X, X, key_padding_mask=E.T),
            ValueError,
            r"key_padding_mask of shape \(4, 2\); expected \(2, 4\)",
        ),
        (
            lambda m: m(X, X, X, attn_mask=np.ones((4, 4), int)),
            TypeError,
            "MultiheadAttention: attn_mask of dtype int64",
        ),
        (lambda m: m(X, X, X, is_causal=True), ValueError, "MultiheadAttention: is_causal .* give attn_mask, too"),
        (
            lambda m: F.multi_head_attention_forward(X, X, X, 6, 4, *[None] * 4, False, 0.0, None, None),
            ValueError,
            "multi_head_attention_forward: embed_dim=6 is not divisible by num_heads=4",
        ),
    ],
)
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(nn.MultiheadAttention(6, 2))
