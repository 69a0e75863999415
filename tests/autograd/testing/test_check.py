"""The checker is checked: it passes right primitives and catches every planted fault."""

import itertools

import numpy as np
import pytest
from hypothesis import Phase, settings

from pullback import multiply
from pullback.autograd.core.registry import _primitives
from pullback.testing import GradcheckError, check_primitive

QUICK = settings(max_examples=30, deadline=None, derandomize=True, database=None)


def entries(draw):
    return draw.entries(((-3.0, 3.0),) * 2), {}


def matrices(draw):
    n, k, m = (draw.integer(1, 3) for _ in range(3))
    return (draw.array((n, k)), draw.array((k, m))), {}


def cubic(planted, rule, function=lambda x: x**3, kind="elementwise"):
    """A primitive x ** 3 whose right rule is 3 x^2 g."""
    made = planted(function, name="planted")
    made.vjp("x", kind)(rule)
    made.strategy(lambda draw: ((draw.array(kinks=(0.0,)),), {}))
    return made


def product(planted, a, b, function=None):
    made = planted(function or (lambda a, b: a @ b), name="planted")
    made.vjp("a", "linear")(a)
    made.vjp("b", "linear")(b)
    made.strategy(matrices)
    return made


def right_a(g, b):
    return g @ b.mT


def right_b(g, a):
    return a.mT @ g


def fails(made, *words):
    phases = QUICK.phases if words else [Phase.generate]  # shrunk, if it matters what is left
    with pytest.raises(GradcheckError) as caught:
        check_primitive(made, settings=settings(QUICK, phases=phases))
    for word in ("planted", *words):
        assert word in str(caught.value)


def test_right_primitives_pass(planted):
    assert check_primitive(cubic(planted, lambda g, x: 3 * x**2 * g), settings=QUICK)
    _primitives.pop("planted")
    assert check_primitive(product(planted, right_a, right_b), settings=QUICK)


def test_one_given_example():
    assert check_primitive(multiply, (np.array([[1.0], [2.0]]), np.array([3.0, 4.0])))
    assert check_primitive(multiply, (np.zeros((0, 3)), np.array(4.0)))


def test_the_report_names_argument_entry_and_numbers(planted):
    made = cubic(planted, lambda g, x: np.where(x == 2, 7, 3 * x**2) * g)
    with pytest.raises(GradcheckError) as caught:
        check_primitive(made, (np.array([1.0, 2.0]),))
    lines = str(caught.value).splitlines()
    first = "planted, argument x: wrong gradient; the worst entry is d (a weighted sum of the output) / d x[1]"
    assert lines[0] == first
    by_rule, by_steps = lines[1].split(), lines[2].split()
    assert float(by_rule[3].rstrip(",")) / float(by_steps[3]) == pytest.approx(7 / 12)
    assert lines[3:6] == ["  called with", "    x, float64 (2,):", "      [1., 2.]"]


def test_a_failing_example_is_shrunk(planted):
    made = cubic(planted, lambda g, x: 3 * x**2 * g * (2 if x.ndim else 1))
    with pytest.raises(GradcheckError, match=r"x, float64 \(1,\):\n      \[1\.\]"):
        check_primitive(made, settings=QUICK)


CUBIC_FAULTS = {
    "scale": lambda g, x: 3.001 * x**2 * g,
    "sign": lambda g, x: -3 * x**2 * g,
    "zero": lambda g, x: 0 * x * g,
    "added constant": lambda g, x: 3 * x**2 * g + 1,
    "not linear in the cotangent": lambda g, x: 3 * x**2 * np.abs(g),
    "reversed": lambda g, x: np.flip(3 * x**2 * g),
    "wrong shape": lambda g, x: np.ones((2, 2)) * g if x.ndim == 1 else 3 * x**2 * g,
    "second order": lambda g, x: 3 * (x._held if hasattr(x, "_held") else x) ** 2 * g,
    "does not run on Tensors": lambda g, x: np.asarray(3 * x**2) * g,
    "dtype": lambda g, x: (3 * x**2 * g).astype(np.float64),
    "one entry": lambda g, x: np.where(np.arange(x.size).reshape(x.shape) == 5, 0, 3 * x**2 * g),
    "negative x": lambda g, x: 3 * x * np.abs(x) * g,
    "conjugated": lambda g, x: 3 * np.conj(x) ** 2 * g,
    "cotangent conjugated": lambda g, x: 3 * x**2 * np.conj(g),
    "real part alone": lambda g, x: np.real(3 * x**2 * g),
}


