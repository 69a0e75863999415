"""Entries that are infinite or NaN spoil nothing that they do not reach, neither values nor gradients."""

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor
from pullback.tests.helpers.calls import flattened, qualified
from pullback.tests.helpers.numpy_calls import CALLS

INF, NAN = np.inf, np.nan
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.mark.parametrize("value", [INF, -INF, NAN])
@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("f", [
    np.gradient,
    lambda x: np.gradient(x, edge_order=2),
    lambda x: np.gradient(x, np.array([0.0, 1.0, 3.0, 4.0, 6.0])),
    lambda x: np.gradient(x, np.array([0.0, 1.0, 3.0, 4.0, 6.0]), edge_order=2),
    *(lambda x, m=m: np.convolve(x, [1.0, 2.0, 3.0], m) for m in ("full", "same", "valid")),
    *(lambda x, m=m: np.convolve(np.arange(1.0, 8.0), x, m) for m in ("full", "same", "valid")),
    *(lambda x, m=m: np.correlate(np.arange(1.0, 8.0), x, m) for m in ("full", "same", "valid")),
    *(lambda x, p=p: np.linalg.norm(x, p) for p in (0, 1, 2, 3, INF, -INF)),
])  # fmt: skip
def test_values_are_numpys(f, place, value):
    x = np.array([1.0, 2.0, 4.0, 7.0, 3.0])
    x[place] = value
    np.testing.assert_allclose(f(Tensor(x)).numpy(), f(x), rtol=1e-13)


@pytest.mark.parametrize("xp, fp", [
    ([0, 1, 2], [0, INF, 2]), ([0, 1, 2], [INF, 1, 2]), ([0, 1, 2], [0, 1, INF]), ([0, 1, INF], [0, 1, 2]),
    ([-INF, 1, 2], [0, 1, 2]), ([0, 1, 2], [NAN, 1, 2]),
])  # fmt: skip
def test_interpolation_beside_infinite_points(xp, fp):
    x = np.array([-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, INF, -INF])
    np.testing.assert_allclose(np.interp(Tensor(x), xp, fp).numpy(), np.interp(x, xp, fp))
    places, values = Tensor(x[[1, 3]]), Tensor(np.array(fp, float))
    if xp == [0, 1, 2]:  # at a point its value alone counts
        for i in (0, 1):
            slope = pb.grad(lambda v, i=i: np.interp(places, np.array(xp, float), v)[i])(values)
            assert slope.numpy().tolist() == [i == 0, i == 1, 0]


def test_order_statistics_beside_infinities():
    """The middle one of three is itself, whatever the others are."""
    for f in (np.median, np.nanmedian, lambda a: np.quantile(a, 0.5), lambda a: np.nanquantile(a, 0.5)):
        for values in ([INF, 1.0, 2.0], [-INF, 2.0, INF], [-INF, 2.0, 3.0]):
            x = Tensor(values, requires_grad=True)
            out = f(x)
            out.backward()
            assert out.item() == 2 and x.grad.numpy().tolist() == [v == 2 for v in values]
    assert np.quantile(Tensor([-INF, 1.0, 2.0]), [0.0, 0.25, 0.5, 1.0]).numpy().tolist() == [-INF, -INF, 1, 2]
    assert np.quantile(Tensor([1.0, 2.0, INF]), [0.0, 0.5, 0.75, 1.0]).numpy().tolist() == [1, 2, INF, INF]


def test_a_gradient_that_another_ones_infinity_does_not_reach():
    x = Tensor([INF, 2.0, 4.0, 7.0, 3.0])
    slopes = pb.jacobian(np.gradient)(x).numpy()
    np.testing.assert_allclose(slopes[2], [0, -0.5, 0, 0.5, 0])


@pytest.mark.parametrize("value", [INF, NAN])
def test_sequences_end_where_they_end(value):
    for f in (np.linspace, np.geomspace):
        assert f(Tensor(value), 2.0, 4).numpy()[-1] == 2
    assert np.logspace(Tensor(value), 2.0, 4).numpy()[-1] == 100


# What is made of singular values: LAPACK never comes back from some of these matrices (a timeout would be the failure)
@pytest.mark.parametrize("value", [INF, -INF])
@pytest.mark.parametrize("place", [0, 4, 7])
@pytest.mark.parametrize("shape", [(3, 3), (4, 3)])
def test_singular_values_beside_an_infinity_are_nan(place, value, shape):
    a = np.eye(*shape) + np.arange(12.0)[: np.prod(shape)].reshape(shape) / 9
    regular = a.copy()
    a.flat[place] = value
    for f in (
        lambda x: np.linalg.svd(x)[0],
        lambda x: np.linalg.svd(x, full_matrices=False)[1],
        np.linalg.svdvals,
        np.linalg.pinv,
        lambda x: np.linalg.lstsq(x, np.ones(shape[0]))[0],
        lambda x: np.linalg.norm(x, "nuc"),
    ):
        assert np.isnan(f(Tensor(a)).numpy()).all()
    both = np.linalg.svdvals(Tensor(np.stack([a, regular]))).numpy()  # the other one is not spoilt
    np.testing.assert_allclose(both[1], np.linalg.svd(regular, compute_uv=False))
    a.flat[place] = NAN
    with pytest.raises(np.linalg.LinAlgError, match="SVD did not converge"):
        np.linalg.svd(Tensor(a))


