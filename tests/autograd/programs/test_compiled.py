"""Compiled functions beside the same functions as they run eagerly."""

import re
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import pullback as pb
from pullback import Tensor, compile, grad, jacfwd, jvp, nn, override, registry, value_and_grad, vmap
from pullback.autograd.core.pytrees import flatten
from pullback.autograd.programs.trace import TracedValueError
from pullback.autograd.testing.check import refuses
from pullback.testing import strategies

QUICK = settings(max_examples=10, derandomize=True, database=None, deadline=None, phases=[Phase.generate])
THOROUGH = settings(max_examples=400, database=None, deadline=None, suppress_health_check=list(HealthCheck))

ASK = ("beta", "eigh", "expm", "logm", "qr", "sqrtm", "svd")  # their rules ask for numbers, on which they go on


def same(actual, expected, scale=0.0):
    """Whether nests of results are the same: to the bit, or within some units in the last place of the largest."""
    left, right = flatten(actual)[0], flatten(expected)[0]
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        a, b = np.asarray(getattr(a, "data", a)), np.asarray(getattr(b, "data", b))
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        if scale and a.dtype.kind in "fc":
            room = scale * np.finfo(a.dtype).eps * np.max(np.abs(b[np.isfinite(b)]), initial=1)
            np.testing.assert_allclose(a, b, rtol=0, atol=room)
        else:
            np.testing.assert_array_equal(a, b)


def summed(f):
    return lambda *args: sum((out * out).sum() for out in flatten(f(*args))[0] if out.dtype.kind == "f")


@pytest.mark.parametrize("name", registry)
@pytest.mark.filterwarnings("ignore")
def test_every_primitive(name):
    @settings(QUICK, max_examples=2, suppress_health_check=list(HealthCheck))
    @given(strategies.arguments(registry[name]))
    def examples(drawn):
        arrays, options = drawn
        if refuses(registry[name], *drawn):
            return
        f = lambda *xs: registry[name].bind(*xs, **options)[0]  # noqa: E731
        tensors = [Tensor(x) if isinstance(x, np.ndarray) else x for x in arrays]
        same(compile(f)(*tensors), f(*tensors))
        rules = registry[name].rules
        real = tuple(i for i, x in enumerate(tensors) if i in rules and isinstance(x, Tensor) and x.dtype.kind == "f")
        if not real or any(out.dtype.kind != "f" for out in flatten(f(*tensors))[0]):
            return
        both = value_and_grad(summed(f), real)
        try:
            same(compile(both)(*tensors), both(*tensors), 1e3)
        except TracedValueError:
            assert name in ASK

    examples()


def test_numbers_that_change_the_form_of_a_result():
    f = compile(grad(lambda x: pb.prod(x)))
    small, large = Tensor([1e200, 1e-200, 2.0]), Tensor([1e150, 1e100, 1e-200, 1.0])
    same(f(small), grad(pb.prod)(small), 10)
    g = compile(grad(lambda x: (pb.cumprod(x) * 1.0)[-1]))
    g(pb.ones(4))
    with pytest.raises(RuntimeError, match="goes on otherwise for these numbers"):
        g(large)
    h = compile(grad(lambda x: (pb.cumprod(x) * 1.0)[-1]))
    h(large)
    with pytest.raises(RuntimeError, match="goes on otherwise for these numbers"):
        h(pb.ones(4))


TRANSFORMS = {
    "itself": lambda f: f,
    "value_and_grad": lambda f: value_and_grad(f, 0),
    "grad of grad": lambda f: grad(lambda *xs: (grad(f, 0)(*xs) ** 2).sum(), 0),
    "jvp": lambda f: lambda *xs: jvp(f, xs, tuple(pb.cos(x) for x in xs)),
    "jacfwd of grad": lambda f: jacfwd(grad(f, 0), 0),
    "vmap": lambda f: lambda *xs: vmap(f)(*(pb.stack([x, pb.sin(x)]) for x in xs)),
    "vmap of grad": lambda f: lambda *xs: vmap(grad(f, 0))(*(pb.stack([x, pb.sin(x)]) for x in xs)),
    "checkpoint": lambda f: lambda *xs: value_and_grad(lambda *ys: pb.checkpoint(f)(*ys), 0)(*xs),
}


