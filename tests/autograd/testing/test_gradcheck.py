import numpy as np
import pytest

from pullback import Tensor, concatenate, exp, matmul, multiply, override, power, relu, tanh, where
from pullback.testing import GradcheckError, check_adjoint, gradcheck, gradgradcheck

RNG = np.random.default_rng(7)
A = RNG.uniform(0.5, 2, (2, 3))
B = RNG.uniform(0.5, 2, (3, 2))


def leaf(values):
    return Tensor(values, requires_grad=True)


@pytest.mark.parametrize("check", [gradcheck, gradgradcheck])
@pytest.mark.parametrize("method", ["auto", "central", "forward", "backward", "fourth", "richardson"])
def test_right_gradients_pass(check, method):
    f = lambda a, b: (tanh(a @ b), (a * 2).sum(axis=0))  # noqa: E731
    assert check(f, (leaf(A), leaf(B)), method=method)


def test_one_tensor_and_no_tuple():
    assert gradcheck(lambda x: x.sum(), leaf(2.0))
    assert gradcheck(exp, leaf(np.zeros((0, 2))))


def test_complex_steps_are_exact():
    assert gradcheck(lambda a: exp(a) * a, leaf(A), method="complex", atol=0, rtol=1e-13)


def test_only_inputs_that_require_a_gradient_are_checked():
    with override(multiply, "b", lambda g, a: 0 * g):
        assert gradcheck(lambda a, b: a * b, (leaf(A), Tensor(A)))
        with pytest.raises(GradcheckError, match="gradcheck, argument input 1: wrong gradient"):
            gradcheck(lambda a, b: a * b, (leaf(A), leaf(A)))


def test_outputs_that_do_not_depend_on_an_input():
    assert gradcheck(lambda a, b: (a * 2, b * 3, Tensor([1.0])), (leaf(A), leaf(B)))
    assert gradgradcheck(lambda a, b: (a * a, b * 3), (leaf(A), leaf(B)))


def test_the_inputs_and_their_grad_are_left_alone():
    a = leaf(A)
    a.grad = np.ones_like(A)
    before = a.grad
    gradcheck(lambda a: a * a, a)
    gradgradcheck(lambda a: a * a, a)
    assert a.grad is before and a.is_leaf
    np.testing.assert_array_equal(a.data, A)


WRONG = {
    "scale": lambda g, b: g * b * 1.01,
    "sign": lambda g, b: -g * b,
    "one entry": lambda g, b: where(np.arange(6).reshape(2, 3) == 4, 0, g * b),
    "other entries": lambda g, b: np.flip(g * b),
}


@pytest.mark.parametrize("rule", WRONG.values(), ids=WRONG)
def test_wrong_rules_are_caught(rule):
    with override(multiply, "a", rule), pytest.raises(GradcheckError):
        gradcheck(lambda a, b: a * b, (leaf(A), leaf(A)))


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 1e6])
def test_a_wrong_factor_is_caught_at_any_scale(scale):
    assert gradcheck(lambda a: exp(a) * scale, leaf(A))
    with override(exp, "x", lambda g, out: 5 * g * out), pytest.raises(GradcheckError):
        gradcheck(lambda a: exp(a) * scale, leaf(A))


def test_a_rule_wrong_in_second_order_only():
    def rule(g, x):
        return g * 3 * np.square(x.detach() if isinstance(x, Tensor) else x)

    x = leaf([1.0, 2.0])
    f = lambda x: x**3  # noqa: E731
    with override(power, "a", lambda g, a, b: rule(g, a)):
        assert gradcheck(f, x)
        with pytest.raises(GradcheckError, match="of second order"):
            gradgradcheck(f, x)


def test_the_report():
    with override(matmul, "a", lambda g, b: 2 * (g @ b.mT)), pytest.raises(GradcheckError) as caught:
        gradcheck(lambda a, b: (a.sum(), a @ b), (leaf([[0.0, 1.0]]), leaf([[1.0, 10.0], [100.0, 1000.0]])))
    lines = str(caught.value).splitlines()
    assert lines[0] == (
        "gradcheck, argument input 0: wrong gradient; the worst entry is d output 1[0, 1] / d input 0[0, 1]"
    )
    assert lines[1].split() == ["by", "the", "gradient", "2000.0,", "2", "times", "as", "much"]
    words = lines[2].split()
    assert words[:3] == ["by", "richardson", "steps"] and float(words[3]) == pytest.approx(1000)
    assert words[4] == "(step" and words[6] == "tolerance" and 0 < float(words[7].rstrip(")")) < 0.01


