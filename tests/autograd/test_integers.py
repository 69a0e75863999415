"""Integers, bools and short floats: every function and method gives NumPy's value in NumPy's dtype, or raises as NumPy.

The samples of numpy_calls.py and calls of methods run on whole numbers in every dtype, on NumPy's arrays and on Tensors.
"""

import warnings

import numpy as np
import pytest
from numpy_calls import CALLS, qualified

from pullback import Tensor

DTYPES = "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64".split()  # noqa: SIM905
QUICK = ["bool", "int8", "uint8", "int64", "float16"]


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


FORMS = {form.__name__: form for form in (ranks, rounded, largest)}

# Deliberate differences

OWN_PRECISION = {  # NumPy computes in float64; here float32 in means float32 out, and float16 float16
    *("numpy.bincount", "numpy.corrcoef", "numpy.cov", "numpy.geomspace", "numpy.interp", "numpy.poly"),
    *("numpy.polyint", "numpy.sort_complex"),
}
COMPLEX = {"numpy.linalg.eig", "numpy.linalg.eigvals"}  # also if all are real, as the array API standard has it
OUT_OF_ANOTHER_DTYPE = {  # NumPy refuses an `out` that could take the result; its int8 sums for means wrap there
    *(("numpy.take", 2), ("numpy.compress", 1), ("numpy.dot", 4), ("numpy.linalg.multi_dot", 1)),
    *(("numpy.mean", 4), ("numpy.nanmean", 3), ("numpy.median", 3)),
    *(("numpy.ptp", 1), ("numpy.einsum", 4)),  # of bools: NumPy takes the dtype of `out` to compute in
}
ANY_BASIS = {("numpy.linalg.eigh", 1, "rounded")}  # eigenvectors of equal eigenvalues
SOLVED = ("numpy.linalg", "numpy.polyfit", "numpy.roots")  # errors grow with the condition number


def flattened(value):
    if isinstance(value, (tuple, list)):
        for part in value:
            yield from flattened(part)
    elif value is not None:
        yield value


def outcome(run):
    """What a call gives, or the built-in kind of what it raises."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return list(flattened(run()))
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


def close(e, f, growth):
    if f.dtype.kind not in "fc":
        return np.array_equal(e, f)
    eps = growth * float(np.finfo(f.dtype).eps)
    scale = float(np.max(np.abs(e), where=np.isfinite(e), initial=0))
    return np.allclose(f, e, rtol=16 * eps, atol=64 * eps * scale, equal_nan=True)


def deviations(name, dtypes, forms):
    """Where the samples of a function differ on Tensors from what they give on arrays."""
    function = qualified(name)
    for i, call in enumerate(CALLS[name]):
        for dtype in dtypes:
            for form in forms:
                if (name, i) in OUT_OF_ANOTHER_DTYPE and dtype[:3] != "flo" or (name, i, form) in ANY_BASIS:
                    continue
                arrays = {key: FORMS[form](value, dtype) for key, value in call.arrays.items()}
                expected = outcome(lambda: call(function, **{key: a.copy() for key, a in arrays.items()}))
                found = outcome(lambda: call(function, **{key: Tensor(a) for key, a in arrays.items()}))
                differs = difference(
                    expected,
                    found,
                    own=name in OWN_PRECISION and dtype in ("float16", "float32"),
                    complexes=name in COMPLEX and i == 0,
                    growth=1 << 14 if name.startswith(SOLVED) else 1,
                )
                if differs:
                    yield f"{name}, sample {i}, {form} in {dtype}: {differs}"


@pytest.mark.parametrize("form", FORMS)
def test_functions(form):
    assert not [d for name in CALLS if qualified(name) for d in deviations(name, QUICK, [form])]


@pytest.mark.thorough
@pytest.mark.parametrize("name", [name for name in CALLS if qualified(name)])
def test_functions_in_every_dtype(name):
    assert not list(deviations(name, DTYPES, FORMS))
