"""What is spelled as in PyTorch, beside NumPy's forms and loops: values, gradients, errors, and the page about it.

test_torch_spellings.py compares with PyTorch, test_every_batch.py with loops over the examples of a batch.
"""

import inspect
import pickle

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, nn
from pullback.autograd.core.spellings import CLASHES
from pullback.autograd.numpy_api.spellings import ABSENT, IN_PLACE, METHODS, TABLE
from pullback.testing import gradgradcheck
from pullback.tests.helpers import torch_table
from pullback.tests.helpers.torch_calls import CASES

rng = np.random.default_rng(0)
X = rng.standard_normal((3, 4))
Y = rng.standard_normal((3, 4))
C = rng.standard_normal((2, 3, 4))
PLACES = np.array([[2, 0, 0], [1, 1, 3], [0, 3, 2]])  # along axis 1


def put(start, index, src, combine):
    """A loop over all entries of an index along axis 1."""
    out = [[[x] for x in row] for row in start]
    for i, row in enumerate(index):
        for j, k in enumerate(row):
            out[i][k].append(src[i][j])
    return np.array([[combine(np.array(entries)) for entries in row] for row in out])


def alone(reduce):
    """A reduction where x does not count."""
    return lambda entries: reduce(entries[1:]) if len(entries) > 1 else entries[0]