@pytest.mark.parametrize("seed", range(20))
def test_no_false_alarm(seed):
    rng = np.random.default_rng(seed)
    x = leaf(rng.uniform(-2, 2, 4) * 10.0 ** rng.integers(-3, 3))
    assert gradcheck(lambda x: concatenate([x**3, tanh(x), x - x, 1 + x * 1e-3]), x)
    assert gradcheck(lambda x: concatenate([x**3, x * x]), leaf(np.zeros(2)))


def test_tolerances_given():
    with override(exp, "x", lambda g, out: g * out * 1.001):
        with pytest.raises(GradcheckError):
            gradcheck(exp, leaf([1.0]))
        assert gradcheck(exp, leaf([1.0]), rtol=2e-3)
        assert gradcheck(exp, leaf([1.0]), atol=0.01)


def test_errors_name_the_input():
    with pytest.raises(ValueError, match="gradgradcheck: none of the 1 inputs requires a gradient"):
        gradgradcheck(exp, Tensor(A))
    with pytest.raises(TypeError, match="input 0 is ndarray, not a Tensor"):
        gradcheck(exp, (A,))
    with pytest.raises(ValueError, match="2 gradients given for 1 outputs"):
        gradgradcheck(exp, leaf(A), (A, A))


def test_adjoint():
    x, y = RNG.normal(size=(5,)), RNG.normal(size=(4,))
    a = RNG.normal(size=(4, 5))
    assert check_adjoint(lambda x: a @ x, lambda y: a.T @ y, x, y)
    assert check_adjoint(lambda x: Tensor(a) @ x, lambda y: a.T @ y, Tensor(x), y)
    assert check_adjoint(lambda x: a @ x, lambda y: a.T @ y, x.astype(np.float32), y.astype(np.float32))
    with pytest.raises(GradcheckError, match=r"not the transpose: .* for x of shape \(5,\), y of shape \(4,\)"):
        check_adjoint(lambda x: a @ x, lambda y: a.T @ y * (1 + 1e-9), x, y)
    with pytest.raises(GradcheckError, match=r"x has shape \(5,\), transpose\(y\) has shape \(4,\)"):
        check_adjoint(lambda x: a @ x, lambda y: y, x, y)


def test_kinks_away_from_the_step_are_no_trouble():
    assert gradcheck(relu, leaf([-1e-3, 1e-3, 2.0]))


@pytest.mark.parametrize("x", [[0.0, 1.0], [1e-7, 1.0], [-1e-7, 0.0]])
@pytest.mark.parametrize("f", [relu, lambda x: abs(x), lambda x: x.clip(0, 1), lambda x: (x * x).sum() + relu(-x)])
def test_at_a_kink_every_slope_between_those_on_both_sides_passes(f, x):
    assert gradcheck(f, leaf(x))
    with override(relu, "x", lambda g, out: g * (out > 0) + 1e-3 * g), pytest.raises(GradcheckError):
        gradcheck(lambda x: relu(x - 5), leaf(x))


@pytest.mark.parametrize("slope, passes", [(0.0, True), (0.3, True), (1.0, True), (-0.01, False), (1.01, False)])
def test_but_no_other(slope, passes):
    with override(relu, "x", lambda g, x: g * np.where(x == 0, slope, x > 0)):
        if passes:
            assert gradcheck(relu, leaf([0.0, 1.0]))
        else:
            with pytest.raises(GradcheckError):
                gradcheck(relu, leaf([0.0, 1.0]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 2.0])
def test_what_is_no_transpose(bad):
    x, y = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    assert check_adjoint(np.flip, np.flip, x, y)
    with np.errstate(invalid="ignore"), pytest.raises(GradcheckError, match="not the transpose"):
        check_adjoint(np.flip, lambda y: bad * np.flip(y), x, y)
