"""Python's own protocols on Tensors: copies, pickles, text, containers, numbers."""

import copy
import math
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, nn


@pytest.fixture
def x():
    return Tensor([1.0, 2.0, 3.0], requires_grad=True)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float16", "float32", "float64", "complex64"])
def test_pickle(dtype, protocol):
    for values in (np.ones((2, 3), dtype), np.ones((), dtype), np.ones((0, 3), dtype), np.ones((2, 3), dtype).T):
        back = pickle.loads(pickle.dumps(Tensor(values), protocol))
        assert back.dtype == dtype and back.shape == values.shape and not back.requires_grad
        np.testing.assert_array_equal(back.numpy(), values)


@pytest.mark.parametrize("layout", "CF")
def test_a_pickles_buffers_are_no_memory_of_a_graph(layout):
    """Of protocol 5, out of band: whoever has the buffers may write into them."""
    x = Tensor(np.ones((2, 3), order=layout), requires_grad=True)
    before = (x * x).sum()
    buffers = []
    text = pickle.dumps(x, 5, buffer_callback=buffers.append)
    (inside,) = (np.frombuffer(buffer.raw(), np.float64) for buffer in buffers)
    taken = bytearray(buffers[0].raw())
    inside[...] = 7.0
    after = (x * x).sum()
    inside[...] = 9.0
    before.backward()
    assert x.grad.tolist() == [[2.0] * 3] * 2
    x.grad = None
    after.backward()
    assert x.grad.tolist() == [[14.0] * 3] * 2

    twin = pickle.loads(text, buffers=[taken])
    square = (twin * twin).sum()
    taken[:] = bytes(len(taken))
    square.backward()
    assert twin.tolist() == [[1.0] * 3] * 2 and twin.grad.tolist() == [[2.0] * 3] * 2


FACES = [
    (face, getattr(face, "__all__", dir(face))) for face in (pb.autograd, pb.linalg, pb.fft, pb.special, nn.functional)
]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, copy.copy, lambda x: pickle.loads(pickle.dumps(x))])
def test_functions_are_found_again(duplicate):
    known = [getattr(face, name) for face, names in FACES for name in names]
    functions = [f for f in known if callable(f) and getattr(f, "__module__", None) != "typing"]
    assert len(functions) > 500
    assert [f for f in functions if duplicate(f) is not f] == []


def test_a_module_goes_to_another_process_with_its_functions(tmp_path):
    """With a primitive of the user's own, which the other process knows only by the name of its module."""
    (tmp_path / "mine.py").write_text(
        "import numpy as np, pullback as pb\n"
        "from pullback import nn\n"
        "@pb.primitive\ndef thrice_of_mine(x): return 3 * x\n"
    )
    dump = (
        "import pickle, sys, pullback as pb, mine; from pullback import nn\n"
        "m = nn.Linear(1, 1); m.first, m.second, m.third = mine.thrice_of_mine, pb.exp, pb.zeros\n"
        "sys.stdout.buffer.write(pickle.dumps(m))"
    )
    use = (
        "import pickle, sys; m = pickle.loads(sys.stdin.buffer.read())\n"
        "print(m.first(2.0), m.second(0.0), m.third(1).tolist())"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    text = subprocess.run([sys.executable, "-c", dump], env=environment, capture_output=True, check=True).stdout
    said = subprocess.run([sys.executable, "-c", use], env=environment, input=text, capture_output=True, check=True)
    assert said.stdout.split() == [b"6.0", b"1.0", b"[0.0]"]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_deep_copy_is_a_leaf_of_its_own_with_its_gradient(x, duplicate):
    (x * x).sum().backward()
    twin = duplicate(x)
    assert twin.requires_grad and twin.is_leaf and twin.grad.tolist() == [2.0, 4.0, 6.0]
    twin.sum().backward()
    assert twin.grad.tolist() == [3.0, 5.0, 7.0] and x.grad.tolist() == [2.0, 4.0, 6.0]
    twin.numpy()[0] = 9.0
    assert x.tolist() == [1.0, 2.0, 3.0]


def test_a_shallow_copy_of_a_leaf_is_a_leaf_of_its_own(x):
    twin = copy.copy(x)
    twin.sum().backward()
    assert twin.is_leaf and twin.tolist() == x.tolist() and x.grad is None


def test_deepcopy_keeps_what_is_shared(x):
    first, second = copy.deepcopy([x, x])
    assert first is second


def test_a_shallow_copy_of_a_result_stays_in_the_graph(x):
    y = copy.copy(x * 2)
    y[0] = 0.0
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 2.0, 2.0]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, pickle.dumps])
def test_a_result_does_not_take_its_graph_along(x, duplicate):
    with pytest.raises(TypeError, match="only a leaf can be pickled or deep-copied"):
        duplicate(x * 2)


