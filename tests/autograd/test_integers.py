"""Integers, bools and short floats: every function and method gives NumPy's value in NumPy's dtype, or raises as NumPy.

The samples of numpy_calls.py and calls of methods run on whole numbers in every dtype, on arrays and on Tensors.
"""

import operator
import warnings
from itertools import product

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor
from pullback.tests.helpers.calls import flattened, qualified
from pullback.tests.helpers.numpy_calls import CALLS

DTYPES = "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64".split()  # noqa: SIM905


def ranks(x, dtype):
    """Distinct numbers from 0 on in the order of the entries; of bools every other one is True."""
    order = np.argsort(np.argsort(np.real(x), axis=None)).reshape(x.shape)
    return (order % 2 if dtype == "bool" else order).astype(dtype)


def rounded(x, dtype):
    """The sizes, rounded."""
    return np.rint(np.abs(x)).astype(dtype)


def largest(x, dtype):
    """Distinct numbers in the order of the entries, up to the largest of a short type; of others from 1 on."""
    last = np.iinfo(dtype).max if dtype in ("int8", "uint8", "int16", "uint16") else x.size
    return (ranks(x, "int64") + (last - x.size + 1)).astype(dtype)


def apart(x, dtype):
    """Of signed integers the smaller half from the least number on, the others up to the largest."""
    if np.dtype(dtype).kind != "i":
        return largest(x, dtype)
    order, info = ranks(x, "int64"), np.iinfo(dtype)
    return np.where(2 * order < x.size, info.min + order, info.max - x.size + 1 + order).astype(dtype)


FORMS = {form.__name__: form for form in (ranks, rounded, largest, apart)}
SQUARES = np.lib.NumpyVersion(np.__version__) < "2.3.0"  # of integers in their own type, by x ** 2.0 and np.int64(2)
QUICK = {
    "ranks": ["bool", "int8", "uint8", "int64", "float16"],
    "rounded": ["bool", "uint8"],
    "largest": ["int8", "uint8"],
    "apart": ["int8", "int64"],
}

# Deliberate differences

OWN_PRECISION = {  # NumPy computes in float64; here float32 in means float32 out, and float16 float16
    *("numpy.bincount", "numpy.corrcoef", "numpy.cov", "numpy.geomspace", "numpy.interp", "numpy.poly"),
    *("numpy.polyint", "numpy.sort_complex"),
}
OF_ITS_DATA = {f"numpy.{nan}{name}" for nan in ("", "nan") for name in ("quantile", "percentile")}  # not of q
PAIRS = [("int8", "float32"), ("float32", "uint8"), ("bool", "uint8")]
MORE_PAIRS = [
    *(("uint8", "int8"), ("bool", "float16"), ("int64", "float32"), ("float16", "uint8"), ("uint64", "int64")),
    *(("float32", "float64"), ("float64", "float16")),
]
BY_SINGLE = {"numpy.linalg.norm", "numpy.linalg.matrix_norm"}  # of float16; NumPy has no singular values of it
COMPLEX = {"numpy.linalg.eig", "numpy.linalg.eigvals"}  # also if all are real, as the array API standard has it
OUT_OF_ANOTHER_DTYPE = {  # NumPy refuses an `out` that could take the result; its int8 sums for means wrap there
    *("numpy.take", "numpy.compress", "numpy.dot", "numpy.linalg.multi_dot", "numpy.clip"),
    *OF_ITS_DATA,
    *("numpy.mean", "numpy.nanmean", "numpy.median", "numpy.var", "numpy.nanvar"),
    *("numpy.ptp", "numpy.einsum"),  # of bools: NumPy takes the dtype of `out` to compute in
}
CONVERTED = {"numpy.linspace", "numpy.logspace", "numpy.geomspace", "numpy.nanvar", "numpy.nanstd"}  # to `dtype`
NOT_COMPARED = {
    ("numpy.linalg.eigh", 1, "bool"),  # eigenvectors of equal eigenvalues
    ("numpy.nanquantile", 20, "uint64"),  # NumPy fails on its own places
    *(("numpy.interp", i, "bool") for i in range(3)),  # whose points do not ascend
    ("numpy.clip", 0, "bool"),  # without bounds it is `positive`, which NumPy has not of bools
    *((f"numpy.{name}.at", 1, dtype) for name in ("add", "subtract") for dtype in ("int32", "int64")),  # 2.0
}
WRAPS = {  # in NumPy, where short integers are far apart
    *("numpy.quantile", "numpy.percentile", "numpy.nanquantile", "numpy.nanpercentile", "numpy.emath.arcsin"),
    "numpy.emath.arccos",
}
SOLVED = (
    "numpy.linalg",
    "numpy.logspace",
    "numpy.polyfit",
    "numpy.roots",
    "numpy.gradient",
)  # by which errors may grow


