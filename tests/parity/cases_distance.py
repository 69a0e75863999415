import numpy as np

from .compare import Case

INF = float("inf")
CASES = [
    Case("CosineSimilarity", inputs=((4, 3), (4, 3))),
    Case("CosineSimilarity", (0, 1e-6), inputs=((4, 3), (4, 3))),
    Case("CosineSimilarity", (2,), inputs=((2, 3, 4), (2, 3, 4))),
    Case("CosineSimilarity", (-1,), inputs=((4,), (3, 4))),
    Case("functional.cosine_similarity", inputs=((2, 1, 4), (3, 4)), call={"dim": 2}),
    Case("functional.cosine_similarity", inputs=((0, 3), (0, 3))),
    Case("functional.cosine_similarity", inputs=(np.zeros((2, 3)), (2, 3)), no_second="not finite"),
    *(Case("PairwiseDistance", (p,), inputs=((4, 3), (4, 3))) for p in (1.0, 2.0, 3.0, 1.5, INF)),
    Case("PairwiseDistance", (2.0, 0.1, True), inputs=((4, 3), (4, 3))),
    Case("PairwiseDistance", inputs=((3,), (3,))),
    Case("PairwiseDistance", inputs=((1, 3), (4, 3))),
    Case("PairwiseDistance", inputs=((2, 5, 3), (2, 5, 3))),
    Case("functional.pairwise_distance", inputs=((4, 3), (3,)), call={"p": 1.0, "eps": 0.0, "keepdim": True}),
    *(
        Case("functional.pdist", inputs=((4, 3),), call={"p": p}, no_second="none in PyTorch")
        for p in (1.0, 2.0, 3.0, INF)
    ),
    Case("functional.pdist", inputs=((4, 3),), call={"p": 0.0}, no_second="none in PyTorch"),
    Case("functional.pdist", inputs=((1, 3),), no_second="none in PyTorch"),
    Case("functional.pdist", inputs=((0, 3),), no_gradient="PyTorch divides by zero and is gone"),
]
