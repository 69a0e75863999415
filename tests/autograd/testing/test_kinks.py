"""Where a function has no one slope, gradients are held to those around; the result says where."""

import numpy as np
import pytest

from pullback import Tensor, clip, linalg, max_pool, maximum, median, override, primitive, relu, sort
from pullback import abs as absolute
from pullback import max as largest
from pullback.testing import GradcheckError, check_gradient, gradcheck, gradgradcheck


def leaf(values):
    return Tensor(values, requires_grad=True)


KINKED = {
    "relu": (relu, [0.0, 1.0, -1.0, 0.0]),
    "abs": (absolute, [0.0, 2.0]),
    "clip": (lambda x: clip(x, -1, 1), [-1.0, 1.0, 0.5, 3.0]),
    "max of ties": (largest, [1.0, 2.0, 2.0, 2.0]),
    "maximum of itself": (lambda x: maximum(x, x[::-1] * 1), [1.0, 1.0, 1.0]),
    "sort": (sort, [0.5, 0.5, 0.5, -1.0]),
    "median": (median, [0.0, 0.0, 0.0, 0.0, 0.0]),
    "max_pool": (lambda x: max_pool(x.reshape(1, 1, 3, 3), 2, 1), np.ones(9)),
    "norm": (linalg.norm, [0.0, 0.0, 0.0]),
    "curved on both sides": (lambda x: relu(x) ** 2 + 3 * relu(x) + x**3, [0.0, 1.0]),
    "inside": (lambda x: (absolute(x - 1) * x).sum(), [1.0, 2.0]),
}


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("name", KINKED)
def test_ties_and_kinks_pass_and_are_told(name, scale):
    f, x = KINKED[name]
    scaled = lambda x: f(x / scale) * scale  # noqa: E731
    assert gradcheck(scaled, leaf(np.array(x) * scale)).kinks


@pytest.mark.parametrize("distance", [1e-12, 1e-10, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3])
@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("name", KINKED)
def test_near_ties_and_kinks(name, side, distance):
    f, x = KINKED[name]
    off = side * distance * np.random.default_rng(0).uniform(0.5, 1.5, len(x))
    assert gradcheck(f, leaf(np.array(x) + off))


def test_no_kink_is_told_of_where_there_is_none():
    for f in (lambda x: x**3, lambda x: x * x, lambda x: x**4, relu, lambda x: x * 0, lambda x: (x - x.mean()).sum()):
        assert gradcheck(f, leaf([1.0, -2.0, 0.25])).kinks == ()
    assert gradcheck(lambda x: x**3, leaf([0.0, 0.0])).kinks == ()


def test_where_the_kinks_are():
    passed = gradcheck(lambda a, b: (relu(a) * 2, b * b), (leaf([[1.0, 0.0]]), leaf(2.0)))
    assert [(kink.argument, kink.index) for kink in passed.kinks] == [("input 0", ((0, 1),))]
    assert "kink at input 0 [0, 1]" in str(passed)


@pytest.mark.parametrize("slope, passes", [(-0.01, False), (0.0, True), (0.3, True), (1.0, True), (1.01, False)])
@pytest.mark.parametrize("x", [0.0, [0.0, 1.0], [[0.0], [-3.0]]])
def test_a_slope_at_a_kink_is_one_of_those_around(slope, passes, x):
    with override(relu, "x", lambda g, x: g * np.where(x == 0, slope, x > 0)):
        if passes:
            assert gradcheck(relu, leaf(x)).kinks
        else:
            with pytest.raises(GradcheckError, match="slopes around"):
                gradcheck(relu, leaf(x))


@pytest.mark.parametrize(
    "shares, passes", [((1, 0), True), ((0.5, 0.5), True), ((0, 0), False), ((1, 1), False), ((0.7, 0.2), False)]
)
def test_the_shares_of_a_tie_sum_to_one(shares, passes):
    """Each of them alone is in the range of slopes; MyGrad gives (0, 0)."""
    check = lambda: check_gradient(np.max, lambda x: np.array(shares) * 1.0, np.array([2.0, 2.0]))  # noqa: E731
    with pytest.raises(GradcheckError):  # the check on both sides finds that this gradient is not of a maximum
        check()
    gradient = lambda x: np.array(shares) * 1.0 if x[0] == x[1] else np.array(x == x.max(), float)  # noqa: E731
    if passes:
        assert check_gradient(np.max, gradient, np.array([2.0, 2.0])).kinks
    else:
        with pytest.raises(GradcheckError, match="slopes around|times as much|by the gradient"):
            check_gradient(np.max, gradient, np.array([2.0, 2.0]))


@pytest.mark.parametrize("x", [[0.0], [0.0, 0.0], [1e-9, 0.0], [-1e-9, 1e-12]])
def test_a_rule_wrong_beside_a_kink_is_caught_from_the_kink(x):
    """At 0 twice the slope 0 is right; so the check is made on both sides once more."""
    with override(relu, "x", lambda g, x: 2 * g * (x > 0)), pytest.raises(GradcheckError):
        gradcheck(relu, leaf(x))


def test_a_function_of_the_users_own_with_pieces(planted):
    made = primitive(lambda x: np.where(x < 1, x * x, 2 * x - 1 + 0.5 * (x - 1)), name="pieces")
    made.vjp("x", "elementwise")(lambda g, x: g * np.where(x < 1, 2 * x, 2.5))
    assert gradcheck(made, leaf([1.0, 0.5, 2.0])).kinks
    made.vjp("x", "elementwise")(lambda g, x: g * np.where(x < 1, 2 * x, 2.6))
    with pytest.raises(GradcheckError):
        gradcheck(made, leaf([1.0, 0.5, 2.0]))


def test_second_order_at_and_near_kinks():
    for x in ([0.0, 1.0], [1e-9, -1e-7], [0.5, -0.5]):
        assert gradgradcheck(lambda x: relu(x) ** 3, leaf(x))
        assert gradgradcheck(lambda x: absolute(x) * x, leaf(x))
        assert gradgradcheck(relu, leaf(x))
