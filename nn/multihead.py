"""Multi-head attention, as a function and as a module."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..autograd import Tensor, broadcast_to, concatenate, matmul, mean, reshape, softmax, transpose
from ..extend import ArrayLike, DTypeLike, TensorLike, by_single, lift
from . import init
from .attention import additive, attended, causal_mask
from .dropout import check_probability, dropout
from .factory import empty
from .heads import cut_thirds, headed, joined
from .linear import Linear, linear
from .module import Module, Parameter

__all__ = [
    "MultiheadAttention",
    "multi_head_attention_forward",
]


def multi_head_attention_forward(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: TensorLike | None,
    in_proj_bias: TensorLike | None,
    bias_k: TensorLike | None,
    bias_v: TensorLike | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: TensorLike,
    out_proj_bias: TensorLike | None,
    training: bool = True,
    key_padding_mask: ArrayLike | None = None,
    need_weights: bool = True,
    attn_mask: ArrayLike | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: TensorLike | None = None,
    k_proj_weight: TensorLike | None = None,
    v_proj_weight: TensorLike | None = None,
    static_k: TensorLike | None = None,
    static_v: TensorLike | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Return what `MultiheadAttention` gives for these weights, as a pair; sequences are along the first axis.

    `in_proj_weight` (3 E, E) holds three weights, one beneath the other, or, with `use_separate_proj_weight`,
    `q_proj_weight`, `k_proj_weight` and `v_proj_weight` are given; `in_proj_bias` is (3 E,). `static_k` and `static_v`
    (N * num_heads, S, E / num_heads) take the place of keys and values. Shapes, masks and errors are as for the module.
    """
    check_probability(dropout_p, "multi_head_attention_forward")
    weights: Any = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else in_proj_weight
    return attend(
        "multi_head_attention_forward",
        (query, key, value),
        embed_dim_to_check,
        num_heads,
        (weights, in_proj_bias),
        (bias_k, bias_v),
        add_zero_attn,
        dropout_p if training else 0.0,
        (out_proj_weight, out_proj_bias),
        (attn_mask, key_padding_mask, is_causal),
        need_weights,
        average_attn_weights,
        (static_k, static_v),
    )


def attend(
    name: str,
    inputs: tuple[Any, Any, Any],
    width: int,
    heads: int,
    into: tuple[Any, Any],
    more: tuple[Any, Any],
    add_zero_attn: bool,
    dropout_p: float,
    out_of: tuple[Any, Any],
    masks: tuple[Any, Any, bool],
    need_weights: bool,
    average: bool,
    static: tuple[Any, Any] = (None, None),
    batch_first: bool = False,
) -> tuple[Any, Any]:
    """The result and, if they are needed, the weights of attention: see the module; errors begin with `name`.

    `into` and `out_of` are a weight (or three) and a bias; `more` a key and a value that are put behind the others.
    """
    query, key, value = map(lift, inputs)
    inputs, batched = (query, key, value), query.ndim == 3
    _check(name, inputs, width, heads, into[0], 0 if batch_first else 1)
    batch_first = batch_first and batched
    if not batched:
        inputs = _once_each(inputs, lambda x: x[:, None])
    q, k, v = _projected(inputs, *into, more, heads, batch_first)
    n, _, _, each = q.shape
    k, v = (x if own is None else reshape(own, (n, heads, -1, each)) for x, own in zip((k, v), static, strict=True))
    if add_zero_attn:
        nothing = np.zeros((n, heads, 1, each), q.dtype)
        k, v = (concatenate([x, nothing], axis=2) for x in (k, v))
    added = int(more[0] is not None) + int(add_zero_attn)
    mask = _mask(name, masks, q, k, added, need_weights, batched)
    weights = None
    if need_weights:
        out, weights = _with_weights(q, k, v, mask, dropout_p)
        weights = mean(weights, axis=1) if average else weights
        weights = weights if batched else weights[0]
    else:
        out = attended(q, k, v, mask, dropout_p, 1 / math.sqrt(each))
    out = linear(joined(out, batch_first), *out_of)
    return out if batched else out[:, 0], weights


