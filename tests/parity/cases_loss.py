import numpy as np

from .compare import Case

REDUCTIONS = ({}, {"reduction": "sum"}, {"reduction": "none"})
OLD = ({"size_average": False}, {"reduce": False}, {"size_average": True, "reduce": True})
RNG = np.random.default_rng(5)
P = RNG.uniform(0.05, 0.95, (4, 3))
SIGNS = np.where(RNG.uniform(size=(4, 3)) < 0.5, -1, 1)
COUNTS = RNG.integers(0, 5, (4, 3)).astype(float)
WEIGHT = np.array([0.5, 2.0, 1.5])
W43 = RNG.uniform(0.5, 2, (4, 3))
CONSTANT = ("SoftMarginLoss", "PoissonNLLLoss")
PAIRS = [  # module, function, options, the target's values
    ("MSELoss", "mse_loss", [{}], RNG.normal(size=(4, 3))),
    ("L1Loss", "l1_loss", [{}], RNG.normal(size=(4, 3))),
    ("SmoothL1Loss", "smooth_l1_loss", [{}, {"beta": 0.5}, {"beta": 0.0}], RNG.normal(size=(4, 3))),
    ("HuberLoss", "huber_loss", [{}, {"delta": 0.25}], RNG.normal(size=(4, 3))),
    ("BCEWithLogitsLoss", "binary_cross_entropy_with_logits", [{}, {"weight": WEIGHT}, {"pos_weight": WEIGHT}], P),
    ("KLDivLoss", "kl_div", [{"log_target": True}, {}], P),
    (
        "PoissonNLLLoss",
        "poisson_nll_loss",
        [{}, {"full": True}],
        COUNTS,
    ),
    ("HingeEmbeddingLoss", "hinge_embedding_loss", [{}, {"margin": 0.5}], SIGNS.astype(float)),
    ("SoftMarginLoss", "soft_margin_loss", [{}], SIGNS.astype(float)),
    ("MultiLabelSoftMarginLoss", "multilabel_soft_margin_loss", [{}, {"weight": WEIGHT}], (SIGNS > 0).astype(float)),
]
LABELS = np.array([[2, 0, -1], [1, -1, 2], [-1, 0, 1], [0, 2, 1]])
CLASSES = np.array([0, 2, 1, 2])


def log_softmax(nn, x, *rest):
    return (nn.functional.log_softmax(x, -1), *rest)


def constant(nn, x, target):
    """The target without a gradient, which PyTorch has not, or not as a number."""
    return x, target.detach()


def shares(nn, x, *rest):
    return (nn.functional.sigmoid(x), *rest)


def plus(nn, x, target, var):
    return x, target, var * var


def lengths(*numbers):
    return np.array(numbers)


def ctc(x, targets, *rest, **options):
    return Case("CTCLoss", (), options, inputs=(x, targets, *rest), prepare=log_softmax, no_second="none in PyTorch")


