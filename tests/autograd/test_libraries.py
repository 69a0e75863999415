"""The registry on arrays of another library: values, gradients and second order as with NumPy's, nothing copied.

The library is the strict stand-in for CuPy, and CuPy itself where there is a GPU. `LACKING` has what CuPy cannot do,
each with the reason; a test holds that it is a small part, and that none is there for nothing.
"""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

import pullback.nn  # noqa: F401 - has primitives of its own
from pullback import Tensor, registry
from pullback.autograd.core.backward import grads
from pullback.autograd.runtime.libraries import moved
from pullback.testing import strategies
from pullback.tests.autograd.test_devices import GPU
from pullback.tests.helpers import stand_in

pytestmark = pytest.mark.usefixtures("among_libraries")
_QUICK = settings(
    max_examples=3,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)

LACKING = {
    **dict.fromkeys(
        ["jv", "jv_over", "yv", "iv", "iv_over", "kv", "ive", "ive_slope", "kve", "j0", "j1", "y0", "y1", "i0e", "i1e"],
        "CuPy has no Bessel functions of any order, on which the values or the derivatives stand",
    ),
    **dict.fromkeys(
        ["dawsn", "erfi"],
        "CuPy has no such function",
    ),
    **dict.fromkeys(
        ["expm", "function_of_matrix", "logm", "lu", "solve_sylvester", "sqrtm"],
        "LAPACK by SciPy: Schur forms, functions of matrices, triangles",
    ),
    **dict.fromkeys(
        ["beta_density", "betainc", "betainc_slope", "betaincinv", "per_beta_density", "sinc"],
        "an operator meets a table of NumPy's within its rule",
    ),
    **dict.fromkeys(
        ["recurrence"],
        "other powers of 2 are taken out, of the same numbers",
    ),
    **dict.fromkeys(
        ["odeint"],
        "its steps depend on values, on the host",
    ),
}


def numbers(results):
    return [np.asarray(moved(x._held if isinstance(x, Tensor) else x, "cpu")) for x in results]


def as_tensors(primitive, args, place):
    """The arguments as Tensors, those with rules as leaves."""
    for i, x in enumerate(args):
        if not isinstance(x, (np.ndarray, np.generic, float, complex)):
            yield x
            continue
        x = np.array(x)
        yield Tensor(place(x), requires_grad=x.dtype.kind in "fc" and min(i, len(primitive.arrays)) in primitive.rules)


def weights(tensors, place):
    rng = np.random.default_rng(0)
    return tuple(Tensor(place(rng.uniform(0.5, 1.5, x.shape).astype(x.dtype))) for x in tensors)


def computed(primitive, args, options, place):
    """The results, their gradients and the gradients of these, as NumPy's arrays."""
    tensors = list(as_tensors(primitive, args, place))
    out = primitive.bind(*tensors, **options)[0]
    outs = out if isinstance(out, tuple) else (out,)
    found = [numbers(outs)]
    leaves = tuple(x for x in tensors if isinstance(x, Tensor) and x.requires_grad)
    for create_graph in (True, False):
        outs = tuple(x for x in outs if x.requires_grad)
        if not outs or not leaves:
            break
        outs = grads(outs, leaves, weights(outs, place), create_graph=create_graph)
        found.append(numbers(outs))
    return found


def agree(mine, theirs):
    return mine.shape == theirs.shape and mine.dtype == theirs.dtype and np.allclose(mine, theirs, 1e-6, 1e-9, True)


def check(name, device):
    """Compare a primitive there and here; returns how many examples were compared."""
    primitive, compared = registry[name], []

    @_QUICK
    @given(strategies.arguments(primitive))
    def on_both(drawn):
        args, options = drawn
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                expected = computed(primitive, args, options, lambda x: x)
            except np.linalg.LinAlgError:
                return
            stand_in.counts.clear()
            there = computed(primitive, args, options, lambda x: moved(x, device))
            copied = sum(map(len, there)) if device == "stand_in" else 0  # what is compared
            assert stand_in.counts["to host"] == copied
        for theirs, mine in zip(expected, there, strict=True):
            assert all(map(agree, mine, theirs))
        compared.append(name)

    on_both()
    return len(compared)


DEVICES = ["stand_in", pytest.param("cuda", marks=GPU)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", [name for name in registry if name not in LACKING])
def test_primitive(name, device):
    assert check(name, device)


@pytest.mark.parametrize("name", [name for name in LACKING if name != "recurrence"])
def test_what_lacks_is_refused(name):
    with pytest.raises((TypeError, NotImplementedError, AttributeError)):
        check(name, "stand_in")


def test_what_lacks_is_a_small_part():
    assert set(LACKING) <= set(registry)
    assert len(LACKING) <= 0.125 * len(registry)
