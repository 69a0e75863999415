"""Derivatives in the forms that HIPS autograd and JAX give them, and nests of values as vectors."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from ..core.pytrees import flatten, over
from ..core.tensor import Tensor
from ..ops.casting import astype
from ..ops.creation import asarray
from ..ops.shape import concatenate, reshape
from .derivatives import grad, hvp, jvp, vjp
from .traced import check_function

__all__ = [
    "grad_and_aux", "grad_named", "hessian_vector_product", "make_hvp", "make_jvp", "make_vjp", "ravel_pytree",
    "tree_leaves", "tree_map", "vector_jacobian_product",
]  # fmt: skip


Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def tree_map(f: Callable[..., object], tree: object, *rest: object) -> Any:
    """Apply `f` to the leaves of a nest of tuples, lists and dictionaries, beside them those of others like it.

    ValueError where another is not of its form. None is a nest without leaves, a list of nothing but numbers a leaf.

    >>> tree_map(lambda p, g: p - g, {"w": 1.0, "b": (2.0,)}, {"w": 0.5, "b": (1.0,)})
    {'w': 0.5, 'b': (1.0,)}
    """
    return over(f, tree, *rest)


def tree_leaves(tree: object) -> list[Any]:
    """Return the leaves of a nest of tuples, lists and dictionaries, in order.

    >>> tree_leaves({"w": 1.0, "b": (2.0, None)})
    [1.0, 2.0]
    """
    return flatten(tree)[0]


def ravel_pytree(tree: object) -> tuple[Tensor, Callable[[Any], Any]]:
    """Return all numbers of a nest as one vector, and the function that makes the nest of such a vector.

    Both are differentiable, and the nest's arrays keep their shapes and dtypes. ValueError for a vector of another
    length. HIPS autograd calls this `flatten`.

    >>> vector, unravel = ravel_pytree({"w": [[1.0, 2.0]], "b": 3.0})
    >>> vector
    Tensor([1., 2., 3.])
    >>> unravel(10 * vector)["w"]
    Tensor([[10., 20.]])
    """
    given, rebuild = flatten(tree)
    leaves = [asarray(leaf) for leaf in given]
    vector = concatenate([reshape(x, -1) for x in leaves]) if leaves else asarray(np.zeros(0))
    ends = np.cumsum([x.size for x in leaves])

    def unravel(vector: Any) -> Any:
        vector = asarray(vector)
        if vector.shape != (sum(x.size for x in leaves),):
            raise ValueError(f"unravel: a vector of shape {vector.shape} for {sum(x.size for x in leaves)} numbers")
        parts = (vector[end - x.size : end] for x, end in zip(leaves, ends, strict=True))
        return rebuild(astype(reshape(part, x.shape), x.dtype) for part, x in zip(parts, leaves, strict=True))

    return vector, unravel


def _of_one(f: Callable[..., Result], args: tuple[Any, ...], argnum: int) -> Callable[[Any], Result]:
    """f as a function of one of its arguments."""
    return lambda x: f(*args[:argnum], x, *args[argnum + 1 :])


def make_vjp(f: Callable[..., Result], argnum: int = 0) -> Callable[..., tuple[Callable[[object], Any], Result]]:
    """The function that gives what pulls a cotangent back to the argument `argnum`, and f's value.

    >>> pull, value = make_vjp(lambda x: x**2)(3.0)
    >>> pull(1.0), value
    (Tensor(6.), Tensor(9.))
    """
    check_function("make_vjp", f)

    @wraps(f)
    def made(*args: Any) -> tuple[Callable[[Any], Any], Any]:
        value, pull = vjp(_of_one(f, args, argnum), args[argnum])
        return (lambda cotangent: pull(cotangent)[0]), value

    return made


def make_jvp(f: Callable[..., Result], argnum: int = 0) -> Callable[..., Callable[[object], tuple[Result, Result]]]:
    """The function that gives what maps a tangent of the argument `argnum` to f's value and its tangent.

    >>> make_jvp(lambda x: x**2)(3.0)(1.0)
    (Tensor(9.), Tensor(6.))
    """
    check_function("make_jvp", f)

    @wraps(f)
    def made(*args: Any) -> Callable[[Any], tuple[Any, Any]]:
        return lambda tangent: jvp(_of_one(f, args, argnum), (args[argnum],), (tangent,))

    return made


def make_hvp(f: Callable[..., object], argnum: int = 0) -> Callable[..., tuple[Callable[[object], Any], Any]]:
    """The function that gives what multiplies a vector by f's Hessian, and f's gradient.

    >>> times, gradient = make_hvp(lambda x: (x**3).sum())([1.0, 2.0])
    >>> times([1.0, 0.0]), gradient
    (Tensor([6., 0.]), Tensor([ 3., 12.]))
    """
    check_function("make_hvp", f)
    return make_vjp(grad(f, argnum), argnum)


def hessian_vector_product(f: Callable[..., object], argnum: int = 0) -> Callable[..., Any]:
    """The function of f's arguments and a vector that gives f's Hessian times the vector.

    >>> hessian_vector_product(lambda x: (x**3).sum())([1.0, 2.0], [1.0, 10.0])
    Tensor([  6., 120.])
    """
    check_function("hessian_vector_product", f)

    def product(*args_and_vector: Any) -> Any:
        *args, vector = args_and_vector
        return hvp(_of_one(f, tuple(args), argnum), args[argnum], vector)

    return product


def vector_jacobian_product(f: Callable[..., object], argnum: int = 0) -> Callable[..., Any]:
    """The function of f's arguments and a cotangent that gives the cotangent times f's Jacobian.

    >>> vector_jacobian_product(lambda x: x**2)([1.0, 2.0], [1.0, 10.0])
    Tensor([ 2., 40.])
    """
    check_function("vector_jacobian_product", f)

    def product(*args_and_vector: Any) -> Any:
        *args, vector = args_and_vector
        return make_vjp(f, argnum)(*args)[0](vector)

    return product


def grad_and_aux(
    f: Callable[Arguments, object], argnums: int | tuple[int, ...] = 0
) -> Callable[Arguments, tuple[Any, Any]]:
    """As `grad(f, argnums, has_aux=True)`: of a function that gives a pair, the first one's gradient and the second.

    >>> grad_and_aux(lambda x: (x**2, "aux"))(3.0)
    (Tensor(6.), 'aux')
    """
    return grad(f, argnums, has_aux=True)


def grad_named(f: Callable[Arguments, object], argname: str) -> Callable[Arguments, Any]:
    """As `grad`, in the argument of this name; ValueError where f has none.

    >>> grad_named(lambda x, y: x * y, "y")(2.0, 5.0)
    Tensor(2.)
    """
    names = list(inspect.signature(f).parameters)
    if argname not in names:
        raise ValueError(f"grad_named: the function has no argument {argname!r}, but {', '.join(names)}")
    return grad(f, names.index(argname))
