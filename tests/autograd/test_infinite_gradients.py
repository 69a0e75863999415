"""Gradients beside infinite and NaN entries: an entry that a result does not reach spoils none of its derivatives.

An entry of the result that is the same number whatever one entry of the arguments is does not depend on that entry, and
nor do its derivatives: they are the same beside inf, -inf or NaN as beside finite numbers, in forward mode and
backwards. (Those beside finite numbers are what test_numpy_table.py and test_registry.py hold to differences.) Backward
passes have one exception, as in PyTorch and JAX: a gradient is a sum over all entries of the result, and where the
derivative of one is not finite, its cotangent of 0 times it is NaN. docs/numpy.md says so.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings

import pullback as pb
from pullback import Tensor, registry
from pullback.autograd.testing.check import Case, refuses
from pullback.testing import strategies
from pullback.tests.helpers.calls import flattened, qualified
from pullback.tests.helpers.numpy_calls import CALLS

INF, NAN = np.inf, np.nan
FINITE = {INF: (1000.31, 3.1e5 + 0.17), -INF: (-1000.31, -3.1e5 - 0.17), NAN: (1000.31, -3100.57, 0.37)}
KINDS = (ValueError, TypeError, ArithmeticError, IndexError, np.linalg.LinAlgError)
# Left out of the sweeps, and why
LEFT_OUT = {
    "LAPACK never comes back from some matrices with an infinity; see the stacks below": (
        "cond eig eigh eigvals eigvalsh lstsq matrix_norm norm pinv svd svdvals polyfit roots"
    ),
    "rules divide by the whole matrix of which some entries of the result are not spoilt": (
        "cholesky qr matrix_power expm"
    ),
    "logarithms of the ends, of which NumPy's own values are NaN": "geomspace",
    "derivatives by the parameter take time and memory that grow with the argument": (
        "gammainc gammaincc iv iv_over jv jv_over kv yv"
    ),
}  # fmt: skip
WITHOUT = {name for names in LEFT_OUT.values() for name in names.split()}
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def row(arrays):
    """All the numbers in arrays or Tensors, as complex ones in a row."""
    arrays = [np.asarray(a.numpy() if isinstance(a, Tensor) else a) for a in arrays]
    return np.concatenate([np.zeros(0), *(a.ravel().astype(complex) for a in arrays)])


def pushed(f, arrays, rows=slice(None)):
    """The derivatives of numbers in the result, a column for each of the arguments, in forward mode."""

    def outputs(*inputs):
        return [out if isinstance(out, Tensor) else Tensor(np.asarray(out, float)) for out in flattened(f(*inputs))]

    columns = []
    for j, a in enumerate(arrays):
        for i in range(a.size):
            tangents = [np.zeros_like(b) for b in arrays]
            tangents[j].flat[i] = 1
            columns.append(row(pb.jvp(outputs, arrays, tangents)[1]))
    return np.stack(columns, 1)[rows]


def pulled(f, arrays, rows):
    """The same by backward passes, one for each of the rows; gradients of the real part where a number is complex."""
    inputs = [Tensor(a, requires_grad=True) for a in arrays]
    entries = [(out, k) for out in flattened(f(*inputs)) for k in range(np.size(out))]
    found = []
    for out, k in (entries[r] for r in rows):
        for x in inputs:
            x.grad = None
        if isinstance(out, Tensor) and out.requires_grad:
            unit = np.zeros(out.shape, out.dtype)
            unit.flat[k] = 1
            out.backward(unit, retain_graph=True)
        found.append(row(np.zeros(x.shape) if x.grad is None else x.grad for x in inputs))
    return np.array(found)


def values(f, arrays):
    """All the numbers in the result; None where there is none."""
    try:
        return row(flattened(f(*arrays)))
    except KINDS:
        return None


def spoilt(f, known, arrays, j, i, value):
    """The modes whose derivatives are not as beside finite numbers, where entry i of argument j is `value`.

    `f` is for Tensors, and `known` gives its values.
    """

    def beside(number):
        return [np.where(np.arange(a.size).reshape(a.shape) == i, number, a) if k == j else a
                for k, a in enumerate(arrays)]  # fmt: skip

    results = [values(known, beside(number)) for number in (value, *FINITE[value])]
    if any(x is None or np.shape(x) != np.shape(results[0]) for x in results):
        return []
    same = np.isfinite(results[0]) & np.all([x == results[0] for x in results], 0)
    if not same.any():
        return []
    tangents, wrong, rows = pushed(f, beside(value)), [], np.flatnonzero(same)
    finite = np.isfinite(tangents).all(0)
    for mode in (pushed, pulled):
        found, first, *more = (mode(f, beside(number), rows) for number in (value, *FINITE[value]))
        steady = np.all([np.isclose(x, first, 1e-9, 1e-9).all(1) for x in (first, *more)], 0)
        compared = np.ix_(steady, finite if mode is pulled else finite | True)
        if not np.allclose(found[compared], first[compared], 1e-9, 1e-9):
            wrong.append(mode.__name__)
    return wrong


def places(arrays, rng, every):
    """Entries of arguments and what may be there: all, or one of them."""
    found = [(j, i, value) for j, a in enumerate(arrays) for i in range(a.size) for value in FINITE]
    return found if every or not found else [found[rng.integers(len(found))]]


@pytest.mark.parametrize("thorough", [False, pytest.param(True, marks=pytest.mark.thorough)])
def test_every_function_of_numpys(thorough):
    rng, wrong = np.random.default_rng(2), {}
    for name in CALLS:
        if not qualified(name) or name.rpartition(".")[2] in WITHOUT:
            continue
        for number, call in enumerate(CALLS[name]):

            def f(*inputs, call=call, name=name):
                return call(qualified(name), **dict(zip(call.arrays, inputs, strict=True)))

            arrays = [x.astype(np.result_type(x, float)) for x in call.arrays.values()]
            for place in places(arrays, rng, thorough):
                modes = spoilt(f, f, arrays, *place)
                if modes:
                    wrong.setdefault(name, []).append((number, *place, *modes))
    assert not wrong, wrong


@pytest.mark.thorough
@pytest.mark.parametrize("name", sorted(set(registry) - WITHOUT))
def test_every_primitive(name):
    @settings(max_examples=5, derandomize=True, database=None, deadline=None,
              suppress_health_check=list(HealthCheck), phases=[Phase.generate])  # fmt: skip
    @given(strategies.arguments(registry[name]))
    def examples(drawn):
        assume(sum(np.size(x) for x in drawn[0]) <= 40)
        assume(not refuses(registry[name], *drawn))
        case = Case(registry[name], *drawn)
        assume(case.out.size <= 40)
        arrays = [case.arrays[i].astype(np.result_type(case.arrays[i], float)) for i in case.asked]
        f = lambda *inputs: case.run(case.given(case.arrays, inputs))  # noqa: E731
        for place in places(arrays, np.random.default_rng(1), False):
            assert not spoilt(f, lambda *inputs: f(*map(Tensor, inputs)), arrays, *place), place

    examples()


SQUARE = np.array([[2.0, 0.5], [0.25, 3.0]])
OF_STACKS = {
    **{name: getattr(pb.linalg, name) for name in ("det", "eigvalsh", "inv", "pinv", "svdvals")},
    **{name: getattr(pb.linalg, name) for name in ("expm", "logm", "sqrtm", "cond")},
    "slogdet": lambda a: pb.linalg.slogdet(a)[1],
    "svd": lambda a: pb.linalg.svd(a)[0],
    "qr": lambda a: pb.linalg.qr(a)[1],
    "cholesky": lambda a: pb.linalg.cholesky(a @ a.mT),
    "lstsq": lambda a: pb.linalg.lstsq(a, np.ones((2, 2)))[0],
    "solve": lambda a: pb.linalg.solve(a, np.ones((2, 1))),
    "solve_sylvester": lambda a: pb.linalg.solve_sylvester(a, SQUARE, np.eye(2)),
    "lu": lambda a: pb.linalg.lu(a)[2],
    **{f"triangle {low}, {trans}": lambda a, low=low, trans=trans: pb.linalg.solve_triangular(a, SQUARE, trans, low)
       for low in (False, True) for trans in "NT"},
    **{f"norm {p}": lambda a, p=p: pb.linalg.matrix_norm(a, ord=p) for p in ("fro", "nuc", 1, -1, 2, -2, INF, -INF)},
    **{f"power {n}": lambda a, n=n: pb.linalg.matrix_power(a, n) for n in (3, -2)},
}  # fmt: skip


@pytest.mark.parametrize("value", [INF, -INF, NAN])
@pytest.mark.parametrize("name", OF_STACKS)
def test_the_other_matrix_of_a_stack(name, value):
    """Its value and derivatives are those it has alone; an error, NumPy's or SciPy's, says that the stack has none."""
    f = OF_STACKS[name]
    for i in range(4):
        beside = np.array([[3.0, 0.5], [0.75, 1.0]])
        beside.flat[i] = value
        stack, direction = np.stack([beside, SQUARE]), np.stack([np.zeros((2, 2)), np.ones((2, 2))])
        x, alone = Tensor(stack, requires_grad=True), Tensor(SQUARE, requires_grad=True)
        try:
            out = f(x)
        except (np.linalg.LinAlgError, ValueError):
            continue
        expected = f(alone)
        np.testing.assert_allclose(out[1].numpy(), expected.numpy(), rtol=1e-12)
        out[1].sum().backward()
        expected.sum().backward()
        np.testing.assert_allclose(x.grad.numpy()[1], alone.grad.numpy(), rtol=1e-10, atol=1e-13)
        tangent = pb.jvp(f, (stack,), (direction,))[1][1]
        np.testing.assert_allclose(tangent.numpy(), pb.jvp(f, (SQUARE,), (direction[1],))[1].numpy(), 1e-10, 1e-13)


@pytest.mark.parametrize("f", [pb.linalg.logm, pb.linalg.sqrtm])
def test_functions_of_matrices_with_an_infinity_are_nan(f):
    """SciPy's logarithm never comes back from the triangular ones (a timeout would be the failure)."""
    for a in ([[1.0, INF], [0.0, 2.0]], [[INF, 1.0], [0.0, 2.0]], [[1.0, NAN], [0.5, 2.0]]):
        assert np.isnan(f(Tensor(a)).numpy()).all()


