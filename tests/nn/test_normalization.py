"""Normalization beside formulas in extended precision, its running statistics, and what transforms do to them."""

from typing import Any

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, nn
from pullback.autograd.kernels.normalization import layout_of
from pullback.extend import rescale, standardize
from pullback.nn import functional as F
from pullback.testing import check_module

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 6, 5))
PICTURES = RNG.normal(size=(3, 6, 4, 3))


def oracle(x: Any, axes: Any, weight: Any = 1, bias: Any = 0, eps: float = 1e-5, centered: bool = True) -> Any:
    """The result, the mean and the variance, in extended precision."""
    x = np.asarray(x, np.longdouble)
    mean = x.mean(axes, keepdims=True) if centered else 0
    variance = ((x - mean) ** 2).mean(axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + eps) * weight + bias, mean, variance


def back(g: Any, x: Any, axes: Any, weight: Any, eps: float, centered: bool) -> Any:
    """The gradients of x and, not yet summed, of the weight: the Jacobian of each row, written out."""
    others = tuple(i for i in range(x.ndim) if i not in axes)
    order = (*others, *axes)
    shape = [x.shape[i] for i in order]
    n = int(np.prod([x.shape[i] for i in axes]))
    rows, hs = (np.transpose(a, order).reshape(-1, n) for a in (x, np.broadcast_to(g * weight, x.shape)))
    out = []
    for row, h in zip(rows.astype(float), hs.astype(float), strict=True):
        d = row - row.mean() if centered else row
        deviation = np.sqrt((d**2).mean() + eps)
        jacobian = (np.eye(n) - (1 / n if centered else 0)) / deviation - np.outer(d, d) / (n * deviation**3)
        out.append(jacobian.T @ h)
    gx = np.reshape(out, shape).transpose(np.argsort(order))
    return gx, g * oracle(x, axes, eps=eps, centered=centered)[0]


def over(a: Any, shape: tuple[int, ...]) -> Any:
    a = a.sum(tuple(range(a.ndim - len(shape))))
    return a.sum(tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)


# shape, axes, shape of the weight; the layouts that machine code has, their edges, and what is left to NumPy
LAYOUTS: list[Any] = [
    ((8, 5, 7, 9), (0, 2, 3), (5, 1, 1)),  # a batch
    ((6, 10, 33), (2,), (33,)),  # a layer
    ((6, 10, 3, 13), (2, 3), (3, 13)),
    ((6, 12, 5, 5), (2, 3), (12, 1, 1)),  # instances
    ((4, 3, 4, 7, 7), (2, 3, 4), (3, 4, 1, 1)),  # groups
    ((4, 3, 4, 7), (2, 3), (3, 4, 1)),
    ((3, 8, 5, 7, 9), (1, 3, 4), (5, 1, 1)),  # a batch of batches
    ((3, 8, 5, 64), (1, 3), (3, 1, 5, 1)),  # each with its own weight
    ((64, 32), (0,), (32,)),
    ((3, 20, 64), (2,), (3, 1, 64)),
    ((8, 16, 64), (0,), (64,)),
    ((8, 16, 64), (), (64,)),
    ((8, 1, 64, 1), (0, 1, 2, 3), (1, 1, 1, 1)),
    ((40, 4, 5, 64), (1, 3), (64,)),
    ((3, 2, 4, 2, 8, 2), (0, 2, 4), (2,)),
    ((128, 8), (1,), (8,)),
    ((200, 70), (0,), (70,)),  # columns, more than a strip of them and a chain of rows
    ((3, 70, 37), (1,), (3, 1, 37)),
    ((9, 3, 5, 30), (0,), (5, 1)),
]


