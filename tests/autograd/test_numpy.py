"""Every function of NumPy's on Tensors: it has a gradient, or is a constant on the list, or is refused."""

import inspect
import warnings

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor
from pullback.autograd.core.conversion import find
from pullback.autograd.core.tensor import functions
from pullback.tests.helpers.calls import flattened, qualified
from pullback.tests.helpers.numpy_calls import CALLS, differentiable

MODULES = {
    "numpy": np,
    "numpy.linalg": np.linalg,
    "numpy.fft": np.fft,
    "numpy.emath": np.emath,
    "numpy.lib.stride_tricks": np.lib.stride_tricks,
    "numpy.lib.array_utils": np.lib.array_utils,
    "numpy.polynomial.polynomial": np.polynomial.polynomial,
    "numpy.polynomial.chebyshev": np.polynomial.chebyshev,
    "numpy.polynomial.legendre": np.polynomial.legendre,
}

CONSTANTS = {  # what gives numbers of which a Tensor's entries are no part, or which are steps of them
    *("numpy.empty_like", "numpy.ones_like", "numpy.zeros_like", "numpy.full_like"),
    *("numpy.histogram", "numpy.histogram2d", "numpy.histogramdd", "numpy.histogram_bin_edges", "numpy.spacing"),
    *("numpy.imag", "numpy.tri", "numpy.fromiter"),  # of real numbers; a size; `float` of each
}
NO_NUMBERS = {  # dates, about which Tensors know nothing
    *("numpy.busday_count", "numpy.busday_offset", "numpy.is_busday", "numpy.isnat", "numpy.datetime_as_string"),
}
COMPLEX = {"numpy.linalg.eig", "numpy.linalg.eigvals"}  # also if all are real, as the array API standard has it
DEPRECATED = "numpy.row_stack", "numpy.fix", "numpy.trapz"  # in some of the versions of NumPy
CHANGE_SETTINGS = {
    *("numpy.test", "numpy.linalg.test", "numpy.fft.test", "numpy.seterr", "numpy.seterrcall", "numpy.setbufsize"),
    *("numpy.set_printoptions", "numpy.save", "numpy.savez", "numpy.savez_compressed", "numpy.savetxt", "numpy.load"),
    *("numpy.info", "numpy.show_config", "numpy.show_runtime", "numpy.fromfile", "numpy.genfromtxt", "numpy.loadtxt"),
}


def numpy_functions():
    """Every function and ufunc by its first name."""
    names = {}
    for prefix, module in MODULES.items():
        for name in sorted(dir(module)):
            function = getattr(module, name)
            if not name.startswith("_") and callable(function) and not isinstance(function, type):
                names.setdefault(function, f"{prefix}.{name}")
    return {name: function for function, name in names.items()}


FUNCTIONS = numpy_functions()
SAMPLES = [(name, i) for name, calls in CALLS.items() if qualified(name) for i in range(len(calls))]


@pytest.mark.parametrize("name, i", SAMPLES, ids=[f"{name}-{i}" for name, i in SAMPLES])
def test_values_and_gradients(name, i):
    function, call, random = qualified(name), CALLS[name][i], np.random.default_rng(0)
    expected = list(flattened(call(function)))
    leaves = {key: Tensor(value, requires_grad=True) for key, value in call.arrays.items()}
    out = list(flattened(call(function, **leaves)))
    assert len(out) == len(expected)
    for o, e in zip(out, expected, strict=True):
        assert np.shape(o) == np.shape(e) and (np.result_type(o) == np.result_type(e) or name in COMPLEX)
        np.testing.assert_allclose(o.data if isinstance(o, Tensor) else o, e, rtol=1e-9, atol=1e-10)
    recorded = [j for j, o in enumerate(out) if isinstance(o, Tensor) and o.requires_grad]
    weights = {j: random.standard_normal(out[j].shape) + 1j * random.standard_normal(out[j].shape) for j in recorded}

    def projected(results):
        return sum(np.real(results[j] * weights[j]).sum() for j in recorded)

    projected(out).backward()
    for key, value in call.arrays.items():
        direction = random.standard_normal(value.shape)
        if value.dtype.kind == "c":
            direction = direction + 1j * random.standard_normal(value.shape)
        ahead, behind = (
            projected(list(flattened(call(function, **{key: value + step * direction})))) for step in (1e-6, -1e-6)
        )
        slope = np.real(leaves[key].grad.data * direction).sum()
        np.testing.assert_allclose(slope, (ahead - behind) / 2e-6, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in CALLS if qualified(name)])
def test_one_tensor_among_arrays(name):
    for call in CALLS[name]:
        for key, value in call.arrays.items():
            if len(call.arrays) == 1 or key == "initial":  # of which NumPy asks the number if the array is its own
                continue
            x = Tensor(value, requires_grad=True)
            try:
                out = list(flattened(call(qualified(name), **{key: x})))
            except TypeError as error:
                assert "would lose it" in str(error) and name == "numpy.polyint"
                continue
            sum(np.real(o).sum() for o in out if getattr(o, "requires_grad", False)).backward()
            assert x.grad is not None


@pytest.mark.parametrize("name, function", list(differentiable()))
def test_every_function_with_a_rule_has_a_sample(name, function):
    assert name in (*CALLS, *DEPRECATED), "none follows from its signature: give `implements` a strategy for it"


