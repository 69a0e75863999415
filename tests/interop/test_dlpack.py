"""DLPack: memory is shared with NumPy and PyTorch, both ways."""

import numpy as np
import pytest

from pullback import Tensor, asarray, from_dlpack

DTYPES = [
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
]
BASE = np.arange(24.0).reshape(4, 6)
LAYOUTS = {
    "strided": BASE[::2, ::3],
    "transposed": BASE.T,
    "broadcast": np.broadcast_to(BASE[0], (3, 6)),
    "0-d": BASE[0, 0:1].reshape(()),
    "empty": BASE[:0],
    "one entry": BASE[1:2, 2:3],
}


@pytest.mark.parametrize("dtype", DTYPES)
def test_numpy_both_ways(dtype):
    array = np.ones((2, 3), dtype)
    x = from_dlpack(array)
    there = np.from_dlpack(x)
    assert there.dtype == x.dtype == dtype
    array[0, 0] = 0
    assert x[0, 0] == 0 and there[0, 0] == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_pytorch_both_ways(torch, dtype):
    array = np.ones((2, 3), dtype)
    theirs = torch.from_dlpack(asarray(array))
    theirs[0, 0] = 0
    assert array[0, 0] == 0
    back = from_dlpack(theirs)
    array[1, 1] = 0
    assert theirs[1, 1] == 0 and back[1, 1] == 0 and back.dtype == dtype and np.shares_memory(back.data, array)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout):
    array = LAYOUTS[layout]
    there, here = np.from_dlpack(asarray(array)), from_dlpack(array)
    for values in (there, here.numpy()):
        np.testing.assert_array_equal(values, array)
    if array.ndim and array.size:  # a 0-d Tensor is a number, without memory of its own
        assert np.shares_memory(there, array) and np.shares_memory(here.data, array)
        assert there.strides == array.strides or array.size == 1  # where strides mean nothing


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_to_pytorch(torch, layout):
    array = LAYOUTS[layout].copy() if layout == "broadcast" else LAYOUTS[layout]
    theirs = torch.from_dlpack(asarray(array))
    assert tuple(theirs.shape) == array.shape and theirs.tolist() == array.tolist()
    if array.ndim and array.size:
        assert theirs.data_ptr() == array.ctypes.data


def test_what_runs_backwards_is_copied_for_it_would_abort_pytorch(torch):
    x = asarray(BASE[::-1])
    assert torch.from_dlpack(x).tolist() == BASE[::-1].tolist()
    assert not np.shares_memory(np.from_dlpack(x), BASE)
    assert np.shares_memory(np.from_dlpack(x, copy=False), BASE)


def test_read_only_memory_stays_so():
    array = np.arange(3.0)
    array.flags.writeable = False
    x = from_dlpack(array)
    assert np.shares_memory(x.data, array) and not x.data.flags.writeable
    assert not np.from_dlpack(x).flags.writeable
    x[0] = 5.0  # makes a new array
    assert x.tolist() == [5.0, 1.0, 2.0] and array.tolist() == [0.0, 1.0, 2.0]


def test_copy_is_a_copy():
    assert not np.shares_memory(from_dlpack(BASE, copy=True).data, BASE)
    assert not np.shares_memory(np.from_dlpack(asarray(BASE), copy=True), BASE)


def test_writing_into_a_tensor_leaves_what_shares_its_old_memory():
    """A Tensor's own writes make a new array, since a recorded graph may need the old one."""
    x = from_dlpack(BASE.copy())
    there = np.from_dlpack(x)
    x[0, 0] = 99.0
    assert there[0, 0] == 0.0 and x[0, 0] == 99.0


def test_a_gradient_is_not_lost_on_the_way(torch):
    x = Tensor([1.0], requires_grad=True)
    for take in (np.from_dlpack, torch.from_dlpack, from_dlpack, torch.asarray, torch.tensor):
        with pytest.raises(TypeError, match="would lose it"):
            take(x)
    assert torch.from_dlpack(x.detach()).tolist() == [1.0]
    with pytest.raises(BufferError):
        from_dlpack(torch.ones(2, requires_grad=True))
    with pytest.raises(RuntimeError):
        asarray(torch.ones(2, requires_grad=True))


def test_arrays_of_other_libraries_as_operands(torch):
    x = Tensor([1.0, 2.0], requires_grad=True)
    for out in (x + torch.ones(2), torch.ones(2) + x, x * np.ma.array([1.0, 1.0])):
        assert isinstance(out, Tensor) and out.requires_grad and type(out.data) is np.ndarray
    assert (x == torch.tensor([1.0, 3.0])).tolist() == [True, False]


def test_device():
    assert Tensor([1.0]).__dlpack_device__() == (1, 0)
