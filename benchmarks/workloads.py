"""What benchmarks/speed.py measures: networks, layers, blocks and optimizers.

A workload takes a library (benchmarks/peers.py) and returns a function that does it once. Networks are data, from which
each library builds its own form. All else is written once, with the names that Pullback and PyTorch share.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from models import GPT_WORDS, basic_block, encoder, first, gpt, resnet18

Workload = Callable[[Any], Callable[[], Any]]


def normal(*shape: int) -> Any:
    return np.random.default_rng(math.prod(shape)).standard_normal(shape).astype(np.float32)


# Networks


class Net(NamedTuple):
    """Layers: ("conv", inputs, outputs, kernel, padding), ("linear", inputs, outputs), and others without sizes."""

    layers: list[tuple[Any, ...]]
    shape: tuple[int, ...]
    classes: int

    def arrays(self, batch: int) -> tuple[list[Any], Any, Any]:
        """Weights and biases, inputs and targets."""
        rng, weights = np.random.default_rng(0), []
        for kind, *sizes in self.layers:
            if kind in ("conv", "linear"):
                shape = (sizes[1], sizes[0], *sizes[2:3] * 2)
                bound = math.prod(shape[1:]) ** -0.5
                weights += [rng.uniform(-bound, bound, s).astype(np.float32) for s in (shape, shape[:1])]
        return weights, normal(batch, *self.shape), rng.integers(0, self.classes, batch)

    def flops(self, batch: int) -> int:
        """Floating-point operations of the matrix products of a training step."""
        size, products = self.shape[-1], []
        for kind, *sizes in self.layers:
            if kind == "conv":
                size += 2 * sizes[3] - sizes[2] + 1
                products.append(sizes[0] * sizes[1] * sizes[2] ** 2 * size**2)
            elif kind == "linear":
                products.append(sizes[0] * sizes[1])
            elif kind == "pool":
                size //= 2
        return 2 * batch * (3 * sum(products) - products[0])  # the input has no gradient


def mlp(*sizes: int) -> Net:
    layers = [layer for a, b in zip(sizes, sizes[1:], strict=False) for layer in (("linear", a, b), ("relu",))]
    return Net(layers[:-1], sizes[:1], sizes[-1])


def vgg11() -> Net:
    """VGG11 with an eighth of its channels."""
    layers: list[tuple[Any, ...]] = []
    inputs = 3
    for outs, pool in ((8, 1), (16, 1), (32, 0), (32, 1), (64, 0), (64, 1), (64, 0), (64, 1)):
        layers += [("conv", inputs, outs, 3, 1), ("relu",), *[("pool",)] * pool]
        inputs = outs
    layers += [("flatten",), ("linear", 64 * 49, 512), ("relu",), ("linear", 512, 10)]
    return Net(layers, (3, 224, 224), 10)


SEED_CNN = Net(
    [
        *[("conv", 1, 32, 3, 0), ("relu",), ("conv", 32, 64, 3, 0), ("relu",), ("pool",), ("flatten",)],
        *[("linear", 9216, 128), ("relu",), ("linear", 128, 10)],
    ],
    (1, 28, 28),
    10,
)
LENET = Net(
    [
        *[("conv", 1, 6, 5, 2), ("relu",), ("pool",), ("conv", 6, 16, 5, 0), ("relu",), ("pool",), ("flatten",)],
        *[("linear", 400, 120), ("relu",), ("linear", 120, 84), ("relu",), ("linear", 84, 10)],
    ],
    (1, 28, 28),
    10,
)
CNN, VGG = "seed CNN, batch 64", "VGG11, 8 to 64 channels, 224x224, batch 8"
NETS = {
    CNN: (SEED_CNN, 64),
    "LeNet-5, batch 64": (LENET, 64),
    "MLP 784-128-10, batch 64": (mlp(784, 128, 10), 64),
    "MLP 2-16-16-2, batch 32": (mlp(2, 16, 16, 2), 32),
    VGG: (vgg11(), 8),
}


def training(net: Net, batch: int) -> Workload:
    return lambda lib: lib.training(net, *net.arrays(batch))


def inference(net: Net, batch: int) -> Workload:
    return lambda lib: lib.inference(net, *net.arrays(batch)[:2])


# Layers and blocks, forward and backward


def both(f: Callable[..., Any], *shapes: tuple[int, ...]) -> Workload:
    """f(lib, *tensors) and the gradients of a weighted sum of it by all of them."""

    def make(lib: Any) -> Callable[[], None]:
        leaves = [lib.tensor(normal(*shape), requires_grad=True) for shape in shapes]
        g = lib.tensor(normal(*f(lib, *leaves).shape))

        def run() -> None:
            f(lib, *leaves).backward(g)
            for x in leaves:
                x.grad = None

        return run

    return make


def convolution(
    n: int, c: int, k: int, size: tuple[int, ...], kernel: int, transposed: bool = False, **options: Any
) -> Workload:
    shape = (c, k) if transposed else (k, c // options.get("groups", 1))
    name = f"conv{'_transpose' if transposed else ''}{len(size)}d"
    return both(
        lambda lib, x, w: getattr(lib.F, name)(x, w, **options), (n, c, *size), (*shape, *(kernel,) * len(size))
    )


def grid() -> dict[str, Workload]:
    """Convolutions of all sorts."""
    cases: dict[str, Workload] = {}
    for c, k, size in ((1, 16, 28), (3, 32, 64), (16, 32, 32), (64, 64, 16), (64, 64, 56), (256, 256, 8), (8, 8, 224)):
        n = max(1, min(32, 2**21 // (c * size * size)))
        for kernel in (1, 3, 5, 7):
            cases[f"{kernel}x{kernel}, {c} to {k} channels, {size}x{size}, batch {n}"] = convolution(
                n, c, k, (size, size), kernel, padding=kernel // 2
            )
    for c, size in ((16, 32), (64, 28), (3, 112)):
        cases[f"3x3, stride 2, {c} to 64 channels, {size}x{size}"] = convolution(
            16, c, 64, (size, size), 3, stride=2, padding=1
        )
        cases[f"3x3, dilation 2, {c} to 64 channels, {size}x{size}"] = convolution(
            16, c, 64, (size, size), 3, dilation=2, padding=2
        )
    cases["1x1, stride 2, 64 to 128 channels, 28x28"] = convolution(16, 64, 128, (28, 28), 1, stride=2)
    cases["depthwise 3x3, 64 channels, 28x28"] = convolution(16, 64, 64, (28, 28), 3, groups=64, padding=1)
    cases["depthwise 5x5, 32 channels, 56x56"] = convolution(8, 32, 32, (56, 56), 5, groups=32, padding=2)
    cases["4 groups, 3x3, 64 to 64 channels, 28x28"] = convolution(16, 64, 64, (28, 28), 3, groups=4, padding=1)
    cases["audio: 9, stride 4, 1 to 32 channels, 16000"] = convolution(8, 1, 32, (16000,), 9, stride=4)
    cases["audio: 3, 64 to 64 channels, 1000"] = convolution(16, 64, 64, (1000,), 3, padding=1)
    cases["volume: 3x3x3, 8 to 16 channels, 24x24x24"] = convolution(4, 8, 16, (24, 24, 24), 3, padding=1)
    for stride in (1, 2):
        cases[f"transposed 3x3, stride {stride}, 32 to 16 channels, 28x28"] = convolution(
            16, 32, 16, (28, 28), 3, transposed=True, stride=stride
        )
    return cases


def pooling() -> dict[str, Workload]:
    def pool(name: str, *arguments: Any) -> Workload:
        return both(lambda lib, x: getattr(lib.F, name)(x, *arguments), (32, 64, 24, 24))

    def unpooled(lib: Any, x: Any) -> Any:
        y, indices = lib.F.max_pool2d(x, 2, return_indices=True)
        return lib.F.max_unpool2d(y, indices, 2)

    return {
        "max 2x2": pool("max_pool2d", 2),
        "max 3x3, stride 2": pool("max_pool2d", 3, 2),
        "max 3x3, stride 1": pool("max_pool2d", 3, 1),
        "average 2x2": pool("avg_pool2d", 2),
        "average 3x3, stride 2": pool("avg_pool2d", 3, 2),
        "adaptive average to 7x7": pool("adaptive_avg_pool2d", 7),
        "adaptive maximum to 7x7": pool("adaptive_max_pool2d", 7),
        "max 2x2 and unpooling": both(unpooled, (32, 64, 24, 24)),
    }


def residual(lib: Any, x: Any, v: Any, w: Any) -> Any:
    return lib.F.relu(x + lib.F.conv2d(lib.F.relu(lib.F.conv2d(x, v, padding=1)), w, padding=1))


def lstm_step(lib: Any, x: Any, h: Any, c: Any, w: Any, u: Any) -> Any:
    sigmoid, tanh = lib.main.sigmoid, lib.main.tanh
    z = x @ w + h @ u
    n = h.shape[1]
    i, f, o, g = (z[:, k * n : (k + 1) * n] for k in range(4))
    return sigmoid(o) * tanh(sigmoid(f) * c + sigmoid(i) * tanh(g))


def transformer(lib: Any, x: Any, qkv: Any, out: Any, up: Any, down: Any) -> Any:
    """One block: x is (batch, length, width), four heads."""
    n, length, width = x.shape

    def normed(x: Any) -> Any:
        x = x - x.mean(-1)[..., None]
        return x / ((x * x).mean(-1)[..., None] + 1e-5) ** 0.5

    q, k, v = ((normed(x) @ qkv[i]).reshape(n, length, 4, width // 4) for i in range(3))
    q, v = q.swapaxes(1, 2), v.swapaxes(1, 2)
    scores = q @ k.swapaxes(1, 2).swapaxes(2, 3) / (math.sqrt(width // 4) * width)  # as with weights of usual size
    mixed = (lib.F.softmax(scores, -1) @ v).swapaxes(1, 2).reshape(n, length, width)
    x = x + mixed @ out
    return x + lib.F.relu(normed(x) @ up) @ down


def stack(batch: int = 16, size: int = 28, channels: int = 32, depth: int = 2) -> Workload:
    """Convolutions of 3x3 and ReLUs on top of one another."""

    def forward(lib: Any, x: Any, *weights: Any) -> Any:
        for w in weights:
            x = lib.F.relu(lib.F.conv2d(x, w, padding=1))
        return x

    return both(forward, (batch, channels, size, size), *[(channels, channels, 3, 3)] * depth)


SCALING = {"batch": (1, 4, 16, 64), "size": (8, 16, 28, 56, 112), "channels": (1, 4, 16, 64), "depth": (1, 2, 4, 8, 16)}


# Modules: training steps of plain SGD on models of torch.nn's names


def stepping(build: Callable[[Any], Any], make: Callable[[], Any], *, labels: int = 0) -> Workload:
    """A step of training of what `build(nn)` makes, given the array of `make()` for input.

    The loss is the cross entropy of labels or, without any, the mean product with numbers of a normal distribution.
    Weights are drawn alike in all libraries and biases are 0; what multiplies after normalization stays as it begins.
    """

    def prepare(lib: Any) -> Callable[[], Any]:
        model, x = build(lib.nn), lib.tensor(make())
        for name, w in model.named_parameters():
            if w.ndim > 1:
                w.data = lib.tensor(normal(*w.shape) / np.float32(math.sqrt(math.prod(w.shape[1:]))))
            elif "bias" in name:
                w.data = lib.tensor(np.zeros(w.shape, np.float32))
        optimizer = lib.optim.SGD(model.parameters(), lr=1e-3)
        shape = tuple(model(x).shape)
        target = np.random.default_rng(0).integers(0, labels, math.prod(shape[:-1])) if labels else normal(*shape)
        target = lib.tensor(target)

        def step() -> Any:
            optimizer.zero_grad()
            y = model(x)
            loss = lib.F.cross_entropy(y.reshape(-1, labels), target) if labels else (y * target).mean()
            loss.backward()
            optimizer.step()
            return loss.detach()

        return step

    return prepare


def words(count: int, *shape: int) -> Callable[[], Any]:
    return lambda: np.random.default_rng(0).integers(0, count, shape)


def modules() -> dict[str, Workload]:
    def layer(build: Callable[[Any], Any], *shape: int, **options: Any) -> Workload:
        return stepping(build, lambda: normal(*shape), **options)

    return {
        "LSTM, 2 layers, width 128, length 64, batch 32": layer(
            lambda nn: first(nn, nn.LSTM(128, 128, 2)), 64, 32, 128
        ),
        "GRU, 2 layers, width 128, length 64, batch 32": layer(lambda nn: first(nn, nn.GRU(128, 128, 2)), 64, 32, 128),
        **{
            f"transformer encoder layer, width {width}, length {length}, batch 16": layer(
                encoder(width), 16, length, width
            )
            for width in (64, 256)
            for length in (32, 128)
        },
        "transformer encoder layer, width 256, length 128, batch 16, gelu and dropout": layer(
            encoder(256, activation="gelu", dropout=0.1), 16, 128, 256
        ),
        "ResNet-18's basic block, 64 channels, 16x16, batch 8": layer(
            lambda nn: basic_block(nn, 64, 64), 8, 64, 16, 16
        ),
        "ResNet-18, 64x64, batch 8": layer(resnet18, 8, 3, 64, 64, labels=1000),
        "BatchNorm2d, 64 channels, 32x32, batch 16": layer(lambda nn: nn.BatchNorm2d(64), 16, 64, 32, 32),
        "LayerNorm, width 256, length 128, batch 32": layer(lambda nn: nn.LayerNorm(256), 32, 128, 256),
        "GPT, 4 layers, width 128, length 64, batch 16": stepping(gpt, words(GPT_WORDS, 16, 64), labels=GPT_WORDS),
    }


# Optimizers, and what the machine can do at most


TEN_MILLION = ((2500, 1000),) * 4


def optimizing(
    name: str, shapes: Callable[[Any], Iterable[tuple[int, ...]]] | None = None, touched: float = 1.0, **options: Any
) -> Workload:
    """Steps over parameters of these shapes, ten million numbers unless given; `touched` is a share of their rows."""

    def make(lib: Any) -> Callable[[], Any]:
        parameters = []
        for shape in shapes(lib.nn) if shapes else TEN_MILLION:
            parameters.append(lib.tensor(normal(*shape), requires_grad=True))
            gradient = normal(*shape)
            if touched < 1:
                gradient[np.random.default_rng(0).uniform(size=len(gradient)) > touched] = 0
            grad = lib.tensor(gradient)
            parameters[-1].grad = grad.to_sparse(1) if touched < 1 and hasattr(grad, "to_sparse") else grad
        optimizer = getattr(lib.optim, name)(parameters, **{"lr": 1e-3, **options})
        return (lambda: optimizer.step(lambda: 1.0)) if name == "LBFGS" else optimizer.step

    return make


def resnet18_shapes(nn: Any) -> list[tuple[int, ...]]:
    """Those of ResNet-18's 62 parameters."""
    return [tuple(p.shape) for p in resnet18(nn).parameters()]


