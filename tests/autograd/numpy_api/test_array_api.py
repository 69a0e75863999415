"""Pullback as a namespace of the Python array API standard: what its conformance suite cannot see or may not draw."""

import cmath
import inspect
import math
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor

DTYPES = ["bool", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64))]
DTYPES += ["float32", "float64", "complex64", "complex128"]


def test_constants():
    assert (pb.e, pb.pi, pb.inf, pb.newaxis) == (math.e, math.pi, math.inf, None) and pb.nan != pb.nan


@pytest.mark.parametrize("name", DTYPES)
def test_data_types(name):
    dtype = getattr(pb, name)
    assert dtype == np.dtype(name) and pb.__array_namespace_info__().dtypes()[name] == dtype
    for shape in ((), (2,)):
        x = pb.ones(shape, dtype=dtype)
        assert x.dtype == dtype and x.device == "cpu"
        copied = pb.asarray(x, copy=True)
        assert copied is not x and copied.dtype == dtype and np.all(copied.numpy() == 1)


def test_namespace():
    x = Tensor([1.0])
    assert x.__array_namespace__() is pb is x.__array_namespace__(api_version=pb.__array_api_version__)
    assert pb.__array_api_version__ == "2025.12"
    with pytest.raises(ValueError, match="no revision '2030.12'.*newest is 2025.12"):
        x.__array_namespace__(api_version="2030.12")


def test_info():
    info = pb.__array_namespace_info__()
    assert info.devices() == ("cpu",) and info.default_device() == "cpu"
    assert info.default_dtypes()["real floating"] == pb.float64
    assert set(info.dtypes(kind=("bool", "unsigned integer"))) == {"bool", "uint8", "uint16", "uint32", "uint64"}
    most = info.capabilities()["max dimensions"]
    assert pb.ones((1,) * most).ndim == most
    with pytest.raises(ValueError):
        pb.ones((1,) * (most + 1))


def test_limits():
    """IEEE 754: 24 and 53 bits of precision, exponents from -126 and -1022."""
    for given in (pb.float32, np.dtype("complex64"), Tensor(1.0, dtype=np.float32), np.ones(2, np.complex64)):
        info = pb.finfo(given)
        assert info.eps == 2.0**-23 and info.smallest_normal == 2.0**-126 and info.dtype == pb.float32
        assert info.max == (2 - 2.0**-23) * 2.0**127 == -info.min and type(info.eps) is float
    assert pb.finfo(Tensor([1.0])).eps == 2.0**-52
    for given in (pb.int8, Tensor(3, dtype=np.int8)):
        assert pb.iinfo(given) == (8, 127, -128, np.dtype("int8"))
    with pytest.raises(ValueError, match="not inexact|not compatible"):
        pb.finfo(pb.int8)


def test_promotion_is_the_same_for_0d_tensors():
    for a, b, expected in (
        ("float32", "float64", "float64"),
        ("int8", "uint8", "int16"),
        ("uint8", "float32", "float32"),
        ("float64", "complex64", "complex128"),
    ):
        for left, right in (((), ()), ((), (2,)), ((2,), ())):
            x, y = pb.ones(left, dtype=a), pb.ones(right, dtype=b)
            assert (x + y).dtype == pb.result_type(x, y) == pb.where(True, x, y).dtype == np.dtype(expected)
    assert (pb.ones((), dtype=pb.float32) * 2.0).dtype == pb.float32
    assert (1 - pb.ones((), dtype=pb.uint8)).dtype == pb.uint8
    assert pb.can_cast(pb.int8, pb.int16) and not pb.can_cast(Tensor(1.0), pb.float32)
    assert pb.isdtype(Tensor(1).dtype, "integral")


def test_there_is_one_device():
    x = pb.asarray([1.0], device="cpu")
    assert x.to_device("cpu") is x and pb.astype(x, pb.float32, device="cpu").dtype == pb.float32
    for f in (
        lambda: pb.asarray([1.0], device="gpu"),
        lambda: pb.astype(x, pb.float32, device="gpu"),
        lambda: x.to_device("gpu"),
        lambda: pb.zeros(2, device="gpu"),
        lambda: pb.fft.fftfreq(2, device="gpu"),
    ):
        with pytest.raises(ValueError, match="gpu"):
            f()


def test_astype_copies_unless_it_need_not():
    x = Tensor([1.0, 2.0], requires_grad=True)
    assert pb.astype(x, pb.float64, copy=False) is x
    assert not np.shares_memory(pb.astype(x, pb.float64).data, x.data)
    assert pb.astype(x, pb.float32, copy=False).dtype == pb.float32


class Foreign:
    def __radd__(self, other):
        return "what a Tensor must not hold"


@pytest.mark.parametrize("x", [Tensor(2.0), Tensor([1.0, 2.0]), Tensor([1.0], requires_grad=True)])
@pytest.mark.parametrize("foreign", [Foreign(), object(), "a", None, Fraction(1, 2)])
def test_foreign_objects_are_refused(x, foreign):
    with pytest.raises(TypeError):
        x + foreign
    if foreign is not None:
        with pytest.raises(TypeError, match="is not numeric"):
            pb.concatenate([x, foreign] if x.ndim else [Tensor([1.0]), foreign])


def test_comparison_of_a_0d_tensor_with_a_foreign_object():
    assert (Tensor(2.0) == object()) is False and (Tensor(2.0) != object()) is True
    with pytest.raises(TypeError):
        Tensor(2.0) < object()  # noqa: B015


