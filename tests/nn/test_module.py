import copy
import gc
import pickle
import threading
import weakref
from typing import Any

import numpy as np
import pytest

from pullback import Tensor, nn
from pullback.nn import functional as F


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.norm = nn.Module()
        self.norm.register_buffer("mean", Tensor([0.5, 0.25]))
        self.norm.register_buffer("cache", Tensor([0.0]), persistent=False)
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(8, 3))
        self.scale = nn.Parameter(1.0)

    def forward(self, x: Any) -> Any:
        return self.head(F.relu(self.conv(x))) * self.scale


def test_parameter_dtypes() -> None:
    assert nn.Parameter([1, 2]).dtype == np.float32
    assert nn.Parameter(0.5).dtype == np.float32
    assert nn.Parameter(np.zeros(2)).dtype == np.float64
    assert nn.Parameter(Tensor(np.zeros(2, np.float32))).dtype == np.float32
    assert nn.Parameter([1.0]).requires_grad and not nn.Parameter([1.0], requires_grad=False).requires_grad
    with pytest.raises(TypeError, match="int64"):
        nn.Parameter(np.arange(3))
    assert repr(nn.Parameter([1.0])).startswith("Parameter containing:\nTensor([1.]")


def test_registration_and_names() -> None:
    net = Net()
    names = ["scale", "conv.weight", "conv.bias", "head.2.weight", "head.2.bias"]
    assert [name for name, _ in net.named_parameters()] == names
    assert [name for name, _ in net.named_buffers()] == ["norm.mean", "norm.cache"]
    assert list(net.state_dict()) == ["scale", "conv.weight", "conv.bias", "norm.mean", *names[3:]]
    assert [name for name, _ in net.named_children()] == ["conv", "norm", "head"]
    assert [name for name, _ in net.named_modules()] == ["", "conv", "norm", "head", "head.0", "head.1", "head.2"]
    assert net.get_submodule("head.2") is net.head[2] and net.get_submodule("") is net
    assert net.get_parameter("head.2.bias") is net.head[2].bias
    for target in ("head.7", "scale", "nothing.at.all"):
        with pytest.raises(AttributeError, match=target):
            net.get_submodule(target)
    with pytest.raises(AttributeError, match="conv.none"):
        net.get_parameter("conv.none")


def test_shared_parts_are_counted_once_but_all_their_names_are_in_the_state() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    net.append(net[0])
    assert len(list(net.parameters())) == 3
    assert len(list(net.modules())) == 3
    assert [name for name, _ in net.named_children()] == ["0", "1"]
    assert len(list(net.modules(remove_duplicate=False))) == 4
    assert [name for name, _ in net.named_modules({net[0]}, "net")] == ["net", "net.1"]
    assert set(net.state_dict()) >= {"0.weight", "1.weight", "2.weight", "2.bias"}


def test_what_was_a_parameter_can_not_become_an_array_by_mistake() -> None:
    net = Net()
    before = net.conv.weight
    with pytest.raises(TypeError, match="Conv2d.weight.*ndarray"):
        net.conv.weight = np.zeros((2, 1, 3, 3))
    with pytest.raises(TypeError, match="Net.conv.*int"):
        net.conv = 3
    with pytest.raises(TypeError, match="Module.mean.*list"):
        net.norm.mean = [1.0]
    assert net.conv.weight is before
    net.conv.bias = None
    assert "conv.bias" not in net.state_dict()
    del net.scale
    assert "scale" not in net.state_dict()


@pytest.mark.parametrize("name", ["", "a.b", "forward", "training"])
def test_names_that_cannot_be_registered(name: str) -> None:
    for register in ("register_parameter", "register_buffer", "add_module"):
        with pytest.raises(ValueError, match="cannot be registered"):
            getattr(nn.Module(), register)(name, None)
    with pytest.raises(TypeError, match="list"):
        nn.Module().register_parameter("w", [1.0])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="list"):
        nn.Module().register_buffer("w", [1.0])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="list"):
        nn.Module().add_module("w", [1.0])  # type: ignore[arg-type]


