"""Forms of computation graphs (form.py), made of a Tensor's graph, and the steps of a backward pass through it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..autograd import Tensor
from ..extend import Node, Observer, Output, Several, backward_pass, bottom, mode, modes, seed
from ..nn import Module
from .form import FEW, Argument, Form, Operation, Step, Value


class Builder:
    """A form in the making: gives ids, and finds the value that stands for a node or an array."""

    def __init__(self, model: Module | None = None) -> None:
        self.form = Form()
        self.parameters: dict[Any, tuple[str, Any]] = {}  # name and data, by the node or (frozen) the array's identity
        self.made: dict[Node, Operation] = {}
        self.places: dict[Value, int] = {}  # of results of operations with several
        self.of_node: dict[Node, Value] = {}
        self.of_array: dict[int, tuple[Any, Value]] = {}  # by identity; the array is held so that none takes its place
        for name, tensor in model.named_parameters(remove_duplicate=False) if model is not None else ():
            key = id(bottom(tensor)) if tensor._node is None else tensor._node
            first, _ = self.parameters.get(key, ("", None))
            self.parameters[key] = " = ".join(filter(None, (first, name))), bottom(tensor)

    def named(self, names: Mapping[str, object] | None) -> None:
        """Give names to the values of Tensors and arrays."""
        for name, tensor in (names or {}).items():
            if not isinstance(name, str):
                raise TypeError(f"graph: names maps a name to a Tensor, not {name!r} to {type(tensor).__name__}")
            if isinstance(tensor, (Tensor, np.ndarray)):
                node, array = getattr(tensor, "_node", None), bottom(tensor)
                known = self.of_array.get(id(array))
                value = self.of_node.get(node) if node is not None else known and known[1]
                if value is not None and name not in value.names:
                    value.names = (*value.names, name)
                    value.data = as_it_is(array) if value.data is None else value.data

    def new(self, kind: str, like: Any, data: Any, names: Iterable[str] = ()) -> Value:
        """A value of the shape and dtype of `like`, an array, a Node or a number."""
        shape = getattr(like, "shape", None if like is None else np.shape(like))
        dtype = getattr(like, "dtype", None if like is None else np.asarray(like).dtype)
        value = Value(f"v{len(self.form.values)}", kind, shape, dtype, tuple(names), as_it_is(data))
        self.form.values.append(value)
        return value

    def node(self, node: Node, data: Any = None, kind: str = "leaf") -> Value:
        """The value of a node of the graph."""
        found = self.of_node.get(node)
        if found is None:
            name, held = self.parameters.get(node, ("", node.value))
            kind = "value" if node.primitive is not None else "parameter" if name else kind
            found = self.of_node[node] = self.new(kind, node, held if data is None else data, filter(None, [name]))
        elif found.data is None:
            found.data = as_it_is(data)
        return found

    def array(self, array: Any, kind: str) -> Value:
        """The value of an array that is no node's."""
        held = self.of_array.get(id(array))
        if held is None:
            name, _ = self.parameters.get(id(array), ("", None))
            kind = "parameter" if name else kind
            held = self.of_array[id(array)] = array, self.new(kind, array, array, filter(None, [name]))
        return held[1]

    def operation(self, name: str) -> Operation:
        made = Operation(f"o{len(self.form.operations)}", name)
        self.form.operations.append(made)
        return made

    def keep(self, operation: Operation, node: Node | None, seen: set[int]) -> None:
        """Note what the rules of a node save: of arguments and results which, of all else how many bytes."""
        roles = {role: value for role, value in operation.arguments}
        for _, recorded, saved in (node.edges or ()) if node is not None else ():
            rule, saved = recorded.standing_in(recorded, saved)
            for need, held in zip(getattr(rule, "needs", ()), saved, strict=False):
                if need == "out":
                    for result, data in zip(
                        operation.results, held if len(operation.results) > 1 else [held], strict=False
                    ):
                        result.kept, result.data = True, data if result.data is None else result.data
                elif need in roles:
                    roles[need].kept = True
                elif isinstance(held, np.ndarray) and id(held) not in seen:
                    seen.add(id(held))
                    operation.kept += held.nbytes


def as_it_is(data: Any) -> Any:
    """An array, of few entries a copy: what is written into it later is not seen."""
    return data.copy() if isinstance(data, np.ndarray) and data.size <= FEW else data