def test_every_differentiable_function_has_a_sample():
    for name, function in FUNCTIONS.items():
        if name in (*CHANGE_SETTINGS, *DEPRECATED) or "polynomial" in name:
            continue
        for count in (1, 2, 3):
            out = _called(function, *[Tensor(np.eye(3) + 1.5, requires_grad=True) for _ in range(count)])
            if out is not None and any(getattr(o, "requires_grad", False) for o in flattened(out)):
                assert any(function is qualified(sampled) for sampled in CALLS), name


def test_every_function_that_numpy_dispatches_is_answered():
    missing = set()
    for name, function in FUNCTIONS.items():
        dispatched = isinstance(function, np.ufunc) or hasattr(function, "_implementation")
        if dispatched and function not in functions and find(function) is None:
            missing.add(name)
    of_lists = {f"numpy.polynomial.polynomial.{name}" for name in ("polygrid2d", "polyval2d", "polyvalnd")}
    assert missing <= NO_NUMBERS | of_lists | {"numpy.can_cast", "numpy.in1d"}  # which NumPy 2.4 lacks
    for name in NO_NUMBERS:
        function = FUNCTIONS[name]
        count = 2 if name.startswith("numpy.busday") else 1
        with pytest.raises(TypeError, match=rf"numpy.{function.__name__} has no rule on Tensors"):
            function(*[Tensor(1.0)] * count)


def _called(function, *arguments):
    """What a call gives, or None where it is refused; AssertionError where it breaks in another way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return function(*arguments)
        except (TypeError, ValueError, IndexError, RuntimeError) as error:
            assert "<lambda>" not in str(error) and "unexpected keyword" not in str(error), error
        except (AttributeError, KeyError):
            pass  # NumPy's own, of a list or a number where it asks for an array


@pytest.mark.parametrize("shape", [(), (3,), (3, 3)])
def test_no_gradient_is_lost(shape):
    def carried(o):
        return getattr(o, "requires_grad", False)

    values = np.random.default_rng(0).uniform(1, 2, shape)
    for name, function in FUNCTIONS.items():
        if name in CHANGE_SETTINGS:
            continue
        x = Tensor(values, requires_grad=True)
        for arguments in ((x,), ([x, x],), (x, x), (x, x, x), (x, 1), ([x, x], 1)):
            for o in flattened(_called(function, *arguments)):
                dtype = getattr(o, "dtype", None)
                if isinstance(dtype, np.dtype):
                    assert dtype.kind != "O", (name, arguments)
                    assert dtype.kind not in "fc" or carried(o) or name in CONSTANTS, (name, arguments)
                else:
                    assert not isinstance(o, (float, complex)) or name in CONSTANTS, (name, arguments)


@pytest.mark.parametrize("method", ["reduce", "accumulate", "reduceat", "outer", "at"])
def test_methods_of_ufuncs_lose_none(method):
    for ufunc in {function for function in FUNCTIONS.values() if isinstance(function, np.ufunc)}:
        x = Tensor(np.array([0.2, 0.7, 0.4]), requires_grad=True)
        given = {"reduceat": ([0, 2],), "outer": (x,), "at": ([0, 2], x[:2])}.get(method, ())
        target = x * 1.0
        out = _called(getattr(ufunc, method), target, *(given[:1] if method == "at" and ufunc.nin == 1 else given))
        for o in flattened(target if method == "at" else out):
            assert o.dtype.kind not in "fc" or o.requires_grad, ufunc


def test_every_option_is_taken_or_refused_by_name():
    """Whatever option of NumPy's is given, a TypeError about it names the function."""
    for name, function in FUNCTIONS.items():
        if function not in functions or isinstance(function, np.ufunc) or name in CHANGE_SETTINGS:
            continue
        try:
            parameters = inspect.signature(function).parameters.values()
        except ValueError:  # some versions of NumPy tell it of no builtin
            continue
        options = [p for p in parameters if p.kind is p.KEYWORD_ONLY or p.default is not p.empty]
        for option in options:
            for call in CALLS.get(name, [])[:1]:
                x = {key: Tensor(value) for key, value in call.arrays.items()}
                try:
                    call(lambda *a, _o=option, _f=function, **k: _f(*a, **{_o.name: "nonsense", **k}), **x)
                except Exception as error:
                    assert "got an unexpected keyword" not in str(error), (name, option.name, error)


def test_what_numpy_does_not_dispatch_refuses_a_gradient():
    x, y = Tensor(1.0, requires_grad=True), Tensor([1.0, 2.0], requires_grad=True)
    for call in (
        lambda: np.array([x, x]),
        lambda: np.asarray([y, y]),
        lambda: np.array([x, 1.0]),
        lambda: np.r_[y, y],
        lambda: np.c_[y, y],
        lambda: np.median([x, x]),
        lambda: np.full(3, x),
        lambda: np.zeros(3).__setitem__(slice(2), y),
        lambda: np.vectorize(abs)(y),
        lambda: np.polynomial.polynomial.polyval(2.0, y),
        lambda: np.random.default_rng(0).normal(x),
    ):
        with pytest.raises((TypeError, ValueError), match="would lose it|sequence"):
            call()
    assert np.polynomial.polynomial.polyval(y, [1.0, 2.0]).requires_grad


def test_a_number_is_a_number():
    """`float` asks for the number, and so does what NumPy writes into one entry of an array."""
    x, array = Tensor(1.5), np.zeros(2)
    array[0] = x
    assert float(x) == np.float64(x) == array[0] == 1.5


def test_the_namespace_has_every_differentiable_function():
    for name in CALLS:
        prefix, _, last = name.rpartition(".")
        space = {"numpy": pb, "numpy.linalg": pb.linalg, "numpy.fft": pb.fft}.get(prefix)
        if space is not None and qualified(name) is not None:
            assert hasattr(space, last), name
