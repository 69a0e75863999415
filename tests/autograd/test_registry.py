"""Every registered primitive keeps all that `check_primitive` checks; the value oracles are NumPy and SciPy."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import pullback.nn  # noqa: F401 - has primitives of its own
from pullback import registry
from pullback.autograd.core.tensor import functions
from pullback.autograd.testing.check import refuses
from pullback.testing import check_primitive, strategies

scipy_special = pytest.importorskip("scipy.special")

QUICK = settings(max_examples=12, derandomize=True, database=None)
SLOW = {  # a quarter of a second or more for an example
    "beta_density", "beta_slope", "betainc", "betainc_slope", "betaincinv", "expm", "function_of_matrix",
    "gamma_density", "gammainc", "gammainc_slope", "gammaincc", "gammainccinv", "gammaincinv", "gru_layer", "iv",
    "iv_over", "iv_slope", "ive", "jv", "jv_over", "jv_slope", "kv", "kv_slope", "logm", "lstm_layer",
    "lstm_projected_layer", "odeint", "per_beta_density", "rnn_layer", "scaled_iv_slope", "scaled_kv_slope", "sqrtm",
    "tap_weights", "yv", "yv_slope",
}  # fmt: skip
THOROUGH = settings(max_examples=500, database=None)


def scattered(*values, indices, shape):
    out = np.zeros(shape, np.result_type(*values))
    for y, index in zip(values, indices, strict=True):
        np.add.at(out, index, y)
    return out


def with_value(x, value, *, index):
    out = np.array(x)
    out[index] = value
    return out


def running_sums(x, *, axis, reverse):
    return np.flip(np.cumsum(np.flip(x, axis), axis), axis) if reverse else np.cumsum(x, axis)


def fourier(x, count, axis, inverse, norm):
    """The first `count` entries of a Fourier transform, by its matrix."""
    n = x.shape[axis]
    matrix = np.exp((2j if inverse else -2j) * np.pi * np.outer(np.arange(count), np.arange(n)) / n)
    scale = {"backward": n if inverse else 1, "forward": 1 if inverse else n, "ortho": np.sqrt(n)}[norm]
    return np.moveaxis(np.tensordot(matrix / scale, x, (1, axis)), 0, axis)


def mirrored_and_inverted(x, *, n, axis, norm):
    mirror = np.conj(np.flip(np.take(x, range(1, (n + 1) // 2), axis), axis))
    full = np.concatenate([x, mirror], axis)
    for end in (0, n // 2) if n % 2 == 0 else (0,):
        at = (slice(None),) * axis + (end,)
        full[at] = full[at].real
    return fourier(full, n, axis, True, norm).real


def determinants(a):
    out = np.prod(np.linalg.eigvals(a), axis=-1)
    return out if a.dtype.kind == "c" else out.real


def cofactors_along(a, *directions):
    """Each is a minor with its sign; along directions, minors with as many rows of theirs, in all ways, summed."""
    out, n = np.zeros(a.shape, np.result_type(a, *directions)), a.shape[-1]
    for i, j in np.ndindex(n, n):
        without = [np.delete(np.delete(x, i, -2), j, -1) for x in (a, *directions)]
        for rows in itertools.permutations(range(n - 1), len(directions)):
            minor = without[0].astype(out.dtype)
            for row, d in zip(rows, without[1:], strict=True):
                minor[..., row, :] = d[..., row, :]
            out[..., i, j] += (-1) ** (i + j) * np.linalg.det(minor)
    return out


def by_normal_equations(a):
    t = np.conj(np.swapaxes(a, -1, -2))
    return np.linalg.inv(t @ a) @ t if a.shape[-2] >= a.shape[-1] else t @ np.linalg.inv(a @ t)


def by_eigenvalues(f, a):
    w, v = np.linalg.eig(a)
    return (v * f(w)[..., None, :]) @ np.linalg.inv(v)


def by_kronecker_products(a, b, q):
    m, n = q.shape[-2:]
    both = a[..., :, None, :, None] * np.eye(n)[:, None, :] + np.eye(m)[:, None, :, None] * b.mT[..., None, :, None, :]
    x = np.linalg.solve(both.reshape(*both.shape[:-4], m * n, m * n), q.reshape(*q.shape[:-2], m * n, 1))
    return x.reshape(q.shape)


def standardized(x, weight, bias, *, axes, eps, centered):
    mean = np.mean(x, axes, keepdims=True) if centered else 0
    return (x - mean) / np.sqrt(np.mean((x - mean) ** 2, axes, keepdims=True) + eps) * weight + bias


def bessel(x, order):
    """I_0 or its derivative of some order: the binomial mean of the neighbouring functions."""
    terms = (math.comb(order, k) * scipy_special.iv(order - 2 * k, x) for k in range(order + 1))
    return sum(terms) / 2**order


def attended(q, k, v, mask, factors, *, scale):
    """By Einstein's sums and no subtraction of the largest."""
    e = np.exp(scale * np.einsum("...le,...se->...ls", q, k) + mask)
    total = np.sum(e, axis=-1, keepdims=True)
    return np.einsum("...ls,...sf->...lf", e * factors / np.where(total == 0, 1, total), v)


