"""NumPy's own calls on Tensors: their options, the methods of ufuncs, functions and methods that write."""

import pickle

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor

A = np.array([[1.5, -2.0, 0.5], [4.0, 2.5, -1.0]])
B = np.array([2.0, 3.0, -0.5])
MASK = np.array([[True, False, True], [False, False, True]])


def leaf(values):
    return Tensor(values, requires_grad=True)


def gradient(f, values):
    x = leaf(values)
    f(x).sum().backward()
    return x.grad.data


def test_out_becomes_the_result():
    x, out = leaf(A), Tensor(np.zeros((2, 3)))
    assert np.multiply(x, B, out=out) is out and out.requires_grad
    out.sum().backward()
    np.testing.assert_array_equal(x.grad.data, np.broadcast_to(B, A.shape))
    fraction, whole = Tensor(np.zeros((2, 3))), Tensor(np.zeros((2, 3)))
    assert np.modf(x, out=(fraction, whole)) == (fraction, whole)
    np.testing.assert_array_equal(whole.data, np.modf(A)[1])
    assert np.modf(x, out=(None, whole))[1] is whole
    wide = Tensor(np.zeros((2, 3)))
    assert np.add(leaf(B), 1.0, out=wide) is wide and wide.tolist() == [[3.0, 4.0, 0.5]] * 2


def test_what_was_recorded_with_out_before_keeps_its_value():
    x = leaf(A)
    out = x * 1.0
    y = out * out
    np.exp(x, out=out)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, 2 * A)


def test_out_as_an_array_takes_values_that_have_no_gradient():
    out = np.zeros((2, 3))
    assert np.add(Tensor(A), 1.0, out=out) is out and (out == A + 1).all()
    assert np.sum(Tensor(A), axis=1, out=np.zeros(2)).tolist() == A.sum(1).tolist()
    assert np.argmax(leaf(A), axis=1, out=np.zeros(2, int)).tolist() == [0, 0]
    out += Tensor(A)
    assert (out == 2 * A + 1).all()
    with pb.no_grad():
        np.exp(leaf(A), out=out)
    for call in (
        lambda: np.add(leaf(A), 1.0, out=out),
        lambda: np.sum(leaf(A), axis=1, out=np.zeros(2)),
        lambda: np.add(leaf(A), 1.0, out=out, where=MASK),
        lambda: np.copyto(out, leaf(A)),
    ):
        with pytest.raises(TypeError, match=r"numpy.\w+: out is a NumPy array, which cannot record"):
            call()


def test_what_out_must_be():
    with pytest.raises(TypeError, match="numpy.exp: out must be a Tensor or an array, not int"):
        np.exp(leaf(A), 1)
    with pytest.raises(TypeError, match=r"numpy.add: cannot cast the result from float64 to out, int64"):
        np.add(leaf(A), 1.0, out=Tensor(np.zeros((2, 3), int)))
    with pytest.raises(ValueError, match="does not fit"):
        np.sum(leaf(A), axis=1, out=Tensor(np.zeros(3)))
    single = Tensor(np.zeros((2, 3), np.float32))
    assert np.add(leaf(A), 1.0, out=single).dtype == np.float32
    whole = Tensor(np.zeros(3, int))
    assert np.add(B, 1.9, out=whole, casting="unsafe").tolist() == [3, 4, 1]
    with pytest.raises(RuntimeError, match="leaf that requires a gradient"):
        np.add(A, 1.0, out=leaf(A))