@pytest.mark.parametrize("fault", CUBIC_FAULTS)
def test_wrong_rule_of_a_cube(planted, fault):
    fails(cubic(planted, CUBIC_FAULTS[fault]))


@pytest.mark.parametrize("kind", ["elementwise", "general"])
def test_wrong_only_for_a_cotangent_that_is_not_contiguous(planted, kind):
    def rule(g, x):
        good = g.ndim == 0 or not hasattr(g, "flags") or g.flags.c_contiguous
        return 3 * x**2 * (g if good else 2 * g)

    fails(cubic(planted, rule, kind=kind), "argument x")


def test_wrong_only_for_a_cotangent_of_zero_strides(planted):
    def rule(g, x):
        broadcast = g.ndim and hasattr(g, "strides") and g.size > 1 and 0 in g.strides
        return 3 * x**2 * (2 * g if broadcast else g)

    fails(cubic(planted, rule), "zero strides")


def test_wrong_only_for_empty_arrays(planted):
    def rule(g, x):
        return 3 * x**2 * g if x.size else np.zeros(7)

    fails(cubic(planted, rule))


def test_wrong_by_a_factor_at_a_tiny_scale(planted):
    made = cubic(planted, lambda g, x: 1.5e-9 * x**2 * g, function=lambda x: 1e-10 * x**3)
    fails(made, "argument x")


def test_value_that_differs_between_tensors_and_arrays(planted):
    made = cubic(planted, lambda g, x: 3 * x**2 * g, function=lambda x: x**3 if x.ndim else x**3 + isinstance(x, float))
    fails(made, "value")


def test_value_beside_a_reference(planted):
    made = cubic(planted, lambda g, x: 3 * x**2 * g)
    assert check_primitive(made, (np.array([2.0]),), reference=lambda x: x * x * x)
    with pytest.raises(GradcheckError, match=r"value at \[0\] is 8.0, by the reference 9.0"):
        check_primitive(made, (np.array([2.0]),), reference=lambda x: x * x * x + 1)
    with pytest.raises(GradcheckError, match=r"value has shape \(1,\), by the reference \(1, 1\)"):
        check_primitive(made, (np.array([2.0]),), reference=lambda x: (x * x * x)[None])


def test_value_that_its_rule_does_not_fit(planted):
    fails(cubic(planted, lambda g, x: 3 * x**2 * g, function=lambda x: x**3 + 0.001 * x), "argument x")


def test_random_value(planted):
    rng = np.random.default_rng(0)
    fails(cubic(planted, lambda g, x: 3 * x**2 * g, function=lambda x: x**3 + rng.uniform()), "value")


def test_random_gradient(planted):
    count = itertools.count()
    fails(cubic(planted, lambda g, x: 3 * x**2 * g * (1 + 1e-14 * next(count))), "run")


def test_value_that_loses_float32(planted):
    made = cubic(planted, lambda g, x: 3 * x**2 * g, function=lambda x: np.asarray(x**3, np.float64))
    fails(made, "float64 for float32")


def test_rule_that_changes_the_cotangent(planted):
    def rule(g, x):
        out = 3 * x**2 * g
        if isinstance(g, np.ndarray):
            g *= 0.5
        return out

    fails(cubic(planted, rule), "the cotangent after a backward pass")


