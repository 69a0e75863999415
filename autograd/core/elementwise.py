"""Primitives that act entry by entry, from a table of their rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import numpy as np

from .forms import Binary, OfOne, OfTwo, Unary
from .primitive import Primitive
from .tensor import functions

Rule = Callable[..., object]
Interval = tuple[float, float]
Domain = Interval | tuple[Interval, ...]


@overload
def elementwise(
    function: np.ufunc,
    *,
    name: str = "",
    domain: Domain = ...,
    kinks: tuple[float, ...] = (),
    dtype: object = ...,
    x: Rule,
) -> Primitive[Unary]: ...
@overload
def elementwise(
    function: np.ufunc,
    *,
    name: str = "",
    domain: Domain = ...,
    kinks: tuple[float, ...] = (),
    dtype: object = ...,
    a: Rule,
    b: Rule,
) -> Primitive[Binary]: ...
@overload
def elementwise(function: Rule, *, name: str, ufunc: np.ufunc, domain: Domain = ..., x: Rule) -> Primitive[Unary]: ...
@overload
def elementwise(
    function: Rule, *, name: str = "", ufunc: np.ufunc, domain: Domain = ..., a: Rule, b: Rule
) -> Primitive[Binary]: ...
@overload
def elementwise(
    function: Rule, *, name: str = "", domain: Domain = ..., kinks: tuple[float, ...] = (), dtype: object = ..., x: Rule
) -> Primitive[OfOne]: ...
@overload
def elementwise(
    function: Rule,
    *,
    name: str = "",
    domain: Domain = ...,
    kinks: tuple[float, ...] = (),
    dtype: object = ...,
    a: Rule,
    b: Rule,
) -> Primitive[OfTwo]: ...
@overload
def elementwise(
    function: Rule,
    *,
    name: str = "",
    domain: Domain = ...,
    kinks: tuple[float, ...] = (),
    dtype: object = ...,
    **rules: Rule,
) -> Primitive[Any]: ...
def elementwise(
    function: Callable[..., Any],
    *,
    name: str = "",
    ufunc: Any = None,
    domain: Any = (-3.0, 3.0),
    kinks: tuple[float, ...] = (),
    dtype: Any = None,
    **rules: Callable[..., Any],
) -> Primitive[Any]:
    """A primitive whose every argument acts entry by entry (with broadcasting), from a table of its rules.

    The derivative is a diagonal, so that one rule per argument serves both directions. The property tests
    draw entries from `domain` (one pair, or one for each argument), not near `kinks`; with `dtype` no complex ones.

    >>> from pullback import Tensor
    >>> reversed = elementwise(lambda x: 1 / x, name="reversed", x=lambda g, x: -g / (x * x))
    >>> reversed(Tensor(2.0))
    Tensor(0.5)
    """
    made: Primitive[Any] = Primitive(function, name or function.__name__, tuple(rules))
    for argument, rule in rules.items():
        made.vjp(argument, "elementwise")(rule)
    domains = domain if isinstance(domain[0], tuple) else (domain,) * len(rules)
    made.strategy(lambda draw: (draw.entries(domains, kinks, dtype), {}))
    if isinstance(ufunc or function, np.ufunc):
        made.ufunc = ufunc or function
        functions[made.ufunc] = made
    return made