def test_the_gradient_of_another_matrix_of_the_stack_is_not_spoilt():
    regular = np.array([[2.0, 1.0], [0.0, 3.0]])
    x = Tensor(np.stack([regular, [[INF, 1.0], [0.0, 3.0]]]), requires_grad=True)
    np.linalg.pinv(x)[0].sum().backward()
    inverse = np.array([[1 / 2, -1 / 6], [0, 1 / 3]])
    np.testing.assert_allclose(x.grad.numpy()[0], -inverse.T @ np.ones((2, 2)) @ inverse.T, atol=1e-14)


@pytest.mark.parametrize("value", [INF, -INF])
def test_inverse_sine_and_cosine_at_infinity(value):
    x = np.array([value, 0.5, 2.0, -3.0])
    for f in (np.emath.arcsin, np.emath.arccos):
        out = f(Tensor(x)).numpy()
        np.testing.assert_array_equal(np.isnan(out), False)
        np.testing.assert_allclose(out[1:], f(x[1:]))
    sign = np.sign(value)
    assert np.emath.arcsin(Tensor(x)).numpy()[0] == complex(sign * np.pi / 2, INF)
    assert np.emath.arccos(Tensor(x)).numpy()[0] == complex(np.pi / 2 - sign * np.pi / 2, -INF)


@pytest.mark.parametrize("value", [INF, -INF])
def test_a_polynomial_of_an_infinite_root(value):
    """(x - r) (x - 2) begins with 1."""
    for roots in ([value, 2.0], [2.0, value]):
        np.testing.assert_array_equal(np.poly(Tensor(roots)).numpy(), np.poly(roots))
        assert np.poly(Tensor(roots)).numpy()[0] == 1


def parts(value):
    """All the numbers in a result."""
    arrays = [np.asarray(part.numpy() if isinstance(part, Tensor) else part) for part in flattened(value)]
    return np.concatenate([a.ravel().astype(complex) for a in arrays])


# Where NumPy spoils what is not reached (quantiles, sequences), or is undefined (points that do not increase)
OTHERWISE = {"quantile", "percentile", "nanquantile", "nanpercentile", "linspace", "logspace", "geomspace", "interp"}
OTHERWISE |= {"polyfit", "fmax.reduce", "fmin.reduce"}  # still to be looked at: the fit, and initial=nan
APART = {  # single calls, or arguments
    ("numpy.pad", 6),  # a ramp from infinity to 0, which NumPy makes by linspace
    ("numpy.expm1", 4),  # of complex numbers, which NumPy makes NaN
    *(("numpy.nanmax", "initial"), ("numpy.nanmin", "initial")),  # as fmax.reduce and fmin.reduce
}
NAMES = [n for n in CALLS if "linalg" not in n and n.removeprefix("numpy.") not in OTHERWISE and qualified(n)]


def places(thorough):
    rng = np.random.default_rng(1)
    for name in NAMES:
        for number, call in enumerate(CALLS[name]):
            for argument, x in call.arrays.items():
                if (name, number) in APART or (name, argument) in APART:
                    continue
                every = [(i, value) for i in range(x.size) for value in (INF, -INF, NAN)]
                for i, value in every if thorough else [every[rng.integers(len(every))]]:
                    yield name, number, argument, i, value


@pytest.mark.parametrize("thorough", [False, pytest.param(True, marks=pytest.mark.thorough)])
def test_every_function_has_numpys_values_beside_an_infinity(thorough):
    """One in each entry, in turn, of each argument of each sample call; errors are of NumPy's kinds."""
    wrong = {}
    for name, number, argument, i, value in places(thorough):
        call = CALLS[name][number]
        x = call.arrays[argument]
        x = x.astype(np.result_type(x, float))
        x.flat[i] = value
        results = []
        for wrap in (lambda a: a, Tensor):
            try:
                arrays = {n: wrap(np.asarray(a)) for n, a in {**call.arrays, argument: x}.items()}
                results.append(parts(call(qualified(name), **arrays)))
            except (ValueError, TypeError, ArithmeticError, IndexError, np.linalg.LinAlgError) as error:
                results.append(error)
        known, found = results
        if isinstance(known, Exception) or isinstance(found, Exception):
            same = type(known) is type(found)
        else:
            same = known.shape == found.shape and np.allclose(found, known, rtol=1e-9, atol=1e-12, equal_nan=True)
        if not same:
            wrong.setdefault(name, (number, argument, i, value, known, found))
    assert not wrong, wrong


@pytest.mark.parametrize("options", [{"mode": "linear_ramp"}, {"mode": "reflect", "reflect_type": "odd"}])
def test_padding_beside_an_infinity(options):
    x = np.array([1.0, INF, 4.0, 3.0])
    t = Tensor(x, requires_grad=True)
    out = np.pad(t, 1, **options)
    np.testing.assert_array_equal(out.numpy(), np.pad(x, 1, **options))
    out[-1].backward()  # the ramp ends at 0, the reflection at 2 * 3 - 4
    assert t.grad.numpy().tolist() == ([0, 0, 0, 0] if "ramp" in options["mode"] else [0, 0, -1, 2])
