"""The dtype of numbers of which nobody says it."""

import threading

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, nn

UNSAID = {
    "zeros": lambda: pb.zeros(3),
    "ones": lambda: pb.ones((2, 2)),
    "empty": lambda: pb.empty(2),
    "full": lambda: pb.full(3, 2.0),
    "eye": lambda: pb.eye(2),
    "identity": lambda: pb.identity(2),
    "tri": lambda: pb.tri(2),
    "arange": lambda: pb.arange(0.0, 1.0, 0.5),
    "linspace": lambda: pb.linspace(0, 1, 5),
    "logspace": lambda: pb.logspace(0, 1, 5),
    "geomspace": lambda: pb.geomspace(1, 2, 5),
    "hanning": lambda: pb.hanning(5),
    "Tensor of a number": lambda: Tensor(1.0),
    "Tensor of lists": lambda: Tensor([[1.0, 2], [3, 4]]),
    "asarray": lambda: pb.asarray([1.0, 2.0]),
    "array": lambda: pb.array((1.0, 2.0)),
    "random": lambda: pb.random.normal(size=3),
}
SAID = {
    "dtype": lambda: pb.zeros(3, dtype=np.float64),
    "dtype in its place": lambda: pb.zeros(3, float),
    "an array": lambda: pb.asarray(np.ones(2)),
    "Tensor of an array": lambda: Tensor(np.ones(2)),
    "a list of NumPy's numbers": lambda: Tensor([np.float64(1)]),
    "a value": lambda: pb.full(2, np.float64(1)),
    "like": lambda: pb.zeros_like(np.ones(2)),
    "operations": lambda: Tensor(np.ones(2)) * 2.0,
}


@pytest.mark.parametrize("name", UNSAID)
def test_unsaid(name):
    assert UNSAID[name]().dtype == np.float64
    with pb.default_dtype("float32"):
        assert UNSAID[name]().dtype == np.float32
    assert UNSAID[name]().dtype == np.float64


@pytest.mark.parametrize("name", SAID)
def test_said(name):
    with pb.default_dtype("float32"):
        assert SAID[name]().dtype == np.float64


def test_integers_and_complex_numbers():
    with pb.default_dtype("float32"):
        assert pb.arange(3).dtype == Tensor([1, 2]).dtype == np.int64
        assert Tensor([1 + 2j]).dtype == np.complex64


def test_modules():
    assert nn.Linear(2, 2).weight.dtype == np.float32
    with pb.default_dtype(np.float64):
        assert nn.Linear(2, 2).weight.dtype == np.float64
        assert nn.Linear(2, 2, dtype=np.float32).weight.dtype == np.float32


def test_from_now_on_in_all_threads():
    seen = []
    try:
        pb.set_default_dtype("float32")
        thread = threading.Thread(target=lambda: seen.append(pb.zeros(2).dtype))
        thread.start()
        thread.join()
        assert seen == [pb.get_default_dtype()] == [np.float32]
    finally:
        pb.set_default_dtype(None)
    assert pb.get_default_dtype() == pb.zeros(2).dtype == np.float64


@pytest.mark.parametrize("call", [pb.default_dtype, pb.set_default_dtype])
def test_only_floats(call):
    with pytest.raises(TypeError, match=f"{call.__name__}: 'int32' is not a float type"):
        call("int32")
