import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, nn
from pullback.testing import gradcheck


@pytest.mark.parametrize(
    "name, args",
    [
        ("zeros", ((2, 3),)),
        ("ones", (4,)),
        ("full", ((2,), 7.0)),
        ("eye", (2, 3)),
        ("arange", (1, 7, 2)),
        ("linspace", (0.0, 1.0, 5)),
        ("zeros_like", (np.ones((2, 2), np.float32),)),
        ("ones_like", (np.zeros(3, int),)),
        ("full_like", (np.zeros(3), 2.5)),
        ("identity", (3,)),
        ("tri", (2, 3, 1)),
        ("indices", ((2, 3),)),
        ("fromfunction", (lambda i, j: i + j, (2, 3))),
        ("logspace", (0.0, 2.0, 3)),
        ("geomspace", (1.0, 8.0, 4)),
        ("array", ([[1, 2], [3, 4]], np.float32)),
    ],
)
def test_creators_are_numpys(name, args):
    expected = getattr(np, name)(*args)
    out = getattr(pb, name)(*args)
    assert isinstance(out, Tensor) and out.dtype == expected.dtype and not out.requires_grad
    np.testing.assert_array_equal(out.data, expected)


def test_options():
    x = pb.ones((2, 2), dtype=np.float32, requires_grad=True)
    assert x.requires_grad and x.is_leaf and x.dtype == np.float32
    assert pb.empty((2, 0)).shape == (2, 0)
    with pytest.raises(TypeError, match="only float and complex"):
        pb.arange(3, requires_grad=True)


@pytest.mark.parametrize("name", ["zeros_like", "ones_like"])
def test_like_a_tensor(name):
    x = Tensor(np.full((2, 3), 5, np.float32), requires_grad=True)
    for f in (getattr(pb, name), getattr(np, name)):
        out = f(x)
        assert isinstance(out, Tensor) and not out.requires_grad and out.dtype == np.float32
        np.testing.assert_array_equal(out.data, getattr(np, name)(x.data))
    assert getattr(pb, name)(Tensor(2.0)).shape == ()


def test_a_fill_value_keeps_its_gradient():
    x = Tensor(1.5, requires_grad=True)
    (pb.full((2, 3), x).sum() + np.full_like(Tensor(np.zeros(4, np.float32)), x).sum()).backward()
    assert x.grad.item() == 10 and pb.full((2, 3), x).tolist() == [[1.5] * 3] * 2
    assert pb.full_like(np.zeros(2, np.float32), x).dtype == np.float32
    with pytest.raises(TypeError, match="cannot record the result"):
        np.full_like(np.zeros(2), x)


def test_asarray_of_nested_tensors_keeps_their_graph():
    x, y = Tensor(2.0, requires_grad=True), Tensor([1.0, 3.0], requires_grad=True)
    out = pb.asarray([[x, 5.0], y])
    np.testing.assert_array_equal(out.data, [[2, 5], [1, 3]])
    out.backward([[1.0, 2.0], [3.0, 4.0]])
    assert x.grad.item() == 1
    np.testing.assert_array_equal(y.grad.data, [3, 4])


def test_asarray_shares_or_copies():
    a = np.ones(3)
    assert np.shares_memory(pb.asarray(a).data, a)
    assert not np.shares_memory(pb.asarray(a, copy=True).data, a)
    assert not np.shares_memory(Tensor(a).data, a)
    x = Tensor(a, requires_grad=True)
    assert pb.asarray(x) is x and pb.asarray(x, dtype=np.float64) is x
    copied = pb.asarray(x, copy=True)
    assert not np.shares_memory(copied.data, x.data) and copied.requires_grad
    assert pb.asarray(x, dtype=np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="cannot convert float64 to float32 without a copy"):
        pb.asarray(x, dtype=np.float32, copy=False)


def test_only_numbers():
    with pytest.raises(TypeError, match="not numeric"):
        pb.asarray(["a"])
    with pytest.raises((TypeError, ValueError)):
        pb.asarray([[1.0], [1.0, 2.0]])


