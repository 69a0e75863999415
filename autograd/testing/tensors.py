"""Functions of Tensors as cases, and what only these can be asked: second order, forward mode, batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import numpy as np

from ..core.backward import backward_pass
from ..core.tensor import Tensor, seed, wrap
from ..core.tracing import raw
from ..ops.shape import concatenate, reshape
from ..transforms.derivatives import jvp, vjp
from ..transforms.vmap import vmap
from .case import Case, inner, random, size_of
from .numerical import joined, parts
from .properties import twice


def in_a_row(out: Any) -> Any:
    return concatenate([reshape(o, -1) for o in out]) if isinstance(out, tuple) else out


def as_outputs(out: Any, row: Any) -> Any:
    """Entries in a row in the shapes of several outputs again."""
    if not isinstance(out, tuple):
        return row
    parts = np.split(row, np.cumsum([np.size(o) for o in out])[:-1])
    return tuple(part.reshape(np.shape(o))[()] for part, o in zip(parts, out, strict=True))


def gradients_of(outputs: Any, gradients: Any, inputs: Any, *, create_graph: bool) -> tuple[Any, ...]:
    """The gradients of the outputs, weighted, by the inputs, as Tensors; zeros where they do not depend."""
    nodes = [x._node for x in inputs]
    seeds = [seed(out, g, create_graph) for out, g in zip(outputs, gradients, strict=True) if out.requires_grad]
    found = backward_pass(seeds, set(nodes), retain_graph=create_graph, create_graph=create_graph)
    lifted = (found.get(node, np.zeros(node.shape, node.dtype)[()]) for node in nodes)
    return tuple(g if isinstance(g, Tensor) else wrap(g) for g in lifted)


class Function(Case):
    """A function of Tensors that gives one or several, whose entries are then in a row."""

    def __init__(
        self,
        title: str,
        f: Callable[..., Any],
        arrays: Iterable[Any],
        asked: Sequence[int],
        names: Sequence[str],
        again: Callable[[Case], list[str]],
    ) -> None:
        self.f, self._again = f, again
        super().__init__(title, arrays, asked, names)
        self.v = [random(np.random.default_rng(1), x) for x in self.arrays]

    def results(self, tensors: Any) -> Any:
        """What the function gives."""
        out = self.f(*tensors)
        return tuple(out) if isinstance(out, list) else out

    def run(self, tensors: Any) -> Any:
        """The value as one Tensor."""
        return in_a_row(self.results(tensors))

    def value(self, arrays: Any) -> Any:
        out = self.results([wrap(x[()]) for x in arrays])
        self.shapes = [o.shape for o in out] if isinstance(out, tuple) else None
        return in_a_row(out).numpy()

    def leaves(self, arrays: Any) -> list[Any]:
        return [wrap(x[()]).requires_grad_(i in self.asked) for i, x in enumerate(arrays)]

    def pull(self, arrays: Any, g: Any) -> Any:
        leaves = self.leaves(arrays)
        out = self.run(leaves)
        if out.requires_grad:
            out.backward(g)
        grads = [leaves[i].grad for i in self.asked]  # themselves, not the copies that `numpy` may give
        return [np.zeros_like(arrays[i]) if g is None else raw(g) for i, g in zip(self.asked, grads, strict=True)]

    def rows(self, weights: Any) -> list[Any]:
        leaves = self.leaves(self.arrays)
        out, inputs = self.run(leaves), [leaves[i] for i in self.asked]
        nodes = [x._node for x in inputs]
        found = [np.zeros((len(weights), parts(x.numpy()).size), parts(x.numpy()).dtype) for x in inputs]
        for k, w in enumerate(weights if out.requires_grad else ()):
            g = np.conj(joined(w.reshape(parts(self.out).shape), self.out)).astype(self.out.dtype)
            pulled = backward_pass([seed(out, g)], set(nodes), retain_graph=True, create_graph=False)
            for node, rows in zip(nodes, found, strict=True):
                if node in pulled:
                    rows[k] = parts(np.conj(np.asarray(pulled[node]))).ravel()
        return found

    def again(self) -> list[str]:
        return self._again(self)

    def at(self, arrays: Any) -> Self:
        return type(self)(self.title, self.f, arrays, self.asked, self.names, self._again)

    def entry(self, row: int) -> str:
        if self.shapes is None:
            return super().entry(row)
        part = ("Re ", "Im ")[row % 2] if self.out.dtype.kind == "c" else ""
        row = row // 2 if part else row
        for k, shape in enumerate(self.shapes):
            if row < np.prod(shape):
                return f"{part}output {k}{[int(n) for n in np.unravel_index(row, shape)] or ''}"
            row -= int(np.prod(shape))
        raise IndexError(row)

    def given(self, arrays: Sequence[Any], values: Any, positions: Any = None) -> list[Any]:
        """The arrays with values in place of those at some positions (those that are asked)."""
        places = dict(zip(self.asked if positions is None else positions, values, strict=True))
        return [places.get(i, x) for i, x in enumerate(arrays)]


def forward(case: Function) -> None:
    """<J v, g> = <v, J^T g> for each argument and for all at once (for a linear one J is the primitive itself, and
    J^T its transpose)."""
    grads = dict(zip(case.asked, case.gradients(case.arrays, case.g), strict=True))
    for asked in dict.fromkeys([*((i,) for i in case.asked), tuple(case.asked)]):
        value, tangent = _pushed(case, list(asked), case.run)
        case.compare("value in forward mode", value, "without", case.out, case.exact * size_of(case.out))
        pulled = sum(inner(case.v[i], grads[i]) for i in asked)
        size = sum(np.sum(np.abs(case.v[i] * grads[i])) for i in asked) + np.sum(np.abs(tangent * case.g))
        case.compare("<J v, g>", inner(tangent, case.g), "<v, J^T g>", pulled, case.exact * size, asked[0])


def forward_over_reverse(case: Function) -> None:
    """Second derivatives by forward over reverse agree with those by reverse over reverse."""

    def pulled_back(tensors: list[Any]) -> Any:
        grads = vjp(lambda *asked: case.run(case.given(tensors, asked)), *(tensors[i] for i in case.asked))[1](case.g)
        return concatenate([reshape(x, -1) for x in grads])

    leaves = case.leaves(case.arrays)
    inputs = [leaves[i] for i in case.asked]
    v = [case.v[i] for i in case.asked]
    first = gradients_of([case.run(leaves)], [case.g], inputs, create_graph=True)
    second = gradients_of(first, v, inputs, create_graph=False)
    terms = np.concatenate([np.ravel(x.numpy() * t) for x, t in zip(second, v, strict=True)])
    along = _pushed(case, case.asked, pulled_back)[1] * np.concatenate([np.ravel(t) for t in v])
    size = sum(np.sum(np.abs(x)) for x in (terms, along, *(g.numpy() for g in first)))
    total = np.sum(along).real, np.sum(terms).real
    case.compare("forward over reverse", total[0], "reverse over reverse", total[1], case.exact * size)


def _pushed(case: Function, asked: list[int], f: Callable[[list[Any]], Any]) -> Any:
    def moved(*inputs: Any) -> Any:
        return f(case.given([wrap(x[()]) for x in case.arrays], inputs, asked))

    value, tangent = jvp(moved, tuple(case.arrays[i] for i in asked), tuple(case.v[i] for i in asked))
    return value.numpy(), tangent.numpy()


def batched(case: Function) -> None:
    """vmap over three examples, of one argument or of all, gives what they give in turn: values and gradients."""

    def pulled(*arrays: Any) -> Any:
        value, pull_back = vjp(lambda *asked: case.run(case.given(arrays, asked)), *(arrays[i] for i in case.asked))
        return value, *pull_back(case.g)

    for positions in dict.fromkeys([*((i,) for i in case.asked), tuple(range(len(case.arrays)))]):
        scaled = ([x * s if i in case.asked else x for i, x in enumerate(case.arrays)] for s in (1.0, 0.9, 0.95))
        rows = [case.given(case.arrays, [x[i] for i in positions], positions) for x in scaled]
        columns = [np.stack(x) if i in positions else x[0] for i, x in enumerate(zip(*rows, strict=True))]
        axes = tuple(0 if i in positions else None for i in range(len(columns)))
        batch = vmap(pulled, axes)(*(wrap(x) for x in columns))
        turns = zip(*(pulled(*(wrap(x[()]) for x in row)) for row in rows), strict=True)
        for i, actual, each in zip((None, *case.asked), batch, turns, strict=True):
            what, expected = "value" if i is None else "gradient", np.stack([x.numpy() for x in each])
            tolerance = case.exact * max(size_of(expected), size_of(case.out))
            case.compare(f"{what} in a batch", actual.numpy(), "in turn", expected, tolerance, i)


def one_tensor_twice(case: Function) -> None:
    """One Tensor given for two arguments gets the sum of both gradients."""
    for i, j, arrays in twice(case):
        leaves = case.leaves(arrays)
        leaves[i] = leaves[j]
        with np.errstate(all="ignore"):
            case.run(leaves).backward(case.g)
            each = dict(zip(case.asked, case.gradients(arrays, case.g), strict=True))
        size = size_of(each[i]) + size_of(each[j])
        what = f"gradient of a Tensor given for {case.names[i]} too"
        case.compare(what, leaves[j].grad.numpy(), "the sum of both", each[i] + each[j], case.exact * size, j)