def outcome(run, *args, **kwargs):
    """What a call gives, or the built-in kind of what it raises."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return list(flattened(run(*args, **kwargs)))
    except Exception as error:
        return next(kind for kind in type(error).__mro__ if kind.__module__ == "builtins")


def difference(expected, found, *, own=False, complexes=False, growth=1):
    """In what two outcomes differ, or None; floats may be in their `own` precision, or complex."""
    if isinstance(expected, type) or isinstance(found, type):
        raised = isinstance(expected, type) and isinstance(found, type) and issubclass(found, expected)
        return None if raised else f"{found} for {expected}"
    if len(expected) != len(found):
        return f"{len(found)} results for {len(expected)}"
    for e, f in zip(expected, found, strict=True):
        e, f = np.asarray(e), np.asarray(f.data if isinstance(f, Tensor) else f)
        dtype = np.result_type(e.dtype, np.complex64) if complexes else e.dtype
        if own and e.dtype.kind in "fc":
            dtype, e = f.dtype, e.astype(f.dtype)
        if f.dtype != dtype or e.shape != f.shape:
            return f"{f.dtype}{f.shape} for {dtype}{e.shape}"
        if not close(e, f, growth):
            return f"{f} for {e}"
    return None


@np.errstate(all="ignore")
def close(e, f, growth):
    if f.dtype.kind not in "fc":
        return np.array_equal(e, f)
    eps = growth * float(np.finfo(f.dtype).eps)
    scale = float(np.max(np.abs(e), where=np.isfinite(e), initial=0))
    return np.allclose(f, e, rtol=16 * eps, atol=64 * eps * scale, equal_nan=True)


def out_of_another_dtype(name, call, dtype="int8"):
    """Whether results are written into a dtype that NumPy refuses, or that it takes and they are not of."""
    into = "out" in call.given()[1]
    return into and (name in OUT_OF_ANOTHER_DTYPE and dtype[:3] != "flo" or name.startswith("numpy.fft."))


def digits_lost(name, call, dtype):
    """By which factor NumPy's errors exceed those of the result's dtype, where it converts only what it computed."""
    if name not in CONVERTED or "dtype" not in call.given()[1] or dtype[:3] != "flo":
        return 1
    return float(np.finfo(dtype).eps / np.finfo(float).eps)


def deviations(name, dtypes, forms):
    """Where the samples of a function differ on Tensors from what they give on arrays."""
    function, solved = qualified(name), name.startswith(SOLVED)
    for (i, call), dtype, form in product(enumerate(CALLS[name]), dtypes, forms):
        if out_of_another_dtype(name, call, dtype) or (name, i, dtype) in NOT_COMPARED:
            continue
        if solved and form in ("largest", "apart") or form == "apart" and name in WRAPS:
            continue
        arrays = {key: FORMS[form](value, dtype) for key, value in call.arrays.items()}
        expected = outcome(call, function, **{key: a.copy() for key, a in arrays.items()})
        if expected is TypeError and name in BY_SINGLE and dtype == "float16":
            continue
        differs = difference(
            expected,
            outcome(call, function, **{key: Tensor(a) for key, a in arrays.items()}),
            own=name in OWN_PRECISION and dtype in ("float16", "float32"),
            complexes=name in COMPLEX and i == 0,
            growth=(1 << 14 if solved else 1) * digits_lost(name, call, dtype),
        )
        if differs:
            yield f"{name}, sample {i}, {form} in {dtype}: {differs}"


OPERANDS = {  # what stands on the other side of an operator
    **{f"{n!r}": n for n in (2, 0, True, 2.0, 0.5, np.int64(2), np.uint8(3), np.float32(2), np.True_)},
    **{f"{n.dtype} array": n for n in (np.array([2, 1, 3], "int8"), np.array([1.0, 2, 3], "float16"))},
}
OPERATORS = {
    name: getattr(operator, name)
    for name in (
        *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and_", "or_", "xor", "lshift", "rshift", "matmul"),
        *("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "iand", "ior", "ixor", "ilshift"),
        *("lt", "le", "eq", "ne", "gt", "ge"),
    )
} | {"divmod": divmod}
METHODS = {
    **{f"x.{n}()": lambda x, n=n: getattr(x, n)() for n in ("sum", "prod", "mean", "std", "var", "max", "min")},
    **{f"x.{n}(1)": lambda x, n=n: getattr(x, n)(1) for n in ("sum", "prod", "mean", "std", "var", "max", "min")},
    **{
        f"x.{n}({axis}, dtype={dtype})": lambda x, n=n, axis=axis, dtype=dtype: getattr(x, n)(axis, dtype=dtype)
        for n in ("sum", "prod", "mean", "std", "var", "cumsum", "cumprod")
        for axis in (None, 0)
        for dtype in ("int8", "uint8", "int64", "float32", "float64")
    },
    **{
        f"x.{n}(0, where=)": lambda x, n=n: getattr(x, n)(0, where=np.array([[True], [False]]))
        for n in ("sum", "prod", "mean", "std", "var", "all", "any")
    },
    **{
        f"x.{n}(initial=, where=)": lambda x, n=n: getattr(x, n)(1, initial=1.7, where=np.array([True, False, True]))
        for n in ("sum", "prod", "max", "min")
    },
    **{f"x.{n}(0, ddof=1)": lambda x, n=n: getattr(x, n)(0, ddof=1) for n in ("std", "var")},
    **{
        f"x.{n}()": lambda x, n=n: getattr(x, n)()
        for n in (
            *(
                "all",
                "any",
                "argmax",
                "argmin",
                "argsort",
                "conj",
                "conjugate",
                "copy",
                "cumprod",
                "cumsum",
                "diagonal",
            ),
            *("flatten", "nonzero", "ravel", "round", "squeeze", "trace", "transpose"),
            *("__neg__", "__pos__", "__abs__", "__invert__"),
        )
    },
    **{
        f"x.clip({a}, {b})": lambda x, a=a, b=b: x.clip(a, b)
        for a, b in ((-1, 1), (1, 300), (-(2**70), 2**70), (None, 2), (0.5, None), (0, 1), (300, 1), (np.int8(1), 2))
    },
    "x.dot(x.T)": lambda x: x.dot(x.T),
    "x @ x.T": lambda x: x @ x.T,
    "x.real": lambda x: x.real,
    "x.imag": lambda x: x.imag,
    "x.round(-1)": lambda x: x.round(-1),
    "x.round(1)": lambda x: x.round(1),
    "round(x)": lambda x: x.__round__() if isinstance(x, Tensor) else np.round(x),
    "x.choose": lambda x: x[0].choose(np.arange(60).reshape(20, 3)),
    "x.compress": lambda x: x.compress([True, False, True], 1),
    "x.partition": lambda x: x.partition(1) or x,
    "x.sort": lambda x: x.sort() or x,
    "x.repeat": lambda x: x.repeat(2, 0),
    "x.searchsorted": lambda x: np.sort(x[0]).searchsorted(x[1]),
    "x.take": lambda x: x.take([0, 3]),
    "x[0] = 2": lambda x: x.__setitem__(0, 2) or x,
    "x[0] = 1.7": lambda x: x.__setitem__(0, 1.7) or x,
    "x[x]": lambda x: x[:, 0][x % 2],
    **{f"x.astype({d})": lambda x, d=d: x.astype(d) for d in ("bool", "int8", "uint64", "float16", "complex64")},
    **{f"x {n} x": lambda x, f=f: f(x, x + 0) for n, f in OPERATORS.items()},
    **{f"x {n} {m}": lambda x, f=f, y=y: f(x, y) for n, f in OPERATORS.items() for m, y in OPERANDS.items()},
    **{
        f"{m} {n} x": lambda x, f=f, y=y: f(y, x)
        for n, f in OPERATORS.items()
        for m, y in OPERANDS.items()
        if n[0] != "i" and "array" not in m
    },
    **{
        f"np.{f.__name__}(x, {m})": lambda x, f=f, y=y: f(x, y)
        for f in (np.power, np.floor_divide, np.maximum, np.arctan2, np.float_power, np.remainder, np.copysign)
        for m, y in OPERANDS.items()
    },
}


def deviations_of_methods(dtypes, forms):
    start = np.array([[0.9, 2.3, -1.4], [1.2, 0.4, 1.7]])
    for (name, method), dtype, form in product(METHODS.items(), dtypes, forms):
        if SQUARES and "pow" in name:
            continue
        array = FORMS[form](start, dtype)
        differs = difference(outcome(method, array.copy()), outcome(method, Tensor(array)))
        if differs:
            yield f"{name}, {form} in {dtype}: {differs}"


@pytest.mark.parametrize("form, dtypes", QUICK.items())
def test_functions(form, dtypes):
    assert not [d for name in CALLS if qualified(name) for d in deviations(name, dtypes, [form])]


@pytest.mark.parametrize(
    "first, others", [*PAIRS, *(pytest.param(*pair, marks=pytest.mark.thorough) for pair in MORE_PAIRS)]
)
def test_functions_of_two_dtypes(first, others):
    found = []
    for name, calls in CALLS.items():
        for i, call in enumerate(calls):
            if qualified(name) is None or len(call.arrays) < 2 or out_of_another_dtype(name, call):
                continue
            if (name, i) == ("numpy.polydiv", 0):  # whose remainder begins with what is 0 but for rounding
                continue
            dtypes = [first, *[others] * (len(call.arrays) - 1)]
            arrays = {key: ranks(a, dtype) for (key, a), dtype in zip(call.arrays.items(), dtypes, strict=True)}
            short = min((np.finfo(d).precision for d in (first, others) if d[0] == "f"), default=15)
            differs = difference(
                outcome(call, qualified(name), **{key: a.copy() for key, a in arrays.items()}),
                outcome(call, qualified(name), **{key: Tensor(a) for key, a in arrays.items()}),
                own=name in OWN_PRECISION or name in OF_ITS_DATA and first[0] == "f",
                growth={3: 1 << 43, 6: 1 << 29, 15: 1}[short] * (1 << 14 if name.startswith(SOLVED) else 1),
            )
            if differs:
                found.append(f"{name}, sample {i}: {differs}")
    assert not found


@pytest.mark.parametrize("form, dtypes", QUICK.items())
def test_methods(form, dtypes):
    assert not list(deviations_of_methods(dtypes, [form]))


@pytest.mark.thorough
def test_methods_in_every_dtype():
    assert not list(deviations_of_methods(DTYPES, FORMS))


@pytest.mark.thorough
@pytest.mark.parametrize("name", [name for name in CALLS if qualified(name)])
def test_functions_in_every_dtype(name):
    assert not list(deviations(name, DTYPES, FORMS))


BIG = 2**62


@pytest.mark.parametrize(
    "call, expected",
    [
        (lambda x: x.mean(), BIG),
        (lambda x: np.mean(x, where=np.array([True, True, False])), BIG),
        (lambda x: np.nanmean(x), BIG),
        (lambda x: np.average(x), BIG),
        (lambda x: np.average(x, weights=[1, 2, 1]), BIG),
        (lambda x: np.median(x), BIG),
        (lambda x: np.quantile(x, 0.3), BIG),
        (lambda x: x.var(), 0),
        (lambda x: x.std(), 0),
    ],
)
def test_large_integers(call, expected):
    """Their sum is beyond int64."""
    found = call(Tensor(np.full(3, BIG)))
    assert found.dtype == np.float64 and float(found) == expected


def test_distant_short_integers():
    """Their differences are beyond int8: what lies between is found all the same, in which NumPy fails."""
    x = Tensor(np.array([-128, 127], np.int8))
    assert float(np.quantile(x, 0.5)) == float(np.median(x)) == -0.5
    assert float(np.percentile(x, 20.0)) == pytest.approx(-77, rel=1e-12)
    below = np.emath.arcsin(Tensor(np.array([-128, 0], np.int8)))  # 128 is beyond int8, too
    np.testing.assert_allclose(below.data, [-np.pi / 2 + 1j * np.arccosh(128), 0], rtol=1e-6)


def test_sums_at_places_are_exact():
    x = Tensor(np.array([2**53, 0]))
    np.add.at(x, [0, 0, 1], np.array([1, 2, 3]))
    assert x.data.tolist() == [2**53 + 3, 3]
    x = Tensor(np.array([2**53, 7]))
    np.subtract.at(x, [0, 0], np.array([-1, -2]))
    assert x.data.tolist() == [2**53 + 3, 7]


def test_the_operator_and_the_function_of_powers():
    """The square of bools is int8 by the operator and int64 by the function, as in NumPy."""
    x = Tensor(np.array([True, False]))
    assert (x**2).dtype == np.int8
    assert np.power(x, 2).dtype == pb.power(x, 2).dtype == pb.pow(x, 2).dtype == np.int64


def test_integers_between_two_are_floors():
    x = Tensor(-1.0, requires_grad=True)
    assert np.linspace(x, 1, 4, dtype=int).data.tolist() == [-1, -1, 0, 1]


def test_gradients_go_beside_integers():
    weights = Tensor([1.0, 3.0], requires_grad=True)
    np.average(np.array([2, 6], np.uint8), weights=weights).backward()
    np.testing.assert_allclose(weights.grad.data, [-0.75, 0.25])
    start = Tensor(0.5, requires_grad=True)
    np.sum(Tensor([1, 2]), initial=start).backward()
    np.linspace(start, Tensor(np.uint8(3)), 3).sum().backward()
    assert start.grad.item() == 1 + 1.5
    y = Tensor([1.0, 5.0], requires_grad=True)
    np.interp(Tensor(np.uint8(1)), Tensor(np.uint8([0, 4])), y).backward()
    assert y.grad.data.tolist() == [0.75, 0.25]


def test_weights_without_a_sum():
    with pytest.raises(ZeroDivisionError, match="sum to 0"):
        np.average(Tensor([1.0, 2.0]), weights=Tensor([1.0, -1.0]))


def test_descending_unsigned_coordinates():
    slopes = np.gradient(Tensor(np.array([1, 2, 4], np.uint8)), Tensor(np.array([4, 2, 0], np.uint8)))
    assert slopes.data.tolist() == [-0.5, -0.75, -1]
