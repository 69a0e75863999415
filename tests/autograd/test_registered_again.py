"""A rule that takes another's place is seen by everyone, also by who took the function before."""

import traceback
from contextlib import contextmanager

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, nn, registry, vmap
from pullback.nn import functional as F

MATRIX = np.array([[1.0, 2.0], [3.0, 4.0]])


@contextmanager
def again(primitive, argument, rule):
    """Another rule, as long as this lasts."""
    before = primitive.rule(primitive.position(argument)).given[0]
    primitive.vjp(argument)(rule)
    try:
        yield
    finally:
        primitive.vjp(argument)(before)


def gradient(f, value=MATRIX):
    x = Tensor(value, requires_grad=True)
    pb.asarray(f(x)).sum().backward()
    return x.grad.numpy()


BEFORE = {name: registry[name].apply for name in ("multiply", "relu", "matmul", "concatenate")}
OPERATORS = Tensor.__mul__, Tensor.__rmul__, Tensor.__matmul__
MODULES = nn.ReLU(), nn.Sigmoid(), nn.Tanh(), nn.Linear(2, 2), nn.CrossEntropyLoss(), nn.Sequential(nn.ReLU())
CALLS = {
    "multiply a": {
        "operator": lambda x: x * 2.0,
        "operator taken before": lambda x: OPERATORS[0](x, 2.0),
        "in place": lambda x: (x + 0.0).__imul__(2.0),
        "function": lambda x: pb.multiply(x, 2.0),
        "NumPy's": lambda x: np.multiply(x, 2.0),
        "taken before": lambda x: BEFORE["multiply"](x, 2.0),
    },
    "multiply b": {
        "operator": lambda x: 2.0 * x,
        "operator taken before": lambda x: OPERATORS[1](x, 2.0),
        "function": lambda x: pb.multiply(2.0, x),
    },
    "matmul a": {
        "operator": lambda x: x @ MATRIX,
        "operator taken before": lambda x: OPERATORS[2](x, MATRIX),
        "function": lambda x: pb.matmul(x, MATRIX),
        "NumPy's": lambda x: np.matmul(x, MATRIX),
        "dot": lambda x: pb.dot(x, MATRIX),
        "taken before": lambda x: BEFORE["matmul"](x, MATRIX),
    },
    "relu x": {
        "method": lambda x: x.relu(),
        "function": pb.relu,
        "functional": F.relu,
        "module": MODULES[0],
        "in a Sequential": MODULES[5],
        "taken before": BEFORE["relu"],
    },
    "sigmoid x": {"method": lambda x: x.sigmoid(), "module": MODULES[1], "functional": F.sigmoid},
    "tanh x": {"method": lambda x: x.tanh(), "module": MODULES[2], "NumPy's": np.tanh},
    "linear x": {
        "module": lambda x: MODULES[3](x),
        "functional": lambda x: F.linear(x, MODULES[3].weight, MODULES[3].bias),
    },
    "cross_entropy x": {
        "module": lambda x: MODULES[4](x, np.array([0, 1])),
        "functional": lambda x: F.cross_entropy(x, np.array([0, 1])),
    },
}


@pytest.mark.parametrize("rule, caller", [(rule, caller) for rule, calls in CALLS.items() for caller in calls])
def test_all_callers_see_the_rule(rule, caller):
    name, argument = rule.split()
    call = CALLS[rule][caller]
    before = gradient(call)
    with again(registry[name], argument, lambda g: np.full(MATRIX.shape, 99.0)):
        assert (gradient(call) == 99).all()
    np.testing.assert_array_equal(gradient(call), before)
    assert not (before == 99).any()


def test_a_rule_that_asks_for_other_things():
    calls = [lambda x: x * 2.0, lambda x: BEFORE["multiply"](x, 2.0)]
    with again(registry["multiply"], "a", lambda g, a, out: g * a + out):
        for call in calls:
            np.testing.assert_array_equal(gradient(call), MATRIX + 2 * MATRIX)


