import numpy as np

from .compare import Case

INF = np.array([-np.inf, np.inf])
EDGES = np.array([-100.0, -20.5, -6.0, -3.0, -1.0, -0.5, -1e-3, -0.0, 0.0, 0.5, 1.0, 3.0, 6.0, 10.5, 20.5, 100.0])
X = (3, 4)
MODULES = [
    ("CELU", {}),
    ("CELU", {"alpha": 0.5, "inplace": True}),
    ("ELU", {"alpha": 0.7}),
    ("ELU", {"inplace": True}),
    ("GELU", {}),
    ("GELU", {"approximate": "tanh"}),
    ("Hardshrink", {}),
    ("Hardshrink", {"lambd": 0.25}),
    ("Hardsigmoid", {}),
    ("Hardsigmoid", {"inplace": True}),
    ("Hardswish", {}),
    ("Hardtanh", {}),
    ("Hardtanh", {"min_val": -3.0, "max_val": 0.5, "inplace": True}),
    ("LeakyReLU", {"negative_slope": 0.2}),
    ("LeakyReLU", {"negative_slope": -0.5}),
    ("LeakyReLU", {"negative_slope": 0.5, "inplace": True}),
    ("LogSigmoid", {}),
    ("Mish", {}),
    ("RReLU", {"lower": 0.25, "upper": 0.25}),
    ("ReLU", {"inplace": True}),
    ("ReLU6", {}),
    ("ReLU6", {"inplace": True}),
    ("SELU", {}),
    ("SELU", {"inplace": True}),
    ("SiLU", {}),
    ("SiLU", {"inplace": True}),
    ("Sigmoid", {}),
    ("Softplus", {}),
    ("Softplus", {"beta": 2.0, "threshold": 3.0}),
    ("Softshrink", {}),
    ("Softshrink", {"lambd": 0.25}),
    ("Softsign", {}),
    ("Tanh", {}),
    ("Tanhshrink", {}),
    ("Threshold", {"threshold": 0.5, "value": 20.0}),
    ("Threshold", {"threshold": -0.5, "value": -1.0, "inplace": True}),
]
FUNCTIONS = [
    ("celu", {"alpha": 2.0}),
    ("elu", {"alpha": 1.5}),
    ("gelu", {"approximate": "tanh"}),
    ("hardshrink", {"lambd": 1.0}),
    ("hardsigmoid", {}),
    ("hardswish", {}),
    ("hardtanh", {"min_val": -0.25, "max_val": 0.25}),
    ("leaky_relu", {"negative_slope": 0.1}),
    ("logsigmoid", {}),
    ("mish", {}),
    ("relu", {}),
    ("relu6", {}),
    ("rrelu", {"lower": 0.1, "upper": 0.3}),
    ("selu", {}),
    ("sigmoid", {}),
    ("silu", {}),
    ("softplus", {"beta": 0.5}),
    ("softshrink", {"lambd": 0.75}),
    ("softsign", {}),
    ("tanh", {}),
    ("tanhshrink", {}),
    ("threshold", {"threshold": 0.1, "value": 2.0}),
]
KINKS = dict.fromkeys(("CELU", "ELU", "SELU", "PReLU"), "there is none at 0")


def inner(nn, x):
    """Not a leaf, which PyTorch would not write into."""
    return (x * 1,)


CASES = [
    *(
        Case(name, (), options, inputs=(x,), prepare=inner, no_second=KINKS.get(name, "") if x is EDGES else "")
        for name, options in MODULES
        for x in (X, (), (0, 3), EDGES)
        if name != "Hardsigmoid"
    ),
    *(
        Case("Hardsigmoid", (), options, inputs=(x,), prepare=inner, no_gradient="by a 1/6 of float32")
        for options in ({}, {"inplace": True})
        for x in (X, (), (0, 3), EDGES)
    ),
    *(Case(name, (), options, inputs=(INF,), no_gradient="not finite", prepare=inner) for name, options in MODULES),
    *(
        Case(f"functional.{name}", inputs=(x,), call=call, no_gradient="by a 1/6 of float32" * (name == "hardsigmoid"))
        for name, call in FUNCTIONS
        for x in ((2, 3, 4), (1,))
    ),
    *(Case("GLU", inputs=(x,)) for x in ((6,), (3, 4), (0, 2), (2, 3, 4, 2))),
    Case("GLU", (0,), inputs=((4, 3),)),
    Case("GLU", (-2,), inputs=((4, 2, 3),)),
    Case("functional.glu", inputs=((4, 2, 3),), call={"dim": 1}),
    *(Case("PReLU", inputs=(x,)) for x in ((), (3,), (4, 3), (2, 3, 4), (0, 3))),
    Case("PReLU", inputs=(EDGES[:, None],), no_second=KINKS["PReLU"]),
    *(Case("PReLU", (3, 0.1), inputs=(x,)) for x in ((4, 3), (2, 3, 4), (2, 3, 4, 5), (0, 3))),
    Case("functional.prelu", inputs=((2, 3, 2), (3,))),
    Case("functional.prelu", inputs=((5,), (1,))),
    Case("functional.prelu", inputs=((2, 5), ())),
    *(
        Case(name, (dim,), inputs=(x,))
        for name in ("Softmax", "LogSoftmax", "Softmin")
        for dim, x in ((0, (3,)), (1, (2, 3)), (-1, (2, 3, 4)), (0, (2, 3)), (-3, (2, 3, 4, 5)), (1, (0, 3)), (0, ()))
    ),
    *(Case(name, inputs=(x,)) for name in ("Softmax", "LogSoftmax", "Softmin") for x in ((3,), (2, 3), (2, 3, 4))),
    Case("Softmax", inputs=((2, 3, 2, 2),)),
    Case("Softmax", (1,), inputs=(np.array([[1.0, -np.inf, 3.0], [1e3, 2e3, 0.0]]),)),
    Case("Softmax2d", inputs=((2, 3, 4, 5),)),
    Case("Softmax2d", inputs=((3, 4, 5),)),
    *(Case(f"functional.{name}", inputs=((2, 3),), call={"dim": 1}) for name in ("softmax", "log_softmax", "softmin")),
    Case("functional.gumbel_softmax", inputs=(np.array([[0.0, 1e9, 0.0]]),)),  # where draws change nothing
    Case("functional.gumbel_softmax", inputs=(np.array([[0.0, 1e9, 0.0]]),), call={"hard": True, "tau": 0.5}),
]
