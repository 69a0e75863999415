import math
from typing import Any

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, nn, override, relu, vmap
from pullback.nn import functional as F
from pullback.nn.normal import normal_cdf
from pullback.testing import check_module

X = np.array([-4.0, -3.0, -2.0, -0.5, 0.0, 0.5, 3.0, 4.0])
SIGMOID = 1 / (1 + np.exp(-X))
INNER = np.sqrt(2 / np.pi) * (X + 0.044715 * X**3)
PHI = np.array([math.erfc(-x / math.sqrt(2)) / 2 for x in X])
BELL = np.exp(-X * X / 2) / math.sqrt(2 * math.pi)
SOFT = np.log1p(np.exp(X))
RIGHT = X > 0
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def pieces(left: Any, right: Any) -> Any:
    return np.where(RIGHT, right, left)


# module, its arguments -> values and slopes at X, kinks as in PyTorch
BY_HAND = {
    "ReLU": ((), [0, 0, 0, 0, 0, 0.5, 3, 4], [0, 0, 0, 0, 0, 1, 1, 1]),
    "LeakyReLU": ((0.25,), pieces(X / 4, X), pieces(0.25, 1.0)),
    "LeakyReLU, default": ((), pieces(X / 100, X), pieces(0.01, 1.0)),
    "LeakyReLU, steep": ((2.0,), pieces(2 * X, X), pieces(2.0, 1.0)),
    "LeakyReLU, none": ((0.0,), pieces(0 * X, X), pieces(0.0, 1.0)),
    "PReLU": ((1, 0.5), pieces(X / 2, X), pieces(0.5, 1.0)),
    "RReLU, equal": ((0.5, 0.5), pieces(X / 2, X), pieces(0.5, 1.0)),
    "ReLU6": ((), [0, 0, 0, 0, 0, 0.5, 3, 4], [0, 0, 0, 0, 0, 1, 1, 1]),
    "Threshold": ((0.5, -7.0), [-7, -7, -7, -7, -7, -7, 3, 4], [0, 0, 0, 0, 0, 0, 1, 1]),
    "Hardtanh": ((-3.0, 0.5), [-3, -3, -2, -0.5, 0, 0.5, 0.5, 0.5], [0, 0, 1, 1, 1, 0, 0, 0]),
    "Hardsigmoid": ((), [0, 0, 1 / 6, 2.5 / 6, 0.5, 3.5 / 6, 1, 1], [0, 0, *[1 / 6] * 4, 0, 0]),
    "Hardswish": (
        (),
        [0, 0, -1 / 3, -1.25 / 6, 0, 1.75 / 6, 3, 4],
        [0, 0, -2 / 3 + 0.5, -1 / 6 + 0.5, 0.5, 1 / 6 + 0.5, 1, 1],
    ),
    "Hardshrink": ((), [-4, -3, -2, 0, 0, 0, 3, 4], [1, 1, 1, 0, 0, 0, 1, 1]),
    "Softshrink": ((), [-3.5, -2.5, -1.5, 0, 0, 0, 2.5, 3.5], [1, 1, 1, 0, 0, 0, 1, 1]),
    "ELU": ((0.5,), pieces(np.expm1(X) / 2, X), pieces(np.exp(X) / 2, 1.0)),
    "CELU": ((2.0,), pieces(2 * np.expm1(X / 2), X), pieces(np.exp(X / 2), 1.0)),
    "SELU": (
        (),
        SELU_SCALE * pieces(SELU_ALPHA * np.expm1(X), X),
        SELU_SCALE * pieces(SELU_ALPHA * np.exp(X), 1.0),
    ),
    "SiLU": ((), X * SIGMOID, SIGMOID * (1 + X * (1 - SIGMOID))),
    "Mish": ((), X * np.tanh(SOFT), np.tanh(SOFT) + X / np.cosh(SOFT) ** 2 * SIGMOID),
    "Sigmoid": ((), SIGMOID, SIGMOID * (1 - SIGMOID)),
    "LogSigmoid": ((), np.log(SIGMOID), 1 - SIGMOID),
    "Tanh": ((), np.tanh(X), 1 / np.cosh(X) ** 2),
    "Tanhshrink": ((), X - np.tanh(X), np.tanh(X) ** 2),
    "Softsign": ((), X / (1 + np.abs(X)), 1 / (1 + np.abs(X)) ** 2),
    "Softplus": (  # 2 * 3 is beyond the threshold
        (2.0, 3.0),
        [*np.log1p(np.exp(2 * X[:6])) / 2, 3, 4],
        [*1 / (1 + np.exp(-2 * X[:6])), 1, 1],
    ),
    "GELU": ((), X * PHI, PHI + X * BELL),
    "GELU, tanh": (
        ("tanh",),
        X / (1 + np.exp(-2 * INNER)),  # that is X (1 + tanh(INNER)) / 2, in which nothing cancels
        1 / (1 + np.exp(-2 * INNER)) + X / 2 / np.cosh(INNER) ** 2 * np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * X**2),
    ),
}


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("name", BY_HAND)
def test_values_and_slopes_by_hand(name: str, large: bool) -> None:
    """Of a few entries, and of so many that they are computed block by block."""
    arguments, values, slopes = BY_HAND[name]
    n = 9001 if large else 1
    x = Tensor(np.tile(X, n), requires_grad=True)
    y = getattr(nn, name.partition(",")[0])(*arguments).double()(x)
    y.backward(np.full(y.shape, 2.0))
    np.testing.assert_allclose(y.numpy(), np.tile(values, n), rtol=1e-13)
    np.testing.assert_allclose(x.grad.numpy(), np.tile(2 * np.array(slopes, float), n), rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("name", BY_HAND)
def test_narrow_floats(name: str, dtype: Any) -> None:
    """Their dtype stays, and results are right but for their rounding, which float16 has once."""
    arguments, values, _ = BY_HAND[name]
    x = Tensor(X.astype(dtype), requires_grad=True)
    y = getattr(nn, name.partition(",")[0])(*arguments).to(dtype)(x)
    assert y.dtype == dtype
    np.testing.assert_allclose(y.numpy(), np.array(values, float), rtol=1.01 * float(np.finfo(dtype).eps), atol=4e-7)
    y.backward(np.ones(8, dtype))
    assert x.grad.dtype == dtype


LIMITS = {  # at -inf and inf
    "ReLU": (0, np.inf),
    "LeakyReLU": (-np.inf, np.inf),
    "PReLU": (-np.inf, np.inf),
    "RReLU": (-np.inf, np.inf),
    "ReLU6": (0, 6),
    "Hardtanh": (-1, 1),
    "Hardsigmoid": (0, 1),
    "Hardshrink": (-np.inf, np.inf),
    "Softshrink": (-np.inf, np.inf),
    "ELU": (-1, np.inf),
    "CELU": (-1, np.inf),
    "SELU": (-SELU_ALPHA * SELU_SCALE, np.inf),
    "Sigmoid": (0, 1),
    "LogSigmoid": (-np.inf, 0),
    "Tanh": (-1, 1),
    "Tanhshrink": (-np.inf, np.inf),
    "Softplus": (0, np.inf),
}


@pytest.mark.parametrize("name", LIMITS)
def test_infinities_and_nan(name: str) -> None:
    y = getattr(nn, name)()(Tensor(np.array([-np.inf, np.inf, np.nan])))
    np.testing.assert_allclose(y.numpy(), [*LIMITS[name], np.nan], rtol=1e-12)
    np.testing.assert_array_equal(F.threshold(np.array([-np.inf, np.inf, np.nan]), 1.0, 2.0), [2, np.inf, np.nan])


ALL = {name.partition(",")[0]: arguments for name, (arguments, _, _) in BY_HAND.items()}
ALL |= {"Softmax": (1,), "LogSoftmax": (0,), "Softmin": (-1,), "GLU": (1,)}


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_derivatives_and_state(name: str) -> None:
    x = np.random.default_rng(1).normal(size=(3, 4))
    assert check_module(getattr(nn, name)(*ALL[name]), x)


def test_slopes_for_each_channel() -> None:
    x, w = np.random.default_rng(0).normal(size=(2, 3, 4)), np.array([0.5, -1.0, 2.0])
    expected = np.array([[[v if v > 0 else w[c] * v for v in row] for c, row in enumerate(image)] for image in x])
    weight = Tensor(w, requires_grad=True)
    y = F.prelu(Tensor(x), weight)
    y.backward(np.ones(y.shape))
    np.testing.assert_allclose(y.numpy(), expected)
    np.testing.assert_allclose(weight.grad.numpy(), np.minimum(x, 0).sum((0, 2)))
    layer = nn.PReLU(3)
    assert list(layer.state_dict()) == ["weight"] and layer.weight.numpy().tolist() == [0.25] * 3
    assert check_module(layer, x)


def test_random_slopes() -> None:
    nn.manual_seed(0)
    x = np.full(20_000, -1.0, np.float32)
    layer = nn.RReLU(0.2, 0.6)
    slopes = -layer(Tensor(x)).numpy()
    assert slopes.dtype == np.float32 and slopes.min() >= 0.2 and slopes.max() <= 0.6
    assert abs(slopes.mean() - 0.4) < 5 * 0.4 / math.sqrt(12 * x.size) and abs(slopes.std() - 0.4 / 12**0.5) < 0.002
    nn.manual_seed(0)
    np.testing.assert_array_equal(layer(Tensor(x)).numpy(), -slopes)
    np.testing.assert_allclose(layer.eval()(Tensor(x)).numpy(), 0.4 * x, rtol=1e-6)
    given = Tensor(np.array([-1.0, 2.0]), requires_grad=True)
    y = F.rrelu(given, training=True)
    y.backward(np.ones(2))
    np.testing.assert_allclose(given.grad.numpy(), y.numpy() / given.numpy())


def test_the_normal_distribution_function() -> None:
    x = np.linspace(-9, 9, 2001)
    exact = np.array([math.erfc(-v / math.sqrt(2)) / 2 for v in x])
    np.testing.assert_allclose(normal_cdf(x), exact, rtol=2e-14)
    np.testing.assert_allclose(normal_cdf(x.astype(np.float32)), exact, rtol=0, atol=5e-7)
    np.testing.assert_array_equal(normal_cdf(np.array([-np.inf, np.inf])), [0, 1])


@pytest.mark.parametrize("name", ["ReLU", "LeakyReLU", "ELU", "SiLU", "Hardswish", "Threshold"])
def test_inplace_is_accepted_and_changes_nothing(name: str) -> None:
    arguments = (0.5, 1.0) if name == "Threshold" else ()
    module = getattr(nn, name)(*arguments, inplace=True)
    x = np.array([-1.0, 2.0], np.float32)
    module(Tensor(x)), module(x)
    np.testing.assert_array_equal(x, [-1, 2])


def test_reprs() -> None:
    modules = (
        nn.Hardtanh(inplace=True),
        nn.ReLU6(),
        nn.Hardshrink(0.25),
        nn.RReLU(0.1, 0.2),
        nn.Softmax(),
        nn.SELU(True),
    )
    assert list(map(repr, modules)) == [
        "Hardtanh(min_val=-1.0, max_val=1.0, inplace=True)",
        "ReLU6()",
        "Hardshrink(0.25)",
        "RReLU(lower=0.1, upper=0.2)",
        "Softmax(dim=None)",
        "SELU(inplace=True)",
    ]


def test_dim_and_axis_and_dtype() -> None:
    x = np.log(np.array([[1.0, 3.0], [2.0, 2.0]]))
    rows, columns = [[0.25, 0.75], [0.5, 0.5]], [[1 / 3, 3 / 5], [2 / 3, 2 / 5]]
    np.testing.assert_allclose(F.softmax(x, dim=0), columns)
    np.testing.assert_allclose(F.softmax(x, axis=1), rows)
    np.testing.assert_allclose(F.log_softmax(x, axis=0), np.log(columns))
    np.testing.assert_allclose(F.softmin(-x, 1), rows)
    np.testing.assert_allclose(nn.Softmax2d()(Tensor(x[:, :, None])).numpy()[..., 0], columns)
    for f in (F.softmax, F.log_softmax, F.softmin):
        assert f(x, 0, dtype=np.float32).dtype == np.float32
    assert F.softmax(np.array(3.0), 0) == 1


@pytest.mark.parametrize(("shape", "dim"), [((), 0), ((3,), 0), ((3, 4), 1), ((3, 4, 5), 0), ((2, 3, 4, 5), 1)])
def test_without_dim_it_is_as_in_pytorch_with_a_warning(shape: Any, dim: int) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    with pytest.warns(UserWarning, match=f"softmax: no dim is given, and {dim} is taken") as caught:
        y = F.softmax(x)
        z = nn.Softmax()(Tensor(x))
    np.testing.assert_allclose(y, F.softmax(x, dim))
    np.testing.assert_allclose(z.numpy(), y)
    assert [w.filename for w in caught] == [__file__] * 2


def test_gumbel_softmax() -> None:
    nn.manual_seed(0)
    p = np.array([0.2, 0.5, 0.3])
    logits = Tensor(np.tile(np.log(p), (20_000, 1)), requires_grad=True)
    hard = F.gumbel_softmax(logits, tau=0.5, hard=True)
    np.testing.assert_array_equal(np.sort(hard.numpy(), axis=1), np.tile([0.0, 0.0, 1.0], (20_000, 1)))
    np.testing.assert_allclose(hard.numpy().mean(0), p, atol=5 * 0.5 / math.sqrt(20_000))
    nn.manual_seed(0)
    soft = F.gumbel_softmax(logits, tau=0.5)
    np.testing.assert_array_equal(soft.numpy().argmax(1), hard.numpy().argmax(1))
    np.testing.assert_allclose(soft.numpy().sum(1), 1)
    weights = np.random.default_rng(0).normal(size=soft.shape)
    np.testing.assert_allclose(*(pb.grads([y], [logits], [weights])[0].numpy() for y in (soft, hard)))
    different = vmap(lambda x: F.gumbel_softmax(x, hard=True, dim=0), randomness="different")(logits.detach()[:100])
    assert different.shape == (100, 3) and len({tuple(row) for row in different.numpy()}) > 1
    with pytest.warns(UserWarning, match="eps has no effect"):
        F.gumbel_softmax(logits, eps=1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.gelu(X, "wrong"), "gelu: approximate='wrong'"),
        (lambda: F.hardtanh(X, 2.0, 1.0), r"hardtanh: min_val=2.0 exceeds max_val=1.0"),
        (lambda: nn.Hardtanh(1.0, 1.0), r"Hardtanh: min_val=1.0 is not below max_val=1.0"),
        (lambda: F.softshrink(X, -1.0), "softshrink: lambd=-1.0 is negative"),
        (lambda: F.rrelu(X, 0.5, 0.25), "rrelu: lower=0.5 exceeds upper=0.25"),
        (lambda: F.celu(X, 0), "celu: alpha=0"),
        (lambda: F.glu(np.ones((2, 3))), r"glu: an input of shape \(2, 3\) has no two halves along dim=-1"),
        (lambda: F.glu(np.array(1.0)), r"glu: an input of shape \(\)"),
        (lambda: F.prelu(np.ones((2, 3)), np.ones(2)), r"prelu: weight of shape \(2,\) for an input of shape \(2, 3\)"),
        (lambda: F.prelu(np.ones(3), np.ones(3)), r"expected \(1,\) or one for each channel, \(1,\)"),
        (lambda: nn.Softmax2d()(Tensor(np.ones((2, 3)))), r"Softmax2d expected \(N, C, H, W\) or \(C, H, W\)"),
    ],
)
def test_bad_input(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_the_rule_of_relu_can_be_swapped_under_the_module() -> None:
    x = Tensor([-1.0, 2.0], requires_grad=True)
    with override(relu, "x", lambda g: g * 5):
        nn.ReLU()(x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [5, 5])


# the slopes at -4, -1, 0, 0.25, 2 and 7
STRAIGHT = {
    "relu": (F.relu, [0, 0, 0, 1, 1, 1]),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.5), [0.5, 0.5, 0.5, 1, 1, 1]),
    "leaky_relu of no slope": (lambda x: F.leaky_relu(x, 0.0), [0, 0, 0, 1, 1, 1]),
    "prelu": (lambda x: F.prelu(x, np.array([0.5], x.dtype)), [0.5, 0.5, 0.5, 1, 1, 1]),
    "relu6": (F.relu6, [0, 0, 0, 1, 1, 0]),
    "hardtanh": (F.hardtanh, [0, 0, 1, 1, 0, 0]),
    "threshold": (lambda x: F.threshold(x, 0.25, 9.0), [0, 0, 0, 0, 1, 1]),
    "hardshrink": (F.hardshrink, [1, 1, 0, 0, 1, 1]),
    "softshrink": (F.softshrink, [1, 1, 0, 0, 1, 1]),
    "hardswish": (F.hardswish, [0, 1 / 6, 0.5, 7 / 12, 7 / 6, 1]),
    "elu": (F.elu, [np.exp(-4), np.exp(-1), 1, 1, 1, 1]),
    "maximum": (lambda x: pb.maximum(x, 0.125), [0, 0, 0, 1, 1, 1]),
    "clip": (lambda x: pb.clip(x, -2, 5), [0, 1, 1, 1, 1, 0]),
    "hinge": (lambda x: F.hinge_embedding_loss(x, pb.full_like(x, -1), reduction="none"), [-1, -1, -1, -1, 0, 0]),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("copies", [1, 8000])  # the latter in one pass, of machine code where there is some
@pytest.mark.parametrize("name", STRAIGHT)
def test_infinite_cotangents_pass_nothing_that_is_flat(name: str, copies: int, dtype: Any) -> None:
    f, slopes = STRAIGHT[name]
    x = Tensor(np.tile(np.array([-4, -1, 0, 0.25, 2, 7], dtype), copies), requires_grad=True)
    right = np.tile([s and s * np.inf for s in slopes], copies)
    for create_graph in (False, True):
        (gradient,) = pb.grads(f(x), [x], np.full(x.shape, np.inf, dtype), create_graph=create_graph)
        np.testing.assert_array_equal(gradient.numpy(), right)
        assert gradient.dtype == dtype


def test_infinite_cotangents_leave_the_slope_of_what_is_right_of_it() -> None:
    slope = Tensor(0.5, requires_grad=True)
    F.prelu(np.array([-2.0, 3.0]), slope).backward(np.array([1.0, np.inf]))
    assert slope.grad is not None and slope.grad.item() == -2