def mlp_shapes(nn: Any) -> list[tuple[int, ...]]:
    """Those of a 2-16-16-2 MLP."""
    return [(16, 2), (16,), (16, 16), (16,), (2, 16), (2,)]


EACH = {
    "SGD": optimizing("SGD"),
    "SGD with momentum": optimizing("SGD", momentum=0.9),
    **{name: optimizing(name) for name in ("Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Adagrad", "Adadelta")},
    **{name: optimizing(name) for name in ("RMSprop", "Rprop", "ASGD", "Adafactor")},
    "Muon, four matrices of 500 x 200": optimizing("Muon", lambda nn: ((500, 200),) * 4),
    "RMSprop, centered, with momentum": optimizing("RMSprop", centered=True, momentum=0.9),
    "SparseAdam, a tenth of the rows": optimizing("SparseAdam", touched=0.1),
    "LBFGS, an iteration": optimizing("LBFGS", max_iter=1),
}
SMALL = {
    f"{name}{', momentum' * bool(options)}, {what}": optimizing(name, shapes, **options)
    for what, shapes in (("ResNet-18's parameters", resnet18_shapes), ("a 2-16-16-2 MLP's", mlp_shapes))
    for name, options in (("SGD", {}), ("SGD", {"momentum": 0.9}), ("Adam", {}), ("RMSprop", {}), ("NAdam", {}))
}