def test_only_a_number_becomes_one():
    assert (int(Tensor(2.5)), float(Tensor(2)), complex(Tensor(2j)), [5, 6][Tensor(1)]) == (2, 2.0, 2j, 6)
    for f in (
        lambda: float(Tensor(1j)),
        lambda: int(Tensor(1j)),
        lambda: float(Tensor([1.0])),
        lambda: complex(Tensor([1.0])),
        lambda: [5, 6][Tensor(1.0)],
    ):
        with pytest.raises(TypeError):
            f()


def test_sorting_is_stable_and_either_way():
    x = np.array([[2.0, 1.0, 2.0, 1.0] * 20])  # more than what a quicksort sorts by insertion
    down = np.concatenate([np.arange(0, 80, 2), np.arange(1, 80, 2)])
    np.testing.assert_array_equal(pb.argsort(Tensor(x), descending=True).data, [down])
    np.testing.assert_array_equal(pb.argsort(Tensor(x.T), axis=0).data[:, 0], np.r_[1:80:2, 0:80:2])
    t = Tensor([3.0, 1.0, 2.0], requires_grad=True)
    out = pb.sort(t, descending=True)
    np.testing.assert_array_equal(out.data, [3, 2, 1])
    out.backward(Tensor([1.0, 10.0, 100.0]))
    np.testing.assert_array_equal(t.grad.data, [1, 100, 10])


def test_sums_of_small_integers_in_the_dtype_asked_for():
    x = Tensor(np.array([200, 100], np.uint8))
    assert pb.sum(x).item() == 300 and pb.sum(x).dtype == np.uint64
    out = pb.sum(x, dtype=pb.uint8)
    assert out.item() == 300 % 256 and out.dtype == pb.uint8
    for f in (pb.prod, pb.cumsum, pb.cumprod, pb.cumulative_sum, pb.cumulative_prod):
        assert f(x, dtype=pb.uint8).dtype == pb.uint8
    assert pb.cumsum(x, dtype=pb.uint8).tolist() == [200, 300 % 256]


def test_complex_values_that_numpy_leaves_out():
    inf = math.inf
    for z, expected in ((complex(inf, 0), complex(inf, 0)), (complex(-inf, inf), -1), (complex(inf, 1), None)):
        out = pb.expm1(Tensor([z])).data[0]
        assert out == (cmath.exp(z) - 1 if expected is None else expected)
    assert math.copysign(1, pb.expm1(Tensor([complex(-0.0, 0.0)])).data[0].real) == 1
    zero = pb.sign(Tensor([complex(-0.0, -0.0)])).data[0]
    assert zero == 0 and math.copysign(1, zero.real) == math.copysign(1, zero.imag) == 1
    z = Tensor([1e-12 + 1e-12j], requires_grad=True)
    np.testing.assert_allclose(pb.expm1(z).data, [1e-12 + 1e-12j + 1e-24j], rtol=1e-15)
    pb.real(pb.expm1(z)).sum().backward()
    np.testing.assert_allclose(z.grad.data, np.exp([1e-12 + 1e-12j]), rtol=1e-15)


def test_eigenvalues_are_complex_whatever_they_are():
    for dtype, expected in ((np.float32, np.complex64), (np.float64, np.complex128)):
        w, v = pb.linalg.eig(Tensor(np.eye(2, dtype=dtype)))
        assert w.dtype == v.dtype == pb.linalg.eigvals(Tensor(np.eye(2, dtype=dtype))).dtype == expected


def test_frequencies_in_a_dtype():
    out = pb.fft.fftfreq(4, d=0.5, dtype=pb.float32)
    assert out.dtype == pb.float32 and out.tolist() == [0.0, 0.5, -1.0, -0.5]
    assert pb.fft.rfftfreq(4).tolist() == [0.0, 0.25, 0.5]


def test_one_argument_of_where_asks_for_places():
    (places,) = np.where(Tensor([False, True, True]))
    assert isinstance(places, Tensor) and places.tolist() == [1, 2]


def test_constants_of_the_graph_show_their_arguments():
    assert list(inspect.signature(pb.argmax).parameters)[:2] == ["a", "axis"]


def test_the_families_are_not_among_the_names():
    assert {"exp", "Tensor", "grad", "__array_api_version__"} <= set(pb.autograd.__all__)
    assert not {"elementwise", "sorting", "fft", "special", "np", "Any", "annotations", "inspect"} & set(
        pb.autograd.__all__
    )
    assert not [name for name in pb.autograd.__all__ if name != "__array_api_version__" and not hasattr(pb, name)]


def test_the_conformance_script_says_how_to_get_the_suite():
    script = pb.autograd.__file__.replace("autograd/__init__.py", "tests/conformance.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.returncode == 2 and "git clone --recurse-submodules" in done.stdout


def test_clip_has_the_names_of_the_standard_and_of_numpy():
    assert list(inspect.signature(pb.clip).parameters)[:3] == ["x", "min", "max"]
    x = pb.asarray([-2.0, 0.5, 2.0])
    calls = [
        lambda: pb.clip(x, -1, 1),
        lambda: pb.clip(x, min=-1, max=1),
        lambda: pb.clip(x, a_min=-1, a_max=1),
        lambda: np.clip(x, -1, 1),
        lambda: np.clip(x, a_min=-1, a_max=1),
        lambda: np.clip(a=x, min=-1, max=1),
        lambda: x.clip(-1, 1),
        lambda: x.clip(max=1, min=-1),
    ]
    for call in calls:
        assert call().tolist() == [-1.0, 0.5, 1.0]