def test_train_eval_freeze_and_zero_grad() -> None:
    net = Net()
    assert net.eval() is net and not any(m.training for m in net.modules())
    assert all(m.training for m in net.train().modules())
    net(np.ones((2, 1, 4, 4), np.float32)).sum().backward()
    with pytest.raises(ValueError, match="Net.train: mode is True or False, not 'eval'"):
        net.train("eval")  # type: ignore[arg-type]
    net.zero_grad(set_to_none=False)
    assert all(not p.grad.numpy().any() and p.grad.shape == p.shape for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    net.conv.requires_grad_(False)
    assert [n for n, p in net.named_parameters() if not p.requires_grad] == ["conv.weight", "conv.bias"]
    net(np.ones((2, 1, 4, 4), np.float32)).sum().backward()
    assert net.conv.weight.grad is None and net.scale.grad is not None


def test_apply_visits_children_first() -> None:
    seen: list[str] = []
    nn.Sequential(nn.Linear(1, 1), nn.ReLU()).apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["Linear", "ReLU", "Sequential"]


def test_dtype_conversion() -> None:
    net = Net()
    net.register_buffer("count", Tensor(np.array([3])))
    net(np.ones((2, 1, 4, 4), np.float32)).sum().backward()
    assert net.double() is net
    assert {p.dtype for p in net.parameters()} == {p.grad.dtype for p in net.parameters()} == {np.dtype(np.float64)}
    assert net.norm.mean.dtype == np.float64 and net.count.dtype == np.int64
    assert net(np.ones((2, 1, 4, 4))).dtype == np.float64
    assert net.float()(np.ones((2, 1, 4, 4), np.float32)).dtype == np.float32
    with pytest.raises(TypeError, match="int32"):
        net.to(np.int32)


def test_setting_data_keeps_the_parameter() -> None:
    layer = nn.Linear(2, 1)
    weight = layer.weight
    weight.data = np.array([[2.0, 3.0]], np.float32)
    layer.bias.data = np.zeros(1, np.float32)  # type: ignore[union-attr]
    assert layer(np.array([[1.0, 1.0]], np.float32)).item() == 5
    assert list(layer.parameters())[0] is weight


def test_state_dict_is_a_copy() -> None:
    layer = nn.Linear(2, 1)
    state = layer.state_dict()
    assert not any(value.requires_grad for value in state.values())
    kept = state["weight"].numpy().copy()
    layer.weight.data[:] = 7.0
    np.testing.assert_array_equal(state["weight"].numpy(), kept)


def test_load_state_dict() -> None:
    one, two = Net(), Net()
    two.load_state_dict({key: value.numpy().astype(np.float64) for key, value in one.state_dict().items()})
    for key, value in one.state_dict().items():
        assert value.dtype == two.state_dict()[key].dtype
        np.testing.assert_array_equal(value.numpy(), two.state_dict()[key].numpy())
    assert not np.shares_memory(one.conv.weight.data, two.conv.weight.data)
    result = two.load_state_dict({"scale": 3.0, "more": 1.0}, strict=False)
    assert two.scale.item() == 3 and result.unexpected_keys == ["more"] and "conv.weight" in result.missing_keys


@pytest.mark.parametrize("strict", [True, False])
def test_load_state_dict_changes_nothing_unless_all_fits(strict: bool) -> None:
    net = Net()
    before = {key: value.numpy() for key, value in net.state_dict().items()}
    wrong: dict[str, Any] = {key: value + 1 for key, value in before.items()}
    wrong["head.2.bias"] = np.zeros(4, np.float32)
    wrong["head.2.weight"] = np.zeros((3, 8), np.int64)
    with pytest.raises(RuntimeError, match=r"head.2.weight: dtype int64 .*head.2.bias: shape \(4,\) given for \(3,\)"):
        net.load_state_dict(wrong, strict=strict)
    fits = {key: value + 1 for key, value in before.items()}
    fits["extra"] = fits.pop("scale")
    if strict:
        with pytest.raises(RuntimeError, match="missing: scale; unexpected: extra"):
            net.load_state_dict(fits)
    for key, value in before.items():
        np.testing.assert_array_equal(net.state_dict()[key].numpy(), value)


def test_hooks() -> None:
    layer = nn.Identity()
    seen: list[Any] = []
    first = layer.register_forward_hook(lambda m, args, out: seen.append((m, args, out)))
    second = layer.register_forward_hook(lambda m, args, out: out + 1)
    before = layer.register_forward_pre_hook(lambda m, args: args[0] * 10)
    assert layer(2) == 21
    assert seen == [(layer, (20,), 20)]
    before.remove()
    first.remove()
    first.remove()
    assert layer(2) == 3 and len(seen) == 1
    second.remove()
    assert layer(2) == 2


def test_hooks_may_replace_several_arguments_and_the_output() -> None:
    class Difference(nn.Module):
        def forward(self, a: Any, b: Any) -> Any:
            return a - b

    module, seen = Difference(), []
    swap = module.register_forward_pre_hook(lambda m, args: args[::-1])
    module.register_forward_pre_hook(lambda m, args: seen.append(args))
    module.register_forward_hook(lambda m, args, output: (output, args))
    assert module(5, 3) == (-2, (3, 5)) and seen == [(3, 5)]
    swap.remove()
    assert module(5, 3) == (2, (5, 3))


def test_missing_forward() -> None:
    with pytest.raises(NotImplementedError, match="Module has no forward"):
        nn.Module()(1)


def test_deepcopy_and_pickle_are_independent_and_keep_sharing() -> None:
    net = Net()
    net.twin = net.conv
    net.conv.weight.requires_grad_(False)
    x = np.ones((2, 1, 4, 4), np.float32)
    expected = net.eval()(x).numpy()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert not other.training and other.twin is other.conv and other.conv is not net.conv
        assert not other.conv.weight.requires_grad and other.scale.requires_grad
        assert isinstance(other.scale, nn.Parameter)
        np.testing.assert_array_equal(other(x).numpy(), expected)
        other.conv.weight.data = other.conv.weight.data * 0
    np.testing.assert_array_equal(net(x).numpy(), expected)


def test_repr_is_pytorchs(torch: Any) -> None:

    def build(nn: Any) -> Any:
        inner = nn.Sequential(nn.Linear(2, 3, bias=False), nn.ReLU())
        return nn.Sequential(inner, nn.ModuleList([nn.Flatten(), nn.Dropout(0.1)]), nn.ModuleDict({"a": nn.Tanh()}))

    ours, theirs = repr(build(nn)), repr(build(torch.nn))
    assert ours == theirs


def test_a_whole_network_against_pytorch(same: Any, normal: Any) -> None:
    import torch

    def build(nn: Any) -> Any:
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3, stride=2, bias=False),
            nn.Tanh(),
            nn.Flatten(),
            nn.Dropout(0.0),
            nn.Linear(54, 10),
            nn.LogSoftmax(dim=1),
        )

    same(build(nn), build(torch.nn), normal(3, 1, 16, 16))