def test_all_places_of_a_list_see_the_rule():
    call = lambda x: BEFORE["concatenate"](x, x, x, axis=0)  # noqa: E731
    assert (gradient(call) == 3).all()
    with again(registry["concatenate"], registry["concatenate"].variadic, lambda g, position: g[:2] * 0 + 10**position):
        assert (gradient(call) == 111).all()
    assert (gradient(call) == 3).all()


@pytest.mark.parametrize("pooled", [False, True])
def test_what_is_done_in_one_pass_sees_the_rules_of_its_parts(pooled):
    x = np.arange(1.0, 17.0, dtype=np.float32).reshape(1, 1, 4, 4)
    net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), *[nn.MaxPool2d(2)] * pooled)
    net[0].weight.data[...] = 2.0
    chosen = np.isin(x, [6, 8, 14, 16]) if pooled else np.ones_like(x)
    np.testing.assert_array_equal(gradient(net, x), 2 * chosen)
    with again(pb.relu, "x", lambda g, x: g * x):  # of 2 x: the convolution's result
        np.testing.assert_array_equal(gradient(net, x), 2 * chosen * (2 * x))
    with again(registry["conv"], "x", lambda g, out: g * out):
        np.testing.assert_array_equal(gradient(net, x), chosen * (2 * x))
    with again(registry["max_pool"], "x", lambda g, x: 3 * x):
        np.testing.assert_array_equal(gradient(net, x), 2 * 3 * (2 * x) if pooled else 2 * chosen)
    np.testing.assert_array_equal(gradient(net, x), 2 * chosen)


def test_forward_and_batching_rules(planted):
    @planted(name="twice_registered")
    def f(x):
        return 2 * x

    f.vjp("x")(lambda g: 2 * g)
    apply, x = f.apply, Tensor([1.0, 2.0])
    f.jvp("x")(lambda t: 3 * t)
    assert pb.jvp(apply, (x,), (x,))[1].tolist() == [3, 6]
    f.jvp("x")(lambda t: 5 * t)
    assert pb.jvp(apply, (x,), (x,))[1].tolist() == [5, 10]
    assert f.batching.__name__ == "looped"
    f.vjp("x", "elementwise")(lambda g: 2 * g)
    assert f.kind(0) == "elementwise" and f.batching.__name__ == "pointwise"
    f.vjp("x")(lambda g: 2 * g)
    assert f.kind(0) == "elementwise"  # as nothing else was said
    assert vmap(apply)(x).tolist() == [2, 4]
    f.batch(lambda call, n, values, batched: (values[0] * 7,))
    assert vmap(apply)(x).tolist() == [7, 14]


def test_views(planted):
    @planted(name="tail_registered")
    def tail(x):
        return x[1:]

    tail.vjp("x")(lambda g: pb.concatenate([np.zeros(1), g]))
    apply, x = tail.apply, Tensor([1.0, 2.0])
    assert apply(x)._view is None
    tail.view(lambda x, value: pb.concatenate([x[:1], value]))
    view = apply(x)
    view += 5.0
    assert x.tolist() == [1, 7]


def test_a_call_under_way_goes_on_with_the_rule_that_it_began_with(planted):
    @planted(name="meanwhile")
    def f(x):
        if x == 3:
            f.vjp("x")(lambda g: 5 * g)
        return x * 1

    f.vjp("x")(lambda g, x, out: g * x * out)
    assert gradient(f.apply, 3.0) == 9
    assert gradient(f.apply, 2.0) == 5


def test_tracebacks_show_the_code_of_a_call(planted):
    @planted(name="raises")
    def f(x):
        raise ZeroDivisionError

    for _ in range(2):
        f.vjp("x")(lambda g, x: g)
        with pytest.raises(ZeroDivisionError) as raised:
            f.apply(Tensor(1.0))
        shown = [frame for frame in traceback.extract_tb(raised.tb) if frame.filename == "<pullback raises.apply>"]
        assert [frame.line for frame in shown] == ["out = _function(x)"]


def test_tracebacks_show_what_a_rule_saves(planted):
    f = planted(lambda x: 1 * x, name="sparing")
    f.vjp("x")(lambda g, x: g)
    with pytest.raises(TypeError) as raised:
        f.rule(0).save()
    assert f.rule(0).save.__code__.co_filename == "<pullback sparing.save(x,)>" and "missing" in str(raised.value)
