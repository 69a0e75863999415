"""Checks of the gradients of functions of Tensors, of first and second order, against finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..graph import pull
from ..tensor import Tensor, seed, wrap
from .numerical import derivatives, joined, parts, step_sizes, units


class GradcheckError(AssertionError):
    """A gradient, or something else that was checked, is wrong; the message is the report."""


def estimate(f: Callable[[Any], Any], x: Any, method: str = "central", eps: float | None = None) -> tuple[Any, Any]:
    """The numerical Jacobian of `f` at the real array `x`, and how far each of its entries may be off.

    A second Jacobian, at twice the steps, shows the truncation error; rounding adds that of a number of the
    size of f(x), with three digits to spare.
    """
    out = f(x)
    steps = step_sizes(x, method, eps)
    pair: Any = np.empty((2, *out.shape, *x.shape), np.result_type(out, np.float64))
    for i in range(2):
        for at, column in derivatives(f, x, method, steps * (i + 1)):
            pair[(i, ..., *at)] = column
    rounding = 1e3 * np.finfo(x.dtype).eps * np.max(np.abs(out), initial=0)
    doubt = 4 * np.abs(pair[1] - pair[0]) + (rounding if method == "complex" else rounding / steps)
    return pair[0], doubt


def _kinks(f: Callable[[Any], Any], x: Any, eps: float | None) -> Any:
    """Half the jump of the slope where the function has a kink: unlike bending it does not shrink with the steps."""
    steps, halves = step_sizes(x, "central", eps), []
    for h in (steps, 2 * steps):
        half: Any = np.zeros((*f(x).shape, *x.shape))
        for (at, ahead), (_, central) in zip(
            derivatives(f, x, "forward", h), derivatives(f, x, "central", h), strict=True
        ):
            half[(..., *at)] = np.abs(ahead - central)
        halves.append(half)
    return np.where(halves[1] <= 1.5 * halves[0], halves[0], 0)


def worst(actual: Any, expected: Any, tolerance: Any) -> tuple[int, ...] | None:
    """Where `actual` is farthest beyond `tolerance` from `expected`, or None; the same nan or inf agrees."""
    actual, expected = (np.asarray(v, np.result_type(v, np.float64)) for v in (actual, expected))
    with np.errstate(invalid="ignore"):
        excess = np.abs(actual - expected) - tolerance
    excess = np.where((actual == expected) | (np.isnan(actual) & np.isnan(expected)), -1, excess)
    excess = np.where(np.isnan(excess), np.inf, excess)
    if not excess.size or np.max(excess) <= 0:
        return None
    return tuple(int(i) for i in np.unravel_index(np.argmax(excess), excess.shape))


def gradcheck(
    f: Callable[..., Any],
    inputs: Any,
    *,
    eps: float | None = None,
    atol: float | None = None,
    rtol: float = 1e-5,
    method: str = "central",
) -> bool:
    """Check the gradients of `f` at `inputs` against finite differences; True, or GradcheckError with a report.

    `f` takes the inputs, one Tensor or a tuple, and gives one Tensor or a tuple; every float64 or complex128 input
    that requires a gradient is checked, entry by entry of the whole Jacobian: that of the real and imaginary parts,
    which a last index counts, where input or output is complex. An entry may be off by `atol` plus
    `rtol` of its size; by default `atol` is what the differences themselves may be off, estimated with a
    second step. At a kink every slope between those on both sides passes. `eps` and `method` as in
    `numerical_grad`. TypeError for other dtypes, ValueError where no input requires a gradient.

    >>> from pullback import Tensor, exp
    >>> gradcheck(lambda x: x * exp(x), Tensor([0.5, -1.0], requires_grad=True))
    True
    """
    inputs = _checked(inputs, "gradcheck")
    asked = [i for i, x in enumerate(inputs) if x.requires_grad]
    leaves = _leaves(inputs, asked)
    outputs = _tuple(f(*leaves))
    for k, out in enumerate(outputs):
        rows = _rows(out, [leaves[i]._node for i in asked])
        split = parts if out.dtype.kind == "c" else np.asarray
        for i, row in zip(asked, rows, strict=True):

            def output(values: Any, k: int = k, i: int = i, split: Any = split) -> Any:
                moved = [wrap(joined(values, x)[()] if j == i else x._held) for j, x in enumerate(inputs)]
                return split(_tuple(f(*_leaves(moved, asked)))[k].numpy())

            numerical, doubt = estimate(output, parts(inputs[i].numpy()), method, eps)
            tolerance = rtol * np.abs(numerical) + (doubt if atol is None else atol)
            at = worst(row, numerical, tolerance)
            if at is not None and method == "central":
                at = worst(row, numerical, tolerance + _kinks(output, parts(inputs[i].numpy()), eps))
            if at is not None:
                j = parts(out.numpy()).ndim
                raise GradcheckError(
                    f"gradcheck: wrong gradient of output {k} (shape {out.shape}) with respect to input {i} "
                    f"(shape {inputs[i].shape}); worst is d output[{_index(at[:j])}] / d input[{_index(at[j:])}]:\n"
                    f"  by backward       {row[at]!r}\n"
                    f"  by {method} steps  {numerical[at]!r} (tolerance {tolerance[at]:.3g})\n"
                    f"  input {i}: {np.array2string(inputs[i].numpy(), threshold=50)}"
                )
    return True


def gradgradcheck(
    f: Callable[..., Any],
    inputs: Any,
    gradients: Any = None,
    *,
    eps: float | None = None,
    atol: float | None = None,
    rtol: float = 1e-5,
    method: str = "central",
) -> bool:
    """Check the second derivatives of `f`: `gradcheck` of its gradients, as functions of inputs and cotangents.

    `gradients` are the cotangents of the outputs (default: fixed random ones); the other arguments are those
    of `gradcheck`.

    >>> from pullback import Tensor
    >>> gradgradcheck(lambda x: x**3, Tensor([0.5, -1.0], requires_grad=True))
    True
    """
    inputs = _checked(inputs, "gradgradcheck")
    asked = [i for i, x in enumerate(inputs) if x.requires_grad]
    n = len(inputs)
    outputs = _tuple(f(*_leaves(inputs, asked)))
    if gradients is None:
        rng = np.random.default_rng(0)
        gradients = tuple(wrap(joined(rng.uniform(0.5, 1.5, parts(out.numpy()).shape), out)[()]) for out in outputs)
    weights = tuple(Tensor(g, requires_grad=True) for g in _tuple(gradients))
    if len(weights) != len(outputs):
        raise ValueError(f"gradgradcheck: {len(weights)} gradients given for {len(outputs)} outputs")

    def pulled(*given: Any) -> Any:
        xs, gs = given[:n], given[n:]
        return gradients_of(_tuple(f(*xs)), gs, [xs[i] for i in asked], create_graph=True)

    try:
        return gradcheck(pulled, (*inputs, *weights), eps=eps, atol=atol, rtol=rtol, method=method)
    except GradcheckError as error:
        raise GradcheckError(f"second order (inputs from {n} on are the cotangents); {error}") from None


def gradients_of(outputs: Any, gradients: Any, inputs: Any, *, create_graph: bool) -> tuple[Any, ...]:
    """The gradients of the outputs, weighted, by the inputs, as Tensors; zeros where they do not depend."""
    nodes = [x._node for x in inputs]
    seeds = [seed(out, g, create_graph) for out, g in zip(outputs, gradients, strict=True) if out.requires_grad]
    found = pull(seeds, set(nodes), retain_graph=create_graph, create_graph=create_graph)
    lifted = (found.get(node, np.zeros(node.shape, node.dtype)[()]) for node in nodes)
    return tuple(g if isinstance(g, Tensor) else wrap(g) for g in lifted)


def _rows(out: Tensor, nodes: list[Any]) -> list[Any]:
    """The Jacobian of `out` with respect to each node, a backward pass for every entry (or part of one) of `out`.

    A gradient is d/dx - i d/dy: the parts of its conjugate are the row. The cotangent -i asks for the imaginary part.
    """
    steps = units(out.numpy())
    jacobians = [np.zeros((len(steps), *parts(np.zeros(node.shape, node.dtype)).shape)) for node in nodes]
    if out.requires_grad:
        for i, g in enumerate(np.conj(steps)):
            found = pull([seed(out, g)], set(nodes), retain_graph=True, create_graph=False)
            for node, jacobian in zip(nodes, jacobians, strict=True):
                jacobian[i] = parts(np.conj(found[node])) if node in found else 0
    return [jacobian.reshape(parts(out.numpy()).shape + jacobian.shape[1:]) for jacobian in jacobians]


def _leaves(inputs: Any, asked: list[int]) -> tuple[Tensor, ...]:
    return tuple(x.detach().requires_grad_(i in asked) for i, x in enumerate(inputs))


def _tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _index(at: tuple[int, ...]) -> str:
    return ", ".join(map(str, at)) or "()"


def _checked(inputs: Any, name: str) -> tuple[Tensor, ...]:
    inputs = _tuple(inputs)
    for i, x in enumerate(inputs):
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}: input {i} is {type(x).__name__}, not a Tensor")
        if x.requires_grad and x.dtype not in (np.float64, np.complex128):
            raise TypeError(f"{name}: input {i} is {x.dtype}; finite differences need float64 or complex128")
    if not any(x.requires_grad for x in inputs):
        raise ValueError(f"{name}: none of the {len(inputs)} inputs requires a gradient")
    return inputs


def check_adjoint(f: Callable[[Any], Any], transpose: Callable[[Any], Any], x: Any, y: Any) -> bool:
    """Check <f(x), y> = <x, transpose(y)> to rounding: `transpose` is the adjoint of the linear map `f`.

    `x` has the shape that f takes, `y` the one it gives; arrays or Tensors. Of complex numbers nothing is conjugated,
    and the real parts are compared. True, or GradcheckError.

    >>> import numpy as np
    >>> check_adjoint(np.cumsum, lambda y: np.cumsum(y[::-1])[::-1], np.array([1.0, 2.0]), np.array([3.0, 5.0]))
    True
    """
    forward, back = _inner(f(x), y, "f(x)", "y"), _inner(x, transpose(y), "x", "transpose(y)")
    left, right = forward.sum().real, back.sum().real
    eps = np.finfo(np.result_type(forward, np.float32)).eps
    tolerance = 1e3 * eps * max(np.abs(forward).sum(), np.abs(back).sum())
    if not abs(left - right) <= tolerance:
        raise GradcheckError(
            f"check_adjoint: not the transpose: <f(x), y> = {left!r}, <x, transpose(y)> = {right!r} "
            f"(tolerance {tolerance:.3g}) for x of shape {np.shape(x)}, y of shape {np.shape(y)}"
        )
    return True


def _inner(a: Any, b: Any, name_a: str, name_b: str) -> Any:
    a, b = (np.asarray(v._held if isinstance(v, Tensor) else v) for v in (a, b))
    if a.shape != b.shape:
        raise GradcheckError(f"check_adjoint: {name_a} has shape {a.shape}, {name_b} has shape {b.shape}")
    return a * b