FORMS = {
    "view": (lambda x: x.view(2, -1), X.reshape(2, 6)),
    "unsqueeze": (lambda x: x.unsqueeze(-1), X[..., None]),
    "permute": (lambda x: x.permute(1, 0), X.T),
    "expand": (lambda x: x.unsqueeze(0).expand(2, -1, -1), np.broadcast_to(X, (2, 3, 4))),
    "flatten": (lambda x: x.flatten("F"), X.flatten("F")),
    "flatten, by a word": (lambda x: x.flatten(order="F"), X.flatten("F")),
    "narrow": (lambda x: x.narrow(1, -2, 2), X[:, -2:]),
    "select": (lambda x: x.select(1, -1), X[:, -1]),
    "unfold": (lambda x: x.unfold(1, 2, 2), X.reshape(3, 2, 2)),
    "gather": (lambda x: x.gather(1, PLACES), np.take_along_axis(X, PLACES, 1)),
    "scatter_add": (lambda x: x.scatter_add(1, PLACES, Y), put(X, PLACES, Y, np.sum)),
    "scatter": (lambda x: x.scatter(1, PLACES, Y), put(X, PLACES, Y, lambda entries: entries[-1])),
    **{
        f"scatter_reduce {name}": (lambda x, name=name: x.scatter_reduce(1, PLACES, Y, name), put(X, PLACES, Y, reduce))
        for name, reduce in {"sum": np.sum, "prod": np.prod, "mean": np.mean, "amax": np.max, "amin": np.min}.items()
    },
    **{
        f"scatter_reduce {name}, without x": (
            lambda x, name=name: x.scatter_reduce(1, PLACES, Y, name, include_self=False),
            put(X, PLACES, Y, alone(reduce)),
        )
        for name, reduce in {"sum": np.sum, "prod": np.prod, "mean": np.mean, "amax": np.max, "amin": np.min}.items()
    },
    "index_add": (lambda x: x.index_add(0, [0, 0], Y[:2]), X + np.array([Y[0] + Y[1], 0 * Y[0], 0 * Y[0]])),
    "masked_fill": (lambda x: x.masked_fill(X > 0, 7), np.where(X > 0, 7, X)),
    "masked_select": (lambda x: x.masked_select(X > 0), X[X > 0]),
    "topk": (lambda x: x.topk(2, 0).values, -np.sort(-X, 0)[:2]),
    "topk, where": (lambda x: x.topk(2, 0).indices, np.argsort(-X, 0)[:2]),
    "kthvalue": (lambda x: x.kthvalue(2).values, np.sort(X)[:, 1]),
    "cummax": (lambda x: x.cummax(1).values, np.maximum.accumulate(X, 1)),
    "cummin": (lambda x: x.cummin(1)[0], np.minimum.accumulate(X, 1)),
    "clamp": (lambda x: x.clamp(-0.3, 0.3), np.clip(X, -0.3, 0.3)),
    "div": (lambda x: x.div(0.4, rounding_mode="trunc"), np.trunc(X / 0.4)),
    "lerp": (lambda x: x.lerp(Y, 0.25), 0.75 * X + 0.25 * Y),
    "addmm": (lambda x: pb.addmm(1.0, x, Y.T, beta=2, alpha=3), 2 + 3 * X @ Y.T),
    "addmm, without x": (lambda x: pb.addmm(np.nan, x, Y.T, beta=0), X @ Y.T),
    "chunk": (lambda x: x.flatten().chunk(5)[3], X.reshape(-1)[9:12]),
    "chunk, the last": (lambda x: pb.chunk(x[:, :3], 2, dim=1)[1], X[:, 2:3]),
    "bmm": (lambda x: pb.bmm(C, pb.stack([x.T, Y.T])), np.stack([C[0] @ X.T, C[1] @ Y.T])),
    "cdist": (lambda x: pb.cdist(x, Y), np.array([[np.sqrt(np.sum((a - b) ** 2)) for b in Y] for a in X])),
    "norm": (lambda x: x.norm(3, 1), np.sum(np.abs(X) ** 3, 1) ** (1 / 3)),
    "aminmax": (lambda x: x.aminmax(dim=0).min, X.min(0)),
    "logdet": (lambda x: pb.logdet(x @ x.mT), np.log(np.linalg.det(X @ X.T))),
    "logdet, of what is negative": (lambda x: pb.logdet(-x @ x.mT), np.float64(np.nan)),
    "diag_embed": (lambda x: x.diag_embed()[1], np.diag(X[1])),
    "where": (lambda x: x.where(X > 0, 0.0), np.where(X > 0, X, 0)),
    "eq": (lambda x: x.eq(X), np.ones((3, 4), bool)),
    "repeat_interleave": (lambda x: x.repeat_interleave(2, dim=1), np.repeat(X, 2, 1)),
    "cat": (lambda x: pb.cat([x, Y], dim=-1), np.concatenate([X, Y], -1)),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.filterwarnings("ignore")
def test_values(name):
    f, expected = FORMS[name]
    out = f(Tensor(X))
    assert isinstance(out, Tensor) and out.dtype == expected.dtype and out.shape == expected.shape
    np.testing.assert_allclose(out.numpy(), expected, rtol=1e-13)


ALL = [(name, i) for name, calls in CASES.items() for i in range(len(calls))]


@pytest.mark.parametrize(("name", "i"), ALL)
@pytest.mark.filterwarnings("ignore")
def test_forward_mode_and_graphs_of_gradients(name, i):
    """<J v, 1> is <v, J^T 1>, and the gradient is the same where a graph of it is made."""
    call, *arrays = CASES[name][i]

    def total(*floats):
        given = iter(floats)
        out = call(pb, *(next(given) if x.dtype.kind == "f" else pb.asarray(x) for x in arrays))
        parts = [out] if isinstance(out, Tensor) else [x for x in out if isinstance(x, Tensor)]
        finite = [pb.where(pb.isfinite(x), x, 0) for x in parts if x.dtype.kind == "f"]
        return sum((pb.sin(x) * np.cos(np.arange(x.size)).reshape(x.shape)).sum() for x in finite) + Tensor(0.0)

    found = []
    for create_graph in (False, True):
        floats = [Tensor(x, requires_grad=True) for x in arrays if x.dtype.kind == "f"]
        out = total(*floats)
        if not out.requires_grad:
            return
        out.backward(create_graph=create_graph)
        found.append([np.zeros(x.shape) if x.grad is None else x.grad.numpy() for x in floats])
    v = [np.cos(np.arange(x.size) + 1.0).reshape(x.shape) for x in floats]
    pushed = pb.jvp(total, [x.detach() for x in floats], v)[1]
    expected = sum((g * d).sum() for g, d in zip(found[0], v, strict=True))
    np.testing.assert_allclose(pushed.item(), expected, rtol=1e-9, atol=1e-12)
    for g, h in zip(*found, strict=True):
        np.testing.assert_allclose(g, h, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "f",
    [
        lambda x, y: x.scatter_reduce(1, PLACES, y, "prod"),
        lambda x, y: x.scatter_reduce(1, PLACES, y, "mean", include_self=False) ** 2,
        lambda x, y: x.scatter_add(1, PLACES, y) ** 2,
        lambda x, y: x.index_add(0, [0, 2, 0], y, alpha=2) ** 3,
        lambda x, y: x.lerp(y, x),
        lambda x, y: pb.cdist(x, y),
        lambda x, y: x.topk(2).values * y.cummax(0).values[:, :2],
    ],
)
def test_second_derivatives(f):
    assert gradgradcheck(f, (Tensor(X, requires_grad=True), Tensor(Y, requires_grad=True)))


def gradient_of(f, x):
    x = Tensor(x, requires_grad=True)
    out = f(x)
    out.backward(np.ones(out.shape))
    return x.grad.tolist()


def test_ties_and_limits():
    assert gradient_of(lambda x: x.cummax(0).values, [1.0, 1.0, 0.0]) == [1, 2, 0]  # the last of several
    assert gradient_of(lambda x: x.topk(1).values, [1.0, 1.0, 0.0]) == [1, 0, 0]
    assert gradient_of(lambda x: x.clamp(0.0, 1.0), [0.0, 1.0, 2.0, -1.0, 0.5]) == [1, 1, 0, 0, 1]
    assert gradient_of(lambda x: pb.scatter_reduce(np.zeros(1), 0, [0, 0], x, "amax"), [2.0, 2.0]) == [0.5, 0.5]
    assert gradient_of(lambda x: x.scatter_reduce(0, [0, 0], [2.0, 2.0], "amax"), [2.0]) == [1 / 3]
    without = lambda x: pb.scatter_reduce([2.0], 0, [0, 0], x, "amax", include_self=False)  # noqa: E731
    assert gradient_of(without, [2.0, 2.0]) == [0.5, 0.5]  # whose shares sum to 1, as they do not in PyTorch
    assert gradient_of(without, [-np.inf, -np.inf]) == [0.5, 0.5]
    assert gradient_of(lambda x: pb.cdist(x, [[1.0, 2.0]]), [[1.0, 2.0]]) == [[0, 0]]


def test_words_for_arguments():
    x = Tensor(X)
    for f in (pb.sum, pb.mean, pb.prod, pb.logsumexp, pb.amax, pb.nansum, pb.linalg.norm, pb.ptp, pb.count_nonzero):
        for dim in (0, -1, 1):
            expected = f(x, axis=dim, keepdims=True)
            np.testing.assert_array_equal(f(x, dim=dim, keepdim=True).numpy(), expected.numpy(), err_msg=f.__name__)
    for name in ("sum", "mean", "prod", "argmax", "argmin", "all", "any", "cumsum", "cumprod", "softmax", "logsumexp"):
        expected = getattr(x, name)(axis=1)
        np.testing.assert_array_equal(getattr(x, name)(dim=1).numpy(), expected.numpy(), err_msg=name)
    np.testing.assert_array_equal(pb.sum(input=x, dim=(0, 1)).numpy(), pb.sum(x).numpy())
    np.testing.assert_array_equal(pb.maximum(x, other=Y).numpy(), np.maximum(X, Y))
    np.testing.assert_array_equal(pb.add(input=x, other=Y).numpy(), X + Y)
    np.testing.assert_array_equal(pb.reshape(input=x, shape=(4, 3)).numpy(), X.reshape(4, 3))
    np.testing.assert_array_equal(pb.stack(tensors=[x, x], dim=1).numpy(), np.stack([X, X], 1))
    np.testing.assert_array_equal(pb.flip(x, dims=[0, 1]).numpy(), X[::-1, ::-1])
    np.testing.assert_array_equal(pb.roll(x, shifts=1, dims=1).numpy(), np.roll(X, 1, 1))
    np.testing.assert_array_equal(x.var(dim=1, correction=1).numpy(), X.var(1, ddof=1))
    np.testing.assert_array_equal(
        x.astype(np.float16).sum(dim=0).numpy(), X.astype(np.float16).sum(0, np.float32).astype(np.float16)
    )
    np.testing.assert_array_equal(pb.vmap(lambda x: pb.sum(x, dim=0))(x).numpy(), X.sum(1))


CLASHING = {
    "max": lambda x: x.max(dim=1),
    "min": lambda x: pb.min(x, 1, keepdim=True),
    "sort": lambda x: pb.sort(x, dim=0),
    "median": lambda x: pb.median(x, dim=0),
    "nanmedian": lambda x: pb.nanmedian(x, dim=0),
    "std": lambda x: x.std(dim=1),
    "var": lambda x: pb.var(x, dim=1, keepdim=True),
    "split": lambda x: pb.split(x, 2, dim=1),
    "repeat": lambda x: x.repeat(2, dim=1),
    "nonzero": lambda x: x.nonzero(as_tuple=False),
    "transpose": lambda x: pb.transpose(x, dim0=0, dim1=1),
}


@pytest.mark.parametrize("name", CLASHES)
def test_clashes_are_refused(name):
    wanted = CLASHES[name].format(name=name, dim="1")
    with pytest.raises(TypeError, match=f"^{name}: with .*= it .*PyTorch") as caught:
        CLASHING[name](Tensor(X))
    assert wanted.split("write ")[-1].split("(")[0] in str(caught.value)
    with pytest.raises(TypeError, match=f"^{name}: with "):
        getattr(pb, name)(Tensor(X), unbiased=True)


ERRORS = {
    "two words": (lambda x: x.sum(dim=1, axis=1), TypeError, "sum: dim= and axis= are two words"),
    "an unknown word": (lambda x: x.exp().sum(dimension=1), TypeError, "dimension"),
    "transpose": (lambda x: Tensor(C).transpose(1, 2), ValueError, r"transpose: .*write swapaxes\(1, 2\)"),
    "view of a dtype": (lambda x: x.view(np.int64), TypeError, "view: .*astype"),
    "expand": (lambda x: x.expand(-1, 3, 4), ValueError, r"expand: sizes \(-1, 3, 4\) .*\(3, 4\)"),
    "flatten": (lambda x: x.flatten(1, 0), ValueError, "flatten: start_dim=1 comes after end_dim=0"),
    "unflatten": (lambda x: x.unflatten(1, (3, -1)), ValueError, r"unflatten: axis 1 of shape \(3, 4\)"),
    "narrow": (lambda x: x.narrow(1, 3, 2), IndexError, r"narrow: start=3, length=2 .*\(3, 4\)"),
    "chunk": (lambda x: x.chunk(0), ValueError, "chunk: chunks=0"),
    "an axis": (lambda x: x.chunk(2, 5), np.exceptions.AxisError, "chunk: axis 5"),
    "split_with_sizes": (lambda x: x.split_with_sizes([1, 1]), ValueError, r"split_with_sizes: .*\(1, 1\).*\(3, 4\)"),
    "unfold": (lambda x: x.unfold(0, 4, 1), ValueError, "unfold: size=4"),
    "t": (lambda x: Tensor(C).t(), ValueError, r"t: .*\(2, 3, 4\)"),
    "gather, a place": (lambda x: x.gather(1, [[4], [0], [0]]), IndexError, r"gather: places 0 to 4 .*\(3, 4\)"),
    "gather, negative": (lambda x: x.gather(1, [[-1], [0], [0]]), IndexError, "gather: places -1 to 0"),
    "gather, a shape": (lambda x: x.gather(0, [[0] * 5]), ValueError, r"gather: an index of shape \(1, 5\) .*\(3, 4\)"),
    "gather, floats": (lambda x: x.gather(1, [[0.5]]), TypeError, "gather: an index of dtype float64"),
    "scatter_add": (lambda x: x.scatter_add(1, PLACES, Y[:2]), ValueError, r"scatter_add: src of shape \(2, 4\)"),
    "scatter": (lambda x: x.scatter(1, PLACES, Y, reduce="max"), ValueError, "scatter: reduce='max'"),
    "scatter_reduce": (lambda x: x.scatter_reduce(1, PLACES, Y, "max"), ValueError, "scatter_reduce: reduce='max'"),
    "index_select": (lambda x: x.index_select(0, [3]), IndexError, "index_select: places 3 to 3"),
    "index_add": (lambda x: x.index_add(0, [0, 1], Y), ValueError, r"index_add: source of shape \(3, 4\) .*\(2, 4\)"),
    "index_fill": (lambda x: x.index_fill(0, [0], [1.0, 2.0]), ValueError, r"index_fill: value of shape \(2,\)"),
    "masked_fill": (lambda x: x.masked_fill(PLACES, 0), TypeError, "masked_fill: a mask of dtype int64"),
    "masked_fill, a value": (lambda x: x.masked_fill(X > 0, X), ValueError, r"masked_fill: value of shape \(3, 4\)"),
    "masked_scatter": (lambda x: x.masked_scatter(X < 9, [1.0]), ValueError, r"masked_scatter: .*\(1,\) for 12"),
    "topk": (lambda x: x.topk(5), ValueError, r"topk: k=5 along axis -1 of shape \(3, 4\)"),
    "kthvalue": (lambda x: x.kthvalue(0), ValueError, "kthvalue: k=0"),
    "div": (lambda x: x.div(2, rounding_mode="up"), ValueError, "div: rounding_mode='up'"),
    "clamp": (lambda x: x.clamp(), ValueError, "clamp: min or max"),
    "mm": (lambda x: x.mm(Y[0]), ValueError, r"mm: shapes \(3, 4\) and \(4,\)"),
    "bmm": (lambda x: pb.bmm(C, C[:1]), ValueError, "bmm: shapes"),
    "addmm": (lambda x: x.addmm(X, Y.T), ValueError, r"addmm: x of shape \(3, 4\) .*\(3, 3\)"),
    "cdist": (lambda x: pb.cdist(x, X[:, :2]), ValueError, r"cdist: shapes \(3, 4\) and \(3, 2\)"),
    "to": (lambda x: x.to("mps"), ValueError, "there is no device 'mps'"),
    "to, a number": (lambda x: x.to(3), TypeError, "to: 3 is no dtype"),
    "cuda": (lambda x: x.cuda(device="mps"), ValueError, "there is no device 'mps'"),
    "a model": (lambda x: nn.Linear(2, 3).to("mps"), ValueError, "there is no device 'mps'"),
    "a model's xpu": (lambda x: nn.Linear(2, 3).xpu(), RuntimeError, "Linear: no device but the CPU"),
    "tensor": (lambda x: pb.tensor([1.0], device="mps"), ValueError, "there is no device 'mps'"),
    "from_numpy": (lambda x: pb.from_numpy([1.0]), TypeError, "from_numpy: expected an array of NumPy's, not list"),
    "randint": (lambda x: pb.randint(3), TypeError, "randint: expected"),
    "multinomial": (lambda x: pb.multinomial([0.0, 1.0], 2), ValueError, "multinomial: num_samples=2"),
    "multinomial, negative": (lambda x: pb.multinomial([-1.0, 1.0], 1), ValueError, "multinomial: p must not"),
    "fill_": (lambda x: x.fill_([1.0, 2.0]), ValueError, r"fill_: value of shape \(2,\)"),
    "in place, a shape": (lambda x: x.add_(C), ValueError, r"in-place operation: .*\(2, 3, 4\)"),
    "in place, a dtype": (lambda x: Tensor([1, 2]).mul_(0.5), TypeError, "in-place operation: cannot cast"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    f, error, says = ERRORS[name]
    with pytest.raises(error, match=says):
        f(Tensor(X))


def test_dtypes_and_devices():
    x = Tensor([1.5, -2.0], requires_grad=True)
    named = {
        "half": "float16",
        "float": "float32",
        "double": "float64",
        "short": "int16",
        "int": "int32",
        "long": "int64",
    }
    for name, dtype in {**named, "bool": "bool", "byte": "uint8", "char": "int8", "cfloat": "complex64"}.items():
        assert getattr(Tensor([1.0]), name)().dtype == dtype
    assert all(getattr(pb, name) is np.dtype(dtype).type for name, dtype in named.items()) and pb.float16 is np.float16
    x.float().sum().backward()
    assert x.grad.tolist() == [1, 1] and x.double() is x and x.to("cpu") is x and x.cpu() is x
    assert x.to(np.float64, copy=True) is not x and x.to(pb.float32).dtype == x.to("float32").dtype == np.float32
    assert x.to("cpu", np.float16).dtype == x.to(device="cpu", dtype=np.float16).dtype == np.float16
    assert x.to(Tensor([1])).dtype == np.int64 and x.type_as(Tensor([1])).dtype == np.int64 and x.type(int).dtype == int
    assert x.is_floating_point() and not x.is_complex() and pb.is_tensor(x) and not pb.is_tensor([1.0])
    assert (x.numel(), x.dim(), x.element_size(), x.is_contiguous(), x.nelement()) == (2, 1, 8, True, 2)
    assert not Tensor(X).t().is_contiguous() and Tensor(X).t().contiguous().is_contiguous()
    net = nn.Linear(2, 3)
    assert net.to("cpu") is net and net.to(np.float64).weight.dtype == net.to(x).weight.dtype == np.float64
    assert net.to("cpu", np.float32).weight.dtype == np.float32 and net.to(device="cpu", dtype="float64") is net
    assert net.cpu().weight.dtype == np.float64


def test_making():
    x = Tensor(X.astype(np.float32))
    assert pb.tensor([1, 2], dtype=pb.float32, requires_grad=True).requires_grad
    assert [x.new_zeros(2, 3).shape, x.new_ones((2,)).tolist(), x.new_full((1,), 7).tolist()] == [(2, 3), [1, 1], [7]]
    assert {t.dtype for t in (x.new_zeros(2), x.new_tensor([1, 2]), x.new_empty(2), x.new_full((), 1))} == {x.dtype}
    assert x.new_zeros(2, dtype=np.int8).dtype == np.int8 and x.new_ones(2, requires_grad=True).is_leaf
    array = np.zeros(3)
    shared = pb.from_numpy(array)
    array[0] = 5
    assert shared.tolist() == [5, 0, 0] and pb.as_tensor(shared) is shared
    pb.manual_seed(0)
    assert pb.rand(2, 3).shape == pb.randn((2, 3)).shape == (2, 3) and pb.rand(2, dtype=np.float32).dtype == np.float32
    assert pb.rand_like(x).dtype == pb.randn_like(x).dtype == x.dtype and pb.randint_like(x, 3).dtype == x.dtype
    drawn = pb.randint(2, 5, (1000,))
    assert set(drawn.tolist()) == {2, 3, 4} and set(pb.randint(2, size=(99,)).tolist()) == {0, 1}
    assert sorted(pb.randperm(5).tolist()) == [0, 1, 2, 3, 4] and pb.normal(0.0, 1.0, (2,)).shape == (2,)
    assert set(pb.bernoulli(np.full(100, 0.5)).tolist()) == {0, 1}
    assert sorted(pb.multinomial([0.2, 0.0, 0.8], 2).tolist()) == [0, 2]
    rows = pb.multinomial([[1.0, 0.0], [0.0, 3.0]], 4, replacement=True)
    assert rows.tolist() == [[0] * 4, [1] * 4]


IN_PLACE_ARGUMENTS = {
    **dict.fromkeys("floor_divide fmod hypot multiply pow remainder subtract true_divide divide".split(), (3 * Y,)),  # noqa: SIM905
    **dict.fromkeys("add sub mul div copysign float_power clamp_min clamp_max copy".split(), (Y + 2,)),  # noqa: SIM905
    **{
        "lerp": (Y, 0.5),
        "addcmul": (Y, X),
        "addcdiv": (Y, X),
        "clamp": (-0.5, 0.5),
        "clip": (-0.5, 0.5),
        "fill": (3.0,),
    },
    **{"scatter": (1, PLACES, Y), "scatter_add": (1, PLACES, Y), "scatter_reduce": (1, PLACES, Y, "amax")},
    **{"index_add": (0, [1], Y[:1]), "index_copy": (0, [1], Y[:1]), "index_fill": (0, [1], 2.0)},
    **{"index_put": (([0, 1], [1, 1]), Y[0, :2]), "masked_fill": (X > 0, 1.0), "masked_scatter": (X > 0, Y)},
    **{"addmm": (X, rng.standard_normal((4, 4))), "addr": (X[:, 0], Y[0]), "cumsum": (1,), "cumprod": (0,)},
    **{"baddbmm": (C.mT, C), "addbmm": (rng.standard_normal((2, 3, 5)), rng.standard_normal((2, 5, 4)))},
}
DRAWS = ("normal_", "uniform_", "bernoulli_", "exponential_")
OTHERS = (
    "addmv_",
    "baddbmm_",
    "logical_and_",
    "logical_or_",
    "logical_xor_",
    "logical_not_",
    "zero_",
    "copy_",
    "fill_",
)
BITWISE = ("bitwise_and_", "bitwise_or_", "bitwise_xor_", "bitwise_not_")


@pytest.mark.parametrize("name", sorted(set(IN_PLACE) - {*DRAWS, *OTHERS, *BITWISE}))
@pytest.mark.filterwarnings("ignore")
def test_in_place_is_what_the_function_gives(name):
    """Recorded: the gradients are the function's, and a view writes into its base."""
    arguments = IN_PLACE_ARGUMENTS.get(name[:-1], ())
    function = {"cumsum": lambda x, dim: x.cumsum(dim), "cumprod": lambda x, dim: x.cumprod(dim)}.get(name[:-1])
    function = function or (lambda x, *rest: getattr(x, name[:-1])(*rest))
    results = []
    for change in (function, lambda x, *rest: getattr(x, name)(*rest)):
        leaf = Tensor(np.abs(X) / 4 + 0.1 if "h" not in name[:4] else np.abs(X) + 1.5, requires_grad=True)
        y = leaf * 1
        out = change(y, *arguments)
        assert out is y or change is function
        (out * np.cos(np.arange(12.0)).reshape(3, 4)).sum().backward()
        results.append((out.numpy(), np.zeros((3, 4)) if leaf.grad is None else leaf.grad.numpy()))
    np.testing.assert_array_equal(*(values for values, _ in results))
    np.testing.assert_array_equal(*(gradient for _, gradient in results))


def test_in_place():
    leaf = Tensor(X, requires_grad=True)
    with pytest.raises(RuntimeError, match="in-place operation on a leaf"):
        leaf.add_(1)
    with pb.no_grad():
        assert leaf.mul_(2) is leaf and leaf.requires_grad
    np.testing.assert_array_equal(leaf.numpy(), 2 * X)
    base = Tensor(X)
    base[1].zero_()
    base.select(1, 0).fill_(3)
    base.t()[3].copy_([7, 8, 9])
    assert base[1].tolist() == [3, 0, 0, 8] and base.numpy()[:, 0].tolist() == [3, 3, 3]
    value = Tensor(2.0, requires_grad=True)
    x = Tensor(np.zeros(3))
    x.fill_(value).mul_(2)
    x.sum().backward()
    assert value.grad.item() == 6
    whole = Tensor([1, 2, 3])
    assert whole.add_(2).sub_(1).tolist() == [2, 3, 4] and whole.bitwise_and_(2).tolist() == [2, 2, 0]
    assert whole.copy_([1.7, 2.2, -1.5]).tolist() == [1, 2, -1] and whole.dtype == np.int64
    assert Tensor([True, False]).logical_not_().tolist() == [False, True]
    assert Tensor(np.zeros(2)).addmv_(np.eye(2), [1.0, 2.0]).tolist() == [1, 2]
    np.testing.assert_array_equal(Tensor(np.zeros((2, 4, 4))).baddbmm_(C.mT, C).numpy(), C.mT @ C)
    pb.manual_seed(0)
    x = Tensor(np.zeros(4000, np.float32))
    for name, mean in (("normal_", 0), ("uniform_", 0.5), ("bernoulli_", 0.5), ("exponential_", 1)):
        assert getattr(x, name)() is x and x.dtype == np.float32 and abs(x.mean().item() - mean) < 0.07
    with pytest.raises(RuntimeError, match="that a transform .* traces cannot be written"):
        pb.vmap(lambda v: Tensor.add_(x, v))(np.ones(3))


def test_absent_methods_say_what_to_write():
    for name, said in ABSENT.items():
        assert not hasattr(Tensor(X), name)
        with pytest.raises(AttributeError, match=f"no attribute '{name}'") as caught:
            getattr(Tensor(X), name)
        assert said in str(caught.value)


def test_methods_are_functions_with_names():
    for name in (*METHODS, *IN_PLACE):
        method = getattr(Tensor, name)
        assert (method.__name__, method.__qualname__) == (name, f"Tensor.{name}") and method.__doc__
        assert not any(p.kind is p.VAR_KEYWORD for p in inspect.signature(method).parameters.values())
    for rows in TABLE.values():
        for name, row in rows.items():
            assert hasattr(Tensor, name) or row.where == "pb"
            if "pb" in row.where.split():
                assert name in pb.__all__ and pickle.loads(pickle.dumps(getattr(pb, name))) is getattr(pb, name)


def test_the_page_is_what_the_tables_say():
    assert torch_table.page() == torch_table.PAGE.read_text().splitlines()
