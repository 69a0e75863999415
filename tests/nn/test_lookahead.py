"""What a Sequential runs in one pass beside its modules one after the other, and beside networks written by hand."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from typing import Any

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, nn, no_grad, viz
from pullback.autograd.core.backward import backward_pass
from pullback.autograd.core.conversion import seed

NETS = 200


class Loop(nn.Module):
    """The modules one after the other."""

    def __init__(self, layers: Any) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x


def drawn(number: int) -> tuple[list[Any], Any]:
    """Random layers and a batch for them: of small integers, which tie often and add up exactly, or of any numbers."""
    rng = np.random.default_rng(number)
    axes, whole = int(rng.integers(1, 3)), number % 2 == 0
    dtype = rng.choice(["float32", "float64"]) if whole else "float64"
    conv, pool = ((nn.Conv1d, nn.MaxPool1d), (nn.Conv2d, nn.MaxPool2d))[axes - 1]
    numbers = (lambda shape: rng.integers(-1, 2, shape)) if whole else (lambda shape: rng.normal(size=shape))
    layers: list[Any] = []
    channels, shape = 2, tuple(rng.integers(7, 13, axes))
    x = numbers((2, channels, *shape)).astype(dtype)
    for _ in range(rng.integers(2, 7)):
        kind, block = rng.choice(["conv", "relu", "pool", "conv pool", "conv relu", "conv relu pool"]), []
        if "conv" in kind and sum(isinstance(layer, conv) for layer in layers) < 3:
            inside, channels = channels, int(rng.integers(1, 4))
            kernel, stride, padding = (int(rng.integers(*ends)) for ends in ((1, 4), (1, 3), (0, 2)))
            block.append(conv(inside, channels, kernel, stride, padding, bias=bool(rng.integers(2))))
            for parameter in block[0].parameters():
                parameter.data = numbers(parameter.shape).astype(dtype)
        if "relu" in kind:
            block.append(nn.ReLU())
        if "pool" in kind:
            block.append(pool(*((2, 2), (3, 2), (2, 1))[rng.integers(3)]))
        try:
            Loop(layers + block)(x)
        except ValueError:  # nothing is left for the last one
            break
        layers += block
    return layers, x


def by_hand(layers: list[Any], x: Any, gate: Any) -> Any:
    """The strongest entry of each sample that the layers give, back through their transposes, one after the other.

    ReLU lets pass `gate(g, what it gave)`, a maximum goes to where it was, what meets there is added.
    """
    given = [x]
    for layer in layers:
        x = given[-1]
        if isinstance(layer, nn.ReLU):
            given.append(np.where(x > 0, x, 0).astype(x.dtype))
        elif hasattr(layer, "return_indices"):
            given.append(pb.max_pool(x, layer.kernel_size, layer.stride))
        else:
            bias = None if layer.bias is None else layer.bias.numpy()
            given.append(pb.conv(x, layer.weight.numpy(), layer.stride, layer.padding, bias=bias))
    flat = given[-1].reshape(len(x), -1)
    best = np.arange(len(x)), flat.argmax(1)
    g = np.zeros_like(flat)
    g[best] = flat[best]
    g = g.reshape(given[-1].shape)
    for layer, x, y in zip(layers[::-1], given[-2::-1], given[:0:-1], strict=True):
        if isinstance(layer, nn.ReLU):
            g = gate(g, y)
        elif hasattr(layer, "return_indices"):
            places = pb.max_pool(x, layer.kernel_size, layer.stride, return_indices=True)[1]
            g = pb.max_unpool(g, places, x.shape[2:])
        else:
            spans = zip(x.shape[2:], y.shape[2:], layer.kernel_size, layer.stride, layer.padding, strict=True)
            more = tuple(n - ((m - 1) * s + k - 2 * p) for n, m, k, s, p in spans)
            g = pb.conv_transpose(g, layer.weight.numpy(), layer.stride, layer.padding, more)
    return g


def test_the_order_matters_to_the_deconvnet() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(1, 1, 1)).double()
    for parameter in net.parameters():
        parameter.data = np.ones(parameter.shape)
    x = -np.array([[[[4.0, 3.0], [2.0, 1.0]]]])  # all become zeros, of which the first is the largest
    np.testing.assert_array_equal(viz.deconvnet(net, x, 3), [[[[1, 0], [0, 0]]]])


def test_the_order_matters_to_guided_backpropagation() -> None:
    net = nn.Sequential(nn.ReLU(), nn.MaxPool1d(2, 1), nn.Conv1d(1, 1, 2, bias=False)).double()
    net[2].weight.data = np.array([[[3.0, -2.0]]])
    # 5 * 3 - 5 * 2 is 5, and both windows' largest is the 5: its cotangent is 5 (3 - 2), before ReLU clips it
    np.testing.assert_array_equal(viz.guided_backprop(net, np.array([[[1.0, 5.0, 2.0]]]), 2), [[[0, 5, 0]]])


RULES = {
    "deconvnet": lambda g, y: np.maximum(g, 0),
    "guided_backprop": lambda g, y: np.maximum(g, 0) * (y > 0),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*activations that are not positive")
@pytest.mark.parametrize("nets", [NETS // 4, pytest.param(NETS, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("picture", RULES)
def test_pictures_are_those_of_networks_written_by_hand(picture: str, nets: int) -> None:
    seen = 0
    for number in range(nets):
        layers, x = drawn(number)
        both = nn.Sequential(*layers), Loop(layers)
        for i, layer in enumerate(layers):
            expected = by_hand(layers[: i + 1], x, RULES[picture])
            for net in both:
                found = getattr(viz, picture)(net, x, layer)
                np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12, err_msg=f"{number}, {net}")
            seen += np.any(expected)
    assert seen > nets


def names(y: Any) -> list[str]:
    """The primitives that a Tensor's graph is made of, newest first."""
    nodes = [y._node]
    for node in nodes:
        nodes += [parent for parent, _, _ in node.edges if parent.primitive is not None and parent not in nodes]
    return [node.primitive.name for node in sorted(nodes, key=lambda node: node.order)]