def _check(name: str, inputs: tuple[Any, Any, Any], width: int, heads: int, weights: Any, batch_axis: int) -> None:
    """ValueError for shapes of query, key and value that do not fit."""
    shapes = [x.shape for x in inputs]
    if heads < 1 or width % heads:
        raise ValueError(f"{name}: embed_dim={width} is not divisible by num_heads={heads}")
    if len(shapes[0]) not in (2, 3) or len({len(shape) for shape in shapes}) > 1:
        given = ", ".join(map(str, shapes))
        raise ValueError(
            f"{name}: query, key and value of shapes {given}; expected three of 2 axes, or of 3 with a batch"
        )
    widths = [w.shape[1] for w in weights] if isinstance(weights, tuple) else [width] * 3
    for what, shape, expected in zip(("query", "key", "value"), shapes, widths, strict=True):
        if shape[-1] != expected:
            raise ValueError(f"{name} expected {expected} features of the {what}, got one of shape {shape}")
    if shapes[1][:-1] != shapes[2][:-1]:
        raise ValueError(f"{name}: key of shape {shapes[1]} and value of shape {shapes[2]}; expected one length")
    if len(shapes[0]) == 3 and shapes[0][batch_axis] != shapes[1][batch_axis]:
        raise ValueError(f"{name}: query of shape {shapes[0]} and key of shape {shapes[1]}; expected one batch")


def _once_each(inputs: Any, change: Any) -> Any:
    """The inputs changed, those that are the same once."""
    made: dict[int, Any] = {id(x): change(x) for x in inputs}
    return tuple(made[id(x)] for x in inputs)


def _projected(inputs: Any, weights: Any, bias: Any, more: Any, heads: int, batch_first: bool) -> Any:
    """The heads of queries, keys and values, by one product where inputs are the same."""
    query, key, value = inputs
    if not isinstance(weights, tuple):
        if query is key is value and more[0] is None:
            return cut_thirds.apply(linear(query, weights, bias), heads=heads, batch_first=batch_first)
        weights = _thirds(weights)
    biases = (None,) * 3 if bias is None else _thirds(bias)
    q, k, v = (linear(x, w, b) for x, w, b in zip(inputs, weights, biases, strict=True))
    if more[0] is not None:
        axis = int(batch_first)
        k, v = (concatenate([x, _spread(one, x, axis)], axis=axis) for x, one in zip((k, v), more, strict=True))
    return [headed(x, heads, batch_first) for x in (q, k, v)]


def _thirds(x: Any) -> list[Any]:
    size = len(x) // 3
    return [x[i * size : (i + 1) * size] for i in range(3)]


def _spread(one: Any, x: Any, axis: int) -> Any:
    """A key (1, 1, E) for all samples, along the axis of sequences."""
    shape = list(x.shape)
    shape[axis] = 1
    return broadcast_to(one, tuple(shape))


def _mask(name: str, masks: Any, q: Any, k: Any, added: int, need_weights: bool, batched: bool) -> Any:
    """What is added to the scores (N, heads, L, S): both masks, and none for the last `added` keys; None for none."""
    attn_mask, padding, is_causal = masks
    (n, heads, length, _), keys, dtype = q.shape, k.shape[2], q.dtype
    if is_causal and attn_mask is None:
        raise ValueError(f"{name}: is_causal says that attn_mask is the causal one; give attn_mask, too")
    if is_causal and padding is None and not need_weights:
        attn_mask = causal_mask(length, keys - added, dtype)
    found = None
    for argument, mask, shapes, whole in (
        ("attn_mask", attn_mask, ((length, keys - added), (n * heads, length, keys - added)), (n, heads, length, keys)),
        ("key_padding_mask", padding, ((n, keys - added) if batched else (keys - added,),), (n, 1, 1, keys)),
    ):
        if mask is None:
            continue
        if np.shape(mask) not in shapes:
            known = " or ".join(map(str, shapes))
            raise ValueError(f"{name}: {argument} of shape {np.shape(mask)}; expected {known}")
        mask = additive(mask, np.shape(mask), dtype, name, argument, attended=False)
        if added:
            mask = concatenate([mask, np.zeros((*mask.shape[:-1], added), dtype)], axis=-1)
        if argument != "attn_mask" or mask.ndim == 3:
            mask = reshape(mask, whole)
        found = mask if found is None else found + mask
    return found