@pytest.mark.slow
@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("given", ["", "weight", "bias", "weight bias"])
@pytest.mark.parametrize(("shape", "axes", "weights"), LAYOUTS, ids=str)
def test_values_and_gradients(shape: Any, axes: Any, weights: Any, given: str, centered: bool) -> None:
    rng = np.random.default_rng(len(given))
    for dtype, digits in ((np.float64, 1e-11), (np.float32, 2e-4)):
        x, g = (rng.normal(1, 2, size=shape).astype(dtype) for _ in range(2))
        w, b = (
            rng.normal(size=weights).astype(dtype) if name in given.split() else None for name in ("weight", "bias")
        )
        tensors = [None if a is None else Tensor(a, requires_grad=True) for a in (x, w, b)]
        y = standardize.apply(*tensors, axes=axes, eps=1e-5, centered=centered)
        y.backward(g)
        expected = oracle(x, axes, 1 if w is None else w, 0 if b is None else b, centered=centered)[0]
        gx, gw = back(g, x, axes, 1 if w is None else w, 1e-5, centered)
        scale = digits * max(1.0, float(np.abs(gx).max()))
        assert y.dtype == dtype
        np.testing.assert_allclose(y.numpy(), expected, rtol=digits, atol=digits)
        np.testing.assert_allclose(tensors[0].grad.numpy(), gx, rtol=digits, atol=scale)
        if w is not None:
            np.testing.assert_allclose(tensors[1].grad.numpy(), over(gw, weights), rtol=digits, atol=30 * digits)
        if b is not None:
            np.testing.assert_allclose(tensors[2].grad.numpy(), over(g, weights), rtol=digits, atol=30 * digits)


def test_what_machine_code_takes() -> None:
    assert layout_of((8, 5, 7, 9), (0, 2, 3), (5, 1, 1)) == (1, 8, 5, 63, 1, False)
    assert layout_of((6, 10, 33), (2,), (33,)) == (1, 1, 60, 33, 1, True)
    assert layout_of((4, 3, 4, 7, 7), (2, 3, 4), (3, 4, 1, 1)) == (1, 1, 12, 196, 4, False)
    assert layout_of((3, 8, 5, 64), (1, 3), (3, 1, 5, 1)) == (3, 8, 5, 64, 1, False)
    assert layout_of((40, 4, 5, 64), (1, 3), (64,)) is None
    assert layout_of((200, 70), (0,), (70,)) == (1, 200, 70, 1, 1, False)
    assert layout_of((3, 70, 37), (1,), None) == (3, 70, 37, 1, 1, False)
    assert layout_of((200, 3), (0,), (3,)) is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(4, 6, 5), (8, 16, 100)])  # by NumPy, by machine code