@pytest.mark.parametrize(
    "values, text",
    [
        (2.0, "Tensor(2.)"),
        (3, "Tensor(3)"),
        (True, "Tensor(True)"),
        ([1.0, -2.5], "Tensor([ 1. , -2.5])"),
        (np.float32([1 / 3]), "Tensor([0.33333334], dtype=float32)"),
        ([[1, 2], [3, 4]], "Tensor([[1, 2],\n        [3, 4]])"),
        ([], "Tensor([])"),
        (np.zeros((0, 3)), "Tensor([], shape=(0, 3))"),
        ([np.nan, np.inf], "Tensor([nan, inf])"),
        (1 + 2j, "Tensor(1.+2.j, dtype=complex128)"),
    ],
)
def test_repr(values, text):
    assert repr(Tensor(values)) == str(Tensor(values)) == f"{Tensor(values)!r}" == text


def test_repr_says_that_a_gradient_is_required(x):
    assert repr(x) == f"{x}" == "Tensor([1., 2., 3.], requires_grad=True)"


def test_printoptions_hold():
    with np.printoptions(precision=2, threshold=4):
        assert repr(Tensor([1 / 3])) == "Tensor([0.33])"
        assert repr(Tensor(np.arange(9.0))) == "Tensor([0., 1., 2., ..., 6., 7., 8.])"


def test_a_number_takes_a_format(x):
    loss = x.sum()
    assert f"{loss:.3f} {loss:>5.0f} {loss}" == "6.000     6 6.0"
    with pytest.raises(TypeError, match="format '.2f' is for one number"):
        f"{x:.2f}"


def test_hashing_and_sets_are_by_identity(x):
    twin = Tensor(x.data)
    assert hash(x) == hash(x) and {x: 1}[x] == 1
    assert len({x, twin, x}) == 2 and twin not in {x}


def test_iteration_and_unpacking_keep_the_graph(x):
    a, *_, c = x
    (2 * a + 3 * c).backward()
    assert x.grad.tolist() == [2.0, 0.0, 3.0]
    assert [v.item() for v in reversed(x)] == [3.0, 2.0, 1.0]
    assert [row.shape for row in Tensor(np.ones((2, 3)))] == [(3,), (3,)]
    assert list(Tensor(np.ones((0, 3)))) == []


def test_python_sum_max_sorted_zip(x):
    (sum(x) + max(x) * min(x)).backward()
    assert x.grad.tolist() == [4.0, 1.0, 2.0]
    assert [v.item() for v in sorted(x, reverse=True)] == [3.0, 2.0, 1.0]
    assert [(i, v.item(), w.item()) for i, (v, w) in enumerate(zip(x, x, strict=True))][2] == (2, 3.0, 3.0)


def test_len(x):
    assert len(x) == 3 and len(Tensor(np.ones((0, 2)))) == 0
    with pytest.raises(TypeError, match=r"len\(\) of a 0-d Tensor"):
        len(Tensor(1.0))
    with pytest.raises(TypeError, match="iteration over a 0-d Tensor"):
        iter(Tensor(1.0))
    assert np.iterable(x) and not np.iterable(Tensor(1.0))


