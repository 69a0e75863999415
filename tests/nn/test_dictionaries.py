"""ModuleDict and ParameterDict beside dict."""

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

from pullback import Tensor, nn


def test_module_dict_has_the_methods_of_a_dict() -> None:
    relu, tanh = nn.ReLU(), nn.Tanh()
    held = nn.ModuleDict([("relu", relu), ("tanh", tanh)])
    assert held.pop("relu") is relu and list(held) == ["tanh"]
    held.update({"b": relu, "a": nn.ELU()})
    held.update(nn.ModuleDict({"tanh": nn.Sigmoid()}))
    assert list(held) == ["tanh", "b", "a"] and isinstance(held["tanh"], nn.Sigmoid)
    assert [name for name, _ in held.named_children()] == ["tanh", "b", "a"]
    with pytest.raises(KeyError):
        held.pop("relu")
    held.clear()
    assert len(held) == 0 and list(held.modules()) == [held] and repr(held) == "ModuleDict()"


@pytest.mark.parametrize("kind", [nn.ModuleDict, nn.ParameterDict])
def test_what_is_no_mapping(kind: Any) -> None:
    name = kind.__name__
    with pytest.raises(TypeError, match=f"{name}.update: expected a mapping or pairs, not a int"):
        kind(3)
    with pytest.raises(TypeError, match="entry 1 is a int, not a pair"):
        kind([("a", nn.Parameter(1.0) if kind is nn.ParameterDict else nn.ReLU()), 3])
    with pytest.raises(ValueError, match="entry 0 has length 3, not 2"):
        kind([("a", "b", "c")])
    with pytest.raises(ValueError, match=r"'a\.b' cannot be registered"):
        kind({"a.b": None})
    with pytest.raises(ValueError, match="'keys' cannot be registered"):
        kind({"keys": None})


def test_parameter_dict_has_the_methods_of_a_dict() -> None:
    p, q = nn.Parameter([1.0]), nn.Parameter([2.0, 3.0])
    held = nn.ParameterDict(OrderedDict(b=p, a=q))
    plain: dict[str, Any] = {"b": p, "a": q}
    assert list(held) == list(held.keys()) == list(plain) and list(reversed(held)) == list(reversed(plain))
    assert all(x is y for x, y in zip(held.values(), plain.values(), strict=True)) and dict(held.items())["a"] is q
    assert held.get("b") is p and held.get("z") is None and held.get("z", 3) == 3 and "b" in held and len(held) == 2
    assert held.setdefault("b", q) is p and held.setdefault("c", 4.0).item() == 4
    assert held.popitem()[0] == "c" and held.pop("b") is p and list(held) == ["a"]
    copied = held.copy()
    copied["new"] = p
    assert list(held) == ["a"] and copied["a"] is q and list(dict(copied.named_parameters())) == ["a", "new"]
    assert held.setdefault("nothing") is None and list(held.state_dict()) == ["a"] and "nothing" in held
    made = held.fromkeys(["x", "y"], 1.0)
    assert list(made) == ["x", "y"] and made["x"] is not made["y"]
    del held["nothing"]
    held.clear()
    assert len(held) == 0 and not list(held.parameters())
    with pytest.raises(KeyError, match="there is no entry"):
        held.popitem()
    with pytest.raises(KeyError, match="a"):
        held["a"]


def test_unions() -> None:
    left, right = nn.ParameterDict({"a": [1.0], "b": [2.0]}), nn.ParameterDict({"b": [3.0], "c": [4.0]})
    both = left | right
    assert {name: p.item() for name, p in both.items()} == {"a": 1, "b": 3, "c": 4} and len(left) == 2
    assert {name: p.item() for name, p in ({"a": 5.0, "d": 6.0} | left).items()} == {"a": 1, "d": 6, "b": 2}
    left |= {"c": 7.0}
    assert left["c"].item() == 7 and both["a"] is left["a"]
    with pytest.raises(TypeError, match="unsupported operand"):
        left | 3  # type: ignore[operator]


def test_names_of_a_plain_dict_are_sorted_as_in_pytorch() -> None:
    assert list(nn.ParameterDict({"b": 1.0, "a": 2.0})) == ["a", "b"]
    assert list(nn.ParameterDict(OrderedDict(b=1.0, a=2.0))) == ["b", "a"]


def test_values_become_parameters() -> None:
    held = nn.ParameterDict({"t": Tensor([1.0]), "x": np.zeros(2), "n": 3.0})
    assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in held.values())
    assert held.x is held["x"] and held["x"].dtype == np.float64


def built(nn: Any, ones: Any) -> Any:
    lists = nn.ParameterList([nn.Parameter(ones(2, 3)), nn.Parameter(ones(2))])
    named = nn.ParameterDict(OrderedDict(b=nn.Parameter(ones(1)), a=None))
    return nn.ModuleList([lists, named, nn.ParameterList(), nn.ModuleDict(), nn.ModuleList(), nn.ReLU(), nn.ReLU()])


def test_reprs_and_numbers_are_pytorchs(torch: Any) -> None:
    ours, theirs = built(nn, lambda *shape: np.ones(shape, np.float32)), built(torch.nn, torch.ones)
    plain = repr(theirs).replace("torch.float32", "float32").replace("torch.FloatTensor", "float32")
    assert repr(ours) == plain
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    assert len(list(ours.modules())) == len(list(theirs.modules()))
    assert list(ours.state_dict()) == list(theirs.state_dict())
