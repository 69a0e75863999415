"""SciPy's optimizers on functions of nests of tensors, and on models: the engine gives the derivatives."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from ..autograd import (
    Tensor,
    asarray,
    hessian,
    hvp,
    jacobian,
    on_arrays,
    ravel_pytree,
    tree_leaves,
    tree_map,
    value_and_grad,
)
from ..extend import Array
from ..nn import Module, functional_call

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

__all__ = ["minimize"]

_WITHOUT_GRADIENT = {"nelder-mead", "powell", "cobyla", "cobyqa"}
_WITH_HESSIAN = {"dogleg", "trust-exact"}
_WITH_PRODUCTS = {"newton-cg", "trust-ncg", "trust-krylov", "trust-constr"}  # of the Hessian and vectors


def minimize(
    fun: Callable[..., object] | Module,
    x0: object = None,
    args: tuple[object, ...] = (),
    method: str | None = None,
    *,
    loss: Callable[[], Tensor] | None = None,
    bounds: object = None,
    constraints: object = (),
    tol: float | None = None,
    callback: Callable[..., object] | None = None,
    options: Mapping[str, object] | None = None,
) -> OptimizeResult:
    """Make `fun(x, *args)` small by `scipy.optimize.minimize`, with derivatives from the engine.

    x is a nest (dicts, lists and tuples) of Tensors, arrays or numbers, and starts as `x0`; `fun` is given Tensors and
    returns one of one element. With a Module and `loss`, a function without arguments, the model's parameters that
    require gradients are moved instead, in place, in each iteration. Evaluations must be repeatable: put a model with
    dropout or running statistics into eval mode, and let it be of float64 for more than about four digits.

    `method` is SciPy's (None: BFGS, L-BFGS-B or SLSQP). Each is given what it uses: gradients, the Hessian ("dogleg",
    "trust-exact"), or its products with vectors ("Newton-CG", "trust-ncg", "trust-krylov" and "trust-constr").
    `bounds` are a tuple (low, high), each None, a number or a nest of x's form with None, numbers or arrays; or, over
    all entries of x in order, SciPy's `Bounds` or list of pairs. Functions in `constraints` are of the nest, and have
    their jacobian from the engine, unless they bring one (by the flat vector). `callback(x)`, or
    `callback(intermediate_result)` with SciPy's result so far, is called after each iteration, and `StopIteration` ends
    the search. `tol` and `options` are SciPy's.

    Returns SciPy's result, with the nest as `x`: arrays, and Tensors where `x0` has any; its `jac`, `hess` and
    `hess_inv` are over all entries in order. ImportError without SciPy; TypeError for what has no derivatives;
    ValueError for an x0 that is not finite and for bounds that do not fit; FloatingPointError where the function is
    not finite at x0, or later NaN or -inf, or a gradient is not finite (infinity is a step too far); a model stays then
    where the last iteration has put it.

    >>> rosenbrock = lambda p: (1 - p["x"]) ** 2 + 100 * (p["y"] - p["x"] ** 2) ** 2
    >>> result = minimize(rosenbrock, {"x": -1.0, "y": 2.0}, method="trust-ncg")
    >>> bool(result.success), round(float(result.x["x"]), 4), round(float(result.x["y"]), 4)
    (True, 1.0, 1.0)
    """
    if (loss is None) == (x0 is None):
        raise TypeError("minimize: give x0, from where a function is to be minimized, or a Module and its loss")
    if loss is not None and args:
        raise TypeError("minimize: args are for a function; a Module's loss takes none")
    if loss is not None:
        moved = _Moved(fun, loss)
        fun, x0, args = moved.value, moved.nest(), ()
        callback = moved.told(callback)
    start = _Start(x0)
    objective = lambda vector: fun(start.unravel(vector), *args)  # noqa: E731
    result = _scipy().minimize(
        _Checked(objective, _kind(method) not in _WITHOUT_GRADIENT),
        start.vector,
        method=method,
        **_derivatives(objective, method),
        bounds=start.bounds(bounds),
        constraints=_constrained(constraints, start),
        tol=tol,
        callback=None if callback is None else _told(callback, start.nest),
        options=None if options is None else dict(options),
    )
    result.x = start.nest(result.x)
    if loss is not None:
        moved.move(result.x)
    return result


def _scipy() -> Any:
    try:
        return import_module("scipy.optimize")
    except ImportError as error:
        raise ImportError("minimize: SciPy's optimizers do it, pip install pullback[special]") from error


def _kind(method: object) -> object:
    return method.lower() if isinstance(method, str) else method


def _derivatives(objective: Callable[[Any], Any], method: object) -> dict[str, Any]:
    """What SciPy is told of derivatives."""
    kind = _kind(method)
    given: dict[str, Any] = {"jac": True} if kind not in _WITHOUT_GRADIENT else {}
    if kind in _WITH_HESSIAN:
        given["hess"] = on_arrays(hessian(objective))
    if kind in _WITH_PRODUCTS:
        given["hessp"] = lambda x, vector: on_arrays(hvp)(objective, x, vector)
    return given


class _Checked:
    """The function on vectors, with its gradient where wanted; errors for values with which no search can go on."""

    def __init__(self, objective: Callable[[Any], Any], with_gradient: bool) -> None:
        self.run: Any = on_arrays(value_and_grad(objective) if with_gradient else objective)
        self.with_gradient, self.calls = with_gradient, 0

    def __call__(self, x: Array) -> Any:
        value, gradient = self.run(x) if self.with_gradient else (self.run(x), None)
        if np.size(value) != 1:
            raise RuntimeError(f"minimize: expected one number, but the function gives the shape {np.shape(value)}")
        value = float(np.reshape(value, ()))
        self.calls += 1
        if not value > -math.inf or (self.calls == 1 and value == math.inf):
            raise FloatingPointError(f"minimize: the function is {value} {self._place()}; bounds may keep x away")
        if gradient is not None and value < math.inf and not np.isfinite(gradient).all():
            raise FloatingPointError(f"minimize: the function is {value} {self._place()}, but its gradient not finite")
        return value if gradient is None else (value, gradient)

    def _place(self) -> str:
        return "at x0" if self.calls == 1 else f"in evaluation {self.calls}"


class _Start:
    """A nest of numbers as one vector of float64, and what has the form of the nest."""

    def __init__(self, x0: object) -> None:
        self.x0 = x0
        floats = tree_map(_real, x0)
        vector, self.unravel = ravel_pytree(floats)
        self.vector = np.array(vector.numpy(), np.float64)
        self.floats = floats
        if not self.vector.size:
            raise ValueError("minimize: x0 has no entries")
        if not np.isfinite(self.vector).all():
            raise ValueError(f"minimize: x0 must be finite, but has {self.vector[~np.isfinite(self.vector)][0]}")

    def nest(self, vector: Array) -> Any:
        """The nest of a vector's entries, Tensors where x0 has any."""
        return tree_map(lambda x, new: new if isinstance(x, Tensor) else new.numpy(), self.x0, self.unravel(vector))

    def bounds(self, given: Any) -> Any:
        """SciPy's bounds, by entries."""
        if not isinstance(given, tuple):
            return given
        if len(given) != 2:
            raise ValueError(f"minimize: bounds must be a tuple (low, high), not one of {len(given)}")
        low, high = (self._side(side, none) for side, none in zip(given, (-math.inf, math.inf), strict=True))
        if np.any(low > high):
            raise ValueError("minimize: bounds: a low one is above its high one")
        return _scipy().Bounds(low, high)

    def _side(self, side: Any, none: float) -> Array:
        def spread(x: Tensor, bound: Any) -> Array:
            if isinstance(bound, (tuple, dict)):
                raise TypeError(f"minimize: bounds: a {type(bound).__name__} given for an array of shape {x.shape}")
            bound = none if bound is None else asarray(bound).numpy()
            try:
                return np.broadcast_to(bound, x.shape).reshape(-1)
            except ValueError:
                raise ValueError(
                    f"minimize: bounds of shape {np.shape(bound)} given for an array of shape {x.shape}"
                ) from None

        if side is None or isinstance(side, (int, float, np.number)):
            return np.full(self.vector.shape, none if side is None else float(side))
        return np.concatenate(tree_leaves(tree_map(spread, self.floats, side)))