def test_rule_that_changes_what_was_kept(planted):
    def rule(g, x):
        out = 3 * x**2 * g
        if isinstance(x, np.ndarray) and x.flags.writeable:
            x += 1e-12
        return out

    fails(cubic(planted, rule), "after a backward pass")


def test_function_that_changes_its_argument(planted):
    def cube(x):
        out = x**3
        if isinstance(x, np.ndarray) and x.ndim:
            x[...] = 1
        return out

    fails(cubic(planted, lambda g, x: 3 * x**2 * g, function=cube))


def test_gradients_that_share_a_buffer(planted):
    buffers = {}

    def rule(g, x):
        if not isinstance(g, np.ndarray):
            return 3 * x**2 * g
        buffer = buffers.setdefault((x.shape, str(x.dtype)), np.empty(x.shape, x.dtype))
        return np.multiply(3 * x**2, g, out=buffer)

    fails(cubic(planted, rule))


@pytest.mark.parametrize(
    "a, b",
    [
        pytest.param(lambda g, b: -(g @ b.mT), right_b, id="sign of a"),
        pytest.param(right_a, lambda g, a: 2 * (a.mT @ g), id="scale of b"),
        pytest.param(lambda g, b: (g @ b.mT).mT.reshape(g.shape[0], -1), right_b, id="transposed"),
        pytest.param(lambda g, b: g @ b, right_b, id="missing transpose"),
        pytest.param(right_a, lambda g, a: np.matmul(a.mT, np.flip(g, 0)), id="reversed"),
    ],
)
def test_wrong_rule_of_a_matrix_product(planted, a, b):
    fails(product(planted, a, b))


def test_a_map_declared_linear_that_is_not(planted):
    made = product(planted, lambda g, a, b: 2 * a * (g @ b.mT), right_b_of_square, lambda a, b: (a * a) @ b)
    fails(made, "<J v, g>")


def right_b_of_square(g, a):
    return (a * a).mT @ g


def test_missing_sum_over_a_broadcast_axis(planted):
    made = planted(lambda a, b: a * b, name="planted")
    made.vjp("a", "elementwise")(lambda g, b: g * b)

    @made.vjp("b", "elementwise")
    def _(g, a, b_shape):
        first = tuple(slice(0, 1) if n == 1 else slice(None) for n in b_shape)
        return (g * a)[(0,) * (g.ndim - len(b_shape)) + first]

    made.strategy(entries)
    fails(made)


def test_arguments_confused_where_both_are_one_tensor(planted):
    made = planted(lambda a, b: a * b, name="planted")
    made.vjp("a")(lambda g, a, b: g * b * (2 if a is b else 1))
    made.vjp("b")(lambda g, a: g * a)
    made.strategy(entries)
    fails(made, "given for a too")


def test_wrong_axis(planted):
    made = planted(lambda x, *, axis: np.cumsum(x, axis), name="planted")
    made.vjp("x", "linear")(lambda g, axis: np.flip(np.cumsum(np.flip(g, 0), 0), 0))

    @made.strategy
    def _(draw):
        x = draw.array(draw.shape(min_dims=1))
        return (x,), {"axis": draw.axis(x.ndim)}

    fails(made, "    axis=")


def test_wrong_at_repeated_indices(planted):
    made = planted(lambda x, *, index: x[index], name="planted")

    @made.vjp("x", "linear")
    def _(g, x_shape, index):
        out = np.zeros(x_shape, g.dtype)
        out[index] = g._held if hasattr(g, "_held") else g
        return out

    made.strategy(lambda draw: ((draw.array((3,)),), {"index": draw.integers((2,), 0, 2)}))
    fails(made, "index=array([0, 0])")


def test_a_primitive_without_a_strategy(planted):
    made = planted(lambda x: x, name="planted")
    with pytest.raises(ValueError, match="planted: no strategy"):
        check_primitive(made)
