"""Sequences of modules that keep little for the backward pass, and run again in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from ..autograd import checkpoint
from .located import located
from .lookahead import applied
from .module import Module

__all__ = ["checkpoint_sequential"]


def checkpoint_sequential(
    functions: Iterable[Callable[..., Any]], segments: int, input: Any, use_reentrant: bool | None = None
) -> Any:
    """Apply the functions or modules, such as those of a Sequential, one after the other, and keep the inputs of
    `segments` parts of equal length alone: backward runs each part again, but for the last, which keeps all.

    With n modules that need as much memory each, about sqrt(n) parts need the least. Gradients, random numbers of
    dropout and running statistics are those of the functions called in turn. `use_reentrant` is for programs written
    for PyTorch, and changes nothing. ValueError unless 1 <= segments <= the number of functions, where there are any.
    Source: Chen et al., Training deep nets with sublinear memory cost, 2016.

    >>> from pullback import Tensor, nn
    >>> model = nn.Sequential(*[nn.Linear(2, 2) for _ in range(9)])
    >>> x = Tensor([[1.0, 2.0]])
    >>> bool((checkpoint_sequential(model, 3, x) == model(x)).all())
    True
    """
    parts = list(functions)
    if not isinstance(segments, int) or not 1 <= segments <= max(len(parts), 1):
        raise ValueError(f"checkpoint_sequential: segments={segments!r} is not from 1 to {len(parts)} functions")
    length = len(parts) // segments
    try:
        for i in range(segments - 1):
            input = checkpoint(partial(_run, parts[i * length : (i + 1) * length]))(input)
        return _run(parts[(segments - 1) * length :], input)
    except Exception as error:
        if isinstance(functions, Module):
            located(error, functions)
        raise


def _run(parts: list[Any], input: Any) -> Any:
    """Call functions one after the other, modules among them with their look-ahead."""
    if all(isinstance(part, Module) for part in parts):
        return applied(parts, input)
    for part in parts:
        input = part(input)
    return input
