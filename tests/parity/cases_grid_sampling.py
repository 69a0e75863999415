import itertools

import numpy as np

from .compare import Case

SPATIAL = {2: (4, 5), 3: (3, 4, 2)}
OUT = {2: (3, 6), 3: (2, 3, 4)}
SECOND = "PyTorch has none of the bicubic one, and none of three axes"
EDGES = np.array([-1, 1, -1.5, 1.5, 0, 0.25, -0.2, 3, -4, 0.9, -0.9, 5.3])


def _affine(d, n):
    return np.random.default_rng(d).normal(size=(n, d, d + 1))


CASES = [
    *(
        Case(
            "functional.grid_sample",
            inputs=((2, 3, *SPATIAL[d]), (2, *OUT[d], d), mode, padding, align),
            no_second=SECOND,
            seed=seed,
        )
        for d, mode in ((2, "bilinear"), (2, "nearest"), (2, "bicubic"), (3, "bilinear"), (3, "nearest"))
        for padding, align, seed in itertools.product(("zeros", "border", "reflection"), (False, True), (0, 1))
    ),
    *(
        Case(
            "functional.grid_sample",
            inputs=((1, 2, 4, 5), np.stack([EDGES, EDGES[::-1]], -1).reshape(1, 2, 6, 2), mode, padding, align),
            no_second=SECOND,
            no_gradient="places on kinks" if mode != "nearest" else "",
        )
        for mode, padding, align in itertools.product(
            ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection"), (False, True)
        )
    ),
    Case(
        "functional.grid_sample", inputs=((1, 2, 1, 1), (1, 2, 2, 2), "bilinear", "reflection", True), no_second=SECOND
    ),
    Case("functional.grid_sample", inputs=((0, 2, 3, 4), (0, 2, 2, 2), "bilinear", "zeros", True), no_second=SECOND),
    *(
        Case(
            "functional.affine_grid",
            inputs=(_affine(d, 2),),
            call={"size": (2, 3, *SPATIAL[d]), "align_corners": align},
        )
        for d, align in itertools.product((2, 3), (False, True))
    ),
    *(
        Case("functional.affine_grid", inputs=(_affine(2, 1),), call={"size": (1, 3, 1, 4), "align_corners": align})
        for align in (False, True)
    ),
]
