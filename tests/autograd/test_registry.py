"""Every registered primitive keeps all that `check_primitive` checks; the value oracles are NumPy and SciPy."""

import numpy as np
import pytest
from hypothesis import settings

import pullback.nn  # noqa: F401 - has primitives of its own
from pullback import registry
from pullback.autograd.tensor import functions
from pullback.testing import check_primitive

scipy_special = pytest.importorskip("scipy.special")

QUICK = settings(max_examples=15, derandomize=True, database=None)
THOROUGH = settings(max_examples=500, database=None)


def scattered(y, *, index, shape):
    out = np.zeros(shape)
    np.add.at(out, index, y)
    return out


def with_value(x, value, *, index):
    out = np.array(x)
    out[index] = value
    return out


def running_sums(x, *, axis, reverse):
    return np.flip(np.cumsum(np.flip(x, axis), axis), axis) if reverse else np.cumsum(x, axis)


UFUNCS = {made.name: f for f, made in functions.items() if isinstance(f, np.ufunc) and made in registry.values()}
REFERENCES = UFUNCS | {
    "affine": lambda x, w, b: np.einsum("ni,oi->no", x, w) + b,
    "astype": lambda x, *, dtype: np.array(x, dtype),
    "broadcast_to": lambda x, *, shape: np.broadcast_to(x, shape),
    "concatenate": lambda *arrays, axis: np.concatenate(arrays, axis),
    "cumsum": running_sums,
    "flip": lambda x, *, axis: np.flip(x, axis),
    "getitem": lambda x, *, index: np.array(x)[index],
    "log_softmax": lambda x, *, axis: scipy_special.log_softmax(x, axis) if x.size else x,
    "logsumexp": lambda x, *, axis, keepdims: np.log(np.sum(np.exp(x), axis, keepdims=keepdims)),
    "matmul": lambda a, b: np.einsum("...ij,...jk->...ik", a, b),
    "max": lambda x, *, axis, keepdims: np.max(x, axis, keepdims=keepdims),
    "mean": lambda x, *, axis, keepdims: np.mean(x, axis, keepdims=keepdims),
    "min": lambda x, *, axis, keepdims: np.min(x, axis, keepdims=keepdims),
    "pad": lambda x, *, widths: np.pad(x, widths) if x.ndim else x,
    "prod": lambda x, *, axis, keepdims: np.prod(x, axis, keepdims=keepdims),
    "relu": lambda x: np.where(x > 0, x, 0),
    "reshape": lambda x, *, shape: np.reshape(x, shape),
    "scatter": scattered,
    "setitem": with_value,
    "sigmoid": scipy_special.expit,
    "softmax": lambda x, *, axis: scipy_special.softmax(x, axis) if x.size else x,
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "sum": lambda x, *, axis, keepdims: np.sum(x, axis, keepdims=keepdims),
    "transpose": lambda x, *, axes: np.transpose(x, axes),
    "where": np.where,
}


@pytest.mark.parametrize("name", registry)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_primitive(name):
    assert check_primitive(registry[name], reference=REFERENCES.get(name), settings=QUICK)


@pytest.mark.thorough
@pytest.mark.parametrize("name", registry)
def test_primitive_thoroughly(name):
    assert check_primitive(registry[name], reference=REFERENCES.get(name), settings=THOROUGH)


def test_registry_is_a_mapping_that_names_what_is_missing():
    assert registry["relu"].name == "relu" and "no such" not in registry
    assert len(registry) == len(list(registry)) == len(set(registry))
    with pytest.raises(KeyError, match="no primitive named 'rleu'; registered: .*relu"):
        registry["rleu"]
    with pytest.raises(TypeError):
        registry["relu"] = None