def of_tensors(builder: Builder, outputs: Iterable[Tensor]) -> Form:
    """The form of the graph behind some Tensors: what requires a gradient, and what the rules saved beside it."""
    outputs = list(outputs)
    add_behind(builder, [out._node for out in outputs if out._node is not None])
    for out in outputs:
        value = (
            builder.node(out._node, bottom(out)) if out._node is not None else builder.array(bottom(out), "constant")
        )
        value.kind = "output" if value.maker is not None else value.kind
        builder.form.outputs.append(value)
    return builder.form


def add_behind(builder: Builder, nodes: Iterable[Node]) -> None:
    """Add the operations that lead to some nodes, and are not there yet."""
    seen: set[int] = set()
    for node in _behind(nodes):
        known = builder.of_node.get(node)
        if node in builder.made or (known is not None and known.maker is not None):
            continue
        if node.primitive is None:
            builder.node(node)
        elif isinstance(node.primitive, Output):
            operation = builder.made[node.edges[0][0]]  # type: ignore[index]
            operation.results.append(made_by(builder.node(node), operation))
            builder.places[operation.results[-1]] = node.primitive.position
        else:
            operation = builder.made[node] = builder.operation(node.primitive.name)
            _give(builder, operation, node)
            if node.kind is not Several:
                operation.results.append(made_by(builder.node(node), operation))
            builder.keep(operation, node, seen)


def _behind(nodes: Iterable[Node]) -> list[Node]:
    """All nodes that lead to some, oldest first."""
    seen = set(nodes)
    waiting = list(seen)
    while waiting:
        node = waiting.pop()
        if node.edges is None:
            raise RuntimeError(
                f"graph: the graph behind {node!r} was freed by backward; "
                "draw it before, or pass retain_graph=True to backward"
            )
        for parent, _, _ in node.edges:
            if parent not in seen:
                seen.add(parent)
                waiting.append(parent)
    return sorted(seen, key=lambda node: -node.order)


def made_by(value: Value, operation: Operation) -> Value:
    value.maker = operation
    return value


def _give(builder: Builder, operation: Operation, node: Node) -> None:
    """Give an operation its arguments and options as far as the node knows them."""
    primitive = node.primitive
    arrays = primitive.arrays
    rules = [(parent, *rule.standing_in(rule, saved)) for parent, rule, saved in node.edges or ()]
    given = {rule.position: builder.node(parent) for parent, rule, _ in rules}
    for _, rule, saved in rules:
        for need, held in zip(getattr(rule, "needs", ()), saved, strict=False):
            if need in arrays and held is not None:
                position = arrays.index(need)
                if position not in given:
                    given[position] = _constant(builder, held)
                elif given[position].data is None:
                    given[position].data = held
            elif need in getattr(primitive, "options", ()):
                operation.options.setdefault(need, held)
    for position in range(len(arrays) if len(arrays) == 2 else 0):  # a third is often one that may be left out
        if position not in given:  # nothing was saved of it
            given[position] = builder.new("constant", None, None)
    for position in sorted(given):
        operation.arguments.append(Argument(role(primitive, position), given[position]))


def _constant(builder: Builder, held: Any) -> Value:
    return builder.array(held, "constant") if isinstance(held, np.ndarray) else builder.new("constant", held, held)


def role(primitive: Any, position: int) -> str:
    arrays = primitive.arrays
    return arrays[position] if position < len(arrays) else f"{primitive.variadic}[{position - len(arrays)}]"


class Backward(Observer):
    """Adds the steps of a backward pass to the form of the graph that it goes through."""

    def __init__(self, builder: Builder) -> None:
        self.builder, self.form = builder, builder.form
        self.stepped: set[Node] = set()

    def pulled(
        self, rule: Any, node: Node, g: Any, saved: tuple[Any, ...], cotangent: Any, seconds: float | None
    ) -> None:
        operation = self.builder.made.get(node)
        if operation is None:
            return
        if node not in self.stepped:
            self.stepped.add(node)
            parts = g if isinstance(g, Several) else (g,)
            for value in operation.results:
                self._step(value, parts[self.builder.places.get(value, 0)])
        if seconds is not None:
            operation.back_seconds = (operation.back_seconds or 0.0) + seconds

    def arrived(self, node: Node, g: Any) -> None:
        value = self.builder.of_node.get(node)
        if value is not None:
            self._step(value, g)

    def _step(self, value: Value, g: Any) -> None:
        if g is not None:
            value.gradient = as_it_is(bottom(g))
            self.form.steps.append(Step(value, value.gradient))


def backward_of(builder: Builder, output: Tensor) -> None:
    """Add the steps of a backward pass from an output of one element, which leaves graph and gradients as they were."""
    with mode(observers=(*modes.observers, Backward(builder)), retaining=False):
        backward_pass([seed(output)], None, retain_graph=True, create_graph=False)
