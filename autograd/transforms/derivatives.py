"""Functions that turn a function of tensors into its derivatives.

Arguments and results are Tensors, arrays, numbers, or nests of them: tuples, dictionaries, and lists (a list of nothing
but numbers is an array, as it is everywhere). Transforms nest, in any order: within `f` an argument stands for itself
alone, so that a derivative inside a derivative never mixes up what is held fixed with what varies.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from ..core.conversion import lowered, result
from ..core.forward import dual
from ..core.pytrees import flatten, matching, over
from ..core.replay import surroundings
from ..core.tensor import Tensor, as_data, plain
from ..core.tracing import level_of, new_level
from ..ops.casting import astype
from ..ops.creation import asarray
from ..ops.reductions import sum
from ..ops.shape import reshape
from .traced import Traced, check_function, check_outputs, given, name_of
from .vmap import vmap

__all__ = [
    "elementwise_grad", "grad", "hessian", "hvp", "jacfwd", "jacobian", "jacrev", "jvp", "on_arrays", "stop_gradient",
    "value_and_grad", "vjp",
]  # fmt: skip

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Tree = TypeVar("Tree")


def grad(
    f: Callable[Arguments, object], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[Arguments, Any]:
    """The function that gives the gradient of `f`, whose result has one element, in the arguments `argnums`.

    The gradient has the form of the argument, each Tensor in it the shape and dtype of what it belongs to; for several
    `argnums` it is a tuple. With `has_aux` f gives a pair, of which the second comes back beside the gradient as it is.
    TypeError where `f` gives no Tensor, or it or an argument is not float or complex, RuntimeError where the result
    has more elements.

    >>> grad(grad(lambda x: x**3))(2.0)
    Tensor(12.)
    >>> grad(lambda p: p["w"] * p["b"])({"w": 2.0, "b": 5.0})
    {'w': Tensor(5.), 'b': Tensor(2.)}
    """
    check_function("grad", f)
    both = value_and_grad(f, argnums, has_aux)

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, gradients = both(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return gradient


def value_and_grad(
    f: Callable[Arguments, object], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[Arguments, tuple[Any, Any]]:
    """As `grad`, but the function gives the pair of value and gradient.

    >>> value_and_grad(lambda x, y: x * y, argnums=(0, 1))(2.0, 5.0)
    (Tensor(10.), (Tensor(5.), Tensor(2.)))
    """

    check_function("value_and_grad", f)

    @wraps(f)
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        traced = Traced(given(f, kwargs), args, argnums, has_aux)
        if isinstance(traced.result, Tensor) and traced.result.size != 1:
            raise RuntimeError(
                f"{name_of(f)}: a gradient is of one number, and the result has the shape {traced.result.shape}; "
                "give its sum or mean, or write jacobian(f), or vjp(f, x) with a cotangent"
            )
        if not isinstance(traced.result, Tensor):
            raise TypeError(f"{name_of(f)}: expected a Tensor as the result, not a {type(traced.result).__name__}")
        if traced.result.dtype.kind not in "fc":
            raise TypeError(f"{name_of(f)}: a result of dtype {traced.result.dtype} has no gradient")
        gradients = traced.as_arguments(traced.cotangents([(traced.result, None)]))
        return (traced.value, traced.aux) if has_aux else traced.value, gradients

    return value_and_gradient


def vjp(f: Callable[..., Result], *args: object) -> tuple[Result, Callable[[object], tuple[Any, ...]]]:
    """The value of `f` and the function that pulls a cotangent of it back to all arguments, as often as wanted.

    >>> value, pull_back = vjp(lambda x, y: x * y, 2.0, 5.0)
    >>> pull_back(10.0)
    (Tensor(50.), Tensor(20.))
    """
    check_function("vjp", f)
    traced = Traced(f, args, tuple(range(len(args))))

    def pull_back(cotangent: Any) -> Any:
        given = matching(traced.result, cotangent, "vjp: cotangents")
        return traced.as_arguments(traced.cotangents(zip(traced.outputs, given, strict=True)))

    return traced.value, pull_back


def jvp(f: Callable[..., Result], primals: Sequence[object], tangents: Sequence[object]) -> tuple[Result, Result]:
    """The value of `f(*primals)` and its derivative in the direction of `tangents`, in one pass forward.

    No graph is kept: memory does not grow with the depth of `f`. Each tangent has the form and shape of its primal.
    TypeError where a primal is not float or complex or `f` gives no Tensor, ValueError where shapes differ.

    >>> jvp(lambda x, y: x * y, (2.0, 5.0), (1.0, 0.0))
    (Tensor(10.), Tensor(5.))
    """
    check_function("jvp", f)
    given, rebuild = flatten(tuple(primals))
    directions = matching(tuple(primals), tuple(tangents), "jvp: tangents")
    with new_level() as level:
        inputs = []
        for i, (x, t) in enumerate(zip(map(asarray, given), map(asarray, directions), strict=True)):
            if x.dtype.kind not in "fc":
                raise TypeError(f"jvp: only float and complex tensors have tangents, primal {i} is {x.dtype}")
            if x.shape != t.shape:
                raise ValueError(f"jvp: tangent {i} has shape {t.shape}, its primal {x.shape}")
            inputs.append(dual(level, plain(x), plain(astype(t, x.dtype))))
        outputs, rebuild = flatten(f(*rebuild(inputs)))
        check_outputs(f, outputs)
        pairs = []
        for out in outputs:
            out = lowered(out, level)
            own = level_of(out) == level
            pairs.append((out._held.value, out._held.tangent) if own else (out, np.zeros(out.shape, out.dtype)))
    return rebuild([asarray(value) for value, _ in pairs]), rebuild([result(tangent) for _, tangent in pairs])


def elementwise_grad(f: Callable[Arguments, object], argnums: int | tuple[int, ...] = 0) -> Callable[Arguments, Any]:
    """The function that gives the gradient of the sum of f's entries: f' of each entry, where f acts on each alone.

    >>> elementwise_grad(lambda x: x**2)([1.0, 2.0])
    Tensor([2., 4.])
    """
    check_function("elementwise_grad", f)
    return grad(wraps(f)(lambda *args, **kwargs: sum(f(*args, **kwargs))), argnums)


def jacfwd(f: Callable[Arguments, object], argnums: int | tuple[int, ...] = 0) -> Callable[Arguments, Any]:
    """As `jacobian`, forward: a tangent for each entry of the arguments (of complex ones backward, all the same).

    >>> jacfwd(lambda x: x**2)([1.0, 2.0])
    Tensor([[2., 0.],
            [0., 4.]])
    """
    return jacobian(f, argnums, mode="forward")


def jacrev(f: Callable[Arguments, object], argnums: int | tuple[int, ...] = 0) -> Callable[Arguments, Any]:
    """As `jacobian`, backward: a cotangent for each entry of the result (of complex ones forward, all the same).

    >>> jacrev(lambda x: x**2)([1.0, 2.0])
    Tensor([[2., 0.],
            [0., 4.]])
    """
    return jacobian(f, argnums, mode="reverse")


def jacobian(
    f: Callable[Arguments, object], argnums: int | tuple[int, ...] = 0, *, mode: str = "fewer"
) -> Callable[Arguments, Any]:
    """The function that gives the derivatives of all entries of f's result: of shape (*result, *argument).

    They are computed all at once: forward, a tangent for each entry of the arguments, or backward, a cotangent for
    each of the result, whichever are fewer, or as `mode` says: "forward" or "reverse". A nest of results, and in it of
    arguments, gives a nest of derivatives.
    For a complex argument they are the gradients of the entries' real parts, f' where `f` is holomorphic.

    >>> jacobian(lambda x: x**2)([1.0, 2.0])
    Tensor([[2., 0.],
            [0., 4.]])
    """

    check_function("jacobian", f)
    if mode not in ("fewer", "forward", "reverse"):
        raise ValueError(f"jacobian: mode={mode!r}; expected 'fewer', 'forward' or 'reverse'")

    @wraps(f)
    def derivatives(*args: Any, **kwargs: Any) -> Any:
        again = surroundings()
        traced = Traced(given(f, kwargs), args, argnums)
        inputs, outputs = traced.inputs, traced.outputs
        fewer = builtins.sum(out.size for out in outputs) < builtins.sum(x.size for x in inputs)
        fewer = (mode == "reverse" or mode == "fewer" and fewer) and all(out.dtype.kind == "f" for out in outputs)
        backward = [x.dtype.kind == "c" or fewer for x in inputs]
        all_at_once = partial(vmap, randomness="same")  # where f is run again
        blocks = [[Tensor(np.zeros((*out.shape, *x.shape), out.dtype)) for x in inputs] for out in outputs]
        for row, out in zip(blocks, outputs, strict=True):
            if out.size and any(backward):
                pulled = all_at_once(lambda unit, out=out: tuple(traced.cotangents([(out, unit)])))(_units(out))
                row[:] = [reshape(g, block.shape) for g, block in zip(pulled, row, strict=True)]
        for j, x in enumerate(inputs):
            if x.size and not backward[j]:
                with again():
                    pushed = all_at_once(lambda unit, j=j: tuple(_tangents(traced, j, unit)), out_axes=-1)(_units(x))
                for row, t in zip(blocks, pushed, strict=True):
                    row[j] = reshape(t, row[j].shape)
        return traced.as_result([traced.as_arguments(row) for row in blocks])

    return derivatives


def _tangents(traced: Traced, position: int, direction: Any) -> list[Tensor]:
    """Those of the outputs, pushed forward from one input."""
    before, after = traced.given[:position], traced.given[position + 1 :]
    moved = lambda x: traced.call([*before, x, *after])  # noqa: E731
    return flatten(jvp(moved, (traced.given[position],), (direction,))[1])[0]


def _units(x: Tensor) -> Any:
    """For each entry of x an array of its shape with 1 there."""
    return np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)


def hessian(f: Callable[Arguments, object], argnums: int | tuple[int, ...] = 0) -> Callable[Arguments, Any]:
    """The function that gives the second derivatives of `f`, whose result has one element: (*argument, *argument).

    They are computed forward over backward, all at once.

    >>> hessian(lambda x: (x**3).sum())([1.0, 2.0])
    Tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    check_function("hessian", f)
    return jacobian(grad(f, argnums), argnums)


