"""The look-ahead of a Sequential: a convolution, and a ReLU and a max-pooling behind it, in one pass over memory.

It is not to be seen: values, derivatives and graph are those of the modules one after the other, and these run where
one of them has hooks or a `forward` of its own, or where operations are traced, watched or have other rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..extend import convolved
from .convolution import Conv1d, Conv2d, Conv3d
from .hooks import EVERYWHERE
from .located import located
from .module import Module
from .pooling import MaxPool1d, MaxPool2d, MaxPool3d
from .rectifiers import ReLU
from .windowed import renamed

Kinds = dict[type[Module], Callable[..., Any]]
_CONVS: Kinds = {kind: kind.forward for kind in (Conv1d, Conv2d, Conv3d)}
_RELUS: Kinds = {ReLU: ReLU.forward}
_POOLS: Kinds = {kind: kind.forward for kind in (MaxPool1d, MaxPool2d, MaxPool3d)}
_CALL = Module.__call__


def applied(modules: Sequence[Any], input: Any) -> Any:
    """Apply the modules to the input, one after the other."""
    i, count = 0, len(modules)
    try:
        while i < count:
            module = modules[i]
            i += 1
            kind = module.__class__
            if kind.__call__ is not _CALL or module._hooks or EVERYWHERE:
                input = module(input)
            elif kind not in _CONVS or not _plain(module, _CONVS) or getattr(input, "ndim", 0) != module._dims + 2:
                input = module.forward(input)
            else:
                rectified = i < count and _plain(modules[i], _RELUS)
                i += rectified
                pooling = _settings(modules[i], module._dims) if i < count and _plain(modules[i], _POOLS) else ()
                i += bool(pooling)
                x, weight, bias, *settings = module._given(input)
                input = convolved(x, weight, *settings, bias=bias, rectified=rectified, pooling=pooling)
    except Exception as error:
        if module.__class__ in _CONVS:
            renamed(error, module._dims)
        located(error, module)
        raise
    return input


def _settings(pool: Any, dims: int) -> tuple[Any, ...]:
    """The arguments of a max-pooling over as many dimensions that gives nothing but the largest entries."""
    if pool._dims != dims or pool.return_indices:
        return ()
    return pool.kernel_size, pool.stride, pool.padding, pool.dilation, pool.ceil_mode


def _plain(module: Any, kinds: Kinds) -> bool:
    """Whether a module is of one of the kinds, calling it is all that they do, and nobody looks on."""
    kind = module.__class__
    return (
        kinds.get(kind) is kind.forward
        and kind.__call__ is _CALL
        and "forward" not in module.__dict__
        and not (module._hooks or EVERYWHERE)
    )
