"""Registering primitives: what rules may ask for, what a call sees, and what is refused."""

import inspect
import itertools
import pydoc

import numpy as np
import pytest
from hypothesis import settings

import pullback as pb
from pullback import Tensor
from pullback.autograd.core.elementwise import elementwise
from pullback.autograd.core.registry import _primitives
from pullback.testing import GradcheckError, check_primitive

numbers = itertools.count()


@pytest.fixture
def name():
    """A name for a primitive, which is forgotten after the test."""
    made = f"made_for_a_test_{next(numbers)}"
    yield made
    _primitives.pop(made, None)


def leaf(value):
    return Tensor(value, requires_grad=True)


def test_rules_ask_by_name(name):
    asked = {}

    @pb.primitive(name=name, aux=["mask"])
    def f(a, b, *, scale):
        return scale * a * b, a > 0

    @f.vjp("a")
    def _(g, out, mask, b, scale, a_shape):
        asked.update(out=out, mask=mask, b=b, scale=scale, a_shape=a_shape)
        return g * scale * b

    @f.vjp("b")
    def _(g, a, scale):
        return g * scale * a

    a, b = leaf([1.0, -2.0]), leaf([3.0, 4.0])
    f(a, b, scale=10.0).sum().backward()
    assert asked["out"].tolist() == [30.0, -80.0] and asked["mask"].tolist() == [True, False]
    assert asked["b"].tolist() == [3.0, 4.0] and asked["scale"] == 10.0 and asked["a_shape"] == (2,)
    assert a.grad.tolist() == [30.0, 40.0] and b.grad.tolist() == [10.0, -20.0]
    out, mask = f.outputs(a, b, scale=1.0)
    assert isinstance(out, Tensor) and mask.tolist() == [True, False]


def test_variadic_rules_are_told_their_position(name):
    @pb.primitive(name=name)
    def weighted(*arrays, weights):
        return sum(w * a for w, a in zip(weights, arrays, strict=True))

    @weighted.vjp("arrays")
    def _(g, position, weights, arrays):
        assert len(arrays) == 3
        return g * weights[position]

    x, y = leaf(1.0), leaf(2.0)
    weighted(x, 5.0, y, weights=(2.0, 3.0, 4.0)).backward()
    assert x.grad.item() == 2.0 and y.grad.item() == 4.0


def quotient_and_product(name):
    f = pb.primitive(lambda a, b: (a / b, a * b), name=name, outputs=["q", "p"])

    def present(*terms):
        return sum(term for term in terms if term is not None)

    @f.vjp("a")
    def _(g, b):
        q, p = g
        return present(None if q is None else q / b, None if p is None else p * b)

    @f.vjp("b")
    def _(g, a, b, q):
        dq, dp = g
        return present(None if dq is None else -dq * q / b, None if dp is None else dp * a)

    f.strategy(lambda draw: ((draw.array(shape=(2,)), draw.array(shape=(2,), domain=(1.0, 2.0))), {}))
    return f


def test_several_outputs(name):
    f = quotient_and_product(name)
    a, b = leaf(6.0), leaf(2.0)
    q, p = f(a, b)
    assert (q.item(), p.item()) == (3.0, 12.0) and f(6.0, 2.0) == (3.0, 12.0)
    (q * p).backward(create_graph=True)  # a^2
    assert (a.grad.item(), b.grad.item()) == (12.0, 0.0)
    g, a.grad, b.grad = a.grad, None, None
    g.backward()
    assert (a.grad.item(), b.grad.item()) == (2.0, 0.0)


def test_an_output_that_is_not_used_has_no_cotangent(name):
    f = quotient_and_product(name)
    a, b = leaf(6.0), leaf(2.0)
    f(a, b)[0].backward()
    assert (a.grad.item(), b.grad.item()) == (0.5, -1.5)
    with pytest.raises(RuntimeError, match="retain_graph"):
        q, p = f(a, b)
        q.backward()
        p.backward()


def test_several_outputs_are_property_tested(name):
    f = quotient_and_product(name)
    some = settings(max_examples=20)
    assert check_primitive(f, settings=some)
    f.vjp("b")(lambda g, a: g[1] * a if g[1] is not None else 0.0 * a)
    with pytest.raises(GradcheckError):
        check_primitive(f, settings=some)


def test_plain_arrays_give_plain_arrays(name):
    f = pb.primitive(lambda x: x * 2, name=name)
    f.vjp("x")(lambda g: 2 * g)
    assert isinstance(f(np.ones(2)), np.ndarray) and isinstance(f(Tensor([1.0])), Tensor) and f(3.0) == 6.0
    assert not f(Tensor([1.0])).requires_grad