def hvp(f: Callable[..., object], primals: Tree, tangents: Any) -> Tree:
    """The Hessian of `f`, whose result has one element, times a vector, without the Hessian: forward over backward.

    `primals` and `tangents` are one argument and a vector of its form, or tuples of them; so is the product.

    >>> hvp(lambda x: (x**3).sum(), [1.0, 2.0], [1.0, 10.0])
    Tensor([  6., 120.])
    """
    check_function("hvp", f)
    if not isinstance(primals, tuple):
        return jvp(grad(f), (primals,), (tangents,))[1]
    return jvp(grad(f, tuple(range(len(primals)))), primals, tangents)[1]


def on_arrays(f: Callable[..., object]) -> Callable[..., Any]:
    """The function that gives NumPy arrays where `f` gives Tensors (numbers for 0-d ones), as SciPy wants them.

    For `minimize(on_arrays(value_and_grad(f)), x0, jac=True, hess=on_arrays(hessian(f)))`, for the `jac` of
    `least_squares`, `root`, `curve_fit` and `solve_ivp`, and for the functions themselves. Arguments pass as they are
    given. The arrays belong to the caller, who may write into them; what graph the Tensors have is left behind.

    >>> on_arrays(value_and_grad(lambda x: (x**2).sum()))(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """

    check_function("on_arrays", f)

    @wraps(f)
    def with_arrays(*args: Any, **kwargs: Any) -> Any:
        return over(lambda out: as_data(out, copy=True) if isinstance(out, Tensor) else out, f(*args, **kwargs))

    return with_arrays


def stop_gradient(x: Tree) -> Tree:
    """The same values as a constant, for derivatives of every mode; of a nest, all that it contains.

    >>> grad(lambda x: x * stop_gradient(x))(3.0)
    Tensor(3.)
    """
    return over(lambda value: asarray(value).detach(), x)