def test_where_leaves_out_alone_and_gives_no_nan():
    x, y, old = leaf(A), leaf([2.0, 0.0, 4.0]), leaf(np.full((2, 3), 7.0))
    out = np.divide(x, y, where=y.data != 0, out=old * 1.0)
    np.testing.assert_array_equal(out.data, [[0.75, 7, 0.125], [2, 7, -0.25]])
    out.sum().backward()
    np.testing.assert_array_equal(x.grad.data, [[0.5, 0, 0.25]] * 2)
    np.testing.assert_array_equal(y.grad.data, [-(1.5 + 4) / 4, 0, -(0.5 - 1) / 16])
    np.testing.assert_array_equal(old.grad.data, [[0, 1, 0]] * 2)
    np.testing.assert_array_equal(
        gradient(lambda v: np.log(v, where=v > 0, out=v * 0), A), np.where(A > 0, 1 / np.where(A > 0, A, 1), 0)
    )
    assert np.exp(leaf(1.0), where=False, out=Tensor(5.0)).item() == 5.0
    assert np.exp(leaf(0.0), where=True, out=Tensor(5.0)).item() == 1.0
    array = np.full((2, 3), 7.0)
    np.sqrt(Tensor(A), where=A > 0, out=array)
    np.testing.assert_array_equal(array, np.where(A > 0, np.sqrt(np.abs(A)), 7))
    with pytest.raises(TypeError, match="numpy.log: where= needs out="):
        np.log(x, where=MASK)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_dtype_is_that_of_the_computation(dtype):
    x, n = leaf(A), Tensor(np.array([1, 2, 3]))
    out = np.multiply(x, n, dtype=dtype)
    assert out.dtype == np.multiply(A, n.data, dtype=dtype).dtype
    np.testing.assert_array_equal(out.data, A * n.data)
    np.real(out).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [[1, 2, 3]] * 2)
    assert np.divide(n, 2, dtype=np.float32).dtype == np.float32
    assert np.less(x, 1.0, dtype=bool).tolist() == (A < 1).tolist()
    with pytest.raises(TypeError, match="same_kind"):
        np.add(x, 1.0, dtype=int)


def test_other_options():
    x = leaf(A)
    assert np.add(x, 1, order="K", subok=True, casting="same_kind").requires_grad
    for options in ({"order": "F"}, {"subok": False}):
        with pytest.raises(TypeError, match=rf"numpy.add: {next(iter(options))}=.* is not supported on Tensors"):
            np.add(x, 1, **options)
    for call, message in (
        (lambda: np.nan_to_num(x, foo=1), "foo"),
        (lambda: np.linspace(x, 1.0, device="gpu"), "linspace: device"),
        (lambda: np.sum(x, 1, 2, 3, 4, 5, 6, 7, 8), "positional"),
        (lambda: np.concatenate([x, x], casting="no", dtype=np.float32), "concatenate: cannot cast from float64"),
        (lambda: np.stack([x, x], dtype=int), "concatenate: cannot cast from float64 to int64 by casting='same_kind'"),
        (lambda: np.sort(x, order="a"), r"numpy.sort: order='a' is not supported"),
        (lambda: np.clip(x, 0, 1, dtype=np.float32), "numpy.clip: dtype is not supported"),
    ):
        with pytest.raises(TypeError, match=message):
            call()


def test_the_namespace_takes_the_options_of_ufuncs():
    x, out = leaf(A), Tensor(np.zeros((2, 3)))
    assert pb.add(x, 1.0, out=out) is out and pb.exp(x, dtype=np.float32).dtype == np.float32
    assert pb.add(A, 1.0, out=np.zeros((2, 3))).tolist() == (A + 1).tolist()
    with pytest.raises(TypeError, match="numpy.exp: where= needs out="):
        pb.exp(x, where=MASK)


def test_names_of_arguments_are_numpys():
    x = leaf(A)
    assert np.sum(a=x, axis=0).shape == (3,) and np.reshape(x, shape=(3, 2)).shape == (3, 2)
    assert np.matmul(x, x.T).shape == np.dot(a=x, b=x.T).shape == (2, 2)
    assert np.clip(a=x, a_min=0, a_max=None).tolist() == np.clip(A, 0, None).tolist()
    assert np.stack(arrays=[x, x], axis=0).shape == (2, 2, 3) and np.diff(x, n=1).shape == (2, 2)
    assert np.sum(x, 1, None, None, True).shape == (2, 1)


