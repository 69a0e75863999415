"""Nests of data as a checkpoint keeps them: they come back as they were, or are refused."""

import collections
import datetime
import math
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy._core._rational_tests import rational  # a dtype that NumPy does not know of itself

from pullback import Tensor, nn
from pullback.optim import Checkpoint
from pullback.tests.helpers.exact import same

pytest.importorskip("safetensors")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


ODD = [
    [None, True, False, 0, -1, 2**53, 2**53 + 1, -(2**63), 10**5000, "", "ü\n\0\"$", "\ud800", b"", b"\0\xff"],
    [0.1, -0.0, math.inf, -math.inf, math.nan, 5e-324, 1.7976931348623157e308, 1j, complex(-0.0, math.nan)],
    [[], (), {}, ((),), [[]], {"a": {}}, {"$array": 1}, {"$": {"$dict": []}}, {"": ("$int", "1")}],
    {0: {"step": 3}, "0": 1, -1: 2, 1.5: 3, math.inf: 4, None: 5, (1, ("a",)): 6, b"k": 7, np.int64(3): 8},
    {"a/b": np.ones(1), "a": {"b": np.ones(2)}, "a/b#1": np.ones(3), "\ud800": np.ones(2)},
    {"__metadata__": np.zeros(2)},
    [np.float32(0.1), np.float16(np.nan), np.int8(-3), np.bool_(True), np.complex128(1 - 2j), np.longdouble(1) / 3],
    [np.datetime64("2020-01-02T03:04"), np.timedelta64(5, "ms"), np.str_("ü"), np.str_(""), np.bytes_(b"x")],
    [Tensor([1.0, 2.0], dtype=np.float32), Tensor(3)],
]  # fmt: skip


@pytest.mark.parametrize("tree", ODD, ids=range(len(ODD)))
def test_odd_data(folder, tree):
    with Checkpoint(folder) as checkpoint:
        checkpoint.save(tree=tree)
        same(checkpoint.load(), {"tree": tree})


DTYPES = [*"?bBhHiIlLqQefdgFDG", ">f4", ">i8", ">c8", ">u2", "M8[ns]", ">m8[s]", "U3", ">U2", "S5", "U0", "V3"]
DTYPES += [[("a", "<f4"), ("b", ">i8", (2,)), ("c", [("d", "?")])]]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_arrays_of_every_dtype_shape_and_layout(folder, dtype):
    itemsize = np.dtype(dtype).itemsize
    content = (np.arange(24 * itemsize) % 2).astype(np.uint8)  # which no dtype but text takes for something else
    whole = np.ndarray((2, 3, 4), dtype, content)
    arrays = [whole, whole.T, whole[:, ::2, ::-1], np.asfortranarray(whole), whole[0, 0, 0:1].reshape(()), whole[:0]]
    arrays.append(np.broadcast_to(whole[0, 0], (2, 4)))
    with Checkpoint(folder) as checkpoint:
        checkpoint.save(arrays=arrays)
        loaded = checkpoint.load()
    same(loaded, {"arrays": arrays})
    for array in loaded["arrays"]:
        assert array.flags.writeable and array.flags.aligned and array.flags.c_contiguous


leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.complex_numbers(), st.text(), st.binary(),
    hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)),
    hnp.from_dtype(np.dtype(np.float32)),
)  # fmt: skip
keys = st.one_of(st.text(), st.integers(), st.booleans(), st.none(), st.tuples(st.integers(), st.text()))


@pytest.mark.slow
@settings(max_examples=50)
@given(
    st.recursive(
        leaves,
        lambda below: st.one_of(
            st.lists(below), st.dictionaries(keys, below), st.lists(below).map(tuple), st.dictionaries(st.text(), below)
        ),
        max_leaves=10,
    )
)
def test_any_nest(tmp_path_factory, tree):
    folder = tmp_path_factory.getbasetemp() / "nests"
    with Checkpoint(folder, keep=1) as checkpoint:
        checkpoint.save(tree=tree)
        same(checkpoint.load(), {"tree": tree})


def test_dicts_of_other_kinds_come_back_as_dicts(folder):
    with Checkpoint(folder) as checkpoint:
        checkpoint.save(a=collections.OrderedDict(x=1), b=collections.defaultdict(list, {0: [1]}))
        same(checkpoint.load(), {"a": {"x": 1}, "b": {0: [1]}})


Pair = collections.namedtuple("Pair", "a b")
NO_DATA = [
    (lambda: 0, "no data"), (object(), "no data"), (datetime.date(2020, 1, 1), "no data"), (int, "no data"),
    ({1, 2}, "write a sorted list"), (Pair(1, 2), "_asdict"), (np.array([None]), "dtype object"),
    (np.ma.masked_array([1.0], [True]), "numpy.asarray"), (np.zeros(1, [("a", object)]), "holds objects"),
    (np.array(["a"], "T"), "holds objects"), ([nn.ReLU()], "write it.state_dict"),
    (collections.deque(), "no data"), (np.zeros(2, rational), "is not NumPy's own"),
]  # fmt: skip


@pytest.mark.parametrize("value, message", NO_DATA)
def test_what_is_no_data_is_refused_and_named(folder, value, message):
    with Checkpoint(folder) as checkpoint:
        checkpoint.save(step=1)
        with pytest.raises(TypeError, match=rf"parts/part/x/1.*{message}"):
            checkpoint.save(part={"x": [0, value]})
        assert checkpoint.load() == {"step": 1} and len(os.listdir(folder)) == 1


def test_nests_without_end_are_refused(folder):
    circle = []
    circle.append(circle)
    with Checkpoint(folder) as checkpoint, pytest.raises(ValueError, match="too deep, or holds itself"):
        checkpoint.save(circle=circle)
    assert not folder.exists() or not os.listdir(folder)
