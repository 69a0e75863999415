"""float16: what is added up is added up as float32 and rounded once, as NumPy's mean and PyTorch do.

65,504 is the largest number there is, and 2,048 the last to which 1 can be added.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from ..kernels.sums import HALF
from .batching import NOT_AT_ONCE
from .examples import by_itself, one_by_one
from .spellings import are_numpys, translated

__all__ = ["by_single"]

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def by_single(form: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Decorator: a function that, of a first argument of float16, is computed as float32; results are float16 again.

    It is called `by_example`, too, without a wrapper of its own, as such functions are in many small steps.
    """
    signature = inspect.signature(form)
    first = next(iter(signature.parameters))

    @wraps(form)
    def by(*args: Any, **kwargs: Any) -> Any:
        if kwargs and not are_numpys(kwargs):
            args, kwargs = translated(form, args, kwargs)
        x: Any = args[0] if args else kwargs.get(first)
        try:
            return (
                form(*args, **kwargs)
                if getattr(x, "dtype", None).__class__ is not HALF
                else by_float32(x, args, kwargs)
            )
        except NOT_AT_ONCE as error:
            return one_by_one(by, args, kwargs, error)

    def by_float32(x: Any, args: Any, kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs)
        given.arguments[first] = x.astype(np.float32)
        if given.arguments.get("dtype") not in (None, np.float16):
            return form(*given.args, **given.kwargs)
        given.arguments.pop("dtype", None)
        return _narrow(form(*given.args, **given.kwargs))

    by.__signature__ = signature  # type: ignore[attr-defined]
    return by_itself(by)


def _narrow(out: Any) -> Any:
    if isinstance(out, tuple):
        return tuple(map(_narrow, out))
    return out.astype(np.float16) if out.dtype == np.float32 else out