def test_axes_of_ufuncs_on_vectors_and_matrices():
    a, b = np.arange(24.0).reshape(2, 3, 4), np.arange(24.0).reshape(3, 4, 2) / 7
    for options in (
        {"axes": [(0, 1), (1, 2), (0, 1)]},
        {"axes": [(1, 2), (1, 2), (-1, -2)]},
        {"axes": [(-1, 1), (0, 2), (2, 0)]},
    ):
        try:
            expected = np.matmul(a, b, **options)
        except ValueError:
            continue
        np.testing.assert_allclose(np.matmul(leaf(a), leaf(b), **options).data, expected)
    for options in ({"axis": 1}, {"axis": 0, "keepdims": True}, {"keepdims": True}, {"axes": [0, 1, ()]}):
        other = a if "axes" not in options else np.moveaxis(a, 0, 1)
        expected = np.vecdot(a, other, **options)
        out = np.vecdot(leaf(a), leaf(other), **options)
        np.testing.assert_allclose(out.data, expected)
        assert out.shape == expected.shape


# The methods of ufuncs


@pytest.mark.parametrize(
    "ufunc", [np.add, np.subtract, np.multiply, np.maximum, np.logaddexp, np.hypot, np.floor_divide]
)
def test_methods_of_ufuncs_are_numpys(ufunc):
    a = np.abs(np.random.default_rng(0).standard_normal((3, 4))) + 0.1
    for method, args, options in (
        ("reduce", (), {}),
        ("reduce", (), {"axis": -1, "keepdims": True}),
        ("reduce", (), {"axis": 1, "initial": 2.0}),
        ("reduce", (), {"dtype": np.float32}),
        ("accumulate", (), {"axis": 1}),
        ("reduceat", ([0, 2, 1],), {}),
        ("reduceat", ([3, 0],), {"axis": 1}),
        ("outer", (B,), {}),
    ):
        if "initial" in options and ufunc in (np.subtract, np.floor_divide):
            continue  # numpy refuses an initial value there
        expected = getattr(ufunc, method)(a, *args, **options)
        out = getattr(ufunc, method)(leaf(a), *args, **options)
        assert out.requires_grad and out.dtype == expected.dtype
        np.testing.assert_allclose(out.data, expected, rtol=1e-6 if "dtype" in options else 1e-13)


@pytest.mark.parametrize("ufunc", [np.maximum, np.minimum, np.fmax, np.fmin])
def test_running_extrema(ufunc):
    a = np.array([[1.0, np.nan, 3.0, 3.0, -2.0], [np.nan, 2.0, 2.0, 5.0, np.nan]])
    for axis in (0, 1):
        np.testing.assert_array_equal(ufunc.accumulate(leaf(a), axis=axis).data, ufunc.accumulate(a, axis=axis))
    assert ufunc.accumulate(Tensor(np.zeros((0, 2)))).shape == (0, 2)
    n = 20_000
    x = leaf(np.ones(n))
    ufunc.accumulate(x).sum().backward()
    assert x.grad.data.sum() == n
    assert gradient(np.maximum.accumulate, [2.0, 1.0, 3.0, 0.0, -1.0]).tolist() == [2, 0, 3, 0, 0]


def test_reduce_of_nothing():
    empty = Tensor(np.zeros((0, 2)))
    assert np.hypot.reduce(empty).tolist() == np.hypot.reduce(empty.data).tolist()
    assert np.logaddexp.reduce(empty).tolist() == [-np.inf, -np.inf]
    with pytest.raises(ValueError, match="numpy.subtract.reduce: there is none of nothing"):
        np.subtract.reduce(empty)
    with pytest.raises(TypeError, match="numpy.hypot.reduce: where= is not supported"):
        np.hypot.reduce(leaf(A), where=MASK)


def test_constants_have_methods_too():
    x = leaf(A)
    assert np.logical_and.reduce(x > -3, axis=1).tolist() == [True, True]
    assert np.less.outer(x, B).tolist() == np.less.outer(A, B).tolist()
    assert np.logical_or.reduce(x > 3, axis=1, out=np.zeros(2, bool)).tolist() == [False, True]


