import numpy as np

from .compare import Case

X, Y = (4, 2, 6), (5, 2, 6)
CAUSAL = np.triu(np.full((4, 4), -np.inf), 1)
PADDED = np.array([[False, False, False, True], [False, True, False, False]])
ACROSS = np.random.default_rng(0).normal(size=(4, 5))
SIZES, NO = (6, 2, 8), {"dropout": 0.0}
OPTIONS = (
    {},
    {"norm_first": True},
    {"bias": False, "layer_norm_eps": 1e-3},
    {"activation": "gelu"},
    {"norm_first": True, "bias": False, "batch_first": True},
)


def stack(kind, **options):
    """The arguments of a stack of two layers with a normalization behind them."""
    return lambda nn: (getattr(nn, f"{kind}Layer")(*SIZES, 0.0, **options), 2, nn.LayerNorm(6))


CASES = [
    *(
        Case("TransformerEncoder", stack("TransformerEncoder", **options), {"enable_nested_tensor": False}, **given)
        for options in ({}, {"norm_first": True, "bias": False})
        for given in (
            {"inputs": (X,)},
            {"inputs": (X,), "call": {"mask": CAUSAL}},
            {"inputs": (X,), "call": {"mask": np.isinf(CAUSAL), "is_causal": True}},
            {"inputs": (X,), "call": {"mask": CAUSAL, "src_key_padding_mask": PADDED}},
            {"inputs": ((4, 6),), "call": {"src_key_padding_mask": PADDED[0]}},
        )
    ),
    *(
        Case("TransformerDecoder", stack("TransformerDecoder", **options), inputs=(X, Y), call=call)
        for options in ({}, {"norm_first": True, "bias": False})
        for call in ({}, {"tgt_mask": CAUSAL}, {"tgt_mask": CAUSAL, "tgt_is_causal": True, "memory_mask": ACROSS})
    ),
    *(Case("TransformerEncoderLayer", SIZES, {**NO, **options}, inputs=(X,)) for options in OPTIONS),
    Case("TransformerEncoderLayer", SIZES, NO, inputs=((4, 6),)),
    Case("TransformerEncoderLayer", SIZES, NO, inputs=((4, 0, 6),)),
    Case("TransformerEncoderLayer", SIZES, NO, inputs=(X,), call={"src_mask": CAUSAL, "is_causal": True}),
    Case("TransformerEncoderLayer", SIZES, NO, inputs=(X,), call={"src_mask": np.isinf(CAUSAL)}),
    Case(
        "TransformerEncoderLayer",
        SIZES,
        {**NO, "norm_first": True},
        inputs=(X,),
        call={"src_mask": np.isinf(CAUSAL), "src_key_padding_mask": PADDED},
    ),
    *(Case("TransformerDecoderLayer", SIZES, {**NO, **options}, inputs=(X, X)) for options in OPTIONS),
    Case("TransformerDecoderLayer", SIZES, NO, inputs=((4, 6), (5, 6))),
    Case(
        "TransformerDecoderLayer",
        SIZES,
        NO,
        inputs=(X, Y),
        call={"tgt_mask": CAUSAL, "tgt_is_causal": True, "memory_mask": ACROSS},
    ),
    Case(
        "TransformerDecoderLayer",
        SIZES,
        {**NO, "norm_first": True},
        inputs=(X, X),
        call={"tgt_key_padding_mask": PADDED, "memory_key_padding_mask": PADDED},
    ),
    *(
        Case("Transformer", (6, 2, 2, 2, 8), {**NO, **options}, inputs=(X, Y))
        for options in ({}, {"norm_first": True}, {"bias": False, "activation": "gelu"})
    ),
    Case("Transformer", (6, 2, 1, 2, 8), {**NO, "batch_first": True}, inputs=((2, 4, 6), (2, 5, 6))),
    Case("Transformer", (6, 2, 1, 1, 8), NO, inputs=((4, 6), (5, 6))),
    Case(
        "Transformer",
        (6, 2, 1, 1, 8),
        NO,
        inputs=(X, X),
        call={
            "src_mask": CAUSAL,
            "tgt_mask": CAUSAL,
            "memory_mask": ACROSS[:, :4],
            "src_is_causal": True,
            "tgt_is_causal": True,
            "src_key_padding_mask": PADDED * -1.0,
            "memory_key_padding_mask": PADDED * -2.0,
            "tgt_key_padding_mask": PADDED * -3.0,
        },
    ),
    Case("Transformer.generate_square_subsequent_mask", inputs=(3,)),
]