def stacked(program, inner, outer):
    """A transform of the compiled transform of a random function, beside that without compilation."""

    def scalar(*xs):
        return (program(*xs) * 1.0).sum()

    def loss(f):
        return lambda *xs: sum((out * 1.0).sum() for out in flatten(f(*xs))[0])

    plain = TRANSFORMS[outer](loss(TRANSFORMS[inner](scalar)))
    through = TRANSFORMS[outer](loss(compile(TRANSFORMS[inner](scalar))))
    arguments = tuple(Tensor(x) for x in program.arguments)
    expected = plain(*arguments)
    for f in (through, compile(plain), compile(through)):
        same(f(*arguments), expected, 1e4)


@settings(QUICK, max_examples=15, suppress_health_check=list(HealthCheck))
@given(strategies.programs(), st.sampled_from(sorted(TRANSFORMS)), st.sampled_from(sorted(TRANSFORMS)))
@pytest.mark.filterwarnings("ignore")
def test_random_stacks_of_transforms(program, inner, outer):
    stacked(program, inner, outer)


@pytest.mark.thorough
@settings(THOROUGH, max_examples=2000)
@given(strategies.programs(), st.sampled_from(sorted(TRANSFORMS)), st.sampled_from(sorted(TRANSFORMS)))
@pytest.mark.filterwarnings("ignore")
def test_random_stacks_of_transforms_thoroughly(program, inner, outer):
    stacked(program, inner, outer)


def test_one_program_for_each_kind_of_arguments():
    calls = []

    @compile
    def f(x, n=1, *, names=()):
        calls.append(n)
        return x * n

    f(pb.ones(3)), f(pb.zeros(3)), f(np.ones(3)), f([1.0, 2.0, 3.0])
    assert calls == [1]
    f(pb.ones(4)), f(pb.ones(3, dtype="float32")), f(pb.ones(3), 2), f(pb.ones(3), 2.0), f(pb.ones(3), names=("a",))
    assert calls == [1, 1, 1, 2, 2.0, 1]
    f(pb.ones(3), -0.0), f(pb.ones(3), 0.0), f(pb.ones(3), 0), f(pb.ones(3), False)
    assert len(calls) == 10 and len(f.programs) == 10
    with pb.default_dtype("float32"):
        f(pb.ones(3, dtype="float64"))
    assert len(calls) == 11


def test_tensors_from_outside_are_read_anew():
    w = Tensor([1.0, 2.0], requires_grad=True)
    f = compile(lambda x: (w * x).sum())
    with pb.no_grad():
        assert f([1.0, 1.0]).item() == 3
        w += 1
        assert f([1.0, 1.0]).item() == 5
    f([3.0, 4.0]).backward()
    np.testing.assert_array_equal(w.grad.data, [3, 4])
    w.requires_grad = False
    w.data = [5.0, 5.0]
    assert f([1.0, 1.0]).item() == 10
    w.data = [5.0]
    assert f([1.0, 1.0]).item() == 10 and len(f.programs) == 4


def test_constants_are_those_of_the_first_call():
    outside = np.array([1.0, 2.0])
    f = compile(lambda x: x * outside)
    f([1.0, 1.0])
    outside[0] = 100
    np.testing.assert_array_equal(f([1.0, 1.0]).data, [1, 2])