def test_array_copies():
    a = np.ones(3)
    assert not np.shares_memory(pb.array(a).data, a) and np.shares_memory(pb.array(a, copy=None).data, a)
    x = Tensor(2.0, requires_grad=True)
    pb.array([x, x * 3]).sum().backward()
    assert x.grad.item() == 4


def test_empty_like():
    x = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    for out in (pb.empty_like(x), np.empty_like(x)):
        assert isinstance(out, Tensor) and (out.shape, out.dtype) == ((2, 3), np.float32)


def test_from_dlpack_shares_memory():
    a = np.arange(6.0).reshape(2, 3)
    assert np.shares_memory(pb.from_dlpack(a).data, a)
    assert not np.shares_memory(pb.from_dlpack(a, copy=True).data, a)


def test_from_dlpack_shares_memory_with_pytorch(torch):
    t = torch.arange(3.0)
    out = pb.from_dlpack(t)
    t[0] = 7
    np.testing.assert_array_equal(out.data, [7, 1, 2])


@pytest.mark.parametrize("name", ["linspace", "logspace", "geomspace"])
@pytest.mark.parametrize("options", [{}, {"num": 4}, {"num": 5, "endpoint": False}, {"num": 1}, {"num": 3, "axis": -1}])
def test_between_tensors(name, options):
    function = getattr(np, name)
    for start, stop in ((1.0, 3.0), (np.array([1.0, 2.0]), 3.0), (np.array([[1.0], [2.0]]), np.array([3.0, 0.5]))):
        a, b = Tensor(start, requires_grad=True), Tensor(stop, requires_grad=True)
        for out in (function(a, b, **options), getattr(pb, name)(a, stop, **options)):
            np.testing.assert_allclose(out.data, function(start, stop, **options), rtol=1e-13)
        if options:
            assert gradcheck(lambda a, b: function(a, b, **options), (a, b))
    single = Tensor(1.0, dtype=np.float32)
    assert function(single, 3 * single).dtype == np.float32 and function(single, 3.0, dtype=float).dtype == np.float64


def test_between_integers_and_refusals():
    np.testing.assert_array_equal(np.linspace(Tensor(0), 4, 5).data, np.arange(5.0))
    np.testing.assert_allclose(np.logspace(Tensor(0.0), 3.0, 4, base=2.0).data, [1, 2, 4, 8])
    assert np.linspace(Tensor(1.0), 3.0, 5, retstep=True)[1].item() == 0.5
    numbers, step = np.linspace(Tensor(1.0), 3.0, 4, endpoint=False, retstep=True)
    np.testing.assert_allclose(numbers.data, [1, 1.5, 2, 2.5])
    assert step.item() == 0.5
    with pytest.raises(TypeError, match="linspace.*device"):
        np.linspace(Tensor(0.0), 1.0, device="gpu")


def test_full_takes_its_arguments_by_name():
    assert pb.full(shape=(2,), fill_value=3.0).tolist() == np.full_like(a=Tensor([1.0, 2.0]), fill_value=3.0).tolist()


@pytest.mark.parametrize("ends", [(0.0, 1.0), (1.0, 0.0), ([1.0, 0.0], 2.0)])
def test_no_geometric_sequence_has_a_zero(ends):
    with pytest.raises(ValueError, match="geomspace: "):
        np.geomspace(Tensor(ends[0]), ends[1], 3)


# What has no end, and what would lose its mask


def endless():
    first, second, tensors, named = [1.0], [], [Tensor(1.0)], {}
    first.append(first)
    second += [second, second]  # in whose twofold parts NumPy would look without end
    tensors.append(tensors)
    named["a"] = [named]
    deep = 1.0
    for _ in range(5000):
        deep = [deep]
    return {"list": first, "twofold": second, "Tensors": tensors, "dict": named, "deep": deep}


ENDLESS = endless()


@pytest.mark.parametrize("name", [name for name in ENDLESS if name != "dict"])
def test_lists_that_have_no_end(name):
    nest, x = ENDLESS[name], Tensor([1.0], requires_grad=True)
    uses = (Tensor, pb.asarray, pb.exp, x.__add__, lambda nest: np.stack([x, nest]), lambda nest: np.add(x, nest))
    for use in uses:
        with pytest.raises(ValueError, match="is a part of itself, or inside more than 64 others"):
            use(nest)


