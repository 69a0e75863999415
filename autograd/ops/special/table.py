"""How SciPy's special functions become primitives; SciPy itself is imported when one of them is first computed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, overload

import numpy as np

from ...core.conversion import finders, lift
from ...core.elementwise import Domain, Rule, elementwise
from ...core.forms import OfOne, OfOrder, OfTwo
from ...core.primitive import Primitive, primitive, registry
from ...core.tensor import as_data, carried

__all__ = ["POSITIVE", "UNIT", "of_order", "scipy_function", "table"]

POSITIVE = (0.3, 3.0)
UNIT = (0.1, 0.9)


def scipy_function(name: str) -> Callable[..., Any]:
    """The function of `scipy.special`, looked up when it is called."""

    def function(*args: Any) -> Any:
        try:
            import scipy.special
        except ImportError as error:
            raise ImportError(f"{name}: SciPy computes it, pip install pullback[special]") from error
        dtype = np.result_type(*args)  # by which a Python number is no double, as it is for SciPy
        return getattr(scipy.special, name)(*(dtype.type(a).real if a.__class__ in (int, float) else a for a in args))

    function.__name__ = name
    function.__doc__ = f"`scipy.special.{name}`, on Tensors too."
    return function


def _find(ufunc: Any) -> Any:
    """The primitive of a ufunc of `scipy.special`, which is imported if someone calls it."""
    theirs = getattr(sys.modules.get("scipy.special"), ufunc.__name__, None) is ufunc
    name = _others.get(ufunc.__name__, ufunc.__name__)
    return registry[name] if theirs and name in registry else None


_others = {"expit": "sigmoid", "yn": "yv"}
finders.append(_find)


@overload
def table(name: str, domain: Domain = ..., *, x: Rule) -> Primitive[OfOne]: ...
@overload
def table(name: str, domain: Domain = ..., *, p: Rule) -> Primitive[OfOne]: ...
@overload
def table(name: str, domain: Domain = ..., **rules: Rule) -> Primitive[OfTwo]: ...
def table(name: str, domain: Any = (-3.0, 3.0), **rules: Any) -> Primitive[Any]:
    return elementwise(scipy_function(name), domain=domain, **rules)


def of_order(
    name: str, *, function: Callable[..., Any] | None = None, **rule: Callable[..., Any]
) -> Primitive[OfOrder]:
    """A function of an order, which has no gradient, and of a positive number, which has."""
    compute = function or scipy_function(name)

    @primitive(name=name)
    def made(x: Any, *, v: Any) -> Any:
        return compute(np.asarray(v, np.result_type(x, np.float32)), x)

    made.vjp("x", "elementwise")(rule["x"])

    @made.strategy
    def _(draw: Any) -> Any:
        return (draw.array(domain=POSITIVE, dtype=np.float64),), {"v": draw.one_of([3.0, 4.0, 5.0])}

    def form(v: Any, x: Any) -> Any:
        x = lift(x)
        if carried(v):
            raise TypeError(f"{name}: no gradient with respect to the order v; detach() it")
        return made.apply(x, v=np.asarray(as_data(v), np.result_type(x, np.float32))[()])

    form.__name__ = name
    form.__doc__ = f"`scipy.special.{name}`, on Tensors too; there is no gradient in the order `v`."
    return made.public(form)
