"""The values of a module's parameters and buffers by name: what `state_dict` gives and `load_state_dict` takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..autograd import Tensor
from .traversal import join

__all__ = ["IncompatibleKeys"]


class IncompatibleKeys(NamedTuple):
    """The keys in which a state and a module differ, as `load_state_dict` returns them."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def persistent(module: Any) -> dict[str, Tensor]:
    """List the parameters and persistent buffers of a module and all below it, by all their dotted names."""
    state: dict[str, Tensor] = {}
    for prefix, part in module.named_modules(remove_duplicate=False):
        buffers = [(name, value) for name, value in part._own_buffers() if part._persistence[name]]
        state.update((join(prefix, name), value) for name, value in [*part._own_parameters(), *buffers])
    return state


def loaded(module: Any, state_dict: Any, strict: bool) -> IncompatibleKeys:
    """See `Module.load_state_dict`."""
    if not isinstance(state_dict, Mapping):
        wrong = f"load_state_dict of {type(module).__name__}: expected a dict of names and values, not a "
        write = "write other.state_dict()" if hasattr(state_dict, "state_dict") else "nn.load(path) reads one"
        raise TypeError(f"{wrong}{type(state_dict).__name__}; {write}")
    own = persistent(module)
    missing = [key for key in own if key not in state_dict]
    unexpected = [key for key in state_dict if key not in own]
    faults = [f"missing: {', '.join(missing)}"] if missing and strict else []
    faults += [f"unexpected: {', '.join(unexpected)}"] if unexpected and strict else []
    values = {}
    for key, tensor in own.items():
        if key in state_dict:
            given = state_dict[key]
            value = np.asarray(given.data if isinstance(given, Tensor) else given)
            if value.shape != tensor.shape:
                faults.append(f"{key}: shape {value.shape} given for {tensor.shape}")
            elif _kind(value.dtype) != _kind(tensor.dtype):
                faults.append(f"{key}: dtype {value.dtype} given for {tensor.dtype}")
            else:
                values[key] = np.array(value, dtype=tensor.dtype, order="C")
    if faults:
        raise RuntimeError(f"load_state_dict of {type(module).__name__}: " + "; ".join(faults))
    for key, value in values.items():
        own[key].data = value
    return IncompatibleKeys(missing, unexpected)


def _kind(dtype: np.dtype[Any]) -> str:
    return "i" if dtype.kind == "u" else dtype.kind
