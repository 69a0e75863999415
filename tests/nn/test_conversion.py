"""Other dtypes for modules, by all of PyTorch's forms, and clear words where there is only the CPU."""

import inspect
from typing import Any

import numpy as np
import pytest

from pullback import Tensor, nn


def net() -> Any:
    module = nn.Linear(2, 1)
    module.register_buffer("mean", Tensor(np.zeros(2, np.float32)))
    module.register_buffer("count", Tensor(np.array(3)))
    module(np.ones((1, 2), np.float32)).sum().backward()
    return module


VARIADIC = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
WIDE = {"weight": "float64", "bias": "float64", "mean": "float64", "count": "int64"}


def dtypes(module: Any) -> dict[str, str]:
    return {name: str(tensor.dtype) for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize(
    ("args", "options"),
    [
        ((np.float64,), {}),
        (("float64",), {}),
        ((np.dtype("f8"), True), {}),
        (("cpu", np.float64), {}),
        (("cpu:0",), {"dtype": np.float64, "non_blocking": True}),
        ((Tensor([1.0]),), {}),
        ((), {"device": "cpu", "dtype": "float64"}),
        ((), {"dtype": np.float64, "memory_format": None}),
    ],
)
def test_forms_of_to(args: Any, options: Any) -> None:
    module = net()
    assert module.to(*args, **options) is module and dtypes(module) == WIDE
    assert module.weight.grad.dtype == np.float64 and isinstance(module.weight, nn.Parameter)


def test_what_is_no_conversion() -> None:
    module = net()
    before = dtypes(module)
    for same in (module.to("cpu"), module.to(), module.to(None), module.to(device="cpu"), module.cpu(), module.float()):
        assert same is module and dtypes(module) == before
    assert module.compile(mode="max-autotune") is None


def test_half_and_types_of_all() -> None:
    module = net().half()
    assert dtypes(module) == {"weight": "float16", "bias": "float16", "mean": "float16", "count": "int64"}
    assert module(np.ones((1, 2), np.float16)).dtype == np.float16
    assert set(dtypes(net().type(np.float64)).values()) == {"float64"}


def test_to_empty() -> None:
    module = net()
    arrays = [tensor.data for tensor in (*module.parameters(), *module.buffers())]
    shapes = [(array.shape, array.dtype) for array in arrays]
    assert module.to_empty(device="cpu") is module
    new = [tensor.data for tensor in (*module.parameters(), *module.buffers())]
    assert [(array.shape, array.dtype) for array in new] == shapes
    assert not any(np.shares_memory(a, b) for a, b in zip(arrays, new, strict=True))


def test_what_there_is_not() -> None:
    module = net()
    before = dtypes(module)
    for call in (module.xpu, module.ipu, module.mtia):
        with pytest.raises(RuntimeError, match="no device but the CPU"):
            call()
    for device in ("cuda:1", "meta", "mps"):
        with pytest.raises(ValueError, match=f"there is no device '{device}'"):
            module.to(device)
        with pytest.raises(ValueError, match="there is no device"):
            module.to(np.float64, device=device)
    with pytest.raises(ValueError, match="Linear.to_empty: device='cuda'"):
        module.to_empty(device="cuda")
    with pytest.raises(TypeError, match="NumPy has no bfloat16"):
        module.bfloat16()
    with pytest.raises(RuntimeError, match="share_memory: arrays belong to one process"):
        module.share_memory()
    for dtype in (np.int32, bool, "complex64"):
        with pytest.raises(TypeError, match="is not a float type"):
            module.to(dtype)
    assert dtypes(module) == before


def test_models_may_have_attributes_by_these_names() -> None:
    """As PyTorch's users' models do; no method of Module calls them."""
    module = net()
    module.type, module.compile, module.half = "resnet", True, 3
    assert module.to(np.float64).type == "resnet"


def test_the_device_of_pytorchs(torch: Any) -> None:
    assert net().to(torch.device("cpu"), np.float64).weight.dtype == np.float64
    with pytest.raises(ValueError, match="there is no device"):
        net().to(torch.device("mps"))


def test_all_public_names_of_pytorchs_modules(torch: Any) -> None:
    inside = {"T_destination", "call_super_init", "dump_patches"}
    names = {name for name in dir(torch.nn.Module) if name[0] != "_"} - inside
    assert {name for name in names if not hasattr(nn.Module, name)} == set()


def test_methods_take_what_pytorchs_take(torch: Any) -> None:
    def taken(kind: Any, name: str) -> list[Any]:
        parameters = inspect.signature(getattr(kind, name)).parameters.values()
        return [(p.name, p.default, p.kind is p.KEYWORD_ONLY) for p in parameters if p.kind not in VARIADIC]

    for name in dir(torch.nn.Module):
        if name[0] != "_" and name not in ("T_destination", "call_super_init", "dump_patches", "forward", "to"):
            assert taken(nn.Module, name) == taken(torch.nn.Module, name), name
