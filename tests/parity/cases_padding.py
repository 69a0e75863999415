import itertools

import numpy as np

from .compare import Case

SPATIAL = {1: (5,), 2: (4, 5), 3: (4, 3, 5)}
WIDTHS = {1: (2, 1), 2: (1, 2, 3, 0), 3: (1, 2, 2, 1, 0, 3)}
SECTIONS = {1: (-1, 2), 2: (2, -1, -2, 1), 3: (-1, 1, 1, -1, 1, 1)}
KINDS = ("Zero", "Constant", "Reflection", "Replication", "Circular")
MODES = ("constant", "reflect", "replicate", "circular")


def _options(kind):
    return {"value": 3.5} if kind == "Constant" else {}


CASES = [
    *(
        Case(f"{kind}Pad{d}d", (widths,), _options(kind), (x,))
        for kind, d in itertools.product(KINDS, SPATIAL)
        for widths in (2, 1, 0, WIDTHS[d])
        for x in ((2, 3, *SPATIAL[d]), (3, *SPATIAL[d]))
    ),
    *(
        Case("functional.pad", inputs=(x,), call={"pad": pad, "mode": mode})
        for mode, d in itertools.product(MODES, SPATIAL)
        for pad in (WIDTHS[d], SECTIONS[d], (0,) * (2 * d))
        for x in ((2, 2, *SPATIAL[d]), (2, *SPATIAL[d]))
    ),
    *(
        Case("functional.pad", inputs=((2, 3, 4),), call={"pad": pad, "value": value})
        for pad, value in itertools.product(((1, 2), (1, 0, 0, 2, 2, 1), (-1, 1), (-2, -1, 0, 1)), (None, 0, 1.5))
    ),
    Case("functional.pad", inputs=((3,),), call={"pad": (2, 1), "mode": "constant", "value": -1}),
    Case("functional.pad", inputs=(np.zeros((0, 2, 4)),), call={"pad": (1, 2), "mode": "reflect"}),
    Case("functional.pad", inputs=((1, 1, 3),), call={"pad": (3, 3), "mode": "circular"}),
    Case("functional.pad", inputs=((1, 1, 3),), call={"pad": (7, 8), "mode": "replicate"}),
    Case("functional.pad", inputs=((1, 1, 1),), call={"pad": (2, 1), "mode": "replicate"}),
]