def test_zero_dimensional_results_are_scalars(name):
    f = pb.primitive(lambda x: np.asarray(x.sum()), name=name)
    f.vjp("x")(lambda g, x_shape: np.broadcast_to(g, x_shape))
    assert isinstance(f(leaf([1.0, 2.0])).data, np.float64)


def test_a_new_primitive_is_a_node_with_gradients_of_every_order(name):
    cube = pb.primitive(lambda x: x * x * x, name=name)
    cube.vjp("x")(lambda g, x: 3 * x * x * g)
    assert pb.registry[name] is cube and name in pb.registry and name in list(pb.registry)
    g = x = leaf(2.0)
    g = cube(x)
    assert g._node.primitive is cube
    for expected in (12.0, 12.0, 6.0):
        x.grad = None
        g.backward(create_graph=True)
        g = x.grad
        assert g.item() == expected


def test_an_argument_without_a_rule(name):
    f = pb.primitive(lambda x, y: x * y, name=name)
    f.vjp("x")(lambda g, y: g * y)
    assert f(leaf(2.0), Tensor(3.0)).requires_grad
    with pytest.raises(TypeError, match=f"{name}: no gradient with respect to 'y'"):
        f(leaf(2.0), leaf(3.0))


WORDS = ["special", "foreign", "function", "rules", "edges", "result", "new", "plain", "n0", "modes", "Tensor", "g"]


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("header", ["{0}, y", "y, *, {0}"])
def test_a_parameter_may_have_any_name(name, word, header):
    f = pb.primitive(eval(f"lambda {header.format(word)}: {word} * y"), name=name)
    f.vjp("y")(eval(f"lambda cotangent, {word}: {word} * cotangent"))
    y, given = leaf([1.0, 3.0]), {} if word in f.arrays else {word: 2.0}
    arrays = (np.array([2.0, 2.0]), y) if word in f.arrays else (y,)
    f.apply(*arrays, **given).sum().backward()
    np.testing.assert_array_equal(y.grad, [2, 2])
    with pb.no_grad():
        np.testing.assert_array_equal(f.apply(*arrays, **given), [2, 6])


@pytest.mark.parametrize("word", ["out", "_x"])
def test_parameters_for_which_rules_could_not_ask(name, word):
    with pytest.raises(ValueError, match=f"{name}: '{word}' names a parameter"):
        pb.primitive(eval(f"lambda {word}: {word}"), name=name)


def test_defined_again_in_the_same_place_it_is_replaced_with_a_warning(name):
    def define(factor):
        def scaled(x):
            return x * factor

        made = pb.primitive(scaled, name=name)
        made.vjp("x")(eval(f"lambda g: g * {factor}"))
        return made

    first = define(2.0)
    old = first(leaf(1.0))
    with pytest.warns(UserWarning, match=f"'{name}' was defined again") as caught:
        second = define(5.0)
    assert caught[0].filename == __file__
    assert pb.registry[name] is second and pb.grad(second)(1.0).item() == 5.0
    assert pb.grads(old, old).item() == 1.0 and pb.grad(first)(1.0).item() == 2.0  # what was recorded keeps its rules


def test_in_a_notebook_any_cell_replaces(name):
    cell = """
from pullback import primitive
@primitive(name=NAME)
def WORD(x): return x
"""
    space = {"__name__": "__main__", "NAME": name}
    exec(cell.replace("WORD", "first"), space)
    with pytest.warns(UserWarning, match="defined again"):
        exec(cell.replace("WORD", "second"), space)
    assert pb.registry[name].function is space["second"].function


@pytest.mark.parametrize("module", ["__main__", "another_library"])
def test_two_libraries_may_not_take_one_name(name, module):
    def other(x):
        return x

    pb.primitive(lambda x: x, name=name)
    other.__module__ = module
    with pytest.raises(
        ValueError, match=f"{name}.* registered already, by .*test_primitive; give this one another name"
    ):
        pb.primitive(other, name=name)
    with pytest.raises(ValueError, match="'relu' is registered already, by pullback.autograd.ops.elementwise"):
        pb.primitive(other, name="relu")


