import numpy as np

from .compare import Case

PAIRS = [((3,), (4,)), ((5, 3), (5, 4)), ((2, 5, 3), (2, 5, 4)), ((1, 3), (1, 4)), ((2, 1, 5, 3), (2, 1, 5, 4))]

CASES = [
    Case("Linear", (3, 2), inputs=((5, 3),)),
    Case("Linear", (3, 2), {"bias": False}, inputs=((2, 4, 3),)),
    Case("Identity", inputs=((2, 3),)),
    Case("functional.linear", inputs=((5, 3), (2, 3), (2,))),
    *[Case("Bilinear", (3, 4, 2), inputs=shapes) for shapes in PAIRS],
    *[Case("Bilinear", (3, 4, 2), {"bias": False}, inputs=shapes) for shapes in PAIRS],
    Case("Bilinear", (1, 1, 1), inputs=((2, 1), (2, 1))),
    Case("Bilinear", (3, 4, 2), inputs=(np.zeros((0, 3)), np.zeros((0, 4)))),
    *[Case("functional.bilinear", inputs=(*shapes, (2, 3, 4), (2,))) for shapes in PAIRS],
    *[Case("functional.bilinear", inputs=(*shapes, (2, 3, 4))) for shapes in PAIRS],
    Case("Flatten", inputs=((2, 3, 4),)),
    Case("Flatten", (0,), inputs=((3,),)),
    *[Case("Flatten", dims, inputs=((2, 3, 1, 4),)) for dims in ((0,), (0, 1), (1, 2), (-2, -1), (2, 2))],
    Case("Flatten", (), {"start_dim": 2, "end_dim": 3}, inputs=((2, 3, 1, 4),)),
    *[Case("Unflatten", (1, size), inputs=((2, 6, 3),)) for size in ((2, 3), (-1, 2), (6, 1), (1, 6), (1, 2, 3))],
    Case("Unflatten", (), {"dim": -1, "unflattened_size": (3, 2)}, inputs=((2, 6),)),
    Case("Unflatten", (0, (2, 2)), inputs=((4,),)),
]