def forward(net: Any, x: Any) -> tuple[list[Any], Any]:
    """The input and the parameters, of which gradients are asked, and the output."""
    x = Tensor(x, requires_grad=True)
    for parameter in net.parameters():
        parameter.grad = None
    return [x, *net.parameters()], net(x)


def backward(leaves: list[Any], y: Any, **options: Any) -> list[Any]:
    (y * y).sum().backward(**options)
    return [None if leaf.grad is None else leaf.grad.numpy().copy() for leaf in leaves]


def derivatives(net: Any, x: Any) -> list[Any]:
    """The names of the operations, the output, and the gradients."""
    leaves, y = forward(net, x)
    return [names(y), y.numpy().copy(), *backward(leaves, y)]


def second(net: Any, x: Any) -> list[Any]:
    """Those of the gradients, too."""
    leaves, y = forward(net, x)
    first = backward(leaves, y, create_graph=True)
    total = sum((leaf.grad * leaf.grad).sum() for leaf in leaves if leaf.grad is not None)
    for leaf in leaves:
        leaf.grad = None
    total.backward()
    return [*first, *(None if leaf.grad is None else leaf.grad.numpy() for leaf in leaves)]


def around(*contexts: Any) -> Any:
    """In contexts the whole, and the pass back alone."""

    def run(net: Any, x: Any) -> list[Any]:
        with ExitStack() as stack:
            for context in contexts:
                stack.enter_context(context())
            results = derivatives(net, x)
        leaves, y = forward(net, x)
        with ExitStack() as stack:
            for context in contexts:
                stack.enter_context(context())
            return [*results, *backward(leaves, y)]

    return run


def in_sight_of_hooks(net: Any, x: Any) -> list[Any]:
    """Of each module in turn: what it is given and gives, and the cotangents of both."""
    seen: list[Any] = []

    def hook(module: Any, args: Any, y: Any) -> Any:
        for tensor in (*args, y):
            seen.append(tensor.numpy().copy())
            tensor.register_hook(lambda g: seen.append(g.numpy().copy()))
        return y * 2

    for module in [module for module in net.modules() if not list(module.children())]:
        handle = module.register_forward_hook(hook)
        seen += derivatives(net, x)
        handle.remove()
        handle = module.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
        seen += derivatives(net, x)
        handle.remove()
    return seen