def _train(seed: int, steps: int = 30) -> list[Any]:
    nn.manual_seed(seed)
    net = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 2))
    x = nn.init.generator().normal(size=(32, 2)).astype(np.float32)
    for _ in range(steps):
        net.zero_grad()
        F.cross_entropy(net(x), (x[:, 0] * x[:, 1] > 0).astype(int)).backward()
        for p in net.parameters():
            p.data = p.data - np.float32(0.1) * p.grad.data  # type: ignore[union-attr]
    return [p.data for p in net.parameters()]


def test_two_threads_train_as_each_would_alone() -> None:
    alone = {seed: _train(seed) for seed in (1, 2)}
    together: dict[int, list[Any]] = {}
    start = threading.Barrier(2)

    def run(seed: int) -> None:
        start.wait()
        together[seed] = _train(seed)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in (1, 2):
        for a, b in zip(alone[seed], together[seed], strict=True):
            np.testing.assert_array_equal(a, b)
    assert not np.array_equal(alone[1][0], alone[2][0])


def test_a_dropped_model_is_freed_without_the_garbage_collector() -> None:
    gc.disable()
    try:
        net = Net()
        net(np.ones((2, 1, 4, 4), np.float32)).sum().backward()
        gone = weakref.ref(net)
        del net
        assert gone() is None
    finally:
        gc.enable()


