"""Checks of modules and losses: any object that can be called, with the methods of a module that it has.

These are `parameters()`, `named_parameters()`, `buffers()`, `train(mode)`, `state_dict()` and `load_state_dict(state)`.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..core.replay import surroundings
from ..core.tensor import Tensor, wrap
from .gradcheck import arrays_of, check_twice
from .report import GradcheckError
from .reproduction import literal, named


def check_module(module: Any, inputs: Any) -> bool:
    """Check a module at `inputs`, one or a tuple of them: True, or GradcheckError with a report.

    They are Tensors or arrays; integers stay as they are.
    In training and in evaluation: calls with the same parameters and state give the same; the gradients of the
    parameters and of the float inputs are the numerical ones, first and second derivatives, in double precision;
    float32 in gives float32 out; parameters and inputs are as before. Then, that a copy with other parameters computes
    the same once it has loaded the `state_dict`. All this is done to copies. Every call gets the same random numbers of
    `nn.init.generator`, as dropout draws them; a module that draws others fails.

    >>> from pullback import nn
    >>> check_module(nn.Sequential(nn.Linear(3, 2), nn.Tanh()), np.ones((4, 3)))
    True
    """
    name = type(module).__name__
    given = [x.copy() for x in arrays_of(inputs)]
    for training in (True, False):
        mode = f"{name}, {'training' if training else 'evaluation'}"
        _check_derivatives(mode, _in(_cast(module, np.float64), training), _cast_all(given, np.float64))
        _check_single(mode, _in(_cast(module, np.float32), training), _cast_all(given, np.float32))
    _check_state(name, module, _cast_all(given, np.float32))
    return True


def check_loss(loss: Any, inputs: Any) -> bool:
    """Check a loss, a function or a module, at a tuple of inputs, as `check_module` does, and that it gives one number.

    >>> from pullback import nn
    >>> check_loss(nn.CrossEntropyLoss(), (np.array([[1.0, -1.0], [0.5, 2.0]]), np.array([0, 1])))
    True
    """
    out = _outputs(loss(*(wrap(x.copy()[()]) for x in arrays_of(inputs))))
    if len(out) != 1 or out[0].shape != ():
        raise GradcheckError(f"{_name(loss)}: a loss is one number, not {', '.join(str(x.shape) for x in out)}")
    return check_module(loss, inputs)


def _name(f: Any) -> str:
    return getattr(f, "__name__", type(f).__name__)


def _parameters(module: Any) -> list[Tensor]:
    return list(module.parameters()) if hasattr(module, "parameters") else []


def _named(module: Any) -> list[str]:
    if hasattr(module, "named_parameters"):
        return [name for name, _ in module.named_parameters()]
    return [f"parameter {i}" for i, _ in enumerate(_parameters(module))]


def _cast_all(arrays: Any, dtype: Any) -> list[Any]:
    return [x.astype(dtype) if x.dtype.kind == "f" else x for x in arrays]


def _cast(module: Any, dtype: Any) -> Any:
    """A copy of the module whose parameters and buffers are of a float type."""
    module = copy.deepcopy(module)
    for tensor in (*_parameters(module), *(module.buffers() if hasattr(module, "buffers") else ())):
        if tensor.dtype.kind == "f":
            tensor.data = tensor.data.astype(dtype)
    return module


def _in(module: Any, training: bool) -> Any:
    if hasattr(module, "train"):
        module.train(training)
    return module


def _outputs(out: Any) -> tuple[Any, ...]:
    return tuple(out) if isinstance(out, (tuple, list)) else (out,)


@contextlib.contextmanager
def _standing_in(parameters: list[Tensor], values: Any) -> Iterator[None]:
    """Other Tensors in place of the parameters, with their graphs."""
    before = [(p._held, p._node) for p in parameters]
    for p, value in zip(parameters, values, strict=True):
        p._held, p._node = value._held, value._node
    try:
        yield
    finally:
        for p, (held, node) in zip(parameters, before, strict=True):
            p._held, p._node = held, node


def _check_derivatives(mode: str, module: Any, arrays: list[Any]) -> None:
    fresh, as_before = copy.deepcopy(module), surroundings()
    asked = [i for i, p in enumerate(_parameters(module)) if p.requires_grad]

    def called(*values: Any) -> Any:
        copied = copy.deepcopy(fresh)  # a call may change running statistics
        own = [_parameters(copied)[i] for i in asked]
        with as_before(), _standing_in(own, values[: len(own)]):
            return tuple(out for out in _outputs(copied(*values[len(own) :])) if out.dtype.kind in "fc")

    leaves = [Tensor(p.data, requires_grad=True) for p in (_parameters(module)[i] for i in asked)]
    leaves += [Tensor(x, requires_grad=x.dtype.kind in "fc") for x in arrays]
    runs = [called(*leaves) for _ in range(2)]
    for first, second in zip(*runs, strict=True):
        if not np.array_equal(first.numpy(), second.numpy(), equal_nan=True):
            raise GradcheckError(
                f"{mode}: two calls with the same inputs differ; random numbers should come from "
                "nn.init.generator(), which gives every call here the same"
            )
    names = [_named(module)[i] for i in asked] + [f"input {i}" for i in range(len(arrays))]
    values = ", ".join(map(literal, arrays))
    again = [
        "import numpy as np",
        "from pullback.testing import check_module",
        *named(module, "module"),
        f"check_module(module, ({values},))",
    ]
    check_twice(mode, called, tuple(leaves), names, again)


def _check_single(mode: str, module: Any, arrays: list[Any]) -> None:
    parameters, inputs = _parameters(module), [Tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays]
    before = [p.data.copy() for p in parameters]
    outputs = [out for out in _outputs(module(*inputs)) if out.dtype.kind in "fc"]
    for out in outputs:
        if out.dtype != np.float32:
            raise GradcheckError(f"{mode}: the result is {out.dtype} for float32")
        if out.requires_grad:
            out.backward(np.ones(out.shape, out.dtype), retain_graph=True)  # others may share it
    for name, p, old in zip(_named(module), parameters, before, strict=True):
        if not np.array_equal(p.data, old, equal_nan=True):
            raise GradcheckError(f"{mode}: {name} is changed by a call and its backward pass")
    for i, (x, old) in enumerate(zip(inputs, arrays, strict=True)):
        if not np.array_equal(x.numpy(), old, equal_nan=True):
            raise GradcheckError(f"{mode}: input {i} is changed by a call and its backward pass")


def _check_state(name: str, module: Any, arrays: list[Any]) -> None:
    if not hasattr(module, "state_dict"):
        return
    module = _in(_cast(module, np.float32), False)
    other = copy.deepcopy(module)
    for p in _parameters(other):
        p.data = p.data + 1
    other.load_state_dict(module.state_dict())
    pairs = zip(_outputs(module(*map(wrap, arrays))), _outputs(other(*map(wrap, arrays))), strict=True)
    if not all(np.array_equal(a.numpy(), b.numpy(), equal_nan=True) for a, b in pairs):
        raise GradcheckError(f"{name}: another result after load_state_dict(state_dict())")