@pytest.mark.parametrize("name", ["gammainc", "jv", "iv", "kv"])
def test_derivatives_by_a_parameter_beside_an_infinity(name):
    """The entry beside it has the derivative that it has alone."""
    f = getattr(pb.special, name)
    for a, x in (([2.0, INF], [0.5, 0.7]), ([2.0, 3.0], [0.5, INF])):
        inputs, alone = Tensor(a, requires_grad=True), Tensor(a[:1], requires_grad=True)
        f(inputs, np.array(x))[0].backward()
        f(alone, np.array(x[:1]))[0].backward()
        np.testing.assert_allclose(inputs.grad.numpy()[0], alone.grad.numpy()[0], rtol=1e-9)


def test_a_convolution_keeps_apart_what_its_mode_leaves_out():
    """Only a sum that is left out has the infinite entry times the first, or the last, of the other sequence."""
    for f, x in ((np.convolve, [1.0, INF, 3.0, 4.0]), (np.correlate, [4.0, 3.0, INF, 1.0])):
        v = Tensor([2.0, 0.5, 1.0], requires_grad=True)
        f(Tensor(x), v, "valid").backward(np.array([1.0, 10.0]))
        assert v.grad.numpy().tolist() == ([43, INF, INF] if f is np.convolve else [34, INF, INF])