def test_nothing_cancels(dtype: Any, shape: Any) -> None:
    x = (1e4 + np.random.default_rng(1).normal(size=shape)).astype(dtype)
    expected, mean, variance = oracle(x, (0, 2))
    layer = nn.BatchNorm1d(shape[1], momentum=1.0).to(dtype)
    tolerance = 2e-6 if dtype == np.float32 else 1e-11
    np.testing.assert_allclose(layer(x).numpy(), expected, atol=tolerance, rtol=tolerance)
    n = shape[0] * shape[2]
    np.testing.assert_allclose(layer.running_var.numpy(), np.ravel(variance) * n / (n - 1), rtol=tolerance)
    np.testing.assert_allclose(layer.running_mean.numpy(), np.ravel(mean), rtol=1e-7)
    row = oracle(x, (2,))[0]
    np.testing.assert_allclose(F.layer_norm(x, shape[2]), row, atol=tolerance, rtol=tolerance)
    np.testing.assert_allclose(F.group_norm(x, shape[1]), row, atol=tolerance, rtol=tolerance)
    np.testing.assert_allclose(F.instance_norm(x), row, atol=tolerance, rtol=tolerance)
    layer.eval()
    z = (x - np.ravel(mean)[:, None]) / np.sqrt(np.ravel(variance) * n / (n - 1) + 1e-5)[:, None]
    np.testing.assert_allclose(layer(x).numpy(), z, atol=1e-3 if dtype == np.float32 else tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_cancels_along_columns(dtype: Any) -> None:
    x = (1e4 + np.random.default_rng(1).normal(size=(300, 70))).astype(dtype)
    expected, mean, variance = oracle(x, (0,))
    layer = nn.BatchNorm1d(70, momentum=1.0).to(dtype)
    tolerance = 2e-6 if dtype == np.float32 else 1e-11
    np.testing.assert_allclose(layer(x).numpy(), expected, atol=tolerance, rtol=tolerance)
    np.testing.assert_allclose(layer.running_var.numpy(), variance[0] * 300 / 299, rtol=tolerance)
    np.testing.assert_allclose(layer.running_mean.numpy(), mean[0], rtol=1e-7)


def test_half_precision_is_summed_in_single() -> None:
    x = (1000 + RNG.normal(size=(64, 3, 40))).astype(np.float16)
    layer = nn.BatchNorm1d(3).to(np.float16)
    t = Tensor(x, requires_grad=True)
    y = layer(t)
    y.backward(np.ones(x.shape, np.float16))
    assert {y.dtype, t.grad.dtype, layer.weight.grad.dtype, layer.running_var.dtype} == {np.dtype(np.float16)}
    np.testing.assert_allclose(y.numpy().astype("d"), oracle(x, (0, 2))[0], atol=2e-3)
    np.testing.assert_allclose(layer.bias.grad.numpy(), 64 * 40)  # beyond 2,048 float16 alone would not add up
    np.testing.assert_allclose(F.rms_norm(x, 40).astype("d"), oracle(x, (2,), centered=False)[0], atol=2e-3)
    large = np.full((2, 8), 300, np.float16)  # whose squares are beyond float16
    np.testing.assert_array_equal(F.rms_norm(large, 8), np.ones((2, 8)))
    np.testing.assert_allclose(F.normalize(large), np.full((2, 8), 8**-0.5), rtol=1e-3)
    assert F.local_response_norm(large[..., None], 3).dtype == np.float16


MODULES = [
    (nn.BatchNorm1d(6), X),
    (nn.BatchNorm1d(6, momentum=None), X[:, :, 0]),
    (nn.BatchNorm2d(6, affine=False), PICTURES),
    (nn.BatchNorm2d(6, track_running_stats=False, bias=False), PICTURES),
    (nn.BatchNorm3d(6), PICTURES[..., None]),
    (nn.LayerNorm(5), X),
    (nn.LayerNorm((6, 5), bias=False), X),
    (nn.LayerNorm(5, elementwise_affine=False), X[0, 0]),
    (nn.GroupNorm(2, 6), X),
    (nn.GroupNorm(3, 6, affine=False), X[:, :, 0]),
    (nn.InstanceNorm1d(6), X),
    (nn.InstanceNorm1d(6, affine=True), X[0]),
    (nn.InstanceNorm2d(6, affine=True, track_running_stats=True), PICTURES),
    (nn.InstanceNorm3d(6), PICTURES[..., None]),
    (nn.RMSNorm(5), X),
    (nn.RMSNorm((6, 5), eps=0.1, elementwise_affine=False), X),
    (nn.LocalResponseNorm(3, alpha=0.5), X),
    (nn.LocalResponseNorm(2), PICTURES),
]


@pytest.mark.slow
@pytest.mark.parametrize(("module", "x"), MODULES, ids=lambda value: str(getattr(value, "shape", value)))
def test_modules(module: Any, x: Any) -> None:
    rng = np.random.default_rng(5)
    for p in module.parameters():
        p.data = rng.normal(1, 0.3, size=p.shape).astype(p.dtype)
    assert check_module(module, x)


@pytest.mark.parametrize(("module", "x"), MODULES, ids=lambda value: str(getattr(value, "shape", value)))
def test_vmap_and_forward_mode(module: Any, x: Any) -> None:
    module = module.double().eval() if getattr(module, "track_running_stats", False) else module.double()
    for p in module.parameters():
        p.data = np.random.default_rng(5).normal(size=p.shape)
    xs, ts = np.stack([x, x**2, x + 1]), np.stack([x + 2, x, x**3])
    each = np.stack([module(a).detach().numpy() for a in map(Tensor, xs)])
    np.testing.assert_allclose(pb.vmap(module)(xs).detach().numpy(), each, atol=1e-12)
    g = np.random.default_rng(6).normal(size=each[0].shape)
    gradients = np.stack([pb.vjp(module, a)[1](g)[0].detach().numpy() for a in xs])
    found = pb.vmap(lambda a: pb.grad(lambda a: (module(a) * g).sum())(a))(xs)
    np.testing.assert_allclose(found.detach().numpy(), gradients, atol=1e-10)
    tangents = pb.vmap(lambda a, t: pb.jvp(module, (a,), (t,))[1])(xs, ts)
    np.testing.assert_allclose(
        np.sum(tangents.detach().numpy() * g, axis=tuple(range(1, tangents.ndim))),
        np.sum(gradients * ts, axis=tuple(range(1, ts.ndim))),
        rtol=1e-9,
    )


def test_by_hand() -> None:
    np.testing.assert_allclose(F.normalize(np.array([[3.0, 4.0]]), dim=-1), [[0.6, 0.8]])
    np.testing.assert_allclose(F.normalize(np.array([[3.0, -1.0]]), p=1, dim=1), [[0.75, -0.25]])
    np.testing.assert_array_equal(F.normalize(np.zeros((1, 2))), np.zeros((1, 2)))
    x = Tensor(np.zeros((1, 2)), requires_grad=True)
    F.normalize(x, eps=0.5).backward(np.ones((1, 2)))
    np.testing.assert_array_equal(x.grad.numpy(), [[2.0, 2.0]])
    out = Tensor(np.zeros((1, 2)))
    assert F.normalize(np.array([[3.0, 4.0]]), out=out) is out
    np.testing.assert_allclose(out.numpy(), [[0.6, 0.8]])
    np.testing.assert_allclose(F.rms_norm(np.array([[1.0, 7.0]]), [2], np.array([10.0, 1.0])), [[2.0, 1.4]])
    channels = np.array([[[1.0], [2.0], [3.0], [4.0]]])
    means = np.array([1 + 4, 1 + 4 + 9, 4 + 9 + 16, 9 + 16]) / 3
    np.testing.assert_allclose(
        np.ravel(F.local_response_norm(channels, 3, 2.0, 0.5, 1.0)), np.ravel(channels) / np.sqrt(1 + 2 * means)
    )
    before = np.array([1, 1 + 4, 4 + 9, 9 + 16]) / 2  # of an even number, the more are before
    np.testing.assert_allclose(
        np.ravel(F.local_response_norm(channels, 2, 2.0, 0.5, 1.0)), np.ravel(channels) / np.sqrt(1 + 2 * before)
    )


# Running statistics


@pytest.mark.parametrize("momentum", [0.1, 0.7, 0.0, None])
def test_running_statistics(momentum: Any) -> None:
    layer = nn.BatchNorm1d(6, momentum=momentum).double()
    kept = layer.running_mean
    mean, variance = np.zeros(6), np.ones(6)
    batches = [X, X * 2 + 1, X**2]
    for i, x in enumerate(batches):
        share = 1 / (i + 1) if momentum is None else momentum
        mean = (1 - share) * mean + share * x.mean((0, 2))
        variance = (1 - share) * variance + share * x.var((0, 2), ddof=1)
        layer(x)
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, atol=1e-14)
    np.testing.assert_allclose(layer.running_var.numpy(), variance)
    assert layer.running_mean is kept and not kept.requires_grad
    assert layer.num_batches_tracked.item() == 3 and layer.num_batches_tracked.dtype == np.int64
    layer.eval()
    expected = (X - mean[:, None]) / np.sqrt(variance[:, None] + 1e-5)
    np.testing.assert_allclose(layer(X).numpy(), expected)
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, atol=1e-14)
    layer.reset_running_stats()
    assert layer.num_batches_tracked.item() == 0 and layer.running_var.numpy().tolist() == [1] * 6
    assert list(layer.state_dict()) == ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]


