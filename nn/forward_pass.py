"""A forward pass written down: the operations that lead from a model's input to what one of its layers gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..autograd import Tensor, enable_grad
from ..extend import ArrayLike, Node, Observer, mode, modes
from .hooks import register_module_forward_hook, register_module_forward_pre_hook
from .module import Module
from .traversal import in_mode

Layer = Module | str | int  # itself, its name, or its index among the model's children


class Operation(NamedTuple):
    """A primitive that ran: with what, in which module, the shape of its (first) result, and the nodes of all."""

    primitive: Any
    args: tuple[Any, ...]
    options: Mapping[str, Any]
    path: str
    module: str
    sources: tuple[Node | None, ...]  # None for what does not depend on the model's input
    shape: tuple[int, ...]
    nodes: tuple[Node | None, ...]

    @property
    def place(self) -> str:
        """Where in the model it ran, for errors."""
        return f"{self.path}: {self.module}" if self.path else self.module


class ForwardPass(NamedTuple):
    """The input and the layer's output, their nodes, and all operations in between, in the order in which they ran."""

    input: Tensor
    output: Tensor
    start: Node | None
    end: Node | None
    operations: list[Operation]


def name_of(model: Module, layer: Layer | None, caller: str) -> str:
    """The dotted name of a layer of the model, "" for None; ValueError if there is none."""
    modules = dict(model.named_modules(remove_duplicate=False))
    if layer is None:
        return ""
    if isinstance(layer, str):
        if layer not in modules:
            there = ", ".join(filter(None, modules))
            raise ValueError(f"{caller}: no module is named {layer!r}; there are {there}")
        return layer
    if isinstance(layer, int):
        children = list(model.children())
        if not -len(children) <= layer < len(children):
            raise ValueError(f"{caller}: there is no index {layer} among the model's {len(children)} children")
        layer = children[layer]
    for name, module in modules.items():
        if module is layer:
            return name
    raise ValueError(f"{caller}: {layer!r} is not a module of the model")


def forward_pass(model: Module, x: ArrayLike, layer: str, caller: str) -> ForwardPass:
    """Run the model on x in eval mode, and write down what leads to the last output of the layer of that name.

    RuntimeError where the layer takes no part, or its output does not depend on x.
    """
    recorder = _Recorder(model, model.get_submodule(layer))
    handles = [register_module_forward_pre_hook(recorder.enter), register_module_forward_hook(recorder.leave)]
    try:
        with in_mode(model, training=False), enable_grad():
            start = Tensor(x, requires_grad=True)
            recorder.reached.add(start._node)
            with mode(observers=(*modes.observers, recorder)):
                model(start)
    finally:
        for handle in handles:
            handle.remove()
    if recorder.output is None:
        raise RuntimeError(f"{caller}: layer {layer!r} took no part in the model's forward pass")
    output, end = recorder.output
    if end not in recorder.reached:
        raise RuntimeError(f"{caller}: what layer {layer!r} gives does not depend on the input")
    return ForwardPass(start, output, start._node, end, recorder.leading_to(end))


class _Recorder(Observer):
    def __init__(self, model: Module, layer: Module) -> None:
        self.names = {id(module): name for name, module in model.named_modules()}
        self.layer = layer
        self.stack: list[Module] = []
        self.operations: list[Operation] = []
        self.reached: set[Node | None] = set()  # what depends on the input
        self.output: tuple[Tensor, Node | None] | None = None

    def enter(self, module: Any, args: object) -> None:
        if self in modes.observers:
            self.stack.append(module)

    def leave(self, module: Any, args: object, output: Any) -> None:
        if self not in modes.observers:
            return  # another thread
        while self.stack and self.stack.pop() is not module:
            pass  # one that raised an error, which the model took
        if module is self.layer:
            first = output[0] if isinstance(output, tuple) else output
            self.output = first, first._node

    def ran(
        self, primitive: Any, args: tuple[Any, ...], options: dict[str, Any], out: Any, seconds: float | None
    ) -> None:
        nodes = [getattr(x, "_node", None) for x in args]
        sources = tuple(node if node in self.reached else None for node in nodes)
        if seconds is None or not any(sources):
            return  # within another operation, or apart from the input
        results = out if isinstance(out, tuple) else (out,)
        made = tuple(getattr(x, "_node", None) for x in results)
        self.reached.update(node for node in made if node is not None)
        module = self.stack[-1] if self.stack else None
        path = self.names.get(id(module), "")
        self.operations.append(
            Operation(primitive, args, options, path, type(module).__name__, sources, np.shape(results[0]), made)
        )

    def leading_to(self, end: Node | None) -> list[Operation]:
        """The operations of which a result is needed for that node."""
        needed, chosen = {end}, []
        for operation in reversed(self.operations):
            if needed.intersection(operation.nodes):
                needed.update(filter(None, operation.sources))
                chosen.append(operation)
        return chosen[::-1]
