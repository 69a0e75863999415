import numpy as np

from .compare import Case

NUMBERS = np.array([[1, 4, 4], [0, 2, 4]])
FLAT = np.array([1, 2, 4, 2, 2, 5, 1])
OFFSETS = np.array([0, 3, 3, 5])
TABLE = np.random.default_rng(0).normal(size=(6, 3)) * 2
WEIGHTS = np.linspace(-1, 2, 7)

CASES = [
    Case("Embedding", (5, 3), inputs=(NUMBERS,)),
    Case("Embedding", (5, 3), inputs=(np.array(2),)),
    Case("Embedding", (5, 3), inputs=(np.zeros((2, 0), np.int64),)),
    Case("Embedding", (5, 1), inputs=(NUMBERS[None].astype(np.int32),)),
    Case("Embedding", (300, 3), inputs=(np.arange(600).reshape(2, 3, 100) % 257,)),
    Case("Embedding", (5, 3), {"padding_idx": 4}, inputs=(NUMBERS,)),
    Case("Embedding", (5, 3), {"padding_idx": -1}, inputs=(NUMBERS,)),
    Case("Embedding", (5, 3), {"padding_idx": 0, "sparse": False}, inputs=(NUMBERS,)),
    Case("Embedding", (5, 3), {"scale_grad_by_freq": True}, inputs=(NUMBERS,)),
    Case("Embedding", (5, 3), {"scale_grad_by_freq": True, "padding_idx": 2}, inputs=(NUMBERS,)),
    *(Case("Embedding", (5, 3), {"max_norm": 1.0, "norm_type": p}, inputs=(NUMBERS,)) for p in (1, 2.0, 3, np.inf)),
    Case("Embedding", (5, 3), {"max_norm": 0.5, "padding_idx": 1, "scale_grad_by_freq": True}, inputs=(NUMBERS,)),
    *(Case("Embedding", (6, 3), {"_weight": TABLE, "_freeze": f}, inputs=(NUMBERS,)) for f in (True, False)),
    Case("functional.embedding", inputs=(NUMBERS, (6, 3))),
    Case("functional.embedding", inputs=(NUMBERS, (6, 3)), call={"padding_idx": -2, "scale_grad_by_freq": True}),
    Case("functional.one_hot", inputs=(NUMBERS,)),
    Case("functional.one_hot", inputs=(NUMBERS, 7)),
    Case("functional.one_hot", inputs=(np.zeros((0, 2), np.int64),), call={"num_classes": 3}),
    Case("functional.one_hot", inputs=(np.array(1),)),
    *(Case("EmbeddingBag", (6, 3), {"mode": m}, inputs=(NUMBERS,)) for m in ("sum", "mean", "max")),
    *(Case("EmbeddingBag", (6, 3), {"mode": m}, inputs=(FLAT, OFFSETS)) for m in ("sum", "mean", "max")),
    *(
        Case("EmbeddingBag", (6, 3), {"mode": m, "padding_idx": 2}, inputs=(FLAT, OFFSETS))
        for m in ("sum", "mean", "max")
    ),
    Case("EmbeddingBag", (6, 3), {"mode": "sum", "padding_idx": -2}, inputs=(NUMBERS,)),
    Case("EmbeddingBag", (6, 3), {"max_norm": 1.0}, inputs=(FLAT, OFFSETS)),
    Case("EmbeddingBag", (6, 3), {"max_norm": 1.0, "norm_type": 1.0, "mode": "sum"}, inputs=(NUMBERS,)),
    Case("EmbeddingBag", (6, 3), {"include_last_offset": True}, inputs=(FLAT, np.array([0, 3, 3, 7]))),
    Case("EmbeddingBag", (6, 3), inputs=(FLAT[:0], np.array([0, 0]))),
    Case("EmbeddingBag", (6, 3), {"mode": "max"}, inputs=(FLAT[:0], np.array([0, 0]))),
    Case("EmbeddingBag", (6, 3), inputs=(np.zeros((0, 3), np.int64),)),
    Case("EmbeddingBag", (6, 3), {"_weight": TABLE}, inputs=(NUMBERS,)),
    Case(
        "EmbeddingBag",
        (6, 3),
        {"mode": "sum"},
        inputs=(FLAT, OFFSETS, WEIGHTS),
        no_second="PyTorch has none by per_sample_weights",
    ),
    Case(
        "EmbeddingBag",
        (6, 3),
        {"mode": "sum", "padding_idx": 2},
        inputs=(FLAT, OFFSETS, WEIGHTS),
        no_second="PyTorch has none by per_sample_weights",
    ),
    *(Case("functional.embedding_bag", inputs=(FLAT, (6, 3), OFFSETS), call={"mode": m}) for m in ("sum", "max")),
    Case("functional.embedding_bag", inputs=(NUMBERS, (6, 3)), call={"padding_idx": 4}),
]