# shapes of x and of what there is for each channel: by rows, by columns, ends of vectors, what is left to NumPy
@pytest.mark.parametrize("shapes", [
    ((5, 7, 9, 11), (7, 1, 1)), ((40, 70), (70,)), ((2, 3, 400), (3, 1)), ((4, 30, 5), (1, 30, 1)), ((4, 30, 8), (8,)),
    ((4, 30, 8), (30, 8)), ((30, 40), (1,)), ((1, 5), (3, 200, 1)), ((1, 600), (30, 1)),
])  # fmt: skip
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_given_statistics(shapes: Any, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    x, mean, scale, bias = (rng.normal(size=shapes[i > 0]).astype(dtype) for i in range(4))
    given = [Tensor(a, requires_grad=True) for a in (x, mean, scale, bias)]
    y = rescale.apply(*given)
    wide = [np.asarray(a, np.longdouble) for a in (x, mean, scale, bias)]
    expected = (wide[0] - wide[1]) * wide[2] + wide[3]
    tolerance = 1e-5 if dtype == np.float32 else 1e-13
    assert y.dtype == dtype and y.shape == expected.shape
    np.testing.assert_allclose(y.numpy(), expected, rtol=tolerance, atol=tolerance)
    g = rng.normal(size=y.shape).astype(dtype)
    y.backward(g)
    gradients = g * wide[2], -g * wide[2], g * (wide[0] - wide[1]), g
    for a, c in zip(given, gradients, strict=True):
        axes = tuple(range(c.ndim - a.ndim))
        c = c.sum(axes)
        c = c.sum(tuple(i for i, n in enumerate(a.shape) if n < c.shape[i]), keepdims=True)
        np.testing.assert_allclose(a.grad.numpy(), c, rtol=tolerance, atol=300 * tolerance)


@pytest.mark.parametrize("shape", [(30, 70), (9, 6, 20), (3, 6, 9, 8)])
@pytest.mark.parametrize("affine", [True, False])
def test_evaluation_does_not_cancel(shape: Any, affine: bool) -> None:
    rng = np.random.default_rng(2)
    layer = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(shape[1], affine=affine).eval()
    mean, variance = 1e4 + rng.normal(size=shape[1]), rng.uniform(0.5, 2, shape[1])
    layer.load_state_dict({**layer.state_dict(), "running_mean": Tensor(mean), "running_var": Tensor(variance)})
    x = (1e4 + rng.normal(size=shape)).astype(np.float32)
    per = (-1, *(1,) * (len(shape) - 2))
    mean = layer.running_mean.numpy().astype(float)
    expected = (x - mean.reshape(per)) / np.sqrt(layer.running_var.numpy().astype(float) + 1e-5).reshape(per)
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-6, atol=1e-6)


