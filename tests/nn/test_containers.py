from collections import OrderedDict
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

from pullback import Tensor, nn, no_grad


def test_sequential_runs_in_order_and_slices() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    x = np.ones((4, 2), np.float32)
    np.testing.assert_array_equal(net(x).numpy(), net[2](net[1](net[0](x))).numpy())
    assert len(net) == 3 and net[-1] is net[2] and list(net)[1] is net[1] and net[1] in net
    front = net[:2]
    assert isinstance(front, nn.Sequential) and len(front) == 2 and front[0] is net[0]
    assert list(net[1:].state_dict()) == ["2.weight", "2.bias"]
    net[1] = nn.Tanh()
    assert isinstance(net[1], nn.Tanh) and len(net) == 3
    assert net.append(nn.ReLU()) is net and len(net) == 4
    assert nn.Sequential()(5) == 5


POOLS = {
    "tiles": lambda: nn.MaxPool2d(2),
    "tiles that leave a rest": lambda: nn.MaxPool2d((4, 5), (4, 5)),
    "windows that overlap": lambda: nn.MaxPool2d(3, 1),
    "padding": lambda: nn.MaxPool2d(2, padding=1),
    "dilation": lambda: nn.MaxPool2d(2, dilation=2),
    "the last tile not whole": lambda: nn.MaxPool2d(4, ceil_mode=True),
    "an average": lambda: nn.AvgPool2d(2),
    "none": lambda: nn.Identity(),
}


@pytest.mark.slow
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("relus", [0, 1, 2])
@pytest.mark.parametrize("mode", ["zeros", "circular"])
def test_sequential_gives_the_same_without_a_graph(pool: str, relus: int, mode: str) -> None:
    layers = [nn.Conv2d(2, 3, 3, padding=1, padding_mode=mode), *(nn.ReLU() for _ in range(relus)), POOLS[pool]()]
    net = nn.Sequential(*layers, nn.Conv2d(3, 4, 1))
    for shape in ((5, 2, 11, 13), (2, 11, 13)):
        x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        expected: Any = Tensor(x)
        for layer in net:
            expected = layer(expected)
        for record in (True, False):
            with nullcontext() if record else no_grad():
                y = net(x)
            assert y.requires_grad == record
            np.testing.assert_array_equal(y.numpy(), expected.numpy())


def test_sequential_shows_each_module_to_hooks_without_a_graph() -> None:
    net, seen = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2)), list[Any]()
    x = np.random.default_rng(0).normal(size=(1, 1, 8, 8)).astype(np.float32)
    for i, layer in enumerate(net):
        handle = layer.register_forward_hook(lambda module, args, output: seen.append(output.numpy()))
        with no_grad():
            net(x)
        handle.remove()
        np.testing.assert_array_equal(seen[i], net[: i + 1](x).numpy())


def test_sequential_names_the_module_at_fault_without_a_graph() -> None:
    x = np.zeros((1, 1, 4, 4), np.float32)
    with no_grad():
        with pytest.raises(ValueError, match="max_pool"):
            nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU(), nn.MaxPool2d(3))(x)
        with pytest.raises(ValueError, match="Conv2d"):
            nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU())(x[0, 0])


def test_sequential_with_names() -> None:
    net = nn.Sequential(OrderedDict([("first", nn.Linear(2, 3)), ("act", nn.ReLU()), ("last", nn.Linear(3, 1))]))
    assert net.first is net[0] and list(net.state_dict())[0] == "first.weight"
    assert net(np.ones((4, 2), np.float32)).shape == (4, 1)
    assert [name for name, _ in net[1:].named_children()] == ["act", "last"]


def test_a_module_used_twice_runs_twice() -> None:
    class Double(nn.Module):
        def forward(self, x: Any) -> Any:
            return 2 * x

    double = Double()
    assert nn.Sequential(double, double)(1) == 4


def test_sequential_calls_what_a_module_does_when_it_is_called() -> None:
    class Twice(nn.ReLU):
        def __call__(self, x: Any) -> Any:
            return 2 * super().__call__(x)

    net = nn.Sequential(Twice(), nn.ReLU(), nn.Identity())
    x = np.array([-1.0, 3.0])
    np.testing.assert_array_equal(net(x), [0, 6])
    net[1].register_forward_pre_hook(lambda module, args: (args[0] + 1,))
    net[2].register_forward_hook(lambda module, args, output: 10 * output)
    np.testing.assert_array_equal(net(x), [10, 70])


@pytest.mark.parametrize("make", [nn.Sequential, lambda *m: nn.ModuleList(m)])
def test_only_modules_go_in(make: Any) -> None:
    with pytest.raises(TypeError, match="expected a Module, not int"):
        make(nn.ReLU(), 3)
    for index in (1, 2, -2):
        with pytest.raises(IndexError, match=f"index {index} is out of range for 1 entries"):
            make(nn.ReLU())[index]
    assert isinstance(make(nn.ReLU())[-1], nn.ReLU)


