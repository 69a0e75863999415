"""Whatever is written into arrays that the outside shares with Tensors, gradients of the past stay."""

import gc
import sys
import threading

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, nn
from pullback.autograd.core.aliasing import _ended, _Lease, leases

A = np.array([1.0, 2.0, 3.0])


def leaf(array):
    return Tensor(array, requires_grad=True)


def square(x):
    return pb.sum(x * x)


SEEN = {
    "data": lambda x: x.data,
    "numpy": lambda x: x.numpy(),
    "asarray": lambda x: np.asarray(x.detach()),
    "asarray without recording": pb.no_grad()(np.asarray),
    "memoryview": lambda x: np.asarray(memoryview(x.data)),
    "view of data": lambda x: x.data[::-1],
    "dlpack": lambda x: np.from_dlpack(x.detach()),
    "raveled": lambda x: x.data.ravel(),
}


@pytest.mark.parametrize("see", SEEN.values(), ids=SEEN)
@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("large", [True, False])
def test_memory_of_a_tensor(see, early, large):
    values = np.arange(1.0, 1 << 18 if large else 4)  # large results lie in memory that is used again
    x = leaf(values)
    y = pb.exp(-x)
    arrays = [see(x), see(y)] if early else []
    z = square(x) + square(y) + square(x.reshape(-1, 1))
    arrays = arrays or [see(x), see(y)]
    for array in arrays:
        if array.flags.writeable:
            array[...] = 50
    z.backward()
    np.testing.assert_allclose(x.grad.data, 4 * values - 2 * np.exp(-2 * values))


def test_what_is_written_is_seen_by_the_tensor():
    x = leaf(A)
    x.data[0] = 7
    x.numpy()[1] = 8
    x.data -= 0.5
    np.testing.assert_array_equal(x.data, [6.5, 7.5, 2.5])
    kept = square(x)
    x.data *= 2
    np.testing.assert_array_equal(x.data, [13, 15, 5])
    kept.backward()
    np.testing.assert_array_equal(x.grad.data, [13, 15, 5])
    x.grad.data[0] = 99
    np.testing.assert_array_equal(x.grad.data, [99, 15, 5])


def test_arrays_seen_at_one_time_are_one():
    x = leaf(A)
    first, second = x.data, x.numpy()
    first[0] = 9
    assert second[0] == 9 and x.data[0] == 9 and np.shares_memory(first, second)


def test_what_is_detached_is_a_value_of_its_own():
    x = Tensor(np.eye(3))
    x.detach().data[:] = 6
    np.testing.assert_array_equal(x.data, np.eye(3))


def test_assigned_values_are_copied():
    array, x = A.copy(), leaf(A)
    x.data = array
    array[0] = 50
    np.testing.assert_array_equal(x.data, A)


def test_nothing_is_copied_without_need():
    x = leaf(A)
    where = x.data.__array_interface__["data"][0]
    for _ in range(3):
        square(x).backward()
        x.data -= 0.1 * x.grad.data
        x.grad = None
        assert x.data.__array_interface__["data"][0] == where
    z = x * Tensor(A)
    assert z._node.edges[0][2][0] is not x._held and x._held.__array_interface__["data"][0] == where
    (recorded,) = (x * x)._node.edges[0][2]
    assert recorded is x._held


def test_leases_end():
    gc.collect()
    before = dict(leases)
    x = leaf(np.zeros((3, 4)))
    seen = x.data
    rows = seen[1:]
    del seen
    assert len(leases) == len(before) + 1
    (kept,) = (x * x)._node.edges[0][2]
    assert not np.shares_memory(kept, rows)
    del rows
    assert leases == before
    shared = pb.asarray(np.ones(3))
    assert len(leases) == len(before) + 1
    del shared
    assert leases == before


FOREIGN = {
    "operand": lambda x, a: x * a,
    "operand on the left": lambda x, a: a * x,
    "asarray": lambda x, a: x * pb.asarray(a),
    "view of asarray": lambda x, a: x * pb.asarray(a)[::-1][::-1],
    "from_dlpack": lambda x, a: x * pb.from_dlpack(a),
    "einsum": lambda x, a: pb.einsum("i,i->i", x, a),
    "outer": lambda x, a: np.diagonal(np.outer(x, a)),
    "ufunc": np.multiply,
    "in place": lambda x, a: pb.positive(x).__imul__(a),
    "broadcast": lambda x, a: np.multiply(*np.broadcast_arrays(x, a)),
    "checkpoint": pb.checkpoint(lambda x, a: x * a),
    "module": lambda x, a: nn.functional.conv1d(x.reshape(1, 3, 1), a.reshape(3, 1, 1), groups=3),
    "linear": lambda x, a: nn.functional.linear(x, np.diag(a)),
}