def transforms_of_the_pullback(net: Any, x: Any) -> list[Any]:
    """Of a graph that was recorded outside of them."""
    y, back = pb.vjp(net, x)
    g = np.cos(y.numpy())
    (each,) = pb.vmap(back)(np.stack([g, -g, 2 * g]))
    (gradient,), (moved,) = pb.jvp(back, (g,), (np.sin(g),))
    return [each.numpy(), gradient.numpy(), moved.numpy()]


def in_threads(net: Any, x: Any) -> list[Any]:
    """One graph, pulled back by threads at once, and graphs of their own, in threads with another rule and without."""
    y = net(Tensor(x, requires_grad=True))

    def run(number: int) -> list[Any]:
        with pb.override(pb.relu, "x", lambda g: np.maximum(g, 0)) if number % 2 else nullcontext():
            leaf = Tensor(x, requires_grad=True)
            z = net(leaf)
            seen = [names(z), z.numpy().copy()]
            z.backward(z.numpy(), inputs=[leaf])
            found = backward_pass([seed(y, y.numpy())], None, retain_graph=True, create_graph=False)
            return [*seen, leaf.grad.numpy(), *(found[node] for node in sorted(found, key=lambda node: node.order))]

    with ThreadPoolExecutor(4) as pool:
        return [part for parts in pool.map(run, range(4)) for part in parts]


def not_finite(net: Any, x: Any) -> list[Any]:
    x = x.copy()
    places = np.random.default_rng(x.size).integers(0, x.size, 6)
    x.reshape(-1)[places] = [np.nan, np.inf, -np.inf, -np.nan, -0.0, np.inf]
    with np.errstate(all="ignore"):
        return derivatives(net, x)


def changed_in_between(net: Any, x: Any) -> list[Any]:
    """What lay in memory of the user's when it was recorded counts."""
    x, kept = x.copy(), {name: value.numpy().copy() for name, value in net.state_dict().items()}
    for parameter in net.parameters():
        parameter.grad = None
    y = net(pb.asarray(x))
    if not y.requires_grad:
        return []
    x[...] = 5
    for parameter in net.parameters():
        parameter.data[...] = 7
    with pb.override(pb.relu, "x", lambda g, out: g * out):
        results = backward(list(net.parameters()), y)
    net.load_state_dict(kept)
    return results


def frozen(net: Any, x: Any) -> list[Any]:
    """Gradients of the input alone, and of the parameters alone."""
    for parameter in net.parameters():
        parameter.requires_grad = False
    results = derivatives(net, x)
    for parameter in net.parameters():
        parameter.requires_grad = True
    y = net(Tensor(x))
    return [*results, names(y), *backward(list(net.parameters()), y)] if y.requires_grad else results


def without_a_graph(net: Any, x: Any) -> list[Any]:
    with no_grad():
        y = net(Tensor(x, requires_grad=True))
    return [y.requires_grad, y.numpy()]


def twice(net: Any, x: Any) -> list[Any]:
    leaves, y = forward(net, x)
    return [*backward(leaves, y, retain_graph=True), *backward(leaves, y)]


LOOKS = {
    "nobody": derivatives,
    "a rule for ReLU": around(lambda: pb.override(pb.relu, "x", lambda g: np.maximum(g, 0))),
    "a rule for ReLU that wants its result": around(lambda: pb.override(pb.relu, "x", lambda g, out: g * (1 + out))),
    "a rule for max-pooling": around(
        lambda: pb.override(
            pb.max_pool, "x", lambda g, choice, geo: 2 * pb.registry["window_place"](g, choice, geo=geo)
        )
    ),
    "a rule for convolution": around(lambda: pb.override(pb.conv, "b", lambda g: g.sum((0, *range(2, g.ndim))) + 1)),
    "profile": around(pb.profile),
    "detect_anomaly": around(pb.detect_anomaly),
    "hooks": in_sight_of_hooks,
    "create_graph": second,
    "create_graph with a rule": around(lambda: pb.override(pb.relu, "x", lambda g, out: g * out)),
    "jvp": lambda net, x: [y.numpy() for y in pb.jvp(net, (x,), (np.cos(x).astype(x.dtype),))],
    "jvp of the gradient": lambda net, x: [pb.hvp(lambda x: (net(x) ** 2).sum(), x, np.cos(x).astype(x.dtype)).numpy()],
    "vmap": lambda net, x: [pb.vmap(net)(np.stack([x, -x, 2 * x])).numpy()],
    "vmap of the gradient": lambda net, x: [
        pb.vmap(pb.grad(lambda x: (net(x) ** 2).sum()))(np.stack([x, -x, 2 * x])).numpy()
    ],
    "transforms of the pullback": transforms_of_the_pullback,
    "threads": in_threads,
    "NaN and infinities": not_finite,
    "what is changed in between": changed_in_between,
    "frozen": frozen,
    "no_grad": without_a_graph,
    "retain_graph": twice,
}


