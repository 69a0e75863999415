"""The state of modules: what state_dict gives, what load_state_dict takes and says, and hooks of both."""

import copy
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

from pullback import Tensor, nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
        self.mean = nn.Buffer(np.zeros(2, np.float32))
        self.cache = nn.Buffer([1.0], persistent=False)


class Counting(nn.Module):
    """With a state that is no array."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def get_extra_state(self) -> Any:
        return list(self.words)

    def set_extra_state(self, state: Any) -> None:
        self.words = list(state)


NAMES = ["mean", "body.0.weight", "body.0.bias", "body.1.weight", "body.1.bias"]


def test_buffers_are_registered_as_they_are_assigned() -> None:
    net = Net()
    assert [name for name, _ in net.named_buffers()] == ["mean", "cache"] and list(net.state_dict()) == NAMES
    assert net.get_buffer("mean") is net.mean and not net.mean.requires_grad
    net.mean = Tensor([1.0, 2.0])
    assert dict(net.named_buffers())["mean"] is net.mean
    with pytest.raises(TypeError, match="Net.mean: cannot assign a list to a buffer"):
        net.mean = [1.0]
    del net.mean
    assert [name for name, _ in net.named_buffers()] == ["cache"]
    net.mean = Tensor([1.0])
    assert [name for name, _ in net.named_buffers()] == ["cache"]  # an ordinary attribute now
    with pytest.raises(AttributeError, match="Net has no buffer 'body.mean'"):
        net.get_buffer("body.mean")
    for other in (copy.deepcopy(Net()), pickle.loads(pickle.dumps(Net()))):
        assert list(other.state_dict()) == NAMES and not other.cache.persistent and other.mean.persistent
        assert type(other.cache) is nn.Buffer and not copy.copy(other.cache).persistent
    fresh = Net()
    fresh.register_buffer("mean", nn.Buffer([0.0]), persistent=False)
    assert "mean" not in fresh.state_dict()


def test_state_dict_with_destination_prefix_and_the_tensors_themselves() -> None:
    net, there = Net(), OrderedDict(first=1)
    assert net.state_dict(destination=there, prefix="net.", keep_vars=True) is there
    assert list(there) == ["first", *(f"net.{name}" for name in NAMES)]
    assert there["net.body.0.weight"] is net.body[0].weight
    assert list(net.state_dict({}, "x.")) == [f"x.{name}" for name in NAMES]


def test_extra_state() -> None:
    net = nn.Sequential(Counting(), nn.Linear(1, 1))
    net[0].words.append("a")
    state = net.state_dict()
    assert list(state) == ["0._extra_state", "1.weight", "1.bias"] and state["0._extra_state"] == ["a"]
    other = nn.Sequential(Counting(), nn.Linear(1, 1))
    assert other.load_state_dict(state) == ([], []) and other[0].words == ["a"]
    with pytest.raises(RuntimeError, match="missing: 0._extra_state"):
        other.load_state_dict({key: value for key, value in state.items() if key[0] == "1"})
    with pytest.raises(RuntimeError, match="unexpected: 0._extra_state"):
        nn.Sequential(nn.ReLU(), nn.Linear(1, 1)).load_state_dict(state)
    with pytest.raises(RuntimeError, match="Linear has no extra state"):
        nn.Linear(1, 1).get_extra_state()


def test_all_faults_stand_in_one_error_with_the_nearest_names() -> None:
    net = Net()
    state = net.state_dict()
    state["body.0.weigth"] = state.pop("body.0.weight")
    state["other"] = Tensor(1.0)
    del state["mean"]
    state["body.1.bias"] = Tensor([1.0, 2.0])
    state["body.1.weight"] = np.zeros((1, 3), int)
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    assert str(caught.value) == (
        "load_state_dict of Net: missing: mean, body.0.weight (nearest given: 'body.0.weigth'); "
        "unexpected: body.0.weigth (did you mean 'body.0.weight'?), other; "
        "body.1.weight: dtype int64 given for float32 of Linear; "
        "body.1.bias: shape (2,) given for (1,) of Linear"
    )


def test_a_model_inside_a_wrapper_is_told_the_names_that_are_meant() -> None:
    state = {f"module.{key}": value for key, value in Net().state_dict().items()}
    with pytest.raises(RuntimeError, match=r"module.body.0.bias \(did you mean 'body.0.bias'\?\)"):
        Net().load_state_dict(state)


def test_assign_takes_the_values_themselves() -> None:
    net = Net()
    net.body[0].weight.requires_grad = False
    state = {key: Tensor(value.numpy().astype(np.float64)) for key, value in net.state_dict().items()}
    state["body.0.bias"] = nn.Parameter(np.zeros(3), requires_grad=False)
    net.load_state_dict(state, assign=True)
    assert {p.dtype for p in net.parameters()} == {np.dtype(np.float64)}
    assert isinstance(net.body[0].weight, nn.Parameter) and not net.body[0].weight.requires_grad
    assert net.body[1].weight.requires_grad and net.body[0].bias is state["body.0.bias"]
    assert net.mean is state["mean"] and list(net.state_dict()) == NAMES
    before = net.body[1].weight
    with pytest.raises(RuntimeError, match="shape"):
        net.load_state_dict({**state, "body.1.bias": np.zeros(2)}, assign=True)
    assert net.body[1].weight is before


def test_hooks_of_state_dict() -> None:
    net, seen = Net(), []
    net.body[0].register_state_dict_pre_hook(lambda module, prefix, keep: seen.append((module, prefix, keep)))
    net.body.register_state_dict_post_hook(lambda module, state, prefix, meta: seen.append((list(state), prefix, meta)))
    handle = net.register_state_dict_post_hook(lambda module, state, prefix, meta: state.update(more=1))
    assert list(net.state_dict()) == [*NAMES, "more"]
    assert seen == [(net.body[0], "body.0.", False), (NAMES, "body.", {"version": 1})]
    handle.remove()
    assert list(net.state_dict()) == NAMES
    net.register_state_dict_post_hook(lambda module, state, prefix, meta: state)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="returns None"):
        net.state_dict()


def test_hooks_before_loading_may_rename() -> None:
    net = Net()
    given = {key.replace("body.0", "body.old"): value + 1 for key, value in net.state_dict().items()}
    before = list(given)

    def rename(module: Any, state: Any, prefix: str, metadata: Any, strict: bool, *lists: Any) -> None:
        assert prefix == "body." and strict and lists == ([], [], [])
        for key in list(state):
            if key.startswith(prefix + "old."):
                state[key.replace("old", "0")] = state.pop(key)

    handle = net.body.register_load_state_dict_pre_hook(rename)
    assert net.load_state_dict(given) == ([], [])
    np.testing.assert_array_equal(net.body[0].weight.numpy(), given["body.old.weight"].numpy())
    assert list(given) == before
    handle.remove()
    net._register_load_state_dict_pre_hook(lambda state, *more: state.update(mean=np.full(2, 7.0)))
    net.load_state_dict(net.state_dict())
    np.testing.assert_array_equal(net.mean.numpy(), [7, 7])
    net._register_load_state_dict_pre_hook(lambda *given: given[-1].append("not today"))
    with pytest.raises(RuntimeError, match="load_state_dict of Net: not today"):
        net.load_state_dict(net.state_dict())


def test_hooks_after_loading_may_forgive() -> None:
    net, seen = Net(), []
    state = net.state_dict()
    state["more"] = state.pop("mean") + 5

    def forgive(module: Any, keys: Any) -> None:
        seen.append((module, list(keys.missing_keys), list(keys.unexpected_keys), net.body[0].bias.numpy().copy()))
        keys.missing_keys.clear()
        keys.unexpected_keys.clear()

    handle = net.body.register_load_state_dict_post_hook(forgive)
    state["body.0.bias"] = np.arange(3.0)
    assert net.load_state_dict(state) == ([], [])
    assert seen[0][:3] == (net.body, ["mean"], ["more"])
    np.testing.assert_array_equal(seen[0][3], [0, 1, 2])
    state["body.0.bias"] = np.arange(4.0)
    with pytest.raises(RuntimeError, match="shape"):
        net.load_state_dict(state)
    assert len(seen) == 1
    handle.remove()
    state["body.0.bias"] = np.zeros(3)
    with pytest.raises(RuntimeError, match="missing: mean; unexpected: more"):
        net.load_state_dict(state)
    np.testing.assert_array_equal(net.body[0].bias.numpy(), [0, 1, 2])


class Renamed(nn.Linear):
    """As classes of PyTorch do that once had other names, or none."""

    def _load_from_state_dict(self, state_dict: Any, prefix: str, metadata: Any, *more: Any) -> None:
        if metadata.get("version", 1) < 2:
            state_dict[prefix + "weight"] = state_dict.pop(prefix + "w") * 2
        super()._load_from_state_dict(state_dict, prefix, metadata, *more)


class Own(nn.Module):
    value: Any = None

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        destination[prefix + "mine"] = 3

    def _load_from_state_dict(self, state_dict: Any, prefix: str, metadata: Any, *more: Any) -> None:
        self.value = state_dict[prefix + "mine"]


def test_classes_may_save_and_load_themselves() -> None:
    net = nn.Sequential(Renamed(1, 1), Own())
    net.load_state_dict({"0.w": np.ones((1, 1)), "0.bias": np.zeros(1), "1.mine": 4})
    assert net[0].weight.item() == 2 and net[1].value == 4
    assert net.state_dict()["1.mine"] == 3
    with pytest.raises(RuntimeError, match="unexpected: 2.mine"):
        net.load_state_dict({"0.w": np.ones((1, 1)), "0.bias": np.zeros(1), "1.mine": 4, "2.mine": 5})


def test_the_versions_in_a_state_of_pytorchs_are_seen(torch: Any) -> None:
    state = torch.nn.Sequential(torch.nn.Linear(1, 1)).state_dict()
    seen: list[Any] = []
    net = nn.Sequential(nn.Linear(1, 1))
    net[0].register_load_state_dict_pre_hook(lambda module, state, prefix, metadata, *lists: seen.append(metadata))
    net.load_state_dict(state)
    assert seen[0]["version"] == 1


def test_places_of_parts() -> None:
    net = Net()
    net.set_submodule("body.1", nn.Tanh())
    assert isinstance(net.body[1], nn.Tanh)
    net.set_submodule("body.new", nn.ReLU())
    assert isinstance(net.get_submodule("body.new"), nn.ReLU)
    with pytest.raises(AttributeError, match="nothing at 'newer'"):
        net.set_submodule("body.newer", nn.ReLU(), strict=True)
    with pytest.raises(AttributeError, match="nothing at 'nowhere'"):
        net.set_submodule("nowhere.at", nn.ReLU())
    with pytest.raises(ValueError, match="itself has no name"):
        net.set_submodule("", nn.ReLU())
    with pytest.raises(TypeError, match="must be a Module, not a int"):
        net.set_submodule("body.1", 3)  # type: ignore[arg-type]
    net.register_module("tail", nn.Tanh())
    assert isinstance(net.tail, nn.Tanh) and "body" in dir(net) and "0" not in dir(net.body)