@by_single
def _with_weights(q: Any, k: Any, v: Any, mask: Any, dropout_p: float) -> tuple[Any, Any]:
    """The result, and the weights after dropout; a query that attends to nothing gets NaN, as in PyTorch."""
    scores = matmul(q * (1 / math.sqrt(q.shape[-1])), transpose(k, (0, 1, 3, 2)))
    with np.errstate(invalid="ignore"):
        weights = dropout(softmax(scores if mask is None else scores + mask, -1), dropout_p)
    return matmul(weights, v), weights


class NonDynamicallyQuantizableLinear(Linear):
    """The linear layer behind the heads, by the name that PyTorch has for it."""


class MultiheadAttention(Module):
    """Attention of several heads: of projections of query, key and value, each to `embed_dim` / `num_heads` numbers.

    Query is (L, N, embed_dim), key (S, N, kdim) and value (S, N, vdim), or all (N, L, ...) with `batch_first`, or all
    without N. The result is a pair: (L, N, embed_dim), and the weights, (N, L, S) as means over heads, or
    (N, num_heads, L, S), or None, by `average_attn_weights` and `need_weights`. `key_padding_mask` (N, S) and
    `attn_mask` (L, S) or (N * num_heads, L, S) are True where a key is not attended to, or are added to the scores.
    With `is_causal`, `attn_mask` is the causal one. `dropout` is that of the weights; `add_bias_kv` adds a learnt key
    and value, `add_zero_attn` those of zeros. A query that attends to nothing gets 0 before the last layer, or NaN
    where the weights are needed. ValueError for shapes that do not fit.
    Source: Vaswani et al., Attention Is All You Need, 2017.

    >>> from pullback import nn
    >>> x = np.ones((5, 2, 4), np.float32)
    >>> [part.shape for part in nn.MultiheadAttention(4, 2)(x, x, x)]
    [(5, 2, 4), (2, 5, 5)]
    """

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()
        if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
            raise ValueError(f"MultiheadAttention: embed_dim={embed_dim} is not divisible by num_heads={num_heads}")
        check_probability(dropout, "MultiheadAttention")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim, self.vdim = embed_dim if kdim is None else kdim, embed_dim if vdim is None else vdim
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn

        def made(*shape: int) -> Parameter:
            return empty(shape, device, dtype, name="MultiheadAttention")

        apart = not self.kdim == self.vdim == embed_dim
        self.in_proj_weight = None if apart else made(3 * embed_dim, embed_dim)
        widths = embed_dim, self.kdim, self.vdim
        self.q_proj_weight, self.k_proj_weight, self.v_proj_weight = (
            made(embed_dim, n) if apart else None for n in widths
        )
        self.in_proj_bias = made(3 * embed_dim) if bias else None
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias, device, dtype)
        self.bias_k, self.bias_v = (made(1, 1, embed_dim) if add_bias_kv else None for _ in range(2))
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None and self.out_proj.bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for one in (self.bias_k, self.bias_v):
            if one is not None:
                init.xavier_normal_(one)

    def forward(
        self,
        query: TensorLike,
        key: TensorLike,
        value: TensorLike,
        key_padding_mask: ArrayLike | None = None,
        need_weights: bool = True,
        attn_mask: ArrayLike | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        weights: Any = self.in_proj_weight
        if weights is None:
            weights = self.q_proj_weight, self.k_proj_weight, self.v_proj_weight
        return attend(
            "MultiheadAttention",
            (query, key, value),
            self.embed_dim,
            self.num_heads,
            (weights, self.in_proj_bias),
            (self.bias_k, self.bias_v),
            self.add_zero_attn,
            self.dropout if self.training else 0.0,
            (self.out_proj.weight, self.out_proj.bias),
            (attn_mask, key_padding_mask, is_causal),
            need_weights,
            average_attn_weights,
            batch_first=self.batch_first,
        )