def test_results_share_no_memory():
    w = pb.arange(6.0).reshape(2, 3)
    f = compile(lambda x: (x, x.T, x[0], w, w.T, np.arange(3.0), (x + 1).T))
    x = pb.ones((2, 3))
    first = f(x)
    for out in first:
        out += 1
    np.testing.assert_array_equal(x.data, np.ones((2, 3)))
    np.testing.assert_array_equal(w.data, np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(f(x)[5].data, [0, 1, 2])


def test_writes_inside_stay_inside():
    def f(x):
        y = x * 1
        y[0] = 5.0
        y[1:] *= 2
        z = y[::2]
        z += 1
        return y, x.sum()

    x = pb.ones(4)
    same(compile(f)(x), f(pb.ones(4)))
    np.testing.assert_array_equal(x.data, np.ones(4))


def test_an_override_runs_the_function_itself():
    f = compile(value_and_grad(lambda x: pb.relu(x).sum()))
    x = Tensor([-1.0, 2.0])
    f(x)
    with override(pb.relu, "x", lambda g: 7 * g):
        np.testing.assert_array_equal(f(x)[1].data, [7, 7])
    np.testing.assert_array_equal(f(x)[1].data, [0, 1])


def test_observers_see_each_operation():
    f = compile(lambda x: pb.log(x) * 2)
    f([1.0])
    with pytest.raises(Exception, match="log"), pb.detect_anomaly():
        f(Tensor([-1.0], requires_grad=True)).sum().backward()
    with pb.profile() as profile:
        f([1.0])
    assert "log" in str(profile) and "multiply" in str(profile)


def test_random_numbers_are_drawn_anew():
    f = compile(lambda x: nn.functional.dropout(x, 0.5) + pb.random.normal(size=(8,)))
    x = pb.ones(8)
    pb.manual_seed(3)
    actual = [f(x).numpy() for _ in range(3)]
    pb.manual_seed(3)
    g = lambda x: nn.functional.dropout(x, 0.5) + pb.random.normal(size=(8,))  # noqa: E731
    expected = [g(x).numpy() for _ in range(3)]
    np.testing.assert_array_equal(actual, expected)
    assert (actual[0] != actual[1]).any()


def test_threads_share_a_compiled_function():
    calls, results = [], []

    @compile
    def f(x):
        calls.append(1)
        return (pb.sin(x) ** 2).sum()

    def run(k):
        results.append((k, [f(np.full(100, float(k))).item() for _ in range(50)]))

    threads = [threading.Thread(target=run, args=(k,)) for k in range(8)]
    [t.start() for t in threads], [t.join() for t in threads]
    assert len(calls) == 1 and len(results) == 8
    for k, values in results:
        np.testing.assert_allclose(values, 100 * np.sin(k) ** 2, rtol=1e-14)


def test_a_training_step_of_a_model():
    pb.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 3))
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((32, 5)).astype("f4"), rng.integers(0, 3, 32)

    def loss(parameters, x, y):
        return nn.functional.cross_entropy(nn.functional_call(model, parameters, (x,)), y)

    def step(parameters, x, y):
        value, gradients = value_and_grad(loss)(parameters, x, y)
        return value, {name: p - 0.1 * gradients[name] for name, p in parameters.items()}

    compiled, other = compile(step), parameters
    for _ in range(20):
        value, parameters = compiled(parameters, x, y)
        expected, other = step(other, x, y)
        same((value, parameters), (expected, other), 1e2)
    assert len(compiled.programs) == 1


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x if x.sum() > 0 else -x,
        lambda x: x * float(x[0]),
        lambda x: x.item(0),
        lambda x: x.numpy(),
        lambda x: np.array_equal(x, x),
        lambda x: [1.0][int(x[0])],
        lambda x: np.asarray(x),
        lambda x: x.data,
        lambda x: pb.zeros(3)[x.astype(int)[0] :],
    ],
)
def test_a_number_that_is_asked_for(f):
    with pytest.raises(TracedValueError, match=r"test_compiled.py:\d+ asks .*where\(\)"):
        compile(f)(Tensor([1.0, 2.0]))


def test_a_shape_that_depends_on_numbers():
    for f in (compile(lambda x: pb.nonzero(x)[0]), compile(lambda x: x[x > 0])):
        f([1.0, 0.0]), f([0.0, 3.0])
        with pytest.raises(RuntimeError, match=r"nonzero gave shape \(2,\), and \(1,\) when"):
            f([1.0, 2.0])
        with pytest.raises(RuntimeError, match=r"nonzero gave shape \(2,\), and \(1,\) when"), pb.profile():
            f([1.0, 2.0])


class Holder:
    """What holds something."""

    def __init__(self):
        self.held = Tensor([0.0])


def leaking(x):
    HOLDER.held = HOLDER.held + x
    return x


def into_an_argument(x):
    x += 1
    return x


def into_an_array(x):
    np.ones(2).__iadd__(x)


def by_backward(x):
    x.requires_grad_()
    (x * x).sum().backward()
    return x.grad