PADDED = np.array([[1, 1, 2, 0], [3, 0, 0, 0], [2, 4, 3, 1]])
CASES = [
    *(
        Case(
            module,
            (),
            {**option, **reduction},
            inputs=((4, 3), target),
            prepare=constant if module in CONSTANT else None,
        )
        for module, _, options, target in PAIRS
        for option in options
        for reduction in REDUCTIONS
    ),
    *(
        Case(
            f"functional.{function}",
            inputs=((4, 3), target),
            call=call,
            prepare=constant if module in CONSTANT else None,
        )
        for module, function, options, target in PAIRS
        for call in (*options, *(OLD if function != "huber_loss" else ()))
    ),
    *(
        Case(module, (), {"reduction": reduction}, inputs=(shape, np.zeros(shape)), prepare=constant)
        for module in ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "BCEWithLogitsLoss", "SoftMarginLoss")
        for shape in ((), (0, 3), (2, 1, 3))
        for reduction in ("mean", "none")
    ),
    *(
        Case(m, (), o, inputs=((4, 3), P))
        for m in ("MSELoss", "L1Loss", "SmoothL1Loss", "BCEWithLogitsLoss")
        for o in OLD
    ),
    *(
        Case(f"functional.{name}", inputs=((4, 3), (4, 3)), call={"weight": W43, **reduction})
        for name in ("mse_loss", "l1_loss", "huber_loss")
        for reduction in REDUCTIONS
    ),
    Case("KLDivLoss", (), {"reduction": "batchmean"}, inputs=((4, 3), P)),
    Case("KLDivLoss", (), {"reduction": "batchmean", "log_target": True}, inputs=((4, 3), P)),
    *(
        Case("BCELoss", (), {**option, **reduction}, inputs=((4, 3), P), prepare=shares)
        for option in ({}, {"weight": W43}, {"weight": WEIGHT})
        for reduction in REDUCTIONS
    ),
    Case("functional.binary_cross_entropy", inputs=((4, 3), P), prepare=shares, call={"weight": W43}),
    Case(
        "functional.binary_cross_entropy",
        inputs=(np.array([0.0, 1.0, 0.0, 1.0, 0.5]), np.array([0.0, 1.0, 1.0, 0.0, 1.0])),
        no_gradient="by a 1e-12 of float32",
    ),
    *(
        Case(
            "PoissonNLLLoss",
            (False,),
            {"full": full},
            inputs=((4, 3), COUNTS),
            prepare=lambda nn, *inputs: constant(nn, *shares(nn, *inputs)),
        )
        for full in (False, True)
    ),
    *(
        Case("GaussianNLLLoss", (), {"full": full, **reduction}, inputs=((4, 3), (4, 3), var), prepare=plus)
        for full in (False, True)
        for reduction in REDUCTIONS
        for var in ((4, 3), (4,), (4, 1), (1, 3))
    ),
    Case("functional.gaussian_nll_loss", inputs=((4, 3), (4, 3)), call={"var": 0.5}),
    Case("functional.gaussian_nll_loss", inputs=((4, 3), (4, 3), np.full((4, 3), 0.1)), call={"eps": 0.2}),
    *(
        Case("CrossEntropyLoss", (), {**option, **reduction}, inputs=((4, 3), CLASSES))
        for option in ({}, {"weight": WEIGHT}, {"ignore_index": 2}, {"label_smoothing": 0.2, "weight": WEIGHT})
        for reduction in (*REDUCTIONS, OLD[0])
    ),
    Case("CrossEntropyLoss", (), {"weight": WEIGHT}, inputs=((2, 3, 4), np.array([[0, 1, 2, 0], [2, 2, -100, 1]]))),
    Case("CrossEntropyLoss", inputs=((4, 3), P / P.sum(1, keepdims=True))),
    Case("CrossEntropyLoss", inputs=((3,), np.array(1))),
    Case("functional.cross_entropy", (WEIGHT, None, 1), inputs=((4, 3), CLASSES)),
    *(
        Case("NLLLoss", (), {**option, **reduction}, inputs=((4, 3), CLASSES))
        for option in ({}, {"weight": WEIGHT}, {"ignore_index": 2})
        for reduction in (*REDUCTIONS, OLD[1])
    ),
    Case("functional.nll_loss", (WEIGHT, None, 1), inputs=((4, 3), CLASSES)),
]
MARGINS = [
    *(
        Case(name, (), {**option, **reduction}, inputs=inputs)
        for name, options, inputs in (
            ("MarginRankingLoss", ({}, {"margin": 0.5}), ((4, 3), (4, 3), SIGNS)),
            ("CosineEmbeddingLoss", ({}, {"margin": 0.2}), ((4, 3), (4, 3), SIGNS[:, 0].copy())),
            ("TripletMarginLoss", ({}, {"swap": True, "margin": 2.0}, {"p": 1.5, "eps": 0.1}), ((4, 3),) * 3),
            ("TripletMarginWithDistanceLoss", ({}, {"swap": True, "margin": 2.0}), ((4, 3),) * 3),
        )
        for option in options
        for reduction in REDUCTIONS
    ),
    *(
        Case("MultiMarginLoss", (), {**option, **reduction}, inputs=((4, 3), CLASSES), no_second="none in PyTorch")
        for option in ({}, {"p": 2, "margin": 0.5}, {"weight": WEIGHT})
        for reduction in REDUCTIONS
    ),
    *(
        Case("MultiLabelMarginLoss", (), reduction, inputs=((4, 3), LABELS), no_second="none in PyTorch")
        for reduction in REDUCTIONS
    ),
    Case("MarginRankingLoss", inputs=((4, 1), (1, 3), SIGNS)),
    Case("CosineEmbeddingLoss", inputs=((3,), (3,), np.array(-1))),
    Case("MultiMarginLoss", inputs=((3,), np.array(1)), no_second="none in PyTorch"),
    Case("MultiLabelMarginLoss", inputs=((3,), np.array([1, -1, 0])), no_second="none in PyTorch"),
    Case("TripletMarginLoss", inputs=((3,), (3,), (3,))),
    Case("TripletMarginLoss", (), {"reduction": "none"}, inputs=((2, 4, 3), (2, 4, 3), (2, 4, 3))),
    Case("functional.margin_ranking_loss", inputs=((4, 3), (4, 3), SIGNS), call={"margin": 0.1, "reduce": False}),
    Case("functional.cosine_embedding_loss", inputs=((4, 3), (4, 3), SIGNS[:, 1].copy()), call=OLD[0]),
    Case(
        "functional.multi_margin_loss", inputs=((4, 3), CLASSES), call={"weight": WEIGHT}, no_second="none in PyTorch"
    ),
    Case("functional.multilabel_margin_loss", inputs=((4, 3), LABELS), call=OLD[0], no_second="none in PyTorch"),
    Case("functional.triplet_margin_loss", inputs=((4, 3),) * 3, call={"swap": True}),
    Case("functional.triplet_margin_with_distance_loss", inputs=((4, 3),) * 3, call={"swap": True, "margin": 3.0}),
]
CTC = [
    *(
        ctc((9, 3, 5), PADDED, lengths(9, 4, 8), lengths(3, 1, 4), **options)
        for options in (*REDUCTIONS, {"zero_infinity": True})
    ),
    ctc((9, 3, 5), np.array([1, 1, 2, 3, 2, 4, 3, 1]), lengths(9, 4, 8), lengths(3, 1, 4)),
    ctc((9, 3, 5), PADDED, lengths(9, 4, 3), lengths(3, 0, 4), zero_infinity=True),
    ctc((9, 3, 5), np.array([[1, 1], [3, 2], [0, 3]]), lengths(9, 9, 9), lengths(2, 1, 2), blank=4, reduction="none"),
    ctc((9, 5), np.array([1, 2, 2]), np.array(9), np.array(3)),
    ctc((9, 5), np.array([1, 2, 2]), np.array(9), np.array(3), reduction="none"),
    Case(
        "functional.ctc_loss",
        inputs=((9, 3, 5), PADDED, (9, 4, 8), (3, 1, 4)),
        prepare=lambda nn, x, y, *_: log_softmax(nn, x, y, (9, 4, 8), (3, 1, 4)),
        no_second="none in PyTorch",
    ),
    Case(
        "functional.ctc_loss",
        inputs=((3, 2, 5), PADDED[:2]),
        prepare=lambda nn, x, y: log_softmax(nn, x, y, (3, 3), (3, 1)),
        call={"reduction": "none"},
        no_gradient="not a number in PyTorch",
    ),
]
ADAPTIVE = [
    Case("AdaptiveLogSoftmaxWithLoss", (8, 12, [3, 7]), inputs=((5, 8), np.array([0, 11, 5, 2, 4]))),
    Case(
        "AdaptiveLogSoftmaxWithLoss",
        (8, 12, (2, 5, 9)),
        {"div_value": 2.0, "head_bias": True},
        inputs=((4, 8), np.array([1, 0, 10, 3])),
    ),
    Case("AdaptiveLogSoftmaxWithLoss", (8, 12, [3, 7]), inputs=((8,), np.array(9))),
    Case("AdaptiveLogSoftmaxWithLoss", (8, 12, [3]), inputs=((2, 8), np.array([0, 1]))),
]
CASES = [*CASES, *MARGINS, *CTC, *ADAPTIVE]
