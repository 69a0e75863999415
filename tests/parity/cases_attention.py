import numpy as np

from .compare import Case

RNG = np.random.default_rng(0)
FEW = RNG.random((4, 5)) < 0.7
FEW[:, 0] = True
NONE = FEW.copy()
NONE[1] = False
CAUSAL = np.triu(np.full((4, 4), -np.inf), 1)
PADDED = np.array([[False, False, False, True], [False, True, False, False]])
HEADS = RNG.random((4, 4, 4)) < 0.3
HEADS[:, :, 0] = False

QKV = ((2, 3, 4, 6), (2, 3, 5, 6), (2, 3, 5, 2))
SDPA = "functional.scaled_dot_product_attention"
X, Y = (4, 2, 6), (5, 2, 6)
SELF = {"prepare": lambda nn, x: (x, x, x)}
CROSS = {"prepare": lambda nn, x, y: (x, y, y)}


def forward(query, key, value, weight, bias, out_weight, out_bias):
    """The arguments of multi_head_attention_forward, of two heads, in their order."""
    return query, key, value, 6, 2, weight, bias, None, None, False, 0.0, out_weight, out_bias


CASES = [
    Case(SDPA, inputs=QKV),
    Case(SDPA, inputs=((4, 6), (5, 6), (5, 2))),
    Case(SDPA, inputs=((3, 4, 6), (3, 5, 6), (3, 5, 6))),
    Case(SDPA, inputs=((1, 3, 1, 6), (1, 3, 5, 6), (1, 3, 5, 1))),
    Case(SDPA, inputs=((2, 1, 4, 6), (1, 3, 5, 6), (2, 3, 5, 6))),
    Case(SDPA, inputs=((0, 3, 4, 6), (0, 3, 5, 6), (0, 3, 5, 6))),
    Case(SDPA, inputs=QKV, call={"is_causal": True}),
    Case(SDPA, inputs=((2, 3, 6, 6), *QKV[1:]), call={"is_causal": True}),
    Case(SDPA, inputs=QKV, call={"scale": 0.3}),
    Case(SDPA, inputs=QKV, call={"attn_mask": FEW}),
    Case(SDPA, inputs=QKV, call={"attn_mask": NONE}),
    Case(SDPA, inputs=QKV, call={"attn_mask": np.where(NONE, 0.5, -np.inf)}),
    Case(SDPA, inputs=(*QKV, (4, 5))),
    Case(SDPA, inputs=(*QKV, (2, 3, 4, 5))),
    Case(SDPA, inputs=(*QKV, (2, 1, 1, 5)), call={"scale": 2.0}),
    Case(SDPA, inputs=((2, 6, 4, 3), (2, 2, 5, 3), (2, 2, 5, 3)), call={"enable_gqa": True}),
    Case(SDPA, inputs=((2, 6, 4, 3), (2, 3, 5, 3), (2, 3, 5, 3)), call={"enable_gqa": True, "is_causal": True}),
    *(
        Case("MultiheadAttention", (6, 2), {"bias": b, "batch_first": f}, inputs=(X,), call={"need_weights": w}, **SELF)
        for b in (True, False)
        for f in (True, False)
        for w in (True, False)
    ),
    Case("MultiheadAttention", (6, 1), inputs=((0, 2, 6),), call={"need_weights": False}, **SELF),
    Case("MultiheadAttention", (6, 3), inputs=((4, 0, 6),), **SELF),
    *(Case("MultiheadAttention", (6, 3), inputs=(X, Y), call={"need_weights": w}, **CROSS) for w in (True, False)),
    Case("MultiheadAttention", (6, 3), {"bias": False}, inputs=(X, Y, Y)),
    *(Case("MultiheadAttention", (6, 2), inputs=((4, 6),), call={"need_weights": w}, **SELF) for w in (True, False)),
    Case("MultiheadAttention", (6, 2), {"batch_first": True}, inputs=((4, 6), (5, 6)), **CROSS),
    Case("MultiheadAttention", (6, 2), inputs=(X,), call={"average_attn_weights": False}, **SELF),
    Case("MultiheadAttention", (6, 2), inputs=((4, 6),), call={"average_attn_weights": False}, **SELF),
    *(
        Case("MultiheadAttention", (6, 2), {"kdim": 3, "vdim": 5, **options}, inputs=(X, (5, 2, 3), (5, 2, 5)))
        for options in ({}, {"bias": False}, {"add_bias_kv": True}, {"batch_first": False, "add_zero_attn": True})
    ),
    Case("MultiheadAttention", (6, 2), {"vdim": 5, "batch_first": True}, inputs=((2, 4, 6), (2, 5, 6), (2, 5, 5))),
    *(
        Case(
            "MultiheadAttention",
            (6, 2),
            {"add_bias_kv": True, "add_zero_attn": zero, "batch_first": first},
            inputs=((2, 4, 6) if first else (4, 2, 6),),
            call={"attn_mask": np.isinf(CAUSAL), "key_padding_mask": PADDED, "need_weights": w},
            **SELF,
        )
        for zero in (True, False)
        for first in (True, False)
        for w in (True, False)
    ),
    *(
        Case("MultiheadAttention", (6, 2), inputs=((4, 2, 6),), call={"need_weights": w, **call}, **SELF)
        for w in (True, False)
        for call in (
            {"attn_mask": CAUSAL},
            {"attn_mask": CAUSAL, "is_causal": True},
            {"attn_mask": CAUSAL, "is_causal": True, "key_padding_mask": PADDED},
            {"attn_mask": HEADS},
            {"attn_mask": np.where(HEADS, -np.inf, 0.5)},
            {"key_padding_mask": PADDED},
            {"key_padding_mask": np.where(PADDED, -np.inf, 0.25), "attn_mask": CAUSAL},
            {"key_padding_mask": PADDED, "attn_mask": HEADS},
        )
    ),
    Case("MultiheadAttention", (6, 2), inputs=((4, 0, 6),), call={"key_padding_mask": PADDED[:0]}, **SELF),
    Case("MultiheadAttention", (6, 2), inputs=((4, 4, 6),), call={"key_padding_mask": np.eye(4, k=1) > 0}, **SELF),
    Case("MultiheadAttention", (6, 2), inputs=((4, 6),), call={"attn_mask": HEADS[:2]}, **SELF),
    Case("MultiheadAttention", (6, 2), inputs=((4, 6),), call={"key_padding_mask": PADDED[0]}, **SELF),
    Case(
        "MultiheadAttention",
        (6, 2),
        inputs=((4, 2, 6),),
        call={"attn_mask": np.arange(4)[:, None] == [1] * 4, "need_weights": False},
        **SELF,
    ),
    Case(
        "MultiheadAttention",
        (6, 2),
        inputs=((4, 2, 6),),
        call={"attn_mask": np.arange(4)[:, None] == [1] * 4},
        **SELF,
    ),
    Case(
        "functional.multi_head_attention_forward",
        inputs=((4, 2, 6), (5, 2, 6), (5, 2, 6), (18, 6), (18,), (6, 6), (6,)),
        prepare=lambda nn, *x: forward(*x),
    ),
    Case(
        "functional.multi_head_attention_forward",
        inputs=((4, 2, 6), (5, 2, 3), (5, 2, 2), (6, 6), (6, 3), (6, 2), (18,), (6, 6), (6,)),
        prepare=lambda nn, q, k, v, *w: (
            *forward(q, k, v, None, *w[3:]),
            *(True, None, False, None, True, *w[:3]),
        ),
    ),
    Case(
        "functional.multi_head_attention_forward",
        inputs=((4, 2, 6), (18, 6), (18,), (6, 6), (6,), (4, 5, 3), (4, 5, 3)),
        prepare=lambda nn, x, w, b, ow, ob, k, v: (
            *forward(x, x, x, w, b, ow, ob),
            *(True, None, True, None, False, None, None, None, k, v),
        ),
    ),
]
