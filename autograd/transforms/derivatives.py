"""Functions that turn a function of tensors into its derivatives, or into one of batches.

Arguments and results are Tensors, arrays, numbers, or nests of them: tuples, dictionaries, and lists (a list of nothing
but numbers is an array, as it is everywhere). Transforms nest, in any order: within `f` an argument stands for itself
alone, so that a derivative inside a derivative never mixes up what is held fixed with what varies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any

import numpy as np

from ..core.backward import backward_pass
from ..core.batching import Batched
from ..core.forward import dual
from ..core.graph import enable_grad, mode, modes
from ..core.pytrees import flatten, matching, over
from ..core.replay import surroundings
from ..core.tensor import Tensor, apart, as_data, carried, leaf, lowered, plain, result, seed, wrap
from ..core.tracing import level_of, new_level
from ..ops.casting import astype
from ..ops.creation import asarray
from ..ops.elementwise import positive
from ..ops.shape import broadcast_to, moveaxis, reshape

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "on_arrays", "stop_gradient", "value_and_grad", "vjp", "vmap"]


def grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
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
    _function("grad", f)
    both = value_and_grad(f, argnums, has_aux)

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, gradients = both(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return gradient


def value_and_grad(
    f: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """As `grad`, but the function gives the pair of value and gradient.

    >>> value_and_grad(lambda x, y: x * y, argnums=(0, 1))(2.0, 5.0)
    (Tensor(10.), (Tensor(5.), Tensor(2.)))
    """

    _function("value_and_grad", f)

    @wraps(f)
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        traced = _Traced(_given(f, kwargs), args, argnums, has_aux)
        if isinstance(traced.result, Tensor) and traced.result.size != 1:
            raise RuntimeError(
                f"{_name(f)}: a gradient is of one number, and the result has the shape {traced.result.shape}; "
                "give its sum or mean, or write jacobian(f), or vjp(f, x) with a cotangent"
            )
        if not isinstance(traced.result, Tensor):
            raise TypeError(f"{_name(f)}: expected a Tensor as the result, not a {type(traced.result).__name__}")
        if traced.result.dtype.kind not in "fc":
            raise TypeError(f"{_name(f)}: a result of dtype {traced.result.dtype} has no gradient")
        gradients = traced.as_arguments(traced.cotangents([(traced.result, None)]))
        return (traced.value, traced.aux) if has_aux else traced.value, gradients

    return value_and_gradient


def vjp(f: Callable[..., Any], *args: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """The value of `f` and the function that pulls a cotangent of it back to all arguments, as often as wanted.

    >>> value, pull_back = vjp(lambda x, y: x * y, 2.0, 5.0)
    >>> pull_back(10.0)
    (Tensor(50.), Tensor(20.))
    """
    _function("vjp", f)
    traced = _Traced(f, args, tuple(range(len(args))))

    def pull_back(cotangent: Any) -> Any:
        given = matching(traced.result, cotangent, "vjp: cotangents")
        return traced.as_arguments(traced.cotangents(zip(traced.outputs, given, strict=True)))

    return traced.value, pull_back


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """The value of `f(*primals)` and its derivative in the direction of `tangents`, in one pass forward.

    No graph is kept: memory does not grow with the depth of `f`. Each tangent has the form and shape of its primal.
    TypeError where a primal is not float or complex or `f` gives no Tensor, ValueError where shapes differ.

    >>> jvp(lambda x, y: x * y, (2.0, 5.0), (1.0, 0.0))
    (Tensor(10.), Tensor(5.))
    """
    _function("jvp", f)
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
        _check(f, outputs)
        pairs = []
        for out in outputs:
            out = lowered(out, level)
            own = level_of(out) == level
            pairs.append((out._held.value, out._held.tangent) if own else (out, np.zeros(out.shape, out.dtype)))
    return rebuild([asarray(value) for value, _ in pairs]), rebuild([result(tangent) for _, tangent in pairs])


def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0, randomness: str = "error") -> Callable[..., Any]:
    """The function that does to all examples of a batch, at once, what `f` does to one.

    `in_axes` is the axis of the examples in every argument, or a tuple of them, one for each argument (a number for all
    that it contains, or a nest of its form); None for an argument that all examples share. `out_axes` says the same of
    the results, None of one that is the same for all. ValueError where the arguments have different numbers of examples
    or none, and where `out_axes` is None for a result that depends on the example.

    Indices, masks to write by, counts and options may differ from example to example, too; where the functions that
    take them have no form for all examples at once, they are called for one after another. What gives results whose
    shapes differ is an error (`x[mask]`, `nonzero`, `unique`, `trim_zeros`): `where(mask, x, 0)`, `where=mask` of a
    reduction and `minlength=` of `bincount` give results of one shape.

    Where `f` draws random numbers of `nn` (dropout), `randomness` says whether they are "different" for each example
    or the "same" for all, as in PyTorch; RuntimeError where it does not ("error").

    >>> vmap(lambda x, y: x @ y)([[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [0.0, 1.0]])
    Tensor([1., 4.])
    >>> vmap(grad(lambda w, x: (w * x) ** 2), in_axes=(None, 0))(3.0, [1.0, 2.0])
    Tensor([ 6., 24.])
    """

    _function("vmap", f)
    if randomness not in ("error", "different", "same"):
        raise ValueError(f"vmap: randomness {randomness!r}; expected 'error', 'different' or 'same'")

    @wraps(f)
    def on_batches(*args: Any, **kwargs: Any) -> Any:
        given, rebuild = flatten(args)
        axes = _axes(in_axes, args, "in_axes")
        tensors = [asarray(x) for x in given]
        for x, axis in zip(tensors, axes, strict=True):
            if axis is not None and not -x.ndim <= axis < x.ndim:
                raise ValueError(f"vmap: in_axes {in_axes} has axis {axis} for an argument of shape {x.shape}")
        counts = {x.shape[axis] for x, axis in zip(tensors, axes, strict=True) if axis is not None}
        if len(counts) != 1 or 0 in counts:
            shapes = ", ".join(str(x.shape) for x in tensors)
            raise ValueError(f"vmap: in_axes {in_axes} of arguments of shapes {shapes} give no one number of examples")
        (n,) = counts
        with new_level() as level, mode(batches=(*modes.batches, (level, n, randomness))):
            inputs = [
                x if axis is None else batched(level, moveaxis(x, axis, 0))
                for x, axis in zip(tensors, axes, strict=True)
            ]
            result = f(*rebuild(inputs), **kwargs)
            outputs, rebuild = flatten(result)
            places = _axes(out_axes, result, "out_axes")
            values = [_outside(asarray(out), level, n, axis) for out, axis in zip(outputs, places, strict=True)]
        return rebuild(values)

    return on_batches


def batched(level: int, x: Any) -> Tensor:
    """The examples along the first axis of a Tensor, as one value."""
    return wrap(Batched(level, plain(x)))


def _outside(out: Tensor, level: int, n: int, axis: int | None) -> Tensor:
    """A result with the batch axis where it is wanted."""
    out = lowered(out, level)
    own = level_of(out) == level
    if axis is None:
        if own:
            raise ValueError(f"vmap: out_axes is None for a result of shape {out.shape} that depends on the example")
        return out
    return apart(moveaxis(asarray(out._held.value) if own else broadcast_to(out, (n, *out.shape)), 0, axis))


def _axes(axes: Any, tree: Any, name: str) -> list[Any]:
    """The axis of each leaf: `axes` is a number or None, or has the form of the nest or of its upper part."""
    if axes is None or isinstance(axes, int):
        return [axes] * len(flatten(tree)[0])
    if isinstance(tree, dict) and isinstance(axes, dict) and tree.keys() == axes.keys():
        parts = [(axes[key], tree[key]) for key in tree]
    elif isinstance(tree, (list, tuple)) and isinstance(axes, (list, tuple)) and len(axes) == len(tree):
        parts = list(zip(axes, tree, strict=True))
    else:
        raise ValueError(f"vmap: {name} {axes} has not the form of what it is for")
    return [axis for part in parts for axis in _axes(*part, name)]


def jacobian(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """The function that gives the derivatives of all entries of f's result: of shape (*result, *argument).

    They are computed all at once: forward, a tangent for each entry of the arguments, or backward, a cotangent for
    each of the result, whichever are fewer. A nest of results, and in it of arguments, gives a nest of derivatives.
    For a complex argument they are the gradients of the entries' real parts, f' where `f` is holomorphic.

    >>> jacobian(lambda x: x**2)([1.0, 2.0])
    Tensor([[2., 0.],
            [0., 4.]])
    """

    _function("jacobian", f)

    @wraps(f)
    def derivatives(*args: Any, **kwargs: Any) -> Any:
        again = surroundings()
        traced = _Traced(_given(f, kwargs), args, argnums)
        inputs, outputs = traced.inputs, traced.outputs
        fewer = sum(out.size for out in outputs) < sum(x.size for x in inputs)
        fewer = fewer and all(out.dtype.kind == "f" for out in outputs)
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
                    pushed = all_at_once(lambda unit, j=j: tuple(traced.tangents(j, unit)), out_axes=-1)(_units(x))
                for row, t in zip(blocks, pushed, strict=True):
                    row[j] = reshape(t, row[j].shape)
        return traced.as_result([traced.as_arguments(row) for row in blocks])

    return derivatives


def _units(x: Tensor) -> Any:
    """For each entry of x an array of its shape with 1 there."""
    return np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)


def hessian(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """The function that gives the second derivatives of `f`, whose result has one element: (*argument, *argument).

    They are computed forward over backward, all at once.

    >>> hessian(lambda x: (x**3).sum())([1.0, 2.0])
    Tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    _function("hessian", f)
    return jacobian(grad(f, argnums), argnums)


def hvp(f: Callable[..., Any], primals: Any, tangents: Any) -> Any:
    """The Hessian of `f`, whose result has one element, times a vector, without the Hessian: forward over backward.

    `primals` and `tangents` are one argument and a vector of its form, or tuples of them; so is the product.

    >>> hvp(lambda x: (x**3).sum(), [1.0, 2.0], [1.0, 10.0])
    Tensor([  6., 120.])
    """
    _function("hvp", f)
    if not isinstance(primals, tuple):
        return jvp(grad(f), (primals,), (tangents,))[1]
    return jvp(grad(f, tuple(range(len(primals)))), primals, tangents)[1]


def on_arrays(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function that gives NumPy arrays where `f` gives Tensors (numbers for 0-d ones), as SciPy wants them.

    For `minimize(on_arrays(value_and_grad(f)), x0, jac=True, hess=on_arrays(hessian(f)))`, for the `jac` of
    `least_squares`, `root`, `curve_fit` and `solve_ivp`, and for the functions themselves. Arguments pass as they are
    given. The arrays belong to the caller, who may write into them; what graph the Tensors have is left behind.

    >>> on_arrays(value_and_grad(lambda x: (x**2).sum()))(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """

    _function("on_arrays", f)

    @wraps(f)
    def with_arrays(*args: Any, **kwargs: Any) -> Any:
        return over(lambda out: as_data(out, copy=True) if isinstance(out, Tensor) else out, f(*args, **kwargs))

    return with_arrays


def stop_gradient(x: Any) -> Any:
    """The same values as a constant, for derivatives of every mode; of a nest, all that it contains.

    >>> grad(lambda x: x * stop_gradient(x))(3.0)
    Tensor(3.)
    """
    return over(lambda value: asarray(value).detach(), x)


class _Traced:
    """The result of a function, recorded from fresh nodes for those of its arguments that are differentiated."""

    def __init__(self, f: Callable[..., Any], args: tuple[Any, ...], argnums: Any, has_aux: bool = False) -> None:
        self.f, self.args, self.argnums = f, args, argnums
        self.numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        if not self.numbers or any(not -len(args) <= i < len(args) for i in self.numbers):
            raise ValueError(f"argnums {argnums} given for a call with {len(args)} arguments")
        chosen = args[argnums] if isinstance(argnums, int) else tuple(args[i] for i in argnums)
        leaves, self.as_arguments = flatten(chosen)
        self.given = [asarray(x) for x in leaves]
        with enable_grad():
            self.inputs = [_fresh(x) for x in self.given]
            self.result = self.call(self.inputs)
        if has_aux:
            self.result, aux = self.result
        self.outputs, self.as_result = flatten(self.result)
        _check(f, self.outputs)
        self.create_graph = any(_goes_on(out, self.inputs) for out in self.outputs)
        level = 2 * modes.depth - 1

        def outside(x: Any) -> Any:
            """With its graph if that goes on beyond the arguments."""
            return x if self.create_graph or not isinstance(x, Tensor) else lowered(x, level)

        self.value = self.as_result(map(outside, self.outputs))
        self.aux = over(outside, aux) if has_aux else None

    def call(self, values: Any) -> Any:
        """The function, with other values in place of the arguments that are differentiated."""
        chosen = self.as_arguments(values)
        arguments = list(self.args)
        for i, value in zip(self.numbers, chosen if not isinstance(self.argnums, int) else (chosen,), strict=True):
            arguments[i] = value
        return self.f(*arguments)

    def cotangents(self, pairs: Any) -> list[Tensor]:
        """Those of the inputs, pulled back from pairs of an output and its cotangent."""
        nodes: list[Any] = [x._node for x in self.inputs]
        starts = [seed(out, g, self.create_graph or carried(g)) for out, g in pairs if out._node is not None]
        found = backward_pass(starts, set(nodes), retain_graph=True, create_graph=self.create_graph) if starts else {}
        grads = (found.get(node, np.zeros(x.shape, x.dtype)[()]) for x, node in zip(self.inputs, nodes, strict=True))
        return list(map(result, grads))

    def tangents(self, position: int, direction: Any) -> list[Tensor]:
        """Those of the outputs, pushed forward from one input."""
        before, after = self.given[:position], self.given[position + 1 :]
        moved = lambda x: self.call([*before, x, *after])  # noqa: E731
        return flatten(jvp(moved, (self.given[position],), (direction,))[1])[0]


def _given(f: Callable[..., Any], kwargs: dict[str, Any]) -> Callable[..., Any]:
    return wraps(f)(partial(f, **kwargs)) if kwargs else f


def _function(caller: str, f: Any) -> None:
    if not callable(f):
        raise TypeError(
            f"{caller}: expected a function, not a {type(f).__name__}: write {caller}(f) of a function f of it"
            + "; the gradients of a Tensor that was computed are t.backward() and x.grad, or grads(t, x)"
            * isinstance(f, Tensor)
        )


def _name(f: Any) -> str:
    return getattr(f, "__name__", repr(f))


def _check(f: Any, outputs: list[Any]) -> None:
    wrong = [out for out in outputs if not isinstance(out, Tensor)]
    if wrong or not outputs:
        kind = type(wrong[0]).__name__ if wrong else "None"
        raise TypeError(f"{_name(f)}: expected a Tensor as the result, not a {kind}")


def _fresh(x: Tensor) -> Tensor:
    """The same value from a node of its own, at the level of this depth."""
    level = 2 * modes.depth
    if x._node is not None and x._node.level == level:
        return positive(x)
    if x.dtype.kind not in "fc":
        raise TypeError(f"only float and complex tensors have gradients, not {x.dtype}")
    return leaf(plain(x), level)


def _goes_on(value: Tensor, inputs: list[Tensor]) -> bool:
    """Whether the graph behind a value leads past the inputs, to what is older: then its derivatives need one, too."""
    oldest = max((x._node.order for x in inputs if x._node is not None), default=0)
    nodes = [] if value._node is None else [value._node]
    seen = set(nodes)
    for node in nodes:
        for parent, _, _ in node.edges or ():
            if parent.order > oldest:
                return True
            if parent not in seen:
                seen.add(parent)
                nodes.append(parent)
    return False