def test_running_statistics_of_instances() -> None:
    layer = nn.InstanceNorm1d(6, momentum=0.3, track_running_stats=True).double()
    layer(X)
    np.testing.assert_allclose(layer.running_mean.numpy(), 0.3 * X.mean(2).mean(0))
    np.testing.assert_allclose(layer.running_var.numpy(), 0.7 + 0.3 * X.var(2, ddof=1).mean(0))
    mean, variance = layer.running_mean.numpy(), layer.running_var.numpy()
    expected = (X - mean[:, None]) / np.sqrt(variance[:, None] + 1e-5)
    np.testing.assert_allclose(layer.eval()(X).numpy(), expected)
    np.testing.assert_allclose(layer(X[0]).numpy(), expected[0])


def test_arrays_and_tensors_that_functions_write_into() -> None:
    mean, variance = np.zeros(6), Tensor(np.ones(6))
    F.batch_norm(X, mean, variance, training=True, momentum=1.0)
    np.testing.assert_allclose(mean, X.mean((0, 2)))
    np.testing.assert_allclose(variance.numpy(), X.var((0, 2), ddof=1))


def moved(layer: Any) -> list[Any]:
    return [b.numpy().copy() for b in layer.buffers()]


@pytest.mark.parametrize(
    "call",
    [
        lambda layer, x: pb.checkpoint(layer)(x).sum().backward(),
        lambda layer, x: pb.checkpoint(lambda x: pb.checkpoint(layer)(x) * 2)(x).sum().backward(),
        lambda layer, x: pb.grad(lambda x: (layer(x) ** 3).sum())(x.numpy()),
        lambda layer, x: pb.jvp(layer, (x.numpy(),), (x.numpy(),)),
        lambda layer, x: pb.hvp(lambda x: (layer(x) ** 3).sum(), x.numpy(), x.numpy()),
        lambda layer, x: (layer(x) ** 3).sum().backward(create_graph=True),
        lambda layer, x: pb.vmap(lambda w: layer(x * 1) * w)(np.ones(3)),
    ],
    ids=["checkpoint", "checkpoints", "grad", "jvp", "hvp", "create_graph", "vmap of another"],
)
@pytest.mark.parametrize("kind", [nn.BatchNorm1d, nn.InstanceNorm1d])
@pytest.mark.parametrize("momentum", [0.1, None])
def test_one_call_moves_them_once(call: Any, kind: Any, momentum: Any) -> None:
    layer, plain = (kind(6, momentum=momentum, track_running_stats=True).double() for _ in range(2))
    call(layer, Tensor(X, requires_grad=True))
    plain(X)
    for a, b in zip(moved(layer), moved(plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)
    assert not any(buffer.requires_grad for buffer in layer.buffers())
    call(layer, Tensor(X, requires_grad=True))  # the first call has left nothing switched off
    plain(X)
    np.testing.assert_allclose(layer.running_mean.numpy(), plain.running_mean.numpy())


def test_vmap_of_batches() -> None:
    layer = nn.BatchNorm1d(6)
    before = moved(layer)
    with pytest.raises(ValueError, match=r"BatchNorm1d: inside vmap .* track_running_stats=False"):
        pb.vmap(layer)(np.stack([X, X]))
    for a, b in zip(before, moved(layer), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_vmap_of_models(momentum: Any) -> None:
    models = [nn.BatchNorm1d(6, momentum=momentum).double() for _ in range(2)]
    models[1](X)  # so that their buffers differ
    xs = np.stack([X, 2 * X + 1])
    parameters, buffers = nn.stack_module_state(models)

    def call(p: Any, b: Any, x: Any) -> Any:
        return nn.functional_call(models[0], (p, b), x), b

    out, after = pb.vmap(call)(parameters, buffers, xs)
    for i, model in enumerate(models):
        np.testing.assert_allclose(out.detach().numpy()[i], model(xs[i]).detach().numpy(), atol=1e-12)
        for name, buffer in model.named_buffers():
            np.testing.assert_allclose(after[name].numpy()[i], buffer.numpy(), err_msg=name)


# Beside others, and bad input


def test_sequential_looks_no_further_than_a_normalization() -> None:
    layers = [
        nn.Conv2d(2, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 3, 2),
        nn.ReLU(),
        nn.BatchNorm2d(3),
    ]
    x = Tensor(RNG.normal(size=(3, 2, 9, 9)).astype(np.float32), requires_grad=True)
    found = []
    for call in (
        nn.Sequential(*layers),
        lambda x: layers[6](layers[5](layers[4](layers[3](layers[2](layers[1](layers[0](x))))))),
    ):
        for layer in layers:
            layer.zero_grad()
            for buffer in (layer.reset_running_stats() for layer in layers if isinstance(layer, nn.BatchNorm2d)):
                assert buffer is None
        x.grad = None
        y = call(x)
        (y**3).sum().backward()
        gradients = [p.grad.numpy().copy() for layer in layers for p in layer.parameters()]
        found.append(
            [y.detach().numpy(), x.grad.numpy().copy(), *gradients, *(b for layer in layers for b in moved(layer))]
        )
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("length", [2, 40])  # by NumPy, by machine code
def test_gradients_that_come_together_are_those_of_their_own_cotangent(length: int) -> None:
    w = Tensor(np.ones((4, 1)), requires_grad=True)  # the older of the two: a pass that wants x does not reach it
    x = Tensor(RNG.normal(size=(8, 4, length)), requires_grad=True)
    y = standardize.apply(x, w, None, axes=(0, 2), eps=0.0, centered=True)
    g, of_itself = Tensor(np.ones(y.shape)), np.full((4, 1), y.size / 4)
    pb.grads(y, x, g, retain_graph=True)  # leaves the weight's behind
    with pb.override(standardize, "x", lambda g: 0 * g):
        both = pb.grads(y, (x, w), y.detach(), retain_graph=True)
    assert not both[0].numpy().any()
    np.testing.assert_allclose(both[1].numpy(), of_itself)
    pb.grads(y, x, g, retain_graph=True)
    g.data[...] = y.numpy()  # the same Tensor, with other numbers
    np.testing.assert_allclose(pb.grads(y, w, g).numpy(), of_itself)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.BatchNorm1d(6)(X[:1, :, :1]), "BatchNorm1d: Expected more than 1 value per channel when"),
        (lambda: F.batch_norm(X[:1, :, 0], None, None, training=True), "batch_norm: Expected more than 1 value"),
        (lambda: F.instance_norm(X[:, :, :1]), "instance_norm: Expected more than 1 spatial element when training"),
        (lambda: nn.InstanceNorm1d(6)(X[:, :, :1]), "InstanceNorm1d: Expected more than 1 spatial element"),
        (lambda: F.group_norm(X[:1, :2, 0], 2), "group_norm: Expected more than 1 value per channel"),
        (lambda: nn.BatchNorm2d(4)(PICTURES), r"BatchNorm2d expected 4 channels, got an input of shape \(3, 6, 4, 3\)"),
        (lambda: nn.BatchNorm2d(6)(X), r"BatchNorm2d expected \(N, C, H, W\), got an input of shape \(4, 6, 5\)"),
        (lambda: nn.BatchNorm1d(6)(X[0, 0]), r"BatchNorm1d expected \(N, C\) or \(N, C, L\), got"),
        (lambda: nn.Sequential(nn.BatchNorm3d(6))(X), "^0: BatchNorm3d expected"),
        (lambda: nn.InstanceNorm1d(6)(X[0, 0]), r"InstanceNorm1d expected \(N, C, L\) or \(C, L\), got"),
        (lambda: nn.InstanceNorm1d(5, affine=True)(X), "InstanceNorm1d expected 5 channels"),
        (lambda: nn.LayerNorm(4)(X), r"LayerNorm expected last axes \(4,\), got an input of shape \(4, 6, 5\)"),
        (lambda: nn.RMSNorm((4, 5))(X[0, 0]), r"RMSNorm expected last axes \(4, 5\)"),
        (lambda: F.layer_norm(X, (4, 5)), r"layer_norm: normalized_shape=\(4, 5\) for an input of shape \(4, 6, 5\)"),
        (lambda: F.layer_norm(X, 5, np.ones(4)), r"layer_norm: weight of shape \(4,\) for normalized_shape=\(5,\)"),
        (lambda: F.rms_norm(X, ()), r"rms_norm: normalized_shape=\(\)"),
        (lambda: nn.GroupNorm(2, 4)(X), "GroupNorm expected 4 channels"),
        (lambda: nn.GroupNorm(4, 6), "GroupNorm: num_channels=6 cannot be parted in num_groups=4"),
        (lambda: F.group_norm(X, 4), "group_norm: num_groups=4 for an input of shape"),
        (lambda: F.group_norm(X, 2, np.ones(2)), r"group_norm: weight of shape \(2,\) .* expected \(6,\)"),
        (lambda: F.batch_norm(X, np.ones(5), np.ones(6)), r"batch_norm: running_mean of shape \(5,\) for an input"),
        (lambda: F.batch_norm(X, None, None), "batch_norm: no running_mean or running_var"),
        (lambda: F.batch_norm(X, None, None, training=True, eps=0), "batch_norm: eps=0; expected a positive number"),
        (lambda: F.batch_norm(X[0, 0], None, None), r"batch_norm: input of shape \(5,\)"),
        (lambda: F.local_response_norm(X[0], 2), r"local_response_norm: input of shape \(6, 5\)"),
        (lambda: F.local_response_norm(X, 0), "local_response_norm: size=0"),
        (lambda: F.normalize(X, dim=3), "normalize: dim: axis 3 is out of bounds"),
        (lambda: nn.BatchNorm1d(-1), "BatchNorm1d: a negative size in the shape -1"),
        (lambda: nn.LayerNorm((2, -1)), r"LayerNorm: a negative size in the shape \(2, -1\)"),
        (lambda: nn.LayerNorm(()), r"LayerNorm: normalized_shape=\(\)"),
    ],
)  # fmt: skip
def test_errors(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_errors_of_dtypes_and_warnings() -> None:
    for call in (nn.BatchNorm1d(6), nn.LayerNorm(5), nn.GroupNorm(2, 6), nn.InstanceNorm1d(6), nn.RMSNorm(5)):
        with pytest.raises(TypeError, match=f"{type(call).__name__}: input of dtype complex128; expected real"):
            call(X * 1j)
    with pytest.warns(UserWarning, match="InstanceNorm1d expected 5 channels.* without affine it makes no difference"):
        nn.InstanceNorm1d(5)(X)
    assert F.layer_norm(np.arange(6).reshape(2, 3), 3).dtype == np.float64


def test_empty_batches() -> None:
    layer = nn.BatchNorm1d(6)
    assert layer(np.zeros((0, 6, 5), np.float32)).shape == (0, 6, 5)
    assert not layer.running_mean.numpy().any() and layer.num_batches_tracked.item() == 1
    for module, shape in (
        (nn.LayerNorm(5), (0, 5)),
        (nn.GroupNorm(2, 6), (0, 6, 5)),
        (nn.InstanceNorm1d(6), (0, 6, 5)),
    ):
        x = Tensor(np.zeros(shape, np.float32), requires_grad=True)
        module(x).sum().backward()
        assert x.grad.shape == shape and not np.isnan(x.grad.numpy()).any()
        for p in module.parameters():
            np.testing.assert_array_equal(p.grad.numpy(), np.zeros(p.shape))


# Fusion


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_fusion(bias: bool, affine: bool) -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(2, 4, 6, 6)).astype(np.float32)
    bn = nn.BatchNorm2d(6, affine=affine)
    bn(rng.normal(2, 3, size=(5, 6, 4, 4)).astype(np.float32))
    for p in bn.parameters():
        p.data = rng.normal(1, 0.5, size=6).astype(np.float32)
    bn.eval()
    for conv, options in (
        (nn.Conv2d(4, 6, 3, stride=2, groups=2, bias=bias), {}),
        (nn.ConvTranspose2d(4, 6, 3, bias=bias), {"transpose": True}),
    ):
        fused = nn.utils.fuse_conv_bn_eval(conv.eval(), bn, **options)
        np.testing.assert_allclose(fused(x).numpy(), bn(conv(x)).numpy(), atol=2e-6, rtol=1e-5)
        assert fused is not conv and fused.bias.requires_grad == bias and fused.weight.dtype == np.float32
    for features in (6, 1):
        flat = nn.BatchNorm1d(features, affine=affine).eval()
        flat.running_mean.data = rng.normal(size=features).astype(np.float32)
        linear = nn.Linear(4, 6, bias=bias).eval()
        fused = nn.utils.fuse_linear_bn_eval(linear, flat)
        y = linear(x[:, :, 0, 0])
        z = (y - flat.running_mean) / np.sqrt(flat.running_var + flat.eps)
        z = z * flat.weight + flat.bias if affine else z
        np.testing.assert_allclose(fused(x[:, :, 0, 0]).numpy(), z.numpy(), atol=2e-6)


