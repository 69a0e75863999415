"""Views are views, as NumPy's are: what is written through one is written into its base and all its other views."""

import gc
import sys
import threading
import warnings
import weakref

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, nn, no_grad, optim
from pullback.tests.helpers.calls import flattened, qualified
from pullback.tests.helpers.numpy_calls import CALLS

A = np.arange(1.0, 10.0).reshape(3, 3)


def rows_doubled(y):
    for row in y:
        row *= 2


def both(y):
    first, second = y[0], y[0]
    first += 1
    second *= 2


def swap(y):
    y[0], y[1] = y[1].copy(), y[0].copy()


WRITES = {
    "part of a row": lambda y: y[0].__setitem__(1, 50),
    "row in place": lambda y: y[1].__iadd__(10),
    "out=": lambda y: np.multiply(y[0], 2, out=y[1]),
    "rows of a loop": rows_doubled,
    "transposed": lambda y: y.T.__setitem__(0, 0),
    "flat": lambda y: y.reshape(-1).__setitem__(0, 100),
    "raveled": lambda y: y.ravel().__setitem__(slice(2, 7), 100),
    "diagonal of a part": lambda y: np.fill_diagonal(y[:, 1:], 0),
    "filled row": lambda y: y[0].fill(9),
    "reversed": lambda y: y[::-1, ::2].__isub__(7),
    "a new axis": lambda y: y[None, 1, :, None].__imul__(3),
    "squeezed": lambda y: np.squeeze(y[:1]).__imul__(3),
    "swapped axes": lambda y: np.swapaxes(y, 0, 1)[0].__iadd__(1),
    "half": lambda y: np.split(y, [1])[1].__iadd__(1),
    "turned": lambda y: np.rot90(y)[0].__iadd__(1),
    "a place of its own": lambda y: y[0, 2, ...].__iadd__(1),
    "no axes": lambda y: y[:1, :1].reshape(()).__iadd__(1),
    "view of a view of a view": lambda y: y[1:][::-1].T[1].__imul__(4),
    "by a mask": lambda y: y[1].__setitem__(np.array([True, False, True]), 0),
    "by places": lambda y: y[1:].__setitem__(([0, 1, 0], [0, 1, 0]), [1, 2, 3]),
    "at": lambda y: np.add.at(y[1], [0, 0, 2], 1),
    "put": lambda y: np.put(y[1], [0, 2], [7, 8]),
    "put along an axis": lambda y: np.put_along_axis(y[1:], np.array([[0], [1]]), 3, 1),
    "flat iterator": lambda y: y.T.flat.__setitem__(slice(1, 4), [1, 2, 3]),
    "copyto": lambda y: np.copyto(y[:2], 5, where=y[:2] > 3),
    "sorted in place": lambda y: y[::-1, 0].sort(),
    "two views in turn": both,
    "swapped rows": swap,
    "a row from another": lambda y: y.__setitem__(0, y[1]),
    "of itself": lambda y: y[1:].__isub__(y[:-1]),
    "not a number": lambda y: np.nan_to_num(y[0], copy=False, nan=0.0),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_writes_as_numpy_does(write):
    array, y, z = A.copy(), Tensor(A), pb.zeros((3, 3))
    before = y[1, ...], y.T[2], y.reshape(9)[::4], np.squeeze(y[2:, 2:])
    twins = array[1, ...], array.T[2], array.reshape(9)[::4], np.squeeze(array[2:, 2:])
    write(array)
    write(y)
    np.testing.assert_array_equal(y.data, array)
    for view, twin in zip(before, twins, strict=True):
        np.testing.assert_array_equal(view.data, twin)
    np.testing.assert_array_equal(z.data, 0)


LOOKS = {
    "an override": lambda: pb.override(pb.sin, "x", lambda g: g),
    "an observer": pb.detect_anomaly,
    "no recording": no_grad,
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_writes_under_whatever_looks_on(look):
    """Operations take another way there, on which they remember what their results are views of, too."""
    for write in WRITES.values():
        array, y, x = A.copy(), Tensor(A), Tensor(np.ones((3, 3)), requires_grad=True)
        with look():
            z = y * x
            views = [(t[1, ...], t.T[2], t.reshape(9)[::4], np.squeeze(t[2:, 2:])) for t in (y, z)]
            for t in (y, z):
                write(t)
        write(array)
        for t, of in zip((y, z), views, strict=True):
            np.testing.assert_array_equal(t.data, array)
            twins = array[1, ...], array.T[2], array.reshape(9)[::4], np.squeeze(array[2:, 2:])
            for view, twin in zip(of, twins, strict=True):
                np.testing.assert_array_equal((view * 1).data, twin)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_writes_have_gradients(write):
    """That of a linear map: the matrix of what NumPy does to unit vectors, around a point."""

    def changed(x):
        y = x * 1
        view = y[1:, ...]
        write(y)
        return y * 1, view * 1

    x = Tensor(A + 0.5, requires_grad=True)
    step, weights = 2.0**-10, np.linspace(1, 2, 15)
    flat = lambda out: np.concatenate([np.ravel(out[0]), np.ravel(out[1])])  # noqa: E731
    units = step * np.eye(9).reshape(9, 3, 3)
    expected = [weights @ (flat(changed(x.data + unit)) - flat(changed(x.data - unit))) / (2 * step) for unit in units]
    (flat(changed(x)) * weights).sum().backward()
    np.testing.assert_allclose(x.grad.data.ravel(), expected, rtol=1e-12, atol=1e-12)


def test_a_number_is_a_value():
    y, array = Tensor(A[0]), A[0].copy()
    first, copied = y[0], y.flatten()
    first += 5
    copied += 5
    np.testing.assert_array_equal(y.data, array)


CASES = {  # beside those of numpy_calls.py: what may give its argument, or a part, as it is
    "clip": lambda n, x: n.clip(x, None, None),
    "roll": lambda n, x: n.roll(x, (), ()),
    "tile": lambda n, x: n.tile(x, 1),
    "repeat": lambda n, x: n.repeat(x, 1, 0),
    "pad": lambda n, x: n.pad(x, 0),
    "concatenate": lambda n, x: n.concatenate([x]),
    "stack": lambda n, x: n.stack([x]),
    "column_stack": lambda n, x: n.column_stack([x]),
    "block": lambda n, x: n.block([[x]]),
    "block of one": lambda n, x: n.block(x),
    "take": lambda n, x: n.take(x, 0, 0),
    "compress": lambda n, x: n.compress([True, True, True], x, 0),
    "atleast_1d": lambda n, x: n.atleast_1d(x),
    "atleast_3d": lambda n, x: n.atleast_3d(x),
    "ravel": lambda n, x: n.ravel(x),
    "ravel transposed": lambda n, x: n.ravel(x.T),
    "ravel F": lambda n, x: n.ravel(x, order="F"),
    "ravel transposed F": lambda n, x: n.ravel(x.T, order="F"),
    "ravel K": lambda n, x: n.ravel(x.T, order="K"),
    "flatten": lambda n, x: x.flatten(),
    "reshape transposed": lambda n, x: x.T.reshape(9),
    "reshape, copied": lambda n, x: n.reshape(x, 9, copy=True),
    "astype": lambda n, x: x.astype(float),
    "astype, not copied": lambda n, x: x.astype(float, copy=False),
    "copy": lambda n, x: x.copy(),
    "positive": lambda n, x: +x,
    "real": lambda n, x: x.real,
    "conj": lambda n, x: x.conj(),
    "conjugate": lambda n, x: n.conjugate(x),
    "nan_to_num": lambda n, x: n.nan_to_num(x),
    "nan_to_num, not copied": lambda n, x: n.nan_to_num(x, copy=False),
    "diff": lambda n, x: n.diff(x, n=0),
    "broadcast_to": lambda n, x: n.broadcast_to(x, (2, 3, 3)),
    "array_split": lambda n, x: n.array_split(x, 2, 1)[1],
    "unstack": lambda n, x: n.unstack(x)[1] if hasattr(n, "unstack") else x[1],
    "append": lambda n, x: n.append(x, np.zeros((0, 3)), 0),
    "delete": lambda n, x: n.delete(x, [], 0),
    "insert": lambda n, x: n.insert(x, [], 0.0, 0),
    "rot90": lambda n, x: n.rot90(x, 4),
    "rollaxis": lambda n, x: n.rollaxis(x, 1),
    "real_if_close": lambda n, x: n.real_if_close(x),
    "tril": lambda n, x: n.tril(x, 5),
    "einsum": lambda n, x: n.einsum("ij->ji", x),
    "sum": lambda n, x: n.sum(x, axis=()),
    "max": lambda n, x: n.max(x, axis=()),
    "sum of one": lambda n, x: n.sum(x[:1], axis=0),
    "index": lambda n, x: x[()],
    "list": lambda n, x: x[[0, 1, 2]],
    "mask": lambda n, x: x[np.ones(3, bool)],
    "NumPy's integer": lambda n, x: x[np.int64(1)],
    "place": lambda n, x: x[0, 1, ...],
    "no axes": lambda n, x: x[:1, :1].reshape(()),
    "flat": lambda n, x: x.flat[:],
    "meshgrid": lambda n, x: np.meshgrid(x[0], x[1])[0],
    "meshgrid, sparse": lambda n, x: np.meshgrid(x[0], x[1], copy=False, sparse=True)[0],
    "trim_zeros": lambda n, x: np.trim_zeros(x[0]),
    "add.reduce": lambda n, x: np.add.reduce(x[:1]),
    "maximum.accumulate": lambda n, x: np.maximum.accumulate(x[:1]),
    "matrix_power": lambda n, x: n.linalg.matrix_power(x, 1),
}


def outcomes(call, make, arrays):
    """What inputs are after each result was written into, and results after the inputs were."""
    inputs = [make(np.array(a)) for a in arrays]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = [out for out in flattened(call(*inputs)) if np.ndim(out) and isinstance(out, (np.ndarray, Tensor))]
        for out in results:
            try:
                out[...] = 77
            except ValueError:
                yield "read-only"
            else:
                yield [np.array(plain(x)) for x in inputs]
        for x in inputs:
            x[...] = 55
        yield [np.array(plain(out)) for out in results]


def plain(x):
    return x.data if isinstance(x, Tensor) else x


@pytest.mark.parametrize("name", CASES)
def test_views_where_numpy_has_them(name):
    call = CASES[name]
    theirs, ours = (list(outcomes(lambda x, n=n: call(n, x), make, [A])) for n, make in ((np, np.array), (pb, Tensor)))
    compare(theirs, ours)


NOT_AS_NUMPY = {
    *("numpy.diagonal", "numpy.diag", "numpy.linalg.diagonal"),  # may be written into, as NumPy's may some day
    *("numpy.broadcast_arrays", "numpy.meshgrid"),  # may not, as NumPy's may not some day
    "numpy.lib.stride_tricks.sliding_window_view",  # is a copy
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(name for name in CALLS if name not in NOT_AS_NUMPY and qualified(name)))
def test_every_function_gives_views_where_numpy_does(name):
    function = qualified(name)
    for call in CALLS[name]:
        arrays = [np.array(a) for a in call.arrays.values()]

        def run(*inputs, call=call):
            return call(function, **dict(zip(call.arrays, inputs, strict=True)))

        compare(list(outcomes(run, np.array, arrays)), list(outcomes(run, Tensor, arrays)))


def compare(theirs, ours):
    assert len(theirs) == len(ours)
    for a, b in zip(theirs, ours, strict=True):
        if "read-only" in (a, b):
            assert a == b
        else:
            for x, y in zip(a, b, strict=True):
                np.testing.assert_allclose(y, x, rtol=1e-9, atol=1e-10)


def test_diagonals_are_written_through():
    y, array = Tensor(A), A.copy()
    np.diagonal(y, 1)[:] = [7, 8]
    y.T.diagonal()[0] = 6
    array[0, 1], array[1, 2], array[0, 0] = 7, 8, 6
    np.testing.assert_array_equal(y.data, array)


@pytest.mark.parametrize("make", [lambda y: np.broadcast_to(y, (2, 3, 3)), lambda y: np.broadcast_to(y[0], (2, 3))[0]])
def test_broadcast_views_are_read_only(make):
    y = Tensor(A)
    view = make(y)
    with pytest.raises(ValueError, match="broadcast_to is read-only"):
        view[0] = 1
    np.testing.assert_array_equal(y.data, A)
    y += 1
    np.testing.assert_array_equal(view.data, make(A + 1))


def test_parts_of_complex_numbers():
    array = A[0] + 1j * A[1]
    y = Tensor(array)
    y.real[1], array.real[1] = 50, 50
    np.imag(y)[:] *= 2
    array.imag *= 2
    np.testing.assert_array_equal(y.data, array)
    y.real, array.real = 3, 3
    y.imag, array.imag = array.real + 1, array.real + 1
    np.testing.assert_array_equal(y.data, array)
    with pytest.raises(TypeError, match="no imaginary part"):
        Tensor([1.0]).imag = 2
    y.imag[0] = np.inf
    assert y.data[0].real == array[0].real and y.data[0].imag == np.inf
    x = Tensor([2.0, 3.0], requires_grad=True)
    z = Tensor([1 + 1j, 2 + 5j]) * 1
    z.imag[...] = x
    (z * z).real.sum().backward()  # (1 + 4 - x^2) by x
    np.testing.assert_array_equal(x.grad.data, [-4, -6])


def test_numbers_without_axes():
    y = Tensor(3.0)
    row, same = y.reshape(1), y.T
    row[0] = 5
    assert y.item() == same.item() == 5
    y += 1
    assert row.data.tolist() == [6] and same.item() == 6
    row.data[0] = 7
    assert y.item() == 7


def test_memory_is_one():
    y = Tensor(A)
    row, column = y[0], y.T[0]
    data = row.data
    data[1] = 50
    y.data[2, 0] = 60
    assert row.data.tolist() == [1, 50, 3] and column.data.tolist() == [1, 4, 60]
    row.data += 1
    assert y.data[0].tolist() == [2, 51, 4]
    recorded = (row * Tensor(np.ones(3), requires_grad=True)).sum()
    data[...] = 0
    recorded.backward()
    assert np.shares_memory(y, row) and not np.shares_memory(y, y.copy())


def test_data_is_assigned_to_all_or_to_one_alone():
    y = Tensor(A)
    row = y[0]
    y.data = A + 1
    assert row.data.tolist() == [2, 3, 4]
    row.data = [7.0, 8.0, 9.0]
    assert y.data[0].tolist() == [7, 8, 9]
    row.data = [1.0]
    assert y.data[0].tolist() == [7, 8, 9]
    first = y[0]
    y.data = np.zeros(2)
    assert first.data.tolist() == [7, 8, 9]
    first += 1
    assert y.data.tolist() == [0, 0]


def test_leaves_are_kept():
    x = Tensor(A, requires_grad=True)
    row, y = x[0], pb.zeros((3, 3))
    for view in (row, x.T, x.reshape(9)[1:2]):
        with pytest.raises(RuntimeError, match="leaf, or a view of one"):
            view *= 2
    with no_grad():
        row *= 2
    np.testing.assert_array_equal(x.data[0], 2 * A[0])
    assert row.requires_grad
    part = y[1].requires_grad_()
    with pytest.raises(RuntimeError, match="leaf, or a view of one"):
        y += 1
    with no_grad():
        y += 1
    assert part.data.tolist() == [1, 1, 1]


@pytest.mark.parametrize("make", [lambda p: optim.SGD(p, 0.5, momentum=0.9), lambda p: optim.Adam(p, 0.5)])
@pytest.mark.parametrize("size", [3, 1 << 16])
def test_optimizers_write_through(make, size):
    x = nn.Parameter(np.ones((2, size)))
    y = nn.Parameter(np.float64(1.0))
    views = x[0], x.T, y.reshape(1), y.T
    where = x.data.__array_interface__["data"][0]
    optimizer = make([x, y])
    for _ in range(2):
        optimizer.zero_grad()
        (x.sum() + y).backward()
        optimizer.step()
        np.testing.assert_array_equal(views[0].data, x.data[0])
        np.testing.assert_array_equal(views[1].data, x.data.T)
        assert views[2].item() == views[3].item() == y.item() < 1
    assert x.data.__array_interface__["data"][0] == where
    old = x.data.copy()
    for part in (views[0], x[0], x.T[:, 0]):
        product = (part * part).sum()
        del part
        optimizer.step()
        x.grad = None
        product.backward()
        np.testing.assert_array_equal(x.grad.data[0], 2 * old[0])
        np.testing.assert_array_equal(views[0].data, x.data[0])
        old = x.data.copy()


def test_memory_that_is_used_again_is_not_written_into_while_a_graph_has_it():
    y, w = pb.relu(pb.ones((512, 512))), Tensor(np.ones((512, 512)), requires_grad=True)
    product = (y.T * w).sum()
    y.data[...] = 50
    product.backward()
    assert np.all(w.grad.data == 1) and np.all(y.data == 50)


def filled(x):
    """A function of x by writes into views: [[x0, 2 x0 x1], [x1, x1^2]] summed with weights."""
    y = pb.zeros((2, 2))
    y[0][0] = x[0]
    row = y[1]
    row[...] = x[1]
    y.T[1] = x * x[1]
    last = y[0, 1:]
    last *= 2
    row[0] = row[0] * 1
    return (y * np.array([[1.0, 10.0], [100.0, 1000.0]])).sum()


def test_transforms():
    x = np.array([2.0, 3.0])  # f = x0 + 20 x0 x1 + 100 x1 + 1000 x1^2
    gradient, second = [1 + 20 * 3, 20 * 2 + 100 + 2000 * 3], [[0, 20], [20, 2000]]
    np.testing.assert_allclose(pb.grad(filled)(x).data, gradient)
    np.testing.assert_allclose(pb.hessian(filled)(x).data, second)
    np.testing.assert_allclose(pb.jacobian(filled)(x).data, gradient)
    np.testing.assert_allclose(pb.jvp(filled, (x,), ([1.0, 0.0],))[1].item(), gradient[0])
    batch = np.stack([x, x + 1, x * 2])
    expected = [[1 + 20 * b, 20 * a + 100 + 2000 * b] for a, b in batch]
    np.testing.assert_allclose(pb.vmap(pb.grad(filled))(batch).data, expected)
    np.testing.assert_allclose(pb.vmap(pb.vmap(pb.grad(filled)))(batch[None]).data, [expected])
    np.testing.assert_allclose(pb.vmap(pb.hessian(filled))(batch).data, [second] * 3)
    t = Tensor(x, requires_grad=True)
    filled(t).backward(create_graph=True)
    first = t.grad[0] + 3 * t.grad[1]
    t.grad = None
    first.backward()
    np.testing.assert_allclose(t.grad.data, [60, 20 + 6000])


def test_what_is_a_view_of_an_example():
    def entry(x):
        first, place = x[0], x[1, ...]
        first += 10
        place += 10
        return x * 1

    batch = np.zeros((3, 2))
    np.testing.assert_array_equal(pb.vmap(lambda x: entry(x * 1))(batch).data, [[0, 10]] * 3)
    np.testing.assert_array_equal(pb.jvp(lambda x: entry(x * 1), (batch[0],), (batch[0],))[0].data, [0, 10])

    def strange(x):
        flat = (x * 1).T.reshape(-1)  # a copy
        flat += 1
        return x

    np.testing.assert_array_equal(pb.vmap(strange)(np.zeros((2, 2, 3))).data, 0)


TRANSFORMS = {
    "jvp": lambda f: pb.jvp(f, (1.0,), (1.0,)),
    "vmap": lambda f: pb.vmap(f)([1.0, 2.0]),
    "grad in jvp": lambda f: pb.jvp(pb.grad(f), (1.0,), (1.0,)),
    "grad in vmap": lambda f: pb.vmap(pb.grad(f))([1.0, 2.0]),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
@pytest.mark.parametrize("take", [lambda y: y, lambda y: y[1:], lambda y: y.T])
def test_traced_values_stay_inside(transform, take):
    earlier = pb.vmap(lambda x: pb.zeros(3) + x)([1.0, 2.0])[0]  # made in another transform
    for y in (pb.zeros(3), Tensor(np.zeros(3)), pb.asarray(np.zeros(3)), earlier):
        before = y.data.copy()
        view = take(y)

        def f(x, view=view):
            view[0] = x * x
            return x * x

        with pytest.raises(RuntimeError, match="made outside"):
            transform(f)
        np.testing.assert_array_equal(y.data, before)

    def inside(x):
        take(y := pb.zeros(3))[0] = x * x
        return y.sum()

    transform(inside)


def test_a_tensor_between_two_transforms():
    def f(x):
        y = pb.zeros(3)

        def inner(b):
            y[0] = x  # which this vmap does not trace
            with pytest.raises(RuntimeError, match="made outside"):
                y[1] = b
            return b * y[0]

        return pb.vmap(inner)(np.array([1.0, 2.0])).sum()

    assert pb.jvp(f, (2.0,), (1.0,))[1].item() == 3


def test_grad_writes_into_what_is_outside():
    """At the outermost level a graph may be recorded into any tensor, as everywhere."""
    y = pb.zeros(3)

    def f(x):
        y[1:][0] = x * x
        return y.sum()

    assert pb.grad(f)(3.0).item() == 6


def test_views_are_dropped_at_once():
    gc.disable()
    try:
        y = Tensor(A)
        view = y[0]
        known = weakref.ref(view)
        array = weakref.ref(view._held)
        del view
        assert known() is None and array() is None
        part = y[1:][0]
        root = weakref.ref(y)
        del y
        assert root() is not None
        del part
        assert root() is None
        x = Tensor(A, requires_grad=True)
        for _ in range(1000):
            x[0], x.T
        assert len(x._views) < 100
    finally:
        gc.enable()


@pytest.mark.slow
def test_views_taken_by_many_threads_are_all_known():
    y = Tensor(np.zeros((64, 4)))
    kept, start = [], threading.Barrier(8)

    def take(k):
        start.wait()
        for i in range(k, 64, 8):
            y[i]  # dropped at once
            kept.append((i, y[i]))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(60):
            kept.clear()
            threads = [threading.Thread(target=take, args=(k,)) for k in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            y += np.arange(64.0)[:, None] + 1
            assert len(kept) == 64 and all((view * 1).data.tolist() == y.data[i].tolist() for i, view in kept)
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.slow
def test_long_chains():
    y = Tensor(np.zeros(10))
    view = y
    for _ in range(5000):  # as deep as no stack is
        view = view[...]
    view[3] = 1
    assert y.data[3] == 1
    del view, y


def test_shared_arrays():
    """An array of the outside is shared until something is written by an operation."""
    array = A.copy()
    y = pb.asarray(array)
    row = y[0]
    array[0] = 5
    assert row.data.tolist() == [5, 5, 5]
    row += 1
    assert y.data[0].tolist() == [6, 6, 6] and array[0].tolist() == [5, 5, 5]


def test_layouts_of_bases_last():
    y = Tensor(np.asfortranarray(A))
    flat = y.T.reshape(-1)
    np.fill_diagonal(y, 0)
    y.data[0, 1] = 50
    assert (flat * 1).data.tolist() == [0, 4, 7, 50, 0, 8, 3, 6, 0]


def test_views_of_what_is_recorded():
    """A tutorial's network of characters: inputs are written row by row."""
    x = pb.zeros((4, 3))
    for row, letter in zip(x, [2, 0, 1, 2], strict=True):
        row[letter] = 1
    w = Tensor(A, requires_grad=True)
    (x @ w).sum().backward()
    np.testing.assert_array_equal(w.grad.data, np.array([[1, 1, 1], [1, 1, 1], [2, 2, 2]]))


@pytest.mark.parametrize("shape", [(3, 2), (6,), (1, 2, 3)])
def test_data_of_as_many_entries_in_another_shape_parts_from_the_family(shape):
    y = pb.zeros((2, 3))
    row = y[0]
    y.data = np.ones(shape)
    assert y.shape == shape and y.tolist() == np.ones(shape).tolist()
    assert row.tolist() == [0.0, 0.0, 0.0]
    row[0] = 5.0
    assert y.tolist() == np.ones(shape).tolist()