def test_a_warning_made_an_error_leaves_the_first(name):
    first = pb.primitive(leaf, name=name)
    with pytest.raises(UserWarning):  # as pytest is told to for all tests
        pb.primitive(leaf, name=name)
    assert pb.registry[name] is first


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (lambda g, *, k: g, r"'k' as a keyword, but rules are called by position: write it as \(g, k\)"),
        (lambda g, *k: g, "'k' as a list"),
        (lambda g, **k: g, "'k' as keywords"),
        (lambda: 1, "takes nothing; it is given the cotangent first"),
    ],
)
@pytest.mark.parametrize("register", ["vjp", "jvp"])
def test_rules_that_could_not_be_called_are_refused(name, rule, words, register):
    f = pb.primitive(lambda x, *, k: x, name=name)
    with pytest.raises(TypeError, match=f"{name}: the rule for 'x'.*{words}"):
        getattr(f, register)("x")(rule)
    with pytest.raises(TypeError, match=words), pb.override(f, "x", rule):
        pass
    assert not f.rules and not f.forward


def test_help_shows_what_a_call_takes():
    shown = pydoc.render_doc(pb.conv, renderer=pydoc.plaintext)
    assert "conv(x, w, stride=1, padding=0, dilation=1, groups=1, *, bias=None)" in shown and "The convolution" in shown
    assert str(inspect.signature(pb.sin)) == "(x, /, *, out=None, where=True, dtype=None)"
    assert str(inspect.signature(pb.relu)) == "(x)" and "above 0" in pb.relu.__doc__
    made = pb.Primitive(lambda x, *rest, k: x, "made_for_help")
    _primitives.pop("made_for_help")
    assert str(inspect.signature(made)) == "(x, *rest, k)"
    with pytest.raises(AttributeError, match="'Primitive' object has no attribute 'nothing'"):
        made.nothing  # noqa: B018


def test_errors_of_registration(name):
    f = pb.primitive(lambda x, *, k: x, name=name)
    with pytest.raises(TypeError, match="no array parameter named 'k'; it has x"):
        f.vjp("k")
    with pytest.raises(TypeError, match="a rule asks for 'y'; there are out, x, k"):
        f.vjp("x")(lambda g, y: g)
    with pytest.raises(KeyError, match="no primitive named 'nothing'"):
        pb.registry["nothing"]
    with pytest.raises(TypeError):
        pb.registry[name] = f


def test_a_rule_of_the_wrong_shape_is_named(name):
    f = pb.primitive(lambda x: x * 2, name=name)
    f.vjp("x")(lambda g: np.ones(3))
    with pytest.raises(ValueError, match=rf"rule of {name}.*shape \(3,\) for an input of shape \(2,\)"):
        f(leaf([1.0, 2.0])).sum().backward()


def test_a_rule_registered_again_replaces_the_first(name):
    f = pb.primitive(lambda x: x * 2, name=name)
    for factor in (2.0, 5.0):
        f.vjp("x")(eval(f"lambda g: {factor} * g"))
        x = leaf(1.0)
        f(x).backward()
        assert x.grad.item() == factor


def test_elementwise_takes_a_table_of_rules(name):
    scaled = elementwise(lambda a, b: a * b, name=name, a=lambda g, b: g * b, b=lambda g, a: g * a)
    a, b = leaf(np.ones((2, 1))), leaf(np.full(3, 2.0))
    scaled(a, b).sum().backward()
    assert a.grad.tolist() == [[6.0], [6.0]] and b.grad.tolist() == [2.0, 2.0, 2.0]
    assert set(scaled.kinds.values()) == {"elementwise"}


def test_lists_with_tensors_in_them_are_tensors_of_the_graph():
    x, a = Tensor(1.5, requires_grad=True), Tensor([1.0, 2.0], requires_grad=True)
    (pb.multiply(a, [x, 3.0]) * (x, x)).sum().backward()  # x**2 + 6 x
    np.testing.assert_array_equal(a.grad.data, [2.25, 4.5])
    assert x.grad.item() == 2 * 1.5 + 6
    assert pb.grad(pb.grad(lambda x: pb.mean([[x**3, 1.0], [x, x * x]])))(0.5).item() == (6 * 0.5 + 2) / 4
    np.testing.assert_allclose(pb.jvp(lambda x: pb.linalg.norm([x, 2 * x]), (2.0,), (1.0,))[1].data, 5**0.5)
    slopes = pb.vmap(pb.grad(lambda x: pb.var([x, 3 * x])))(np.array([1.0, 2.0]))
    np.testing.assert_allclose(slopes.data, [2.0, 4.0])  # the variance is x**2
    mixed = pb.jvp(lambda u: pb.grad(lambda x: pb.add([x * u, x], x * u).sum())(3.0), (2.0,), (1.0,))
    assert (mixed[0].item(), mixed[1].item()) == (7, 3)  # 3 u + 1