UFUNCS = {made.name: f for f, made in functions.items() if isinstance(f, np.ufunc) and made in registry.values()}
REFERENCES = UFUNCS | {
    "linear": lambda x, w, b: np.einsum("ni,oi->no", x, w) + b,
    "astype": lambda x, *, dtype: np.array(x, dtype),
    "broadcast_to": lambda x, *, shape: np.broadcast_to(x, shape),
    "attention": attended,
    "cofactor": cofactors_along,
    "concatenate": lambda *arrays, axis: np.concatenate(arrays, axis),
    "cumsum": running_sums,
    "det": lambda a: determinants(a),
    "dft": lambda x, *, axis, inverse, norm: fourier(x, x.shape[axis], axis, inverse, norm),
    "einsum": lambda *operands, subscripts: np.einsum(subscripts, *operands),
    "expm": lambda a: sum(np.linalg.matrix_power(a, k) / math.factorial(k) for k in range(30)),
    "flip": lambda x, *, axis: np.flip(x, axis),
    "getitem": lambda x, *, index: np.array(x)[index],
    "i0": lambda x, *, order: bessel(x, order),
    "inverse_real_dft": mirrored_and_inverted,
    "log_softmax": lambda x, *, axis: scipy_special.log_softmax(x, axis) if x.size else x,
    "logsumexp": np.errstate(divide="ignore")(  # of nothing it is -inf
        lambda x, *, axis, keepdims: np.log(np.sum(np.exp(x), axis, keepdims=keepdims))
    ),
    "logm": lambda a: by_eigenvalues(np.log, a),
    "matmul": lambda a, b: np.einsum("...ij,...jk->...ik", a, b),
    "max": lambda x, *, axis, keepdims: np.max(x, axis, keepdims=keepdims),
    "mean": lambda x, *, axis, keepdims, correction: (
        np.sum(x, axis, keepdims=keepdims) / (math.prod(x.shape[i] for i in axis) - correction)
    ),
    "min": lambda x, *, axis, keepdims: np.min(x, axis, keepdims=keepdims),
    "pad": lambda x, *, widths: np.pad(x, widths) if x.ndim else x,
    "pinv": lambda a, *, rcond: by_normal_equations(a),
    "prod": lambda x, *, axis, keepdims: np.prod(x, axis, keepdims=keepdims),
    "real_dft": lambda x, *, axis, norm: fourier(x, x.shape[axis] // 2 + 1, axis, False, norm),
    "rows_added": lambda rows, places, *, count: scattered(rows, indices=(places,), shape=(count, rows.shape[-1])),
    "rows_at": lambda weight, places: weight[places],
    "relu": lambda x: np.where(x > 0, x, 0),
    "reshape": lambda x, *, shape: np.reshape(x, shape),
    "roll": lambda x, *, shift, axis: np.roll(x, shift, axis) if axis else x,
    "scatter": scattered,
    "setitem": with_value,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "slogdet": lambda a: (np.sign(determinants(a)), np.log(np.abs(determinants(a)))),
    "softmax": lambda x, *, axis: scipy_special.softmax(x, axis) if x.size else x,
    "sqrtm": lambda a: by_eigenvalues(np.sqrt, a),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "solve": lambda a, b: np.linalg.inv(a) @ b,
    "solve_sylvester": by_kronecker_products,
    "standardize": standardized,
    "sum": lambda x, *, axis, keepdims: np.sum(x, axis, keepdims=keepdims),
    "transpose": lambda x, *, axes: np.transpose(x, axes),
    "where": np.where,
}


@pytest.mark.parametrize("name", registry)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_primitive(name):
    chosen = settings(QUICK, max_examples=4) if name in SLOW else QUICK
    assert check_primitive(registry[name], reference=REFERENCES.get(name), settings=chosen)


def is_real(name):
    """Whether it is a ufunc of NumPy's or SciPy's for real numbers alone; others say so by their strategies."""
    ufunc = UFUNCS.get(name) or (None if hasattr(np, name) else getattr(scipy_special, name, None))
    return isinstance(ufunc, np.ufunc) and "D" not in "".join(ufunc.types)


@pytest.mark.parametrize("name", registry)
def test_complex_numbers_are_taken_but_by_ufuncs_of_real_ones(name):
    @settings(QUICK, suppress_health_check=list(HealthCheck))
    @given(strategies.arguments(registry[name], complex=True))
    def on_complex(drawn):
        if any(np.iscomplexobj(x) for x in drawn[0]):
            assert refuses(registry[name], *drawn) == is_real(name)

    on_complex()


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
