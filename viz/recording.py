"""Forms of computation graphs (form.py), made of a Tensor's graph or of what runs while a recording looks on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..autograd import Tensor
from ..extend import Node, Observer, Output, Several, backward_pass, bottom, mode, modes, seed
from ..nn import Module, Parameter
from ..nn.hooks import register_module_forward_hook, register_module_forward_pre_hook
from .form import Argument, Form, Group, Operation, Step, Value

_PACKAGE = __name__.rpartition(".viz")[0]


class Builder:
    """A form in the making: gives ids, and finds the value that stands for a node or an array."""

    def __init__(self, model: Module | None = None, names: Mapping[str, object] | None = None) -> None:
        self.form = Form()
        self.names: dict[Node, list[str]] = {}
        self.parameters: set[Node] = set()
        self.data: dict[Node, Any] = {}
        self.made: dict[Node, Operation] = {}
        self.places: dict[Value, int] = {}  # of results of operations with several
        for name, tensor in model.named_parameters() if model is not None else ():
            self._name(name, tensor)
            self.parameters.update({tensor._node} - {None})
        for name, tensor in (names or {}).items():
            self._name(name, tensor)
        self.of_node: dict[Node, Value] = {}
        self.of_array: dict[int, tuple[Any, Value]] = {}  # by identity; the array is held so that none takes its place

    def _name(self, name: object, tensor: object) -> None:
        if not isinstance(name, str):
            raise TypeError(f"graph: names maps a name to a Tensor, not {name!r} to {type(tensor).__name__}")
        if isinstance(tensor, Tensor) and tensor._node is not None:
            self.names.setdefault(tensor._node, []).append(name)
            self.data[tensor._node] = bottom(tensor)

    def new(self, kind: str, like: Any, data: Any, names: Iterable[str] = ()) -> Value:
        """A value of the shape and dtype of `like`, an array, a Node or a number."""
        shape = getattr(like, "shape", None if like is None else np.shape(like))
        dtype = getattr(like, "dtype", None if like is None else np.asarray(like).dtype)
        value = Value(f"v{len(self.form.values)}", kind, shape, dtype, tuple(names), data)
        self.form.values.append(value)
        return value

    def node(self, node: Node, data: Any = None, kind: str = "leaf") -> Value:
        """The value of a node of the graph."""
        found = self.of_node.get(node)
        if found is None:
            data = self.data.get(node, node.value) if data is None else data
            kind = "value" if node.primitive is not None else "parameter" if node in self.parameters else kind
            found = self.of_node[node] = self.new(kind, node, data, self.names.get(node, ()))
        elif found.data is None:
            found.data = data
        return found

    def array(self, array: Any, kind: str) -> Value:
        """The value of an array that is no node's."""
        held = self.of_array.get(id(array))
        if held is None:
            held = self.of_array[id(array)] = array, self.new(kind, array, array)
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


def of_tensors(builder: Builder, outputs: Iterable[Tensor]) -> Form:
    """The form of the graph behind some Tensors: what requires a gradient, and what the rules saved beside it."""
    seen: set[int] = set()
    outputs = list(outputs)
    for node in _behind([out._node for out in outputs if out._node is not None]):
        if node.primitive is None:
            builder.node(node)
        elif isinstance(node.primitive, Output):
            operation = builder.made[node.edges[0][0]]  # type: ignore[index]
            operation.results.append(_made_by(builder.node(node), operation))
            builder.places[operation.results[-1]] = node.primitive.position
        else:
            operation = builder.made[node] = builder.operation(node.primitive.name)
            _give(builder, operation, node)
            if node.kind is not Several:
                operation.results.append(_made_by(builder.node(node), operation))
            builder.keep(operation, node, seen)
    for out in outputs:
        value = (
            builder.node(out._node, bottom(out)) if out._node is not None else builder.array(bottom(out), "constant")
        )
        value.kind = "output" if value.maker is not None else value.kind
        builder.form.outputs.append(value)
    return builder.form


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


def _made_by(value: Value, operation: Operation) -> Value:
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
        operation.arguments.append(Argument(_role(primitive, position), given[position]))


def _constant(builder: Builder, held: Any) -> Value:
    return builder.array(held, "constant") if isinstance(held, np.ndarray) else builder.new("constant", held, held)


def _role(primitive: Any, position: int) -> str:
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
            value.gradient = bottom(g)
            self.form.steps.append(Step(value, value.gradient))