@pytest.mark.parametrize("times", FOREIGN.values(), ids=FOREIGN)
def test_arrays_from_outside(times):
    a, x = A.copy(), leaf([3.0, 5.0, 7.0])
    z = pb.sum(times(x, a))
    a[:] = 50
    z.backward()
    np.testing.assert_allclose(x.grad.data, A)


INDICES = {
    "array": lambda x, i: x[i],
    "in a tuple": lambda x, i: pb.stack([x, x])[0, i],
    "take": lambda x, i: pb.take(x, i),
    "take_along_axis": lambda x, i: np.take_along_axis(x, i, 0),
    "Tensor": lambda x, i: x[pb.asarray(i)],
    "list": lambda x, i: x[list(i)],
}


@pytest.mark.parametrize("read", INDICES.values(), ids=INDICES)
def test_indices(read):
    x, i = leaf(A), np.array([1, 1])
    z = pb.sum(read(x, i))
    i[:] = 2
    z.backward()
    np.testing.assert_array_equal(x.grad.data, [0, 2, 0])


def test_masks_targets_and_weights():
    x, mask, target = leaf(np.eye(3)), np.array([True, False, True]), np.array([0, 1, 2])
    z = pb.sum(x[mask]) + pb.sum(pb.where(mask, x, 0.0)) + nn.functional.cross_entropy(x, target, reduction="sum")
    mask[:] = False
    target[:] = 0
    z.backward()
    softmax = np.exp(np.eye(3)) / np.exp(np.eye(3)).sum(1, keepdims=True)
    expected = np.array([[1.0], [0], [1]]) + np.array([1.0, 0, 1]) + softmax - np.eye(3)
    np.testing.assert_allclose(x.grad.data, expected)


def test_a_cotangent_that_is_recorded():
    x, g = leaf(A), np.ones(3)
    (x**3).backward(g, create_graph=True)
    first, x.grad = x.grad, None
    g[:] = 50
    pb.sum(first).backward()
    np.testing.assert_allclose(x.grad.data, 6 * A)


def test_arguments_of_vjp():
    a = A.copy()
    _, pull_back = pb.vjp(lambda x: x * x, a)
    a[:] = 50
    np.testing.assert_array_equal(pull_back(np.ones(3))[0].data, 2 * A)


def test_a_hook_that_writes_into_what_it_is_given():
    x = leaf(A)
    y = x * x
    y.register_hook(lambda g: g.data.fill(0))
    pb.sum(y + y * x).backward()
    np.testing.assert_allclose(x.grad.data, 2 * A + 3 * A**2)


@pytest.mark.parametrize("run", [
    lambda x, c: pb.checkpoint(lambda x: x * c)(x),
    lambda x, c: pb.implicit(lambda y: x * c - y, np.asarray(x.detach()) * c),
    lambda x, c: pb.fixed_point(lambda y: (x * c + y) / 2, np.zeros(3)),
])  # fmt: skip
def test_what_a_segment_closes_over_must_not_change(run):
    x, c = leaf(A), np.full(3, 2.0)
    run(x, c).sum().backward()
    np.testing.assert_allclose(x.grad.data, [2, 2, 2])
    out = run(x, c).sum()
    c[0] = 3
    with pytest.raises(RuntimeError, match="gave other values than before; what it closes over must not change"):
        out.backward()


def test_threads_share_what_they_read():
    x, wrong = leaf(np.ones(1000)), []

    def work():
        for _ in range(200):
            seen = x.data
            if not np.array_equal((x * x)._node.edges[0][2][0], seen):
                wrong.append(1)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong and id(x._held) not in leases


def test_the_end_of_a_lease_leaves_a_newer_one():
    """As when another thread takes one between the end of an array and what follows from it."""
    arrays, owner = [np.ones(3), np.ones(3)], -1  # no object's id
    for i in (0, 1):
        lease = _Lease(arrays[i], _ended)
        lease.owner = owner
        older, leases[owner] = leases.get(owner), lease
    assert older() is arrays[0]
    del arrays[0]
    assert older() is None and leases[owner] is lease
    del arrays[0]
    assert owner not in leases