def test_membership(x):
    assert 2.0 in x and 5.0 not in x and Tensor(3.0) in x and np.nan not in x


def test_truth(x):
    assert Tensor(2.0) and not Tensor(0.0) and Tensor([[3]]) and not Tensor([False])
    assert any(x > 2) and all(x > 0)
    empty = [Tensor([])] if np.lib.NumpyVersion(np.__version__) >= "2.2.0" else []  # before, with a warning, False
    for ambiguous in (x, *empty):
        with pytest.raises(ValueError, match="ambiguous"):
            bool(ambiguous)


def test_conversion_to_numbers():
    number = Tensor(2.5)
    assert (float(number), int(number), complex(number)) == (2.5, 2, 2.5 + 0j)
    assert type(float(number)) is float and type(number.item()) is float
    assert math.sqrt(Tensor(4.0)) == 2.0 and math.floor(number) == 2 and math.ceil(number) == 3
    for convert in (float, int, complex):
        with pytest.raises(TypeError):
            convert(Tensor([1.0, 2.0]))
    with pytest.raises(TypeError):
        float(Tensor(1j))


def test_operators_of_python_keep_the_graph():
    number = Tensor(2.6, requires_grad=True)
    for result, slope in (
        (abs(-number), 1.0),
        (pow(number, 2), 5.2),
        (pow(2, number), 2**2.6 * math.log(2)),
        (divmod(number, 1.5)[1], 1.0),
        (divmod(7.0, number)[1], -2.0),
        (round(number), 0.0),
    ):
        number.grad = None
        result.backward()
        assert float(number.grad) == pytest.approx(slope, abs=0)


def test_an_integer_is_an_index():
    one = Tensor(1)
    assert [10, 20, 30][one] == 20 and list(range(3))[one:] == [1, 2]
    for no_index in (Tensor(1.0), Tensor([1])):
        with pytest.raises(TypeError):
            [10, 20][no_index]


def test_equality_with_what_is_no_number():
    assert (Tensor([1.0]) == None).tolist() == [False]  # noqa: E711 - as NumPy
    assert Tensor(1.0) != None and Tensor(1.0) != "a"  # noqa: E711
    assert not np.isscalar(Tensor(1.0)) and not isinstance(Tensor(1.0), float)


OLD = {  # pickles that were made before the modules stood in rooms
    "pb.exp": b"\x80\x04\x8c\x1bpullback.autograd.primitive\x8c\x0b_registered\x93\x8c\x03exp\x8c\x05numpy\x86R.",
    "pb.std": b"\x80\x04\x8c\x1cpullback.autograd.statistics\x8c\x03std\x93.",
    "pb.linalg.svd": b"\x80\x04\x8c\x1bpullback.autograd.primitive\x8c\x0b_registered\x93\x8c\x03svd\x8c\x20"
    b"pullback.autograd.decompositions\x86R.",
    "pb.affine": b"\x80\x04\x8c\x1bpullback.autograd.primitive\x8c\x0b_registered\x93\x8c\x06affine\x8c\x1a"
    b"pullback.autograd.products\x86R.",
}


@pytest.mark.parametrize("name", OLD)
def test_old_pickles_of_functions(name):
    assert pickle.loads(OLD[name]) is eval(name, {"pb": pb})


def test_old_pickles_of_tensors():
    state = pickle.dumps(np.array([1.0, 2.0]), 3)[2:-1]
    place = b"\x8c\x18pullback.autograd.tensor"
    x = pickle.loads(
        b"\x80\x04" + place + b"\x8c\x08_rebuild\x93(" + place + b"\x8c\x06Tensor\x93" + state + b"\x88NtR."
    )
    assert type(x) is Tensor and x.tolist() == [1.0, 2.0] and x.requires_grad and x.grad is None
    with pytest.raises(AttributeError, match="nothing"):
        pickle.loads(b"\x80\x04" + place + b"\x8c\x07nothing\x93.")