def product(n: int) -> Workload:
    """A matrix product into memory that there is, 2 n^3 floating-point operations."""

    def make(lib: Any) -> Callable[[], Any]:
        a, b, out = (lib.arrays.ones((n, n), dtype=lib.arrays.float32) for _ in range(3))
        return lambda: lib.arrays.matmul(a, b, out=out)

    return make


COPIED = 1 << 25


def copy(lib: Any) -> Callable[[], None]:
    """A copy between arrays that no cache holds."""
    x, y = (lib.arrays.ones(COPIED, dtype=lib.arrays.float32) for _ in range(2))

    def run() -> None:
        y[:] = x

    return run


PRODUCTS = {f"matrix product, {n} x {n}": 2 * n**3 for n in (192, 384, 1024)}

# By section: the workloads. The first two are for all libraries, the others for Pullback and PyTorch.
SECTIONS: dict[str, dict[str, Workload]] = {
    "Training steps": {name: training(net, batch) for name, (net, batch) in NETS.items()},
    "Inference": {name: inference(*NETS[name]) for name in (CNN, VGG)},
    "Convolutions, forward and backward": grid(),
    "Pooling, forward and backward": pooling(),
    "Blocks written with tensor operations, forward and backward": {
        "residual block, 32 channels, 28x28, batch 16": both(
            residual, (16, 32, 28, 28), (32, 32, 3, 3), (32, 32, 3, 3)
        ),
        "LSTM step, width 128, batch 32": both(lstm_step, (32, 128), (32, 128), (32, 128), (128, 512), (128, 512)),
        "transformer block, width 64, length 32, batch 16": both(
            transformer, (16, 32, 64), (3, 64, 64), (64, 64), (64, 256), (256, 64)
        ),
    },
    "Modules, training steps": modules(),
    "Optimizers, ten million parameters": EACH,
    "Optimizers, many parameters": SMALL,
    "Scaling": {f"{axis} {value}": stack(**{axis: value}) for axis, values in SCALING.items() for value in values},
    "Limits": {**{name: product(int(name.split()[-1])) for name in PRODUCTS}, "copy": copy},
}