@pytest.mark.parametrize("name", ENDLESS)
def test_containers_that_have_no_end_in_transforms(name):
    nest = ENDLESS[name]
    uses = (
        lambda: pb.grad(lambda x: Tensor(1.0))(nest),
        lambda: pb.vjp(lambda x: nest, 1.0),
        lambda: pb.jvp(lambda x: nest, (1.0,), (1.0,)),
        lambda: pb.vmap(lambda x: x)(nest),
        lambda: pb.checkpoint(lambda x: x)(nest),
    )
    for use in uses:
        with pytest.raises(ValueError, match="is a part of itself, or inside more than"):
            use()


def test_what_is_twice_in_a_nest_is_no_circle():
    row = [Tensor(1.0), 2.0]
    assert pb.asarray([row, row]).tolist() == [[1.0, 2.0]] * 2
    assert pb.checkpoint(lambda x: x["a"][0] + x["b"][0])({"a": row, "b": row}).item() == 2.0


MASKED = np.ma.array([1.0, 2.0], mask=[True, False])


@pytest.mark.parametrize("masked", [MASKED, [MASKED, MASKED], [1.0, np.ma.masked], np.ma.masked])
def test_masks_are_not_lost(masked):
    x = Tensor([3.0, 4.0], requires_grad=True)
    uses = (Tensor, pb.asarray, pb.array, pb.exp, x.__add__, lambda m: np.add(x, m), lambda m: np.maximum(x, m))
    for use in (*uses, nn.Parameter, x.detach().__iadd__, lambda m: setattr(x.detach(), "data", m)):
        with pytest.raises(TypeError, match="a masked array would lose its mask"):
            use(masked)
    for use in (pb.from_dlpack, lambda m: pb.full((2,), m)) if masked is MASKED else ():
        with pytest.raises(TypeError, match="a masked array would lose its mask"):
            use(masked)
    assert Tensor(np.ma.array([1.0, 2.0])).tolist() == [1.0, 2.0]


NUMBERS, TRUTHS = np.ma.array([0, 1], mask=[True, False]), np.ma.array([True, True], mask=[True, False])


@pytest.mark.parametrize(
    "use",
    [
        lambda x: pb.full((2,), [np.ma.masked, 1.0]),
        lambda x: pb.full_like(x, MASKED),
        lambda x: x[NUMBERS],
        lambda x: x[TRUTHS],
        lambda x: x[[NUMBERS, NUMBERS]],
        lambda x: x[..., NUMBERS],
        lambda x: x.__setitem__(NUMBERS, 1.0),
        lambda x: x.__setitem__(0, np.ma.masked),
        lambda x: pb.take(x, NUMBERS),
        lambda x: pb.where(TRUTHS, x, 0.0),
        lambda x: pb.sum(x, where=TRUTHS),
        lambda x: x > MASKED,
        lambda x: pb.searchsorted(x, MASKED),
        lambda x: pb.put(x, NUMBERS, 1.0),
        lambda x: pb.repeat(x, NUMBERS),
        lambda x: pb.roll(x, NUMBERS, (0, 0)),
    ],
)
def test_masks_of_indices_and_options_are_not_lost(use):
    with pytest.raises(TypeError, match="a masked array would lose its mask"):
        use(Tensor([1.0, 2.0]))


def test_several_arrays():
    points, step = pb.linspace(0.0, 1.0, 5, retstep=True)
    assert points.tolist() == [0, 0.25, 0.5, 0.75, 1] and step.item() == 0.25
    rows, columns = pb.indices((2, 3), sparse=True)
    assert rows.tolist() == [[0], [1]] and columns.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("make", [pb.zeros, pb.ones, pb.empty])
def test_lengths_of_a_shape_that_are_no_tuple(make):
    name = make.__name__
    with pytest.raises(TypeError, match=rf"{name}: the lengths of a shape are one tuple; write {name}\(\(2, 3\)\)"):
        make(2, 3)
