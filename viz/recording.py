"""Forms of computation graphs (form.py), made of what runs while a recording looks on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np

from ..autograd import Tensor, tree_leaves
from ..extend import Node, Output, bottom, mode, modes
from ..nn import Module, Parameter
from ..nn.hooks import register_module_forward_hook, register_module_forward_pre_hook
from .builder import Backward, Builder, add_behind, made_by, role
from .form import Argument, Form, Group, Operation, Value

_PACKAGE = __name__.rpartition(".viz")[0]


class Recording(Backward):
    """What ran while it looked on, as a form; made by `recording`."""

    def __init__(self, model: Module | None, builder: Builder, inputs: Iterable[Any]) -> None:
        super().__init__(builder)
        self.paths = {id(module): path for path, module in model.named_modules()} if model is not None else {}
        self.stack: list[tuple[Any, Group]] = []
        self.calls: dict[int, int] = {}
        self.known: dict[int, tuple[Any, int, str]] = {}  # a module, how many parameters it has, what its repr says
        self.saved: set[int] = set()
        self._differentiated = False  # whether what runs is a rule on Tensors, of which the operations are recorded
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
        if id(module) not in self.known:
            leaf = not any(True for _ in module.children())
            size = sum(p.size for p in module.parameters())
            self.known[id(module)] = module, size, module.extra_repr() if leaf else ""
        _, parameters, extra = self.known[id(module)]
        group = Group(f"g{len(self.form.groups)}", path, type(module).__name__, parent, call, parameters, extra)
        group.arguments = [self._value(x) for x in tree_leaves(args) if isinstance(x, (Tensor, np.ndarray))]
        for value in group.arguments if parent is None else ():
            value.kind = "input" if value.kind == "constant" and value.maker is None else value.kind
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
                group.error = f"{type(error).__name__}: {error}"
            if last is module:
                break

    # Operations

    def operation(self, primitive: Any, run: Callable[..., Any]) -> Callable[..., Any]:
        """What runs in place of a primitive, noted also where it fails."""
        observed = super().operation(primitive, run)

        def told(*args: Any, **options: Any) -> Any:
            within, differentiated = self._within, self._differentiated
            self._within, self._differentiated = within and not differentiated, False
            try:
                return observed(*args, **options)
            except Exception as error:
                if not self._within:
                    failed = self._operation(primitive, args, options)
                    failed.error = f"{type(error).__name__}: {error}"
                raise
            finally:
                self._within, self._differentiated = within, differentiated

        return told

    def rule(self, rule: Any, node: Node, parent: Node) -> Any:
        """Wrap a rule; one that runs on Tensors (create_graph=True) is made of operations that are recorded, too, but
        not what a checkpoint runs again."""
        observed = super().rule(rule, node, parent)
        if isinstance(rule, Output):
            return observed
        again = observed is rule
        stand_in: Any = copy(observed)
        run = stand_in.function

        def told(g: Any, *saved: Any) -> Any:
            within, differentiated = self._within, self._differentiated
            self._within, self._differentiated = within or again, isinstance(g, Tensor)
            try:
                return run(g, *saved)
            finally:
                self._within, self._differentiated = within, differentiated

        stand_in.function = told
        return stand_in

    def ran(
        self, primitive: Any, args: tuple[Any, ...], options: dict[str, Any], out: Any, seconds: float | None
    ) -> None:
        """Note an operation on Tensors; what runs within another, or on arrays alone, is the engine's own."""
        results = out if isinstance(out, tuple) else (out,)
        if seconds is None or not any(isinstance(result, Tensor) for result in results):
            return
        operation = self._operation(primitive, args, options)
        operation.seconds = seconds
        node = None
        for place, result in enumerate(results):
            operation.results.append(made_by(self._fresh(result), operation))
            self.builder.places[operation.results[-1]] = place
            if isinstance(result, Tensor) and result._node is not None:
                node = result._node.edges[0][0] if isinstance(out, tuple) and result._node.edges else result._node
        if node is not None:
            self.builder.made[node] = operation
        self.builder.keep(operation, node, self.saved)

    def _operation(self, primitive: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Operation:
        given = [Argument(role(primitive, i), self._value(x)) for i, x in enumerate(args) if x is not None]
        operation = self.builder.operation(primitive.name)
        operation.arguments, operation.options = given, dict(options)
        operation.group = self.stack[-1][1] if self.stack else None
        operation.place = _place()
        return operation

    def _fresh(self, x: Any) -> Value:
        """A new value for a result, also where it is an array that is there already, written anew."""
        node, array = getattr(x, "_node", None), bottom(x)
        value = self.builder.new("value", array, array) if node is None else self.builder.node(node, array)
        if isinstance(array, (np.ndarray, np.generic)):
            self.builder.of_array[id(array)] = array, value
        return value

    def _value(self, x: Any) -> Value:
        """The value of an argument, the one that it is the result of if there is one."""
        node, array = getattr(x, "_node", None), bottom(x)
        known = self.builder.of_array.get(id(array))
        if node is not None and (node in self.builder.of_node or known is None or not modes.checkpoints):
            if known is not None and node.primitive is not None and node not in self.builder.of_node:
                return known[1]  # what came out of a checkpoint, by another node than inside
            value = self.builder.node(node, array, "parameter" if isinstance(x, Parameter) else "leaf")
            self.builder.of_array.setdefault(id(array), (array, value))
            return value
        if known is not None:
            return known[1]
        if isinstance(array, np.ndarray):
            return self.builder.array(array, "parameter" if isinstance(x, Parameter) else "constant")
        return self.builder.new("constant", array, array)

    def finished(self, outputs: Iterable[Any] | None = None) -> Form:
        """The form, of which the outputs are these Tensors, or the values that the backward passes began with, or, if
        none did, those that nothing reads."""
        if outputs is None:
            stepped = {value.maker for value, _ in self.form.steps}
            ran = [op for op in self.form.operations if op in stepped or not stepped - {None}]
            read = {value for operation in ran for _, value in operation.arguments}
            found = [value for operation in ran for value in operation.results if value not in read]
        else:
            outputs = list(outputs)
            found = [self._value(x) for x in outputs]
            add_behind(self.builder, [x._node for x, value in zip(outputs, found, strict=True) if _unseen(x, value)])
        for value in found:
            value.kind = "output" if value.maker is not None else value.kind
        self.form.outputs[:] = found
        return self.form


@contextmanager
def recording(model: Module | None, builder: Builder, inputs: Iterable[Any] = ()) -> Iterator[Recording]:
    """A context in which a `Recording` looks on at this thread's operations, backward passes and calls of modules."""
    made = Recording(model, builder, inputs)
    with ExitStack() as stack:
        stack.enter_context(register_module_forward_pre_hook(made.enter))
        stack.enter_context(register_module_forward_hook(made.leave, always_call=True))
        stack.enter_context(mode(observers=(*modes.observers, made)))
        try:
            yield made
        except Exception as error:
            builder.form.error = f"{type(error).__name__}: {error}"
            raise


def _unseen(x: Any, value: Value) -> bool:
    """Whether something ran that made this, and that the recording was not told of: a rule of forward mode, say."""
    node = getattr(x, "_node", None)
    return value.maker is None and node is not None and bool(node.edges)


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
