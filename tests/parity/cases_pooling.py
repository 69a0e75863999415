import itertools

import numpy as np

from .compare import Case

SPATIAL = {1: (9,), 2: (7, 8), 3: (5, 6, 7)}


def _shapes(d):
    return (2, 3, *SPATIAL[d]), (3, *SPATIAL[d])


MAX = [
    {},
    {"stride": 1, "padding": 1},
    {"dilation": 2, "return_indices": True},
    {"ceil_mode": True, "stride": 2, "padding": 1},
]
AVG = [
    {},
    {"stride": 2, "padding": 1},
    {"stride": 2, "padding": 1, "count_include_pad": False, "ceil_mode": True},
    {"ceil_mode": True},
]
KERNEL = {1: 3, 2: (3, 2), 3: (2, 3, 2)}
PLACES = {d: np.array([[[1, 5, 7], [0, 2, 8]]]).reshape(1, 2, 3, *(1,) * (d - 1)) for d in SPATIAL}

CASES = [
    *(Case(f"MaxPool{d}d", (3,), options, (x,)) for d, options in itertools.product(SPATIAL, MAX) for x in _shapes(d)),
    *(Case(f"AvgPool{d}d", (3,), options, (x,)) for d, options in itertools.product(SPATIAL, AVG) for x in _shapes(d)),
    *(Case(f"AvgPool{d}d", (2,), {"divisor_override": 3}, (x,)) for d in (2, 3) for x in _shapes(d)),
    *(Case(f"{kind}Pool{d}d", (KERNEL[d],), {}, _shapes(d)[:1]) for kind in ("Max", "Avg") for d in SPATIAL),
    *(
        Case(f"Adaptive{kind}Pool{d}d", (size,), inputs=(x,))
        for kind, d in itertools.product(("Avg", "Max"), SPATIAL)
        for size in (1, 4, (4,) if d == 1 else (None, *range(2, d + 1)), (10,) * d)
        for x in _shapes(d)
    ),
    *(Case(f"AdaptiveMaxPool{d}d", (3,), {"return_indices": True}, (x,)) for d in SPATIAL for x in _shapes(d)),
    *(
        Case(f"MaxUnpool{d}d", (3,), options, ((1, 2, 3, *(1,) * (d - 1)), PLACES[d]))
        for d in SPATIAL
        for options in ({}, {"stride": 4}, {"stride": 3, "padding": 0})
    ),
    Case("MaxUnpool2d", (2,), inputs=((2, 1, 2), np.array([[[0, 3]], [[5, 1]]])), call={"output_size": (3, 5)}),
    *(
        Case(f"functional.max_unpool{d}d", inputs=((1, 2, 3, *(1,) * (d - 1)), PLACES[d]), call={"kernel_size": 3})
        for d in SPATIAL
    ),
    *(
        Case(f"functional.{name}{d}d", inputs=(_shapes(d)[0],), call={"kernel_size": KERNEL[d], **options})
        for d in SPATIAL
        for name, options in (
            ("max_pool", {"ceil_mode": True}),
            ("max_pool", {"return_indices": True}),
            ("avg_pool", {"stride": 1}),
            ("avg_pool", {"count_include_pad": False, "padding": 1}),
        )
    ),
    *(
        Case(f"functional.adaptive_{kind}_pool{d}d", inputs=(_shapes(d)[0],), call={"output_size": 2})
        for kind, d in itertools.product(("avg", "max"), SPATIAL)
    ),
    *(
        Case(f"LPPool{d}d", (p, 2), options, (x,))
        for d in SPATIAL
        for p, options in itertools.product(
            (1, 2, 4.0, float("inf"), -float("inf")), ({}, {"stride": 1}, {"ceil_mode": True})
        )
        for x in _shapes(d)
    ),
    *(Case(f"LPPool{d}d", (2, KERNEL[d], 2), {}, _shapes(d)[:1]) for d in SPATIAL),
    *(Case(f"functional.lp_pool{d}d", inputs=_shapes(d)[:1], call={"norm_type": 2, "kernel_size": 2}) for d in SPATIAL),
    Case("LPPool1d", (2, 2), inputs=(np.zeros((1, 1, 4)),), no_second="PyTorch's is NaN where the sum is 0"),
    Case("LPPool2d", (3, 2), inputs=(np.abs(np.random.default_rng(0).normal(size=(2, 3, 5, 4))),)),
    *(
        Case(f"FractionalMaxPool{d}d", (2,), {"_random_samples": u, **options}, ((3, 4, *(9, 11, 8)[:d]),), text=False)
        for d in (2, 3)
        for u in (np.random.default_rng(d).random((3, 4, d)),)
        for options in (
            {"output_size": 3},
            {"output_size": (5, 4, 3)[:d], "return_indices": True},
            {"output_ratio": 0.5},
            {"output_ratio": (0.6, 0.3, 0.7)[:d]},
            {"output_size": 1},
            {"output_size": (7, 9, 6)[:d]},
        )
    ),
    *(
        Case(
            f"functional.fractional_max_pool{d}d{ending}",
            inputs=((4, *(9, 11, 8)[:d]),),
            call={"kernel_size": (2, 3, 2)[:d], "output_size": 4, "_random_samples": np.full((1, 4, d), 0.3)},
        )
        for d, ending in itertools.product((2, 3), ("", "_with_indices"))
    ),
    *(
        Case(f"functional.{kind}max_pool{d}d_with_indices", inputs=_shapes(d)[:1], args=(2,))
        for kind, d in itertools.product(("", "adaptive_"), SPATIAL)
    ),
]