@pytest.mark.parametrize("ufunc", [np.add, np.subtract, np.multiply, np.divide, np.maximum])
@pytest.mark.parametrize("index", [[0, 2, 0, 0], slice(1, None), ([0, 1, 0], [1, 1, 1]), np.array([True, False, True])])
def test_at_is_numpys(ufunc, index):
    a, b = np.arange(1.0, 7.0).reshape(3, 2), np.array([2.0, 5.0, 3.0, 7.0])
    values = b[:3] if isinstance(index, tuple) else b[: len(a[index]), None]
    expected = a.copy()
    ufunc.at(expected, index, values)
    x = leaf(a)
    y = x * 1.0
    ufunc.at(y, index, leaf(values))
    np.testing.assert_allclose(y.data, expected, rtol=1e-14)
    y.sum().backward()
    assert x.grad is not None


def test_gradients_of_at():
    x, v = leaf([1.0, 2.0, 3.0]), leaf([10.0, 20.0, 30.0])
    y = x * 1.0
    np.multiply.at(y, [0, 2, 0], v)
    y.sum().backward()
    assert x.grad.tolist() == [300.0, 1.0, 20.0] and v.grad.tolist() == [30.0, 3.0, 10.0]
    y = x * 1.0
    np.add.at(y, [0, 0, 1], v)
    assert y.tolist() == [31.0, 32.0, 3.0]
    np.negative.at(y, [0, 0, 1])
    assert y.tolist() == [31.0, -32.0, 3.0]
    with pytest.raises(TypeError, match="numpy.add.at: a NumPy array cannot record Tensors"):
        np.add.at(np.zeros(3), [0], v)


# Functions and methods that write


def test_writing_functions_are_numpys():
    values = np.array([10.0, 20.0, 30.0])
    for change in (
        lambda a, v: np.copyto(a, v),
        lambda a, v: np.copyto(a, v, where=MASK),
        lambda a, v: np.copyto(a, 5),
        lambda a, v: np.put(a, [0, -1, 2, 0], v),
        lambda a, v: np.put(a, [9, -8], v, mode="clip"),
        lambda a, v: np.putmask(a, MASK, v[:2]),
        lambda a, v: np.place(a, MASK, v[:2]),
        lambda a, v: np.fill_diagonal(a, v[0]),
        lambda a, v: a.put([1, 2], v),
        lambda a, v: a.fill(v[0]),
        lambda a, v: a.flat.__setitem__(slice(1, 4), v),
        lambda a, v: a.flat.__setitem__([0, 5], v[:1]),
        lambda a, v: setattr(a, "flat", v),
    ):
        expected, x, v = A.copy(), leaf(A), leaf(values)
        change(expected, values)
        y = x * 1.0
        change(y, v)
        np.testing.assert_array_equal(y.data, expected)
        weights = np.arange(1.0, 7.0).reshape(2, 3)
        (y * weights + 0 * x).sum().backward()
        kept = A * 1.0
        change(kept, np.full(3, np.nan))
        stays = ~np.isnan(kept) & (kept != 5)
        np.testing.assert_array_equal(0 if x.grad is None else x.grad.data, np.where(stays, weights, 0))
        taken = (expected[None] == values[:, None, None]) * weights
        np.testing.assert_array_equal(0 if v.grad is None else v.grad.data, taken.sum((1, 2)))


def test_writing_into_an_array():
    for call in (
        lambda a: np.put(a, [0], leaf([1.0])),
        lambda a: np.putmask(a, MASK, leaf([1.0])),
        lambda a: np.place(a, MASK, leaf([1.0])),
    ):
        with pytest.raises(TypeError, match="cannot record Tensors"):
            call(A.copy())
    array = np.zeros((2, 3))
    np.copyto(array, Tensor(B), where=MASK)
    np.testing.assert_array_equal(array, np.where(MASK, B, 0))
    with pytest.raises(TypeError, match="cast"):
        np.copyto(Tensor([1, 2]), 1.5)


def test_flat():
    x = leaf(A)
    assert len(x.flat) == 6 and [v.item() for v in x.flat] == A.ravel().tolist()
    x.flat[[1, 3]].sum().backward()
    assert x.grad.tolist() == [[0, 1, 0], [1, 0, 0]]
    assert Tensor(A.T).flat[1].item() == 4.0