class Recording(Backward):
    """What ran while it looked on, as a form; made by `recording`."""

    def __init__(self, model: Module | None, builder: Builder, inputs: Iterable[Any]) -> None:
        super().__init__(builder)
        self.paths = {id(module): path for path, module in model.named_modules()} if model is not None else {}
        self.stack: list[tuple[Any, Group]] = []
        self.calls: dict[int, int] = {}
        self.alive: list[Any] = []  # modules and arrays that are known by their identity
        self.saved: set[int] = set()
        for x in inputs:
            self._value(x).kind = "input"

    # Modules

    def enter(self, module: Any, args: Any) -> None:
        """Before the forward pass of a module."""
        if self not in modes.observers:
            return
        parent = self.stack[-1][1] if self.stack else None
        path = self.paths.get(id(module))
        if path is None:
            name = "" if not self.stack else _name_in(self.stack[-1][0], module)
            path = ".".join(filter(None, (parent.path if parent else "", name)))
        call = self.calls[id(module)] = self.calls.get(id(module), 0) + 1
        self.alive.append(module)
        parameters = sum(p.size for p in module.parameters())
        group = Group(f"g{len(self.form.groups)}", path, type(module).__name__, parent, call, parameters)
        if not any(True for _ in module.children()):
            group.extra = module.extra_repr()
        self.form.groups.append(group)
        self.stack.append((module, group))

    def leave(self, module: Any, args: Any, output: Any) -> None:
        """After it, also where it failed: then there is no output."""
        if self not in modes.observers:
            return
        while self.stack:
            last, group = self.stack.pop()
            error = sys.exc_info()[1]
            if error is not None and output is None:
                group.error = self.form.error = f"{type(error).__name__}: {error}"
            if last is module:
                break

    # Operations

    def operation(self, primitive: Any, run: Callable[..., Any]) -> Callable[..., Any]:
        observed = super().operation(primitive, run)

        def told(*args: Any, **options: Any) -> Any:
            try:
                return observed(*args, **options)
            except Exception as error:
                if not self._within:
                    failed = self._operation(primitive, args, options)
                    failed.error = self.form.error = f"{type(error).__name__}: {error}"
                raise

        return told

    def ran(
        self, primitive: Any, args: tuple[Any, ...], options: dict[str, Any], out: Any, seconds: float | None
    ) -> None:
        results = out if isinstance(out, tuple) else (out,)
        if seconds is None or not any(isinstance(result, Tensor) for result in results):
            return  # within another operation, or of arrays alone: the engine's own
        operation = self._operation(primitive, args, options)
        operation.seconds = seconds
        node = None
        for place, result in enumerate(results):
            operation.results.append(_made_by(self._fresh(result), operation))
            self.builder.places[operation.results[-1]] = place
            if isinstance(result, Tensor) and result._node is not None:
                node = result._node.edges[0][0] if isinstance(out, tuple) and result._node.edges else result._node
        if node is not None:
            self.builder.made[node] = operation
        self.builder.keep(operation, node, self.saved)

    def _operation(self, primitive: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Operation:
        given = [Argument(_role(primitive, i), self._value(x)) for i, x in enumerate(args) if x is not None]
        operation = self.builder.operation(primitive.name)
        operation.arguments, operation.options = given, dict(options)
        operation.group = self.stack[-1][1] if self.stack else None
        operation.place = _place()
        return operation

    def _fresh(self, x: Any) -> Value:
        """A new value for a result, also where it is an array that is there already, written anew."""
        node = getattr(x, "_node", None)
        if node is not None:
            return self.builder.node(node, bottom(x))
        array = bottom(x)
        value = self.builder.new("value", array, array)
        if isinstance(array, np.ndarray):
            self.builder.of_array[id(array)] = array, value
        return value

    def _value(self, x: Any) -> Value:
        """The value of an argument, the one that it is the result of if there is one."""
        node, array = getattr(x, "_node", None), bottom(x)
        known = self.builder.of_array.get(id(array))
        if node is not None and (node in self.builder.of_node or known is None):
            kind = "parameter" if isinstance(x, Parameter) else "leaf"
            return self.builder.node(node, array, kind)
        if known is not None:
            return known[1]
        if isinstance(array, np.ndarray):
            return self.builder.array(array, "constant")
        return self.builder.new("constant", array, array)

    def finished(self, outputs: Iterable[Any]) -> Form:
        """The form, of which the outputs are these Tensors."""
        for x in outputs:
            value = self._value(x)
            value.kind = "output" if value.maker is not None else value.kind
            self.form.outputs.append(value)
        return self.form


@contextmanager
def recording(model: Module | None, builder: Builder, inputs: Iterable[Any] = ()) -> Iterator[Recording]:
    """A context in which a `Recording` looks on at this thread's operations, backward passes and calls of modules."""
    made = Recording(model, builder, inputs)
    with ExitStack() as stack:
        stack.enter_context(register_module_forward_pre_hook(made.enter))
        stack.enter_context(register_module_forward_hook(made.leave, always_call=True))
        stack.enter_context(mode(observers=(*modes.observers, made)))
        yield made


def backward_of(builder: Builder, output: Tensor) -> None:
    """Add the steps of a backward pass from an output of one element, which leaves graph and gradients as they were."""
    with mode(observers=(*modes.observers, Backward(builder)), retaining=False):
        backward_pass([seed(output)], None, retain_graph=True, create_graph=False)


def _name_in(module: Any, part: Any) -> str:
    names = (name for name, other in module.named_modules() if other is part)
    return next(names, type(part).__name__)


def _place() -> str:
    """The user's line that led here."""
    frame = sys._getframe(1)
    while frame is not None:
        name = str(frame.f_globals.get("__name__"))
        if name != _PACKAGE and not name.startswith(_PACKAGE + "."):
            return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return ""