def test_fusion_errors() -> None:
    conv, bn = nn.Conv1d(2, 3, 1), nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match="fuse_conv_bn_eval: Conv1d and BatchNorm1d in training; call eval"):
        nn.utils.fuse_conv_bn_eval(conv, bn)
    with pytest.raises(ValueError, match="have 3 and 4 channels"):
        nn.utils.fuse_conv_bn_eval(conv.eval(), nn.BatchNorm1d(4).eval())
    with pytest.raises(ValueError, match="fuse_linear_bn_eval: BatchNorm1d has no running statistics"):
        nn.utils.fuse_linear_bn_eval(nn.Linear(2, 3).eval(), nn.BatchNorm1d(3, track_running_stats=False).eval())


def test_two_numbers_in_a_group_are_1_and_minus_1_but_for_eps() -> None:
    """With d half their difference d / sqrt(d**2 + eps), whose slope is eps / (d**2 + eps)**1.5; in long double."""
    x, cotangent = RNG.normal(size=(4, 6)), RNG.normal(size=(4, 6))
    d = (x[:, 1::2] - x[:, ::2]).astype(np.longdouble) / 2
    slope = 1e-5 / (d * d + 1e-5) ** 1.5 / 2

    def gradient(weight: Any, x: Any) -> Any:
        return pb.grad(lambda x: (F.group_norm(x, 3, weight) * cotangent).sum())(x)

    mixed = pb.jacobian(lambda weight: gradient(weight, Tensor(x)))(Tensor(np.ones(6))).numpy()
    for k in range(3):
        for i, sign in ((2 * k, -1), (2 * k + 1, 1)):  # the weight's own result moves against the other number
            expected = sign * cotangent[:, i] * slope[:, k]
            np.testing.assert_allclose(mixed[:, 2 * k, i], -expected.astype(float), rtol=1e-9)
            np.testing.assert_allclose(mixed[:, 2 * k + 1, i], expected.astype(float), rtol=1e-9)