def to_what_an_operation_made(x):
    (x * LEAF_TWICE).sum().backward()


def with_views(x):
    PART[...] = x[:1]
    return x


def into_a_graph(x):
    target = Holder.written
    target += x * LEAF


HOLDER, LEAF, BASE = Holder(), Tensor([1.0, 2.0], requires_grad=True), Tensor([1.0, 2.0])
LEAF_TWICE, PART, Holder.written = LEAF * 2, BASE[:1], Tensor([0.0, 0.0])


@pytest.mark.parametrize(
    ("f", "said"),
    [
        (leaking, r"something outside .* still holds the float64\[2\] of test_compiled.py:\d+"),
        (into_an_argument, "writes into an argument"),
        (by_backward, "sets the gradient or the graph of an argument"),
        (to_what_an_operation_made, "comes to a tensor .* that an operation outside made"),
        (with_views, "has views or is one"),
        (into_a_graph, "gives a tensor .* from outside a graph of its own"),
        (lambda x: x + np.random.normal(), "draws random numbers from numpy.random"),  # noqa: NPY002
        (lambda x: setattr(BASE, "data", np.zeros(3)), "assigns data of another shape"),
        (lambda x: (LEAF * LEAF * x).sum().backward(create_graph=True), "create_graph=True"),
    ],
)
def test_what_a_program_cannot_do_outside(f, said):
    HOLDER.held = Tensor([0.0])
    for g in (compile(f), pb.program(f)):
        with pytest.raises(TracedValueError, match=said):
            g(Tensor([1.0, 2.0]))
    np.testing.assert_array_equal(BASE.data, [1, 2])
    assert LEAF.grad is None


def test_running_eagerly_where_no_program_can_be_written_down():
    f = compile(lambda x: x if x.sum() > 0 else -x, fallback=True)
    for x in (1.0, -2.0, 3.0):
        assert f(Tensor([x])).item() == abs(x)
    g = compile(lambda x: x * LEAF, fallback=True)
    np.testing.assert_array_equal(g(Tensor([2.0, 3.0])).data, [2, 6])
    assert re.fullmatch(
        r"compile\(<lambda>\): 1 kinds of calls\n  for float64\[1\]: runs eagerly, since <lambda>: "
        r"test_compiled.py:\d+ asks for the number of bool\[\], .*",
        f.explain(),
    )
    assert "1 operations (1 before the passes), which look at 1 Tensors" in g.explain()


def test_what_is_made_of_a_compiled_function():
    square = compile(lambda x: x**2)
    for f in (compile(grad(square)), compile(compile(grad(square))), grad(compile(compile(square)))):
        assert f(Tensor(3.0)).item() == 6
    assert square(Tensor(3.0)).item() == 9


def test_a_compiled_function_that_calls_itself():
    @compile
    def power(x, n):
        return x if n == 1 else x * power(x, n - 1)

    assert power([3.0], 4).item() == 81
    assert grad(lambda x: power(x, 4).sum())(Tensor([3.0])).item() == 4 * 27


def test_what_it_is_given():
    with pytest.raises(TypeError, match="compile: expected a function, not a Tensor"):
        compile(Tensor(1.0))
    assert repr(compile(test_what_it_is_given)) == "compile(test_what_it_is_given)"
    with pytest.raises(ZeroDivisionError):
        compile(lambda x: 1 / 0)([1.0])


def test_methods_and_options_as_a_decorator():
    """A method sees its own instance, and what that holds by then."""

    class Line:
        def __init__(self, slope):
            self.slope = slope

        @compile
        def at(self, x):
            return self.slope * x

        @compile(fallback=True)
        def bent(self, x):
            return self.slope * x if x.sum() > 0 else -x

    one, other = Line(2.0), Line(5.0)
    assert one.at(Tensor([1.0])).item() == 2 and other.at(Tensor([1.0])).item() == 5
    one.slope = 3.0
    assert one.at(Tensor([1.0])).item() == 3 and grad(lambda x: one.at(x).sum())(Tensor([1.0])).item() == 3
    assert other.bent(Tensor([2.0])).item() == 10 and other.bent(Tensor([-2.0])).item() == 2