# However deep

DEEP = 3000


def deep() -> nn.Module:
    module: nn.Module = nn.Linear(2, 1)
    for _ in range(DEEP):
        module = nn.Sequential(module)
    return module


def test_modules_inside_thousands() -> None:
    net = deep()
    name = "0." * DEEP + "weight"
    assert [p.shape for p in net.parameters()] == [(1, 2), (1,)] and list(net.state_dict())[0] == name
    seen: list[nn.Module] = []
    assert net.apply(seen.append) is net
    assert len(seen) == DEEP + 1 and seen[0] is net.get_submodule(name[: -len(".weight")]) and seen[-1] is net
    lines = repr(net).split("\n")
    assert len(lines) == 2 * DEEP + 1 and lines[0] == "Sequential(" and lines[-1] == ")"
    assert lines[DEEP].strip() == "(0): Linear(in_features=2, out_features=1, bias=True)"
    assert [len(line) - len(line.lstrip()) for line in lines[:3]] == [0, 2, 4]
    twin = copy.deepcopy(net)
    mine, others = list(net.parameters()), list(twin.parameters())
    assert len(list(twin.modules())) == DEEP + 1
    for a, b in zip(mine, others, strict=True):
        assert a is not b and np.array_equal(a.numpy(), b.numpy())
    twin.load_state_dict({key: value + 1 for key, value in net.state_dict().items()})
    assert np.array_equal(others[0].numpy(), mine[0].numpy() + 1)


def test_a_module_that_is_a_part_of_itself() -> None:
    net = nn.Sequential(nn.Linear(1, 1))
    net.add_module("me", net)
    assert repr(net).split("\n")[2] == "  (me): ..." and len(list(net.parameters())) == 2
    twin = copy.deepcopy(net)
    assert twin.me is twin and twin is not net
    with pytest.raises(ValueError, match="is a part of itself"):
        net.state_dict()


def test_apply_goes_from_the_first_and_lowest_to_the_last_and_this_one() -> None:
    shared = nn.ReLU()
    net = nn.Sequential(nn.Sequential(nn.Linear(1, 1), shared), nn.Sequential(shared, nn.Tanh()))
    seen: list[nn.Module] = []
    net.apply(seen.append)
    expected = [net[0][0], shared, net[0], net[1][1], net[1], net]
    assert [id(module) for module in seen] == [id(module) for module in expected]


class Kept(nn.Module):
    """With a state of its own making."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.cache = nn.Parameter([1.0]), object()

    def __getstate__(self) -> Any:
        return {name: value for name, value in self.__dict__.items() if name != "cache"}


class Same(nn.Module):
    def __deepcopy__(self, memo: Any) -> Any:
        return self


class Slotted(nn.Module):
    __slots__ = ("extra",)


def test_copies_are_as_classes_say() -> None:
    kept, same, slotted = Kept(), Same(), Slotted()
    object.__setattr__(slotted, "extra", [kept.weight])
    twin = copy.deepcopy(nn.Sequential(kept, same, slotted, kept))
    assert twin[0] is not kept and not hasattr(twin[0], "cache") and twin[3] is twin[0]
    assert twin[1] is same and twin[2].extra[0] is twin[0].weight is not kept.weight