def _real(x: Any) -> Tensor:
    """A leaf as a Tensor of real floats."""
    value = asarray(x).detach()
    if value.dtype.kind not in "fiub":
        raise TypeError(f"minimize: x0 must be of real numbers, not {value.dtype}; give real and imaginary parts apart")
    return value if value.dtype.kind == "f" else asarray(value.numpy().astype(np.float64))


class _Moved(Module):
    """A model whose parameters are moved so that a loss becomes small."""

    def __init__(self, model: Any, loss: Callable[[], Tensor]) -> None:
        super().__init__()
        if not isinstance(model, Module):
            raise TypeError(f"minimize: loss is for a Module, not for a {type(model).__name__}; give x0")
        self.model, self.loss = model, loss

    def forward(self) -> Tensor:
        return self.loss()

    def _parameters(self) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        if not found:
            raise ValueError(f"minimize: no parameter of this {type(self.model).__name__} requires gradients")
        return found

    def nest(self) -> dict[str, Tensor]:
        return {name: p.detach() for name, p in self._parameters().items()}

    def value(self, nest: Mapping[str, Tensor]) -> Any:
        return functional_call(self, {f"model.{name}": value for name, value in nest.items()})

    def move(self, nest: Mapping[str, Tensor]) -> None:
        for name, p in self._parameters().items():
            p.data = nest[name].numpy()

    def told(self, callback: Callable[..., object] | None) -> Callable[..., object]:
        """A callback that moves the parameters first."""

        def moving(x: Any, *state: object) -> object:
            self.move(x)
            return None if callback is None else callback(x, *state)

        def moving_by_result(intermediate_result: Any) -> object:
            self.move(intermediate_result.x)
            return callback(intermediate_result=intermediate_result)  # type: ignore[misc]

        return moving_by_result if _by_result(callback) else moving


