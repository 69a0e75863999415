"""Checks of gradients at given inputs: of functions of Tensors, and of any functions on NumPy arrays."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.tensor import Tensor, wrap
from ..core.types import HasArray, Inputs
from .case import Case, Pair
from .derivatives import Check
from .numerical import joined, parts
from .properties import PROPERTIES
from .report import GradcheckError, Passed
from .reproduction import literal, named
from .tensors import Function, batched, forward, gradients_of


def gradcheck(
    f: Callable[..., object],
    inputs: Inputs,
    *,
    method: str = "auto",
    full: bool | None = None,
    eps: float | None = None,
    atol: float | None = None,
    rtol: float | None = None,
    check_forward: bool = False,
    check_batched: bool = False,
) -> Passed:
    """Check the gradients of `f` at `inputs` against numerical ones; a true `Passed`, or GradcheckError with a report.

    `f` takes the inputs, one Tensor or a tuple, and gives one Tensor or a tuple; every input that requires a gradient
    is checked. Checked are the slopes of every output by every input (the whole Jacobian, `full`; by itself up to 4,096
    entries) and in random directions, or of random sums of the outputs in random directions; that the gradient is
    linear in the cotangent, the same for every memory layout and every time, and that nothing is changed or shared.
    With `check_forward` forward mode is compared with reverse mode, with `check_batched` vmap with a loop.

    `method` is one of those of `numerical_grad`: by itself, central differences, confirmed by the complex step
    where `f` allows it, and Richardson's extrapolation where they are not exact enough. A slope may be off by what
    the differences themselves may be, as estimated from several steps (or by `atol`), plus `rtol` of its size: 1e-6
    or the root of the inputs' precision. Functions in single precision are evaluated in double where they allow it.
    Complex numbers count as their real and imaginary parts.

    At a kink (relu at 0, a tie of max) every slope between those at points around passes, and the check is made again
    on both sides of it; the `kinks` of the result tell. TypeError where an input is no Tensor, ValueError where none
    requires a gradient.

    >>> from pullback import Tensor, exp
    >>> print(gradcheck(lambda x: x * exp(x), Tensor([0.5, -1.0], requires_grad=True)))
    passed: 10 slopes by richardson, central
    """
    inputs = _checked(inputs, "gradcheck")
    options = {"full": full, "method": method, "eps": eps, "atol": atol, "rtol": rtol}
    case = _case("gradcheck", f, inputs, _given(**options, check_forward=check_forward, check_batched=check_batched))
    passed = _check(case, **options)
    if check_forward:
        forward(case)
    if check_batched:
        batched(case)
    return passed


def gradgradcheck(
    f: Callable[..., object],
    inputs: Inputs,
    gradients: Inputs | None = None,
    *,
    method: str = "auto",
    full: bool | None = None,
    eps: float | None = None,
    atol: float | None = None,
    rtol: float | None = None,
) -> Passed:
    """Check the second derivatives of `f`: `gradcheck` of its gradients, as functions of inputs and cotangents.

    `gradients` are the cotangents of the outputs (default: fixed random ones); the other arguments are those
    of `gradcheck`.

    >>> from pullback import Tensor
    >>> bool(gradgradcheck(lambda x: x**3, Tensor([0.5, -1.0], requires_grad=True)))
    True
    """
    inputs = _checked(inputs, "gradgradcheck")
    pulled, weights = _pulled(f, inputs, gradients)
    options = {"full": full, "method": method, "eps": eps, "atol": atol, "rtol": rtol}
    return _check(_case("gradgradcheck", pulled, (*inputs, *weights), _given(**options), f, len(inputs)), **options)


def _pulled(f: Callable[..., Any], inputs: Any, gradients: Any = None) -> tuple[Callable[..., Any], tuple[Tensor, ...]]:
    """The gradients of `f` as a function of inputs and cotangents, and cotangents for it."""
    outputs = _tuple(f(*inputs))
    if gradients is None:
        rng = np.random.default_rng(0)
        drawn = (rng.uniform(0.5, 1.5, parts(out.numpy()).shape) for out in outputs)
        gradients = tuple(wrap(joined(g, out).astype(out.dtype)[()]) for g, out in zip(drawn, outputs, strict=True))
    weights = tuple(Tensor(g, requires_grad=True) for g in _tuple(gradients))
    if len(weights) != len(outputs):
        raise ValueError(f"gradgradcheck: {len(weights)} gradients given for {len(outputs)} outputs")
    n, asked = len(inputs), [i for i, x in enumerate(inputs) if x.requires_grad]

    def pulled(*given: Any) -> Any:
        xs = [x if x.requires_grad or i not in asked else x.requires_grad_() for i, x in enumerate(given[:n])]
        return gradients_of(_tuple(f(*xs)), given[n:], [xs[i] for i in asked], create_graph=True)

    return pulled, weights


def check_twice(
    title: str, f: Callable[..., Any], inputs: tuple[Tensor, ...], names: list[str], code: list[str]
) -> None:
    """Check first and second derivatives of what has names of its own for its inputs, and code that runs its check."""
    pulled, weights = _pulled(f, inputs)
    more = (*inputs, *weights), [*names, *(f"cotangent {i}" for i in range(len(weights)))]
    for what, function, (given, called) in ((title, f, (inputs, names)), (f"{title}, second order", pulled, more)):
        asked = [i for i, x in enumerate(given) if x.requires_grad]
        _check(Function(what, function, [x.numpy() for x in given], asked, called, lambda _: code))


def check_gradient(
    f: Callable[..., object],
    gradient: Callable[..., object],
    inputs: Inputs,
    *,
    method: str = "auto",
    full: bool | None = None,
    eps: float | None = None,
    atol: float | None = None,
    rtol: float | None = None,
) -> Passed:
    """Check that `gradient` is the gradient of `f`, functions of NumPy arrays, of whatever library: as `gradcheck`.

    `inputs` are one array or a tuple; `f(*inputs)` is one number, `gradient(*inputs)` an array for each float or
    complex input, of its shape and dtype (d/dx - i d/dy where it is complex), or a tuple of them. For an `f` with
    more entries, see `check_vjp`. `method`, `full`, `eps`, `atol` and `rtol` are as in `gradcheck`.

    >>> import numpy as np
    >>> x = np.array([1.0, 2.0])
    >>> bool(check_gradient(lambda x: np.sum(x**3), lambda x: 3 * x**2, x))
    True
    """

    def vjp(g: Any, *arrays: Any) -> Any:
        return tuple((g * np.asarray(d)).astype(np.asarray(d).dtype) for d in _tuple(gradient(*arrays)))

    options = {"full": full, "method": method, "eps": eps, "atol": atol, "rtol": rtol}
    return _foreign("check_gradient", f, vjp, gradient, "gradient", inputs, options)


def check_vjp(
    f: Callable[..., object],
    vjp: Callable[..., object],
    inputs: Inputs,
    *,
    method: str = "auto",
    full: bool | None = None,
    eps: float | None = None,
    atol: float | None = None,
    rtol: float | None = None,
) -> Passed:
    """Check that `vjp` pulls cotangents back through `f`, functions of NumPy arrays, of whatever library.

    `vjp(g, *inputs)`, with `g` of the shape and dtype of `f(*inputs)`, gives the gradient of Re(sum(g * f)); the
    rest is as in `check_gradient`.

    >>> import numpy as np
    >>> bool(check_vjp(np.cumsum, lambda g, x: np.cumsum(g[::-1])[::-1].copy(), np.array([1.0, 2.0, 4.0])))
    True
    """
    options = {"full": full, "method": method, "eps": eps, "atol": atol, "rtol": rtol}
    return _foreign("check_vjp", f, vjp, vjp, "vjp", inputs, options)


def _foreign(check: str, f: Any, vjp: Any, shown: Any, name: str, inputs: Any, options: dict[str, Any]) -> Passed:
    arrays = arrays_of(inputs)
    if not any(x.dtype.kind in "fc" for x in arrays):
        raise TypeError(f"{check}: none of the {len(arrays)} inputs is float or complex")

    def again(arrays: list[Any]) -> list[str]:
        values = ", ".join(map(literal, arrays))
        lines = ["import numpy as np", f"from pullback.testing import {check}", *named(f), *named(shown, name)]
        return [*lines, f"{check}(f, {name}, ({values},){_given(**options)})"]

    return _check(Pair(check, f, vjp, arrays, again), **options)


def _check(case: Case, **options: Any) -> Passed:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for holds in PROPERTIES:
            holds(case)
    return Check(case, **options).run()


def _case(check: str, pulled: Any, inputs: Any, given: str, f: Any = None, n: int | None = None) -> Function:
    """The case of a function of Tensors; of second order, `f` is the function and the inputs from n on cotangents."""
    asked = [i for i, x in enumerate(inputs) if x.requires_grad]
    names = [f"input {i}" if n is None or i < n else f"cotangent {i - n}" for i in range(len(inputs))]

    def again(case: Case) -> list[str]:
        def shown(positions: Any) -> str:
            values = (literal(case.arrays[i]) + (", requires_grad=True" if i in asked else "") for i in positions)
            return f"({', '.join(f'Tensor({value})' for value in values)},)"

        whole = range(len(case.arrays))
        arguments = shown(whole) if n is None else f"{shown(whole[:n])}, {shown(whole[n:])}"
        lines = ["import numpy as np", "from pullback import Tensor", f"from pullback.testing import {check}"]
        return [*lines, *named(f or pulled), f"{check}(f, {arguments}{given})"]

    title = check if n is None else f"{check} (of second order)"
    return Function(title, pulled, [x.numpy() for x in inputs], asked, names, again)


def _given(**options: Any) -> str:
    defaults = {"method": "auto", "check_forward": False, "check_batched": False}
    return "".join(f", {k}={v!r}" for k, v in options.items() if v != defaults.get(k))


def _tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def arrays_of(inputs: Any) -> list[np.ndarray[Any, Any]]:
    """One input or several, Tensors or arrays, as arrays."""
    return [x.numpy() if isinstance(x, Tensor) else np.asarray(x) for x in _tuple(inputs)]


def _checked(inputs: Any, name: str) -> tuple[Tensor, ...]:
    inputs = _tuple(inputs)
    for i, x in enumerate(inputs):
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}: input {i} is {type(x).__name__}, not a Tensor")
    if not any(x.requires_grad for x in inputs):
        raise ValueError(f"{name}: none of the {len(inputs)} inputs requires a gradient")
    return inputs


def check_adjoint(f: Callable[..., object], transpose: Callable[..., object], x: HasArray, y: HasArray) -> bool:
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
    if not abs(left - right) <= tolerance < np.inf:
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
