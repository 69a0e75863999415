"""Graphs of many kinds for tests of pictures and pages."""

from collections.abc import Callable

import numpy as np

from pullback import Tensor, grad, nn, tanh, viz
from pullback.nn.models import LeNet5, resnet18


def leaf(*shape: int, seed: int = 0) -> Tensor:
    return Tensor(np.random.default_rng(seed).normal(size=shape), requires_grad=True)


def scalars() -> viz.Graph:
    a, b = Tensor(2.0, requires_grad=True), Tensor(-3.0, requires_grad=True)
    return viz.graph((a * b + 10 - a) ** 2, names={"a": a, "b": b})


def mlp() -> viz.Graph:
    nn.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    target = Tensor(np.array([0, 2]))
    return viz.graph(lambda x: nn.functional.cross_entropy(model(x), target), model, inputs=Tensor(np.ones((2, 4))))


def lenet() -> viz.Graph:
    model, target = LeNet5(), Tensor(np.array([3]))
    x = Tensor(np.ones((1, 1, 28, 28), np.float32))
    return viz.graph(lambda x: nn.functional.cross_entropy(model(x), target), model, inputs=x)


def resnet() -> viz.Graph:
    return viz.graph(resnet18(), inputs=Tensor(np.ones((2, 3, 32, 32), np.float32)))


def transformer() -> viz.Graph:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    model = nn.TransformerEncoder(layer, 3)
    return viz.graph(lambda x: model(x).sum(), model, inputs=Tensor(np.ones((2, 5, 8), np.float32)))


def rnn(steps: int = 200) -> viz.Graph:
    weight, recurrent, bias, state = leaf(3, 4), leaf(4, 4, seed=1) * 0.1, leaf(4, seed=2), Tensor(np.zeros((1, 4)))
    inputs = leaf(steps, 1, 3, seed=3)
    for i in range(steps):
        state = tanh(inputs[i] @ weight + state @ recurrent + bias)
    return viz.graph(state.sum(), names={"weight": weight, "recurrent": recurrent, "bias": bias})


def long(operations: int = 10_000) -> viz.Graph:
    x = y = Tensor(1.5, requires_grad=True)
    for _ in range(operations // 2):
        y = y * 0.999 + x
    return viz.graph(y, names={"x": x})


def shared() -> viz.Graph:
    layer = nn.Linear(3, 3)
    model = nn.Sequential(layer, nn.Tanh(), layer, nn.Tanh(), layer)
    return viz.graph(lambda x: model(x).mean(), model, inputs=leaf(2, 3))


def hostile() -> viz.Graph:
    names = [
        "</script><script>alert(1)</script>",
        "<!-- & \"quotes\" 'single' \\ `${x}` $title",
        "\u2028\u2029\ud800\x00",
        "名前 <img src=x>",
    ]
    leaves = [leaf(2, seed=i) for i in range(len(names))]
    out = leaves[0]
    for other in leaves[1:]:
        out = out * other
    return viz.graph(out.sum(), names=dict(zip(names, leaves, strict=True)))


def second_order() -> viz.Graph:
    def slope(x: Tensor) -> Tensor:
        return grad(lambda x: (tanh(x) * x).sum())(x).sum()

    return viz.graph(slope, inputs=leaf(3))


GALLERY: dict[str, Callable[[], viz.Graph]] = {
    make.__name__: make for make in (scalars, mlp, lenet, resnet, transformer, rnn, long, shared, hostile, second_order)
}