@pytest.mark.slow
@pytest.mark.parametrize("look", LOOKS)
def test_what_is_seen_is_what_the_modules_do_one_after_the_other(look: str) -> None:
    nets = [(number, *drawn(number)) for number in range(NETS // 10)]
    assert sum(bool(layers) for _, layers, _ in nets) > NETS // 20
    for number, layers, x in nets:
        if layers:
            mine, expected = (LOOKS[look](net, x) for net in (nn.Sequential(*layers), Loop(layers)))
            assert len(mine) == len(expected)
            for one, other in zip(mine, expected, strict=True):
                np.testing.assert_array_equal(one, other, err_msg=f"{number}, {layers}")


class Half(nn.MaxPool2d):
    def forward(self, x: Any) -> Any:
        return super().forward(x) / 2


def test_other_modules_than_the_known_ones_run_themselves() -> None:
    x = np.random.default_rng(0).normal(size=(2, 1, 6, 6)).astype("float32")
    layers = [nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2)]
    expected = Loop(layers)(x).numpy()
    np.testing.assert_array_equal(nn.Sequential(*layers[:2], Half(2))(x).numpy(), expected / 2)
    for layer in layers:
        net, own = nn.Sequential(*layers), type(layer).forward
        layer.forward = lambda x, layer=layer, own=own: 2 * own(layer, x)
        np.testing.assert_array_equal(net(x).numpy(), 2 * expected)
        del layer.forward
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(layer), "forward", lambda self, x, own=own: 2 * own(self, x), raising=False)
            np.testing.assert_array_equal(net(x).numpy(), 2 * expected)
        with pytest.MonkeyPatch.context() as patch:
            called = nn.Module.__call__
            patch.setattr(nn.Module, "__call__", lambda self, x, called=called: 2 * called(self, x))
            np.testing.assert_array_equal(net(x).numpy(), 16 * expected)
        np.testing.assert_array_equal(net(x).numpy(), expected)


@pytest.mark.parametrize("shape", [(1, 6, 6), (2, 1, 6, 6)])
@pytest.mark.parametrize("pool", [nn.MaxPool2d(2, return_indices=True), nn.MaxPool2d(2, 2, 1), nn.MaxPool1d(2)])
def test_other_poolings_and_samples_without_a_batch(shape: Any, pool: Any) -> None:
    layers, results = [nn.Conv2d(1, 2, 3), nn.ReLU(), pool], []
    for net in (nn.Sequential(*layers), Loop(layers)):
        try:
            y = net(Tensor(np.random.default_rng(0).normal(size=shape).astype("float32")))
        except ValueError as error:
            results.append([str(error).removeprefix("layers.")])
            continue
        parts = y if isinstance(y, tuple) else (y,)
        results.append([names(parts[0]), *(part.numpy() for part in parts)])
    for mine, expected in zip(*results, strict=True):
        np.testing.assert_array_equal(mine, expected)


def test_a_graph_is_drawn_as_it_is_written() -> None:
    rng = np.random.default_rng(0)
    layers = [nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2)]
    layers[0].bias.data = np.array([-9, 0.1], "float32")  # the first map is all zeros
    x = rng.normal(size=(2, 1, 6, 6)).astype("float32")
    mine, expected = (viz.graph(net(x).sum(), names={}).source for net in (nn.Sequential(*layers), Loop(layers)))
    assert mine == expected  # with the norms of the cotangents
    assert re.findall(r'label="(conv|relu|max_pool)\b', mine) == ["conv", "relu", "max_pool"]
