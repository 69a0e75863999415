"""Every primitive in every transform, with each large-size path in use, beside plain backward passes one by one.

What is expected comes from level-0 backward passes at ordinary thresholds without machine code, one for each entry of
the result, and those of `create_graph` for second derivatives; these `check_primitive` holds to numerical ones.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings

import pullback as pb
from pullback import Tensor, grad, hessian, jacobian, jvp, nn, registry, vjp, vmap
from pullback.autograd.kernels.fused_elementwise import fused
from pullback.autograd.testing.check import Case, refuses
from pullback.autograd.testing.tensors import gradients_of
from pullback.testing import check_primitive, strategies
from pullback.tests.helpers.sizes import CODE, sizes

QUICK = settings(max_examples=2, derandomize=True, database=None)
SLOW = {  # half a second or more for an example
    "beta_density", "beta_slope", "betainc", "betainc_slope", "betaincinv", "expm", "gammainc_slope", "gammaincinv",
    "iv", "ive", "jv", "kv", "logm", "odeint", "per_beta_density", "scaled_iv_slope", "svd", "yv",
}  # fmt: skip
THOROUGH = settings(max_examples=30, database=None)


def units(x):
    return np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)


def in_turn(case, rows, cotangents):
    """Values and gradients, one after the other."""
    found = [(case.value(row), *case.gradients(row, g)) for row, g in zip(rows, cotangents, strict=True)]
    return [np.stack(column) for column in zip(*found, strict=True)]


def hessian_of(case):
    """The derivatives of the gradients of <g, value>: for each pair of arguments, of the shapes of both."""
    leaves = case.leaves(case.arrays)
    inputs = [leaves[i] for i in case.asked]
    first = gradients_of([case.run(leaves)], [case.g], inputs, create_graph=True)

    def row(x, unit):
        if not x.requires_grad:
            return [np.zeros(y.shape, y.dtype) for y in inputs]
        return [y.detach().numpy() for y in gradients_of([x], [unit[()]], inputs, create_graph=True)]

    found = [[row(x, unit) for unit in units(x)] for x in first]
    return [
        [np.reshape([row[k] for row in rows], (*x.shape, *y.shape)) for k, y in enumerate(inputs)]
        for x, rows in zip(first, found, strict=True)
    ]


def check(case):
    """All modes of one case."""
    asked, some = case.asked, tuple(range(len(case.asked)))
    arrays, v = [case.arrays[i] for i in asked], [case.v[i] for i in asked]
    real = all(x.dtype.kind == "f" for x in (case.out, *arrays))
    cotangents = np.stack([case.g, case.h, case.g - case.h])
    batch = [[x * s for x in arrays] for s in (1.0, 0.9, 0.95, 0.85)]
    alone = {
        k: [[x if i == k else y for i, (x, y) in enumerate(zip(row, arrays, strict=True))] for row in batch[1:]]
        for k in some
        if len(some) > 1
    }

    with sizes(code=False, large=False):
        in_batch, *one_alone = (
            in_turn(case, [case.given(case.arrays, row) for row in rows], [case.g] * len(rows))
            for rows in (batch, *alone.values())
        )
        pulled = in_turn(case, [case.arrays] * 3, cotangents)[1:]
        rows = case.rows(np.eye(case.out.size)) if real else []
        second = hessian_of(case)
    columns = [np.stack(x) for x in zip(*batch, strict=True)]
    squares = [x.reshape(2, 2, *x.shape[1:]) for x in columns]
    along = [sum(np.tensordot(block, t, np.ndim(t)) for block, t in zip(row, v, strict=True)) for row in second]

    def f(*inputs):
        return case.run(case.given(case.arrays, inputs))

    def both(*inputs):
        value, pull = vjp(f, *inputs)
        return value, *pull(case.g)

    def loss(*inputs):
        return (f(*inputs) * case.g).sum()

    def same(what, actual, expected):
        """Up to rounding, of the terms too: what cancels need not be the same zero."""
        size = max(np.max(np.abs(x), initial=0) for x in (*expected, case.out, *arrays))
        for a, e in zip(actual, expected, strict=True):
            e = np.reshape(e, a.shape) if np.size(e) == a.size else e
            case.compare(f"{what}, machine code {code}", a.numpy(), "one by one", e, case.exact * size)

    for code in CODE:
        with sizes(code, large=True):
            same("vmap", [vmap(f)(*columns)], in_batch[:1])
            same("vmap of vjp", vmap(both)(*columns), in_batch)
            same("vmap of vmap of vjp", vmap(vmap(both))(*squares), in_batch)
            for (k, given), expected in zip(alone.items(), one_alone, strict=True):
                inputs = [np.stack([row[k] for row in given]) if i == k else x for i, x in enumerate(arrays)]
                same(
                    f"vmap over argument {k}", vmap(both, tuple(0 if i == k else None for i in some))(*inputs), expected
                )
            same("vmap of the pullback", vmap(vjp(f, *arrays)[1])(cotangents), pulled)
            if not real:
                continue
            same("jacobian", jacobian(f, some)(*arrays), rows)
            for k, blocks in enumerate(jacobian(grad(loss, some), some)(*arrays)):
                same(f"hessian, row {k}", blocks, second[k])
            same("jvp of grad", jvp(grad(loss, some), tuple(arrays), tuple(v))[1], along)


@pytest.mark.parametrize("name", registry)
@pytest.mark.filterwarnings("ignore")
def test_every_mode(name):
    if name in SLOW:
        walk(name, settings(QUICK, max_examples=1), most=8)
    else:
        walk(name, QUICK)


def walk(name, chosen, complex=False, most=40):
    @settings(chosen, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink])
    @given(strategies.arguments(registry[name], complex=complex))
    def examples(drawn):
        assume(sum(np.size(x) for x in drawn[0]) <= 2 * most)  # before what takes time
        assume(not refuses(registry[name], *drawn))
        with sizes(code=False, large=False):
            case = Case(registry[name], *drawn)
        assume(4 <= sum(case.arrays[i].size for i in case.asked) <= most and 0 < case.out.size <= 40)
        check(case)

    examples()


@pytest.mark.thorough
@pytest.mark.parametrize("name", registry)
@pytest.mark.filterwarnings("ignore")
def test_every_mode_thoroughly(name):
    walk(name, THOROUGH)
    walk(name, THOROUGH, complex=True)


@pytest.mark.thorough
@pytest.mark.parametrize("code", CODE, ids=lambda code: "machine code" if code else "NumPy")
@pytest.mark.parametrize("name", registry)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_large_size_paths_keep_all_that_is_promised(name, code):
    """Layouts, zero strides, dtypes, forward mode and the rest, as in test_registry.py."""
    with sizes(code, large=True):
        assert check_primitive(registry[name], settings=THOROUGH)


def normal(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape)


def distinct(*shape):
    """Numbers of which no two are near each other."""
    count = int(np.prod(shape))
    return np.random.default_rng(count).permutation(np.linspace(-1.0, 1.0, count)).reshape(shape)


def classes(n, count):
    return np.random.default_rng(n).integers(count, size=n)


_CONV = {"w": normal(6, 3, 3, 3), "b": normal(6)}
LARGE = {  # name -> a function, and arguments for which it runs its machine code at ordinary thresholds
    "relu": (pb.relu, distinct(40000)),
    "gate": (registry["gate"].apply, normal(200, 200), np.abs(normal(200, 200)) + 0.1),
    "gate of one row": (registry["gate"].apply, normal(200, 200), np.abs(normal(200)) + 0.1),
    "gate in one row": (registry["gate"].apply, normal(200), np.abs(normal(200, 200)) + 0.1),
    "sum": (lambda x: pb.sum(x, axis=(1, 2)), normal(3, 100, 250)),
    "sum to front": (lambda x: pb.sum(x, axis=0), normal(300, 250)),
    "sum of rows and columns": (lambda x: pb.sum(x, axis=(0, 2), keepdims=True), normal(30, 10, 250)),
    "mean": (lambda x: pb.mean(x, axis=1), normal(300, 250)),
    "broadcast": (lambda a, b: a * b, normal(300, 250), normal(250)),
    "broadcast along rows": (lambda a, b: a * b, normal(300, 250), normal(300, 1)),
    "matmul": (pb.matmul, normal(180, 170), normal(170, 160)),
    "matmul, turned": (lambda a, b: a.T @ b.T, normal(170, 180), normal(160, 170)),
    "matmul of stacks": (pb.matmul, normal(2, 180, 170), normal(170, 160)),
    "affine": (nn.functional.linear, normal(180, 170), normal(160, 170), normal(160)),
    "conv": (lambda x, w, b: pb.conv(x, w, bias=b, padding=1), normal(4, 3, 20, 20), *_CONV.values()),
    "conv of few windows": (lambda x, w: pb.conv(x, w), normal(8, 3, 4, 4), _CONV["w"]),
    "conv with stride": (lambda x, w: pb.conv(x, w, stride=2, dilation=2), normal(2, 3, 30, 30), _CONV["w"]),
    "conv in groups": (lambda x, w: pb.conv(x, w, groups=3), normal(2, 9, 14, 14), _CONV["w"]),
    "conv of many channels": (lambda x, w: pb.conv(x, w, padding=1), normal(1, 40, 9, 9), normal(72, 40, 3, 3)),
    "conv_transpose": (lambda y, w: pb.conv_transpose(y, w, stride=2, padding=1), normal(2, 6, 12, 12), _CONV["w"]),
    "max_pool": (lambda x: pb.max_pool(x, 3, 2, 1), distinct(2, 3, 40, 40)),
    "max_pool of tiles": (lambda x: pb.max_pool(x, 2), distinct(2, 3, 40, 40)),
    "max_pool far apart": (lambda x: pb.max_pool(x, 6, 7), distinct(2, 3, 48, 48)),
    "max_unpool": (lambda y: pb.max_unpool(y, np.arange(800).reshape(2, 1, 400) // 2, 400), normal(2, 1, 400)),
    "avg_pool": (lambda x: pb.avg_pool(x, 3, 2, 1), normal(2, 3, 40, 40)),
    "adaptive_avg_pool": (lambda x: nn.functional.adaptive_avg_pool2d(x, (7, 5)), normal(2, 3, 40, 40)),
    "adaptive_max_pool": (lambda x: nn.functional.adaptive_max_pool2d(x, (7, 5)), distinct(2, 3, 40, 40)),
    "cross_entropy": (lambda x: nn.functional.cross_entropy(x, classes(300, 40), reduction="none"), normal(300, 40)),
    "cross_entropy of few": (lambda x: nn.functional.cross_entropy(x, classes(900, 10)), normal(900, 10)),
    "a network": (
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(676, 300), nn.ReLU()),
        normal(20, 1, 28, 28).astype(np.float32),
    ),
}  # fmt: skip
LAYOUTS = {
    "as it is": lambda x: x,
    "turned": lambda x: np.asfortranarray(x),
    "backwards": lambda x: np.flip(np.flip(x).copy()),
    "one row": lambda x: np.broadcast_to(x[:1], x.shape),
    "one number": lambda x: np.broadcast_to(x.flat[0], x.shape),
}


@pytest.mark.parametrize("name", LARGE)
def test_large(name):
    f, *arrays = LARGE[name]
    some, dtype = tuple(range(len(arrays))), arrays[0].dtype
    rtol = 1e-10 if dtype == np.float64 else 1e-4

    def close(what, actual, expected):
        actual = actual if isinstance(actual, (tuple, list)) else [actual]
        for a, e in zip(actual, expected, strict=True):
            assert a.dtype == dtype
            np.testing.assert_allclose(
                a.numpy(), e, rtol=0, atol=rtol * np.max(np.abs(e)), err_msg=f"{what}, code {code}"
            )

    def one_by_one(rows, cotangents):
        """Values and gradients by plain backward passes without machine code."""
        found = []
        with sizes(code=False, large=False):
            for row, g in zip(rows, cotangents, strict=True):
                leaves = [Tensor(x.copy(), requires_grad=True) for x in row]
                out = f(*leaves)
                out.backward(g.copy())
                found.append((out.numpy(), *(x.grad.numpy() for x in leaves)))
        return [np.stack(column) for column in zip(*found, strict=True)]

    scales = (1.0, -0.5, 2.0) if "gate" not in name else (1.0, 0.5, 2.0)
    rows = [[x * np.float32(s) for x in arrays] for s in scales]
    shape = f(*arrays).shape
    G = normal(3, *shape).astype(dtype)
    values, *pulled = one_by_one(rows, G)
    _, *along = one_by_one([arrays] * 3, G)
    v = [normal(*x.shape[::-1]).T.astype(dtype) for x in arrays]
    sides = {key: lay(G[0]) for key, lay in LAYOUTS.items() if shape or key == "as it is"}
    laid = one_by_one([arrays] * len(sides), list(sides.values()))[1:]
    with sizes(code=False, large=False):
        slope = jvp(f, tuple(arrays), tuple(v))[1].numpy()
        weighted = lambda *xs: (f(*xs) * (f(*xs) + G[0])).sum()  # noqa: E731
        leaves = [Tensor(x, requires_grad=True) for x in arrays]
        weighted(*leaves).backward(create_graph=True)
        first = [x.grad for x in leaves]
        for x in leaves:
            x.grad = None
        sum((g * t).sum() for g, t in zip(first, v, strict=True)).backward()
        second = [x.grad.numpy() for x in leaves]
    np.testing.assert_allclose(  # <J v, g> = <v, J^T g>
        np.sum(slope * G[0]), sum(np.sum(t * g[0]) for t, g in zip(v, along, strict=True)), rtol=1e3 * rtol
    )
    columns = [np.stack(x) for x in zip(*rows, strict=True)]
    for code in CODE:
        with sizes(code, large=False):
            close("vmap", vmap(f)(*columns), [values])
            pull = vjp(f, *arrays)[1]
            close("vmap of the pullback", vmap(pull)(G), along)
            close("vmap of vjp", vmap(lambda g, *x: vjp(f, *x)[1](g))(G, *columns), pulled)
            for k in some if len(some) > 1 else ():
                rows = vmap(lambda x, k=k: f(*arrays[:k], x, *arrays[k + 1 :]))(np.stack([arrays[k]] * 2))
                close("vmap over one argument", rows, [np.stack([values[0]] * 2)])
            for k, g in enumerate(sides.values()):
                close("layout of the cotangent", pull(g), [x[k] for x in laid])
            for lay in list(LAYOUTS.values())[:3]:
                close("layouts", vmap(lambda g, lay=lay: vjp(f, *map(lay, arrays))[1](g))(lay(G)), along)
            close("jvp", jvp(f, tuple(arrays), tuple(v))[1], [slope])
            close(
                "vmap of jvp",
                vmap(lambda *v: jvp(f, tuple(arrays), v)[1])(*(np.stack([t, 2 * t]) for t in v)),
                [np.stack([slope, 2 * slope])],
            )
            close("jvp of grad", jvp(grad(weighted, some), tuple(arrays), tuple(v))[1], second)
            both = vmap(lambda *v: jvp(grad(weighted, some), tuple(arrays), v)[1])(*(np.stack([t, -t]) for t in v))
            close("vmap of jvp of grad", both, [np.stack([x, -x]) for x in second])
            rows_of = jacobian(lambda *x: (f(*x) * G).reshape(3, -1).sum(axis=1) if shape else f(*x) * G, some)(*arrays)
            close("jacobian", rows_of, along)


@pytest.mark.parametrize("code", CODE, ids=lambda code: "machine code" if code else "NumPy")
def test_hessian_of_a_network_with_relu(code):
    """Of the loss |H w2|^2 / 2 with H = relu(X w1 + b): H^T H in w2, and J^T J in w1 with the Jacobian J of H w2."""
    X, w1, b, w2 = normal(64, 6), normal(6, 16), normal(16), normal(16, 1)
    with sizes(code, large=False):
        found = hessian(lambda w1, w2: ((pb.relu(X @ w1 + b) @ w2) ** 2).sum() / 2, (0, 1))(w1, w2)
    hidden = np.maximum(X @ w1 + b, 0)
    np.testing.assert_allclose(found[1][1].numpy()[:, 0, :, 0], hidden.T @ hidden, rtol=1e-10)
    slopes = (hidden > 0) * w2[:, 0]  # of the result, by each hidden value of each example
    rows = X[:, :, None] * slopes[:, None]  # and by w1
    np.testing.assert_allclose(found[0][0].numpy(), np.einsum("nij,nkl->ijkl", rows, rows), rtol=1e-10, atol=1e-10)
    out = hidden @ w2
    mixed = np.einsum("nij,nk->ijk", rows, hidden) + np.einsum("ni,nj,n,jk->ijk", X, hidden > 0, out[:, 0], np.eye(16))
    np.testing.assert_allclose(found[0][1].numpy()[..., 0], mixed, rtol=1e-10, atol=1e-10)


def test_fused_takes_arrays_of_one_shape_and_dtype_only():
    for other in (np.ones(5), np.ones((1, 5000)), np.ones(5000, np.float32)):
        for code in CODE:
            with sizes(code, large=False), pytest.raises(ValueError, match="expected one shape and one dtype"):
                fused(lambda a, b: (a + b,), [np.ones(5000)], [other])


def test_large_and_small_give_one_dtype():
    for dtype in (bool, np.int8, np.float16, ">f8", np.complex64):
        small, large = (pb.relu(np.ones(n, dtype)) for n in (2, 1 << 16))
        assert small.dtype == large.dtype and large[0] == 1
        g = np.ones(1 << 16)
        assert registry["gate"].apply(g, large).dtype == registry["gate"].apply(g[:2], small).dtype
