import itertools

import numpy as np

from .compare import Case

SPATIAL = {1: (9,), 2: (7, 6), 3: (5, 4, 6)}
OPTIONS = [
    {},
    {"stride": 2, "padding": 1, "bias": False},
    {"padding": "same", "dilation": 2},
    {"padding": "valid"},
    {"groups": 2, "stride": 2},
    *({"padding": 2, "padding_mode": mode} for mode in ("zeros", "reflect", "replicate", "circular")),
    {"padding": "same", "padding_mode": "reflect"},
    {"dtype": None, "device": "cpu"},
]
TRANSPOSED = [
    {},
    {"stride": 2, "padding": 1, "output_padding": 1, "bias": False},
    {"groups": 2, "dilation": 2, "stride": 3},
]
SMALL = {1: (4,), 2: (3, 4), 3: (2, 3, 2)}

CASES = [
    *(
        Case(f"Conv{d}d", (4, 6, 3 if "padding_mode" in options or "padding" in options else 2), options, (x,))
        for d, options in itertools.product(SPATIAL, OPTIONS)
        for x in ((2, 4, *SPATIAL[d]),)
    ),
    *(Case(f"Conv{d}d", (4, 6, 3), inputs=((4, *SPATIAL[d]),)) for d in SPATIAL),
    *(Case(f"Conv{d}d", (4, 6, 3), inputs=((0, 4, *SPATIAL[d]),)) for d in SPATIAL),
    *(Case(f"Conv{d}d", (4, 4, 1), {"groups": 4}, ((1, 4, *(1,) * d),)) for d in SPATIAL),
    Case("Conv2d", (1, 2, 2), inputs=((2, 1, 4, 5),)),
    Case("Conv2d", (3, 4, (3, 2), (2, 1), (1, 0), (1, 2)), inputs=((2, 3, 7, 6),)),
    Case("Conv2d", (3, 4, (2, 3)), {"padding": (1, 2), "padding_mode": "circular"}, ((2, 3, 7, 6),)),
    *(
        Case(f"ConvTranspose{d}d", (4, 6, 3), options, ((2, 4, *SMALL[d]),))
        for d, options in itertools.product(SMALL, TRANSPOSED)
    ),
    *(
        Case(f"ConvTranspose{d}d", (4, 6, 3), {"stride": 2, "padding": 1}, (x, None), {}, lambda nn, x, _: (x,))
        for d in SMALL
        for x in ((4, *SMALL[d]), (0, 4, *SMALL[d]))
    ),
    Case("ConvTranspose1d", (2, 3, 3), {"stride": 2}, ((2, 2, 4),), {"output_size": (10,)}),
    Case("ConvTranspose2d", (2, 3, 3), {"stride": 2}, ((2, 2, 4, 3),), {"output_size": (10, 7)}),
    Case("ConvTranspose2d", (2, 3, (2, 3), (2, 1)), {"dilation": (1, 2)}, ((2, 2, 4, 3),)),
    *(
        Case(f"functional.conv{d}d", inputs=((2, 4, *SPATIAL[d]), (6, 2, *(2,) * d), (6,)), call=call)
        for d in SPATIAL
        for call in ({"groups": 2}, {"groups": 2, "stride": 2, "padding": 1}, {"groups": 2, "padding": "same"})
    ),
    *(
        Case(f"functional.conv_transpose{d}d", inputs=((2, 4, *SMALL[d]), (4, 3, *(2,) * d), (6,)), call=call)
        for d in SMALL
        for call in ({"groups": 2}, {"groups": 2, "stride": 2, "padding": 1, "output_padding": 1})
    ),
    Case("functional.conv2d", inputs=((3, 5, 5), (2, 3, 3, 3)), call={"padding": (1, 0), "dilation": (2, 1)}),
    Case("functional.conv1d", inputs=(np.zeros((2, 3, 5)), np.ones((2, 3, 2)), None)),
]