@pytest.mark.parametrize("order", ["C", "F", "A", "K"])
def test_orders(order):
    for a in (A, A.T, np.asfortranarray(A), np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2)):
        x = Tensor(a)
        x.data = a
        np.testing.assert_array_equal(np.ravel(x, order).data, a.ravel(order))
        np.testing.assert_array_equal(x.flatten(order).data, a.flatten(order))
        np.testing.assert_array_equal(x.copy(order).data, a)
        if order != "K":
            np.testing.assert_array_equal(x.reshape(-1, order=order).data, a.reshape(-1, order=order))


def test_methods_take_what_numpys_take():
    x, out = leaf(A), Tensor(np.zeros(3))
    assert x.sum(0, None, out) is out and out.requires_grad
    assert x.max(0, out) is out and x.std(axis=0, ddof=1, out=out) is out and x.take([0, 1, 2], 1, None).shape == (2, 3)
    assert x.dot(B, out=Tensor(np.zeros(2))).tolist() == A.dot(B).tolist()
    assert x.compress([True, False], 0, Tensor(np.zeros((1, 3)))).tolist() == [A[0].tolist()]
    assert x.any(1, np.zeros(2, bool)).tolist() == [True, True] and x.round(1, out=Tensor(A)).tolist() == A.tolist()
    assert x.trace(1, 0, 1, None, Tensor(0.0)).item() == A.trace(1) and x.cumsum(out=Tensor(np.zeros(6))).shape == (6,)
    assert pickle.loads(x.dumps()).tolist() == A.tolist()
    assert (x.nbytes, x.itemsize, x.strides) == (48, 8, (24, 8)) and x.flags.c_contiguous
    assert x.tobytes() == A.tobytes()


def test_ufuncs_of_scipy():
    special = pytest.importorskip("scipy.special")
    x, out = leaf(A), Tensor(np.zeros((2, 3)))
    assert special.erf(x, out=out) is out and special.erf(x, dtype=np.float32).dtype == np.float32
    np.testing.assert_allclose(special.xlogy.outer(B + 1, leaf(B + 1)).data, special.xlogy.outer(B + 1, B + 1))
    np.testing.assert_array_equal(
        special.gammaln(x, where=A > 0, out=x * 0).data, np.where(A > 0, special.gammaln(np.abs(A)), 0)
    )
    with pytest.raises(TypeError, match="scipy.special.erf: where= needs out="):
        special.erf(x, where=MASK)
    with pytest.raises(TypeError, match="numpy.fresnel has no rule"):
        special.fresnel(x)


def test_every_public_name_of_an_array_is_there_or_refused():
    about_memory = {"base", "byteswap", "ctypes", "getfield", "resize", "setfield", "setflags"}
    gone = {"itemset", "newbyteorder", "ptp", "tostring"}  # of NumPy 2, of which some versions list them nevertheless
    public = {name for name in dir(np.ndarray) if not name.startswith("_")} - gone
    assert {name for name in public if not hasattr(Tensor(A), name)} == about_memory
    with pytest.raises(
        AttributeError, match=r"Tensor has no attribute 'byteswap'; it is about an array's memory, see .numpy"
    ):
        Tensor(A).byteswap()
    assert not hasattr(Tensor(A), "no_such_name")


def test_comparing_with_what_is_no_array():
    assert (Tensor(1.0) == None) is False and (Tensor(1.0) != object()) is True  # noqa: E711
    assert (Tensor(B) == None).tolist() == [False] * 3  # noqa: E711


def test_values_are_saved_and_printed(tmp_path):
    x = leaf(A)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", x=x)
    np.savetxt(tmp_path / "x.txt", x)
    assert np.load(tmp_path / "x.npy").tolist() == np.load(tmp_path / "x.npz")["x"].tolist() == A.tolist()
    assert np.loadtxt(tmp_path / "x.txt").tolist() == A.tolist()
    assert np.array2string(x) == np.array2string(A) and np.array_repr(x) == np.array_repr(A)
    assert np.shares_memory(x, x.data) and np.einsum_path("ij,kj", x, x)[0] == np.einsum_path("ij,kj", A, A)[0]