def _by_result(callback: Callable[..., object] | None) -> bool:
    """Whether a callback asks for SciPy's result so far, as SciPy finds out."""
    return callback is not None and set(inspect.signature(callback).parameters) == {"intermediate_result"}


def _told(callback: Callable[..., object], nest: Callable[[Array], Any]) -> Callable[..., object]:
    """The callback, as SciPy calls it with a vector."""

    def with_x(x: Array, *state: object) -> object:
        return callback(nest(x), *state)

    def with_result(intermediate_result: Any) -> object:
        given = intermediate_result if isinstance(intermediate_result, Mapping) else {"x": intermediate_result}
        result = _scipy().OptimizeResult({**given, "x": nest(given["x"])})
        return callback(intermediate_result=result)

    return with_result if _by_result(callback) else with_x


def _constrained(constraints: Any, start: _Start) -> Any:
    """The constraints as functions of the vector, with their jacobians."""
    if isinstance(constraints, Sequence):
        return [_constrained(each, start) for each in constraints]
    if isinstance(constraints, Mapping):
        f, args = constraints["fun"], constraints.get("args", ())
        of_vector = lambda vector: _flat(f(start.unravel(vector), *args))  # noqa: E731
        given = {"jac": on_arrays(jacobian(of_vector)), **constraints}
        return {**given, "fun": on_arrays(of_vector), "args": ()}
    if isinstance(constraints, _scipy().NonlinearConstraint):
        c = constraints
        of_vector = lambda vector: _flat(c.fun(start.unravel(vector)))  # noqa: E731
        jac = c.jac if callable(c.jac) else on_arrays(jacobian(of_vector))
        return type(c)(on_arrays(of_vector), c.lb, c.ub, jac, c.hess, c.keep_feasible)
    return constraints


def _flat(value: Any) -> Tensor:
    return asarray(value).reshape(-1)