def test_what_the_sweep_has_found():
    x, y = Tensor([INF, 1.0, -INF], requires_grad=True), Tensor([0.5, INF, 3.0], requires_grad=True)
    np.arctan2(y, x).sum().backward()  # x / (x * x + y * y)
    assert not x.grad.numpy().any() and not y.grad.numpy().any()
    q = Tensor([0.25, 0.5], requires_grad=True)
    np.quantile(Tensor([[NAN, 1.0, 2.0], [1.0, 3.0, 7.0]]), q, axis=1)[:, 1].sum().backward()
    np.testing.assert_allclose(q.grad.numpy(), [4, 8])  # 2 places from 1 to 3 to 7, the upper slope at a kink
    counted = Tensor([NAN, 2.0], requires_grad=True)
    np.linalg.norm(counted, 0).backward()
    assert counted.grad.numpy().tolist() == [0, 0]
    tangent = pb.jvp(lambda v: np.vander(v, 2), ([NAN, 2.0],), ([1.0, 1.0],))[1]
    assert tangent.numpy().tolist() == [[1, 0], [1, 0]]


PLACES = np.array([[INF, -INF], [0.3, -1.7]])
STEPS = {
    **{f.__name__: f for f in (np.sign, np.floor, np.ceil, np.trunc, np.rint, np.round, np.fix, np.angle)},
    "floor_divide, dividend": lambda x: np.floor_divide(x, 0.7),
    "floor_divide, divisor": lambda x: np.floor_divide(0.7, x),
    "divmod": lambda x: np.divmod(x, 0.7)[0],
    "modf": lambda x: np.modf(x)[1],
    "heaviside": lambda x: np.heaviside(x, 0.5),
    "copysign": lambda x: np.copysign(2.0, x),
    "nextafter": lambda x: np.nextafter(2.0, x),
    "norm 0": lambda x: np.linalg.norm(x, 0, axis=0),
    "slogdet": lambda x: np.linalg.slogdet(x)[0],
    "slogdet of a stack": lambda x: np.linalg.slogdet(np.stack([x, np.eye(2)]))[0],
}


@pytest.mark.parametrize("number", [1.0, INF, NAN])
@pytest.mark.parametrize("name", STEPS)
def test_what_is_locally_constant_has_the_derivative_0(name, number):
    """Also of an infinite argument, and times a cotangent or a tangent that is not finite."""
    f, x = STEPS[name], Tensor(PLACES, requires_grad=True)
    out = f(x)
    out.backward(np.full(out.shape, number))
    assert not x.grad.numpy().any()
    assert not pb.jvp(f, (PLACES,), (np.full(PLACES.shape, number),))[1].numpy().any()


def test_phases_have_derivatives():
    """Of determinants of complex matrices: i / 2 for the phase 1 and for z = r e^(it) at the inverse of 2i."""
    a = np.array([[2.0 + 0j, 0.0], [0.0, 1.0]])
    direction = np.array([[1j, 0.0], [0.0, 0.0]])
    sign, log = pb.jvp(lambda a: tuple(np.linalg.slogdet(a)), (a,), (direction,))[1]
    assert (sign.item(), log.item()) == (0.5j, 0)