def test_module_list() -> None:
    layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    layers.append(nn.ReLU()).extend([nn.Tanh()])
    assert [type(layer).__name__ for layer in layers] == ["Linear", "Linear", "ReLU", "Tanh"]
    assert list(layers.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert isinstance(layers[1:], nn.ModuleList) and list(layers[1:].state_dict()) == ["0.weight", "0.bias"]
    with pytest.raises(NotImplementedError):
        layers(1)


def test_module_dict() -> None:
    layers = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.ReLU()})
    layers["c"] = nn.Tanh()
    assert list(layers) == list(layers.keys()) == ["a", "b", "c"] and len(layers) == 3
    assert "a" in layers and "z" not in layers and layers["a"] is layers.a
    assert dict(layers.items())["b"] is list(layers.values())[1]
    assert list(layers.state_dict()) == ["a.weight", "a.bias"]
    del layers["a"]
    assert list(layers) == ["b", "c"]
    with pytest.raises(KeyError, match="z"):
        layers["z"]
    with pytest.raises(KeyError):
        del layers["training"]
    with pytest.raises(ValueError, match="'forward' cannot be registered"):
        layers["forward"] = nn.ReLU()


def test_parameter_list() -> None:
    held = nn.ParameterList([nn.Parameter([1.0]), [2.0, 3.0]])
    held[0] = nn.Parameter([4.0])
    assert [p.shape for p in held] == [(1,), (2,)] and held[0].item() == 4
    assert list(held.state_dict()) == ["0", "1"] and all(p.requires_grad for p in held.parameters())
    assert repr(held).endswith("    (1): Parameter containing: [float32 of size 2]\n)")


@pytest.mark.parametrize("kind", [lambda *items: nn.Sequential(*items), lambda *items: nn.ModuleList(items)])
def test_entries_come_and_go_as_in_a_list(kind: Any) -> None:
    a, b, c, d, e, f, g = (nn.Linear(1, 1) for _ in range(7))
    held, plain = kind(a, b), [a, b]

    def same() -> None:
        assert len(held) == len(plain) and all(x is y for x, y in zip(held, plain, strict=True))
        assert [name for name, _ in held.named_children()] == [str(i) for i in range(len(plain))]

    for index, layer in ((0, c), (-1, d), (4, e)):
        assert held.insert(index, layer) is held
        plain.insert(index, layer)
        same()
    with pytest.raises(IndexError, match="index 6 is out of range for 5 entries"):
        held.insert(6, nn.ReLU())
    with pytest.raises(TypeError, match="expected a Module, not int"):
        held.insert(0, 3)
    assert held.pop(1) is plain.pop(1) and held.pop() is plain.pop()
    same()
    del held[0], plain[0]
    same()
    held += kind(f, g)
    plain += [f, g]
    same()
    front = held.pop(slice(0, 2))
    assert type(front) is type(held) and list(front) == plain[:2]
    del plain[:2]
    same()
    del held[::2]
    del plain[::2]
    same()
    both = held + kind(a)
    assert type(both) is type(held) and list(both) == [*plain, a]
    with pytest.raises(IndexError, match="out of range"):
        del held[7]
    with pytest.raises(TypeError, match="expected an iterable of entries, not a ReLU"):
        held.extend(nn.ReLU())
    with pytest.raises(TypeError, match="unsupported operand"):
        held + 3


def test_repeated_sequentials() -> None:
    layer = nn.Linear(1, 1)
    net = nn.Sequential(layer, nn.Tanh())
    assert list(net * 2) == list(2 * net) == [*net, *net] and len(list((net * 3).parameters())) == 2
    net *= 2
    assert len(net) == 4 and net[2] is layer
    for count in (0, -1):
        with pytest.raises(ValueError, match=f"not {count}"):
            net * count
    with pytest.raises(TypeError, match="can't multiply|unsupported operand"):
        net * 1.5  # type: ignore[operator]


def test_equal_entries_of_a_list_are_one_line() -> None:
    inner = [nn.Sequential(nn.Linear(2, 2), nn.ReLU()) for _ in range(2)]
    net = nn.ModuleList([nn.ReLU(), *inner, nn.ModuleList([nn.Tanh(), nn.Tanh()]), nn.ReLU(), nn.Linear(2, 3)])
    assert repr(net) == (
        "ModuleList(\n  (0): ReLU()\n  (1-2): 2 x Sequential(\n"
        "    (0): Linear(in_features=2, out_features=2, bias=True)\n    (1): ReLU()\n  )\n"
        "  (3): ModuleList(\n    (0-1): 2 x Tanh()\n  )\n  (4): ReLU()\n"
        "  (5): Linear(in_features=2, out_features=3, bias=True)\n)"
    )


def test_a_repr_of_lists_inside_thousands() -> None:
    net: nn.Module = nn.ModuleList([nn.ReLU(), nn.ReLU()])
    for _ in range(2000):
        net = nn.ModuleList([net])
    assert repr(net).split("\n")[2001].strip() == "(0-1): 2 x ReLU()"
